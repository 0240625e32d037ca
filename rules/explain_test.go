package rules

import (
	"strings"
	"testing"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/matchers"
)

func TestExplain(t *testing.T) {
	s := parse(t, `
groups:
  - name: g
    rules:
      - {name: chain, match: 'connection.*failed|database.*error'}
      - {name: shape, match: 'code \d{3}'}
      - {name: full, match: '^\d{3}$'}
      - {name: fold, match: '(?i)deadlock'}
      - {name: both, match: ['(?P<n>\d+) errors', '(?P<n>\d+) faults'], where: n > 5 and n < 10}
      - {name: either, match: '(?P<a>\w+)=(?P<b>\w+)?;', where: a == "x" or b =~ "^y"}
      - {name: negated, match: 'status (?P<s>\d+)', where: not s == 500}
`)
	for _, c := range []struct{ rule, line, why, text string }{
		{"chain", "connection has failed", "", "connection has failed"},
		{"chain", "failed connection", `has "connection", but not "failed" after it`, ""},
		{"chain", "hello", `has none of "connection", "database"`, ""},
		{"shape", "code 12", `has "code ", but does not match "code \d{3}"`, ""},
		{"full", "x", `does not match "^\d{3}$"`, ""},
		{"fold", "x", `does not have "deadlock" in any case`, ""},
		{"both", "7 errors", "", "7 errors"},
		{"both", "3 errors, 7 faults", "", "7 faults"},
		{"both", "3 errors", `where does not hold: n > 5, and n is "3"`, "3 errors"},
		{"both", "12 faults", `where does not hold: n < 10, and n is "12"`, "12 faults"},
		{"either", "q=;", `where does not hold: a == "x", and a is "q"; b =~ "^y", and b found nothing`, "q=;"},
		{"negated", "status 500", `where does not hold: not (s == 500), and s is "500"`, "status 500"},
	} {
		for _, v := range s.ExplainAll(&agent.Source{}, c.line) {
			if v.Rule.Name != c.rule {
				continue
			}
			if v.Why != c.why || v.Holds != (c.why == "") || v.Text != c.text {
				t.Errorf("%s in %q: %+v, want %q", c.rule, c.line, v, c.why)
			}
		}
	}
}

// FuzzExplain wants a reason wherever a rule does not hold, and none where it
// does.
func FuzzExplain(f *testing.F) {
	f.Add(`connection.*failed`, `test`, "connection has failed", "shop")
	f.Add(`(?i)^a|b$|(\d+)`, ``, "x\nA\xff", "")
	f.Fuzz(func(t *testing.T, match, not, line, service string) {
		m, err := compile(match)
		if err != nil || m.MatchesAll() {
			return
		}
		r := loaded{rule: &agent.Rule{Name: "r"}, match: []*expr{m}, source: matchers.Matchers{{Name: "service", Values: []string{"shop"}}}, policy: policy{threshold: 1}}
		if n, err := compile(not); err == nil && not != "" {
			r.not = []*expr{n}
		}
		s := newSet([]loaded{r})
		v := s.Explain(NewSource(map[string]string{"service": service}), line, s.meta[0])
		if v.Holds != (v.Why == "") || v.Line != line || v.Text != v.Line[v.Start:v.End] || !strings.Contains(line, v.Text) {
			t.Errorf("%+v", v)
		}
	})
}
