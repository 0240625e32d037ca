package rules

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"github.com/cespare/xxhash/v2"
)

const (
	// shapeBytes is how long the shape of a message is at most, and shapeReads how
	// much of a line is looked at for it.
	shapeBytes = 120
	shapeReads = 400

	maxQuoted = 100 // bytes of a quoted name; more is prose
)

// A shape is what lines of one message have in common: the start of the first line
// of a text, in which numbers, dates, addresses and identifiers are #, and what is
// in quotes is left out. It is a scratch; its text is there until the next one.
type shape struct {
	text [shapeBytes + 64]byte
	n    int
}

// of makes it the shape of a body and returns its hash.
func (s *shape) of(body []byte) uint64 {
	s.n = 0
	if len(body) > shapeReads {
		body = body[:shapeReads]
	}
	quotes := len(body) > 0 && body[0] != '{' // what JSON has is all in quotes
	for at := 0; at < len(body) && s.n < shapeBytes; {
		switch c := body[at]; shapeKinds[c] & (shapeWord | shapeSpace | shapeQuote) {
		case shapeWord:
			at = s.word(body, at)
		case shapeSpace:
			if c == '\n' && s.n > 0 {
				return s.done()
			}
			if at++; s.n > 0 && s.text[s.n-1] != ' ' {
				s.put(' ')
			}
		case shapeQuote:
			end := 0
			if quotes {
				end = closing(body, at)
			}
			if end == 0 {
				s.put(c)
				at++
				break
			}
			s.put(c)
			s.text[s.n] = 0xe2 // an ellipsis
			s.text[s.n+1], s.text[s.n+2] = 0x80, 0xa6
			s.n += 3
			s.put(c)
			at = end + 1
		default:
			if c == '@' && s.n > 0 && shapeKinds[s.text[s.n-1]]&shapeWord != 0 {
				at = s.address(body, at)
				break
			}
			s.put(c)
			at++
		}
	}
	return s.done()
}

func (s *shape) put(c byte) {
	s.text[s.n] = c
	s.n++
}

func (s *shape) done() uint64 {
	for s.n > 0 && s.text[s.n-1] == ' ' {
		s.n--
	}
	return xxhash.Sum64(s.text[:s.n])
}

// append adds the shape as people read it.
func (s *shape) append(to []byte) []byte {
	text := s.text[:s.n]
	for range utf8.UTFMax - 1 { // a character may be cut
		if len(text) < shapeBytes || utf8.Valid(text) {
			break
		}
		text = text[:len(text)-1]
	}
	if utf8.Valid(text) {
		return append(to, text...)
	}
	return append(to, bytes.ToValidUTF8(text, []byte("\ufffd"))...)
}

// String is the shape as people read it.
func (s *shape) String() string { return string(s.append(nil)) }

func shapeText(body []byte) string {
	var s shape
	s.of(body)
	return s.String()
}

// word adds the word at at, or # where it changes from one line to the next.
func (s *shape) word(body []byte, at int) (next int) {
	start, has := at, uint8(0)
	for ; at < len(body); at++ {
		k := shapeKinds[body[at]]
		if k&shapeWord == 0 {
			break
		}
		has |= k
	}
	w := body[start:at]
	switch {
	case has&shapeDigit == 0 && (len(w) < 20 || has&shapeBeyond != 0):
		s.add(w)
	case shapeKinds[w[0]]&shapeDigit != 0:
		return s.number(body, start, at)
	case has&shapeBeyond == 0 && len(w) >= 6, len(w) >= 20:
		s.put('#') // hexadecimal, or a token
	default:
		// What stands before the number of worker12 stays, and HY000.
		end := len(w)
		for shapeKinds[w[end-1]]&shapeDigit != 0 {
			end--
		}
		if len(w) <= 6 && len(w)-end < 4 {
			end = len(w)
		}
		if s.add(w[:end]); end < len(w) {
			s.put('#')
		}
	}
	return at
}

