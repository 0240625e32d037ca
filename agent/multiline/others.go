package multiline

import "bytes"

// nginxOpen is nginx's state while a quoted text goes on.
const nginxOpen State = 1

// nginxNext joins an error whose message holds line ends: what a FastCGI server
// wrote is in quotes, and is followed by what nginx was doing.
func nginxNext(s State, l []byte) (next State, joins bool) {
	if shape(l, "9999/99/99 99:99:99 [") {
		if i := bytes.Index(l, []byte(` stderr: "`)); i >= 0 && !bytes.Contains(l[i:], []byte(`" while `)) {
			return nginxOpen, false
		}
		return 0, false
	}
	if s == 0 || access(l) || structured(l) {
		return 0, false
	}
	if bytes.Contains(l, []byte(`" while `)) {
		return 0, true
	}
	return nginxOpen, true
}

// The states of Node.js.
const (
	nodeSource State = 1 + iota // "/app/a.js:3", before the line of the source
	nodeBlank                   // between that and the error
	nodeHeader                  // the line of an error
	nodeFrames
	nodeFields // within the { } after a trace
)

// nodeNext joins an error with its trace, and with the fields and causes after it.
func nodeNext(s State, l []byte) (next State, joins bool) {
	if len(l) == 0 {
		if s == nodeSource || s == nodeBlank {
			return nodeBlank, true
		}
		return 0, false
	}
	if s == nodeFields {
		switch {
		case l[0] == '}':
			return nodeFrames, true
		case l[0] == ' ':
			return nodeFields, true
		}
	}
	if l[0] == ' ' || l[0] == '\t' {
		switch {
		case s == 0:
			return 0, false
		case s == nodeSource:
			return nodeSource, true
		case s == nodeBlank:
			return 0, false
		case hasSuffix(l, " {"):
			return nodeFields, true
		case hasPrefix(l[indent(l):], "at "), hasPrefix(l[indent(l):], "[cause]: "):
			return nodeFrames, true
		}
		return 0, false
	}
	if s == nodeSource && hasPrefix(l, "throw ") {
		return nodeSource, true
	}
	n, _ := exception(l)
	switch {
	case n > 0 && errorName(l[:n]):
		return nodeHeader, s == nodeBlank
	case (l[0] == '/' || hasPrefix(l, "file:///") || hasPrefix(l, "node:")) && nodePlace(l):
		return nodeSource, false
	case hasPrefix(l, "Uncaught "), alarming(l):
		return nodeHeader, s == nodeBlank && hasPrefix(l, "Uncaught ")
	}
	return 0, false
}

// nodePlace reports whether l is a file and a line, and nothing else.
func nodePlace(l []byte) bool {
	n := len(l)
	for n > 0 && digit(l[n-1]) {
		n--
	}
	return n < len(l) && n > 0 && l[n-1] == ':' && bytes.IndexByte(l, ' ') < 0
}

// The states of .NET.
const (
	dotnetEntry State = 1 + iota // of the console logger: what is indented by six belongs to it
	dotnetTrace
)

// dotnetNext joins the entries of the console logger, and exceptions with their
// traces.
func dotnetNext(s State, l []byte) (next State, joins bool) {
	if len(l) == 0 {
		return 0, false
	}
	if l[0] == ' ' {
		trace := l[indent(l):]
		switch {
		case s == 0:
			return 0, false
		case hasPrefix(l, "      "):
			return s, true
		case s == dotnetTrace && (hasPrefix(trace, "at ") || hasPrefix(trace, "---")):
			return s, true
		}
		return 0, false
	}
	if len(l) > 6 && l[4] == ':' && l[5] == ' ' {
		switch string(l[:4]) {
		case "trce", "dbug", "info", "warn", "fail", "crit":
			return dotnetEntry, false
		}
	}
	if n, dots := exception(l); hasPrefix(l, "Unhandled exception. ") || n > 0 && dots > 0 && errorName(l[:n]) {
		return dotnetTrace, false
	}
	return 0, false
}
