package engine

import (
	"bytes"
	"math"
	"slices"
	"sort"
	"strings"

	"github.com/webgrip/logkeel/agent"
)

// A Scanner finds, in one pass over a batch, the records that have literals.
// Literals of three bytes or more are looked for together, as Wu and Manber do
// it: a table says for each pair of bytes how far the next place is at which a
// literal could end. Shorter ones would make these steps short, so they have a
// table of their own, or are few and have a byte that is rare.
type Scanner struct {
	tables []*table
	rare   []rareByte
}

// A target is a literal and the expressions that want it, by their bits.
type target struct {
	Needle
	wants []int32
	near  Near // nil: the literal is enough
}

// A Near looks at what is around the literal at an offset of a batch's Buf. It
// may say yes to what turns out to be nothing. It is asked of literals of one
// byte only.
type Near func(buf []byte, at int) bool

// Targets gathers what is looked for, each literal once.
type Targets struct {
	// Around is what stands around the bodies of most records, and is scanned with
	// them: what is in it is not worth looking at.
	Around string

	list  []*target
	known map[Literal]*target
}

// Add lets the record of each place at which lit is, and near says yes, be marked
// with bit.
func (t *Targets) Add(lit Literal, near Near, bit int32) {
	x := t.known[lit]
	if x == nil || near != nil {
		x = &target{Needle: Needle{Text: []byte(lit.Text), Fold: lit.Fold}, near: near}
		t.list = append(t.list, x)
		if t.known == nil {
			t.known = map[Literal]*target{}
		}
		if near == nil {
			t.known[lit] = x
		}
	}
	if n := len(x.wants); n == 0 || x.wants[n-1] != bit {
		x.wants = append(x.wants, bit)
	}
}

// A rareByte is looked for alone.
type rareByte struct {
	byte   byte
	at     int // where in the target it is
	target *target
}

const (
	longText    = 3         // bytes from which on a literal goes into the first table
	minStep     = 3         // the shortest of the longest steps that a table is tried with
	maxStep     = 8         // and the longest
	maxRare     = 4         // literals that are looked for by a byte
	rareEnough  = 1.0 / 100 // share of the byte
	streams     = 4         // stretches of a batch that are scanned side by side
	streamBytes = 256       // size from which on that is worth while
	aroundShare = 1.0 / 200 // how often a log has what stands around each record, of its places
)

// NewScanner returns a scanner for what t holds.
func NewScanner(t *Targets) *Scanner {
	s := &Scanner{}
	var long, short []*target
	for _, t := range t.list {
		switch at, share := t.rarest(); {
		case len(t.Text) >= longText:
			long = append(long, t)
		case len(t.Text) == 1 || share < rareEnough && len(s.rare) < maxRare:
			for _, c := range Cases(t.Text[at], t.Fold) {
				s.rare = append(s.rare, rareByte{c, at, t})
			}
		default:
			short = append(short, t)
		}
	}
	for _, group := range [][]*target{long, short} {
		if len(group) > 0 {
			s.tables = append(s.tables, tableOf(group, t.Around))
		}
	}
	return s
}

// tableOf makes the table that is fastest here.
func tableOf(group []*target, around string) *table {
	long := !slices.ContainsFunc(group, func(t *target) bool { return len(t.Text) < sweepWindow })
	if long && canSweep() {
		if t := newSwept(group, around); t != nil {
			return t
		}
	}
	return newTable(group, around)
}

// Scan marks in c each record of b that has a target in its body.
func (s *Scanner) Scan(b *agent.Batch, c *Candidates) {
	for i := range s.rare {
		s.rare[i].scan(b, c)
	}
	for _, t := range s.tables {
		t.scan(b, c)
	}
}

