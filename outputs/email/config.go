package email

import (
	"fmt"
	"net"
	"net/mail"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/webgrip/logkeel/agent/conf"
	"github.com/webgrip/logkeel/agent/notify"
	"github.com/webgrip/logkeel/agent/tlsconf"
)

// Config is one email output: one server, one sender and those who are told.
type Config struct {
	Name   string `yaml:"name"`   // what it is called in metrics, messages and state_dir: letters, digits, - and _, 64 at most
	Server string `yaml:"server"` // mail server, as host:port or host; without a port 587, 465 with security tls, 25 with none; needed
	// how the connection is encrypted; none takes no password but on this machine; empty:
	// tls on port 465, starttls elsewhere
	Security string          `yaml:"security" enum:"starttls tls none"`
	TLS      *tlsconf.Config `yaml:"tls"`      // how the server's certificate is verified, and which one the agent shows, unless security is none
	Username string          `yaml:"username"` // user to log in as; needs password
	Password conf.Secret     `yaml:"password"` // password of the user
	// how the agent logs in; auto: by the best mechanism that the server offers
	Auth          string        `yaml:"auth" enum:"auto plain login cram-md5 scram-sha-1 scram-sha-256"`
	From          string        `yaml:"from"`           // sender, as logkeel@example.com or logkeel <logkeel@example.com>; needed
	To            conf.Strings  `yaml:"to"`             // addresses of those who are told, 1 to 100
	Helo          string        `yaml:"helo"`           // host name by which the agent greets the server; empty: that of this host
	Timeout       conf.Duration `yaml:"timeout"`        // how long one try may take, from connecting to the server's last word, 1s to 10m
	SubjectPrefix string        `yaml:"subject_prefix"` // text that subjects begin with, as [shop], 60 bytes at most
	Report        *ReportConfig `yaml:"report"`         // mails a report of all that was measured, each week unless it says otherwise; report: {} switches it on

	notify.Config `yaml:",inline"`
}

// What security may be.
const (
	startTLS = "starttls"
	fullTLS  = "tls"
	noTLS    = "none"
)

const (
	maxRecipients = 100
	shortest      = time.Second
	longest       = 10 * time.Minute
)

var (
	nameForm = conf.NewForm(`^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$`)
	hostForm = conf.NewForm(`^[A-Za-z0-9]([A-Za-z0-9_.-]{0,252}[A-Za-z0-9.])?$`)
	userForm = conf.NewForm("^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}$") // of an address, before the @
	heloForm = conf.NewForm(`^([A-Za-z0-9]([A-Za-z0-9.-]{0,252}[A-Za-z0-9])?|\[[0-9A-Za-z.:]{2,60}\])$`)
)

// SetDefaults fills in what a configuration may leave out.
func (c *Config) SetDefaults() {
	*c = Config{Auth: authAuto, Timeout: conf.Duration(30 * time.Second)}
	c.Config.SetDefaults()
	c.AllowRecipients()
}

// Check says what is wrong with the section at path.
func (c *Config) Check(d *conf.Doc, path string) error {
	var errs []error
	bad := func(field, hint, format string, args ...any) {
		errs = append(errs, d.Errorf(path+field, hint, format, args...))
	}
	if !nameForm.MatchString(c.Name) {
		bad(".name", "give it a name of letters, digits, - and _; its spool and metrics are called by it", "%q is no name", c.Name)
	}
	host, _, err := c.address()
	if err != nil {
		bad(".server", "write it as smtp.example.com:587", "%w", err)
	}
	switch c.Security {
	case "", startTLS, fullTLS, noTLS:
	default:
		bad(".security", "write starttls, tls or none", "%q is none of starttls, tls and none", c.Security)
	}
	if c.security() == noTLS && c.TLS != nil {
		bad(".tls", "leave tls out, or write security: starttls", "there is no TLS with security: none")
	}
	if host == "" {
		host = "host" // only that of a socket is to be missed here
	}
	errs = append(errs, c.TLS.Check(d, path+".tls", host))
	c.checkLogin(host, bad)
	c.checkAddresses(bad)
	if c.Helo != "" && !heloForm.MatchString(c.Helo) {
		bad(".helo", "write this host's name, as agent.example.com, or leave it out", "%q is no host name", c.Helo)
	}
	if t := time.Duration(c.Timeout); t < shortest || t > longest {
		bad(".timeout", fmt.Sprintf("write %s to %s", conf.Duration(shortest), conf.Duration(longest)), "%s is out of range", c.Timeout)
	}
	if len(c.SubjectPrefix) > 60 || visible(c.SubjectPrefix, 60) != c.SubjectPrefix {
		bad(".subject_prefix", "write something like [shop]", "%q is longer than 60 bytes or has what cannot be printed", c.SubjectPrefix)
	}
	errs = append(errs, c.Report.Check(d, path+".report"), c.Config.Check(d, path))
	return conf.Join(errs...)
}

