package forward

import (
	"strings"
	"testing"

	"github.com/webgrip/logkeel/agent/conf"
	"github.com/webgrip/logkeel/agent/tlsconf"
)

func TestConfig(t *testing.T) {
	for _, tt := range []struct{ in, err string }{
		{"name: in", ""},
		{"name: in\nlisten: unix:///run/f.sock\nmode: '0600'", ""},
		{"name: in\nlisten: 0.0.0.0:24224\nshared_key: s3cret\nusers: [{username: a, password: s3cret}]\nlabels: {service: app}", ""},
		{"name: a/b", `agent.yaml:2: forward[0].name: "a/b" is no name; give it a name of letters, digits, - and _; its spool and metrics are called by it`},
		{"name: in\nlisten: 24224", `agent.yaml:3: forward[0].listen: "24224" is no host:port; write it as 127.0.0.1:24224, 0.0.0.0:24224 or unix:///run/logkeel/forward.sock`},
		{"name: in\nlisten: unix://f.sock", `agent.yaml:3: forward[0].listen: "unix://f.sock" is no path of a socket; write it as unix:///run/logkeel/forward.sock`},
		{"name: in\nmode: rw", `agent.yaml:3: forward[0].mode: "rw" is no file mode; write it as "0660"`},
		{"name: in\nusers: [{username: a, password: s3cret}]", `agent.yaml:3: forward[0].users: users without a shared key; set shared_key or shared_key_file as well: the protocol has users only behind a shared key`},
		{"name: in\nshared_key: s3cret\nusers: [{username: a, password: s3cret}, {username: a, password: x}]", `agent.yaml:4: forward[0].users[1].username: the user "a" is there twice; remove one of them`},
		{"name: in\nshared_key: s3cret\nusers: [{username: a}]", `agent.yaml:4: forward[0].users[0].password: a user without a password; set password or password_file`},
		{"name: in\nmax_message: 1GiB\nspool: {max_size: 4GiB}", `agent.yaml:3: forward[0].max_message: 1GiB is out of range; write 64KiB to 64MiB`},
		{"name: in\nspool: {max_size: 40MiB}", `agent.yaml:3: forward[0].spool.max_size: 40MiB is too small; write 64MiB or more`},
		{"name: in\ntext_key: []", `agent.yaml:3: forward[0].text_key: a name is missing; write the names of members, as [log, message]`},
		{"name: in\nlabels: {tag: x}", `agent.yaml:3: forward[0].labels.tag: "tag" cannot be a label; use another name; source, tag, findings, logkeel_id, malformed, cut and those of text_key are taken`},
		{"name: in\nlabels: {message: x}", `agent.yaml:3: forward[0].labels.message: "message" cannot be a label; use another name; source, tag, findings, logkeel_id, malformed, cut and those of text_key are taken`},
		{"name: in\ntls: {cert_file: c.pem}", `agent.yaml:3: forward[0].tls: a server needs cert_file and key_file; name PEM files that this user can read`},
		{"name: in\nmax_line: 1B", `agent.yaml:3: forward[0].max_line: 1B is out of range; write 1KiB to 16MiB`},
	} {
		var c struct {
			Forward []Config `yaml:"forward"`
		}
		d, err := conf.Decode("agent.yaml", []byte("forward:\n- "+strings.ReplaceAll(tt.in, "\n", "\n  ")), &c, conf.Options{})
		if err == nil {
			err = c.Forward[0].Check(d, "forward[0]")
		}
		got := ""
		if err != nil {
			got = err.Error()
		}
		if got != tt.err {
			t.Errorf("%s\ngot  %s\nwant %s", tt.in, got, tt.err)
		}
		if strings.Contains(got, "s3cret") {
			t.Error("it prints a secret")
		}
	}
}

// TestOpen: which addresses anybody can send to.
func TestOpen(t *testing.T) {
	for listen, open := range map[string]bool{
		"127.0.0.1:24224": false, "localhost:1": false, "[::1]:1": false, "unix:///f.sock": false,
		"0.0.0.0:24224": true, "[::]:24224": true, "10.0.0.1:1": true, "agent.example:1": true,
	} {
		c := Config{Listen: listen}
		if c.Open() != open {
			t.Errorf("%s: %v", listen, !open)
		}
		c.TLS = &tlsconf.Server{CertFile: "c", KeyFile: "k"}
		if c.Open() != open {
			t.Errorf("%s with TLS: %v", listen, !open)
		}
		c.TLS.CAFile = "ca"
		if c.Open() {
			t.Errorf("%s with clients' certificates is open", listen)
		}
		c.TLS, c.SharedKey = nil, conf.NewSecret("s3cret")
		if c.Open() {
			t.Errorf("%s with a key is open", listen)
		}
	}
}
