package webhook

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/webgrip/logkeel/agent/conf"
)

// load reads a section as it stands in a configuration and checks it.
func load(text string) (Config, error) {
	var c struct {
		Webhook []Config `yaml:"webhook"`
	}
	text = "webhook:\n  - " + strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n    ") + "\n"
	d, err := conf.Decode("agent.yaml", []byte(text), &c, conf.Options{})
	if err != nil {
		return Config{}, err
	}
	return c.Webhook[0], c.Webhook[0].Check(d, "webhook[0]")
}

func mustLoad(t *testing.T, text string) Config {
	t.Helper()
	c, err := load(text)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestCheck(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	const (
		good     = "name: chat\nurl: https://hooks.example.com/T0/secretpath\n"
		urlHint  = "; write it as https://hooks.example.com/path, best in a file that url_file names"
		seeDocs  = "; see docs/alerting.md for what a template may have"
		jsonHint = "; write {{json .Title}} in place of \"{{.Title}}\", or set content_type"
	)
	tests := []struct{ section, want string }{
		{good, ``},
		{"name: chat\nurl_file: " + file("url", "https://hooks.example.com/x\n"), ``},
		{good + "bearer_token: t\nsign_with: k\nmethod: PUT\ntimeout: 1m\ntls: {server_name: x}\nheaders: [{name: X-Key, value: v}]", ``},
		{good + "username: u\npassword: p\nmin_severity: critical\nroutes: [{match: {class: slow}, group_wait: 1m}]", ``},
		{good + "template: '{\"text\": {{json .Title}}}'", ``},
		{good + "content_type: text/plain\ntemplate: '{{.Title}}'", ``},
		{good + "template_file: " + file("good.tmpl", `{"t": {{json (truncate 3 (upper .Title))}}, "l": {{json (join ", " .GroupLabels)}}}`), ``},
		{"url: https://h/", `agent.yaml:2: webhook[0].name: "" is no name; give it a name of letters, digits, - and _; its spool and metrics are called by it`},
		{"name: x", `agent.yaml:2: webhook[0].url: there is none` + urlHint},
		{"name: x\nurl: ftp://h/s3cr3t", `agent.yaml:3: webhook[0].url: it does not start with https:// or http://` + urlHint},
		{"name: x\nurl: https:///s3cr3t", `agent.yaml:3: webhook[0].url: it has no host` + urlHint},
		{"name: x\nurl: 'https://h/%zz-s3cr3t'", `agent.yaml:3: webhook[0].url: it is no URL` + urlHint},
		{"name: x\nurl: 'https://{id}/'", `agent.yaml:3: webhook[0].url: it is no URL` + urlHint},
		{"name: x\nurl: http://h/\ntls:", `agent.yaml:4: webhook[0].tls: there is no TLS with http; leave tls out, or write the url with https`},
		{good + "method: GET", `agent.yaml:4: webhook[0].method: "GET" is neither POST nor PUT; write POST or PUT`},
		{good + "password: p", `agent.yaml:4: webhook[0].password: a password without a user; set username as well, or leave the password out`},
		{good + "username: u", `agent.yaml:4: webhook[0].username: a user without a password; set password or password_file as well`},
		{good + "username: u\npassword: p\nbearer_token: t", `agent.yaml:6: webhook[0].bearer_token: it and username are both given; leave it out, or username and password`},
		{good + "headers:\n- name: a b\n  value: v", `agent.yaml:5: webhook[0].headers[0].name: "a b" is no name of a header; write it as X-Api-Key`},
		{good + "headers:\n- name: content-type\n  value: v", `agent.yaml:5: webhook[0].headers[0].name: Content-Type is not set here; write content_type`},
		{good + "headers:\n- name: a\n  value: \"s3cr3t\\r\\nb\"", `agent.yaml:6: webhook[0].headers[0].value: it has what no header can have, as the end of a line; write it on one line`},
		{good + "bearer_token: \"s3cr3t\\n\"", `agent.yaml:4: webhook[0].bearer_token: it has what no header can have, as the end of a line; write it on one line`},
		{good + "username: u\npassword: \"s3cr3t\\n\"", `agent.yaml:5: webhook[0].password: it has what no header can have, as the end of a line; write it on one line`},
		{good + "username: \"u\\n\"\npassword: s3cr3t", `agent.yaml:4: webhook[0].username: it has what no header can have, as the end of a line; write it on one line`},
		{good + "headers: [{name: a, value: v}, {name: A, value: v}]", `agent.yaml:4: webhook[0].headers[1].name: A is there twice; name it once`},
		{good + "bearer_token: t\nheaders: [{name: authorization, value: v}]", `agent.yaml:5: webhook[0].headers[0].name: Authorization is there already; leave it out, or username and bearer_token`},
		{good + "timeout: 1h", `agent.yaml:4: webhook[0].timeout: 1h is out of range; write 1s to 10m`},
		{good + "content_type: ''", `agent.yaml:4: webhook[0].content_type: "" is no content type; write something like application/json`},
		{good + "routes: [{match: {a: b}, to: c}]", `agent.yaml:4: webhook[0].routes[0].to: this output has one receiver; remove it`},
		{good + "template: x\ntemplate_file: y", `agent.yaml:5: webhook[0].template_file: template and template_file are both given; remove one of them`},
		{good + "template_file: /none", `agent.yaml:4: webhook[0].template_file: open /none: no such file or directory; name a file that this user can read`},
		{good + "template_file: " + file("empty", " \n"), `agent.yaml:4: webhook[0].template_file: ` + dir + `/empty is empty; name a file that this user can read`},
		{good + "template: |\n  {\n  {{json .Title}", `agent.yaml:4: webhook[0].template: line 2 of the template: bad character U+007D` + " '}'" + seeDocs},
		{good + "template: '{{nope}}'", `agent.yaml:4: webhook[0].template: line 1 of the template: function "nope" not defined` + seeDocs},
		{good + "template: |\n  {\n  {{.Nope}}}", `agent.yaml:4: webhook[0].template: tried on a notice of kind firing: line 2 of the template: <.Nope>: can't evaluate field Nope in type *webhook.payload` + seeDocs},
		{good + "template: '{\"text\": {{json (index .Alerts 0).Rule}}}'", `agent.yaml:4: webhook[0].template: tried on a notice of kind held_back: line 1 of the template: <index .Alerts 0>: error calling index: reflect: slice index out of range` + seeDocs},
		{good + "template: '{\"text\": \"{{.Title}} {{range .Alerts}}{{range .First}}{{.Text}}{{end}}{{end}}\"}'", `agent.yaml:4: webhook[0].template: tried on a notice of kind firing: what it makes is no JSON, at line 1 near`},
		{good + "template: 'hello'", jsonHint},
		{good + "template: '{{range $i, $e := .Alerts}}{{end}}'", `no JSON`},
	}
	for _, c := range tests {
		_, err := load(c.section)
		switch {
		case err == nil && c.want != "":
			t.Errorf("%s\nis taken, want %s", c.section, c.want)
		case err != nil && (c.want == "" || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s\ngives %s\nwant  %s", c.section, err, c.want)
		case err != nil && strings.Contains(err.Error(), "s3cr3t"):
			t.Errorf("%s\nshows the secret: %s", c.section, err)
		}
	}
}
