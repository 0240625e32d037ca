package alertmanager

import (
	"strings"
	"testing"

	"github.com/webgrip/logkeel/agent/conf"
)

func TestCheck(t *testing.T) {
	const good = "name: am, urls: ['http://a:9093', 'https://b/am']"
	for _, c := range []struct{ item, want string }{
		{good, ""},
		{"name: am, urls: 'http://127.0.0.1:9093'", ""},
		{good + ", username: u, password: p5e5e5e, timeout: 5s, resend_interval: 30s, min_severity: critical", ""},
		{good + ", bearer_token: p5e5e5e, external_url: 'https://logs/', labels: {team: shop, instance: web1}, tls: {}", ""},
		{"urls: 'http://a'", `.name: "" is no name`},
		{"name: am", ".urls: 0 URLs; name 1 to 16 instances"},
		{"name: am, urls: 'a:9093'", ".urls[0]: this is no URL of a host"},
		{"name: am, urls: 'http://u:p5e5e5e@a'", "write them as username and password"},
		{"name: am, urls: 'http://a/?k=p5e5e5e'", "the URL has a query"},
		{"name: am, urls: ['http://a', 'http://a/']", ".urls[1]: this URL is there already"},
		{good + ", username: u", "one of username and password is missing"},
		{good + ", password: p5e5e5e", "one of username and password is missing"},
		{good + ", username: u, password: p5e5e5e, bearer_token: p5e5e5e", "there can be one of them only"},
		{good + `, bearer_token: "p5e5e5e\n"`, "alertmanager[0].bearer_token: it has what no header can have, as the end of a line; write it on one line"},
		{good + `, username: u, password: "p5e5e5e\r\nX: y"`, "alertmanager[0].password: it has what no header can have"},
		{good + `, username: "u\n", password: p5e5e5e`, "alertmanager[0].username: it has what no header can have"},
		{good + ", timeout: 1ms", ".timeout: 1ms is out of range"},
		{good + ", resend_interval: 2h", ".resend_interval: 2h is out of range"},
		{good + ", min_severity: fatal", `"fatal" is no severity`},
		{good + ", external_url: logs", `"logs" is no URL`},
		{good + ", labels: {severity: x}", "the label severity comes from the rule"},
		{good + ", labels: {a-b: x}", `"a-b" is no name of a label`},
		{good + ", labels: {a: ''}", "the value has 0 bytes"},
		{good + ", tls: {ca_file: none.pem}", ".tls"},
	} {
		var s struct {
			Alertmanager []Config `yaml:"alertmanager"`
		}
		d, err := conf.Decode("agent.yaml", []byte("alertmanager:\n  - {"+c.item+"}\n"), &s, conf.Options{})
		if err == nil {
			err = s.Alertmanager[0].Check(d, "alertmanager[0]")
		}
		says := ""
		if err != nil {
			says = err.Error()
		}
		if (says == "") != (c.want == "") || !strings.Contains(says, c.want) {
			t.Errorf("%s: %q; want %q", c.item, says, c.want)
		}
		if strings.Contains(says, "5e5e") {
			t.Errorf("%s: the error gives the secret away: %s", c.item, says)
		}
	}
}
