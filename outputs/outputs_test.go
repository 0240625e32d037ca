package outputs

import (
	"fmt"
	"strings"
	"testing"

	"github.com/webgrip/logkeel/agent/conf"
)

// checked is what Check says of a section outputs.
func checked(t *testing.T, text string) string {
	t.Helper()
	var c struct {
		Outputs Config `yaml:"outputs"`
	}
	d, err := conf.Decode("agent.yaml", []byte("outputs: {"+text+"}\n"), &c, conf.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Outputs.Check(d); err != nil {
		return err.Error()
	}
	return ""
}

// each is an output of each kind that keeps something in state_dir, with this name.
func each(name string) map[string]string {
	return map[string]string{
		"fluentd":      fmt.Sprintf("fluentd: [{name: %s, address: 'h:24224'}]", name),
		"email":        fmt.Sprintf("email: [{name: %s, server: 'h:25', from: a@b.example, to: [a@b.example]}]", name),
		"webhook":      fmt.Sprintf("webhook: [{name: %s, url: 'https://h/'}]", name),
		"alertmanager": fmt.Sprintf("alertmanager: [{name: %s, urls: 'http://h:9093'}]", name),
	}
}

// No two outputs have one folder or one file of state_dir.
func TestOutputsAreApart(t *testing.T) {
	t.Parallel()
	const apart = "rename one of the two"
	for _, c := range []struct{ names, want string }{
		{"fluentd main email main", `agent.yaml:1: outputs.email[0].name: the name "main" is taken; give each output a name of its own`},
		{"fluentd main webhook main", `outputs.webhook[0].name: the name "main" is taken`},
		{"fluentd main alertmanager main", `outputs.alertmanager[0].name: the name "main" is taken`},
		{"fluentd webhook-chat webhook chat", `agent.yaml:1: outputs.webhook[0].name: its queue would be in state_dir/spool/webhook-chat, which is that of the fluentd output "webhook-chat"; ` + apart},
		{"fluentd email-ops email ops", `agent.yaml:1: outputs.email[0].name: its queue would be in state_dir/spool/email-ops, which is that of the fluentd output "email-ops"; ` + apart},
		{"fluentd webhook-chat email chat", ""},
		{"fluentd email-ops webhook ops", ""},
		{"fluentd alertmanager-am alertmanager am", ""}, // its folder is none of spool's
		{"email webhook-ops webhook ops", ""},
		{"webhook email-ops email ops", ""},
	} {
		f := strings.Fields(c.names)
		says := checked(t, each(f[1])[f[0]]+", "+each(f[3])[f[2]])
		if (says == "") != (c.want == "") || !strings.Contains(says, c.want) {
			t.Errorf("%s: %q; want %q", c.names, says, c.want)
		}
	}
}

// A folder or a file in state_dir is called by a name: nothing leaves state_dir, is
// that of another part, or is longer than a file's name can be.
func TestNamesAreNoPaths(t *testing.T) {
	t.Parallel()
	for _, name := range []string{`a/b`, `/a`, `..`, `.`, `.a`, `../silences.json`, `a\b`, `"a\n"`, `"a\0"`, `main@0123456789abcdef`, `a b`, `"ä"`, `''`, strings.Repeat("n", 65)} {
		for kind, text := range each(name) {
			if says := checked(t, text); !strings.Contains(says, "agent.yaml:1: outputs."+kind+"[0].name: ") || !strings.Contains(says, "is no name; give it a name of letters, digits, - and _") {
				t.Errorf("%s %s: %q", kind, name, says)
			}
		}
	}
	for kind, text := range each(strings.Repeat("n", 64)) {
		if says := checked(t, text); says != "" {
			t.Errorf("%s: %q", kind, says)
		}
	}
	for kind, text := range each("silences") {
		if says := checked(t, text); says != "" {
			t.Errorf("%s: %q", kind, says)
		}
	}
}
