package engine

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// TestSeek wants of expressions the texts that are looked for first. (?i) stands
// before those without case; pure ones need no regexp after that.
func TestSeek(t *testing.T) {
	for _, tt := range []struct {
		expr, want string
		pure       bool
	}{
		{`(ERROR|CRITICAL|FATAL)`, "ERROR CRITICAL FATAL", true},
		{`connection.*failed|database.*error`, "connection database", false},
		{`(?i)authentication failed`, "(?i)authentication failed", true},
		{`failed log(in|on)`, "failed login failed logon", true},
		{`foo(bar)?baz`, "foobarbaz foobaz", true},
		{`deadlock|deadlock found`, "deadlock", true},
		{`\bOOM\b`, "OOM", false},
		{`^panic: .+ \[recovered\]$`, " [recovered]", false},
		{`status=5\d\d`, "status=5", false},
		{`[Ee]rror: [a-z]+`, "(?i)error: ", false},
		{`(?i:err)FATAL`, "(?i)errfatal", false},
		{`(?i)desk`, "(?i)desk (?i)des\u212a (?i)de\u017fk (?i)de\u017f\u212a", true},
		{`(?:timeout){2,}`, "timeout", false},
		{`(?:timeout )+`, "timeout ", false},
		{`(?:timeout)*x{3}`, "xxx", false},
		{`ab\x{FFFD}qz`, "qz", false},
		{strings.Repeat("qz", 20), strings.Repeat("qz", 16), false},
		{`\d+`, "", false},
		{`(a|.*)?`, "", false},
		{`qz|\d`, "", false},
		{`e`, "", true},
	} {
		e, err := Compile(tt.expr)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, l := range e.seek {
			if l.Fold {
				l.Text = "(?i)" + l.Text
			}
			got = append(got, l.Text)
		}
		if s := strings.Join(got, " "); s != tt.want || (e.pure != nil) != tt.pure {
			t.Errorf("%s: got %q, pure %v", tt.expr, s, e.pure != nil)
		}
	}
}

// TestBounds compiles what could be spelled out into far too much.
func TestBounds(t *testing.T) {
	var words, nested strings.Builder
	for i := range 1500 {
		fmt.Fprintf(&words, "w%dq|", i)
	}
	nested.WriteString(strings.Repeat("(?:a|b|", 300) + "c" + strings.Repeat(")", 300))
	for _, x := range []string{
		words.String()[:words.Len()-1], nested.String(), strings.Repeat("(a|b)?", 500), strings.Repeat("[ab]", 1000),
		"(?i)" + strings.Repeat("ks", 1000), strings.Repeat("qz.*", 1000), `(?:(?:(?:q{9}){9}){9})`, strings.Repeat("(?:", 900) + "x" + strings.Repeat(")", 900),
	} {
		e, err := Compile(x)
		if err != nil {
			t.Errorf("%.20s: %v", x, err)
			continue
		}
		if len(e.seek) > maxNeed || len(e.pure) > maxUnion || len(e.first) > maxUnion {
			t.Errorf("%.20s: %d to seek, %d pure, %d first", x, len(e.seek), len(e.pure), len(e.first))
		}
		for _, chain := range e.branches {
			if len(chain) > maxChain {
				t.Errorf("%.20s: a chain of %d", x, len(chain))
			}
		}
	}
}

func TestFoldIndex(t *testing.T) {
	for _, tt := range []struct {
		text, in string
		want     int
	}{
		{"error", "an ErRoR", 3},
		{"error", "erro", -1},
		{"[x]", "{X} [X]", 4}, // not a letter that differs by one bit
		{"@a", "`A @A", 3},
		{"a", "", -1},
	} {
		n := needles([]Literal{{Text: tt.text, Fold: true}})[0]
		if got := n.Index([]byte(tt.in)); got != tt.want {
			t.Errorf("%q in %q: %d", tt.text, tt.in, got)
		}
	}
	if got := Cases('k', true); !slices.Equal(got, []byte("kK")) {
		t.Error(got)
	}
}
