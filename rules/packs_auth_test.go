package rules

import (
	"os"
	"strings"
	"testing"

	"github.com/webgrip/logkeel/agent"
)

// packRules are the rules of packs that a line holds for, by name.
func packRules(t *testing.T, packs ...string) func(line string) []string {
	t.Helper()
	s, err := Load(Config{Packs: packs}, "")
	if err != nil {
		t.Fatal(err)
	}
	return func(line string) []string {
		b := &agent.Batch{Buf: []byte(line), Source: &agent.Source{}}
		b.Records = []agent.Record{{Body: agent.Span{End: int32(len(line))}}}
		s.Match(b)
		var names []string
		for i := range b.Findings {
			if r := b.Findings[i].Rule; r.Class == "security" {
				names = append(names, r.Name)
			}
		}
		return names
	}
}

func labelled(t *testing.T, file string) []string {
	t.Helper()
	data, err := os.ReadFile("testdata/" + file)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")
}

// TestPacksFindRefusals holds the packs to lines that people labelled: of those
// in which somebody is refused nearly all are found, of the others nearly none.
func TestPacksFindRefusals(t *testing.T) {
	match := packRules(t, "auth", "mail")
	for _, c := range []struct {
		hostile, benign string
	}{
		{"auth_hostile.txt", "auth_benign.txt"},
		{"auth_hostile_more.txt", "auth_benign_more.txt"},
	} {
		hostile, benign := labelled(t, c.hostile), labelled(t, c.benign)
		found, hit := 0, 0
		for _, line := range hostile {
			if len(match(line)) > 0 {
				found++
			} else {
				t.Logf("missed: %s", line)
			}
		}
		for _, line := range benign {
			if names := match(line); len(names) > 0 {
				hit++
				t.Logf("hit by %v: %s", names, line)
			}
		}
		t.Logf("%s: found %d of %d, hit %d of %d", c.hostile, found, len(hostile), hit, len(benign))
		if 100*found < 90*len(hostile) {
			t.Errorf("%s: found %d of %d", c.hostile, found, len(hostile))
		}
		if 100*hit > len(benign) {
			t.Errorf("%s: hit %d of %d", c.benign, hit, len(benign))
		}
	}
}