// add adds a word that stays, as far as there is room.
func (s *shape) add(w []byte) {
	if n := s.n + len(w); len(w) <= 8 && n <= shapeBytes {
		to := s.text[s.n:n:n]
		for i := range to {
			to[i] = w[i]
		}
		s.n = n
		return
	}
	s.n += copy(s.text[s.n:shapeBytes+8], w)
}

// number adds # for the word body[start:end], which begins with a digit, and what
// belongs to it: fractions, dates, times, addresses. Its unit stays.
func (s *shape) number(body []byte, start, end int) (next int) {
	if s.n == 0 || s.text[s.n-1] != '#' {
		s.put('#')
	}
	for {
		if u := unitOf(body[start:end]); u > 0 {
			s.add(body[start+u : end]) // 12ms
			return end
		}
		if end+1 >= len(body) || shapeKinds[body[end]]&shapeJoint == 0 || !isHexDigit(body[end+1]) {
			return end
		}
		to := end + 1
		for to < len(body) && shapeKinds[body[to]]&shapeWord != 0 {
			to++
		}
		if !changes(body[end+1 : to]) {
			return end
		}
		start, end = end+1, to
	}
}

// unitOf is where the unit of a number begins, as in 12ms; 0 where it has none.
func unitOf(w []byte) int {
	n := 0
	for n < len(w) && shapeKinds[w[n]]&shapeDigit != 0 {
		n++
	}
	rest := w[n:]
	if n == 0 || len(rest) == 0 || len(rest) > 3 || rest[0] == 'T' || rest[0] == 'Z' {
		return 0
	}
	has := uint8(0)
	for _, c := range rest {
		has |= shapeKinds[c]
	}
	if has&shapeDigit != 0 || has&shapeBeyond == 0 {
		return 0
	}
	return n
}

// changes reports whether a word behind a number is a part of it.
func changes(w []byte) bool {
	has := uint8(0)
	for _, c := range w {
		has |= shapeKinds[c]
	}
	return has&shapeDigit != 0 || has&shapeBeyond == 0 && len(w) >= 4 // of an address or a UUID
}

func isHexDigit(c byte) bool { return shapeKinds[c]&(shapeWord|shapeBeyond) == shapeWord }

// closing is where the quote at at ends; 0 where it is none.
func closing(body []byte, at int) int {
	if at > 0 && shapeKinds[body[at-1]]&shapeWord != 0 {
		return 0 // an apostrophe
	}
	q := body[at]
	for i := at + 1; i < len(body) && i <= at+maxQuoted; i++ {
		switch body[i] {
		case '\n':
			return 0
		case q:
			if i+1 < len(body) && shapeKinds[body[i+1]]&shapeWord != 0 {
				continue
			}
			return i
		}
	}
	return 0
}

// address makes a mail address of the word that was added last: only the @ stays.
func (s *shape) address(body []byte, at int) (next int) {
	for s.n > 0 && (shapeKinds[s.text[s.n-1]]&shapeWord != 0 || strings.IndexByte(".+-#", s.text[s.n-1]) >= 0) {
		s.n--
	}
	s.put('@')
	for at++; at < len(body) && (shapeKinds[body[at]]&shapeWord != 0 || body[at] == '.' || body[at] == '-'); at++ {
	}
	return at
}

// What a byte is to a shape.
const (
	shapeWord   = 1 << iota
	shapeDigit  // of a word
	shapeBeyond // of a word, and no hexadecimal digit
	shapeSpace
	shapeQuote
	shapeJoint // may stand in a number
)

var shapeKinds = func() (kinds [256]uint8) {
	for i := range kinds {
		switch c := byte(i); {
		case '0' <= c && c <= '9':
			kinds[i] = shapeWord | shapeDigit
		case 'a' <= c && c <= 'f', 'A' <= c && c <= 'F':
			kinds[i] = shapeWord
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', c == '_', c >= utf8.RuneSelf:
			kinds[i] = shapeWord | shapeBeyond
		case c <= ' ' || c == 0x7f:
			kinds[i] = shapeSpace
		case c == '"' || c == '\'' || c == '`':
			kinds[i] = shapeQuote
		case strings.IndexByte(".:-/,+", c) >= 0:
			kinds[i] = shapeJoint
		}
	}
	return kinds
}()
