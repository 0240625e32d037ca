package alertmanager

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/tlsconf"
)

const maxAnswer = 64 << 10

// An instance is one Alertmanager. What is not atomic belongs to its goroutine.
type instance struct {
	key     string // on the disk
	host    string
	url     string
	user    string
	secret  string            // the password, or the token where there is no user
	hides   *strings.Replacer // takes it out of a text
	timeout time.Duration
	client  *http.Client
	woken   chan struct{}

	trouble *agent.Trouble // it takes nothing
	refusal *agent.Trouble // it does not take some alerts
	sent    atomic.Uint64  // alerts that it took
	failed  atomic.Uint64  // and those that it did not, by tries
	refused atomic.Uint64  // alerts that it will not take
}

func newInstance(c *Config, text string, log *slog.Logger) (*instance, error) {
	u, err := instanceURL(text)
	if err != nil {
		return nil, err
	}
	section := c.TLS
	if section == nil {
		section = &tlsconf.Config{}
	}
	secure, err := section.Client("") // the name is that of whom it is connected to
	if err != nil {
		return nil, fmt.Errorf("tls: %w", err)
	}
	log = log.With("instance", u.Host)
	sum := sha256.Sum256([]byte(u.String()))
	in := &instance{
		key: hex.EncodeToString(sum[:8]), host: u.Host, url: u.JoinPath("/api/v2/alerts").String(),
		user: c.Username, secret: c.Password.Value(), timeout: time.Duration(c.Timeout),
		woken: make(chan struct{}, 1), trouble: agent.NewTrouble(log), refusal: agent.NewTrouble(log),
		client: &http.Client{
			Transport: &http.Transport{
				Proxy: http.ProxyFromEnvironment, TLSClientConfig: secure, ForceAttemptHTTP2: true,
				MaxResponseHeaderBytes: maxAnswer, IdleConnTimeout: 90 * time.Second, MaxIdleConnsPerHost: 1,
			},
			// A redirect would make a GET of it, or take the password elsewhere.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
	if !c.BearerToken.IsZero() {
		in.secret = c.BearerToken.Value()
	}
	in.hides = strings.NewReplacer()
	if in.secret != "" {
		in.hides = strings.NewReplacer(in.secret, "…", base64.StdEncoding.EncodeToString([]byte(in.user+":"+in.secret)), "…")
	}
	return in, nil
}

// A refusalError is an answer that says that something in the batch is wrong:
// to send it again as it is helps nothing.
type refusalError struct{ says string }

func (e refusalError) Error() string { return e.says }

// post sends one batch.
func (in *instance) post(ctx context.Context, batch []payload) error {
	body, err := json.Marshal(batch)
	if err != nil {
		return refusalError{err.Error()}
	}
	asking, cancel := context.WithTimeoutCause(ctx, in.timeout, fmt.Errorf("no answer within %s", in.timeout))
	defer cancel()
	req, err := http.NewRequestWithContext(asking, http.MethodPost, in.url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("User-Agent", "logkeel")
	req.Header.Set("Content-Type", "application/json")
	switch {
	case in.user != "":
		req.SetBasicAuth(in.user, in.secret)
	case in.secret != "":
		req.Header.Set("Authorization", "Bearer "+in.secret)
	}
	res, err := in.client.Do(req)
	if err != nil {
		if asking.Err() != nil {
			err = context.Cause(asking)
		}
		var at *url.Error
		if errors.As(err, &at) {
			err = at.Err
		}
		return err
	}
	defer res.Body.Close()
	answer, _ := io.ReadAll(io.LimitReader(res.Body, maxAnswer)) // what there is says enough
	if res.StatusCode/100 == 2 {
		return nil
	}
	says := "it answers " + in.hides.Replace(res.Status)
	// A proxy may show what it was sent.
	if s := strings.TrimSpace(clip(in.hides.Replace(string(answer)), 300)); s != "" {
		says += fmt.Sprintf(": %q", s)
	}
	switch res.StatusCode {
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity:
		return refusalError{says}
	}
	return errors.New(says)
}
