package spool

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"sort"
	"unique"

	"github.com/webgrip/logkeel/agent"
)

// A segment is one file of frames. All of it is guarded by Spool.mu, but what
// is said never to change.
type segment struct {
	first uint64 // no frame is below; never changes
	seed  uint32 // of the frames' checksums; never changes
	path  string // never changes
	size  int64
	refs  []ref // ascending by seq
	// What the frames hold by source, ascending. Does not change any more once
	// the segment is not the active one.
	tallies []tally
	file    File // open while appended to or read; else nil
	cut     bool // see cutPath; never changes
	gone    bool
}

// A ref says where a frame is.
type ref struct {
	off  int64
	size uint32 // of the whole frame
	seq  uint32 // less the segment's first
}

// A tally is what some frames hold of one source.
type tally struct {
	source  unique.Handle[string]
	records int
	frames  int
	to      agent.Position
	// Between these times; 0 where they are not known.
	first, last int64
}

func segmentPath(dir string, first uint64) string {
	return filepath.Join(dir, fmt.Sprintf("%020d.seg", first))
}

// cutPath is the name of a segment in which something was damaged while it was
// the last: frames that were never synced may be missing in it. It goes on to
// say so when it is the last no more.
func cutPath(dir string, first uint64) string {
	return filepath.Join(dir, fmt.Sprintf("%020d.cut.seg", first))
}

func (g *segment) seq(r ref) uint64 { return g.first + uint64(r.seq) }

// end is the seq after the last frame.
func (g *segment) end() uint64 {
	if len(g.refs) == 0 {
		return g.first
	}
	return g.seq(g.refs[len(g.refs)-1]) + 1
}

// at is the index of the first frame with at least this seq.
func (g *segment) at(seq uint64) int {
	return sort.Search(len(g.refs), func(i int) bool { return g.seq(g.refs[i]) >= seq })
}

func (g *segment) close() error {
	if g.file == nil {
		return nil
	}
	err := g.file.Close()
	g.file = nil
	return err
}

// add tallies one frame. A frame without ranges is one of an unknown source.
func (g *segment) add(records int, ranges []Range) {
	if len(ranges) == 0 {
		tallyOf(&g.tallies, "").count(1, records, agent.Position{})
	}
	for i := range ranges {
		r := &ranges[i]
		t := tallyOf(&g.tallies, r.Source)
		t.count(1, r.Records, r.To)
		t.first, t.last = span(t.first, t.last, r.First, r.Last)
	}
}

func (t *tally) count(frames, records int, to agent.Position) {
	t.frames += frames
	t.records += records
	if t.to.Before(to) {
		t.to = to
	}
}

// span is the time that two spans cover together.
func span(first, last, from, to int64) (int64, int64) {
	switch {
	case from == 0 && to == 0:
		return first, last
	case first == 0 && last == 0:
		return from, to
	}
	return min(first, from), max(last, to)
}

// tallyOf returns the source's tally, made if need be.
func tallyOf(ts *[]tally, source string) *tally {
	i, ok := slices.BinarySearchFunc(*ts, source, func(t tally, s string) int { return cmp.Compare(t.source.Value(), s) })
	if !ok {
		*ts = slices.Insert(*ts, i, tally{source: unique.Make(source)})
	}
	return &(*ts)[i]
}

// name is the source's name without a copy of it: every source of a frame is in
// the tallies of its segment.
func (g *segment) name(b []byte) string {
	i, ok := slices.BinarySearchFunc(g.tallies, b, func(t tally, b []byte) int { return cmp.Compare(t.source.Value(), string(b)) })
	if !ok {
		return string(b)
	}
	return g.tallies[i].source.Value()
}

// from returns the first frame that has at least this seq. The caller holds mu.
func (s *Spool) from(seq uint64) (g *segment, r ref, ok bool) {
	i := sort.Search(len(s.segs), func(i int) bool { return s.segs[i].end() > seq })
	for _, g := range s.segs[i:] {
		if j := g.at(seq); j < len(g.refs) {
			return g, g.refs[j], true
		}
	}
	return nil, ref{}, false
}

