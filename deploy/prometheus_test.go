package deploy_test

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
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
	metricForm = regexp.MustCompile(`\b(logkeel|mysql|redis|probe|pg)_[a-z0-9_]+`)
	quoted     = regexp.MustCompile(`"[a-z0-9_]+"`)
)

// TestPrometheusRulesNameMetrics: what an expression asks for is what the agent has. (Those
// on what samplers measure are the pack's, whose metrics a test of rules looks at.)
func TestPrometheusRulesNameMetrics(t *testing.T) {
	has := exportedNames(t)
	var rules ruleGroups
	load(t, "prometheus/logkeel.rules.yml", &rules)
	for _, g := range rules.Groups {
		for _, r := range g.Rules {
			for _, name := range metricForm.FindAllString(r.Expr, -1) {
				if !has[name] {
					t.Errorf("%s: nothing exports %s", r.Alert, name)
				}
			}
		}
	}
}

// exportedNames are all texts in the code that may be names of metrics.
func exportedNames(t *testing.T) map[string]bool {
	t.Helper()
	has := map[string]bool{}
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
	return has
}
