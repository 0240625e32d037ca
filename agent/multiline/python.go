package multiline

// The states of Python.
const (
	pythonMessage State = 1 + iota // a line of a log; a traceback may follow
	pythonFrames
	pythonEnd    // after the line that names the exception
	pythonBlank  // after an empty line behind that
	pythonLinked // after "During handling of the above exception, …"
)

// pythonNext joins tracebacks, those of chained exceptions and of groups as well,
// under the line of the logger where there is one.
func pythonNext(s State, l []byte) (next State, joins bool) {
	if len(l) == 0 {
		switch s {
		case pythonEnd, pythonBlank:
			return pythonBlank, true
		case pythonLinked:
			return pythonLinked, true
		}
		return 0, false
	}
	if l[0] == ' ' || l[0] == '\t' {
		file := hasPrefix(l, `  File "`) && s != pythonFrames // of an error of syntax, which has no other head
		switch {
		case file, hasPrefix(l, "  + Exception Group Traceback (most recent call last):"):
			return pythonFrames, s == pythonMessage || s == pythonLinked
		case s == pythonFrames || s == pythonEnd:
			return s, true
		}
		return 0, false
	}
	if hasPrefix(l, "Traceback (most recent call last):") {
		return pythonFrames, s == pythonMessage || s == pythonLinked
	}
	switch s {
	case pythonFrames:
		if n, _ := exception(l); n > 0 {
			return pythonEnd, true
		}
	case pythonEnd, pythonBlank:
		switch {
		case hasPrefix(l, "During handling of the above exception"), hasPrefix(l, "The above exception was the direct cause"):
			return pythonLinked, true
		case hasPrefix(l, "[SQL: "), hasPrefix(l, "[parameters: "), hasPrefix(l, "(Background on this error at: "):
			return pythonEnd, true
		}
	}
	if alarming(l) {
		return pythonMessage, false
	}
	return 0, false
}
