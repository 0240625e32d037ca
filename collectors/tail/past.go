package tail

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/webgrip/logkeel/agent"
)

// A Past is a log as it is now: what it has is read once, from its oldest file to
// the end of its newest, into the records that following it would have made.
type Past struct {
	Form
	Source  *agent.Source
	Path    string
	Rotated bool      // its older files, app.log.1 or app.log.2.gz, are read before
	Since   time.Time // a file that was last written to before is not read

	// Fail is told what is left out, and why: a file that cannot be opened, or one
	// that is damaged. The rest is read.
	Fail func(error)
	// Read counts the bytes of the files that were read, as they lie on the disk.
	Read *atomic.Int64
}

// Pasts are the logs that the collector would read now, by path.
func (t *Tail) Pasts() []Past {
	var all []Past
	paths := t.paths()
	for _, path := range slices.Sorted(maps.Keys(paths)) {
		if !paths[path] || strings.HasSuffix(path, compressed) || rotatedFrom(path, func(log string) bool { return paths[log] }) {
			continue
		}
		id := ""
		if t.o.Docker {
			if id = containerID(path); id == "" {
				continue
			}
		}
		src, state := t.describe(path, id, nil)
		if info, err := os.Stat(path); state == unwanted || err == nil && !info.Mode().IsRegular() {
			continue
		}
		p := Past{Source: src, Path: path, Rotated: true, Form: Form{Docker: t.o.Docker, MaxLine: t.o.MaxLine}}
		if t.o.Format != nil {
			p.Format = t.o.Format(src)
		}
		all = append(all, p)
	}
	return all
}

// Size is how many bytes there are to read, as they lie on the disk.
func (p *Past) Size() (n int64) {
	names := []string{p.Path}
	if p.Rotated {
		names = chain{path: p.Path}.names()
	}
	for _, name := range names {
		if info, err := os.Stat(name); err == nil && info.Mode().IsRegular() && !info.ModTime().Before(p.Since) {
			n += info.Size()
		}
	}
	return n
}

// A PastReader reads a Past. It is used by one goroutine, and closed by it.
type PastReader struct {
	p       *Past
	chain   chain
	stretch *Stretch
	files   []opened // the oldest first; it is read at off
	more    bool     // there are newer ones, which are not open yet
	off     int64
	want    int
}

// Open opens the log's files. One that is not there at all is an error.
func (p *Past) Open() (*PastReader, error) {
	r := &PastReader{p: p, chain: chain{p.Path, newHost()}, stretch: NewStretch(p.Form), want: blockSize}
	var old opened
	w, err := r.chain.walk(func(_ int, f opened) (bool, error) {
		if f.info.ModTime().Before(p.Since) {
			old = f
			return true, nil
		}
		return !p.Rotated, nil
	})
	if err != nil {
		return nil, err
	}
	if len(w.met) == 0 && !slices.ContainsFunc(w.seen, func(s sighting) bool { return s.info != nil }) {
		return nil, &fs.PathError{Op: "open", Path: p.Path, Err: fs.ErrNotExist}
	}
	if old.File != nil {
		old.Close()
		w.files = w.files[:len(w.files)-1]
		w.met = w.met[:len(w.met)-1]
	}
	r.sayUnread(&w)
	r.more = len(w.met) > len(w.files)
	r.files = reversed(w.files)
	return r, nil
}

// sayUnread tells of the files that a walk left out.
func (r *PastReader) sayUnread(w *walk) {
	for _, s := range w.seen {
		if s.info == nil || has(w.met, s.info) || s.info.ModTime().Before(r.p.Since) {
			continue
		}
		if f, err := r.chain.host.openFile(s.name); err != nil {
			r.fail(err)
		} else {
			f.Close() // it is what another is being compressed to
		}
	}
}

func (r *PastReader) fail(err error) {
	if r.p.Fail != nil {
		r.p.Fail(err)
	}
}

// Close closes what is open.
func (r *PastReader) Close() {
	closeAll(r.files)
	r.files = nil
}

// Next reads on: b has the next records then, and at least one. At the end it
// returns io.EOF. block is memory that it may use, and that it may replace: it is
// nobody's between two calls.
func (r *PastReader) Next(b *agent.Batch, block *[]byte) error {
	b.Reset()
	b.Source, b.Pos.Epoch = r.p.Source, 1
	for len(b.Records) == 0 {
		if len(r.files) == 0 {
			return io.EOF
		}
		if err := r.step(b, block); err != nil {
			return err
		}
	}
	return nil
}

// step reads a block, or goes on to the next file.
func (r *PastReader) step(b *agent.Batch, block *[]byte) error {
	s := r.stretch
	all := append((*block)[:0], s.rest...)
	n := len(all)
	all = slices.Grow(all, r.want)
	got, err := r.files[0].ReadAt(all[n:n+r.want], r.off)
	all = all[:n+got]
	*block = all
	r.off += int64(got)
	r.count(int64(got))
	end := errors.Is(err, io.EOF)
	if err != nil && !end {
		r.fail(fmt.Errorf("read %s: %w", r.files[0].name, err))
		end = true
	}
	last := len(r.files) == 1 && !r.more
	through := end && !last && s.joins() // what is open may go on in the next file
	covered := s.cut(b, all, end && !through)
	s.rest = append(s.rest[:0], all[covered:]...)
	if cap(s.rest) > maxKept && len(s.rest) < maxKept/4 {
		s.rest = slices.Clone(s.rest)
	}
	switch {
	case end && (through || len(s.rest) == 0):
		return r.turn()
	case covered == 0:
		r.want = max(blockSize, len(all)) // twice as much
	default:
		r.want = blockSize
	}
	return nil
}

// count counts bytes of a file that is not compressed.
func (r *PastReader) count(n int64) {
	if r.p.Read != nil && r.files[0].zip == nil {
		r.p.Read.Add(n)
	}
}

// turn goes on to the next file.
func (r *PastReader) turn() error {
	f := r.files[0]
	defer f.Close()
	if f.zip != nil {
		if err := f.zip.damage(); err != nil {
			r.fail(&DamagedError{Path: f.name, Offset: r.off, Err: err})
		}
		if r.p.Read != nil {
			r.p.Read.Add(f.info.Size())
		}
	}
	r.files, r.off, r.want = r.files[1:], 0, blockSize
	if len(r.files) == 0 && r.more {
		newer, _, _, err := r.chain.after(f)
		if err != nil {
			return err
		}
		r.files, r.more = newer, len(newer) >= guardFiles
	}
	r.stretch.next()
	return nil
}

// A DamagedError is about a compressed file that ends before its time.
type DamagedError struct {
	Path   string
	Offset int64 // of its content, up to which it was read
	Err    error
}

func (e *DamagedError) Error() string {
	return fmt.Sprintf("%s is damaged after %d bytes of its content: %v", e.Path, e.Offset, e.Err)
}

func (e *DamagedError) Unwrap() error { return e.Err }

// Peek reads the start of a regular file, which may be compressed.
func Peek(path string, n int) (start []byte, info fs.FileInfo, err error) {
	f, err := newHost().openFile(filepath.Clean(path))
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	start = make([]byte, n)
	n, err = f.ReadAt(start, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, nil, err
	}
	return start[:n], f.info, nil
}
