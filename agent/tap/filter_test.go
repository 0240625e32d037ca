package tap

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/webgrip/logkeel/agent"
)

var (
	app = &agent.Source{
		ID: "docker/1", Collector: "docker", Name: "shop-app-1",
		Labels:    []agent.Label{{Name: "container", Value: "shop-app-1"}, {Name: "project", Value: "shop"}, {Name: "service", Value: "app"}},
		Container: &agent.Container{Labels: map[string]string{"com.example/tier": "back"}},
	}
	file = &agent.Source{ID: "file/1", Collector: "files", Name: "/var/log/x.log", Labels: []agent.Label{{Name: "path", Value: "/var/log/x.log"}}}

	slow   = &agent.Rule{Name: "SlowRequest", Class: "slow", Severity: "warning"}
	broken = &agent.Rule{Name: "Broken", Class: "error", Severity: "critical"}
)

// A line of a batch: its text, its stream, and the rules that hold for it.
type line struct {
	text   string
	stream agent.Stream
	rules  []*agent.Rule
}

func batchOf(src *agent.Source, lines ...line) *agent.Batch {
	b := &agent.Batch{Source: src}
	for i, l := range lines {
		start := int32(len(b.Buf))
		b.Buf = append(b.Buf, l.text...)
		body := agent.Span{Start: start, End: int32(len(b.Buf))}
		b.Records = append(b.Records, agent.Record{Time: time.Unix(1_736_430_000, 0).UnixNano(), Body: body, Stream: l.stream})
		for _, r := range l.rules {
			b.Findings = append(b.Findings, agent.Finding{Rule: r, Record: int32(i), Match: agent.Span{Start: start, End: min(start+3, body.End)}})
		}
	}
	return b
}

// sent is what the client would be sent of what it took: the lines.
func sent(t *testing.T, c *client) (lines []string) {
	t.Helper()
	h := NewHub(Options{})
	k := &talk{h: h, c: c}
	chunk := c.swap(&chunk{})
	for at := 0; at < len(chunk.items); {
		at = k.make(t.Context(), chunk, at)
		for l := range strings.Lines(string(k.out)) {
			var m Message
			if err := json.Unmarshal([]byte(l), &m); err != nil {
				t.Fatalf("%q: %v", l, err)
			}
			if m.Alert != nil {
				lines = append(lines, m.Alert.Rule+" "+m.Alert.State)
			} else {
				lines = append(lines, m.Line)
			}
		}
	}
	return lines
}

func TestFilter(t *testing.T) {
	for _, tt := range []struct {
		name   string
		filter Filter
		all    bool // lines without findings are wanted
		want   string
	}{
		{"none", Filter{}, true, "a1 a2 a3 a4 f1 f2"},
		{"service", Filter{Services: []string{"x", "a*"}}, true, "a1 a2 a3 a4"},
		{"container", Filter{Containers: []string{"shop-app-?"}}, true, "a1 a2 a3 a4"},
		{"another container", Filter{Containers: []string{"app"}}, true, ""},
		{"matchers", Filter{Match: []string{`project="shop", service!="db"`}}, true, "a1 a2 a3 a4"},
		{"negated", Filter{Match: []string{`project!="shop"`}}, true, "f1 f2"},
		{"both hold", Filter{Match: []string{`project="shop"`, `service="db"`}}, true, ""},
		{"collector", Filter{Match: []string{`collector="files"`}}, true, "f1 f2"},
		{"path", Filter{Match: []string{`path=~".*/x.log"`}}, true, "f1 f2"},
		{"the container's own label", Filter{Match: []string{`com.example/tier="back"`}}, true, "a1 a2 a3 a4"},
		{"stream", Filter{Streams: []string{"stderr"}}, true, "a2 a3"},
		{"findings", Filter{Findings: true}, false, "a3 a4 f2"},
		{"severity", Filter{Severity: []string{"critical"}}, false, "a3 f2"},
		{"class", Filter{Class: []string{"slow", "security"}}, false, "a3 a4"},
		{"rule", Filter{Rules: []string{"Slow*"}}, false, "a3 a4"},
		{"of one rule", Filter{Rules: []string{"Slow*"}, Severity: []string{"critical"}}, false, ""},
		{"rule and service", Filter{Rules: []string{"Broken"}, Services: []string{"app"}}, false, "a3"},
		{"rule and stream", Filter{Rules: []string{"Slow*"}, Streams: []string{"stdout"}}, false, "a4"},
		{"grep", Filter{Grep: `^[af][12]$`}, true, "a1 a2 f1 f2"},
		{"grep and findings", Filter{Grep: `(?i)F`, Findings: true}, false, "f2"},
		{"alerts", Filter{Alerts: true, Services: []string{"app"}, Severity: []string{"critical"}}, false, "a3 Broken firing"},
		{"alerts only", Filter{Alerts: true, NoLines: true}, false, "Broken firing SlowRequest resolved"},
		{"alerts by a matcher", Filter{Alerts: true, NoLines: true, Match: []string{`rule=~"Slow.*"`}}, false, "SlowRequest resolved"},
	} {
		f, err := tt.filter.compile()
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		c := newClient(f)
		c.records(batchOf(app, line{"a0", agent.Stdout, []*agent.Rule{broken}}, line{"a1", agent.Stdout, nil}, line{"a2", agent.Stderr, nil},
			line{"a3", agent.Stderr, []*agent.Rule{slow, broken}}, line{"a4", agent.Stdout, []*agent.Rule{slow}}), 1)
		c.records(batchOf(file, line{"f1", agent.None, nil}, line{"f2", agent.None, []*agent.Rule{broken}}), 0)
		c.alerts([]agent.Alert{{Rule: *broken, Labels: app.Labels}, {Rule: *slow, Ended: time.Unix(1, 0)}})
		if got := strings.Join(sent(t, c), " "); got != tt.want {
			t.Errorf("%s: shown are %q, want %q", tt.name, got, tt.want)
		}
		other := &agent.Source{Name: "other", Labels: app.Labels}
		if got := c.wants(app) || c.wants(file) || c.wants(other); got != (tt.all && tt.want != "") {
			t.Errorf("%s: it wants lines without findings: %v", tt.name, got)
		}
	}
}