func (r *rareByte) scan(b *agent.Batch, c *Candidates) {
	records := b.Records
	pos, end := int(records[0].Body.Start), int(records[len(records)-1].Body.End)
	rec := 0
	near := r.target.near
	for {
		i := bytes.IndexByte(b.Buf[pos:end], r.byte)
		if i < 0 {
			return
		}
		pos += i + 1
		if near != nil && !near(b.Buf, pos-1) {
			continue
		}
		for int(records[rec].Body.End) < pos {
			rec++
		}
		start := pos - 1 - r.at
		stop := start + len(r.target.Text)
		body := records[rec].Body
		if start >= int(body.Start) && stop <= int(body.End) && r.target.Is(b.Buf[start:stop]) {
			c.mark(rec, r.target.wants)
			pos = int(body.End) // once is enough
		}
	}
}

// A table is the shift table of some targets. Of each it looks at a window, the
// part that is rarest in logs.
type table struct {
	most   int            // the longest step; no target is shorter
	shift  [1 << 16]uint8 // by pair of bytes: 0 where it ends a window
	filter filter
	long   buckets // by the kind of the window's last four bytes
	short  buckets // by its last two: targets whose window is no longer than three
	swept  *sweep  // nil: it goes in steps
}

// A windowed is a target and where its window is.
type windowed struct {
	target
	last       int  // offset of the window's last pair
	head, mask byte // a byte of a log, or mask, is head where the target starts
}

// newTable makes the table that takes the longest steps.
func newTable(targets []*target, around string) *table {
	shortest := maxStep
	for _, t := range targets {
		shortest = min(shortest, len(t.Text))
	}
	var best *table
	far := 0.0
	for most := min(shortest, minStep); most <= shortest; most++ {
		t := &table{most: most}
		t.fill(targets, around)
		if step := t.step(); step > far {
			best, far = t, step
		}
	}
	return best
}

// fill lets no step miss a window's last pair: a pair of the window is as many
// steps before it as it stands before it, and so is a pair that ends in the
// window's first byte.
func (t *table) fill(targets []*target, around string) {
	for i := range t.shift {
		t.shift[i] = uint8(t.most)
	}
	for _, target := range targets {
		window := min(len(target.Text), t.most+1)
		last := lastPair(target, window, around)
		for j := range window - 1 {
			for _, x := range Cases(target.Text[last-j], target.Fold) {
				for _, y := range Cases(target.Text[last-j+1], target.Fold) {
					k := uint16(x) | uint16(y)<<8
					t.shift[k] = min(t.shift[k], uint8(j))
				}
			}
		}
		t.put(newWindowed(target, last))
		for _, y := range Cases(target.Text[last+2-window], target.Fold) {
			for x := range 256 {
				k := uint16(x) | uint16(y)<<8
				t.shift[k] = min(t.shift[k], uint8(window-1))
			}
		}
	}
}

func newWindowed(t *target, last int) windowed {
	w := windowed{target: *t, last: last, head: t.Text[0]}
	if t.Fold && isLetter(w.head) {
		w.mask = 0x20
	}
	return w
}

// lastPair chooses the target's window: a rare last pair, which leads to a look at
// the text, and rare ones before it, which make steps short.
func lastPair(t *target, window int, around string) (last int) {
	least := math.Inf(1)
	for end := window - 2; end+1 < len(t.Text); end++ {
		sum := 0.0
		for j := range window - 1 {
			p := logModel().pair(t.Text[end-j], t.Text[end-j+1], t.Fold)
			if j == 0 {
				if strings.Contains(around, string(t.Text[end:end+2])) {
					p += aroundShare
				}
				p *= 12
			}
			sum += p
		}
		if sum < least {
			last, least = end, sum
		}
	}
	return last
}

// step is how far the table goes in logs at a time, on average.
func (t *table) step() float64 {
	m := logModel()
	sum := 0.0
	for k, shift := range t.shift {
		sum += m.two(byte(k), byte(k>>8)) * float64(shift)
	}
	return sum
}

// A stretch is a run of whole records that a table goes through.
type stretch struct {
	at, end uint // pairs that start in [at, end)
	rec     int  // no record before it is of interest any more
}

