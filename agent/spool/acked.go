package spool

import (
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"os"
)

const (
	ackedName  = "acked"
	ackedEntry = 16
	ackedSpare = 4096 // entries that are not needed any more, before the file is written anew
)

// An acked is the file of the frames that are done while one before them is not.
// An entry names the segment by its seed, for a seq may be given anew after
// damage. What is lost of the file is only sent again.
//
//	entry  seq[8] seed[4] crc[4]
type acked struct {
	fs      FS
	path    string
	file    File // nil until it is there
	entries int
	buf     []byte
}

func appendAcked(b []byte, seq uint64, seed uint32) []byte {
	start := len(b)
	b = binary.LittleEndian.AppendUint64(b, seq)
	b = binary.LittleEndian.AppendUint32(b, seed)
	return binary.LittleEndian.AppendUint32(b, checksum(b[start:]))
}

// load yields the entries of the file.
func (a *acked) load(yield func(seq uint64, seed uint32)) error {
	f, err := a.fs.OpenFile(a.path, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	a.file = f
	info, err := f.Stat()
	if err != nil {
		return err
	}
	a.entries = int(info.Size() / ackedEntry)
	buf := make([]byte, 64<<10)
	for off := int64(0); ; {
		n, err := f.ReadAt(buf, off)
		whole := n - n%ackedEntry
		for i := 0; i < whole; i += ackedEntry {
			if e := buf[i : i+ackedEntry]; binary.LittleEndian.Uint32(e[12:]) == checksum(e[:12]) {
				yield(binary.LittleEndian.Uint64(e), binary.LittleEndian.Uint32(e[8:]))
			}
		}
		off += int64(whole)
		if errors.Is(err, io.EOF) || err == nil && whole == 0 {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// note adds one entry, without a sync. Where the file has too many that are not
// needed, it is replaced by those that all yields. There are n of these.
func (a *acked) note(seq uint64, seed uint32, n int, all func(yield func(seq uint64, seed uint32))) error {
	if a.file == nil {
		f, err := a.fs.OpenFile(a.path, os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			return err
		}
		a.file = f
	}
	if a.entries <= 2*n+ackedSpare {
		a.buf = appendAcked(a.buf[:0], seq, seed)
		if _, err := a.file.WriteAt(a.buf, int64(a.entries)*ackedEntry); err != nil {
			return err // the next try writes to the same place
		}
		a.entries++
		return nil
	}
	a.buf = a.buf[:0]
	all(func(seq uint64, seed uint32) { a.buf = appendAcked(a.buf, seq, seed) })
	if _, err := a.file.WriteAt(a.buf, 0); err != nil {
		return err
	}
	if err := a.file.Truncate(int64(len(a.buf))); err != nil {
		return err
	}
	a.entries = len(a.buf) / ackedEntry
	return nil
}

// clear empties the file: nothing is done ahead.
func (a *acked) clear() error {
	if a.entries == 0 {
		return nil
	}
	if err := a.file.Truncate(0); err != nil {
		return err
	}
	a.entries = 0
	return nil
}

func (a *acked) close() error {
	if a.file == nil {
		return nil
	}
	err := a.file.Close()
	a.file = nil
	return err
}

// loadAcked marks what was done ahead when the spool was last open.
func (s *Spool) loadAcked() {
	err := s.acked.load(func(seq uint64, seed uint32) {
		if g, r, ok := s.from(seq); ok && seq >= s.done && g.seq(r) == seq && g.seed == seed {
			s.ahead[seq] = struct{}{}
		}
		// A frame that is no more must not have its entry taken for another.
		s.next = max(s.next, seq+1)
	})
	if err != nil {
		s.log.Warn("some of what was acknowledged of the spool is not known any more: it is sent again", "file", s.acked.path, "error", err)
	}
}

// noteAhead keeps that seq is done while a frame before it is not. The caller
// holds commitMu.
func (s *Spool) noteAhead(seq uint64) error {
	s.mu.Lock()
	n := len(s.ahead)
	_, still := s.ahead[seq]
	g, _, ok := s.from(seq)
	s.mu.Unlock()
	switch {
	case n == 0:
		return s.acked.clear()
	case !still || !ok:
		return nil
	}
	return s.acked.note(seq, g.seed, n, func(yield func(uint64, uint32)) {
		s.mu.Lock()
		defer s.mu.Unlock()
		for seq := range s.ahead {
			if g, _, ok := s.from(seq); ok {
				yield(seq, g.seed)
			}
		}
	})
}
