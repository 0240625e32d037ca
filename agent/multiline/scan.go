package multiline

import "bytes"

// window is how far into a line a level or the name of an exception is looked
// for: they stand behind time, thread and logger, and before the message.
const window = 96

func hasPrefix(l []byte, prefix string) bool {
	return len(l) >= len(prefix) && string(l[:len(prefix)]) == prefix
}

func hasSuffix(l []byte, suffix string) bool {
	return len(l) >= len(suffix) && string(l[len(l)-len(suffix):]) == suffix
}

// within reports whether text is in the first n bytes.
func within(l []byte, n int, text string) bool {
	return bytes.Contains(l[:min(len(l), n)], []byte(text))
}

func digit(c byte) bool { return c-'0' < 10 }

func letter(c byte) bool { return c|0x20-'a' < 26 }

// shape reports whether l begins as the pattern does, in which 9 is any digit and
// T is a space or a T.
func shape(l []byte, pattern string) bool {
	if len(l) < len(pattern) {
		return false
	}
	for i := range len(pattern) {
		switch c := l[i]; pattern[i] {
		case '9':
			if !digit(c) {
				return false
			}
		case 'T':
			if c != ' ' && c != 'T' {
				return false
			}
		default:
			if c != pattern[i] {
				return false
			}
		}
	}
	return true
}

// dated says that a line begins with a date, as most logs' lines do.
func dated(l []byte) bool {
	return shape(l, "9999-99-99T99:99") || shape(l, "9999/99/99 99:99")
}

// access reports whether l is a line of a log of accesses: a client, two more
// words of which the first is a dash, and a date as in "09/Jan/2025:14:30:00". FPM
// has a dash for a client that came by a socket, and no brackets.
func access(l []byte) bool {
	head := l[:min(len(l), 2*window)]
	i := bytes.IndexByte(head, ' ')
	if i <= 0 || !hasPrefix(head[i:], " -") {
		return false
	}
	k := bytes.IndexByte(head, '/')
	return k >= 2 && shape(l[k-2:], "99/") && len(l) > k+5 && shape(l[k+4:], "/9999:99:99:99")
}

// structured reports whether l is a record of a logger that writes JSON: it is one
// object, and begins with what such loggers begin with.
func structured(l []byte) bool {
	if !hasPrefix(l, `{"`) || l[len(l)-1] != '}' {
		return false
	}
	for _, key := range [...]string{"level", "time", "ts", "timestamp", "@timestamp", "severity", "date", "reqId"} {
		if rest := l[len(`{"`):]; hasPrefix(rest, key) && hasPrefix(rest[len(key):], `":`) {
			return true
		}
	}
	return false
}

// indent is how many spaces and tabs l begins with.
func indent(l []byte) int {
	n := 0
	for n < len(l) && (l[n] == ' ' || l[n] == '\t') {
		n++
	}
	return n
}

// number is how many digits l begins with.
func number(l []byte) int {
	n := 0
	for n < len(l) && digit(l[n]) {
		n++
	}
	return n
}

// name is how long the dotted identifier is that l begins with, and how many
// dots are in it.
func name(l []byte) (n, dots int) {
	if len(l) == 0 || !letter(l[0]) && l[0] != '_' {
		return 0, 0
	}
	for ; n < len(l); n++ {
		switch c := l[n]; {
		case letter(c) || digit(c) || c == '_' || c == '$':
		case c == '.':
			dots++
		default:
			return n, dots
		}
	}
	return n, dots
}

// exception is how long the name of an exception is that l begins with, as in
// "java.io.IOException: no route" or "KeyError"; 0 where there is none. Others
// than those that end as most do are known by their dots only.
func exception(l []byte) (n, dots int) {
	n, dots = name(l)
	if n == 0 || n < len(l) && l[n] != ':' {
		return 0, 0
	}
	return n, dots
}

// capital reports whether the last part of a dotted name begins with a capital
// letter, as the name of a class does.
func capital(l []byte) bool {
	i := bytes.LastIndexByte(l, '.') + 1
	return i < len(l) && l[i]-'A' < 26
}

// errorName reports whether an exception's name ends as most do.
func errorName(l []byte) bool {
	return hasSuffix(l, "Exception") || hasSuffix(l, "Error") || hasSuffix(l, "Throwable")
}

// alarming reports whether the start of l has a level of errors or the name of
// an exception: a trace may follow.
func alarming(l []byte) bool {
	l = l[:min(len(l), window)]
	for at := 0; ; at++ {
		i := bytes.IndexByte(l[at:], 'E')
		if i < 0 {
			break
		}
		at += i
		switch rest := l[at+1:]; {
		case hasPrefix(rest, "RROR"), hasPrefix(rest, "rror"), hasPrefix(rest, "xception"), hasPrefix(rest, "VERE"):
			return true
		}
	}
	if i := bytes.IndexByte(l, 'F'); i >= 0 && bytes.Contains(l[i:], []byte("FATAL")) {
		return true
	}
	i := bytes.IndexByte(l, 'C')
	return i >= 0 && bytes.Contains(l[i:], []byte("CRITICAL"))
}
