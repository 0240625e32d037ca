package probe

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/conf"
)

// A Sampler probes one URL.
type Sampler struct {
	url, proxy *url.URL
	unix       string
	method     string
	headers    map[string]conf.Secret
	token      conf.Secret
	username   string
	password   conf.Secret
	tls        *tls.Config // nil: the system's authorities
	redirects  bool
	version    string // of HTTP: 1.1, 2 or auto
	ip         string // 4, 6 or "", which is either
	maxBody    int64

	status    []statusRange
	allowed   conf.Strings // status as it was written
	versions  conf.Strings // of HTTP; none: any
	fields    []field
	text      string
	regexp    *regexp.Regexp // nil: none
	notRegexp *regexp.Regexp // nil: none
	json      Assertions
	values    []path

	last    *Result // of Sample, for Records
	failure string  // why it did not succeed
}

var _ agent.Sampler = (*Sampler)(nil)

// New returns a sampler of c, which Check has found to be right.
func New(c Config) (*Sampler, error) {
	s := &Sampler{
		unix: c.Unix, method: c.Method, headers: c.Headers, token: c.BearerToken, username: c.Username, password: c.Password,
		redirects: c.FollowRedirects, version: c.HTTPVersion, ip: strings.TrimPrefix(c.IP, auto), maxBody: int64(c.MaxBody),
		allowed: c.Expect.Status, versions: c.Expect.Version, text: c.Expect.Body, json: c.Expect.JSON,
	}
	var err error
	if s.url, err = parseURL(c.URL, "http", "https"); err != nil {
		return nil, fmt.Errorf("url: %w", err)
	}
	if c.Proxy != "" {
		if s.proxy, err = parseURL(c.Proxy, "http", "https", "socks5"); err != nil {
			return nil, fmt.Errorf("proxy: %w", err)
		}
	}
	// Without a host: the name to verify is that of each request's URL.
	if s.tls, err = c.TLS.Client(""); err != nil {
		return nil, fmt.Errorf("tls: %w", err)
	}
	for _, text := range c.Expect.Status {
		r, err := parseStatus(text)
		if err != nil {
			return nil, fmt.Errorf("expect.status: %w", err)
		}
		s.status = append(s.status, r)
	}
	if s.regexp, err = expression(c.Expect.BodyRegexp); err != nil {
		return nil, fmt.Errorf("expect.body_regexp: %w", err)
	}
	if s.notRegexp, err = expression(c.Expect.NotBodyRegexp); err != nil {
		return nil, fmt.Errorf("expect.not_body_regexp: %w", err)
	}
	for _, name := range slices.Sorted(maps.Keys(c.Expect.Headers)) {
		e, err := regexp.Compile(c.Expect.Headers[name])
		if err != nil {
			return nil, fmt.Errorf("expect.headers.%s: %w", name, err)
		}
		s.fields = append(s.fields, field{name, e})
	}
	for i, text := range c.Values {
		p, err := parsePath(text)
		if err != nil {
			return nil, fmt.Errorf("values[%d]: %w", i, err)
		}
		s.values = append(s.values, p)
	}
	return s, nil
}

// expression is nil for no text.
func expression(text string) (*regexp.Regexp, error) {
	if text == "" {
		return nil, nil
	}
	return regexp.Compile(text)
}

// Sample probes once and yields what it found, in any case. An error says why
// the probe did not succeed.
func (s *Sampler) Sample(ctx context.Context, yield func(agent.Sample)) error {
	r, err := s.Probe(ctx)
	r.samples(err == nil, yield)
	if s.last, s.failure = r, ""; err != nil {
		s.failure = err.Error()
	}
	r.Header, r.Leaf = nil, nil // which may be large
	return err
}

// Close does nothing: no connection outlives its probe.
func (s *Sampler) Close() error { return nil }

func number(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// explain adds what was asked for. The query stays out of it: there may be a
// token in it.
func (s *Sampler) explain(err error) error {
	text := s.hide(err.Error())
	if text == err.Error() && len(text) <= maxMessage && clean(text) == text {
		return fmt.Errorf("%s %s: %w", s.method, location(s.url), err)
	}
	return &hidden{fmt.Sprintf("%s %s: %s", s.method, location(s.url), shorten(clean(text), maxMessage)), err}
}

// maxMessage bounds what a server can make an error say, in bytes.
const maxMessage = 1000

// hidden is an error with another text.
type hidden struct {
	text  string
	cause error
}

func (h *hidden) Error() string { return h.text }
func (h *hidden) Unwrap() error { return h.cause }

// hide takes the configured secrets out of a text, which a server may have sent.
func (s *Sampler) hide(text string) string {
	secrets := []conf.Secret{s.token, s.password}
	if !s.password.IsZero() { // as it goes over the wire
		secrets = append(secrets, conf.NewSecret(base64.StdEncoding.EncodeToString([]byte(s.username+":"+s.password.Value()))))
	}
	for _, v := range s.headers {
		secrets = append(secrets, v)
	}
	// A longer one may hold a shorter one.
	slices.SortFunc(secrets, func(a, b conf.Secret) int { return len(b.Value()) - len(a.Value()) })
	for _, v := range secrets {
		if len(v.Value()) > 2 {
			text = strings.ReplaceAll(text, v.Value(), v.String())
		}
	}
	return text
}

// excerpt is the start of a body. Secrets go before it is cut, lest half of one
// is left.
func (s *Sampler) excerpt(body []byte) string {
	if len(body) == 0 {
		return "it is empty"
	}
	return "it begins " + quote(s.hide(string(body[:min(len(body), 8<<10)])))
}

// location is a URL without its query.
func location(u *url.URL) string {
	short := url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}
	return shorten(short.String(), 200)
}

// quote shortens and escapes.
func quote(s string) string { return strconv.QuoteToASCII(shorten(s, 120)) }

func shorten(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "..."
}

// clean escapes what a screen might take for a command.
func clean(s string) string {
	if utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return !strconv.IsPrint(r) }) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if strconv.IsPrint(r) {
			b.WriteRune(r)
		} else {
			b.WriteString(strings.Trim(strconv.QuoteRuneToASCII(r), "'"))
		}
	}
	return b.String()
}
