package webhook

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/webgrip/logkeel/agent/conf"
	"github.com/webgrip/logkeel/agent/notify"
	"github.com/webgrip/logkeel/agent/tlsconf"
)

// Config is one webhook output: one URL to which each notice is sent.
type Config struct {
	Name         string          `yaml:"name"`                   // what it is called in metrics, messages and state_dir: letters, digits, - and _, 64 at most
	URL          conf.Secret     `yaml:"url"`                    // the URL to which each notice is sent, a secret; {id} in its path stands for the notice's ID; needed
	Method       string          `yaml:"method" enum:"POST PUT"` // HTTP method of the request
	Headers      []Header        `yaml:"headers"`                // further headers of the request, 50 at most
	BearerToken  conf.Secret     `yaml:"bearer_token"`           // token for the header Authorization, in place of username and password
	Username     string          `yaml:"username"`               // user for basic authentication; needs password
	Password     conf.Secret     `yaml:"password"`               // password of the user
	SignWith     conf.Secret     `yaml:"sign_with"`              // key of an HMAC-SHA256 of the body, which is sent as the header X-Hub-Signature-256
	ContentType  string          `yaml:"content_type"`           // type of the body; with one of JSON, what template makes has to be JSON
	Template     string          `yaml:"template"`               // template (Go's text/template) of the body; without it and template_file the notice as JSON
	TemplateFile string          `yaml:"template_file"`          // file that has the template in it, in place of template
	TLS          *tlsconf.Config `yaml:"tls"`                    // how an https server is verified, and which certificate the agent shows it
	Timeout      conf.Duration   `yaml:"timeout"`                // how long one request may take, 1s to 10m

	notify.Config `yaml:",inline"`

	fromFile string // what TemplateFile had in it when the section was read
}

// A Header is one of the request's.
type Header struct {
	Name  string      `yaml:"name"`  // name of the header, as X-Api-Key
	Value conf.Secret `yaml:"value"` // value of the header
}

const (
	shortest   = time.Second
	longest    = 10 * time.Minute
	maxHeaders = 50
	idMark     = "{id}"
)

var (
	nameForm   = conf.NewForm(`^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$`)
	headerForm = conf.NewForm("^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}$")
)

// SetDefaults fills in what a configuration may leave out.
func (c *Config) SetDefaults() {
	*c = Config{Method: http.MethodPost, ContentType: "application/json", Timeout: conf.Duration(10 * time.Second)}
	c.Config.SetDefaults()
}

type complain func(field, hint, format string, args ...any)

// Check says what is wrong with the section at path, and reads template_file,
// relative to the folder of d.
func (c *Config) Check(d *conf.Doc, path string) error {
	var errs []error
	bad := func(field, hint, format string, args ...any) {
		errs = append(errs, d.Errorf(path+field, hint, format, args...))
	}
	if !nameForm.MatchString(c.Name) {
		bad(".name", "give it a name of letters, digits, - and _; its spool and metrics are called by it", "%q is no name", c.Name)
	}
	target, err := parseURL(c.URL)
	if err != nil {
		bad(".url", "write it as https://hooks.example.com/path, best in a file that url_file names", "%w", err)
		target = &url.URL{Scheme: "https", Host: "host"} // only that of a socket is to be missed here
	}
	if target.Scheme == "http" && c.TLS != nil {
		bad(".tls", "leave tls out, or write the url with https", "there is no TLS with http")
	}
	errs = append(errs, c.TLS.Check(d, path+".tls", target.Hostname()))
	if c.Method != http.MethodPost && c.Method != http.MethodPut {
		bad(".method", "write POST or PUT", "%q is neither POST nor PUT", c.Method)
	}
	c.checkLogin(target, bad)
	c.checkHeaders(bad)
	if c.ContentType == "" || !plain(c.ContentType) {
		bad(".content_type", "write something like application/json", "%q is no content type", c.ContentType)
	}
	if t := time.Duration(c.Timeout); t < shortest || t > longest {
		bad(".timeout", fmt.Sprintf("write %s to %s", conf.Duration(shortest), conf.Duration(longest)), "%s is out of range", c.Timeout)
	}
	c.checkTemplate(d, bad)
	errs = append(errs, c.Config.Check(d, path))
	return conf.Join(errs...)
}

// parseURL says nothing of the url in its errors: it is a secret.
func parseURL(secret conf.Secret) (*url.URL, error) {
	text := secret.Value()
	if text == "" {
		return nil, errors.New("there is none")
	}
	u, err := url.Parse(text)
	switch {
	case err != nil || !plain(text):
		return nil, errors.New("it is no URL")
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, errors.New("it does not start with https:// or http://")
	case u.Hostname() == "":
		return nil, errors.New("it has no host")
	}
	return u, nil
}

