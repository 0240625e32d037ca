package tail

import (
	"bufio"
	"compress/flate"
	"compress/gzip"
	"errors"
	"io"
	"math"
)

// A gunzip reads a compressed file at offsets of its content. It decompresses
// forwards, and keeps only what was asked for last and a little before it;
// what lies before that costs another pass.
type gunzip struct {
	src  io.ReaderAt
	zr   *gzip.Reader // nil: not begun, or given up
	buf  []byte       // content from base on
	base int64
	end  bool  // nothing follows buf
	err  error // why it ended before its time
}

// ReadAt is that of io.ReaderAt. A file that is damaged ends where the damage
// begins, and says so by damage.
func (g *gunzip) ReadAt(p []byte, off int64) (int, error) {
	if err := g.fill(off, len(p)); err != nil {
		return 0, err
	}
	n := 0
	if at := off - g.base; at < int64(len(g.buf)) {
		n = copy(p, g.buf[at:])
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// left is how much content there is from off on, as far as that matters to who
// reads at most n bytes of it: at most n+1.
func (g *gunzip) left(off int64, n int) (int64, error) {
	if err := g.fill(off, n+1); err != nil {
		return 0, err
	}
	return max(0, min(int64(n)+1, g.base+int64(len(g.buf))-off)), nil
}

// reaches reports whether there is content up to off.
func (g *gunzip) reaches(off int64) (bool, error) {
	err := g.fill(off, 0)
	return g.base+int64(len(g.buf)) >= off, err
}

// damage is why the file ends before its time, as far as it was read; or nil.
func (g *gunzip) damage() error { return g.err }

// rest gives up the memory that reading takes.
func (g *gunzip) rest() { g.zr, g.buf = nil, nil }

// fill makes buf hold n bytes from off on, and nearLen before them; fewer where
// the file ends.
func (g *gunzip) fill(off int64, n int) error {
	if g.zr == nil || off < g.base {
		if err := g.begin(); err != nil || g.end {
			return err
		}
	}
	from := max(g.base, off-nearLen)
	if drop := min(from-g.base, int64(len(g.buf))); drop > 0 {
		g.buf = g.buf[:copy(g.buf, g.buf[drop:])]
		g.base += drop
	}
	if skip := from - g.base; skip > 0 && !g.end { // buf is empty
		k, err := io.CopyN(io.Discard, g.zr, skip)
		g.base += k
		if err != nil {
			if err := g.ended(err); err != nil {
				return err
			}
		}
	}
	want := int(min(off+int64(n)-g.base, int64(n)+nearLen))
	if !g.end && cap(g.buf) < want {
		g.buf = append(make([]byte, 0, want), g.buf...)
	}
	for len(g.buf) < want && !g.end {
		k, err := g.zr.Read(g.buf[len(g.buf):want])
		g.buf = g.buf[:len(g.buf)+k]
		if err != nil {
			if err := g.ended(err); err != nil {
				return err
			}
		}
	}
	return nil
}

func (g *gunzip) begin() error {
	in := bufio.NewReaderSize(io.NewSectionReader(g.src, 0, math.MaxInt64), 16<<10)
	g.buf, g.base, g.end, g.err = g.buf[:0], 0, false, nil
	zr, err := gzip.NewReader(in)
	if err != nil {
		if err == io.EOF { // an empty file is none that was compressed
			err = io.ErrUnexpectedEOF
		}
		return g.ended(err)
	}
	g.zr = zr
	return nil
}

// ended says that decompression cannot go on. What is not the file's fault is
// returned, and tried again from the start.
func (g *gunzip) ended(err error) error {
	var corrupt flate.CorruptInputError
	switch {
	case err == io.EOF:
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, gzip.ErrHeader), errors.Is(err, gzip.ErrChecksum), errors.As(err, &corrupt):
		g.err = err
	default:
		g.zr = nil
		return err
	}
	g.end = true
	return nil
}
