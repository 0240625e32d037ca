package rules

import (
	"os"
	"strings"
	"testing"

	"github.com/webgrip/logkeel/agent"
)

// TestAttacks judges labelled lines of access logs by all rules of the pack
// attacks: what is missed, and what is ordinary and found.
func TestAttacks(t *testing.T) {
	s, err := Load(Config{Packs: []string{"attacks"}}, "")
	if err != nil {
		t.Fatal(err)
	}
	found := func(files ...string) (hit, not []string) {
		var lines []string
		for _, file := range files {
			text, err := os.ReadFile("testdata/access/" + file)
			if err != nil {
				t.Fatal(err)
			}
			lines = append(lines, strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")...)
		}
		b := batchOf(lines...)
		b.Source = &agent.Source{}
		s.Match(b)
		rules := make([]string, len(lines))
		for _, f := range b.Findings {
			rules[f.Record] = f.Rule.Name
		}
		for i, line := range lines {
			if rules[i] == "" {
				not = append(not, line)
				continue
			}
			hit = append(hit, rules[i]+": "+line)
		}
		return hit, not
	}
	hit, missed := found("attacks.log", "attacks-more.log")
	all := len(hit) + len(missed)
	t.Logf("%d of %d attacks are found", len(hit), all)
	for _, line := range missed {
		t.Log("missed: ", line)
	}
	if all < 200 || 100*len(hit) < 85*all {
		t.Errorf("%d of %d attacks are found, want 85 of 100", len(hit), all)
	}
	hit, not := found("ordinary.log", "ordinary-more.log")
	all = len(hit) + len(not)
	t.Logf("%d of %d ordinary lines are found", len(hit), all)
	for _, line := range hit {
		t.Log("ordinary: ", line)
	}
	if all < 250 || 100*len(hit) > all {
		t.Errorf("%d of %d ordinary lines are found, want one in 100 at most", len(hit), all)
	}
}
