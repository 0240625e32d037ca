package rules

import "bytes"

// What values say that are no secrets, though they stand where one does.

// isState reports whether the value says how it is with the secret.
func isState(value []byte) bool {
	var buf [12]byte
	switch string(lowered(&buf, value)) {
	case "", "true", "false", "null", "nil", "none", "undefined", "yes", "no", "array", "n/a", "required", "missing", "invalid", "valid",
		"expired", "changed", "reset", "updated", "empty", "unset", "hidden", "redacted", "filtered", "masked", "removed", "incorrect",
		"string", "enabled", "disabled":
		return true
	}
	return false
}

// isProse reports whether the value is a word as it comes in a sentence, behind
// a colon.
func isProse(value []byte) bool {
	var buf [12]byte
	switch string(lowered(&buf, bytes.TrimRight(value, ".,;!?"))) {
	case "a", "an", "the", "all", "any", "for", "to", "of", "in", "on", "at", "by", "is", "are", "was", "be", "not", "no", "must", "should",
		"cannot", "can't", "does", "has", "too", "user", "username", "using", "wrong", "minimum", "maximum", "attempt", "attempts", "ok",
		"failed", "failure", "failing", "denied", "done", "complete", "completed", "success", "successful", "password", "unknown",
		"error", "warning", "please", "you", "your", "this", "it", "only", "and", "or", "but", "with", "expecting", "expected",
		"authentication", "chauthtok":
		return true
	}
	return isState(value)
}

// lowered is value in lower case; what is longer than any word of the lists is
// none of them.
func lowered(buf *[12]byte, value []byte) []byte {
	if len(value) > len(buf) {
		return []byte("-")
	}
	for i, c := range value {
		buf[i] = lower(c)
	}
	return buf[:len(value)]
}

// isPlaceholder reports whether the value stands for another, as ? in SQL,
// ${NAME} or <hidden>, or was masked by the one who wrote the line.
func isPlaceholder(value []byte, spaced bool) bool {
	const most = 64
	n := len(value)
	if bytes.HasPrefix(value, []byte("Object(")) {
		return true
	}
	if n == 0 || n > most {
		return false
	}
	inner := value[1:]
	if n > 1 {
		inner = value[1 : n-1]
	}
	switch first, last := value[0], value[n-1]; {
	case n == 1:
		return first == '?'
	case first == '$' && (value[1] == '{' && last == '}' || value[1] == '(' && last == ')'):
		return true
	case first == '$' && allDigits(value[1:]):
		return true
	case first == '{' && last == '}', first == '<' && last == '>':
		return isLabel(inner)
	case first == '[' && last == ']':
		return isLabel(inner) && !bytes.ContainsFunc(inner, func(r rune) bool { return 'a' <= r && r <= 'z' })
	case first == '%' && n == 2:
		return last == 's' || last == 'd' || last == 'v' || last == 'q'
	case first == ':' && spaced:
		return isLabel(value[1:])
	}
	return n > 2 && len(bytes.Trim(value, "xX")) == 0
}

// isLabel reports whether s is letters, with what joins words.
func isLabel(s []byte) bool {
	for _, c := range s {
		if !isLetter(c) && !isOneOf(c, "_-. *{}") {
			return false
		}
	}
	return true
}

// isSentence reports whether the value says something to people, as a failed
// validation does.
func isSentence(value []byte) bool {
	n := len(value)
	return n > 0 && n <= 300 && 'A' <= value[0] && value[0] <= 'Z' && isOneOf(value[n-1], ".!?") && bytes.Count(value, []byte(" ")) >= 3
}

func isPunctuation(value []byte) bool {
	for _, c := range value {
		if isWordByte(c) || c >= 0x80 {
			return false
		}
	}
	return true
}

func isPath(value []byte) bool {
	return len(value) > 0 && (value[0] == '/' || value[0] == '~') || len(value) > 2 && value[1] == ':' && value[2] == '\\'
}

// looksRandom reports whether the value is none that people say.
func looksRandom(value []byte) bool {
	var digits, lowers, uppers, joins int
	for _, c := range value {
		switch {
		case isDigit(c):
			digits++
		case 'a' <= c && c <= 'z':
			lowers++
		case 'A' <= c && c <= 'Z':
			uppers++
		case isOneOf(c, `./\:`):
			joins++
		}
	}
	n := len(value)
	return digits > 0 && n >= 8 || lowers > 0 && uppers > 0 && n >= 16 && joins == 0 || n >= 24 && joins == 0
}

func allDigits(s []byte) bool {
	for _, c := range s {
		if !isDigit(c) {
			return false
		}
	}
	return true
}

// foldPrefix reports whether b begins with s, which is in lower case.
func foldPrefix(b []byte, s string) bool {
	if len(b) < len(s) {
		return false
	}
	for i := range len(s) {
		if lower(b[i]) != s[i] {
			return false
		}
	}
	return true
}

// pairAt is the pair of bytes that starts at i. With an unsigned i it compiles
// to one load.
func pairAt(buf []byte, i uint) uint16 { return uint16(buf[i]) | uint16(buf[i+1])<<8 }

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c | 0x20
	}
	return c
}

func isLetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isQuote(c byte) bool { return c == '"' || c == '\'' || c == '`' }

// isWordByte reports whether c is a letter, a digit or _.
func isWordByte(c byte) bool { return isLetter(c) || isDigit(c) || c == '_' }

func isOneOf(c byte, set string) bool {
	for i := range len(set) {
		if set[i] == c {
			return true
		}
	}
	return false
}
