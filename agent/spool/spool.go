// Package spool is a queue on the disk. An output puts into it, in order, what
// its receiver does not take fast enough, and may say that it is safe as soon
// as Append returned. Frames are read in order, acknowledged in any order, and
// go with whole segment files. Nothing but a full spool or a damaged disk loses
// a frame, and what is lost is counted and said.
package spool

import (
	"errors"
	"log/slog"
	"sync"

	"github.com/webgrip/logkeel/agent"
)

const (
	defaultMaxBytes     = 1 << 30
	defaultSegmentBytes = 8 << 20
	segmentsAtLeast     = 8 // in a full spool: what dropping one costs
)

var (
	// ErrClosed is returned by a spool that was closed.
	ErrClosed = errors.New("spool is closed")
	// ErrFull is wrapped by the error of an Append for which there is no room.
	ErrFull = errors.New("spool is full")
)

// A Range is what a frame covers of one source.
type Range struct {
	Source  string         // the source's ID
	To      agent.Position // the frame and those before it cover the source up to here
	Records int
	// The least and the greatest time of its records, in nanoseconds since 1970;
	// 0 where they are not known.
	First, Last int64
}

// A Frame is one unit of sending. Seqs start at 1 and ascend; there may be gaps.
type Frame struct {
	Seq     uint64 // given by Append
	Payload []byte
	Ranges  []Range // nil where only they were damaged on the disk
	Records int     // in the payload
}

// A Reason says why frames were dropped.
type Reason string

// The reasons. A corrupt frame is one that the disk did not give back.
const (
	Full    Reason = "full"
	Corrupt Reason = "corrupt"
)

// A Drop is what was lost of one source. Source is empty where that is not
// known, and Records is then 0 or what is known of them.
type Drop struct {
	Source  string
	Records int
	Frames  int            // frames that held them; one with several sources is in the Drop of each
	To      agent.Position // the greatest that was lost; zero where not known
	// Between these times, in nanoseconds since 1970; 0 where they are not known.
	First, Last int64
	Reason      Reason
}

// Options of a spool. The zero value is good.
type Options struct {
	MaxBytes     int64 // of all segments; 0: 1 GiB
	SegmentBytes int64 // from which on a new segment is begun; 0: 8 MiB; at most MaxBytes/8
	FS           FS    // nil: the operating system's
	Block        bool  // where there is no room, Append fails and nothing is dropped
	Log          *slog.Logger
	Labels       []agent.Label // on every sample of Meter

	// OnDrop is called for each source of which something was lost, from
	// within Open, Append and Next. It must not call these, or Close.
	OnDrop func(Drop)
}

// A Spool is the queue. All methods may be called from any goroutine; neither
// Next nor Done waits for the sync of an Append.
type Spool struct {
	dir string
	o   Options
	log *slog.Logger

	// Locked in this order. Only mu is ever held for a short time.
	appendMu sync.Mutex // Append
	readMu   sync.Mutex // Next
	commitMu sync.Mutex // the files of what is done, and the removal of segments

	buf     []byte // Append's
	scratch []byte // Next's
	failed  tries  // Next's
	commit  commit // commitMu's
	acked   acked  // commitMu's

	full     *agent.Trouble
	corrupt  *agent.Trouble
	removing *agent.Trouble
	writing  *agent.Trouble
	dropped  episode

	mu      sync.Mutex
	closed  bool
	segs    []*segment // ascending; removed from the front
	active  *segment   // the last one, or nil where Append has to begin one
	reading *segment   // the one that Next has open, or nil
	next    uint64     // seq of the next frame to be appended
	done    uint64     // all below are done: the first frame that is not, or next
	ahead   map[uint64]struct{}
	cursor  uint64 // Next gives no frame below
	bytes   int64  // of segs
	tight   bool   // it was said that little room is left
	counts  counts
}

func (o Options) withDefaults() Options {
	if o.MaxBytes <= 0 {
		o.MaxBytes = defaultMaxBytes
	}
	if o.SegmentBytes <= 0 {
		o.SegmentBytes = defaultSegmentBytes
	}
	o.SegmentBytes = min(o.SegmentBytes, o.MaxBytes/segmentsAtLeast)
	if o.FS == nil {
		o.FS = osFS{}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// Done says that the receiver has the frame. It is nothing for a frame that was
// dropped or is done already.
func (s *Spool) Done(seq uint64) {
	s.mu.Lock()
	if s.closed || !s.markDone(seq) {
		s.mu.Unlock()
		return
	}
	s.mu.Unlock()
	s.release(seq)
}

// SkipTo moves the cursor on to seq: the frames below are on their way already.
func (s *Spool) SkipTo(seq uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cursor = max(s.cursor, seq)
}

// Rewind puts the cursor back to the first frame that is not done.
func (s *Spool) Rewind() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cursor = s.done
}

// End is the seq that the next frame will have.
func (s *Spool) End() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.next
}

// Empty reports whether all frames are done.
func (s *Spool) Empty() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.done == s.next
}

// Bytes is what the segments take on the disk.
func (s *Spool) Bytes() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.bytes
}

// Frames is how many frames are not done.
func (s *Spool) Frames() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	frames, _ := s.countFrom(s.done)
	return frames
}

// Unread is how many frames Next has still to give, and their bytes on the disk.
func (s *Spool) Unread() (frames int, bytes int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.countFrom(max(s.cursor, s.done))
}

// Positions yields how far each source is covered by the frames that are on the
// disk, done or not.
func (s *Spool) Positions(yield func(source string, p agent.Position)) {
	s.mu.Lock()
	greatest := map[string]agent.Position{}
	for _, g := range s.segs {
		for i := range g.tallies {
			t := &g.tallies[i]
			if source := t.source.Value(); greatest[source].Before(t.to) {
				greatest[source] = t.to
			}
		}
	}
	s.mu.Unlock()
	for source, p := range greatest {
		yield(source, p)
	}
}

// Close writes how far all is done. What is done is removed.
func (s *Spool) Close() error {
	s.appendMu.Lock()
	defer s.appendMu.Unlock()
	s.readMu.Lock()
	defer s.readMu.Unlock()
	s.commitMu.Lock()
	defer s.commitMu.Unlock()
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	s.active = nil
	s.mu.Unlock()

	s.releaseLocked(nil)
	err := errors.Join(s.commit.store(s.done), s.commit.sync())
	for _, g := range s.segs {
		err = errors.Join(err, g.close())
	}
	err = errors.Join(err, s.commit.close(), s.acked.close())
	s.dropsEnd("spool is closed after records were dropped")
	return err
}
