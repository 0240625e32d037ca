package rules

import (
	"bytes"
	"slices"

	"github.com/webgrip/logkeel/rules/engine"
	"github.com/webgrip/logkeel/rules/fields"
)

// fewest are how many expressions a field has to be compared with, so that all are
// looked for together.
const fewest = 3

// maxLoops is how many loops they have at most, those with the fewest first. The
// others are looked for one by one.
const maxLoops = 24

// An among is all expressions that conditions look for in one field.
type among struct {
	index int // of the marks of a reading
	words int // 64 expressions each
	union *engine.Union
}

// marks are which of them match what the field of one record says.
type marks struct {
	turn  uint64
	exact bool // else some of them may not
	row   []uint64
}

// gather has the expressions that are compared with fields looked for together.
func (s *Set) gather(room *engine.Room) {
	for f := range s.wanted {
		if s.wanted[f] == nil {
			continue
		}
		byField := map[int][]*comparison{}
		for i := range s.rules {
			if r := &s.rules[i]; r.format == fields.Format(f) && r.where != nil {
				r.compared(&r.where.root, byField)
			}
		}
		for field := range s.wanted[f].Len() {
			s.gatherField(byField[field], room)
		}
	}
}

// compared adds to all the comparisons with expressions, by the field.
func (r *rule) compared(t *term, all map[int][]*comparison) {
	if number := r.numbers[t.group]; t.join == compares && t.re != nil && number >= 0 {
		all[number] = append(all[number], &t.comparison)
	}
	for i := range t.terms {
		r.compared(&t.terms[i], all)
	}
}

func (s *Set) gatherField(all []*comparison, room *engine.Room) {
	var exprs []*engine.Expr
	var bits []int32
	known := map[string]int32{}
	slices.SortStableFunc(all, func(a, b *comparison) int { return a.re.Loops() - b.re.Loops() })
	loops := 0
	for i, c := range all {
		bit, ok := known[c.literal]
		if !ok {
			if loops += c.re.Loops(); loops > maxLoops {
				all = all[:i]
				break
			}
			bit = int32(len(exprs))
			known[c.literal] = bit
			exprs, bits = append(exprs, c.re), append(bits, bit)
		}
		c.bit = bit
	}
	if len(exprs) < fewest {
		return
	}
	a := &among{index: len(s.amongs), words: (len(exprs) + 63) / 64}
	if a.union = engine.NewUnion(exprs, bits, a.words, room); !a.union.Fits() {
		return
	}
	s.amongs = append(s.amongs, a)
	for _, c := range all {
		c.among = a
	}
}

// newMarks are what a reading needs.
func (s *Set) newMarks() []marks {
	all := make([]marks, len(s.amongs))
	for i, a := range s.amongs {
		all[i].row = make([]uint64, a.words)
	}
	return all
}

// matches reports whether the expression of c matches text, which is what its field
// says; known is false where it has to be looked for by itself.
func (x *reading) matches(c *comparison, text []byte) (yes, known bool) {
	if x == nil || c.among == nil || c.among.index >= len(x.marks) {
		return false, false
	}
	m := &x.marks[c.among.index]
	if m.turn != x.turn {
		m.turn = x.turn
		m.exact = c.among.union.Exact(text, m.row) && bytes.IndexByte(text, '\n') < 0 // ^ and $ are not those of a line here
	}
	return m.row[c.bit>>6]&(1<<(c.bit&63)) != 0, m.exact
}
