package multiline

import "bytes"

// The states of Go.
const (
	goHeader State = 1 + iota // panic: …
	goBlank                   // after an empty line
	goCall                    // goroutine 1 [running]:, or main.f(0x1)
	goPlace                   // a file and a line, indented
	goRace                    // within WARNING: DATA RACE
)

// goNext joins panics, fatal errors, and the goroutines that they list.
func goNext(s State, l []byte) (next State, joins bool) {
	if len(l) == 0 {
		if s == goRace {
			return goRace, true
		}
		if s != 0 {
			return goBlank, true
		}
		return 0, false
	}
	if s == goRace {
		if hasPrefix(l, "==================") {
			return 0, true
		}
		if dated(l) || structured(l) || hasPrefix(l, "time=") {
			return goNext(0, l)
		}
		return goRace, true
	}
	if l[0] == '\t' {
		switch s {
		case goHeader:
			return goHeader, true // more of what the panic was called with
		case goCall, goPlace:
			return goPlace, true
		}
		return 0, false
	}
	switch {
	case hasPrefix(l, "goroutine ") && goroutine(l):
		return goCall, s != 0
	case hasPrefix(l, "runtime stack:"):
		return goCall, s != 0
	case hasPrefix(l, "panic: "), hasPrefix(l, "fatal error: "), hasPrefix(l, "WARNING: DATA RACE"):
		if l[0] == 'W' {
			return goRace, false
		}
		return goHeader, false
	case hasPrefix(l, "[signal SIG"):
		return goHeader, s == goHeader
	case s == 0:
		if goServing(l) {
			return goHeader, false
		}
		return 0, false
	case hasPrefix(l, "exit status "):
		return 0, true
	case (s == goCall || s == goPlace) && goCalls(l):
		return goCall, true
	}
	return goNext(0, l)
}

// goroutine reports whether l is as "goroutine 12 [running]:".
func goroutine(l []byte) bool {
	l = l[len("goroutine "):]
	n := number(l)
	return n > 0 && (hasPrefix(l[n:], " [") || hasPrefix(l[n:], " gp=")) && l[len(l)-1] == ':'
}

// goCalls reports whether l is the line of a call: no space before the first
// bracket, but a dot, and a bracket at the end.
func goCalls(l []byte) bool {
	if hasPrefix(l, "created by ") || hasPrefix(l, "...") {
		return true
	}
	i := bytes.IndexByte(l, '(')
	if i <= 0 || l[len(l)-1] != ')' {
		return hasPrefix(l, "panic(")
	}
	called := l[:i]
	return string(called) == "panic" || bytes.IndexByte(called, ' ') < 0 && bytes.IndexByte(called, '.') > 0
}

// goServing reports whether l is what net/http says of a handler that panicked.
func goServing(l []byte) bool {
	const date = "2025/01/09 14:30:00 "
	if l[0] != 'h' {
		if len(l) < len(date) || !shape(l, "9999/99/99 99:99:99 ") {
			return false
		}
		l = l[len(date):]
	}
	return hasPrefix(l, "http: panic serving ")
}