func (c *Config) checkLogin(target *url.URL, bad complain) {
	if c.Username == "" && !c.Password.IsZero() {
		bad(".password", "set username as well, or leave the password out", "a password without a user")
	}
	if c.Username != "" && c.Password.IsZero() {
		bad(".username", "set password or password_file as well", "a user without a password")
	}
	if c.Username != "" && !c.BearerToken.IsZero() {
		bad(".bearer_token", "leave it out, or username and password", "it and username are both given")
	}
	if target.User != nil && (c.Username != "" || !c.BearerToken.IsZero()) {
		bad(".url", "leave user and password out of it", "it has a user, and there is username or bearer_token too")
	}
	for _, of := range []struct{ field, text string }{{".username", c.Username}, {".password", c.Password.Value()}, {".bearer_token", c.BearerToken.Value()}} {
		if !plain(of.text) {
			bad(of.field, "write it on one line", "it has what no header can have, as the end of a line")
		}
	}
}

func (c *Config) checkHeaders(bad complain) {
	if len(c.Headers) > maxHeaders {
		bad(".headers", fmt.Sprintf("write at most %d", maxHeaders), "%d headers are too many", len(c.Headers))
	}
	had := map[string]bool{}
	for i, h := range c.Headers {
		field := fmt.Sprintf(".headers[%d]", i)
		name := http.CanonicalHeaderKey(h.Name)
		switch own := ownHeader(name); {
		case !headerForm.MatchString(h.Name):
			bad(field+".name", "write it as X-Api-Key", "%q is no name of a header", h.Name)
		case own != "":
			bad(field+".name", own, "%s is not set here", name)
		case had[name]:
			bad(field+".name", "name it once", "%s is there twice", name)
		case name == "Authorization" && (c.Username != "" || !c.BearerToken.IsZero()):
			bad(field+".name", "leave it out, or username and bearer_token", "Authorization is there already")
		}
		if !plain(h.Value.Value()) {
			bad(field+".value", "write it on one line", "it has what no header can have, as the end of a line")
		}
		had[name] = true
	}
}

// ownHeader is what to do instead of setting a header that the output sets.
func ownHeader(name string) string {
	switch name {
	case "Content-Type":
		return "write content_type"
	case signHeader:
		return "write sign_with"
	case "Content-Length", "Transfer-Encoding", "Connection", "Host", "Trailer", "Upgrade", "Te", idHeader:
		return "leave it out"
	}
	return ""
}

// plain reports whether the text can stand in a header.
func plain(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) < 0
}

func (c *Config) checkTemplate(d *conf.Doc, bad complain) {
	field := ".template"
	if c.TemplateFile != "" {
		field = ".template_file"
		if c.Template != "" {
			bad(field, "remove one of them", "template and template_file are both given")
			return
		}
		c.TemplateFile = d.Path(c.TemplateFile)
		var err error
		if c.fromFile, err = readTemplate(c.TemplateFile); err != nil {
			bad(field, "name a file that this user can read", "%w", err)
			return
		}
	}
	r, err := c.renderer("host")
	if err != nil {
		bad(field, "see docs/alerting.md for what a template may have", "%w", err)
		return
	}
	if kind, err := r.check(); err != nil {
		hint := "see docs/alerting.md for what a template may have"
		if strings.Contains(err.Error(), "is no JSON") {
			hint = "write {{json .Title}} in place of \"{{.Title}}\", or set content_type"
		}
		bad(field, hint, "tried on a notice of kind %s: %w", kind, err)
	}
}

func readTemplate(file string) (string, error) {
	f, err := os.Open(file)
	if err != nil {
		return "", err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxTemplate+1))
	if err == nil && strings.TrimSpace(string(text)) == "" {
		err = fmt.Errorf("%s is empty", file)
	}
	return string(text), err
}

func (c *Config) renderer(host string) (*renderer, error) {
	r := &renderer{receiver: c.Name, host: host, json: isJSON(c.ContentType)}
	text := c.Template + c.fromFile
	if text == "" {
		return r, nil
	}
	var err error
	r.template, err = parseTemplate(text)
	return r, err
}

// Where is the scheme and the host of the url: all of it that may be shown.
func (c *Config) Where() string {
	u, err := parseURL(c.URL)
	if err != nil {
		return ""
	}
	return u.Scheme + "://" + u.Host
}
