package deploy_test

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/webgrip/logkeel/agent/testenv"
)

type ruleGroups struct {
	Groups []struct {
		Rules []struct {
			Alert  string            `yaml:"alert"`
			Name   string            `yaml:"name"`
			Expr   string            `yaml:"expr"`
			Labels map[string]string `yaml:"labels"`

			Severity string `yaml:"severity"`
		} `yaml:"rules"`
	} `yaml:"groups"`
}

// TestPrometheusRules gives the alert rules to promtool, and their tests.
func TestPrometheusRules(t *testing.T) {
	promtool := testenv.Promtool(t)
	files, err := filepath.Glob("prometheus/*.rules.yml")
	if err != nil || len(files) != 2 {
		t.Fatalf("%v, %v", files, err)
	}
	for _, args := range [][]string{append([]string{"check", "rules"}, files...), {"test", "rules", "prometheus/rules_test.yml"}} {
		if out, err := exec.Command(promtool, args...).CombinedOutput(); err != nil {
			t.Errorf("promtool %v: %v\n%s", args[0], err, out)
		}
	}
}

var (
	metricForm = regexp.MustCompile(`\b(logkeel|mysql|redis|probe)_[a-z0-9_]+`)
	quoted     = regexp.MustCompile(`"[a-z0-9_]+"`)
)

// TestPrometheusRulesNameMetrics: what an expression asks for is what the agent has.
func TestPrometheusRulesNameMetrics(t *testing.T) {
	has := map[string]bool{ // those that are put together of parts
		"mysql_global_status_connection_errors_total": true, "redis_evicted_keys_total": true, "redis_rejected_connections_total": true,
	}
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		for _, name := range quoted.FindAllString(string(text), -1) {
			has[strings.Trim(name, `"`)] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{"prometheus/logkeel.rules.yml", "prometheus/samplers.rules.yml"} {
		var rules ruleGroups
		load(t, file, &rules)
		for _, g := range rules.Groups {
			for _, r := range g.Rules {
				for _, name := range metricForm.FindAllString(r.Expr, -1) {
					if !has[name] {
						t.Errorf("%s: %s: nothing exports %s", file, r.Alert, name)
					}
				}
			}
		}
	}
}

// TestPrometheusRulesAreThePack: who alerts in Prometheus is told of all that the
// pack samples tells, and as urgently.
func TestPrometheusRulesAreThePack(t *testing.T) {
	files, _ := filepath.Glob("../rules/packs/samples/*.yaml")
	var pack, rules ruleGroups
	for _, file := range files {
		var part ruleGroups
		load(t, file, &part)
		pack.Groups = append(pack.Groups, part.Groups...)
	}
	load(t, "prometheus/samplers.rules.yml", &rules)
	severities := map[string]string{}
	for _, g := range rules.Groups {
		for _, r := range g.Rules {
			severities[r.Alert] = r.Labels["severity"]
		}
	}
	var names []string
	for _, g := range pack.Groups {
		for _, r := range g.Rules {
			names = append(names, r.Name)
			if severities[r.Name] != r.Severity {
				t.Errorf("%s is %q in the pack, and %q for Prometheus", r.Name, r.Severity, severities[r.Name])
			}
		}
	}
	if !slices.Contains(names, "DatabaseDown") {
		t.Errorf("the pack has %v", names)
	}
}
