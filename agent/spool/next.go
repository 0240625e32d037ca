package spool

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
)

// readTries is how often in a row a frame is tried that the disk does not give.
const readTries = 3

// tries counts the failures to read one frame.
type tries struct {
	seq uint64
	n   int
}

// errDamaged is why a frame is given up.
var errDamaged = errors.New("damaged on the disk")

// Next returns the frame at the cursor and moves the cursor on; ok is false
// while there is none. Frames that are done are passed over, damaged ones are
// dropped. The payload lies in dst's memory, grown if need be. After an error
// the cursor is where it was; a frame that cannot be read three times in a row
// is dropped.
func (s *Spool) Next(dst []byte) (f Frame, ok bool, err error) {
	s.readMu.Lock()
	defer s.readMu.Unlock()
	for {
		s.mu.Lock()
		if s.closed {
			s.mu.Unlock()
			return Frame{}, false, ErrClosed
		}
		g, r, ok := s.take()
		s.mu.Unlock()
		if !ok {
			s.corrupt.Clear("the rest of the spool could be read", "dir", s.dir)
			return Frame{}, false, nil
		}
		seq := g.seq(r)
		f, err := s.read(g, r, dst)
		if err == nil {
			return f, true, nil
		}
		dst = grown(f.Payload, dst)
		if !errors.Is(err, errDamaged) {
			again, err := s.putBack(g, seq, err)
			if again {
				continue
			}
			return Frame{}, false, err
		}
		s.lose(seq, f, err)
	}
}

// take moves the cursor past the frame that it returns. The caller holds mu.
func (s *Spool) take() (g *segment, r ref, ok bool) {
	seq := max(s.cursor, s.done)
	for {
		g, r, ok = s.from(seq)
		if !ok {
			return nil, ref{}, false
		}
		seq = g.seq(r) + 1
		if _, done := s.ahead[seq-1]; !done {
			s.cursor = seq
			return g, r, true
		}
	}
}

// grown is the larger of both, so that a buffer that grew is not lost.
func grown(a, b []byte) []byte {
	if cap(a) > cap(b) {
		return a
	}
	return b
}

// putBack undoes a take after a failure. again says to try once more at once:
// the frame was dropped meanwhile.
func (s *Spool) putBack(g *segment, seq uint64, err error) (again bool, _ error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if g.gone || seq < s.done {
		return true, nil
	}
	if s.cursor == seq+1 {
		s.cursor = seq
	}
	return false, err
}

// read reads one frame. After an error that is errDamaged the frame has what is
// known of it.
func (s *Spool) read(g *segment, r ref, dst []byte) (Frame, error) {
	seq := g.seq(r)
	file, err := s.open(g)
	if errors.Is(err, fs.ErrNotExist) {
		return Frame{}, fmt.Errorf("%w: %w", errDamaged, err)
	}
	if err != nil {
		return Frame{}, err
	}
	w := window{f: file, size: r.off + int64(r.size), buf: s.scratch[:0]}
	defer func() { s.scratch = w.buf }()
	h, err := w.header(r.off, g.seed)
	if err == nil && (h.seq != seq || h.size() != int64(r.size)) {
		err = errDamaged
	}
	if err != nil {
		return Frame{}, s.readFailed(seq, err)
	}
	f := Frame{Seq: seq, Records: int(h.records)}
	f.Ranges, err = w.ranges(r.off, h, func(b []byte) string {
		s.mu.Lock()
		defer s.mu.Unlock()
		return g.name(b)
	})
	if err != nil && !errors.Is(err, errDamaged) {
		return Frame{}, s.readFailed(seq, err)
	}
	f.Payload = slices.Grow(dst[:0], int(h.payload))[:h.payload]
	if err := readFull(file, f.Payload, r.off+frameHeader+int64(h.ranges)); err != nil {
		return f, s.readFailed(seq, err)
	}
	s.failed = tries{}
	if checksum(f.Payload) != h.payloadSum {
		return f, errDamaged
	}
	return f, nil
}

// readFailed makes errDamaged of an error that does not go away.
func (s *Spool) readFailed(seq uint64, err error) error {
	if errors.Is(err, errDamaged) || errors.Is(err, os.ErrClosed) {
		return err
	}
	if s.failed.seq != seq {
		s.failed = tries{seq: seq}
	}
	if s.failed.n++; s.failed.n < readTries {
		return err
	}
	return fmt.Errorf("%w: %w", errDamaged, err)
}

// open returns the segment's file. It closes the one that was read before.
func (s *Spool) open(g *segment) (File, error) {
	s.mu.Lock()
	if was := s.reading; was != nil && was != g && was != s.active {
		was.close()
	}
	s.reading = g
	file := g.file
	s.mu.Unlock()
	if file != nil {
		return file, nil
	}
	file, err := s.o.FS.OpenFile(g.path, os.O_RDONLY, 0)
	if err != nil {
		return nil, fmt.Errorf("read spool: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if g.gone {
		file.Close()
		return nil, os.ErrClosed
	}
	g.file = file
	return file, nil
}

// lose drops a frame that cannot be read.
func (s *Spool) lose(seq uint64, f Frame, cause error) {
	s.mu.Lock()
	lost := s.markDone(seq)
	if lost {
		s.counts.frames[Corrupt]++
	}
	s.mu.Unlock()
	if !lost {
		return // dropped or acknowledged meanwhile
	}
	s.release(seq)
	drops := make([]Drop, 0, max(1, len(f.Ranges)))
	for _, r := range f.Ranges {
		drops = append(drops, Drop{Source: r.Source, Records: r.Records, Frames: 1, To: r.To, First: r.First, Last: r.Last, Reason: Corrupt})
	}
	if len(drops) == 0 {
		drops = append(drops, Drop{Records: f.Records, Frames: 1, Reason: Corrupt})
	}
	s.report(drops, cause)
}

// readFull reads all of b; a file that ends before is damaged.
func readFull(f File, b []byte, off int64) error {
	n, err := f.ReadAt(b, off)
	switch {
	case n == len(b):
		return nil
	case err == nil || errors.Is(err, io.EOF):
		return fmt.Errorf("%w: the file ends too early", errDamaged)
	}
	return fmt.Errorf("read spool: %w", err)
}
