// Package probe asks one URL as curl does, times each phase of it, and judges
// the answer.
package probe

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/webgrip/logkeel/agent/conf"
	"github.com/webgrip/logkeel/agent/tlsconf"
)

// Config is one item of collectors.http.
type Config struct {
	Name            string                 `yaml:"name"`             // by which logs, metrics and tags call it
	URL             string                 `yaml:"url"`              // what is asked for
	Method          string                 `yaml:"method"`           // of HTTP
	Headers         map[string]conf.Secret `yaml:"headers"`          // of the request, names and values
	BearerToken     conf.Secret            `yaml:"bearer_token"`     // for the header Authorization
	Username        string                 `yaml:"username"`         // basic authentication
	Password        conf.Secret            `yaml:"password"`         // that goes with the user
	Unix            string                 `yaml:"unix"`             // path of a socket to use in place of the URL's host
	Proxy           string                 `yaml:"proxy"`            // none of the environment's is used
	FollowRedirects bool                   `yaml:"follow_redirects"` // go where an answer says
	HTTPVersion     string                 `yaml:"http_version"`     // auto, 1.1 or 2
	IP              string                 `yaml:"ip"`               // auto, 4 or 6
	MaxBody         conf.Size              `yaml:"max_body"`         // how much of the answer is judged
	TLS             *tlsconf.Config        `yaml:"tls"`              // TLS; the section alone switches it on
	Expect          Expect                 `yaml:"expect"`           // what the answer has to be
	Values          conf.Strings           `yaml:"values"`           // paths of numbers in the JSON that become metrics
}

// Expect is what the answer has to be.
type Expect struct {
	Status        conf.Strings      `yaml:"status"`          // codes, or classes as 2xx; one of them
	Version       conf.Strings      `yaml:"version"`         // of HTTP: 1.0, 1.1 or 2; one of them
	Headers       map[string]string `yaml:"headers"`         // names, and expressions for their values
	Body          string            `yaml:"body"`            // text that is in it
	BodyRegexp    string            `yaml:"body_regexp"`     // an expression that has to match the body
	NotBodyRegexp string            `yaml:"not_body_regexp"` // an expression that must not match the body
	JSON          Assertions        `yaml:"json"`            // values that the JSON of the body has to have
}

// auto is what both sides can.
const auto = "auto"

// SetDefaults fills in what a configuration may leave out.
func (c *Config) SetDefaults() {
	*c = Config{Method: "GET", FollowRedirects: true, HTTPVersion: auto, IP: auto, MaxBody: 1 << 20, Expect: Expect{Status: conf.Strings{"2xx"}}}
}

// tokenForm is what a method and a header's name may be.
var tokenForm = regexp.MustCompile("^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}$")

// Check says what is wrong with the item at path.
func (c *Config) Check(d *conf.Doc, path string) error {
	var errs []error
	bad := func(field, hint, format string, args ...any) {
		errs = append(errs, d.Errorf(path+field, hint, format, args...))
	}
	if _, err := parseURL(c.URL, "http", "https"); err != nil {
		bad(".url", "write it as http://localhost:8080/health", "%w", err)
	}
	if c.Proxy != "" {
		if _, err := parseURL(c.Proxy, "http", "https", "socks5"); err != nil {
			bad(".proxy", "write it as http://proxy:3128", "%w", err)
		}
	}
	if c.Proxy != "" && c.Unix != "" {
		bad(".proxy", "remove one of them", "a socket and a proxy are both given")
	}
	if c.Unix != "" && !strings.HasPrefix(c.Unix, "/") {
		bad(".unix", "write its path, as /run/app.sock", "%q is no absolute path", c.Unix)
	}
	if !tokenForm.MatchString(c.Method) || c.Method == "CONNECT" {
		bad(".method", "write GET, HEAD or another one", "%q is no method", c.Method)
	}
	if c.MaxBody < 1<<10 || c.MaxBody > 64<<20 {
		bad(".max_body", "write 1KiB to 64MiB", "%s is out of range", c.MaxBody)
	}
	if !slices.Contains([]string{auto, "1.1", "2"}, c.HTTPVersion) {
		bad(".http_version", "write 1.1, 2 or auto", "%q is no version of HTTP to ask for", c.HTTPVersion)
	}
	if !slices.Contains([]string{auto, "4", "6"}, c.IP) {
		bad(".ip", "write 4, 6 or auto", "%q is no version of IP", c.IP)
	} else if c.IP != auto && c.Unix != "" {
		bad(".ip", "remove one of them", "a socket has no address")
	}
	c.checkHeaders(bad)
	c.Expect.check(bad)
	for i, text := range c.Values {
		if _, err := parsePath(text); err != nil {
			bad(fmt.Sprintf(".values[%d]", i), "write it as queue_data.failed", "%w", err)
		}
	}
	errs = append(errs, c.TLS.Check(d, path+".tls", "host"))
	return conf.Join(errs...)
}

