package multiline

import "bytes"

// The states of Java.
const (
	javaMessage State = 1 + iota // a line of a log; the exception's own may follow
	javaHeader                   // the exception's
	javaFrames
)

// javaNext joins what Throwable.printStackTrace writes, under the line of the
// logger where there is one.
func javaNext(s State, l []byte) (next State, joins bool) {
	if len(l) == 0 {
		return 0, false
	}
	if c := l[0]; c == '\t' || c == ' ' {
		if javaFrame(l) {
			return javaFrames, s != 0
		}
		return 0, false
	}
	if hasPrefix(l, "Caused by: ") {
		return javaHeader, s != 0
	}
	if n, dots := exception(l); n > 0 && (errorName(l[:n]) || dots > 0 && s == javaMessage && capital(l[:n])) {
		return javaHeader, s == javaMessage
	}
	switch {
	case hasPrefix(l, `Exception in thread "`):
		return javaHeader, false
	case alarming(l):
		return javaMessage, false
	}
	return 0, false
}

// javaFrame reports whether a line that is indented is one of a trace's.
func javaFrame(l []byte) bool {
	l = l[indent(l):]
	switch {
	case hasPrefix(l, "at "):
		return bytes.IndexByte(l, '(') > 0 || bytes.IndexByte(l[len("at "):], ' ') < 0
	case hasPrefix(l, "Suppressed: "), hasPrefix(l, "Caused by: "), hasPrefix(l, "- locked <"):
		return true
	case hasPrefix(l, "... "):
		l = l[len("... "):]
		n := number(l)
		return n > 0 && (hasPrefix(l[n:], " more") || hasPrefix(l[n:], " common frames omitted"))
	}
	return false
}
