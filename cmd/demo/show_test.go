package demo

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestEscape(t *testing.T) {
	for in, want := range map[string]string{
		"plain Grüße":      "plain Grüße",
		"\x1b[2J\x07\x00":  `\x1b[2J\x07\x00`,
		"a\tb\nc\rd":       `a b\x0ac\x0dd`,
		"\xff\xfe ok":      `\xff\xfe ok`,
		"turn\u202earound": `turn\u202earound`,
		"\u009b31m":        `\u009b31m`,
		"\ufffd":           "\ufffd",
	} {
		if got := escape(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

func FuzzEscape(f *testing.F) {
	f.Add("a\x1b\xff\u202e")
	f.Fuzz(func(t *testing.T, in string) {
		out := escape(in)
		if !utf8.ValidString(out) || strings.ContainsFunc(out, func(r rune) bool { return !unicode.IsPrint(r) && r != utf8.RuneError }) {
			t.Errorf("%q became %q", in, out)
		}
	})
}

func TestWrap(t *testing.T) {
	for _, c := range []struct {
		in    string
		width int
		want  []string
	}{
		{"one two three", 7, []string{"one two", "three"}},
		{"one two three", 6, []string{"one", "two", "three"}},
		{"one-that-is-too-long two", 5, []string{"one-that-is-too-long", "two"}},
		{"", 5, []string{""}},
	} {
		if got := wrap(c.in, c.width); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%q at %d: %q", c.in, c.width, got)
		}
	}
	if got := clip("äöüäöü", 5); got != "äö..." {
		t.Errorf("clipped to %q", got)
	}
	if got := thousands(1234567) + " " + thousands(999) + " " + thousands(1000); got != "1,234,567 999 1,000" {
		t.Error(got)
	}
}

func TestWithoutStamp(t *testing.T) {
	for in, want := range map[string]string{
		"[2026-10-02 12:00:01] production.ERROR: x": "production.ERROR: x",
		"2026-10-02 12:00:01 118 [Note] x":          "118 [Note] x",
		"2026-10-02":                                "2026-10-02",
		"[2026-13-02 12:00:01] x":                   "[2026-13-02 12:00:01] x",
		"":                                          "",
	} {
		if got := withoutStamp(in); got != want {
			t.Errorf("%q: %q", in, got)
		}
	}
}

// What others wrote is shown, but it does nothing to the terminal, and no line
// is wider than that.
func TestShowIsPlain(t *testing.T) {
	var out bytes.Buffer
	s := newShow(Options{Out: &out}, func() { t.Error("gone") })
	evil := "\x1b[2J\r\n\u202e" + strings.Repeat("wide ", 50)
	s.heading("Heading")
	s.item("name", "%s", evil)
	s.event(red, "page", "%s", evil)
	s.flagged(entry{"/shop-" + evil[:5], evil, []finding{{"Rule", "error", "critical"}, {"Other\x1b", "error", "info"}}})
	s.letter(letter{to: evil[:5], subject: evil, text: strings.Repeat(evil+"\n", 40)}, 5)
	for line := range strings.Lines(out.String()) {
		line = strings.TrimSuffix(line, "\n")
		if escape(line) != line || utf8.RuneCountInString(line) > fileWidth {
			t.Errorf("%q", line)
		}
	}
	if !strings.Contains(out.String(), "Rule, Other") || !strings.Contains(out.String(), "lines more)") {
		t.Errorf("%s", &out)
	}
}

type closedPipe struct{ writes int }

func (c *closedPipe) Write([]byte) (int, error) {
	c.writes++
	return 0, errors.New("broken pipe")
}

func TestNobodyReads(t *testing.T) {
	gone := 0
	w := &closedPipe{}
	s := newShow(Options{Out: w}, func() { gone++ })
	for range 5 {
		s.event(red, "x", "y")
	}
	if gone != 1 || w.writes != 1 {
		t.Errorf("gone %d times after %d writes", gone, w.writes)
	}
}
