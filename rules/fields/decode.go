package fields

import "unicode/utf8"

// rounds is how often what is encoded is decoded: who hides something from
// others encodes it twice.
const rounds = 3

// decodePath undoes, in place, what the server has escaped, and then what is
// encoded with %, for as long as there is something, three times at most.
func decodePath(s []byte) []byte { return decodePercent(undoEscapes(s), false) }

// decodeQuery is decodePath for a query, in which + is a blank.
func decodeQuery(s []byte) []byte { return decodePercent(undoEscapes(s), true) }

// decodeHashPath is decodePath of HAProxy, which writes #22 for a quote. A
// backslash is one.
func decodeHashPath(s []byte) []byte { return decodePercent(undoHashes(s), false) }

func decodeHashQuery(s []byte) []byte { return decodePercent(undoHashes(s), true) }

// undoHashes undoes, in place, what HAProxy writes for what is not printable, for
// a quote and for #.
func undoHashes(s []byte) []byte {
	w := 0
	for r := 0; r < len(s); r++ {
		c := s[r]
		if c == '#' && r+2 < len(s) && isHex(s[r+1]) && isHex(s[r+2]) {
			c = unhex(s[r+1])<<4 | unhex(s[r+2])
			r += 2
		}
		s[w] = c
		w++
	}
	return s[:w]
}

func decodePercent(s []byte, plus bool) []byte {
	for range rounds {
		w, found := 0, false
		for r := 0; r < len(s); r++ {
			c := s[r]
			switch {
			case c == '%' && r+2 < len(s) && isHex(s[r+1]) && isHex(s[r+2]):
				c = unhex(s[r+1])<<4 | unhex(s[r+2])
				r += 2
				found = true
			case c == '+' && plus:
				c = ' '
			}
			s[w] = c
			w++
		}
		s = s[:w]
		if !found {
			break
		}
		plus = false // what is encoded is a + and no blank
	}
	return s
}

// undoEscapes undoes, in place, what servers write into a log for what would not
// be safe there: \x22 as nginx and Apache do, and \" and \n as Apache does.
// Where \u0022 is written, as nginx does with escape=json, that as well.
func undoEscapes(s []byte) []byte {
	w := 0
	for r := 0; r < len(s); {
		if s[r] != '\\' {
			s[w] = s[r]
			w, r = w+1, r+1
			continue
		}
		n, size := unescape(s[r:], s[w:])
		if size == 0 { // none that anybody writes
			s[w] = s[r]
			w, r = w+1, r+1
			continue
		}
		w, r = w+n, r+size
	}
	return s[:w]
}

// unescape writes to out what the escape at the start of s stands for, which is
// never longer, and says how long that is, and how long the escape; 0 where it
// is none.
func unescape(s, out []byte) (n, size int) {
	if len(s) < 2 {
		return 0, 0
	}
	one := func(c byte) (int, int) {
		out[0] = c
		return 1, 2
	}
	switch s[1] {
	case '"', '\\', '\'', '/':
		return one(s[1])
	case 'n':
		return one('\n')
	case 't':
		return one('\t')
	case 'r':
		return one('\r')
	case 'b':
		return one('\b')
	case 'f':
		return one('\f')
	case 'v':
		return one('\v')
	case 'a':
		return one('\a')
	case 'x':
		if len(s) >= 4 && isHex(s[2]) && isHex(s[3]) {
			out[0] = unhex(s[2])<<4 | unhex(s[3])
			return 1, 4
		}
	case 'u':
		r, size := unicodeEscape(s)
		if size > 0 {
			return utf8.EncodeRune(out, r), size
		}
	}
	return 0, 0
}

// unicodeEscape reads \u0041, or the two that stand for one character beyond
// those that fit into one.
func unicodeEscape(s []byte) (r rune, size int) {
	first, ok := fourDigits(s)
	if !ok {
		return 0, 0
	}
	if first < 0xd800 || first > 0xdfff {
		return first, 6
	}
	if second, ok := fourDigits(s[6:]); ok && first < 0xdc00 && second >= 0xdc00 && second <= 0xdfff {
		return 0x10000 + (first-0xd800)<<10 + second - 0xdc00, 12
	}
	return utf8.RuneError, 6
}

func fourDigits(s []byte) (r rune, ok bool) {
	if len(s) < 6 || s[0] != '\\' || s[1] != 'u' {
		return 0, false
	}
	for _, c := range s[2:6] {
		if !isHex(c) {
			return 0, false
		}
		r = r<<4 | rune(unhex(c))
	}
	return r, true
}

func isHex(c byte) bool { return isDigit(c) || 'a' <= c|0x20 && c|0x20 <= 'f' }

func unhex(c byte) byte {
	if isDigit(c) {
		return c - '0'
	}
	return c | 0x20 - 'a' + 10
}
