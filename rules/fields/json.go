package fields

import (
	"bytes"
	"strconv"
)

const (
	// maxNesting bounds how deep objects and lists lie in one another.
	maxNesting = 200
	// maxTries bounds how many places of a line are tried as an object's start.
	maxTries = 4
)

// readJSON reads a record that is an object, or ends with one: after a blank, as
// loggers write it that put a message first. Behind that there may be a list or
// an object more, as Monolog has it; of what both have, the first counts.
//
// It takes what encoding/json takes, and a little that it does not: lines' ends
// inside of strings, for records of several lines have them, and what redaction
// has left of a number, as [password].
func (v *Values) readJSON() bool {
	b := v.body
	start := skipSpace(b, 0)
	if start < len(b) && b[start] == '{' {
		v.at = start
		return v.object() && skipSpace(b, v.at) == len(b)
	}
	for tries := 0; tries < maxTries; {
		i := bytes.IndexByte(b[start:], '{')
		if i < 0 {
			return false
		}
		start += i + 1
		if start < 2 || !isSpace(b[start-2]) || !beginsObject(b, start) {
			continue
		}
		v.at = start - 1
		if v.object() && v.extra() {
			return true
		}
		v.clear()
		tries++
	}
	return false
}

// beginsObject reports whether what stands behind a brace may be an object's.
func beginsObject(b []byte, at int) bool {
	at = skipSpace(b, at)
	return at < len(b) && (b[at] == '"' || b[at] == '}')
}

// object reads the object at at for all fields.
func (v *Values) object() bool {
	v.all()
	v.keep = false
	return v.members(0, 0)
}

// extra reads what follows the object.
func (v *Values) extra() bool {
	v.at = skipSpace(v.body, v.at)
	if v.at == len(v.body) {
		return true
	}
	v.all()
	v.keep = true
	defer func() { v.keep = false }()
	switch v.body[v.at] {
	case '{':
		return v.members(0, 0) && skipSpace(v.body, v.at) == len(v.body)
	case '[':
		v.leave(0)
		return v.elements(0, 0) && skipSpace(v.body, v.at) == len(v.body)
	}
	return false
}

// members reads the object at at. The names from on are looked for in it.
func (v *Values) members(from, depth int) bool {
	b := v.body
	if depth == maxNesting {
		return false
	}
	at := skipSpace(b, v.at+1)
	if at < len(b) && b[at] == '}' {
		v.at = at + 1
		return true
	}
	for at < len(b) && b[at] == '"' {
		end, escaped := stringEnd(b, at+1)
		if end < 0 {
			return false
		}
		key := b[at+1 : end]
		if escaped {
			key = v.plain(key)
		}
		if at = skipSpace(b, end+1); at == len(b) || b[at] != ':' {
			return false
		}
		v.at = skipSpace(b, at+1)
		to := len(v.open)
		inner := v.enter(from, to, key)
		if !v.value(inner, depth) {
			return false
		}
		v.leave(inner)
		at = skipSpace(b, v.at)
		switch {
		case at == len(b):
			return false
		case b[at] == '}':
			v.at = at + 1
			return true
		case b[at] != ',':
			return false
		}
		at = skipSpace(b, at+1)
	}
	return false
}

// elements reads the list at at, whose elements have the names 0, 1 and so on.
func (v *Values) elements(from, depth int) bool {
	b := v.body
	if depth == maxNesting {
		return false
	}
	at := skipSpace(b, v.at+1)
	if at < len(b) && b[at] == ']' {
		v.at = at + 1
		return true
	}
	var number [20]byte
	for n := 0; at < len(b); n++ {
		v.at = at
		to := len(v.open)
		inner := to
		if from < to {
			inner = v.enter(from, to, strconv.AppendInt(number[:0], int64(n), 10))
		}
		if !v.value(inner, depth) {
			return false
		}
		v.leave(inner)
		at = skipSpace(b, v.at)
		switch {
		case at == len(b):
			return false
		case b[at] == ']':
			v.at = at + 1
			return true
		case b[at] != ',':
			return false
		}
		at = skipSpace(b, at+1)
	}
	return false
}

