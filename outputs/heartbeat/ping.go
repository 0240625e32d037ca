package heartbeat

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

const (
	maxRedirects = 3
	maxAnswer    = 64 << 10
	maxRead      = 4 << 10 // bytes of an answer that says no, of which 200 characters are shown
	pieceAtLeast = 6       // a shorter part of a URL would blot out half of any message
)

// newClient makes a client that keeps no connection: pings are far apart, and a
// machine may sleep between two.
func newClient(c *Config) (*http.Client, error) {
	secure, err := c.TLS.Client("") // the name is that of whom it is connected to
	if err != nil {
		return nil, fmt.Errorf("tls: %w", err)
	}
	return &http.Client{
		Transport: &http.Transport{
			Proxy: http.ProxyFromEnvironment, TLSClientConfig: secure, ForceAttemptHTTP2: true,
			DisableKeepAlives: true, MaxResponseHeaderBytes: maxAnswer,
		},
		CheckRedirect: func(next *http.Request, before []*http.Request) error {
			next.Header.Del("Referer") // which has the secret
			switch {
			case len(before) > maxRedirects:
				return fmt.Errorf("more than %d redirects", maxRedirects)
			case next.URL.Scheme != "https" && before[len(before)-1].URL.Scheme == "https":
				return errors.New("a redirect leads away from https")
			}
			return nil
		},
	}, nil
}

// ping asks for the URL once. The error has nothing of it but the host.
func (o *Output) ping(ctx context.Context, to *url.URL, text string) error {
	timeout := time.Duration(o.c.Timeout)
	asking, cancel := context.WithTimeoutCause(ctx, timeout, fmt.Errorf("no answer within %s", timeout))
	defer cancel()
	var body io.Reader
	if o.c.Method == http.MethodPost {
		body = strings.NewReader(text + "\n")
	}
	req, err := http.NewRequestWithContext(asking, o.c.Method, to.String(), body)
	if err != nil {
		return o.plain(err)
	}
	req.Header.Set("User-Agent", "logkeel")
	if body != nil {
		req.Header.Set("Content-Type", "text/plain; charset=utf-8")
	}
	res, err := o.client.Do(req)
	if err != nil && asking.Err() != nil {
		err = context.Cause(asking)
	}
	if err != nil {
		return o.plain(err)
	}
	defer res.Body.Close()
	if res.StatusCode/100 != 2 {
		answer, _ := io.ReadAll(io.LimitReader(res.Body, maxRead)) // what there is says enough
		if len(answer) == maxRead && len(o.pieces) > 0 {
			answer = answer[:max(0, maxRead-len(o.pieces[0]))] // a secret may be cut there, and is not known any more
		}
		if s := strings.TrimSpace(o.hide(string(answer))); s != "" {
			return o.plain(fmt.Errorf("it answers %s: %.200q", res.Status, s))
		}
		return o.plain(fmt.Errorf("it answers %s", res.Status))
	}
	return nil
}

// plain is the error without the URL.
func (o *Output) plain(err error) error {
	var at *url.Error
	for errors.As(err, &at) {
		err = at.Err
	}
	return errors.New(o.hide(err.Error()))
}

// hide is the text without parts of the URLs.
func (o *Output) hide(s string) string {
	for _, p := range o.pieces {
		s = strings.ReplaceAll(s, p, "…")
	}
	return s
}

// secrets are the parts of the URLs that nobody may see, the longest first.
func secrets(all ...*url.URL) (pieces []string) {
	add := func(s string) {
		if len(s) >= pieceAtLeast {
			pieces = append(pieces, s)
		}
	}
	for _, u := range all {
		if u == nil {
			continue
		}
		add(u.RequestURI())
		add(u.EscapedPath())
		add(u.Path)
		add(u.RawQuery)
		if u.User != nil {
			password, _ := u.User.Password()
			add(password)
			add(u.User.Username())
			add(base64.StdEncoding.EncodeToString([]byte(u.User.Username() + ":" + password))) // as it is sent
		}
		for _, s := range strings.Split(u.Path, "/") {
			add(s)
		}
		for _, values := range u.Query() {
			for _, v := range values {
				add(v)
			}
		}
	}
	slices.SortFunc(pieces, func(a, b string) int { return cmp.Compare(len(b), len(a)) })
	return pieces
}