func (t *table) scan(b *agent.Batch, c *Candidates) {
	records := b.Records
	first, end := int(records[0].Body.Start), int(records[len(records)-1].Body.End)
	if t.swept != nil && end-first >= sweepLeast {
		t.sweep(b, c)
		return
	}
	buf := b.Buf[:end]
	var s [streams]stretch
	n := streams
	if end-first < streams*streamBytes {
		n = 1
	}
	from := 0
	for k := range n {
		to := len(records)
		if k < n-1 {
			cut := int32(first + (end-first)/n*(k+1))
			to = sort.Search(len(records), func(i int) bool { return records[i].Body.Start >= cut })
		}
		if from < to && int(records[to-1].Body.End)-int(records[from].Body.Start) >= t.most {
			s[k] = stretch{uint(int(records[from].Body.Start) + t.most - 2), uint(records[to-1].Body.End - 1), from}
		}
		from = to
	}
	if n == streams {
		t.first(buf, records, &s[0], c)
		t.sideBySide(buf, records, &s, c)
	}
	for k := range n {
		t.alone(buf, records, &s[k], c)
	}
}

// pairAt is the pair of bytes that starts at i. With an unsigned i it compiles
// to one load.
func pairAt(buf []byte, i uint) uint16 { return uint16(buf[i]) | uint16(buf[i+1])<<8 }

// first takes a stretch as far as four bytes are behind it.
func (t *table) first(buf []byte, records []agent.Record, s *stretch, c *Candidates) {
	end := s.end
	s.end = min(end, 2)
	t.alone(buf, records, s, c)
	s.end = end
}

// alone finishes one stretch.
func (t *table) alone(buf []byte, records []agent.Record, s *stretch, c *Candidates) {
	i := s.at
	for i < s.end {
		step := uint(t.shift[pairAt(buf, i)])
		if step == 0 {
			if i < 2 || t.filter.has(kindOf(buf, i-2)) {
				t.check(buf, records, i, s, c)
			}
			step = 1
		}
		i += step
	}
	s.at = i
}

// sideBySide goes through all stretches until one ends: their loads do not wait
// for one another.
func (t *table) sideBySide(buf []byte, records []agent.Record, s *[streams]stretch, c *Candidates) {
	for {
		safe := math.MaxInt // steps that end no stretch
		for k := range s {
			safe = min(safe, (int(s[k].end)-int(s[k].at))/t.most)
		}
		if safe <= 0 {
			return
		}
		for safe > 0 {
			if safe = t.hop(buf, s, safe); safe == 0 {
				break
			}
			for k := range s { // a window may end here
				step := uint(t.shift[pairAt(buf, s[k].at)])
				if step == 0 {
					if t.filter.has(kindOf(buf, s[k].at-2)) {
						t.check(buf, records, s[k].at, &s[k], c)
					}
					step = 1
				}
				s[k].at += step
			}
			safe--
		}
	}
}

// hop goes at most n steps, until a target may be somewhere, and returns how many
// are left. It calls nothing, so that all that the loop needs is in registers.
func (t *table) hop(buf []byte, s *[streams]stretch, n int) (left int) {
	shift, f := &t.shift, &t.filter
	i0, i1, i2, i3 := s[0].at, s[1].at, s[2].at, s[3].at
	for ; n > 0; n-- {
		n0 := uint(shift[pairAt(buf, i0)])
		n1 := uint(shift[pairAt(buf, i1)])
		n2 := uint(shift[pairAt(buf, i2)])
		n3 := uint(shift[pairAt(buf, i3)])
		if n0 == 0 {
			if f.has(kindOf(buf, i0-2)) {
				break
			}
			n0 = 1
		}
		if n1 == 0 {
			if f.has(kindOf(buf, i1-2)) {
				break
			}
			n1 = 1
		}
		if n2 == 0 {
			if f.has(kindOf(buf, i2-2)) {
				break
			}
			n2 = 1
		}
		if n3 == 0 {
			if f.has(kindOf(buf, i3-2)) {
				break
			}
			n3 = 1
		}
		i0, i1, i2, i3 = i0+n0, i1+n1, i2+n2, i3+n3
	}
	s[0].at, s[1].at, s[2].at, s[3].at = i0, i1, i2, i3
	return n
}
