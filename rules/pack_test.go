package rules

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/webgrip/logkeel/agent"
)

func samplesPack(t *testing.T) *Set {
	t.Helper()
	s, err := Load(Config{Packs: []string{"samples"}}, "")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestPacks(t *testing.T) {
	s, err := Load(Config{Packs: Packs()}, "") // no name twice
	if err != nil {
		t.Fatal(err)
	}
	doc, err := os.ReadFile("../docs/rules.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range Packs() {
		if !strings.Contains(string(doc), "\n## The pack "+name+"\n") {
			t.Errorf("no section on the pack %s", name)
		}
	}
	for i, r := range s.Rules() {
		row := "| " + r.Name + " | " + r.Class + " | " + r.Severity + " | "
		if m := s.rules[i].measure; m != nil {
			row += "`" + m.String() + "`"
		}
		if !strings.Contains(string(doc), "\n"+row) {
			t.Errorf("no row %s", row)
		}
	}
}

// TestSampledMetrics wants each metric that the pack asks for, with the labels
// that it asks for, among those that samplers have.
func TestSampledMetrics(t *testing.T) {
	doc, err := os.ReadFile("../docs/samplers.md")
	if err != nil {
		t.Fatal(err)
	}
	fields, err := os.ReadFile("../collectors/redis/fields.go")
	if err != nil {
		t.Fatal(err)
	}
	everywhere := []string{"target", "name", "image", "project", "service"}
	for _, r := range samplesPack(t).rules {
		metric := r.measure.sample
		labels := slices.Clone(everywhere)
		row := regexp.MustCompile("\n\\|[^|\n]*`" + metric + "`[^|\n]*\\|([^|\n]*)\\|").FindSubmatch(doc)
		switch name, redis := strings.CutPrefix(metric, "redis_"); {
		case row != nil:
			labels = append(labels, regexp.MustCompile(`\w+`).FindAllString(string(row[1]), -1)...)
		case !redis || !strings.Contains(string(fields), `"`+name+`"`):
			t.Errorf("%s: no sampler has %s", r.rule.Name, metric)
		}
		var asked []string
		for _, c := range r.source {
			asked = append(asked, c.Name)
		}
		for _, p := range r.policy.by {
			asked = append(asked, p.name)
		}
		for _, label := range asked {
			if !slices.Contains(labels, label) {
				t.Errorf("%s: %s has no label %s", r.rule.Name, metric, label)
			}
		}
	}
}

// TestOneSnapshotTellsNobody wants what is down to be told at its third snapshot
// in a row, and not for one or two that fail by themselves.
func TestOneSnapshotTellsNobody(t *testing.T) {
	l := &loader{names: map[string]place{}}
	l.pack("samples", "packs[0]")
	const snapshot = 15 * time.Second
	up := []agent.Sample{
		value("mysql_up", 1, "target", "main"), value("redis_up", 1, "target", "main"), value("probe_success", 1, "target", "main"),
		value("logkeel_http_assertion_failed", 0, "kind", "json", "target", "main"),
		value("logkeel_container_health", 0, "name", "app", "status", "unhealthy"),
	}
	down := slices.Clone(up)
	for i := range down {
		down[i].Value = 1 - up[i].Value
	}
	b := newBench(t, l.rules...)
	b.measure(4*snapshot, up...)
	for range 3 {
		b.measure(2*snapshot, down...)
		b.measure(snapshot, up...)
	}
	if list := b.told.list(); len(list) != 0 {
		t.Fatalf("told of %s", list[0].Rule.Name)
	}
	b.measure(3*snapshot, down...)
	var names []string
	for _, a := range b.told.list() {
		names = append(names, a.Rule.Name)
	}
	slices.Sort(names)
	if want := []string{"ContainerUnhealthy", "DatabaseDown", "PageDown", "PageUnhealthy", "RedisDown"}; !slices.Equal(names, want) {
		t.Errorf("told of %v, want %v", names, want)
	}
}
