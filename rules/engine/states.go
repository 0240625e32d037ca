package engine

import (
	"regexp/syntax"
	"sync/atomic"
)

// make makes the way of that class from the search's state. When there is no room
// all is forgotten; ok is false where that is so too often.
func (s *search) make(class, i int) (way uint32, ok bool) {
	d := s.d
	d.mu.Lock()
	defer d.mu.Unlock()
	s.g.read += max(i-s.from, s.from-i)
	s.from = i
	st := s.g.list[int(s.state)/d.stride()]
	if now := d.now.Load(); s.g != now { // others have forgotten what this one is in
		s.g = now
		if s.state, ok = d.intern(now, st.pcs, st.last, st.set); !ok {
			return 0, false
		}
	}
	way, ok = d.step(s.g, st, class)
	if !ok {
		if !d.forget() {
			return 0, false
		}
		s.g = d.now.Load()
		if s.state, ok = d.intern(s.g, st.pcs, st.last, st.set); !ok {
			return 0, false
		}
		if way, ok = d.step(s.g, st, class); !ok {
			return 0, false
		}
	}
	s.next = *s.g.table.Load()
	atomic.StoreUint32(&s.next[int(s.state)+class], way)
	return way, true
}

// forget drops all states. It reports whether they were worth their making; if
// not the program is left alone for a while.
func (d *dfa) forget() bool {
	g := d.now.Load()
	d.now.Store(newStates())
	d.room.take(-g.bytes)
	if g.read >= worthwhile*len(g.list) {
		d.restNext = firstRest
		return true
	}
	d.rest.Store(d.restNext)
	d.restNext = min(2*d.restNext, maxRest)
	return false
}

// stride is how long a row is.
func (d *dfa) stride() int {
	if d.words > 0 {
		return d.classes + 2 // and the number of its set
	}
	return d.classes + 1
}

// step is the way from st by a byte of the class, or by the text's end.
func (d *dfa) step(g *states, st state, class int) (way uint32, ok bool) {
	w := &d.work
	after, atEnd := edgeOfText, class == d.classes
	var b byte
	if !atEnd {
		b = d.sample[class]
		if d.asserts {
			after = sideOf(b)
		}
	}
	before := st.last
	if d.backward {
		before, after = after, before
	}
	d.close(st.pcs, holding(before, after))
	w.next = w.next[:0]
	for _, pc := range w.leaves {
		in := &d.insts[pc]
		if in.op == opMatch {
			way |= wayMatch
			if !d.all {
				break // what comes after is not preferred
			}
			continue
		}
		if to, leads := in.next(b); leads && !atEnd && w.taken[to] != w.round {
			w.taken[to] = w.round
			w.next = append(w.next, to)
		}
	}
	set := uint32(0)
	if d.words > 0 && way&wayMatch != 0 {
		if set, ok = d.setOf(g); !ok {
			return 0, false
		}
	} else if len(w.next) == 0 {
		return way | wayDead, true
	}
	last := edgeOfText
	if d.asserts {
		last = sideOf(b)
	}
	to, ok := d.intern(g, w.next, last, set)
	return way | to, ok
}

// close gathers what the instructions lead to without a byte, each once, in the
// order in which regexp prefers it.
func (d *dfa) close(pcs []int32, holds syntax.EmptyOp) {
	w := &d.work
	w.round++
	if w.round == 0 {
		clear(w.seen)
		clear(w.taken)
		w.round = 1
	}
	w.leaves = w.leaves[:0]
	for _, pc := range pcs {
		w.stack = append(w.stack[:0], pc)
		for len(w.stack) > 0 {
			pc := w.stack[len(w.stack)-1]
			w.stack = w.stack[:len(w.stack)-1]
			if w.seen[pc] == w.round {
				continue
			}
			w.seen[pc] = w.round
			switch in := &d.insts[pc]; in.op {
			case opEither:
				w.stack = append(w.stack, in.second, in.first)
			case opAssert:
				if in.assert&^holds == 0 {
					w.stack = append(w.stack, in.first)
				}
			case opBytes, opMatch:
				w.leaves = append(w.leaves, pc)
			}
		}
	}
}

// intern is where the row of the state is; it makes it where there is room.
func (d *dfa) intern(g *states, pcs []int32, last side, set uint32) (at uint32, ok bool) {
	w := &d.work
	w.key = appendKey(w.key[:0], pcs, last, set)
	if at, ok := g.index[string(w.key)]; ok {
		return at, true
	}
	const entry = 96 // of the index, and the state itself
	size := 2*4*d.stride() + 4*len(pcs) + len(w.key) + entry
	if g.bytes+size > d.limit || !d.room.take(size) {
		return 0, false
	}
	g.bytes += size
	at = uint32(len(g.list) * d.stride())
	g.grow(int(at) + d.stride())
	if d.words > 0 {
		(*g.table.Load())[int(at)+d.classes+1] = set
	}
	g.list = append(g.list, state{append([]int32(nil), pcs...), last, set})
	g.index[string(w.key)] = at
	return at, true
}

// grow makes room for so many entries. Nothing is written to a table any more
// once there is a larger one, so that no way leads out of it.
func (g *states) grow(n int) {
	old := *g.table.Load()
	if n <= len(old) {
		return
	}
	table := make([]uint32, max(n, 2*len(old)))
	for i := copy(table, old); i < len(table); i++ {
		table[i] = wayUnknown
	}
	g.table.Store(&table)
}
