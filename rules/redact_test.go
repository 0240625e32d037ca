package rules

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/conf"
)

// redacting makes a set that cuts and has the rules of the text, if any.
func redacting(tb testing.TB, r Redact, text string) *Set {
	tb.Helper()
	l := &loader{names: map[string]place{}, redact: r}
	cuts := l.redactor()
	if text != "" {
		l.data("rules.yaml", []byte(text))
	}
	if len(l.errs) > 0 {
		tb.Fatal(l.errs)
	}
	return buildSet(l.rules, cuts)
}

// cutLine is what is left of one line.
func cutLine(s *Set, line string) string {
	b := batchOf("before it", line, "after it")
	s.Match(b)
	if string(b.Body(0)) != "before it" || string(b.Body(2)) != "after it" {
		return "the records beside it were changed"
	}
	return string(b.Body(1))
}

// redactTable reads testdata: lines, and, where something is cut, below it what
// is left behind "-> ".
func redactTable(tb testing.TB, name string) (lines, want []string) {
	tb.Helper()
	data, err := os.ReadFile("testdata/redact/" + name + ".txt")
	if err != nil {
		tb.Fatal(err)
	}
	for _, line := range strings.Split(strings.TrimSpace(string(data)), "\n") {
		switch left, ok := strings.CutPrefix(line, "-> "); {
		case ok:
			want[len(want)-1] = left
		case line != "" && !strings.HasPrefix(line, "# "):
			lines, want = append(lines, line), append(want, line)
		}
	}
	return lines, want
}

func TestRedact(t *testing.T) {
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
			if got := cutLine(s, lines[i]); got != want[i] {
				t.Errorf("%s\n got %s\nwant %s", lines[i], got, want[i])
			}
			if got := cutLine(s, want[i]); got != want[i] {
				t.Errorf("cut once more\n got %s\nwant %s", got, want[i])
			}
		}
		// All in one batch, which is scanned in stretches, is the same.
		b := batchOf(lines...)
		s.Match(b)
		for i := range lines {
			if got := string(b.Body(i)); got != want[i] {
				t.Errorf("in a batch: %s\n got %s\nwant %s", lines[i], got, want[i])
			}
		}
		// Nothing is cut unless it is asked for.
		if tt.file == "optin" {
			for _, line := range lines {
				if got := cutLine(redacting(t, Redact{Cards: true}, ""), line); strings.Contains(got, "[email]") {
					t.Error(got)
				}
				if got := cutLine(redacting(t, Redact{Emails: true}, ""), line); strings.Contains(got, "[card]") || strings.Contains(got, "[password]") {
					t.Error(got)
				}
			}
		}
	}
}

func TestOwnPatterns(t *testing.T) {
	s := redacting(t, Redact{Secrets: true, Patterns: []RedactPattern{
		{"iban", `\b[A-Z]{2}\d{2}[ \d]{11,30}\d`},
		{"customer", `customer=(\w+)`},
		{"pin", `(?P<what>pin|code): (?P<secret>\d+)`},
		{"either", `left (\w+)|right`},
	}}, "")
	for line, want := range map[string]string{
		"to DE02 1203 0000 0000 2020 51, DE02120300000000202051": "to [iban], [iban]",
		"customer=anna4711 x customer=bo":                        "customer=******** x customer=**",
		"customer=anna4711bell pin: 4711, code: 12345":           "customer=[customer] pin: ****, code: [pin]",
		"left handed right":                                      "left ****** *****",
		"password=[iban] customer=[customer]":                    "password=[iban] customer=**********",
		"nothing of all that":                                    "nothing of all that",
	} {
		if line == "password=[iban] customer=[customer]" {
			want = line // \w does not match a bracket
		}
		if got := cutLine(s, line); got != want {
			t.Errorf("%s\n got %s\nwant %s", line, got, want)
		}
	}
	if got, want := s.CutsFullPass(), []string{"iban"}; !slices.Equal(got, want) {
		t.Errorf("%q take a full pass", got)
	}
	if got, want := strings.Join(s.Cuts(), " "), "password token secret authorization cookie private key iban customer pin either"; got != want {
		t.Errorf("cuts %s", got)
	}
}