// value reads the value at at, for the names from on.
func (v *Values) value(from, depth int) bool {
	b, start := v.body, v.at
	if start == len(b) {
		return false
	}
	wanted := from < len(v.open)
	switch c := b[start]; {
	case c == '"':
		end, escaped := stringEnd(b, start+1)
		if end < 0 {
			return false
		}
		v.at = end + 1
		if wanted {
			text := b[start+1 : end]
			if escaped {
				text = v.plain(text)
			}
			v.scalar(from, text, start+1, end)
		}
		return true
	case c == '{':
		if !v.members(from, depth+1) {
			return false
		}
	case c == '[':
		if n := markerLen(b[start:]); n > 0 {
			v.at = start + n
		} else if !v.elements(from, depth+1) {
			return false
		}
	case c == 't' || c == 'f' || c == 'n':
		n := wordLen(b[start:])
		v.at = start + n
		switch string(b[start:v.at]) {
		case "true", "false":
		case "null":
			v.nothing(from)
			return true
		default:
			return false
		}
	default:
		n := numberLen(b[start:])
		if n == 0 {
			return false
		}
		v.at = start + n
	}
	if wanted {
		v.scalar(from, b[start:v.at], start, v.at)
	}
	return true
}

// plain is a text without its escapes.
func (v *Values) plain(text []byte) []byte {
	at := len(v.buf)
	v.buf = append(v.buf, text...)
	text = undoEscapes(v.buf[at:])
	v.buf = v.buf[:at+len(text)]
	return text
}

// stringEnd is where the quote is that ends the string whose text starts at
// at, or -1; escaped says whether there are backslashes in it.
func stringEnd(b []byte, at int) (end int, escaped bool) {
	for at < len(b) {
		switch b[at] {
		case '"':
			return at, escaped
		case '\\':
			escaped = true
			if at+1 == len(b) {
				return -1, false
			}
			switch b[at+1] {
			case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
				at++
			case 'u':
				if _, ok := fourDigits(b[at:]); !ok {
					return -1, false
				}
				at += 5
			default:
				return -1, false
			}
		}
		at++
	}
	return -1, false
}

// numberLen is the length of the number at the start of b, 0 where there is
// none.
func numberLen(b []byte) int {
	n := 0
	digits := func() bool {
		first := n
		for n < len(b) && isDigit(b[n]) {
			n++
		}
		return n > first
	}
	if n < len(b) && b[n] == '-' {
		n++
	}
	if n < len(b) && b[n] == '0' {
		n++
	} else if !digits() {
		return 0
	}
	if n < len(b) && b[n] == '.' {
		n++
		if !digits() {
			return 0
		}
	}
	if n < len(b) && b[n]|0x20 == 'e' {
		n++
		if n < len(b) && (b[n] == '-' || b[n] == '+') {
			n++
		}
		if !digits() {
			return 0
		}
	}
	return n
}

// markerLen is the length of what redaction leaves of a value, as [password], 0
// where that is not what b starts with.
func markerLen(b []byte) int {
	n := 1
	for n < len(b) && (isLetter(b[n]) || b[n] == ' ' || b[n] == '-' || b[n] == '_') {
		n++
	}
	if n == len(b) || b[n] != ']' {
		return 0
	}
	switch string(bytes.TrimSpace(b[1:n])) {
	case "", "true", "false", "null":
		return 0
	}
	return n + 1
}

func wordLen(b []byte) int {
	n := 0
	for n < len(b) && isLetter(b[n]) {
		n++
	}
	return n
}

func skipSpace(b []byte, at int) int {
	for at < len(b) && isSpace(b[at]) {
		at++
	}
	return at
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }
