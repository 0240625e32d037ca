package fluentd

import (
	"encoding/base64"
	"encoding/binary"
	"iter"
	"slices"
	"time"

	"github.com/cespare/xxhash/v2"
	"github.com/tinylib/msgp/msgp"

	"github.com/webgrip/logkeel/agent/forward"
)

// Forward has no refusal: a receiver drops a chunk that it does not want, or the
// connection, without a word. A chunk that stays unacknowledged again and again
// is sent in halves, so that what is wanted of it gets through. A record that
// stays so by itself while others get through is given up.
const (
	patienceWith = 3    // connections that a chunk may outlast unacknowledged
	maxSuspects  = 4096 // chunks of which that is remembered
	forgetAfter  = 64   // connections
)

// A chunkID is what a chunk is acknowledged by.
type chunkID [forward.ChunkIDLen]byte

// A suspect is a chunk that was in flight when a connection ended.
type suspect struct {
	passed int // connections that ended so while chunks sent after it were acknowledged
	ended  int // connections that ended so with it the oldest, and nothing after it acknowledged
	seen   int // the last connection that had it in flight
	// The parts in which the chunk is sent, less those that are done; nil
	// while it is sent as a whole.
	parts []part
}

// A part is a range of a chunk's records, as indexes.
type part struct{ from, to int }

// tried reports whether the chunk was sent often enough as it is.
func (s *suspect) tried() bool { return s != nil && max(s.passed, s.ended) >= patienceWith }

// flight yields the chunks in flight, as they were sent.
func (q *queue) flight() iter.Seq[*chunk] {
	return func(yield func(*chunk) bool) {
		for _, c := range q.disk {
			if !yield(c) {
				return
			}
		}
		for _, c := range q.mem[:q.sent] {
			if !c.acked && !yield(c) {
				return
			}
		}
	}
}

// overtake notes that c was acknowledged before those that were sent before it.
func (q *queue) overtake(c *chunk) {
	for o := range q.flight() {
		if o == c {
			return
		}
		o.overtaken = true
	}
}

// judge notes what is in flight while a connection ends, and returns the chunks
// of one record that are to be given up. Of what was overtaken, only what is
// overdue or the oldest counts: a receiver may acknowledge in any order.
func (q *queue) judge() (refused []*chunk) {
	q.ended++
	if q.waiting != nil { // its probe is no suspect
		if s := q.suspect(q.waiting.id); s != nil {
			s.ended++
		}
		return nil
	}
	now := time.Now()
	i := -1
	for c := range q.flight() {
		i++
		oldest, onDisk := i == 0, i < len(q.disk)
		switch {
		case c.overtaken && (oldest || c != q.writing && now.Sub(c.sent) >= q.limits.overdue):
			if s := q.suspect(c.id); s != nil {
				s.passed++
			}
		case oldest && !c.overtaken:
			if s := q.suspect(c.id); s != nil {
				s.ended++
				if c.proven {
					s.passed++
				}
			}
		}
		if s := q.suspects[c.id]; onDisk && c.records == 1 && s != nil && s.passed >= patienceWith && s.seen == q.ended {
			refused = append(refused, c)
		}
		// What is sent in parts is taken from the spool.
		q.urgent = q.urgent || !onDisk && q.suspects[c.id].tried()
	}
	return refused
}

// suspect returns what is known of the chunk, or nil where there are too many.
func (q *queue) suspect(id chunkID) *suspect {
	s := q.suspects[id]
	if s == nil {
		if len(q.suspects) >= maxSuspects {
			for id, s := range q.suspects { // the spool was full and dropped them
				if s.seen < q.ended-forgetAfter {
					delete(q.suspects, id)
				}
			}
		}
		if len(q.suspects) >= maxSuspects {
			return nil
		}
		s = &suspect{}
		q.suspects[id] = s
	}
	s.seen = q.ended
	return s
}

// held reports whether something is not acknowledged that was in flight when the
// last connection ended.
func (q *queue) held() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, s := range q.suspects {
		if s.seen == q.ended && s.parts == nil && max(s.passed, s.ended) > 0 {
			return true
		}
	}
	return false
}

// A dissection is a chunk of the spool that is sent in parts.
type dissection struct {
	c     *chunk
	ends  []int  // offsets in c's frame of the ends of its entries
	parts []part // still to be sent
}

