package engine

import (
	"regexp/syntax"
	"sync"
	"sync/atomic"
)

const (
	// maxStates bounds the bytes that the states of one program take.
	maxStates = 256 << 10
	// worthwhile is how many bytes a state has to be read for, on average, to be
	// worth its making.
	worthwhile = 10
	// firstRest and maxRest are how many searches a program is left alone for
	// whose states were not worth their making.
	firstRest = 64
	maxRest   = 4096
)

// A way is an entry of a table of states: where in the table the row of the next
// state is, or one of these. wayMatch says that the place before the byte is
// where a match ends.
const (
	wayMatch   = 1 << 29
	wayDead    = 1 << 30
	wayUnknown = 1 << 31
)

// A Room bounds the bytes that the states of many expressions take together. Those
// that get nothing are left to regexp. A nil one has no bound.
type Room struct{ left atomic.Int64 }

// NewRoom has room for so many bytes.
func NewRoom(bytes int) *Room {
	r := &Room{}
	r.left.Store(int64(bytes))
	return r
}

func (r *Room) take(n int) bool {
	if r == nil || r.left.Add(int64(-n)) >= 0 || n < 0 {
		return true
	}
	r.left.Add(int64(n))
	return false
}

// A side is what stands on one side of a place.
type side uint8

const (
	edgeOfText side = iota
	newline
	wordByte
	otherByte
)

func sideOf(b byte) side {
	switch {
	case b == '\n':
		return newline
	case b == '_' || isLetter(b) || '0' <= b && b <= '9':
		return wordByte
	}
	return otherByte
}

// holding is what holds between two bytes of these sides.
func holding(before, after side) syntax.EmptyOp {
	var op syntax.EmptyOp
	if before == edgeOfText {
		op |= syntax.EmptyBeginText | syntax.EmptyBeginLine
	}
	if before == newline {
		op |= syntax.EmptyBeginLine
	}
	if after == edgeOfText {
		op |= syntax.EmptyEndText | syntax.EmptyEndLine
	}
	if after == newline {
		op |= syntax.EmptyEndLine
	}
	if (before == wordByte) != (after == wordByte) {
		return op | syntax.EmptyWordBoundary
	}
	return op | syntax.EmptyNoWordBoundary
}

// A dfa runs a program by a table of states, which are made when they are first
// met, and of which only so many are kept. Any number of goroutines share it:
// they read the table by atomic loads, and only the making of a state takes the
// lock.
type dfa struct {
	*program
	limit int   // bytes of states
	room  *Room // what all have together; or nil
	now   atomic.Pointer[states]
	rest  atomic.Int32 // searches that are left to regexp

	mu       sync.Mutex
	restNext int32
	work     work
}

// A states is what was made since all was forgotten last. A search that began with
// it may go on with it, but nothing is added any more.
type states struct {
	table  atomic.Pointer[[]uint32]   // rows: a way for each class, and one for the text's end
	starts [4]atomic.Uint32           // by what is before
	sets   atomic.Pointer[[][]uint64] // of a union, the first one empty

	// Under the dfa's lock.
	list  []state
	index map[string]uint32
	bytes int
	read  int // bytes that were read between the making of states, about
}

// A state is the instructions to go on at, in order of preference, and what was
// read last.
type state struct {
	pcs  []int32
	last side
	set  uint32 // of a union: what matched before what was read last
}

// A work is room for the making of a state.
type work struct {
	stack, leaves, next []int32
	seen, taken         []uint32 // by instruction: in which round
	round               uint32
	key                 []byte
}

func newDFA(p *program, limit int) *dfa {
	d := &dfa{program: p, limit: limit, restNext: firstRest}
	d.now.Store(newStates())
	d.work.seen, d.work.taken = make([]uint32, len(p.insts)), make([]uint32, len(p.insts))
	return d
}

func newStates() *states {
	g := &states{index: map[string]uint32{}}
	g.table.Store(new([]uint32))
	g.sets.Store(&[][]uint64{nil})
	for i := range g.starts {
		g.starts[i].Store(wayUnknown)
	}
	return g
}

