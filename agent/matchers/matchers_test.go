package matchers

import (
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// text is the selector as Parse reads it.
func (s Matchers) text() string {
	var b strings.Builder
	for i, c := range s {
		if i > 0 {
			b.WriteByte(',')
		}
		op := map[[2]bool]string{{false, false}: "=", {false, true}: "!=", {true, false}: "=~", {true, true}: "!~"}[[2]bool{c.Re != nil, c.Negated}]
		value := ""
		if c.Re != nil {
			value = strings.TrimSuffix(strings.TrimPrefix(c.Re.String(), "^(?s:"), ")$")
		} else {
			value = c.Values[0]
		}
		b.WriteString(strconv.Quote(c.Name) + op + strconv.Quote(value))
	}
	return b.String()
}

func TestMatchers(t *testing.T) {
	for text, want := range map[string]string{
		`a="b"`:                                 `"a"="b"`,
		` { a = "b" , c!="d", } `:               `"a"="b","c"!="d"`,
		`a=~"x|y",a!~"z"`:                       `"a"=~"x|y","a"!~"z"`,
		`com.example/a-b="\"\\\n\u0041}"`:       `"com.example/a-b"="\"\\\nA}"`,
		"a=\"b\nc\",\n\td=\"}\"":                `"a"="b\nc","d"="}"`,
		`"a b"="",`:                             `"a b"=""`,
		`service=~"shop-.*", project!="test"`:   `"service"=~"shop-.*","project"!="test"`,
		`service=~"shop\\.example",service!=""`: `"service"=~"shop\\.example","service"!=""`,
	} {
		s, err := Parse(text)
		if err != nil {
			t.Errorf("%s: column %d: %s", text, err.Column, err.Msg)
		} else if got := s.text(); got != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
	}
}

// FuzzMatchers wants of what can be read that it means the same when it is
// written out and read again, and of each expression that it is about the whole
// of a value.
func FuzzMatchers(f *testing.F) {
	for _, s := range []string{`service=~"shop-.*", project!="test"`, `{a="b",}`, `{`, `a="\`, `"\xff"="\xff"`, `a=~"(?i)x|y"`, `a!~"(?m)^x$"`, "a=\"\r\n\"", `}`, `{a="b"}}`, `{a="b",}x`} {
		f.Add(s, "shop-1")
	}
	f.Fuzz(func(t *testing.T, text, value string) {
		s, err := Parse(text)
		if err != nil {
			if s != nil || err.Msg == "" || err.Hint == "" || err.Column < 1 || err.Column > len(text)+1 {
				t.Fatalf("%+v", *err)
			}
			return
		}
		again, err := Parse(s.text())
		if err != nil {
			if len(s.text()) > MaxLength {
				return
			}
			t.Fatalf("%s: %s", s.text(), err.Msg)
		}
		if again.text() != s.text() {
			t.Fatalf("%s is read as %s", s.text(), again.text())
		}
		for _, c := range s {
			if c.Re == nil || c.Negated {
				continue
			}
			inner := regexp.MustCompile("(?s)" + strings.TrimSuffix(strings.TrimPrefix(c.Re.String(), "^(?s:"), ")$"))
			inner.Longest()
			if c.Holds(value) && !inner.MatchString(value) {
				t.Fatalf("%s holds of %q", c.Re, value)
			}
		}
	})
}
