package email

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxWord bounds what a word is written with, in bytes.
const maxWord = 600

// shellWord is s as one word for sh and what descends from it, on one line that
// is safe to show: nothing in it is expanded or run. What is not printable is
// written as printf makes it anew. A long s, and one from its first NUL on, is
// cut; most is in runes.
func shellWord(s string, most int) (word string, cut bool) {
	if i := strings.IndexByte(s, 0); i >= 0 { // no argument has one
		s, cut = s[:i], true
	}
	plain := true
	for _, r := range s {
		plain = plain && shown(r)
	}
	var b strings.Builder
	for i, runes := 0, 0; i < len(s); runes++ {
		r, size := utf8.DecodeRuneInString(s[i:])
		piece := s[i : i+size]
		switch {
		case plain && r == '\'':
			piece = `'\''`
		case !plain && (r == '\'' || r == '\\' || r == '!' || !shown(r)):
			piece = octal(piece)
		}
		if runes == most || b.Len()+len(piece) > maxWord {
			cut = true
			break
		}
		b.WriteString(piece)
		i += size
	}
	if plain {
		return "'" + b.String() + "'", cut
	}
	// Double quotes keep it one word. Some shells look for ! within them.
	return `"$(printf '%b' '` + b.String() + `')"`, cut
}

// shown reports whether a mail shows the rune as it is. What is no UTF-8 is
// U+FFFD in a range over a string; where it really is that, printf does no harm.
func shown(r rune) bool {
	return unicode.IsPrint(r) && r != utf8.RuneError
}

// octal is s as printf's %b knows bytes.
func octal(s string) string {
	var b strings.Builder
	for i := range len(s) {
		fmt.Fprintf(&b, `\0%03o`, s[i])
	}
	return b.String()
}
