package rules

import (
	"os"
	"strings"
	"testing"
)

// TestLoginsAreFound judges lines of logins that failed, and of those that did
// not, by the packs auth and mail. The lines were written from the programs' own
// formats before the rules were.
func TestLoginsAreFound(t *testing.T) {
	s, err := Load(Config{Packs: []string{"auth", "mail"}}, "")
	if err != nil {
		t.Fatal(err)
	}
	for _, set := range []struct {
		name        string
		hostile     bool
		least, most float64 // share of the lines that are found
	}{
		{name: "auth_hostile", hostile: true, least: 0.9, most: 1},
		{name: "auth_benign", most: 0.01},
	} {
		text, err := os.ReadFile("testdata/" + set.name + ".txt")
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(strings.TrimSpace(string(text)), "\n")
		b := batchOf(lines...)
		s.Match(b)
		rules := make([]string, len(lines))
		found := 0
		for _, f := range b.Findings {
			if f.Rule.Class == "security" && rules[f.Record] == "" {
				rules[f.Record] = f.Rule.Name
				found++
			}
		}
		for i, line := range lines {
			if (rules[i] != "") != set.hostile {
				t.Logf("%s: %q of %s", set.name, rules[i], line)
			}
		}
		share := float64(found) / float64(len(lines))
		t.Logf("%s: %d of %d are found", set.name, found, len(lines))
		if len(lines) < 150 || share < set.least || share > set.most {
			t.Errorf("%s: found %.1f %% of %d lines", set.name, 100*share, len(lines))
		}
	}
}
