package multiline

import "bytes"

// The states of PHP, and of what frameworks write with Monolog.
const (
	phpError  State = 1 + iota // an error's line is complete; a trace may follow
	phpFrames                  // within a trace
	phpBlank                   // after an empty line in it
	phpThrown                  // after "  thrown in …"
	monolog                    // a record of Monolog: all up to the next belongs to it
	// From here on: so many lines of an exception's own text were seen.
	phpText
	phpTextEnd = phpText + 100
)

// phpNext joins the errors of PHP with their stack traces, and the records of
// Monolog (Laravel, Symfony), which have no end of their own: they are held until
// the next line that begins something. A container has both in one stream.
func phpNext(s State, l []byte) (next State, joins bool) {
	if begun := phpBegin(l); begun != 0 {
		return begun, false
	}
	if s == 0 || phpOther(l) {
		return 0, false
	}
	if s == monolog {
		if hasPrefix(l, `"}`) || hasSuffix(l, `"} `) { // the end of [stacktrace]
			return 0, true
		}
		return monolog, true
	}
	switch {
	case len(l) == 0:
		if s < phpText {
			return phpBlank, true
		}
	case l[0] == '#' && number(l[1:]) > 0,
		hasPrefix(l, "Stack trace:"), hasPrefix(l, "PHP Stack trace:"), hasPrefix(l, "PHP   "):
		return phpFrames, true
	case hasPrefix(l, "  thrown in "):
		return phpThrown, true
	case hasPrefix(l, "Next ") && (s == phpBlank || s == phpFrames):
		return phpUncaught(l), true
	}
	if s >= phpText && s < phpTextEnd {
		if placed(l) {
			return phpError, true
		}
		return s + 1, true
	}
	return 0, false
}

// phpBegin is the state after a line that begins a record which others may
// follow, and 0 for any other line.
func phpBegin(l []byte) State {
	if len(l) == 0 {
		return 0
	}
	switch l[0] {
	case '[', 'N', 'W', 'P', 'F':
	default:
		return 0
	}
	switch {
	case shape(l, "[9999-99-99T99:99"):
		return monolog
	case shape(l, "[99-") && len(l) > 20:
		i := bytes.IndexByte(l[:min(len(l), 64)], ']')
		if i < 0 {
			return 0
		}
		l = l[i+1:]
		if len(l) > 0 && l[0] == ' ' {
			l = l[1:]
		}
	}
	if hasPrefix(l, "NOTICE: ") || hasPrefix(l, "WARNING: ") {
		i := bytes.Index(l[:min(len(l), 2*window)], []byte("PHP message: "))
		if i < 0 {
			return 0
		}
		if l = l[i+len("PHP message: "):]; shape(l, "[9999-99-99T99:99") {
			return monolog
		}
	}
	if hasPrefix(l, "PHP Stack trace:") || hasPrefix(l, "PHP   ") {
		return 0
	}
	if hasPrefix(l, "PHP ") {
		l = l[len("PHP "):]
	}
	for _, kind := range [...]string{"Fatal error: ", "Recoverable fatal error: ", "Parse error: ", "Warning: ", "Notice: ", "Deprecated: ", "Uncaught "} {
		if hasPrefix(l, kind) {
			return phpUncaught(l)
		}
	}
	return 0
}

// phpUncaught is the state after the line of an error, which may be the first of
// several: an exception's text ends with the place where it was thrown.
func phpUncaught(l []byte) State {
	if placed(l) || !within(l, 2*window, "Uncaught ") && !hasPrefix(l, "Next ") {
		return phpError
	}
	return phpText
}

// placed reports whether l ends with a place, as in "in /app/a.php:12" and "in
// /app/a.php on line 12".
func placed(l []byte) bool {
	n := len(l)
	for n > 0 && digit(l[n-1]) {
		n--
	}
	return n < len(l) && (hasSuffix(l[:n], ":") || hasSuffix(l[:n], " on line ")) && bytes.Contains(l, []byte(" in "))
}

// phpOther reports whether a line is one that others write into the same stream:
// FPM, nginx, and the log of accesses.
func phpOther(l []byte) bool {
	if len(l) == 0 {
		return false
	}
	switch c := l[0]; {
	case c == '[':
		return shape(l, "[99-")
	case digit(c):
		return dated(l) || access(l)
	case c == 'N':
		return hasPrefix(l, "NOTICE: ")
	case c == 'W':
		return hasPrefix(l, "WARNING: ")
	}
	return false
}

// access reports whether l begins as a line of a log of accesses does: an address
// and a dash.
func access(l []byte) bool {
	l = l[:min(len(l), 48)]
	i := bytes.IndexByte(l, ' ')
	return i >= len("1.1.1.1") && bytes.Count(l[:i], []byte(".")) == 3 && hasPrefix(l[i:], " - ")
}
