package email

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// visible makes untrusted text safe to show on one line: what is not printable
// (control characters, escape sequences, line ends, what changes the direction
// of text or has no width, bytes that are not UTF-8) stands there as \x1b or
// \u202e, every kind of blank as a space. It has at most most runes, and ends
// in an ellipsis where it was cut.
func visible(s string, most int) string {
	var b strings.Builder
	b.Grow(min(len(s), 4*most))
	runes := 0
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		piece := s[i : i+size]
		switch {
		case r == utf8.RuneError && size == 1:
			piece = fmt.Sprintf(`\x%02x`, s[i])
		case r == '\t' || unicode.Is(unicode.Zs, r):
			piece = " "
		case unicode.IsPrint(r):
		case r < utf8.RuneSelf:
			piece = fmt.Sprintf(`\x%02x`, r)
		case r <= 0xffff:
			piece = fmt.Sprintf(`\u%04x`, r)
		default:
			piece = fmt.Sprintf(`\U%08x`, r)
		}
		n := utf8.RuneCountInString(piece)
		if last := i+size == len(s); runes+n > most || runes+n == most && !last {
			b.WriteString("…")
			break
		}
		b.WriteString(piece)
		runes += n
		i += size
	}
	return b.String()
}

// oneLine is visible for text that may have line ends and is meant to be read
// as running text.
func oneLine(s string, most int) string {
	return strings.Join(strings.Fields(visible(strings.NewReplacer("\r\n", " ", "\n", " ").Replace(s), most)), " ")
}

// traced is the text of a record that may have several lines, on one: a stack
// trace is read more easily with a sign between them.
func traced(s string) string { return strings.ReplaceAll(s, "\n", " ↵ ") }

// headerText is s for a header: on one line, and nothing in it is taken for an
// encoded word, which a mail reader would turn into something else.
func headerText(s string, most int) string {
	return strings.ReplaceAll(oneLine(s, most), "=?", "= ?")
}
