package forward

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"sync"
	"time"

	"github.com/cespare/xxhash/v2"
	"github.com/tinylib/msgp/msgp"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/forward"
	"github.com/webgrip/logkeel/agent/spool"
)

const (
	maxGroup  = 8 << 20 // bytes in memory from which on clients wait for the disk
	maxFrame  = 1 << 20 // bytes from which on what follows goes into another frame
	maxNamed  = 1000    // tags that a loss is counted by
	maxRecord = 16 << 20
	// Records from which on what follows goes into another frame: small ones take
	// far more memory behind the spool than in it.
	maxRecords = 8 << 10
	idsKept    = 16 << 10 // chunks that are known again
	keptFrame  = 2 << 20

	messageCost = 64  // bytes that a message takes beside its own
	frameCost   = 256 // likewise a frame, beside its tag, which it has three times
)

// A store puts what connections received on the disk, all that came while the
// last sync ran by one write and one sync, and acknowledges it then. Clients
// wait for it only while more than maxGroup is not written.
type store struct {
	name    string
	spool   *spool.Spool
	trouble *agent.Trouble
	written chan struct{} // for the dispatcher: there is something to read

	mu      sync.Mutex
	room    sync.Cond // there is, or it is over
	filled  chan struct{}
	group   *group // what comes now
	spare   *group
	ids     recent
	sources map[string]string // by tag: what losses are counted by
	closed  bool              // nothing is put any more
	over    bool              // and run ends

	lost bool // run's: something was given up, so that no id means any more that it is here
}

// A group is what one Append takes.
type group struct {
	frames []*frame
	open   map[string]*frame // by tag: the one that takes what comes next
	acks   []ack
	bytes  int
	spare  []*frame
}

// A frame is records of one tag, encoded as a string and forward.Entries.
type frame struct {
	buf         []byte
	source      string
	records     int
	first, last int64
}

// An ack is due when its group is on the disk.
type ack struct {
	to *conn
	id string
}

var errOver = errors.New("the collector stops")

func newStore(name string, s *spool.Spool, log *slog.Logger) *store {
	st := &store{
		name: name, spool: s, trouble: agent.NewTrouble(log),
		written: make(chan struct{}, 1), filled: make(chan struct{}, 1),
		group: &group{open: map[string]*frame{}}, spare: &group{open: map[string]*frame{}},
		ids: recent{known: map[chunk]struct{}{}}, sources: map[string]string{},
	}
	st.room.L = &st.mu
	return st
}

func signal(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}

// put takes a message whose entries are sound, and keeps nothing of it. It
// returns before the message is on the disk; c gets the acknowledgement.
func (s *store) put(c *conn, m *forward.Message, pieces []piece) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.group.bytes >= maxGroup && !s.closed {
		s.room.Wait()
	}
	if s.closed {
		return errOver
	}
	g := s.group
	g.bytes += messageCost + len(m.Chunk)
	if len(m.Chunk) > 0 {
		id := string(m.Chunk)
		g.acks = append(g.acks, ack{c, id})
		c.owed.Add(1)
		signal(s.filled)
		if !s.ids.add(chunkKey(m)) {
			return nil // it is here, or was: its acknowledgement did not arrive
		}
	}
	for i := range pieces {
		g.add(s, m.Tag, &pieces[i])
	}
	signal(s.filled)
	return nil
}

// A piece is some of a message's entries, not many bytes of them.
type piece struct {
	b           []byte
	records     int
	first, last int64 // the least and the greatest time; of records without one it is now
}

// split says what entries a message has, in pieces; an error says what is wrong
// with them.
func split(pieces []piece, b []byte) ([]piece, error) {
	now := time.Now().UnixNano()
	for len(b) > 0 {
		p := piece{first: math.MaxInt64, last: math.MinInt64}
		rest := b
		for len(rest) > 0 && len(b)-len(rest) < maxFrame && p.records < maxRecords {
			e, next, err := forward.NextEntry(rest)
			if err == nil && len(e.Record) > maxRecord {
				err = fmt.Errorf("a record of %d bytes is over the limit of %d", len(e.Record), maxRecord)
			}
			if err != nil {
				return pieces, fmt.Errorf("%w: %w", forward.ErrMalformed, err)
			}
			if e.Time == 0 {
				e.Time = now
			}
			p.records++
			p.first, p.last = min(p.first, e.Time), max(p.last, e.Time)
			rest = next
		}
		p.b = b[:len(b)-len(rest)]
		pieces, b = append(pieces, p), rest
	}
	return pieces, nil
}

