package printable

import (
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestPrintable(t *testing.T) {
	for s, want := range map[string][2]string{
		"":                    {"", ""},
		"plain Straße 👍":      {"plain Straße 👍", "plain Straße 👍"},
		"a\x1b[31m\r\nb\tc":   {`a\x1b[31m\x0d\nb\tc`, "a\\x1b[31m\\x0d\nb\tc"},
		"\u202e\u2066\u200b":  {`\u202e\u2066\u200b`, `\u202e\u2066\u200b`},
		"\xff\xc3(":           {`\xff\xc3(`, `\xff\xc3(`},
		"\U000e0001 \x00\x7f": {`\U000e0001 \x00\x7f`, `\U000e0001 \x00\x7f`},
	} {
		if got := [2]string{Line(s), Text(s)}; got != want {
			t.Errorf("%q: got %q, want %q", s, got, want)
		}
	}
}

func FuzzPrintable(f *testing.F) {
	f.Add("a\x1b[0m\n\xff\u202e")
	f.Fuzz(func(t *testing.T, s string) {
		line := Line(s)
		if !utf8.ValidString(line) || Line(line) != line {
			t.Fatalf("%q", line)
		}
		for _, r := range line {
			if !unicode.IsPrint(r) {
				t.Fatalf("%q has %U", line, r)
			}
		}
		if text := Text(s); !utf8.ValidString(text) || Line(text) != line {
			t.Fatalf("%q", text)
		}
	})
}
