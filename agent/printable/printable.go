// Package printable makes untrusted text safe to show: what a terminal or a page
// would not show as it is (control characters, escape sequences, what changes the
// direction of text or has no width, bytes that are not UTF-8) stands there as
// \x1b or \u202e.
package printable

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Line is s on one line: line ends and tabs are written as \n and \t.
func Line(s string) string {
	if !strings.ContainsFunc(s, unprintable) {
		return s
	}
	return escape(s, "")
}

// Text is s with its line ends and tabs.
func Text(s string) string {
	const kept = "\n\t"
	if !strings.ContainsFunc(s, func(r rune) bool { return unprintable(r) && !strings.ContainsRune(kept, r) }) {
		return s
	}
	return escape(s, kept)
}

// unprintable takes what is no UTF-8 along.
func unprintable(r rune) bool { return !unicode.IsPrint(r) || r == utf8.RuneError }

func escape(s, kept string) string {
	var b strings.Builder
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case !unprintable(r) || strings.ContainsRune(kept, r):
			b.WriteString(s[i : i+size])
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case r < utf8.RuneSelf:
			fmt.Fprintf(&b, `\x%02x`, r)
		case r <= 0xffff:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			fmt.Fprintf(&b, `\U%08x`, r)
		}
		i += size
	}
	return b.String()
}
