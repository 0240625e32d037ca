// Package alertmanager tells one or more Alertmanagers of alerts, as Prometheus
// does: what fires is sent again and again, and what is over once.
package alertmanager

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/webgrip/logkeel/agent/conf"
	"github.com/webgrip/logkeel/agent/tlsconf"
)

// Config is one output to Alertmanager: instances that each get every alert.
type Config struct {
	Name           string            `yaml:"name"`                                      // what it is called in metrics, messages and state_dir: letters, digits, - and _, 64 at most
	URLs           conf.Strings      `yaml:"urls"`                                      // the URLs of all instances, as http://127.0.0.1:9093, 1 to 16; each gets every alert, at /api/v2/alerts
	TLS            *tlsconf.Config   `yaml:"tls"`                                       // how an https server is verified, and which certificate the agent shows it
	Username       string            `yaml:"username"`                                  // user for basic authentication; needs password
	Password       conf.Secret       `yaml:"password"`                                  // password of the user
	BearerToken    conf.Secret       `yaml:"bearer_token"`                              // token for the header Authorization, in place of username and password
	Timeout        conf.Duration     `yaml:"timeout"`                                   // how long one try may take, 1s to 5m
	ResendInterval conf.Duration     `yaml:"resend_interval"`                           // how often an alert that fires is sent again, 1s to 1h
	MinSeverity    string            `yaml:"min_severity" enum:"critical warning info"` // least severity that is sent
	ExternalURL    string            `yaml:"external_url"`                              // URL that an alert's link Source leads to, as that of your log viewer; empty: none
	Labels         map[string]string `yaml:"labels"`                                    // names and values of further labels of each alert, as {team: shop}, 20 at most
}

// SetDefaults fills in what a configuration may leave out.
func (c *Config) SetDefaults() {
	*c = Config{Timeout: conf.Duration(10 * time.Second), ResendInterval: conf.Duration(time.Minute), MinSeverity: "info"}
}

var (
	nameForm  = conf.NewForm(`^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$`)
	labelForm = conf.NewForm(`^[a-zA-Z_][a-zA-Z0-9_]{0,63}$`)
)

// severities are the names from the worst to the least.
func severities() []string { return []string{"critical", "warning", "info"} }

// rank orders severities, the worst first. An unknown one is as bad as the worst.
func rank(severity string) int { return max(0, slices.Index(severities(), severity)) }

// reserved are the labels that each alert has of its rule.
func reserved() []string { return []string{"alertname", "severity", "class", "source", "handle"} }

// maxURLs is more than any cluster has.
const maxURLs = 16

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
		bad(".name", "give it a name of letters, digits, - and _; its metrics and its file are called by it", "%q is no name", c.Name)
	}
	if len(c.URLs) == 0 || len(c.URLs) > maxURLs {
		bad(".urls", fmt.Sprintf("name 1 to %d instances, as http://127.0.0.1:9093; each gets every alert", maxURLs), "%d URLs", len(c.URLs))
	}
	seen := map[string]bool{}
	for i, text := range c.URLs {
		field := fmt.Sprintf(".urls[%d]", i)
		u, err := instanceURL(text)
		switch {
		case err != nil:
			bad(field, "write it as http://127.0.0.1:9093, or with the path of a proxy behind", "%w", err)
		case seen[u.String()]:
			bad(field, "name each instance once", "this URL is there already")
		default:
			seen[u.String()] = true
		}
	}
	if (c.Username == "") != c.Password.IsZero() {
		bad(".username", "give username and password, or none", "one of username and password is missing")
	}
	if c.Username != "" && !c.BearerToken.IsZero() {
		bad(".bearer_token", "give username and password, or bearer_token", "there can be one of them only")
	}
	for _, of := range []struct{ field, text string }{{".username", c.Username}, {".password", c.Password.Value()}, {".bearer_token", c.BearerToken.Value()}} {
		if !plain(of.text) {
			bad(of.field, "write it on one line", "it has what no header can have, as the end of a line")
		}
	}
	within(".timeout", c.Timeout, time.Second, 5*time.Minute)
	within(".resend_interval", c.ResendInterval, time.Second, time.Hour)
	if !slices.Contains(severities(), c.MinSeverity) {
		bad(".min_severity", "write critical, warning or info", "%q is no severity", c.MinSeverity)
	}
	if c.ExternalURL != "" {
		if u, err := url.Parse(c.ExternalURL); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			bad(".external_url", "write it as https://logs.example.com/", "%q is no URL by https or http", c.ExternalURL)
		}
	}
	c.checkLabels(bad)
	errs = append(errs, c.TLS.Check(d, path+".tls", "host"))
	return conf.Join(errs...)
}

// plain reports whether the text can stand in a header.
func plain(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f })
}

func (c *Config) checkLabels(bad func(field, hint, format string, args ...any)) {
	for name, value := range c.Labels {
		switch field := ".labels." + name; {
		case !labelForm.MatchString(name):
			bad(".labels", "use letters, digits and _, not beginning with a digit", "%q is no name of a label", name)
		case slices.Contains(reserved(), name):
			bad(field, "choose another name", "the label %s comes from the rule", name)
		case value == "" || len(value) > maxValue || !utf8.ValidString(value):
			bad(field, fmt.Sprintf("write 1 to %d bytes", maxValue), "the value has %d bytes", len(value))
		}
	}
	if len(c.Labels) > maxLabels/2 {
		bad(".labels", fmt.Sprintf("write %d at most", maxLabels/2), "%d labels", len(c.Labels))
	}
}

// instanceURL takes the URL of an instance. The error has no part of it.
func instanceURL(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return nil, errors.New("this is no URL")
	case u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "":
		return nil, errors.New("this is no URL of a host by https or http")
	case u.User != nil:
		return nil, errors.New("user and password stand in the URL; write them as username and password")
	case u.RawQuery != "" || u.Fragment != "":
		return nil, errors.New("the URL has a query or a fragment")
	}
	return u.JoinPath("/"), nil
}

// Hosts are those of the instances, for people.
func (c *Config) Hosts() (hosts []string) {
	for _, text := range c.URLs {
		if u, err := instanceURL(text); err == nil {
			hosts = append(hosts, u.Host)
		}
	}
	return hosts
}
