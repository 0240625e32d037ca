package heartbeat

import (
	"strings"
	"testing"

	"github.com/webgrip/logkeel/agent/conf"
)

// load reads an item as it stands in a configuration and checks it.
func load(t *testing.T, text string) (Config, string) {
	t.Helper()
	var c struct {
		Heartbeat []Config `yaml:"heartbeat"`
	}
	d, err := conf.Decode("agent.yaml", []byte("heartbeat:\n  - {"+text+"}\n"), &c, conf.Options{})
	if err == nil {
		err = c.Heartbeat[0].Check(d, "heartbeat[0]")
	}
	if err != nil {
		return Config{}, err.Error()
	}
	return c.Heartbeat[0], ""
}

func TestCheck(t *testing.T) {
	const good = "name: hc, url: 'https://hc-ping.com/5e5e5e5e-secret'"
	for _, c := range []struct{ item, want string }{
		{good, ""},
		{good + ", every: 5m, method: POST, timeout: 5s, patience: 30m, fail_url: /fail", ""},
		{good + ", fail_url: '?status=down'", ""},
		{good + ", fail_url: 'http://127.0.0.1:3001/down'", ""},
		{"url: 'https://hc-ping.com/x'", `heartbeat[0].name: "" is no name`},
		{"name: hc", "heartbeat[0].url: no URL; write what the service gives you"},
		{"name: hc, url: hc-ping.com/5e5e5e5e-secret", "heartbeat[0].url: this is no URL of a host by https or http"},
		{"name: hc, url: 'ftp://hc-ping.com/5e5e5e5e-secret'", "by https or http"},
		{"name: hc, url: 'https:///5e5e5e5e-secret'", "by https or http"},
		{"name: hc, url: 'https://h/%zz5e5e5e5e-secret'", "this is no URL"},
		{good + ", fail_url: fail", "heartbeat[0].fail_url: this is no URL of a host"},
		{good + `, fail_url: "?5e5e\n"`, "heartbeat[0].fail_url: a space or the end of a line is in the query; write %20 and %0A"},
		{good + ", fail_url: '?msg=5e5e is down'", "heartbeat[0].fail_url: a space or the end of a line is in the query"},
		{good + `, fail_url: "https://h/5e5e\n"`, "heartbeat[0].fail_url: this is no URL"},
		{"name: hc, url: \"https://h/5e5e\\n\"", "heartbeat[0].url: this is no URL"},
		{good + ", method: PUT", `heartbeat[0].method: "PUT" is none of GET, POST, HEAD`},
		{good + ", every: 1s", "heartbeat[0].every: 1s is out of range; write 5s to 1d"},
		{good + ", timeout: 2m", "heartbeat[0].timeout: 2m is out of range"},
		{good + ", patience: 1s", "heartbeat[0].patience: 1s is out of range"},
		{good + ", tls: {ca_file: none.pem}", "heartbeat[0].tls"},
	} {
		_, err := load(t, c.item)
		if (err == "") != (c.want == "") || !strings.Contains(err, c.want) {
			t.Errorf("%s: %q; want %q", c.item, err, c.want)
		}
		if strings.Contains(err, "5e5e") {
			t.Errorf("%s: the error gives the secret away: %s", c.item, err)
		}
	}
}

func TestFailURL(t *testing.T) {
	for _, c := range []struct{ url, fail, want string }{
		{"https://hc-ping.com/uuid", "", ""},
		{"https://hc-ping.com/uuid", "/fail", "https://hc-ping.com/uuid/fail"},
		{"https://hc-ping.com/uuid/", "/fail", "https://hc-ping.com/uuid/fail"},
		{"https://hc-ping.com/uuid?rid=1", "/fail", "https://hc-ping.com/uuid/fail?rid=1"},
		{"https://kuma/api/push/token?status=up&msg=OK", "?status=down&msg=unwell", "https://kuma/api/push/token?status=down&msg=unwell"},
		{"https://a/b", "https://c/d", "https://c/d"},
	} {
		u, err := (&Config{URL: conf.NewSecret(c.url), FailURL: conf.NewSecret(c.fail)}).failURL()
		got := ""
		if u != nil {
			got = u.String()
		}
		if err != nil || got != c.want {
			t.Errorf("%s and %s: %q, %v; want %q", c.url, c.fail, got, err, c.want)
		}
	}
}