// A search is one run of a dfa over a text.
type search struct {
	d     *dfa
	g     *states
	next  []uint32
	state uint32
	from  int // where it read since it made a state last
}

// begin starts a search behind, or backward before, something of that side. ok
// is false where regexp has to do it.
func (d *dfa) begin(before side, at int) (s search, ok bool) {
	if d.rest.Load() > 0 {
		d.rest.Add(-1)
		return s, false
	}
	if !d.asserts {
		before = edgeOfText
	}
	s = search{d: d, g: d.now.Load(), from: at}
	s.state = s.g.starts[before].Load()
	if s.state == wayUnknown && !s.first(before) {
		return s, false
	}
	s.next = *s.g.table.Load()
	return s, true
}

// first makes the state that a search begins with.
func (s *search) first(before side) bool {
	d := s.d
	d.mu.Lock()
	defer d.mu.Unlock()
	for range 2 {
		s.g = d.now.Load()
		var ok bool
		if s.state, ok = d.intern(s.g, []int32{d.start}, before, 0); ok {
			s.g.starts[before].Store(s.state)
			return true
		}
		if !d.forget() {
			break
		}
	}
	return false
}

// end is where the match ends that regexp finds in body from from on, or -1.
func (d *dfa) end(body []byte, from int) (end int, ok bool) {
	before := edgeOfText
	if from > 0 {
		before = sideOf(body[from-1])
	}
	s, ok := d.begin(before, from)
	if !ok {
		return 0, false
	}
	end = -1
	next, at, class := s.next, s.state, &d.class
	for i := from; i < len(body); i++ {
		way := atomic.LoadUint32(&next[at+uint32(class[body[i]])])
		if way >= wayMatch {
			if way == wayUnknown {
				s.state = at
				if way, ok = s.make(int(class[body[i]]), i); !ok {
					return 0, false
				}
				next = s.next
			}
			if way&wayMatch != 0 {
				end = i
			}
			if way&wayDead != 0 {
				return end, true
			}
			way &^= wayMatch
		}
		at = way
	}
	s.state = at
	matches, ok := s.last(len(body))
	if matches {
		end = len(body)
	}
	return end, ok
}

// first is the first place of body, from from on, at which a match can start that
// ends at end; -1 where there is none.
func (d *dfa) first(body []byte, from, end int) (start int, ok bool) {
	after := edgeOfText
	if end < len(body) {
		after = sideOf(body[end])
	}
	s, ok := d.begin(after, end)
	if !ok {
		return 0, false
	}
	start = -1
	next, at, class := s.next, s.state, &d.class
	for i := end - 1; i >= from; i-- {
		way := atomic.LoadUint32(&next[at+uint32(class[body[i]])])
		if way >= wayMatch {
			if way == wayUnknown {
				s.state = at
				if way, ok = s.make(int(class[body[i]]), i); !ok {
					return 0, false
				}
				next = s.next
			}
			if way&wayMatch != 0 {
				start = i + 1
			}
			if way&wayDead != 0 {
				return start, true
			}
			way &^= wayMatch
		}
		at = way
	}
	s.state = at
	if from > 0 { // a byte more decides whether a match starts here
		way := atomic.LoadUint32(&next[at+uint32(class[body[from-1]])])
		if way == wayUnknown {
			if way, ok = s.make(int(class[body[from-1]]), from); !ok {
				return 0, false
			}
		}
		if way&wayMatch != 0 {
			start = from
		}
		return start, true
	}
	matches, ok := s.last(from)
	if matches {
		start = from
	}
	return start, ok
}

// last reports whether the end of the text, at i, is where a match ends.
func (s *search) last(i int) (matches, ok bool) {
	end := s.d.classes
	way := atomic.LoadUint32(&s.next[int(s.state)+end])
	if way == wayUnknown {
		if way, ok = s.make(end, i); !ok {
			return false, false
		}
	}
	return way&wayMatch != 0, true
}

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
