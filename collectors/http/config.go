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
	Name            string                 `yaml:"name"`                           // what it is called, the label target of its metrics: letters, digits, - . and _, 64 at most
	URL             string                 `yaml:"url"`                            // the URL to ask, http:// or https://, without a user in it; needed
	Method          string                 `yaml:"method"`                         // HTTP method, as GET or HEAD, but not CONNECT; no body is sent
	Headers         map[string]conf.Secret `yaml:"headers"`                        // names and values of request headers; they are not sent to another server after a redirect
	BearerToken     conf.Secret            `yaml:"bearer_token"`                   // token for the header Authorization, in place of username and password
	Username        string                 `yaml:"username"`                       // user for basic authentication
	Password        conf.Secret            `yaml:"password"`                       // password of the user
	Unix            string                 `yaml:"unix"`                           // absolute path of a unix socket to connect to, in place of the URL's host
	Proxy           string                 `yaml:"proxy"`                          // proxy, as http://proxy:3128, https:// or socks5://; that of the environment is not used
	FollowRedirects bool                   `yaml:"follow_redirects"`               // follows redirects, 10 at most
	HTTPVersion     string                 `yaml:"http_version" enum:"auto 1.1 2"` // version of HTTP to speak; auto: 2 over TLS where the server has it, and 1.1 elsewhere
	IP              string                 `yaml:"ip" enum:"auto 4 6"`             // version of IP to connect by; auto: whichever answers first
	MaxBody         conf.Size              `yaml:"max_body"`                       // how much of the answer's body is judged, 1KiB to 64MiB
	TLS             *tlsconf.Config        `yaml:"tls"`                            // how an https server is verified, and which certificate the agent shows it
	Expect          Expect                 `yaml:"expect"`                         // what the answer has to be
	// paths of numbers or booleans in the JSON of the body that become metrics, as
	// queue_data.failed; 100 at most
	Values conf.Strings `yaml:"values"`
}

// Expect is what the answer has to be.
type Expect struct {
	Status        conf.Strings      `yaml:"status"`          // status codes, as 200, or classes, as 2xx, of which the last answer has to have one
	Version       conf.Strings      `yaml:"version"`         // versions of HTTP, 1.0, 1.1 or 2, of which the answer has to have one; none: any
	Headers       map[string]string `yaml:"headers"`         // names of headers, each with an expression (RE2) that one of its values has to match
	Body          string            `yaml:"body"`            // text that has to be in the body
	BodyRegexp    string            `yaml:"body_regexp"`     // expression (RE2) that has to match somewhere in the body
	NotBodyRegexp string            `yaml:"not_body_regexp"` // expression (RE2) that must not match anywhere in the body
	// paths in the JSON of the body, as services.*, each with the value, list of values or
	// {below: 10, above: 0} that it has to have
	JSON Assertions `yaml:"json"`
}

// auto is what both sides can.
const auto = "auto"

// SetDefaults fills in what a configuration may leave out.
func (c *Config) SetDefaults() {
	*c = Config{Method: "GET", FollowRedirects: true, HTTPVersion: auto, IP: auto, MaxBody: 1 << 20, Expect: Expect{Status: conf.Strings{"2xx"}}}
}

// tokenForm is what a method and a header's name may be.
var tokenForm = conf.NewForm("^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}$")

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
			bad(".headers."+name, "write it on one line", "the value has control characters, as the end of a line")
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
	}
	for _, of := range []struct{ field, text string }{{".username", c.Username}, {".password", c.Password.Value()}, {".bearer_token", c.BearerToken.Value()}} {
		if !printable(of.text) {
			bad(of.field, "write it on one line", "the value has control characters, as the end of a line")
		}
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
