package webhook

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/webgrip/logkeel/agent/notify"
	"github.com/webgrip/logkeel/agent/tlsconf"
)

const (
	idHeader   = "X-Logkeel-Notice"
	signHeader = "X-Hub-Signature-256"

	maxAnswer    = 4 << 10  // bytes that are read of an answer to be shown
	maxDrained   = 64 << 10 // and that are read so that the connection can be used again
	maxShown     = 200      // characters of it that are shown
	maxPutOff    = time.Hour
	maxRedirects = 5
)

// A sender makes requests. It is used by one goroutine.
type sender struct {
	config  *Config
	where   string // scheme and host, for people
	client  *http.Client
	secrets *strings.Replacer // takes secrets out of a text
	longest int               // bytes of one

	putOff time.Time // the receiver wants nothing before
}

func newSender(c *Config) (*sender, error) {
	section := c.TLS
	if section == nil {
		section = &tlsconf.Config{}
	}
	secure, err := section.Client("")
	if err != nil {
		return nil, fmt.Errorf("tls: %w", err)
	}
	transport := &http.Transport{
		Proxy: http.ProxyFromEnvironment, TLSClientConfig: secure, ForceAttemptHTTP2: true,
		MaxIdleConns: 2, IdleConnTimeout: time.Minute, MaxResponseHeaderBytes: 64 << 10,
	}
	secrets, longest := hiding(c)
	return &sender{
		config: c, where: c.Where(), secrets: secrets, longest: longest,
		client: &http.Client{Transport: transport, CheckRedirect: follow, Timeout: time.Duration(c.Timeout)},
	}, nil
}

// follow goes along with what keeps method and body and stays on the host: the
// others get neither what is told nor the secrets.
func follow(r *http.Request, via []*http.Request) error {
	code := r.Response.StatusCode
	same := r.URL.Scheme == via[0].URL.Scheme && r.URL.Host == via[0].URL.Host
	if !same || len(via) > maxRedirects || code != http.StatusTemporaryRedirect && code != http.StatusPermanentRedirect {
		return http.ErrUseLastResponse
	}
	return nil
}

// hiding replaces all that is secret about the section, also where a receiver
// repeats parts of it. The longest secret has so many bytes.
func hiding(c *Config) (r *strings.Replacer, longest int) {
	const least = 4 // characters: what is shorter is no secret, and is part of any text
	var pairs []string
	hide := func(s string) {
		if len(s) >= least {
			pairs, longest = append(pairs, s, "<secret>"), max(longest, len(s))
		}
	}
	for _, s := range []string{c.URL.Value(), c.BearerToken.Value(), c.Password.Value(), c.SignWith.Value()} {
		hide(s)
		hide(url.QueryEscape(s))
		hide(url.PathEscape(s))
	}
	basic := func(user, password string) { hide(base64.StdEncoding.EncodeToString([]byte(user + ":" + password))) } // as it is sent
	if c.Username != "" {
		basic(c.Username, c.Password.Value())
	}
	for _, h := range c.Headers {
		hide(h.Value.Value())
		if _, token, ok := strings.Cut(h.Value.Value(), " "); ok {
			hide(token)
		}
	}
	if u, err := parseURL(c.URL); err == nil {
		if password, ok := u.User.Password(); ok {
			hide(password)
			basic(u.User.Username(), password)
		}
		hide(u.User.Username())
		hide(u.RequestURI())
		hide(u.EscapedPath())
		hide(u.Path)
		for _, part := range strings.FieldsFunc(u.RequestURI(), func(r rune) bool { return strings.ContainsRune("/?&=", r) }) {
			if len(part) >= 2*least {
				hide(part)
				if plain, err := url.QueryUnescape(part); err == nil {
					hide(plain)
				}
			}
		}
		for _, values := range u.Query() {
			for _, v := range values {
				hide(v)
			}
		}
	}
	return strings.NewReplacer(pairs...), longest
}

// shown is what may be shown of a text from elsewhere.
func (s *sender) shown(text string) string {
	return truncate(maxShown, oneLine(s.secrets.Replace(text)))
}

