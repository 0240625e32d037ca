package probe

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"time"
)

const (
	maxRedirects = 10
	// maxHeader bounds the header of an answer, in bytes.
	maxHeader = 256 << 10
	// maxSkipped bounds what is read of a redirect's body, in bytes, so that its
	// connection can be used again.
	maxSkipped = 64 << 10
	// maxTold bounds how many places of a JSON document are told, of one assertion.
	maxTold = 3
	// maxValues bounds the values that are taken out of one.
	maxValues = 100
)

// A Result is what one probe found. Without an answer Status is 0.
type Result struct {
	Times         Times
	Phases        Phases
	Status        int
	Version       float64 // 1.1, 2
	ContentLength int64   // -1 where the answer does not say it, 0 without one
	BodyLength    int64
	Redirects     int
	TLS           bool
	Answered      bool // whole
	Checks        []Check
	Values        []Value
	Omitted       int // values that there was no room for

	URL        string // of the last request
	Method     string
	Header     http.Header // of the last answer
	RedirectTo string      // where the last answer redirects to, if that was not to be followed
	Certificates
	Connections
}

// Probe asks once, over a new connection. The error says why there was no whole
// answer, or what the answer should have been; the result is never nil.
func (s *Sampler) Probe(ctx context.Context) (*Result, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	// It lives as long as the probe: redirects may use its connections.
	var d dials
	transport := s.transport(ctx, &d)
	r := &Result{Method: s.method}
	start := time.Now()
	a, err := s.follow(ctx, transport, r, start)
	r.Times.Total = time.Since(start)
	r.Connections = d.seal()
	if err == nil {
		r.Answered = true
		s.judge(a, r)
		err = failures(r.Checks)
	}
	if err != nil {
		err = s.explain(err)
	}
	return r, err
}

// An answer is what is judged.
type answer struct {
	status      int
	header      http.Header
	contentType string
	body        []byte // its first max_body bytes
	cut         bool   // there was more
}

func (s *Sampler) follow(ctx context.Context, transport *http.Transport, r *Result, start time.Time) (*answer, error) {
	at := s.url
	secrets := true
	for {
		a, next, err := s.ask(ctx, transport, at, secrets, r)
		if err != nil && r.Redirects > 0 {
			err = fmt.Errorf("redirected to %s: %w", location(at), err)
		}
		if err != nil || next == nil {
			return a, err
		}
		if r.Redirects == maxRedirects {
			return nil, fmt.Errorf("%w, the last one to %s", errRedirects, location(next))
		}
		r.Redirects++
		r.Times.Redirect = time.Since(start)
		secrets = secrets && trusts(at, next)
		at = next
	}
}

// ask makes one request. next is where it redirects to, if that is to be
// followed.
func (s *Sampler) ask(ctx context.Context, transport *http.Transport, at *url.URL, secrets bool, r *Result) (a *answer, next *url.URL, err error) {
	h := &hop{marks: marks{start: time.Now()}}
	defer func() {
		m := h.seal()
		r.Phases.add(&m)
		r.Times.add(&m, at.Scheme == "https")
		if err != nil && ctx.Err() != nil {
			err = fmt.Errorf("%w, %s: %w", errTime, m.doing(), err)
		}
	}()
	req, err := http.NewRequestWithContext(httptrace.WithClientTrace(ctx, h.trace()), s.method, at.String(), nil)
	if err != nil {
		return nil, nil, err
	}
	s.head(req, secrets)
	r.URL = at.String()
	resp, err := transport.RoundTrip(req)
	if err != nil {
		if refused := (*tls.CertificateVerificationError)(nil); errors.As(err, &refused) {
			r.refused(refused)
		}
		return nil, nil, s.plainer(err)
	}
	defer resp.Body.Close()
	r.Status, r.ContentLength, r.Header = resp.StatusCode, resp.ContentLength, resp.Header
	r.Version = float64(resp.ProtoMajor) + float64(resp.ProtoMinor)/10
	if r.TLS = resp.TLS != nil; r.TLS {
		r.accepted(resp.TLS, s.tls)
	}
	if next, err = redirect(resp, at); next != nil && !s.redirects {
		r.RedirectTo, next = next.String(), nil
	}
	if !s.redirects {
		err = nil // what is not followed need not be right
	}
	if next != nil || err != nil {
		io.CopyN(io.Discard, resp.Body, maxSkipped) // what is wrong with it does not matter
		return nil, next, err
	}
	a, r.BodyLength, err = s.read(resp)
	return a, nil, err
}

// read takes the whole answer, as curl does, and keeps what is to be judged.
func (s *Sampler) read(resp *http.Response) (*answer, int64, error) {
	var kept bytes.Buffer
	n, err := io.CopyN(&kept, resp.Body, s.maxBody)
	a := &answer{status: resp.StatusCode, header: resp.Header, contentType: resp.Header.Get("Content-Type"), body: kept.Bytes()}
	if err == nil {
		var more int64
		more, err = io.Copy(io.Discard, resp.Body)
		n, a.cut = n+more, more > 0
	} else if errors.Is(err, io.EOF) {
		err = nil
	}
	if err != nil {
		err = fmt.Errorf("the answer (%d) breaks off after %d bytes: %w", a.status, n, err)
	}
	return a, n, err
}

// redirect says where to go on, nil where this is the answer.
func redirect(resp *http.Response, at *url.URL) (*url.URL, error) {
	switch resp.StatusCode {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
	default:
		return nil, nil
	}
	to := resp.Header.Get("Location")
	if to == "" {
		return nil, nil
	}
	next, err := at.Parse(to)
	if err != nil || next.Hostname() == "" || next.Scheme != "http" && next.Scheme != "https" {
		return nil, fmt.Errorf("%s redirects to %s, which is no URL to follow", location(at), quote(to))
	}
	next.User = nil
	return next, nil
}

// trusts reports whether what the configuration sends to one URL may go to the
// other: the same server, or the same one with TLS in place of without.
func trusts(from, to *url.URL) bool {
	same := from.Scheme == to.Scheme && from.Host == to.Host
	upgrade := from.Scheme == "http" && to.Scheme == "https" && from.Hostname() == to.Hostname() &&
		(from.Port() == "" || from.Port() == "80") && (to.Port() == "" || to.Port() == "443")
	return same || upgrade
}

// head sets the request's header. Without secrets none of the configured
// fields is sent, for each may be one.
func (s *Sampler) head(req *http.Request, secrets bool) {
	req.Header.Set("User-Agent", "logkeel")
	req.Header.Set("Accept", "*/*")
	if !secrets {
		return
	}
	for name, v := range s.headers {
		if http.CanonicalHeaderKey(name) == "Host" {
			req.Host = v.Value()
			continue
		}
		req.Header.Set(name, v.Value())
	}
	if !s.token.IsZero() {
		req.Header.Set("Authorization", "Bearer "+s.token.Value())
	}
	if s.username != "" {
		req.SetBasicAuth(s.username, s.password.Value())
	}
}
