package rules

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"
)

// TestPolicy reads what makes an alert of what a rule finds.
func TestPolicy(t *testing.T) {
	const minute = time.Minute
	for _, tt := range []struct {
		keys     string
		want     policy
		cooldown time.Duration
	}{
		{"match: x", policy{threshold: 1, window: 5 * minute, byLog: true}, 0},
		{"match: x, threshold: 5, window: 10m, cooldown: 1h", policy{threshold: 5, window: 10 * minute, byLog: true}, time.Hour},
		{"match: x, threshold: 10000, window: 1d, cooldown: 7d", policy{threshold: 10000, window: 24 * time.Hour, byLog: true}, 7 * 24 * time.Hour},
		{"match: x, window: 1s, by:", policy{threshold: 1, window: time.Second, byLog: true}, 0},
		{"match: x, by: []", policy{threshold: 1, window: 5 * minute}, 0},
		{"match: x, by: [log, source, service]", policy{threshold: 1, window: 5 * minute, by: []keyPart{{"log", false}, {"source", false}, {"service", false}}}, 0},
		{"match: ['a(?P<user>x)', 'b(?P<ip>y)(?P<user>y)'], by: [project, user]", policy{threshold: 1, window: 5 * minute, by: []keyPart{{"project", false}, {"user", true}}}, 0},
		{"match: 'a(?P<log>x)', by: log", policy{threshold: 1, window: 5 * minute, by: []keyPart{{"log", true}}}, 0},
		{"sample: s, above: 1", policy{threshold: 1, window: 5 * minute, byLog: true}, 0},
		{"sample: s, changed: true, window: 1h, by: [], cooldown: 0", policy{threshold: 1, window: time.Hour}, 0},
		{"sample: s, above: 1, by: [target]", policy{threshold: 1, window: 5 * minute, by: []keyPart{{"target", false}}}, 0},
	} {
		r := oneRule(t, tt.keys).rules[0]
		if !reflect.DeepEqual(r.policy, tt.want) {
			t.Errorf("%s: got %+v, want %+v", tt.keys, r.policy, tt.want)
		}
		if r.rule.Cooldown != tt.cooldown {
			t.Errorf("%s: cooldown %v", tt.keys, r.rule.Cooldown)
		}
	}
}

// TestMeasure reads conditions of samples.
func TestMeasure(t *testing.T) {
	for keys, want := range map[string]string{
		"sample: redis_up, equals: 0, for: 1m":                "redis_up == 0 for 1m",
		"sample: 'a:b_1', above: -0.5, below: 2e3":            "a:b_1 > -0.5 and < 2000",
		"sample: s, above: 1m30s":                             "s > 90",
		"sample: s, below: '512 MiB', for: 90s":               "s < 536870912 for 1m30s",
		"sample: s, changed: true":                            "s changed",
		"sample: s, changed: up, above: 5, for: 24h":          "s > 5 and went up for 1d",
		"sample: s, changed: down, equals: 0":                 "s == 0 and went down",
		"sample: s, above: 1e300, source: {target: main}":     "s > 1e+300",
		"sample: s, above: 0.000001, below: 1e-7, for: 0":     "",
		"sample: s, equals: 1, source: {status: [a, b, '']}":  "s == 1",
		"sample: s, equals: 123456789012, source: {x: ['']}":  "s == 123456789012",
		"sample: s, above: 10ms, below: 1s, source: {a: '1'}": "s > 0.01 and < 1",
	} {
		if want == "" {
			l := &loader{names: map[string]place{}}
			l.data("f.yaml", []byte("groups: [{name: g, rules: [{name: r, "+keys+"}]}]"))
			if len(l.errs) != 1 || !strings.Contains(l.errs[0].Error(), "no number is above 0.000001 and below 1e-07") {
				t.Errorf("%s: %v", keys, l.errs)
			}
			continue
		}
		s := oneRule(t, keys)
		if got := s.rules[0].measure.String(); got != want {
			t.Errorf("%s: got %s, want %s", keys, got, want)
		}
	}
}

func TestMeasureHolds(t *testing.T) {
	for _, tt := range []struct {
		keys      string
		v, before float64
		known     bool
		want      bool
	}{
		{"above: 5", 5, 0, false, false},
		{"above: 5", 5.1, 0, false, true},
		{"below: 5", 5, 0, false, false},
		{"above: 1, below: 5", 3, 0, false, true},
		{"above: 1, below: 5", 0, 0, false, false},
		{"equals: 0", 0, 5, true, true},
		{"equals: 0", 1, 5, true, false},
		{"changed: true", 1, 1, true, false},
		{"changed: true", 1, 2, true, true},
		{"changed: true", 1, 0, false, false},
		{"changed: up", 2, 1, true, true},
		{"changed: up", 1, 2, true, false},
		{"changed: down", 1, 2, true, true},
		{"changed: down, equals: 0", 1, 2, true, false},
		{"changed: down, equals: 0", 0, 2, true, true},
	} {
		m := oneRule(t, "sample: s, "+tt.keys).rules[0].measure
		if got := m.holds(tt.v, tt.before, tt.known); got != tt.want {
			t.Errorf("%s of %v after %v: %v", tt.keys, tt.v, tt.before, got)
		}
	}
}

// TestSampleRules wants rules on samples by the sample's name, and none of them
// in what is looked for in lines.
func TestSampleRules(t *testing.T) {
	s := parse(t, `
groups:
  - name: g
    rules:
      - {name: a, sample: redis_up, equals: 0}
      - {name: b, match: redis_up}
      - {name: c, sample: mysql_up, equals: 0, source: {target: main}}
      - {name: d, sample: redis_up, equals: 1, summary: it is up}
`)
	if got, want := fmt.Sprint(s.samples), "map[mysql_up:[2] redis_up:[0 3]]"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	for i, r := range s.rules {
		if s.Rules()[i] != r.rule || r.rule.Index != i || (r.measure == nil) != (r.rule.Name == "b") {
			t.Errorf("rule %d is %+v", i, r)
		}
	}
	b := batchOf("redis_up", "mysql_up == 0", "")
	s.Match(b)
	if got := describe(b); len(got) != 1 || got[0] != "0:b:redis_up" {
		t.Errorf("found %q", got)
	}
	if list := s.FullPass(); len(list) != 0 {
		t.Errorf("%s is tried on each record", list[0].Name)
	}
}