// request is the one that brings body to the receiver.
func (s *sender) request(ctx context.Context, id string, body []byte) (*http.Request, error) {
	c := s.config
	r, err := http.NewRequestWithContext(ctx, c.Method, strings.ReplaceAll(c.URL.Value(), idMark, url.PathEscape(id)), bytes.NewReader(body))
	if err != nil {
		return nil, errors.New("the url is none") // err has all of it
	}
	r.Header.Set("User-Agent", "logkeel")
	r.Header.Set("Content-Type", c.ContentType)
	for _, h := range c.Headers {
		r.Header.Set(h.Name, h.Value.Value())
	}
	r.Header.Set(idHeader, id)
	if c.Username != "" {
		r.SetBasicAuth(c.Username, c.Password.Value())
	}
	if !c.BearerToken.IsZero() {
		r.Header.Set("Authorization", "Bearer "+c.BearerToken.Value())
	}
	if !c.SignWith.IsZero() {
		mac := hmac.New(sha256.New, []byte(c.SignWith.Value()))
		mac.Write(body)
		r.Header.Set(signHeader, "sha256="+hex.EncodeToString(mac.Sum(nil)))
	}
	return r, nil
}

// send returns when the receiver has taken the body. An error that is not
// notify.Refused may pass.
func (s *sender) send(ctx context.Context, id string, body []byte) error {
	if wait := time.Until(s.putOff); wait > 0 {
		return fmt.Errorf("%s wants to be asked again in %s", s.where, wait.Round(time.Second))
	}
	r, err := s.request(ctx, id, body)
	if err != nil {
		return err
	}
	answer, err := s.client.Do(r)
	if err != nil {
		var wrapped *url.Error
		if errors.As(err, &wrapped) {
			err = wrapped.Err // without the URL
		}
		return &requestError{s.where + ": " + s.shown(err.Error()), err}
	}
	defer answer.Body.Close()
	start, _ := io.ReadAll(io.LimitReader(answer.Body, maxAnswer)) // that it breaks off says nothing: the status is there
	if len(start) == maxAnswer {
		start = start[:max(0, maxAnswer-s.longest)] // a secret may be cut there, and is not known any more
	}
	_, _ = io.CopyN(io.Discard, answer.Body, maxDrained)
	return s.judge(answer, start)
}

// A requestError is one of no answer. What caused it may have secrets in its
// text.
type requestError struct {
	text  string
	cause error
}

func (e *requestError) Error() string { return e.text }

// Is reports of context's errors, and of no others, whether they are the cause.
func (e *requestError) Is(target error) bool {
	return (target == context.Canceled || target == context.DeadlineExceeded) && errors.Is(e.cause, target)
}

// judge is nil where the answer says that the notice was taken.
func (s *sender) judge(answer *http.Response, body []byte) error {
	code := answer.StatusCode
	if code/100 == 2 {
		return nil
	}
	text := s.where + ": " + strconv.Itoa(code) + " " + http.StatusText(code)
	if code/100 == 3 {
		if to, err := answer.Location(); err == nil {
			text += ", to " + to.Scheme + "://" + to.Host + ", which is not followed; is the url right?"
		}
		return errors.New(s.shown(text))
	}
	err := errors.New(text)
	if more := s.shown(string(body)); more != "" {
		err = fmt.Errorf("%w: %s", err, more)
	}
	switch {
	case code == http.StatusTooManyRequests || code == http.StatusServiceUnavailable:
		s.putOff = time.Now().Add(retryAfter(answer.Header.Get("Retry-After"), time.Now()))
		return err
	case code == http.StatusRequestTimeout || code == http.StatusTooEarly || code/100 == 5:
		return err
	}
	return notify.Refused(err)
}

// retryAfter is how long the header says to wait, within reason; 0 where it
// says nothing.
func retryAfter(header string, now time.Time) time.Duration {
	var wait time.Duration
	if seconds, err := strconv.ParseFloat(strings.TrimSpace(header), 64); err == nil && seconds > 0 {
		wait = time.Duration(min(seconds, maxPutOff.Seconds()) * float64(time.Second))
	} else if at, err := http.ParseTime(header); err == nil {
		wait = at.Sub(now)
	}
	return max(0, min(wait, maxPutOff))
}
