package rules

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/rules/engine"
)

// escapedText is text as a JSON string has it. html is for encoders that escape
// what HTML and JavaScript read, as Docker's does.
func escapedText(text string, html bool) string {
	var b strings.Builder
	for _, r := range text {
		switch {
		case r == '"' || r == '\\':
			b.WriteString(`\` + string(r))
		case r == '\n':
			b.WriteString(`\n`)
		case r < ' ', html && strings.ContainsRune("<>&\u2028\u2029\ufffd", r):
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// sifted is what is left of the bodies where the lines that the filter does not
// want are left out, and which ones that are.
func sifted(s *Set, src *agent.Source, bodies []string, html bool) (b *agent.Batch, kept []int) {
	raw := &agent.Batch{Source: src}
	for _, body := range bodies {
		raw.Buf = append(raw.Buf, `{"log":"`...)
		appendRecord(raw, escapedText(body, html))
		raw.Buf = append(raw.Buf, `\n","stream":"stderr"}`...)
	}
	before := bytes.Clone(raw.Buf)
	b = &agent.Batch{Source: src}
	want, all := make([]uint64, (len(bodies)+63)/64), 0
	if f := s.Filter(src); f != nil {
		all = f.Wanted(raw, want)
		for i, body := range bodies {
			if f.Opens([]byte(body)) && all > i {
				panic("what follows " + body + " is not wanted")
			}
		}
	}
	if !bytes.Equal(raw.Buf, before) {
		panic("the lines were changed")
	}
	for i, body := range bodies {
		if i >= all || want[i>>6]&(1<<(i&63)) != 0 {
			appendRecord(b, body)
			b.Buf = append(b.Buf, 0)
			kept = append(kept, i)
		}
	}
	return b, kept
}

// checkSifted wants what is found in the bodies to be found without those that
// the filter does not want.
func checkSifted(t *testing.T, s *Set, bodies []string, html bool) (kept []int) {
	t.Helper()
	src := &agent.Source{ID: "test"}
	whole := batchOf(bodies...)
	whole.Source = src
	s.Match(whole)
	some, kept := sifted(s, src, bodies, html)
	s.Match(some)
	next := 0
	for _, f := range whole.Findings {
		if next == len(some.Findings) {
			t.Fatalf("record %d, %q, has %s, and was left out; kept: %v", f.Record, whole.Body(int(f.Record)), f.Rule.Name, kept)
		}
		got := some.Findings[next]
		next++
		if kept[got.Record] != int(f.Record) || got.Rule != f.Rule || !bytes.Equal(some.Body(int(got.Record)), whole.Body(int(f.Record))) {
			t.Fatalf("record %d, %q, has %s; found was %s in %d, %q", f.Record, whole.Body(int(f.Record)), f.Rule.Name, got.Rule.Name, kept[got.Record], some.Body(int(got.Record)))
		}
	}
	if next != len(some.Findings) {
		t.Fatalf("%d findings too many", len(some.Findings)-next)
	}
	return kept
}

func FuzzFilter(f *testing.F) {
	f.Add([]byte{7, 0, 10, 5, 0, 1, 0, 2}, []byte{3, 10, 9, 22, 4, 1, 2, 3, 4}, uint8(40))
	f.Add([]byte{13, 0, 1, 14, 0, 3, 15, 4, 16, 0, 17, 31}, []byte("some lines of whatever there is"), uint8(7))
	f.Add([]byte{18, 7, 0, 1, 0, 20, 8, 0, 38, 2, 9, 0, 13, 3}, []byte("\x05\x19\x1a\x1b\x1c\x1d\x07\x1e\x1f\x20\x21\x31\x32\x33"), uint8(91))
	key := "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj"
	special := []string{
		`"`, `\\`, "<script>", "a&b", `\n`, "\u2028", `"pass`, "token", "pass", "word]", `\[`, `\*+`, "key", "secret", "private", "mine", "xss<", "&&slow", "card", "WxSs",
	}
	lines := []string{
		"password=Kx93nfLq0a", "token: Kx93nfLq0aKx93nfLq0a", `"password":"<x&y>"`, "-----BEGIN PRIVATE KEY-----", key, key[:20] + "WxSs", "-----END PRIVATE KEY-----",
		"mysql://u:hunter2@db/x", "a@b.de", "4111 1111 1111 1111", "mine=slow xss", "mine=\"slow\"", "", "\"slow\"", "a&b", "<script>xss<", "token", "&&slow", "\u2028\\",
	}
	f.Fuzz(func(t *testing.T, exprs, data []byte, how uint8) {
		if len(exprs) > 120 || len(data) > 300 {
			return
		}
		m, l := &maker{exprs}, &loader{names: map[string]place{}}
		l.redact = Redact{Secrets: how&1 != 0, Emails: how&2 != 0, Cards: how&4 != 0}
		if how&8 != 0 {
			l.redact.Patterns = []RedactPattern{{"mine", []string{`mine=(?P<secret>\S+)`, `\d\d\d`}[how>>7]}}
		}
		var list []loaded
		for len(m.data) > 0 && len(list) < 8 {
			text := m.expr(2)
			if m.pick(2) == 0 {
				text = special[m.pick(len(special))] + []string{"", text}[m.pick(2)]
			}
			if e, err := compile(text); err == nil {
				list = append(list, loaded{rule: &agent.Rule{Name: text}, match: []*expr{e}})
			}
		}
		s := buildSet(list, l.redactor())
		var bodies []string
		for m := (&maker{data}); len(m.data) > 0; {
			line := m.line()
			if m.pick(2) == 0 {
				line = lines[m.pick(len(lines))] + []string{"", line}[m.pick(2)]
			}
			bodies = append(bodies, strings.ToValidUTF8(line, "\ufffd"))
		}
		if len(bodies) > 0 {
			checkSifted(t, s, bodies, how&16 != 0)
		}
	})
}

func TestFilter(t *testing.T) {
	plain := []string{"nothing", "an ERROR", `a "quoted" <b>`, "password=Kx93nfLq0a", "mine=7", ""}
	for _, tt := range []struct {
		redact Redact
		keys   string
		bodies []string
		kept   []int // nil: there is no filter
	}{
		{keys: "match: ERROR", bodies: plain, kept: []int{1}},
		{keys: `match: ['"quoted" <', 'error\n', '(?i)error']`, bodies: plain, kept: []int{1, 2}},
		{keys: "match: stderr", bodies: plain, kept: []int{}}, // it is in the envelope
		{keys: `match: '\d+'`, bodies: plain},
		{keys: `match: '"'`, bodies: plain},
		{keys: `match: '\n'`, bodies: plain},
		{keys: `match: '\d+', source: {service: other}`, bodies: plain, kept: []int{}},
		{redact: Redact{Secrets: true}, keys: "match: ERROR", bodies: plain, kept: []int{1}},
		// What is put in the place of a secret may be what is looked for.
		{redact: Redact{Secrets: true}, keys: `match: 'password\]'`, bodies: plain, kept: []int{3}},
		{redact: Redact{Secrets: true}, keys: `match: '=\[pass'`, bodies: plain, kept: []int{3}},
		{redact: Redact{Secrets: true}, keys: `match: '\[private key'`, bodies: plain},
		{redact: Redact{Cards: true}, keys: `match: 'card'`, bodies: plain},
		{redact: Redact{Cards: true}, keys: `match: 'ERROR'`, bodies: plain, kept: []int{1}},
		{redact: Redact{Patterns: []RedactPattern{{"x", `mine=(\d)`}}}, keys: `match: '=\*'`, bodies: plain, kept: []int{4}},
		{redact: Redact{Patterns: []RedactPattern{{"x", `\d`}}}, keys: `match: '=\*'`, bodies: plain},
		{
			redact: Redact{Secrets: true}, keys: "match: [xss, ERROR]",
			bodies: []string{"a", "b xss", "-----BEGIN RSA PRIVATE KEY-----", "abcxssABC012", "c", "an ERROR"}, kept: []int{1, 2, 3, 4, 5},
		},
		{keys: "match: xss", bodies: []string{"a", "-----BEGIN RSA PRIVATE KEY-----", "abcxssABC012", "c"}, kept: []int{2}},
	} {
		s := redacting(t, tt.redact, "groups: [{name: g, rules: [{name: r, "+tt.keys+"}]}]")
		if f := s.Filter(&agent.Source{ID: "test"}); (f != nil) != (tt.kept != nil) {
			t.Errorf("%s, with %+v: the filter is %v", tt.keys, tt.redact, f)
			continue
		}
		kept := checkSifted(t, s, tt.bodies, true)
		if tt.kept != nil && !slices.Equal(kept, tt.kept) {
			t.Errorf("%s, with %+v: kept is %v, want %v", tt.keys, tt.redact, kept, tt.kept)
		}
	}
}

// TestFilterIsKept wants the same filter while nothing changes.
func TestFilterIsKept(t *testing.T) {
	s, src := oneRule(t, "match: ERROR"), &agent.Source{ID: "test"}
	f := s.Filter(src)
	if f == nil || f != s.Filter(src) {
		t.Error("the filter of a source changes")
	}
	if f == oneRule(t, "match: ERROR").Filter(src) {
		t.Error("another set has the same filter")
	}
	if f == s.Filter(&agent.Source{ID: "other"}) {
		t.Error("another source has the same filter")
	}
}

func TestOverlaps(t *testing.T) {
	for _, tt := range []struct {
		literal engine.Literal
		text    string
		want    bool
	}{
		{engine.Literal{Text: "token"}, "[token]", true},
		{engine.Literal{Text: "oke"}, "[token]", true},
		{engine.Literal{Text: "TOKEN"}, "[token]", false},
		{engine.Literal{Text: "token", Fold: true}, "[TOKEN]", true},
		{engine.Literal{Text: "] is"}, "[token]", true},
		{engine.Literal{Text: "a [t"}, "[token]", true},
		{engine.Literal{Text: "a [x"}, "[token]", false},
		{engine.Literal{Text: "a [token] b"}, "[token]", true},
		{engine.Literal{Text: "token mismatch"}, "[token]", false},
	} {
		if got := tt.literal.Overlaps(tt.text); got != tt.want {
			t.Errorf("%+v and %s: %v", tt.literal, tt.text, got)
		}
	}
}