// A private key that is logged line by line is cut, also where the lines are not
// in one batch; what looks like its lines is not.
func TestPrivateKeyLines(t *testing.T) {
	s := redacting(t, Redact{Secrets: true}, "")
	const (
		long = "MIIEowIBAAKCAQEAv7Qd9fKq2b8J0mV1xYtZ7pQwErTyUiOpAsDfGhJkLzXcVbNm"
		last = "0QwErTyUiOpAsDf=="
	)
	for _, tt := range []struct{ lines, want []string }{
		{
			[]string{"-----BEGIN RSA PRIVATE KEY-----", long, last, "-----END RSA PRIVATE KEY-----", "Done"},
			[]string{"-----BEGIN RSA PRIVATE KEY-----", "[private key]", "[private key]", "-----END RSA PRIVATE KEY-----", "Done"},
		},
		{
			[]string{"-----BEGIN RSA PRIVATE KEY-----", "Proc-Type: 4,ENCRYPTED", "", long + "\r", "Done.", "Done"},
			[]string{"-----BEGIN RSA PRIVATE KEY-----", "Proc-Type: 4,ENCRYPTED", "", "[private key]\r", "Done.", "Done"},
		},
		{[]string{"x", long, last}, []string{"x", "[private key]", last}},
		{[]string{strings.Repeat("0123456789abcdef", 4)}, []string{strings.Repeat("0123456789abcdef", 4)}},
		{[]string{strings.Repeat("-", 64), strings.Repeat("=", 70), strings.Repeat("a", 64)}, []string{strings.Repeat("-", 64), strings.Repeat("=", 70), strings.Repeat("a", 64)}},
		{
			[]string{"loaded\n-----BEGIN EC PRIVATE KEY-----\n" + long + "\n" + last + "\n-----END EC PRIVATE KEY-----\nthat"},
			[]string{"loaded\n-----BEGIN EC PRIVATE KEY-----[private key]-----END EC PRIVATE KEY-----\nthat"},
		},
	} {
		b := batchOf(tt.lines...)
		s.Match(b)
		for i := range tt.lines {
			if got := string(b.Body(i)); got != tt.want[i] {
				t.Errorf("%q: got %q, want %q", tt.lines[i], got, tt.want[i])
			}
		}
	}
}

// Rules see what is left: what was cut is not found, what is left is, and what
// stands there for a secret is text like any other.
func TestRulesSeeWhatIsLeft(t *testing.T) {
	s := redacting(t, Redact{Secrets: true}, `
groups:
  - name: g
    rules:
      - {name: inside, match: Kx93}
      - {name: behind, match: 'is (?P<word>slow)', by: word}
      - {name: marker, match: '\[password\]'}
      - {name: any, match: '\w$', not: 'qLf39'}
`)
	b := batchOf("Kx93", "password=Kx93nfLq0a is slow", "password=qLf39nfKx93xx is slow", "fine.")
	ends := make([]int64, len(b.Records))
	for i := range b.Records {
		b.Records[i].End = int64(i * 100)
		ends[i] = b.Records[i].End
	}
	s.Match(b)
	want := []string{"0:inside:Kx93", "0:any:3", "1:behind:is slow", "1:marker:[password]", "1:any:w", "2:behind:is slow", "2:marker:[password]", "2:any:w"}
	if got := describe(b); !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	for i := range b.Records {
		if b.Records[i].End != ends[i] {
			t.Errorf("record %d ends elsewhere in its file", i)
		}
	}
	if left := string(b.Buf); strings.Contains(left, "nfLq0a") || strings.Contains(left, "nfKx93xx") {
		t.Errorf("something is left in the batch: %q", left)
	}
}

// Records that are out of order, or share their text, are cut all the same.
func TestRedactOutOfOrder(t *testing.T) {
	const line = "one password=Kx93nfLq0a two"
	s := redacting(t, Redact{Secrets: true, Patterns: []RedactPattern{{"two", "two"}}}, "groups: [{name: g, rules: [{name: r, match: one}]}]")
	b := &agent.Batch{Buf: []byte(line + "password=Kx93nfLq0a")}
	n, all := int32(len(line)), int32(len(b.Buf))
	for _, s := range []agent.Span{{Start: n, End: all}, {Start: 0, End: n}, {}, {Start: 0, End: 3}, {Start: 4, End: n}} {
		b.Records = append(b.Records, agent.Record{Body: s})
	}
	s.Match(b)
	for i, want := range []string{"password=[password]", "one password=[password] ***", "", "one", "password=[password] ***"} {
		if got := string(b.Body(i)); got != want {
			t.Errorf("record %d is %q, want %q", i, got, want)
		}
	}
	if got, want := describe(b), []string{"1:r:one", "3:r:one"}; !slices.Equal(got, want) {
		t.Errorf("found %q", got)
	}
}

