package engine

import (
	"encoding/binary"
	"regexp/syntax"
	"slices"
	"sync/atomic"
	"unicode/utf8"
)

// maxUnionStates bounds the bytes of a Union's states.
const maxUnionStates = 1 << 20

// A Union says of expressions, as of those that have no text worth seeking, which of them match
// a record, in one pass for all of them.
type Union struct {
	d   *dfa     // nil where it would be too large
	all []uint64 // the bits of all
}

// NewUnion is the union of expressions that have these bits, in rows of so many
// words; nil where there are none.
func NewUnion(exprs []*Expr, bits []int32, words int, room *Room) *Union {
	if len(exprs) == 0 {
		return nil
	}
	u := &Union{all: make([]uint64, words)}
	var trees []*syntax.Regexp
	for i, e := range exprs {
		u.all[bits[i]>>6] |= 1 << (bits[i] & 63)
		if tree, err := parse(e.source); err == nil {
			trees = append(trees, tree)
		}
	}
	p, err := manyForward(trees, true)
	if err != nil || len(trees) < len(exprs) {
		return u
	}
	p.bits, p.words = bits, words
	u.d = newDFA(p, maxUnionStates)
	u.d.room = room
	return u
}

// Fits reports whether there is anything that Mark can say.
func (u *Union) Fits() bool { return u.d != nil }

// Exact sets row to the bits of those that match body. It reports whether it could
// say; else row means nothing.
func (u *Union) Exact(body []byte, row []uint64) bool {
	clear(row)
	return u.d != nil && utf8.Valid(body) && u.d.mark(body, row, u.all)
}

// Mark sets row to the bits of those that match body. Where it cannot say, which
// is so with invalid UTF-8 and where the states take too much room, it sets all.
// It reports whether any is set.
func (u *Union) Mark(body []byte, row []uint64) bool {
	if !u.Exact(body, row) {
		copy(row, u.all)
	}
	return slices.ContainsFunc(row, func(w uint64) bool { return w != 0 })
}

// mark adds to row what matches in body. ok is false where there is no room.
func (d *dfa) mark(body []byte, row, all []uint64) (ok bool) {
	s, ok := d.begin(edgeOfText, 0)
	if !ok {
		return false
	}
	found := uint32(0) // the set that was added last
	for i := range len(body) + 1 {
		class := d.classes // of the text's end
		if i < len(body) {
			class = int(d.class[body[i]])
		}
		way := atomic.LoadUint32(&s.next[int(s.state)+class])
		if way >= wayMatch {
			if way == wayUnknown {
				g := s.g
				if way, ok = s.make(class, i); !ok {
					return false
				}
				if s.g != g {
					found = 0 // sets have other numbers now
				}
			}
			if way&wayDead != 0 {
				return true
			}
			way &^= wayMatch
			if set := s.next[int(way)+d.classes+1]; set != found {
				found = set
				for w, bits := range (*s.g.sets.Load())[set] {
					row[w] |= bits
				}
				if slices.Equal(row, all) {
					return true
				}
			}
		}
		s.state = way
	}
	return true
}

// setOf is the number of the set of what matches in the work's leaves.
func (d *dfa) setOf(g *states) (set uint32, ok bool) {
	bits := make([]uint64, d.words)
	for _, pc := range d.work.leaves {
		if in := &d.insts[pc]; in.op == opMatch {
			bit := d.bits[in.id]
			bits[bit>>6] |= 1 << (bit & 63)
		}
	}
	sets := *g.sets.Load()
	for i, known := range sets {
		if i > 0 && slices.Equal(known, bits) {
			return uint32(i), true
		}
	}
	size := 8*len(bits) + 48
	if g.bytes+size > d.limit || !d.room.take(size) {
		return 0, false
	}
	g.bytes += size
	sets = append(slices.Clip(sets), bits) // nobody sees it before it is whole
	g.sets.Store(&sets)
	return uint32(len(sets) - 1), true
}

// appendKey is what tells states apart.
func appendKey(key []byte, pcs []int32, last side, set uint32) []byte {
	key = binary.AppendUvarint(append(key, byte(last)), uint64(set))
	for _, pc := range pcs {
		key = binary.AppendUvarint(key, uint64(pc))
	}
	return key
}
