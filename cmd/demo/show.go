package demo

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"
)

// Colours, as parameters of the terminal's escape sequence.
const (
	bold   = "1"
	faint  = "2"
	red    = "31;1"
	green  = "32"
	yellow = "33"
	blue   = "34"
	cyan   = "36"
)

const (
	maxWidth   = 120
	minWidth   = 60
	fileWidth  = 100 // where there is no terminal
	indent     = 18  // of what follows an event's time and kind
	fullLetter = 40  // lines
	someLetter = 5
)

// A show writes what happens for people. What it prints besides its own words
// are data: it lets no control character through.
type show struct {
	width int
	color bool
	start time.Time
	gone  func() // is called once, where nobody reads any more

	mu  sync.Mutex
	w   io.Writer
	err error
}

// newShow writes to o.Out.
func newShow(o Options, gone func()) *show {
	s := &show{w: o.Out, color: o.Color, width: fileWidth, start: time.Now(), gone: gone}
	if o.Width > 0 {
		s.width = min(max(o.Width-1, minWidth), maxWidth)
	}
	return s
}

func (s *show) print(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return
	}
	if _, s.err = io.WriteString(s.w, text); s.err != nil {
		s.gone()
	}
}

// paint sets text in the colour. The text has no control characters.
func (s *show) paint(color, text string) string {
	if !s.color || color == "" {
		return text
	}
	return "\x1b[" + color + "m" + text + "\x1b[0m"
}

// heading begins a section.
func (s *show) heading(text string) { s.print("\n" + s.paint(bold, text) + "\n\n") }

// item is a line of a section: a name, and what there is to say of it.
func (s *show) item(name, format string, args ...any) {
	lines := wrap(escape(fmt.Sprintf(format, args...)), s.width-12)
	s.print("  " + s.paint(bold, fmt.Sprintf("%-9s", name)) + " " + strings.Join(lines, "\n"+strings.Repeat(" ", 12)) + "\n")
}

// event says that something has happened just now.
func (s *show) event(color, kind, format string, args ...any) {
	lines := wrap(escape(fmt.Sprintf(format, args...)), s.width-indent)
	s.print(s.head(color, kind) + strings.Join(lines, "\n"+strings.Repeat(" ", indent)) + "\n")
}

func (s *show) head(color, kind string) string {
	return s.paint(faint, fmt.Sprintf("%5.1f s", time.Since(s.start).Seconds())) + "  " + s.paint(color, fmt.Sprintf("%-9s", kind))
}

// flagged shows a line that arrived with findings.
func (s *show) flagged(e entry) {
	color := yellow
	names := make([]string, len(e.findings))
	for i, f := range e.findings {
		names[i] = escape(f.rule)
		if f.severity == "critical" {
			color = red
		}
	}
	s.print(s.head(color, "flagged") + s.paint(color, strings.Join(names, ", ")) + " in " + escape(strings.TrimPrefix(e.container, "/")) + "\n" +
		strings.Repeat(" ", indent) + clip(escape(withoutStamp(e.log)), s.width-indent) + "\n")
}

// letter shows a mail: up to so many lines of its text, and empty ones only
// where it is shown in full.
func (s *show) letter(l letter, most int) {
	var b strings.Builder
	row := func(text string) {
		b.WriteString(strings.Repeat(" ", indent) + s.paint(cyan, strings.TrimRight("| "+text, " ")) + "\n")
	}
	b.WriteString(s.head(cyan, "mail") + clip(escape("from "+l.from+" to "+l.to), s.width-indent) + "\n")
	row(clip(escape(l.subject), s.width-indent-2))
	lines := strings.Split(strings.TrimSpace(l.text), "\n")
	if len(lines) > most {
		lines = slices.DeleteFunc(lines, func(line string) bool { return strings.TrimSpace(line) == "" })
	}
	for _, line := range lines[:min(len(lines), most)] {
		row(clip(escape(strings.TrimRight(line, " \r")), s.width-indent-2))
	}
	if n := len(lines) - most; n > 0 {
		row(fmt.Sprintf("(and %d lines more)", n))
	}
	s.print(b.String())
}

// escape makes text printable on one line, whatever it holds.
func escape(text string) string {
	plain := true
	for _, r := range text {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			plain = false
			break
		}
	}
	if plain {
		return text
	}
	var b strings.Builder
	for i, r := range text {
		switch {
		case r == utf8.RuneError:
			if _, size := utf8.DecodeRuneInString(text[i:]); size == 1 {
				fmt.Fprintf(&b, `\x%02x`, text[i])
			} else {
				b.WriteRune(r)
			}
		case r == '\t':
			b.WriteString(" ")
		case unicode.IsPrint(r):
			b.WriteRune(r)
		case r < 0x80:
			fmt.Fprintf(&b, `\x%02x`, r)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}

// clip shortens text to width characters.
func clip(text string, width int) string {
	if utf8.RuneCountInString(text) <= width {
		return text
	}
	runes := []rune(text)
	return string(runes[:max(width-3, 0)]) + "..."
}

// wrap breaks text between words into lines of at most width characters, where
// the words allow it.
func wrap(text string, width int) []string {
	var lines []string
	line, n := "", 0
	for _, word := range strings.Split(text, " ") {
		size := utf8.RuneCountInString(word)
		if n > 0 && n+1+size > width {
			lines = append(lines, line)
			line, n = "", 0
		}
		if n > 0 {
			line, n = line+" ", n+1
		}
		line, n = line+word, n+size
	}
	return append(lines, line)
}

// withoutStamp leaves out the time that the application wrote before its line.
func withoutStamp(line string) string {
	const layout = "2006-01-02 15:04:05"
	rest := strings.TrimPrefix(line, "[")
	if len(rest) < len(layout) {
		return line
	}
	if _, err := time.Parse(layout, rest[:len(layout)]); err != nil {
		return line
	}
	return strings.TrimLeft(rest[len(layout):], "] ")
}

// thousands writes a count with its thousands apart.
func thousands(n int) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
