package engine

import (
	"slices"
	"unicode/utf8"
)

// An edge is the bytes that lead from one instruction to another.
type edge struct {
	low, high byte
	to        int32
}

// A span is a range of bytes.
type span struct{ low, high byte }

// A sequence is a run of spans: each choice of a byte of every span is a
// character.
type sequence struct {
	spans [utf8.UTFMax]span
	n     int
}

// sequences spells out in bytes the characters of ascending pairs of first and
// last. None of it begins as another one does, but for bytes that stand alone in
// their span.
func sequences(pairs []rune) []sequence {
	var out []sequence
	for i := 0; i+1 < len(pairs); i += 2 {
		low, high := pairs[i], pairs[i+1]
		// Surrogates are in no text.
		if low < 0xD800 && high >= 0xD800 {
			out = split(out, low, 0xD7FF)
		}
		if low < 0xD800 && high < 0xD800 {
			out = split(out, low, high)
		} else if high > 0xDFFF {
			out = split(out, max(low, 0xE000), high)
		}
	}
	return out
}

// split appends the sequences of all from low to high.
func split(out []sequence, low, high rune) []sequence {
	for n := 1; n < utf8.UTFMax; n++ {
		if last := []rune{0, 0x7F, 0x7FF, 0xFFFF}[n]; low <= last && last < high {
			return split(split(out, low, last), last+1, high)
		}
	}
	for i := 1; i < utf8.RuneLen(high); i++ {
		rest := rune(1)<<(6*i) - 1 // what the last i bytes say
		if low&^rest == high&^rest {
			break
		}
		if low&rest != 0 {
			return split(split(out, low, low|rest), (low|rest)+1, high)
		}
		if high&rest != rest {
			return split(split(out, low, high&^rest-1), high&^rest, high)
		}
	}
	var a, b [utf8.UTFMax]byte
	s := sequence{n: utf8.EncodeRune(a[:], low)}
	utf8.EncodeRune(b[:], high)
	for i := range s.n {
		s.spans[i] = span{a[i], b[i]}
	}
	return append(out, s)
}

// runes is the instruction that reads one of the characters and goes on at to.
func (c *compiler) runes(pairs []rune, to int32) int32 {
	seqs := sequences(pairs)
	if !c.backward {
		return c.trie(seqs, 0, to)
	}
	// From the end nothing tells the sequences apart: each is a way of its own.
	var ways []int32
	var single []edge
	known := map[edge]int32{}
	for i := range seqs {
		at := to
		s := seqs[i].spans[:seqs[i].n]
		for _, x := range s[:len(s)-1] {
			e := edge{x.low, x.high, at}
			pc, ok := known[e]
			if !ok {
				pc = c.emit(inst{op: opBytes, edges: []edge{e}})
				known[e] = pc
			}
			at = pc
		}
		last := s[len(s)-1]
		if len(s) == 1 {
			single = append(single, edge{last.low, last.high, at})
			continue
		}
		ways = append(ways, c.emit(inst{op: opBytes, edges: []edge{{last.low, last.high, at}}}))
	}
	if single != nil {
		ways = append(ways, c.emit(inst{op: opBytes, edges: single}))
	}
	return c.anyOf(ways)
}

// trie is the instruction that reads what is left of the sequences from byte i on.
func (c *compiler) trie(seqs []sequence, i int, to int32) int32 {
	var edges []edge
	for len(seqs) > 0 {
		s := seqs[0].spans[i]
		n := 1
		for n < len(seqs) && seqs[n].spans[i] == s && seqs[0].n > i+1 {
			n++
		}
		next := to
		if seqs[0].n > i+1 {
			next = c.trie(seqs[:n], i+1, to)
		}
		if k := len(edges) - 1; k >= 0 && edges[k].to == next && int(edges[k].high)+1 == int(s.low) {
			edges[k].high = s.high
		} else {
			edges = append(edges, edge{s.low, s.high, next})
		}
		seqs = seqs[n:]
	}
	if i == 0 {
		return c.emit(inst{op: opBytes, edges: edges})
	}
	for _, pc := range c.tails { // many characters end alike
		if slices.Equal(c.insts[pc].edges, edges) {
			return pc
		}
	}
	pc := c.emit(inst{op: opBytes, edges: edges})
	c.tails = append(c.tails, pc)
	if len(c.tails) > maxTails {
		c.tails = slices.Delete(c.tails, 0, maxTails/2)
	}
	return pc
}
