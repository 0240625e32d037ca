package spool

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"slices"

	"github.com/webgrip/logkeel/agent"
)

// keepBuffer is how much of the encoding buffer outlives an Append: enough for
// four frames of a MiB.
const keepBuffer = 5 << 20

// rangesGuess is what the ranges of a frame take in most cases.
const rangesGuess = 1 << 10

// Append puts the frames on the disk with one write and one sync, gives them
// seqs from first on, and keeps nothing of them. After an error none of them is
// taken, and the same Append may succeed later. Where they do not fit, the
// oldest segments are dropped, or with Block the error wraps ErrFull; frames that
// would not fit into an empty spool are an error.
func (s *Spool) Append(frames []Frame) (first uint64, err error) {
	s.appendMu.Lock()
	defer s.appendMu.Unlock()
	s.mu.Lock()
	closed, first := s.closed, s.next
	s.mu.Unlock()
	if closed {
		return 0, ErrClosed
	}
	if len(frames) == 0 {
		return first, nil
	}
	refs, err := s.encode(first, frames)
	if err == nil {
		err = s.makeRoom(int64(len(s.buf)))
	}
	if err == nil {
		err = s.write(first, refs, frames)
	}
	if cap(s.buf) > keepBuffer {
		s.buf = nil
	}
	if err != nil {
		if !s.o.Block || !errors.Is(err, ErrFull) {
			s.writeFailed()
		}
		return 0, err
	}
	s.level()
	return first, nil
}

// encode fills buf with room for a segment's header and the frames, not sealed
// yet. The refs lie as they would in a new segment.
func (s *Spool) encode(first uint64, frames []Frame) ([]ref, error) {
	size := int64(segmentHeader)
	for i := range frames {
		if err := frames[i].check(); err != nil {
			return nil, err
		}
		if size += frameHeader + int64(len(frames[i].Payload)); size > s.o.MaxBytes {
			return nil, errTooMany(len(frames), s.o.MaxBytes)
		}
	}
	refs := make([]ref, len(frames))
	b := slices.Grow(s.buf[:0], int(size)+rangesGuess*len(frames))[:segmentHeader]
	defer func() { s.buf = b }()
	for i := range frames {
		f := &frames[i]
		start := len(b)
		b = slices.Grow(b, frameHeader)[:start+frameHeader]
		b = appendRanges(b, f.Ranges)
		ranges := b[start+frameHeader:]
		if len(ranges) > maxRanges {
			return nil, fmt.Errorf("ranges of %d sources take %d bytes, over the spool's limit of %d", len(f.Ranges), len(ranges), maxRanges)
		}
		h := header{
			ranges:     uint32(len(ranges)),
			payload:    uint32(len(f.Payload)),
			records:    uint32(f.Records),
			seq:        first + uint64(i),
			rangesSum:  checksum(ranges),
			payloadSum: checksum(f.Payload),
		}
		b = append(b, f.Payload...)
		h.put(b[start:])
		refs[i] = ref{off: int64(start), size: uint32(len(b) - start)}
	}
	if int64(len(b)) > s.o.MaxBytes {
		return nil, errTooMany(len(frames), s.o.MaxBytes)
	}
	return refs, nil
}

func errTooMany(frames int, limit int64) error {
	return fmt.Errorf("%d frames are more than the %d bytes that the spool may have", frames, limit)
}

// check says what is wrong with a frame that cannot be appended.
func (f *Frame) check() error {
	if len(f.Payload) > maxPayload {
		return fmt.Errorf("frame of %d bytes is over the spool's limit of %d", len(f.Payload), maxPayload)
	}
	if f.Records < 0 || f.Records > math.MaxInt32 {
		return fmt.Errorf("frame has %d records", f.Records)
	}
	for i := range f.Ranges {
		if r := &f.Ranges[i]; r.Records < 0 || r.Records > math.MaxInt32 {
			return fmt.Errorf("range of %s has %d records", r.Source, r.Records)
		}
	}
	return nil
}

// makeRoom drops the oldest segments until n bytes more fit.
func (s *Spool) makeRoom(n int64) error {
	for {
		s.mu.Lock()
		fits := len(s.segs) == 0 || s.bytes+n <= s.o.MaxBytes
		s.mu.Unlock()
		if fits {
			return nil
		}
		if s.o.Block {
			return fmt.Errorf("%w: %d of %d bytes are taken", ErrFull, s.Bytes(), s.o.MaxBytes)
		}
		drops, err := s.dropOldest()
		s.report(drops, ErrFull)
		if err != nil {
			return fmt.Errorf("%w, and what was dropped still takes its place: %w", ErrFull, err)
		}
	}
}

