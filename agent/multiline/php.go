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
		if begun == monolog && monologWhole(l) {
			return 0, false
		}
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

// monologWhole reports whether a record of Monolog ends with its first line l: it
// ends with its context and further fields, each followed by a space or an empty
// list, or with two spaces where both were left out (Laravel). A statement of SQL
// may have such a line, too, and go on.
func monologWhole(l []byte) bool {
	switch {
	case hasSuffix(l, "} "), hasSuffix(l, "] "), hasSuffix(l, " []"):
		return true
	case hasSuffix(l, "  "):
		return !bytes.Contains(l, []byte("SQL"))
	}
	return hasSuffix(l, "}") && (bytes.Contains(l, []byte(" [] {")) || bytes.Contains(l, []byte("} {")))
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
// FPM, Apache, nginx, the log of accesses, artisan, and what writes JSON.
func phpOther(l []byte) bool {
	if len(l) == 0 {
		return false
	}
	switch l[0] {
	case '[':
		return shape(l, "[99-") || weekday(l[1:])
	case 'N':
		return hasPrefix(l, "NOTICE: ")
	case 'W':
		return hasPrefix(l, "WARNING: ")
	case ' ':
		rest := l[indent(l):]
		return dated(rest) || hasPrefix(rest, "INFO  ") || hasPrefix(rest, "WARN  ") || hasPrefix(rest, "ERROR  ")
	}
	return dated(l) || access(l) || structured(l)
}

// weekday reports whether l begins as a date of Apache does, as in "Thu Jan 09 ".
func weekday(l []byte) bool {
	return len(l) > len("Thu Jan 09 ") && letter(l[0]) && letter(l[1]) && letter(l[2]) && l[3] == ' ' &&
		letter(l[4]) && letter(l[5]) && letter(l[6]) && l[7] == ' ' && digit(l[9]) && l[10] == ' '
}
