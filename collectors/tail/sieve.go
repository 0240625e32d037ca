package tail

import (
	"math/bits"

	"github.com/webgrip/logkeel/agent"
)

const (
	// siftLeast is the size of a block from which on it is worth while to look
	// through it before it is decoded.
	siftLeast = 4 << 10
	// siftRest is for how many blocks nothing is looked through where most lines
	// had to be decoded after all.
	siftRest = 15
	// siftKept is for how large a block a log that is idle keeps memory.
	siftKept = 16 << 10
)

// A sieve passes over the lines of a block that nobody wants, so that they need
// not be decoded. All that is known of a line without that stays known: where it
// ends, its time, how long its text is, and that it is one of Docker's. A line that
// is anything but usual is decoded.
type sieve struct {
	filter agent.Filter // nil: each line is decoded

	lines agent.Batch // usual ones of the block; End is where the next line begins
	marks marks
	want  []uint64 // bits of those to be decoded
	all   int      // from which one on all are
	at    int      // the one that is next
	seen  int      // lines of the block
	rest  int      // blocks for which the sieve rests
	odd   int      // the batch's records from here on are of lines that are not usual; -1: none is
}

// due reports whether the next block is worth a look.
func (s *sieve) due() bool {
	if !CanSift() {
		return false
	}
	if s.rest > 0 {
		s.rest--
		return false
	}
	return true
}

// look looks through a block. A usual line's text is shorter than most.
func (s *sieve) look(block []byte, most int, clock *rfc3339) {
	s.lines.Records, s.at, s.all, s.seen, s.odd = s.lines.Records[:0], 0, 0, 0, -1
	if s.filter == nil {
		return
	}
	s.marks.read(block)
	at := 0
	for w, m := range s.marks {
		for ends := m.end; ends != 0; ends &= ends - 1 {
			n := w<<6 + bits.TrailingZeros64(ends)
			s.seen++
			if text, _, tm, ok := fromTail(block[at:n]); ok && text < most {
				if ns, ok := clock.parse(tm); ok {
					from := at + len(head)
					s.lines.Records = append(s.lines.Records, agent.Record{Time: ns, End: int64(n + 1), Body: span(from, from+text)})
				}
			}
			at = n + 1
		}
	}
	n := len(s.lines.Records)
	words := (n + 63) / 64
	if cap(s.want) < words {
		s.want = make([]uint64, words)
	}
	s.want = s.want[:words]
	clear(s.want)
	s.lines.Buf = block
	s.all = min(n, s.filter.Wanted(&s.lines, s.want))
	s.lines.Buf = nil
	wanted := s.seen - s.all
	for _, w := range s.want {
		wanted += bits.OnesCount64(w)
	}
	if 2*wanted > s.seen {
		s.rest = siftRest
	}
}

// shrink drops what a large block took, where no more of that size is to come.
func (s *sieve) shrink(block []byte) {
	if len(block) < blockSize && 64*cap(s.marks) > siftKept {
		s.lines.Records, s.marks, s.want = nil, nil, nil
	}
}

// pass passes over the line at at, and returns where the next one begins; 0 where
// it has to be decoded. It is asked about each line that is no part of another.
func (s *sieve) pass(b *agent.Batch, at int, base int64) (next int) {
	s.decoded(b)
	for s.at < s.all && int(s.lines.Records[s.at].Body.Start) < at+len(head) {
		s.at++
	}
	i := s.at
	if i >= s.all {
		return 0
	}
	l := &s.lines.Records[i]
	size, ok := 0, int(l.Body.Start) == at+len(head)
	if ok {
		size, ok = s.marks.usualSize(b.Buf, int(l.Body.Start), int(l.Body.End))
	}
	if !ok {
		s.odd = len(b.Records)
		return 0
	}
	s.at++
	if s.want[i>>6]&(1<<(i&63)) != 0 {
		return 0
	}
	p := &b.Passed
	p.Filter = s.filter
	p.Lines++
	if n := int32(len(b.Records)); len(b.Gaps) == 0 || b.Gaps[len(b.Gaps)-1] != n {
		b.Gaps = append(b.Gaps, n)
	}
	p.Bytes += size
	p.Time, p.End = l.Time, base+l.End
	return int(l.End)
}

// decoded looks at what came of a line that was not usual: it may open what the
// rules read over several.
func (s *sieve) decoded(b *agent.Batch) {
	if s.odd < 0 {
		return
	}
	for i := s.odd; i < len(b.Records) && s.all > 0; i++ {
		if s.filter.Opens(b.Body(i)) {
			s.all = 0
		}
	}
	s.odd = -1
}
