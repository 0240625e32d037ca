package tail

import (
	"encoding/binary"
	"math/bits"
)

// A mark says which of 64 bytes are backslashes, quotes and line ends.
type mark struct{ back, quote, end uint64 }

// marks are those of a block.
type marks []mark

// read makes the marks those of block.
func (m *marks) read(block []byte) {
	words := (len(block) + 63) / 64
	if cap(*m) < words {
		*m = make(marks, words)
	}
	*m = (*m)[:words]
	markAll(block, *m)
}

// markWords is markAll, eight bytes at a time.
func markWords(block []byte, all marks) {
	for i := range all {
		var m mark
		rest := block[64*i:]
		if len(rest) < 64 {
			for k, c := range rest {
				switch c {
				case '\\':
					m.back |= 1 << k
				case '"':
					m.quote |= 1 << k
				case '\n':
					m.end |= 1 << k
				}
			}
		} else {
			for k := 0; k < 64; k += 8 {
				x := binary.LittleEndian.Uint64(rest[k : k+8 : 64])
				m.back |= equalBytes(x^'\\'*ones) << k
				m.quote |= equalBytes(x^'"'*ones) << k
				m.end |= equalBytes(x^'\n'*ones) << k
			}
		}
		all[i] = m
	}
}

// equalBytes has a bit for each byte of x that is 0.
func equalBytes(x uint64) uint64 {
	x = ^((x&^highs + ^uint64(highs)) | x | ^uint64(highs)) // the high bit of each
	return x >> 7 * 0x0102040810204080 >> 56
}

// usualSize is how long the inside of the JSON string block[from:to] is when it is
// decoded, without a line end. ok is false where it is no such thing, or where
// something is escaped that need not be: then nobody can know what is in it.
func (m marks) usualSize(block []byte, from, to int) (n int, ok bool) {
	less := 0          // bytes that escapes have more than what they stand for
	carry := uint64(0) // the first byte of the word is escaped
	text := block[:to]
	for w := from >> 6; w<<6 < to; w++ {
		back, quote := m[w].back, m[w].quote
		if at := w << 6; at < from {
			back &= ^uint64(0) << (from - at)
			quote &= ^uint64(0) << (from - at)
		}
		if left := to - w<<6; left < 64 {
			back &= 1<<left - 1
			quote &= 1<<left - 1
		}
		starts, escaped := back, back<<1|carry
		if back&escaped != 0 {
			starts, escaped = escapesIn(back, carry)
		}
		if quote&^escaped != 0 {
			return 0, false
		}
		less += bits.OnesCount64(starts)
		carry = starts >> 63
		for other := starts &^ (quote >> 1); other != 0; other &= other - 1 {
			r := w<<6 + bits.TrailingZeros64(other)
			if r+1 < to && text[r+1] == 'n' {
				continue
			}
			more, ok := needed(text, r)
			if !ok {
				return 0, false
			}
			less += more
		}
	}
	return to - from - less - lineEnd(text[from:]), true
}

// escapesIn tells the backslashes that begin an escape from those that are
// escaped. escaped has what follows the former.
func escapesIn(back, carry uint64) (starts, escaped uint64) {
	escaped = carry
	for back &^= carry; back != 0; {
		i := back & -back
		starts |= i
		escaped |= i << 1
		back &^= i | i<<1
	}
	return starts, escaped
}

// needed reports whether the escape at s[r:] is one that JSON needs, or whoever
// embeds it in HTML or JavaScript. Line ends are not written as \u. more is how
// much longer it is, beyond a byte, than what it stands for.
func needed(s []byte, r int) (more int, ok bool) {
	if r+1 == len(s) {
		return 0, false
	}
	if c := s[r+1]; c != 'u' {
		return 0, c != '/' && escapes[c] != 0
	}
	v, ok := hex4(s, r)
	switch {
	case !ok || v == '\n' || v == '\r':
		return 0, false
	case v < ' ' || v == '"' || v == '\\' || v == '<' || v == '>' || v == '&':
		return 4, true
	case v == 0x2028 || v == 0x2029 || v == 0xfffd:
		return 2, true
	}
	return 0, false
}

// lineEnd is how long the line end is when it is decoded that the inside of a JSON
// string has.
func lineEnd(s []byte) int {
	n := len(s)
	if n < 2 || s[n-1] != 'n' || !escapeAt(s, n-2) {
		return 0
	}
	if n > 2 && s[n-3] == '\r' || n > 3 && s[n-3] == 'r' && escapeAt(s, n-4) {
		return 2 // a terminal's
	}
	return 1
}

// escapeAt reports whether an escape begins at s[i].
func escapeAt(s []byte, i int) bool {
	k := i
	for k >= 0 && s[k] == '\\' {
		k--
	}
	return (i-k)%2 == 1
}