func TestFilterIsWrong(t *testing.T) {
	for _, tt := range []struct {
		filter Filter
		want   string
	}{
		{Filter{Services: []string{"["}}, `--service: "[" is no pattern; close each [`},
		{Filter{Severity: []string{"high"}}, `--severity: nothing is "high"; write critical, warning, info`},
		{Filter{Streams: []string{"out"}}, `--stream: nothing is "out"; write stdout, stderr`},
		{Filter{Grep: "("}, `--grep: not an expression`},
		{Filter{Grep: strings.Repeat("x", 5000)}, `--grep: the expression is too long`},
		{Filter{Match: []string{"app"}}, `MATCHERS: column 4: expected =, !=, =~ or !~, found the end`},
		{Filter{Rules: make([]string, 101)}, `--rule: 101 are too many`},
	} {
		err := tt.filter.Check()
		if wrong := (*FilterError)(nil); !errors.As(err, &wrong) || !strings.HasPrefix(err.Error(), tt.want) || wrong.Hint == "" {
			t.Errorf("%v, want %s", err, tt.want)
		}
	}
}

func TestNotes(t *testing.T) {
	f := Filter{Rules: []string{"Slow*", "Gone"}, Class: []string{"error", "eror"}}
	want := []string{`no rule is named "Gone" now`, `no rule has the class "eror" now`}
	if got := f.notes([]*agent.Rule{slow, broken}); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// FuzzEncode wants of each text that it is JSON on one line which holds the same
// text, and nothing that a terminal heeds.
func FuzzEncode(f *testing.F) {
	for _, s := range []string{"", "plain", "a \"b\" \\ c", "\x1b[31mred\x1b[0m\x07", "\u202e\u200b\u009b31m", "\xff\xfe", "a\nb\r\tc", "😀\U000e0001", "\x7f\x00"} {
		f.Add(s, s)
	}
	f.Fuzz(func(t *testing.T, text, name string) {
		src := &agent.Source{Name: name, Labels: []agent.Label{{Name: name, Value: text}}}
		rule := &agent.Rule{Name: name, Class: text}
		c := &chunk{}
		b := batchOf(src, line{text, agent.Stdout, []*agent.Rule{rule}})
		c.record(b, 0, b.Findings)
		got := string(new(encoder).record(nil, c, &c.items[0]))
		got += string(appendAlert(nil, &agent.Alert{Rule: *rule, Source: text, Labels: src.Labels}))
		if strings.Count(got, "\n") != 2 || strings.ContainsFunc(strings.ReplaceAll(got, "\n", ""), func(r rune) bool { return !unicode.IsPrint(r) || r == unicode.ReplacementChar }) {
			t.Fatalf("%q", got)
		}
		record, alert, _ := strings.Cut(got, "\n")
		var m, a Message
		if err := errors.Join(json.Unmarshal([]byte(record), &m), json.Unmarshal([]byte(alert), &a)); err != nil {
			t.Fatalf("%q: %v", got, err)
		}
		same := func(got, want string) bool { return got == string([]rune(want)) } // what is no UTF-8 is U+FFFD
		if left := len(text) - len(text[:min(len(text), maxLine)]); left == 0 && !same(m.Line, text) || !same(m.Source, name) || !same(m.Findings[0].Rule, name) || !same(a.Alert.Source, text) {
			t.Fatalf("%q is sent as %q", text, got)
		}
	})
}