func (c *Config) checkLogin(host string, bad func(field, hint, format string, args ...any)) {
	if !slices.Contains(authNames, c.Auth) {
		bad(".auth", "write auto, or the one that the server is to be logged in to with", "%q is none of %s", c.Auth, strings.Join(authNames, ", "))
	}
	if c.Username == "" && !c.Password.IsZero() {
		bad(".password", "set username as well, or leave the password out", "a password without a user")
	}
	if c.Username != "" && c.Password.IsZero() {
		bad(".username", "set password or password_file as well", "a user without a password")
	}
	if c.Username != "" && c.security() == noTLS && !loopback(host) {
		bad(".security", "write security: starttls or tls, or leave username and password out", "the password would cross the network to %s for all to read", host)
	}
}

func (c *Config) checkAddresses(bad func(field, hint, format string, args ...any)) {
	if _, err := parseAddress(c.From); err != nil {
		bad(".from", "write it as logkeel@example.com or logkeel <logkeel@example.com>", "%w", err)
	}
	checkRecipients(".to", c.To, bad)
	for i, r := range c.Routes {
		if r.To != nil {
			checkRecipients(fmt.Sprintf(".routes[%d].to", i), r.To, bad)
		}
	}
}

func checkRecipients(field string, to conf.Strings, bad func(field, hint, format string, args ...any)) {
	if len(to) == 0 || len(to) > maxRecipients {
		bad(field, fmt.Sprintf("name those who are to be told, at most %d; beyond that let the mail server have a list", maxRecipients), "%d recipients", len(to))
	}
	had := map[string]bool{}
	for _, text := range to {
		a, err := parseAddress(text)
		if err != nil {
			bad(field, "write each as ops@example.com or Operations <ops@example.com>", "%w", err)
			continue
		}
		if had[a.Address] {
			bad(field, "name each one once", "%s is there twice", a.Address)
		}
		had[a.Address] = true
	}
}

// parseAddress takes what every server takes: one without SMTPUTF8 too.
func parseAddress(text string) (*mail.Address, error) {
	a, err := mail.ParseAddress(text)
	if err != nil {
		return nil, fmt.Errorf("%q is no mail address", text)
	}
	for _, r := range a.Address {
		if r <= ' ' || r > '~' {
			return nil, fmt.Errorf("%q is no mail address that every server takes: it is not in plain ASCII (a domain can be, as xn--...)", text)
		}
	}
	if at := strings.LastIndexByte(a.Address, '@'); !userForm.MatchString(a.Address[:at]) {
		return nil, fmt.Errorf("%q is no mail address that every server takes: letters, digits, dots and the like stand before the @", text)
	}
	if visible(a.Name, 1000) != a.Name {
		return nil, fmt.Errorf("%q has what cannot be printed", text)
	}
	return a, nil
}

// address splits server; where it has no port it gets the usual one.
func (c *Config) address() (host, port string, err error) {
	host, port = c.Server, ""
	if !hostForm.MatchString(host) {
		if host, port, err = net.SplitHostPort(c.Server); err != nil {
			return "", "", fmt.Errorf("%q is no host:port", c.Server)
		}
		if n, err := net.LookupPort("tcp", port); err != nil || n == 0 {
			return "", "", fmt.Errorf("%q is no port", port)
		}
	}
	if _, err := netip.ParseAddr(host); err != nil && !hostForm.MatchString(host) {
		return "", "", fmt.Errorf("%q is no host:port", c.Server)
	}
	if port == "" {
		port = map[string]string{fullTLS: "465", noTLS: "25"}[c.Security]
	}
	if port == "" {
		port = "587"
	}
	return host, port, nil
}

func (c *Config) security() string {
	if c.Security != "" {
		return c.Security
	}
	if _, port, _ := net.SplitHostPort(c.Server); port == "465" || port == "smtps" || port == "submissions" {
		return fullTLS
	}
	return startTLS
}

// loopback reports whether the host is this one by its very name.
func loopback(host string) bool {
	a, err := netip.ParseAddr(host)
	return err == nil && a.Unmap().IsLoopback() || strings.EqualFold(host, "localhost")
}
