package deploy_test

import (
	"cmp"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write prometheus/samplers.rules.yml from the pack samples")

// A packRule is what a rule on a sample says, as far as Prometheus needs it.
type packRule struct {
	Name     string   `yaml:"name"`
	Severity string   `yaml:"severity"`
	Sample   string   `yaml:"sample"`
	Source   any      `yaml:"source"` // labels and values, or a text of matchers
	Equals   string   `yaml:"equals"`
	Above    string   `yaml:"above"`
	Below    string   `yaml:"below"`
	Changed  any      `yaml:"changed"`
	Rate     string   `yaml:"rate"`
	Delta    string   `yaml:"delta"`
	Absent   string   `yaml:"absent"`
	Window   string   `yaml:"window"`
	For      string   `yaml:"for"`
	By       []string `yaml:"by"`
	Summary  string   `yaml:"summary"`
	Runbook  string   `yaml:"runbook"`
}

// expr is the rule in PromQL.
func (r *packRule) expr(t *testing.T) string {
	t.Helper()
	series := r.Sample + r.selector()
	window := r.Window
	if window == "" {
		window = "5m"
	}
	over, by := series, r.By
	switch {
	case r.Rate != "":
		over = fmt.Sprintf("rate(%s[%s])", series, r.Rate)
	case r.Delta != "":
		over = fmt.Sprintf("delta(%s[%s])", series, r.Delta)
	case r.Changed == "up": // from which resets are no decrease of a counter
		return fmt.Sprintf("increase(%s[%s]) > 0", series, window)
	case r.Changed == "down":
		return fmt.Sprintf("resets(%s[%s]) > 0", series, window)
	case r.Changed == "any":
		return fmt.Sprintf("changes(%s[%s]) > 0", series, window)
	case r.Absent != "":
		if r.Window == "" {
			window = "7d"
		}
		group := "group by (" + strings.Join(append([]string{"instance"}, by...), ", ") + ") "
		return fmt.Sprintf("%s(last_over_time(%s[%s])) unless %[1]s(%[2]s)", group, series, window)
	case r.Changed != nil: // labels: more than one set of their values within the window
		labels, ok := r.Changed.([]any)
		if !ok {
			t.Fatalf("%s: changed: %v is not known here", r.Name, r.Changed)
		}
		key := strings.Join(append([]string{"instance", "target"}, slices.DeleteFunc(slices.Clone(by), func(l string) bool { return l == "target" })...), ", ")
		all := key
		for _, l := range labels {
			all += ", " + fmt.Sprint(l)
		}
		return fmt.Sprintf("count by (%s) (group by (%s) (last_over_time(%s[%s]))) > 1", key, all, series, window)
	}
	var limits []string
	for _, l := range []struct{ op, value string }{{"==", r.Equals}, {">", r.Above}, {"<", r.Below}} {
		if l.value != "" {
			limits = append(limits, l.op+" "+number(t, l.value))
		}
	}
	if len(limits) == 0 {
		t.Fatalf("%s has no condition that is known here", r.Name)
	}
	if len(by) > 0 {
		fold := "max"
		if r.Below != "" {
			fold = "min"
		}
		if !slices.Contains(by, "target") {
			by = append([]string{"target"}, by...)
		}
		over = fmt.Sprintf("%s by (%s) (%s)", fold, strings.Join(append([]string{"instance"}, by...), ", "), over)
	}
	// A comparison keeps the value, so that another one may follow.
	return over + " " + strings.Join(limits, " ")
}

func (r *packRule) selector() string {
	if text, ok := r.Source.(string); ok {
		return "{" + text + "}"
	}
	labels, _ := r.Source.(map[string]any)
	var parts []string
	for name, v := range labels {
		switch v := v.(type) {
		case []any:
			var any []string
			for _, one := range v {
				any = append(any, fmt.Sprint(one))
			}
			parts = append(parts, fmt.Sprintf("%s=~%q", name, strings.Join(any, "|")))
		default:
			parts = append(parts, fmt.Sprintf("%s=%q", name, fmt.Sprint(v)))
		}
	}
	if len(parts) == 0 {
		return ""
	}
	slices.Sort(parts)
	return "{" + strings.Join(parts, ", ") + "}"
}

// number is a number of a rule: it may be a time, or a size.
func number(t *testing.T, text string) string {
	t.Helper()
	if d, err := time.ParseDuration(text); err == nil {
		return fmt.Sprint(d.Seconds())
	}
	if days, ok := strings.CutSuffix(text, "d"); ok {
		return days + " * 86400"
	}
	for unit, factor := range map[string]int{"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30} {
		if n, ok := strings.CutSuffix(text, unit); ok {
			return fmt.Sprintf("%s * %d", n, factor)
		}
	}
	return text
}

// told are the labels that say what an alert is about.
var told = []string{"target", "name", "mountpoint", "schema", "table", "index", "file", "path", "setting", "queue", "job", "problem", "risk", "kind"}

func generated(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	b.WriteString(`# Alert rules for Prometheus, on what logkeel's samplers measure: those of the pack
# samples, for those who alert there. They are made from it:
# go test ./deploy -run TestPrometheusRulesAreThePack -update
groups:
`)
	files, err := filepath.Glob("../rules/packs/samples/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		var pack struct {
			Groups []struct {
				Name  string     `yaml:"name"`
				Rules []packRule `yaml:"rules"`
			} `yaml:"groups"`
		}
		load(t, file, &pack)
		for _, g := range pack.Groups {
			fmt.Fprintf(&b, "  - name: %s\n    rules:\n", g.Name)
			for i := range g.Rules {
				g.Rules[i].write(t, &b)
			}
		}
	}
	return b.String()
}

func (r *packRule) write(t *testing.T, b *strings.Builder) {
	about := told
	if len(r.By) > 0 {
		about = r.By
		if !slices.Contains(about, "target") {
			about = append([]string{"target"}, about...)
		}
	}
	var where strings.Builder
	for _, l := range about {
		fmt.Fprintf(&where, "{{ with $labels.%s }} {{ . }}{{ end }}", l)
	}
	fmt.Fprintf(b, "      - alert: %s\n        expr: %s\n", r.Name, quote(r.expr(t)))
	if hold := cmp.Or(r.For, r.Absent); hold != "" {
		fmt.Fprintf(b, "        for: %s\n", hold)
	}
	fmt.Fprintf(b, "        labels: {severity: %s}\n        annotations:\n          summary: %s\n", r.Severity, quote(r.Summary+":"+where.String()))
	if r.Runbook != "" {
		b.WriteString("          runbook: |\n")
		for line := range strings.Lines(r.Runbook) {
			// Go templates of docker inspect are none of Prometheus's.
			line = strings.NewReplacer("{{", "{{`{{`}}", "}}", "{{`}}`}}").Replace(line)
			b.WriteString("            " + line)
		}
	}
}

func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// TestPrometheusRulesAreThePack: who alerts in Prometheus is told of all that the
// pack samples tells, and as urgently.
func TestPrometheusRulesAreThePack(t *testing.T) {
	const file = "prometheus/samplers.rules.yml"
	want := generated(t)
	if *update {
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("%s is not what the pack makes; run go test ./deploy -run TestPrometheusRulesAreThePack -update", file)
	}
}