// countFrom counts the frames from seq on that are not done. The caller holds mu.
func (s *Spool) countFrom(seq uint64) (frames int, bytes int64) {
	for i := len(s.segs) - 1; i >= 0 && s.segs[i].end() > seq; i-- {
		g := s.segs[i]
		if j := g.at(seq); j < len(g.refs) {
			frames += len(g.refs) - j
			bytes += g.size - g.refs[j].off
		}
	}
	for a := range s.ahead {
		if a >= seq {
			g, r, _ := s.from(a)
			frames--
			if g != nil {
				bytes -= int64(r.size)
			}
		}
	}
	return frames, bytes
}

// markDone marks one frame; ok is false where it is done or dropped already, or
// never was. The caller holds mu.
func (s *Spool) markDone(seq uint64) (ok bool) {
	if seq < s.done || seq >= s.next {
		return false
	}
	if _, ok := s.ahead[seq]; ok {
		return false
	}
	if g, r, ok := s.from(seq); !ok || g.seq(r) != seq {
		return false
	}
	s.ahead[seq] = struct{}{}
	s.advance()
	return true
}

// advance moves done on to the first frame that is not. The caller holds mu.
func (s *Spool) advance() {
	for {
		g, r, ok := s.from(s.done)
		if !ok {
			s.done = s.next
			return
		}
		s.done = g.seq(r)
		if _, ok := s.ahead[s.done]; !ok {
			return
		}
		delete(s.ahead, s.done)
		s.done++
	}
}

// release writes that seq is done and how far all is, and removes the segments
// below.
func (s *Spool) release(seq uint64) {
	s.commitMu.Lock()
	defer s.commitMu.Unlock()
	noted := s.noteAhead(seq)
	s.releaseLocked(noted)
	if s.full.Active() {
		s.roomAgain()
	}
	s.level()
}

// releaseLocked is release for a caller that holds commitMu; noted says what
// went wrong with noting. Its error is that a segment could not be removed; this
// and all else was said.
func (s *Spool) releaseLocked(noted error) error {
	s.mu.Lock()
	done := s.done
	n := 0
	for n < len(s.segs) && s.segs[n] != s.active && s.segs[n].end() <= done {
		n++
	}
	old := s.segs[:n:n]
	s.mu.Unlock()

	err := s.commit.store(done)
	if err == nil && n > 0 {
		err = s.commit.sync()
	}
	if err == nil {
		err = noted
	}
	if err != nil {
		s.writeFailed()
		s.writing.Fail(err, "what the receiver has acknowledged cannot be noted: after a restart it would be sent again", "dir", s.dir)
	} else if s.writing.Active() {
		s.writing.Clear("what the receiver has acknowledged is noted again", "dir", s.dir)
	}
	return s.remove(old)
}

// remove removes the first segments. The caller holds commitMu.
func (s *Spool) remove(old []*segment) error {
	if len(old) == 0 {
		return nil
	}
	for i, g := range old {
		if err := s.o.FS.Remove(g.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			s.writeFailed()
			s.removing.Fail(err, "a part of the spool that was sent cannot be removed", "file", g.path)
			s.forget(i)
			return fmt.Errorf("remove %s: %w", g.path, err)
		}
	}
	s.removing.Clear("what was sent is removed from the spool again", "dir", s.dir)
	s.forget(len(old))
	return nil
}

// forget takes the first n segments, which are no more, off the list.
func (s *Spool) forget(n int) {
	s.mu.Lock()
	for _, g := range s.segs[:n] {
		s.bytes -= g.size
		g.gone = true
		if s.reading == g {
			s.reading = nil
		}
		g.close() // it was only read, or synced by each Append
	}
	s.segs = slices.Delete(s.segs, 0, n)
	s.mu.Unlock()
}
