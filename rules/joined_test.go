package rules

import (
	"slices"
	"strings"
	"testing"

	"github.com/webgrip/logkeel/agent"
)

// What a rule finds in some line it finds in a record of several lines that the
// line is part of, wherever it stands there.
func TestJoinedRecords(t *testing.T) {
	log := []string{
		"[2025-01-09 14:30:00] production.INFO: a user came",
		"[2025-01-09 14:30:00] production.ERROR: SQLSTATE[HY000] [2002]",
		"ERROR at the start",
		"at the end a timeout",
		"connection to the database has failed",
		"database: an error",
		"connection of nobody",
		"failed",
		"Authentication Failed",
		"xss",
		"failed login",
	}
	l := &loader{names: map[string]place{}}
	l.pack("operations", "")
	rules := l.rules
	for _, x := range []string{`^ERROR`, `timeout$`, `^failed$`, `^(?P<word>conn\w+)`, `^\[.*ERROR`, `(?i)^authentication|login$`, `^\w+$`} {
		e, err := compile(x)
		if err != nil {
			t.Fatal(err)
		}
		rules = append(rules, loaded{rule: &agent.Rule{Name: x}, match: []*expr{e}})
	}
	set := newSet(rules)
	found := func(bodies ...string) (names []string) {
		b := batchOf(bodies...)
		set.Match(b)
		for _, f := range b.Findings {
			names = append(names, f.Rule.Name)
		}
		slices.Sort(names)
		return slices.Compact(names)
	}
	for i := range log {
		for k := i + 1; k <= len(log); k++ {
			lines := log[i:k]
			if got, want := found(strings.Join(lines, "\n")), found(lines...); !slices.Equal(got, want) {
				t.Errorf("%q: got %q, line by line %q", lines, got, want)
			}
		}
	}
}

// Of a record of several lines is left what is left of its lines, and no more.
func TestJoinedRedacted(t *testing.T) {
	for _, tt := range []struct {
		file string
		Redact
	}{
		{"secrets", Redact{Secrets: true}},
		{"none", Redact{Secrets: true}},
		{"optin", Redact{Secrets: true, Emails: true, Cards: true}},
	} {
		s := redacting(t, tt.Redact, "")
		lines, want := redactTable(t, tt.file)
		for i := range lines {
			if got, want := cutLine(s, "#0 {main}\n"+lines[i]+"\n#1 {main}\n"), "#0 {main}\n"+want[i]+"\n#1 {main}\n"; got != want {
				t.Errorf("%q\n got %q\nwant %q", lines[i], got, want)
			}
		}
		if got, want := cutLine(s, strings.Join(lines, "\n")), strings.Join(want, "\n"); got != want {
			t.Errorf("%s as one record\n got %q\nwant %q", tt.file, got, want)
		}
	}
	own := redacting(t, Redact{Patterns: []RedactPattern{{"pin", `^pin: (\d+)$`}}}, "")
	if got, want := cutLine(own, "a trace\npin: 12345\nof three lines"), "a trace\npin: [pin]\nof three lines"; got != want {
		t.Errorf("own: got %q, want %q", got, want)
	}
}