// dissect reports whether c, just read from the spool, goes out in parts, and
// makes them the next to be sent. The caller holds mu.
func (q *queue) dissect(c *chunk) bool {
	s := q.suspects[c.id]
	if s == nil || s.parts == nil && (!s.tried() || c.records < 2) {
		return false
	}
	entries, ends := entriesOf(c.frame)
	if len(ends) != c.records || entries == 0 {
		return false // not a frame of ours
	}
	c.entries = entries
	if s.parts == nil {
		s.parts = []part{{0, c.records}}
		s.parts = q.halve(c.id, s.parts, 0)
	} else {
		for i := len(s.parts) - 1; i >= 0; i-- {
			if p := s.parts[i]; p.to-p.from > 1 && q.suspects[partID(c.id, p)].tried() {
				s.parts = q.halve(c.id, s.parts, i)
			}
		}
	}
	s.seen = q.ended
	q.cutting = dissection{c: c, ends: ends, parts: slices.Clone(s.parts)}
	return true
}

// halve replaces a part by its halves. These are tried once before they are
// halved in turn; a single record is tried as often as a whole chunk.
func (q *queue) halve(whole chunkID, parts []part, i int) []part {
	p := parts[i]
	middle := (p.from + p.to) / 2
	halves := []part{{p.from, middle}, {middle, p.to}}
	delete(q.suspects, partID(whole, p))
	for _, h := range halves {
		if h.to-h.from > 1 {
			if s := q.suspect(partID(whole, h)); s != nil {
				s.passed, s.ended = patienceWith-1, patienceWith-1
			}
		}
	}
	q.halved++
	return slices.Replace(parts, i, i+1, halves...)
}

// takePart makes a chunk of the next part of what is being dissected.
func (q *queue) takePart() *chunk {
	d := &q.cutting
	p := d.parts[0]
	d.parts = d.parts[1:]
	from := d.c.entries
	if p.from > 0 {
		from = d.ends[p.from-1]
	}
	c := q.blank()
	frame := append(c.frame[:0], d.c.frame[:d.c.entries]...)
	frame = append(frame, d.c.frame[from:d.ends[p.to-1]]...)
	*c = chunk{id: partID(d.c.id, p), frame: frame, entries: d.c.entries, records: p.to - p.from, seq: d.c.seq, source: d.c.source, whole: d.c.id, part: p}
	c.seal()
	if len(d.parts) == 0 {
		q.endCutting()
	}
	return c
}

func (q *queue) endCutting() {
	if q.cutting.c != nil {
		q.recycle(q.cutting.c)
		q.cutting = dissection{}
	}
}

// finished notes that c, a chunk of the spool, is acknowledged or given up. It
// returns the frame that is done with it, or 0. The caller holds mu.
func (q *queue) finished(c *chunk) (seq uint64) {
	delete(q.suspects, c.id)
	if c.part == (part{}) {
		return c.seq
	}
	s := q.suspects[c.whole]
	if s == nil {
		return 0 // forgotten: the whole is sent again
	}
	if i := slices.Index(s.parts, c.part); i >= 0 {
		s.parts = slices.Delete(s.parts, i, i+1)
	}
	if len(s.parts) > 0 {
		return 0
	}
	delete(q.suspects, c.whole)
	return c.seq
}

// partID is the id of a part: the same whenever it is sent.
func partID(whole chunkID, p part) (id chunkID) {
	var b [forward.ChunkIDLen + 17]byte
	copy(b[:], whole[:])
	binary.LittleEndian.PutUint64(b[forward.ChunkIDLen:], uint64(p.from))
	binary.LittleEndian.PutUint64(b[forward.ChunkIDLen+8:], uint64(p.to))
	var raw [16]byte
	binary.LittleEndian.PutUint64(raw[:], xxhash.Sum64(b[:]))
	b[len(b)-1] = 1
	binary.LittleEndian.PutUint64(raw[8:], xxhash.Sum64(b[:]))
	base64.StdEncoding.Encode(id[:], raw[:])
	return id
}

// entriesOf finds the entries of a PackedForward message: where they begin, and
// where each ends. A frame that is none has none.
func entriesOf(frame []byte) (start int, ends []int) {
	n, b, err := msgp.ReadArrayHeaderBytes(frame)
	if err != nil || n != 3 {
		return 0, nil
	}
	if _, b, err = msgp.ReadStringZC(b); err != nil {
		return 0, nil
	}
	packed, rest, err := msgp.ReadBytesZC(b)
	if err != nil {
		return 0, nil
	}
	start = len(frame) - len(rest) - len(packed)
	for len(packed) > 0 {
		if packed, err = msgp.Skip(packed); err != nil {
			return 0, nil
		}
		ends = append(ends, len(frame)-len(rest)-len(packed))
	}
	return start, ends
}
