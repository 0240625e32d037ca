//go:build !race

package rules

import "testing"

// Where nothing is cut nothing is allocated, whatever looks like a secret.
func TestRedactAllocatesNothing(t *testing.T) {
	s := redacting(t, Redact{Secrets: true, Emails: true, Cards: true, Patterns: []RedactPattern{{"a", `customer=(\w+)`}, {"b", `[0-9]{12}x`}}},
		"groups: [{name: g, rules: [{name: r, match: password}]}]")
	lines, want := redactTable(t, "none")
	var same []string
	for i := range lines {
		if cutLine(s, lines[i]) == want[i] {
			same = append(same, lines[i])
		}
	}
	for _, lines := range [][]string{same, {"token=abcdefgh password=12345678 https://a:b@c"}} {
		b := batchOf(lines...)
		run := func() {
			b.Findings = b.Findings[:0]
			s.Match(b)
		}
		run()
		if n := testing.AllocsPerRun(50, run); n != 0 {
			t.Errorf("%v allocations for %d lines", n, len(lines))
		}
	}
	if len(same) < 60 {
		t.Errorf("only %d lines are left as they are", len(same))
	}
}
