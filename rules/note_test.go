package rules

import "testing"

// What a program wrote last stands beside an alert on a sample, without its
// secrets.
func TestRedactedNote(t *testing.T) {
	s := redacting(t, Redact{Secrets: true, Patterns: []RedactPattern{{Name: "customer", Match: `cust-\d+`}}}, "")
	for note, want := range map[string]string{
		"": "",
		"exit code 1; its output ends: connecting": "exit code 1; its output ends: connecting",
		"its output ends: DB_PASSWORD=hunter2x":    "its output ends: DB_PASSWORD=" + cutLine(s, "DB_PASSWORD=hunter2x")[len("DB_PASSWORD="):],
		"its output ends: cust-1234567890 is gone": "its output ends: [customer] is gone",
	} {
		if got := s.redacted(note); got != want {
			t.Errorf("%q is %q, want %q", note, got, want)
		}
	}
	if got := s.redacted("its output ends: DB_PASSWORD=hunter2x"); got == "its output ends: DB_PASSWORD=hunter2x" {
		t.Error("the password is told")
	}
	if s := redacting(t, Redact{}, ""); s.redacted("password=hunter2x") != "password=hunter2x" {
		t.Error("it is cut where nobody asked for it")
	}
}
