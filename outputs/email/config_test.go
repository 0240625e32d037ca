package email

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"

	"github.com/webgrip/logkeel/agent/conf"
)

// load reads a section as it stands in a configuration and checks it.
func load(text string) (Config, error) {
	var c struct {
		Email []Config `yaml:"email"`
	}
	text = "email:\n  - " + strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n    ") + "\n"
	d, err := conf.Decode("agent.yaml", []byte(text), &c, conf.Options{})
	if err != nil {
		return Config{}, err
	}
	return c.Email[0], c.Email[0].Check(d, "email[0]")
}

func TestCheck(t *testing.T) {
	dir := t.TempDir()
	secret := filepath.Join(dir, "password")
	if err := os.WriteFile(secret, []byte("from a file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	const (
		good    = "name: ops\nserver: smtp.example.com:587\nfrom: logkeel@example.com\nto: ops@example.com\n"
		login   = "username: u\npassword: p\n"
		noFrom  = "name: ops\nserver: smtp.example.com:587\nto: ops@example.com\n"
		noTo    = "name: ops\nserver: smtp.example.com:587\nfrom: logkeel@example.com\n"
		rest    = "\nfrom: logkeel@example.com\nto: ops@example.com\n"
		toHint  = "; write each as ops@example.com or Operations <ops@example.com>"
		server  = "; write it as smtp.example.com:587"
		theUser = "; write security: starttls or tls, or leave username and password out"
	)
	tests := []struct{ section, want string }{
		{good, ``},
		{good + login, ``},
		{good + "username: u\npassword_file: " + secret, ``},
		{good + "tls: {server_name: mx.example.com}\nsecurity: tls\nauth: scram-sha-256\nhelo: agent.example.com\ntimeout: 1m\nsubject_prefix: ''", ``},
		{good + "min_severity: critical\ngroup_by: [rule, source]\ngroup_wait: 10s", ``},
		{"name: ops\nserver: mail" + rest, ``},
		{good + "match: {project: shop}\nmax_per_hour: 5\ndigest: hourly\nroutes: [{match: 'severity=\"critical\"', to: oncall@example.com, group_wait: 0}]", ``},
		{good + "routes:\n- match: {a: b}\n  to: oncall", `agent.yaml:8: email[0].routes[0].to: "oncall" is no mail address` + toHint},
		{good + "routes:\n- match: {a: b}\n  to: []", `agent.yaml:8: email[0].routes[0].to: 0 recipients; name those who are to be told, at most 100; beyond that let the mail server have a list`},
		{"name: ops\nserver: '[::1]:25'\nsecurity: none" + rest + login, ``},
		{"name: ops\nserver: 127.0.0.1:25\nsecurity: none" + rest + login, ``},
		{"name: ops\nserver: localhost\nsecurity: none" + rest + login, ``},
		{"name: ops\nserver: relay:25\nsecurity: none" + rest, ``},
		{noTo + "to: [Operations <ops@example.com>, 'oncall@example.com']", ``},
		{"server: mail" + rest, `agent.yaml:2: email[0].name: "" is no name; give it a name of letters, digits, - and _; its spool and metrics are called by it`},
		{"name: a/b\nserver: mail" + rest, `agent.yaml:2: email[0].name: "a/b" is no name; give it a name of letters, digits, - and _; its spool and metrics are called by it`},
		{"name: ops" + rest, `agent.yaml:2: email[0].server: "" is no host:port` + server},
		{"name: ops\nserver: 'mail:'" + rest, `agent.yaml:3: email[0].server: "" is no port` + server},
		{"name: ops\nserver: mail:0" + rest, `agent.yaml:3: email[0].server: "0" is no port` + server},
		{"name: ops\nserver: ':587'" + rest, `agent.yaml:3: email[0].server: ":587" is no host:port` + server},
		{"name: ops\nserver: smtps://mail" + rest, `agent.yaml:3: email[0].server: "//mail" is no port` + server},
		{"name: ops\nserver: 'a b:25'" + rest, `agent.yaml:3: email[0].server: "a b:25" is no host:port` + server},
		{good + "security: ssl", `agent.yaml:6: email[0].security: "ssl" is none of starttls, tls and none; write starttls, tls or none`},
		{good + "security: none\n" + login, `agent.yaml:6: email[0].security: the password would cross the network to smtp.example.com for all to read` + theUser},
		{good + "security: none\ntls:", `agent.yaml:7: email[0].tls: there is no TLS with security: none; leave tls out, or write security: starttls`},
		{good + "tls:\n  ca_file: /none.pem", `agent.yaml:6: email[0].tls: ca_file: open /none.pem: no such file or directory; name PEM files that this user can read`},
		{good + "auth: kerberos", `agent.yaml:6: email[0].auth: "kerberos" is none of auto, plain, login, cram-md5, scram-sha-1, scram-sha-256; write auto, or the one that the server is to be logged in to with`},
		{good + "username: u", `agent.yaml:6: email[0].username: a user without a password; set password or password_file as well`},
		{good + "password: p", `agent.yaml:6: email[0].password: a password without a user; set username as well, or leave the password out`},
		{noFrom, `agent.yaml:2: email[0].from: "" is no mail address; write it as logkeel@example.com or logkeel <logkeel@example.com>`},
		{noFrom + `from: "a@b\r\nBcc: c@d"`, `agent.yaml:5: email[0].from: "a@b\r\nBcc: c@d" is no mail address; write it as logkeel@example.com or logkeel <logkeel@example.com>`},
		{noTo, `agent.yaml:2: email[0].to: 0 recipients; name those who are to be told, at most 100; beyond that let the mail server have a list`},
		{noTo + "to: [ops, a@b, a@b]", `agent.yaml:5: email[0].to: "ops" is no mail address` + toHint + "\n" + `agent.yaml:5: email[0].to: a@b is there twice; name each one once`},
		{noTo + "to: 'größe@example.com'", `agent.yaml:5: email[0].to: "größe@example.com" is no mail address that every server takes: it is not in plain ASCII (a domain can be, as xn--...)` + toHint},
		{noTo + `to: '"a> SIZE=1"@example.com'`, `agent.yaml:5: email[0].to: "\"a> SIZE=1\"@example.com" is no mail address that every server takes: it is not in plain ASCII (a domain can be, as xn--...)` + toHint},
		{noTo + `to: '"a>b"@example.com'`, `agent.yaml:5: email[0].to: "\"a>b\"@example.com" is no mail address that every server takes: letters, digits, dots and the like stand before the @` + toHint},
		{good + "helo: my host", `agent.yaml:6: email[0].helo: "my host" is no host name; write this host's name, as agent.example.com, or leave it out`},
		{good + "timeout: 0", `agent.yaml:6: email[0].timeout: 0s is out of range; write 1s to 10m`},
		{good + `subject_prefix: "a\nb"`, `agent.yaml:6: email[0].subject_prefix: "a\nb" is longer than 60 bytes or has what cannot be printed; write something like [shop]`},
		{good + "min_severity: loud", `agent.yaml:6: email[0].min_severity: "loud" is no severity; write critical, warning or info`},
	}
	for _, tt := range tests {
		_, err := load(tt.section)
		got := ""
		if err != nil {
			got = err.Error()
		}
		if got != tt.want {
			t.Errorf("%s\n gives %s\n want  %s", tt.section, got, tt.want)
		}
	}
}

// TestServer: what may be left out is what the port or the security is for.
func TestServer(t *testing.T) {
	for _, tt := range []struct{ server, security, host, port, means string }{
		{"mail", "", "mail", "587", startTLS},
		{"mail", fullTLS, "mail", "465", fullTLS},
		{"mail", noTLS, "mail", "25", noTLS},
		{"mail:465", "", "mail", "465", fullTLS},
		{"mail:465", startTLS, "mail", "465", startTLS},
		{"mail:25", "", "mail", "25", startTLS},
		{"[2001:db8::1]:2525", "", "2001:db8::1", "2525", startTLS},
		{"mail.example.com.:smtps", "", "mail.example.com.", "smtps", fullTLS},
	} {
		c := Config{Server: tt.server, Security: tt.security}
		host, port, err := c.address()
		if err != nil || host != tt.host || port != tt.port || c.security() != tt.means {
			t.Errorf("%s with %q is %s, %s, %s, %v", tt.server, tt.security, host, port, c.security(), err)
		}
	}
}

// TestSecretsNeverPrint, whatever prints the configuration or its errors.
func TestSecretsNeverPrint(t *testing.T) {
	const text = "name: ops\nserver: mail\nfrom: a@b\nto: a@b\nusername: u\npassword: s3cret-pass\n"
	c, err := load(text)
	if err != nil {
		t.Fatal(err)
	}
	y, err := yaml.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	_, bad := load(strings.ReplaceAll(text, "a@b", "s3cret-pass") + "auth: s3cret-pass\nhelo: s3cret pass s3cret-pass")
	if bad == nil {
		t.Fatal("no error")
	}
	for _, text := range []string{bad.Error(), fmt.Sprintf("%v %+v %#v", c, c, c), string(y)} {
		if strings.Contains(text, "s3cret-pass") {
			t.Errorf("a secret is in %s", text)
		}
	}
}

func TestHelo(t *testing.T) {
	for _, tt := range []struct{ configured, hostname, want string }{
		{"", "web-1.example.com", "web-1.example.com"},
		{"", "my_host", "localhost"},
		{"", "", "localhost"},
		{"[192.0.2.1]", "web-1", "[192.0.2.1]"},
	} {
		if got := helo(tt.configured, tt.hostname); got != tt.want {
			t.Errorf("%q on %q is %q", tt.configured, tt.hostname, got)
		}
	}
}