// Whatever else a source's rules do, secrets are cut, and counted.
func TestRedactWithoutRules(t *testing.T) {
	s := redacting(t, Redact{Secrets: true}, "groups: [{name: g, rules: [{name: r, match: x, source: {service: other}}]}]")
	b := batchOf("password=Kx93nfLq0a", "token=Kx93nfLq0a&password=Kx93nfLq0a", "Authorization: Basic YW5uYTpodW50ZXIy")
	b.Source = nil
	s.Match(b)
	if len(b.Findings) > 0 || string(b.Body(1)) != "token=[token]&password=[password]" {
		t.Errorf("%q, %v", b.Body(1), b.Findings)
	}
	got := map[string]float64{}
	s.Meter(func(m agent.Sample) {
		if m.Name != "logkeel_redactions_total" || m.Type != agent.Counter || len(m.Labels) != 1 || m.Labels[0].Name != "pattern" {
			t.Errorf("%+v", m)
		}
		got[m.Labels[0].Value] = m.Value
	})
	want := map[string]float64{"password": 2, "token": 1, "secret": 0, "authorization": 1, "cookie": 0, "private key": 0}
	for name, n := range want {
		if v, ok := got[name]; !ok || v != n {
			t.Errorf("%s was cut %v times, want %v", name, v, n)
		}
	}
	if len(got) != len(want) {
		t.Errorf("counts %v", got)
	}
	none := redacting(t, Redact{}, "")
	none.Meter(func(m agent.Sample) { t.Errorf("%+v", m) })
	if got := cutLine(none, "password=Kx93nfLq0a"); got != "password=Kx93nfLq0a" || none.Cuts() != nil {
		t.Errorf("it cuts though nothing is asked for: %s", got)
	}
}

func TestRedactErrors(t *testing.T) {
	for _, tt := range []struct{ name, match, want string }{
		{"", "x", "redact.patterns[0].name: a pattern needs a name; use letters, digits, _ and -, 100 at most; it stands in the line for what is cut"},
		{"a b", "x", `redact.patterns[0].name: "a b" is not a name; use letters, digits, _ and -, 100 at most; it stands in the line for what is cut`},
		{"token", "x", `redact.patterns[0].name: the name "token" is taken; give it another name`},
		{"a", "", "redact.patterns[0].match: a pattern needs something to look for; write an expression; what its group (?P<secret>...) matches is cut"},
		{"a", "(", `redact.patterns[0].match: not an expression: missing closing ) in "("; close it, or put a backslash before it where it stands for itself`},
		{"a", "x*", `redact.patterns[0].match: "x*" matches every line; write what a secret looks like, or what stands before it`},
	} {
		_, err := Load(Config{}, "", Redacting(Redact{Patterns: []RedactPattern{{tt.name, tt.match}}}))
		var list conf.Errors
		if !errors.As(err, &list) || err.Error() != tt.want {
			t.Errorf("%q, %q:\ngot  %v\nwant %s", tt.name, tt.match, err, tt.want)
		}
	}
	_, err := Load(Config{Packs: []string{"x"}}, "", Redacting(Redact{Patterns: []RedactPattern{{"a", "x"}, {"a", "y"}}}))
	if want := "redact.patterns[1].name: the name \"a\" is taken; give it another name\npacks[0]: there is no pack \"x\"; use one of auth, kernel, mail, operations, samples"; err == nil || err.Error() != want {
		t.Errorf("got %v", err)
	}
	_, err = Load(Config{}, "", Redacting(Redact{Patterns: slices.Repeat([]RedactPattern{{"a", "x"}}, 101)}))
	if err == nil || !strings.Contains(err.Error(), "redact.patterns[100]: there are more than 100 patterns; join some, as 'one|other'") {
		t.Errorf("got %v", err)
	}
}