// add puts the piece into the frame that takes what comes of its tag.
func (g *group) add(s *store, tag []byte, p *piece) {
	f := g.open[string(tag)]
	if f == nil || len(f.buf)+len(p.b) > maxFrame || f.records+p.records > maxRecords {
		f = g.blank()
		name := string(tag)
		*f = frame{buf: msgp.AppendString(f.buf[:0], name), source: s.source(name), first: math.MaxInt64, last: math.MinInt64}
		g.open[name] = f
		g.frames = append(g.frames, f)
		g.bytes += frameCost + 3*len(tag)
	}
	f.buf = append(f.buf, p.b...)
	f.records += p.records
	f.first, f.last = min(f.first, p.first), max(f.last, p.last)
	g.bytes += len(p.b)
}

func (g *group) blank() *frame {
	n := len(g.spare)
	if n == 0 {
		return &frame{}
	}
	f := g.spare[n-1]
	g.spare = g.spare[:n-1]
	return f
}

// reset empties the group and keeps some of its memory.
func (g *group) reset() {
	for _, f := range g.frames {
		if cap(f.buf) <= keptFrame && len(g.spare) < maxGroup/keptFrame {
			g.spare = append(g.spare, f)
		}
	}
	clear(g.frames)
	clear(g.acks)
	clear(g.open)
	g.frames, g.acks, g.bytes = g.frames[:0], g.acks[:0], 0
}

// source is what losses of the tag are counted by.
func (s *store) source(tag string) string {
	id := s.sources[tag]
	if id == "" {
		if len(s.sources) >= maxNamed {
			return "forward/" + s.name + ":" + other
		}
		id = "forward/" + s.name + ":" + tag
		s.sources[tag] = id
	}
	return id
}

// run writes until finish is called, and then once more.
func (s *store) run(ctx context.Context) {
	var frames []spool.Frame
	for {
		<-s.filled
		s.mu.Lock()
		g, over := s.group, s.over
		s.group, s.spare = s.spare, nil
		s.room.Broadcast()
		s.mu.Unlock()
		frames = g.encode(frames[:0])
		s.write(ctx, g, frames)
		clear(frames)
		g.reset()
		s.mu.Lock()
		s.spare = g
		s.mu.Unlock()
		if over {
			return
		}
	}
}

// encode makes frames for the spool.
func (g *group) encode(frames []spool.Frame) []spool.Frame {
	for _, f := range g.frames {
		frames = append(frames, spool.Frame{
			Payload: f.buf, Records: f.records,
			Ranges: []spool.Range{{Source: f.source, Records: f.records, First: f.first, Last: f.last}},
		})
	}
	return frames
}

// write puts the group on the disk and acknowledges it. While that fails it is
// tried again, and clients wait; once ctx is done the clients keep what they have.
func (s *store) write(ctx context.Context, g *group, frames []spool.Frame) {
	for !s.lost {
		_, err := s.spool.Append(frames)
		if err == nil {
			break
		}
		s.trouble.Fail(err, "what clients send cannot be written; they wait, and nothing is acknowledged; free space in state_dir or make it writable")
		select {
		case <-ctx.Done():
			s.lost = true
		case <-time.After(time.Second):
		}
	}
	if s.lost {
		for _, a := range g.acks {
			a.to.abandon()
		}
		return
	}
	s.trouble.Clear("what clients send is written again")
	if len(frames) > 0 {
		signal(s.written)
	}
	for _, a := range g.acks {
		a.to.acknowledge(a.id)
	}
}

// close takes nothing more.
func (s *store) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	s.room.Broadcast()
}

// finish makes run write what is there, and end. Nothing is put afterwards.
func (s *store) finish() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed, s.over = true, true
	signal(s.filled)
}

// A chunk is known by its id and by what it holds: clients that merely count
// their chunks have the same ids.
type chunk struct{ id, content uint64 }

func chunkKey(m *forward.Message) chunk {
	d := xxhash.New()
	d.Write(m.Tag)
	d.Write([]byte{0})
	d.Write(m.Entries)
	return chunk{xxhash.Sum64(m.Chunk), d.Sum64()}
}

// recent are the chunks that came last.
type recent struct {
	known map[chunk]struct{}
	order []chunk // a ring, once it is full
	next  int
}

// add reports whether the chunk is new.
func (r *recent) add(c chunk) bool {
	if _, ok := r.known[c]; ok {
		return false
	}
	if len(r.order) < idsKept {
		r.order = append(r.order, c)
	} else {
		delete(r.known, r.order[r.next])
		r.order[r.next] = c
		r.next = (r.next + 1) % idsKept
	}
	r.known[c] = struct{}{}
	return true
}