// dropOldest drops one segment, even the active one. What was done of it is no
// loss.
func (s *Spool) dropOldest() ([]Drop, error) {
	s.commitMu.Lock()
	defer s.commitMu.Unlock()
	s.mu.Lock()
	if len(s.segs) == 0 {
		s.mu.Unlock()
		return nil, nil // acknowledged in the meantime
	}
	g := s.segs[0]
	if g == s.active {
		s.active = nil
	}
	var done []ref
	for _, r := range g.refs {
		if _, ok := s.ahead[g.seq(r)]; ok || g.seq(r) < s.done {
			done = append(done, r)
			delete(s.ahead, g.seq(r))
		}
	}
	lost := len(g.refs) - len(done)
	s.done = max(s.done, g.end())
	s.advance()
	s.counts.frames[Full] += uint64(lost)
	s.mu.Unlock()
	var drops []Drop
	if lost > 0 {
		drops = s.undone(g, done)
	}
	return drops, s.releaseLocked(nil)
}

// undone is what g holds less what is done. What cannot be read of the done is
// not taken off.
func (s *Spool) undone(g *segment, done []ref) []Drop {
	ts := slices.Clone(g.tallies)
	if len(done) > 0 {
		ts = s.subtract(ts, g, done)
	}
	drops := make([]Drop, 0, len(ts))
	for i := range ts {
		if t := &ts[i]; t.frames > 0 {
			drops = append(drops, Drop{Source: t.source.Value(), Records: t.records, Frames: t.frames, To: t.to, First: t.first, Last: t.last, Reason: Full})
		}
	}
	return drops
}

func (s *Spool) subtract(ts []tally, g *segment, done []ref) []tally {
	f, err := s.o.FS.OpenFile(g.path, os.O_RDONLY, 0)
	if err != nil {
		return ts
	}
	defer f.Close()
	w := window{f: f, size: g.size}
	for _, r := range done {
		h, err := w.header(r.off, g.seed)
		if err != nil {
			continue
		}
		ranges, err := w.ranges(r.off, h, g.name)
		if err != nil || len(ranges) == 0 {
			tallyOf(&ts, "").count(-1, -int(h.records), agent.Position{})
		}
		for i := range ranges {
			tallyOf(&ts, ranges[i].Source).count(-1, -ranges[i].Records, agent.Position{})
		}
	}
	return ts
}

// write puts buf at the end of the active segment, or into a new one.
func (s *Spool) write(first uint64, refs []ref, frames []Frame) error {
	g, fresh, err := s.target(first)
	if err != nil {
		return err
	}
	b := s.buf
	if !fresh {
		b = b[segmentHeader:]
		for i := range refs {
			refs[i].off += g.size - segmentHeader
		}
	}
	base := refs[0].off
	if fresh {
		base = 0
	}
	for i := range refs {
		refs[i].seq = uint32(first - g.first + uint64(i))
		seal(b[refs[i].off-base:], g.seed)
	}
	_, err = g.file.WriteAt(b, base)
	if err == nil {
		err = g.file.Sync()
	}
	if err == nil && fresh {
		err = s.o.FS.SyncDir(s.dir)
	}
	if err != nil {
		s.abandon(g, fresh)
		return fmt.Errorf("append to %s: %w", g.path, err)
	}
	s.publish(g, fresh, int64(len(b)), refs, frames)
	return nil
}

// target returns the segment to append to, with its file open.
func (s *Spool) target(first uint64) (g *segment, fresh bool, err error) {
	n := int64(len(s.buf)) - segmentHeader
	s.mu.Lock()
	g = s.active
	if g != nil && (g.size >= s.o.SegmentBytes || g.size > segmentHeader && g.size+n > s.o.SegmentBytes || first-g.first > math.MaxInt32) {
		s.active = nil
		if s.reading != g {
			g.close() // synced by each Append
		}
		g = nil
	}
	s.mu.Unlock()
	if g != nil {
		return g, false, nil
	}
	g = &segment{first: first, path: segmentPath(s.dir, first)}
	var salt [8]byte
	rand.Read(salt[:]) // never fails
	g.seed = putSegmentHeader(s.buf, first, binary.LittleEndian.Uint64(salt[:]))
	g.file, err = s.o.FS.OpenFile(g.path, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	return g, true, err
}

// abandon takes back what was written and appends to this segment no more: the
// disk may have any part of it. What stays after all has seqs that the next
// segment will have, and is ignored for that.
func (s *Spool) abandon(g *segment, fresh bool) {
	g.file.Truncate(g.size) // see above
	if fresh {
		g.close()
		s.o.FS.Remove(g.path) // the next try truncates it
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.active = nil
	if s.reading != g {
		g.close()
	}
}

func (s *Spool) publish(g *segment, fresh bool, n int64, refs []ref, frames []Frame) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if fresh {
		s.segs = append(s.segs, g)
		s.active = g
	}
	g.size += n
	s.bytes += n
	g.refs = append(g.refs, refs...)
	for i := range frames {
		g.add(frames[i].Records, frames[i].Ranges)
	}
	s.next += uint64(len(frames))
}
