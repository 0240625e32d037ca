package probe

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
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

	status  []statusRange
	allowed conf.Strings // status as it was written
	text    string
	regexp  *regexp.Regexp // nil: none
	json    Assertions
}

var _ agent.Sampler = (*Sampler)(nil)

// New returns a sampler of c, which Check has found to be right.
func New(c Config) (*Sampler, error) {
	s := &Sampler{
		unix: c.Unix, method: c.Method, headers: c.Headers, token: c.BearerToken, username: c.Username, password: c.Password,
		redirects: c.FollowRedirects, version: c.HTTPVersion, ip: strings.TrimPrefix(c.IP, auto), maxBody: int64(c.MaxBody),
		allowed: c.Expect.Status, text: c.Expect.Body, json: c.Expect.JSON,
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
	if c.Expect.BodyRegexp != "" {
		if s.regexp, err = regexp.Compile(c.Expect.BodyRegexp); err != nil {
			return nil, fmt.Errorf("expect.body_regexp: %w", err)
		}
	}
	return s, nil
}

// Sample probes once and yields what it found, in any case. An error says why
// the probe did not succeed.
func (s *Sampler) Sample(ctx context.Context, yield func(agent.Sample)) error {
	r, err := s.Probe(ctx)
	r.samples(err == nil, yield)
	return err
}

// Close does nothing: no connection outlives its probe.
func (s *Sampler) Close() error { return nil }

func (r *Result) samples(success bool, yield func(agent.Sample)) {
	gauge := func(name, help string, value float64, labels ...agent.Label) {
		yield(agent.Sample{Name: name, Help: help, Value: value, Labels: labels})
	}
	gauge("probe_success", "Displays whether or not the probe was a success", number(success))
	gauge("probe_duration_seconds", "Returns how long the probe took to complete in seconds", r.Times.Total.Seconds())
	gauge("probe_dns_lookup_time_seconds", "Returns the time taken for probe dns lookup in seconds", r.Phases.Resolve.Seconds())
	for _, p := range [...]struct {
		name string
		took time.Duration
	}{
		{"resolve", r.Phases.Resolve},
		{"connect", r.Phases.Connect},
		{"tls", r.Phases.TLS},
		{"processing", r.Phases.Processing},
		{"transfer", r.Phases.Transfer},
	} {
		gauge("probe_http_duration_seconds", "Duration of http request by phase, summed over all redirects", p.took.Seconds(), agent.Label{Name: "phase", Value: p.name})
	}
	for _, p := range [...]struct {
		name string
		at   time.Duration
	}{
		{"namelookup", r.Times.NameLookup},
		{"connect", r.Times.Connect},
		{"appconnect", r.Times.AppConnect},
		{"pretransfer", r.Times.Pretransfer},
		{"redirect", r.Times.Redirect},
		{"starttransfer", r.Times.StartTransfer},
		{"total", r.Times.Total},
	} {
		gauge("logkeel_http_time_seconds", "Time from the start until a point was reached, as curl -w prints time_<point>; 0 where it was not.", p.at.Seconds(), agent.Label{Name: "point", Value: p.name})
	}
	gauge("probe_http_status_code", "Response HTTP status code", float64(r.Status))
	gauge("probe_http_content_length", "Length of http content response", float64(r.ContentLength))
	gauge("probe_http_uncompressed_body_length", "Length of uncompressed response body", float64(r.BodyLength))
	gauge("probe_http_redirects", "The number of redirects", float64(r.Redirects))
	gauge("probe_http_version", "Returns the version of HTTP of the probe response", r.Version)
	gauge("probe_http_ssl", "Indicates if SSL was used for the final redirect", number(r.TLS))
	if !r.CertExpiry.IsZero() {
		gauge("probe_ssl_earliest_cert_expiry", "Returns last SSL chain expiry in unixtime", float64(r.CertExpiry.Unix()))
	}
	failed := func(kind string) float64 {
		return number(slices.ContainsFunc(r.Failures, func(f Failure) bool { return f.Kind == kind }))
	}
	gauge("probe_failed_due_to_regex", "Indicates if probe failed due to regex", failed("body"))
	if !r.Answered {
		return // there was nothing to judge
	}
	for _, kind := range [...]string{"status", "body", "json"} {
		gauge("logkeel_http_assertion_failed", "Whether the answer was not as expected, by what was looked at.", failed(kind), agent.Label{Name: "kind", Value: kind})
	}
}

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

// failures makes an error of what did not hold.
func failures(all []Failure) error {
	texts := make([]string, len(all))
	for i := range all {
		texts[i] = all[i].Text
	}
	if len(all) == 0 {
		return nil
	}
	return errors.New(strings.Join(texts, "; "))
}

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

func (s *Sampler) wantStatus() string { return strings.Join(s.allowed, " or ") }

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
