package notify

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/webgrip/logkeel/agent/conf"
)

// A notifier is a section as the outputs have it.
type notifier struct {
	Name   string `yaml:"name"`
	Config `yaml:",inline"`
}

type file struct {
	Mail notifier `yaml:"mail"`
}

func TestConfig(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"mail: {name: x}", ""},
		{"mail: {min_severity: info, group_by: [container, rule], group_wait: 0, group_interval: 1s, repeat_interval: 7d}", ""},
		{"mail: {group_by: []}", ""},
		{"mail:\n  min_severity: error", `a.yaml:2: mail.min_severity: "error" is no severity; write critical, warning or info`},
		{"mail:\n  group_by: [rule, '']", "a.yaml:2: mail.group_by: a label without a name; write rule, class, severity, source, or names of labels"},
		{"mail: {group_by: [rule, a, rule]}", `a.yaml:1: mail.group_by: "rule" is there twice; name it once`},
		{"mail: {group_by: [a, b, c, d, e, f, g, h, i, j, k]}", "a.yaml:1: mail.group_by: 11 names are too many; name at most 10"},
		{"mail: {group_wait: 2h}", "a.yaml:1: mail.group_wait: 2h is out of range; write 0s to 1h"},
		{"mail: {group_interval: 500ms}", "a.yaml:1: mail.group_interval: 500ms is out of range; write 1s to 30d"},
		{"mail: {repeat_interval: 0}", "a.yaml:1: mail.repeat_interval: 0s is out of range; write 1s to 30d"},
		{`mail: {match: {service: shop}, max_per_hour: 0, digest: "07:00", routes: [{match: 'a="b"', digest: off}, {match: {a: c}, group_by: [], group_wait: 0}]}`, ""},
		{"mail: {max_per_hour: -1}", "a.yaml:1: mail.max_per_hour: -1 is out of range; write 1 to 1000, or 0 for any number"},
		{"mail: {match: 'a=b'}", `a.yaml:1: mail.match: column 3: expected a value in double quotes, found "b"; write it as service=~"shop-.*", project!="test"`},
		{"mail: {match: {a: []}}", "a.yaml:1: mail.match.a: the label has no value; give it one, or a list"},
		{"mail: {digest: 8am}", `a.yaml:1: mail.digest: "8am" is no time of the day; write daily, hourly, "08:00", off, or {severity: info, at: "08:00"}`},
		{"mail: {digest: {severity: critical}}", `a.yaml:1: mail.digest.severity: "critical" cannot wait; write info or warning; what is critical is told at once`},
		{"mail:\n  routes:\n  - group_wait: 1s", "a.yaml:3: mail.routes[0].match: the route has no match; say which alerts it is for, as {severity: critical}"},
		{"mail:\n  routes:\n  - match: {a: b}\n  - match: 'a=\"b\"'", "a.yaml:4: mail.routes[1].match: it is that of routes[0], which comes first; write the two as one"},
		{"mail:\n  routes:\n  - match: {a: b}\n    to: ops@b\n    group_wait: 2h\n    digest: never", strings.Join([]string{
			"a.yaml:4: mail.routes[0].to: this output has one receiver; remove it; write a second output for other receivers",
			"a.yaml:5: mail.routes[0].group_wait: 2h is out of range; write 0s to 1h",
			`a.yaml:6: mail.routes[0].digest: "never" is no time of the day; write daily, hourly, "08:00", off, or {severity: info, at: "08:00"}`,
		}, "\n")},
		{"mail: {repeat_interval: 31d}", "a.yaml:1: mail.repeat_interval: 31d is out of range; write 1s to 30d"},
	} {
		var f file
		f.Mail.SetDefaults()
		doc, err := conf.Decode("a.yaml", []byte(c.text), &f, conf.Options{})
		if err != nil {
			t.Errorf("%s: %v", c.text, err)
			continue
		}
		got := ""
		if err := f.Mail.Check(doc, "mail"); err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%s:\ngot  %s\nwant %s", strings.TrimSpace(c.text), got, c.want)
		}
	}
}

func TestDefaults(t *testing.T) {
	var c Config
	c.SetDefaults()
	want := Config{
		MinSeverity: "warning", GroupBy: conf.Strings{"rule"}, MaxPerHour: 20,
		GroupWait: conf.Duration(30 * time.Second), GroupInterval: conf.Duration(5 * time.Minute), RepeatInterval: conf.Duration(4 * time.Hour),
	}
	if !reflect.DeepEqual(c, want) {
		t.Errorf("got %+v", c)
	}
}
