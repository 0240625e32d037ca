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