func (c *Config) checkHeaders(bad func(field, hint, format string, args ...any)) {
	for _, name := range slices.Sorted(maps.Keys(c.Headers)) {
		if !tokenForm.MatchString(name) {
			bad(".headers", "write the name alone, as X-Api-Token", "%q is no header", name)
		} else if !printable(c.Headers[name].Value()) {
			bad(".headers."+name, "write it on one line", "the value has control characters")
		}
		if strings.EqualFold(name, "Authorization") && (c.Username != "" || !c.BearerToken.IsZero()) {
			bad(".headers."+name, "remove one of them", "authorization is given twice")
		}
	}
	switch {
	case !c.BearerToken.IsZero() && c.Username != "":
		bad(".bearer_token", "remove one of them", "a token and a user are both given")
	case c.Username == "" && !c.Password.IsZero():
		bad(".password", "set username as well, or leave the password out", "a password without a user")
	case !printable(c.BearerToken.Value()):
		bad(".bearer_token", "write it on one line", "the value has control characters")
	}
}

func (e *Expect) check(bad func(field, hint, format string, args ...any)) {
	if len(e.Status) == 0 {
		bad(".expect.status", "write 200, 2xx or a list of such", "no status")
	}
	for i, s := range e.Status {
		if _, err := parseStatus(s); err != nil {
			bad(fmt.Sprintf(".expect.status[%d]", i), "write a code as 200, or a class as 2xx", "%w", err)
		}
	}
	for i, v := range e.Version {
		if !slices.Contains([]string{"1.0", "1.1", "2"}, v) {
			bad(fmt.Sprintf(".expect.version[%d]", i), "write 1.0, 1.1 or 2", "%q is no version of HTTP", v)
		}
	}
	const syntax = "see https://github.com/google/re2/wiki/Syntax"
	if _, err := regexp.Compile(e.BodyRegexp); err != nil {
		bad(".expect.body_regexp", syntax, "%w", err)
	}
	if _, err := regexp.Compile(e.NotBodyRegexp); err != nil {
		bad(".expect.not_body_regexp", syntax, "%w", err)
	}
	for _, name := range slices.Sorted(maps.Keys(e.Headers)) {
		if !tokenForm.MatchString(name) {
			bad(".expect.headers", "write the name alone, as Content-Type", "%q is no header", name)
		} else if _, err := regexp.Compile(e.Headers[name]); err != nil {
			bad(".expect.headers."+name, syntax, "%w", err)
		}
	}
}

// parseURL takes a URL with a host, of one of the schemes. The error has no
// part of the URL, for there may be a password in it.
func parseURL(text string, schemes ...string) (*url.URL, error) {
	u, err := url.Parse(text)
	switch {
	case text == "":
		return nil, errors.New("no URL")
	case err != nil:
		return nil, errors.New("this is no URL")
	case !slices.Contains(schemes, u.Scheme) || u.Host == "" || u.Hostname() == "":
		return nil, fmt.Errorf("this is no URL of a host by %s", strings.Join(schemes, " or "))
	case u.User != nil:
		return nil, errors.New("there is a user in the URL; URLs are printed, so give it by username and password")
	}
	if p := cmp.Or(u.Port(), "80"); !isPort(p) {
		return nil, fmt.Errorf("%q is no port", p)
	}
	return u, nil
}

func isPort(s string) bool {
	n, err := strconv.ParseUint(s, 10, 16)
	return err == nil && n > 0
}

// A statusRange is the codes from first to last.
type statusRange struct{ first, last int }

func parseStatus(s string) (statusRange, error) {
	if len(s) == 3 && s[1:] == "xx" && s[0] >= '1' && s[0] <= '5' {
		class := int(s[0]-'0') * 100
		return statusRange{class, class + 99}, nil
	}
	if n, err := strconv.Atoi(s); err == nil && n >= 100 && n <= 599 {
		return statusRange{n, n}, nil
	}
	return statusRange{}, fmt.Errorf("%q is no status", s)
}

func printable(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f })
}
