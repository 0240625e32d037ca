// Package heartbeat tells a service that expects it that the agent is alive: the
// service tells people when it hears nothing. So it is noticed that the agent, or
// its machine, is away.
package heartbeat

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/webgrip/logkeel/agent/conf"
	"github.com/webgrip/logkeel/agent/tlsconf"
)

// Config is one heartbeat: one URL that is asked for again and again.
type Config struct {
	Name string `yaml:"name"` // what it is called in metrics and messages: letters, digits, - and _, 64 at most
	// the URL that is asked for while the agent is well, a secret: whoever knows it can say
	// that it is alive; needed
	URL conf.Secret `yaml:"url"`
	// URL that is asked for while the agent is not well, or what to add to url, as /fail or
	// "?status=down"; empty: silence
	FailURL  conf.Secret     `yaml:"fail_url"`
	Every    conf.Duration   `yaml:"every"`                       // how often url is asked for, 5s to 1d
	Method   string          `yaml:"method" enum:"GET POST HEAD"` // HTTP method of the request; POST sends how the agent does as the text
	Timeout  conf.Duration   `yaml:"timeout"`                     // how long one try may take, 1s to 1m
	Patience conf.Duration   `yaml:"patience"`                    // for how long a part of the agent may get nowhere before it is not well, 1m to 1d
	TLS      *tlsconf.Config `yaml:"tls"`                         // how an https server is verified, and which certificate the agent shows it
}

// SetDefaults fills in what a configuration may leave out.
func (c *Config) SetDefaults() {
	*c = Config{Every: conf.Duration(time.Minute), Method: "GET", Timeout: conf.Duration(10 * time.Second), Patience: conf.Duration(10 * time.Minute)}
}

var nameForm = conf.NewForm(`^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$`)

func methods() []string { return []string{"GET", "POST", "HEAD"} }

// Check says what is wrong with the section at path.
func (c *Config) Check(d *conf.Doc, path string) error {
	var errs []error
	bad := func(field, hint, format string, args ...any) {
		errs = append(errs, d.Errorf(path+field, hint, format, args...))
	}
	within := func(field string, v conf.Duration, least, most time.Duration) {
		if time.Duration(v) < least || time.Duration(v) > most {
			bad(field, fmt.Sprintf("write %s to %s", conf.Duration(least), conf.Duration(most)), "%s is out of range", v)
		}
	}
	if !nameForm.MatchString(c.Name) {
		bad(".name", "give it a name of letters, digits, - and _; its metrics are called by it", "%q is no name", c.Name)
	}
	if _, err := parseURL(c.URL.Value()); err != nil {
		bad(".url", "write what the service gives you, as https://hc-ping.com/UUID", "%w", err)
	} else if _, err := c.failURL(); err != nil {
		bad(".fail_url", `write a URL, or what is to be added to url as /fail, or a query as "?status=down"`, "%w", err)
	}
	if !slices.Contains(methods(), c.Method) {
		bad(".method", "write GET, POST or HEAD", "%q is none of %s", c.Method, strings.Join(methods(), ", "))
	}
	within(".every", c.Every, 5*time.Second, 24*time.Hour)
	within(".timeout", c.Timeout, time.Second, time.Minute)
	within(".patience", c.Patience, time.Minute, 24*time.Hour)
	errs = append(errs, c.TLS.Check(d, path+".tls", "host"))
	return conf.Join(errs...)
}

// Host is where it goes: as much of the URL as may be printed.
func (c *Config) Host() string {
	u, err := parseURL(c.URL.Value())
	if err != nil {
		return ""
	}
	return u.Host
}

// parseURL takes a URL with a host. The error has no part of it.
func parseURL(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	switch {
	case text == "":
		return nil, errors.New("no URL")
	case err != nil:
		return nil, errors.New("this is no URL")
	case u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "":
		return nil, errors.New("this is no URL of a host by https or http")
	}
	u.Fragment = ""
	return u, nil
}

// failURL is what is asked for while the agent is not well; nil for silence.
func (c *Config) failURL() (*url.URL, error) {
	text := c.FailURL.Value()
	if text == "" {
		return nil, nil
	}
	u, err := parseURL(c.URL.Value())
	if err != nil {
		return nil, err
	}
	switch text[0] {
	case '/':
		return u.JoinPath(text), nil
	case '?':
		if strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
			return nil, errors.New("a space or the end of a line is in the query; write %20 and %0A")
		}
		u.RawQuery = text[1:]
		return u, nil
	}
	return parseURL(text)
}
