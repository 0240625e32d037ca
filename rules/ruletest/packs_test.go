package ruletest

import (
	"regexp"
	"testing"

	"github.com/webgrip/logkeel/rules"
)

// TestPacks runs the tests of all packs. Each rule has one; each on lines has
// lines that it finds and lines that it ignores; each says what it is and what
// to do.
func TestPacks(t *testing.T) {
	command := regexp.MustCompile(`\b(docker|curl|journalctl|logread|grep|df|systemctl|sysctl|ip|gunzip|tail|ls|find|logkeel|psql|crontab)\b .|\bSELECT |\./[\w-]+\.sh `)
	for _, name := range rules.Packs() {
		t.Run(name, func(t *testing.T) {
			set, err := rules.Load(rules.Config{Packs: []string{name}}, "", rules.WithTests(), rules.Redacting(rules.Redact{Secrets: true}))
			if err != nil {
				t.Fatal(err)
			}
			results, err := Run(set)
			if err != nil {
				t.Fatal(err)
			}
			finds, ignores := map[string]bool{}, map[string]bool{}
			for _, r := range results {
				for _, f := range r.Failures {
					t.Errorf("%s:%d: %s: want %s, got %s", r.Test.File(), r.Test.Line(f.Field), f.Field, f.Want, f.Got)
				}
				finds[r.Test.Rule] = finds[r.Test.Rule] || len(r.Test.Finds) > 0
				ignores[r.Test.Rule] = ignores[r.Test.Rule] || len(r.Test.Ignores) > 0
			}
			for _, r := range Untested(set) {
				t.Errorf("%s has no test", r.Name)
			}
			for _, r := range set.Rules() {
				if set.OnLines(r) && !(finds[r.Name] && ignores[r.Name]) {
					t.Errorf("%s has no lines to find, or none to ignore", r.Name)
				}
				if r.Summary == "" || !command.MatchString(r.Runbook) {
					t.Errorf("%s does not say what it is and what to do", r.Name)
				}
			}
		})
	}
}
