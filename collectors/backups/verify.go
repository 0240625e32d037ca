package backups

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"syscall"
	"time"
)

// A verdict is what was found in a file.
type verdict struct {
	problem  problem
	reason   string
	unpacked int64  // bytes in it
	members  int64  // of a tar archive
	sum      string // SHA-256 in hex, where it was asked for
	took     time.Duration
}

// errChanged says that a file is not the one any more that was listed.
var errChanged = errors.New("it was written to meanwhile")

// A verifier reads files to their end.
type verifier struct {
	pace        *pacer
	maxUnpacked int64
	read        func(n int) // is told of the bytes that were read
}

// verify reads f to its end, in the set's folder. An error says that it could not
// be found out whether f is good.
func (v *verifier) verify(ctx context.Context, dir string, f *file, sum bool) (verdict, error) {
	start := time.Now()
	in, err := open(dir, f)
	if err != nil {
		return verdict{}, err
	}
	defer in.Close()
	src := &source{ctx: ctx, f: in, v: v}
	if sum {
		src.hash = sha256.New()
	}
	var found verdict
	fault := v.look(src, f, &found)
	// The rest, where something is wrong in the middle: its sum is that of all.
	if fault == nil || src.hash != nil {
		if _, err := io.Copy(io.Discard, src); err != nil && fault == nil {
			fault = err
		}
	}
	if src.err != nil {
		return verdict{}, fmt.Errorf("read %s: %w", shorten(f.path, 200), src.err)
	}
	if info, err := in.Stat(); err != nil || info.Size() != f.size || !info.ModTime().Equal(f.mtime) {
		return verdict{}, errChanged
	}
	if src.hash != nil {
		found.sum = hex.EncodeToString(src.hash.Sum(nil))
	}
	if fault != nil {
		found.problem, found.reason = problemOf(fault), fault.Error()
	}
	found.took = time.Since(start)
	return found, nil
}

func problemOf(err error) problem {
	var f *fault
	if errors.As(err, &f) {
		return f.problem
	}
	return corrupt
}

// open opens what was listed, and nothing else: no link, and nothing that blocks.
func open(dir string, f *file) (*os.File, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, readable(err)
	}
	defer root.Close()
	in, err := root.OpenFile(f.name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, readable(fmt.Errorf("read %s: %w", shorten(f.path, 200), err))
	}
	info, err := in.Stat()
	if err == nil && (!info.Mode().IsRegular() || info.Size() != f.size || !info.ModTime().Equal(f.mtime)) {
		err = errChanged
	}
	if err != nil {
		in.Close()
		return nil, err
	}
	return in, nil
}

// look unpacks src and judges what is in it.
func (v *verifier) look(src *source, f *file, found *verdict) error {
	if f.size == 0 {
		return faultf(emptyProblem(f.format.of), "it is empty")
	}
	in, done, err := unpacked(src, f.format.packed)
	if err != nil {
		return err
	}
	defer done()
	out := &unpacking{in: in, v: v, src: src}
	var end tail
	body := io.TeeReader(out, &end)
	switch f.format.of {
	case "tar":
		found.members, _, err = listTar(body)
		if err == nil || out.err == nil {
			// What is packed has to be whole behind the archive's end, too.
			if _, rest := io.Copy(io.Discard, body); rest != nil && (err == nil || problemOf(err) == noTar) {
				err = rest
			}
		}
	default:
		_, err = io.Copy(io.Discard, body)
	}
	found.unpacked = out.n
	switch {
	case out.err != nil && src.err == nil:
		return unpackFault(out.err, f.format.packed)
	case err != nil:
		return err
	case out.n == 0:
		return faultf(emptyProblem(f.format.of), "it unpacks to nothing: the program that was to write it failed, and what packs does not know of that")
	case f.format.of == "sql":
		return checkDump(end.bytes(), f.spec.Trailer)
	case hasXZ(f.name):
		return checkXZ(end.bytes())
	}
	return nil
}

// emptyProblem is what a file that has nothing in it lacks.
func emptyProblem(of string) problem {
	switch of {
	case "sql":
		return noTrailer
	case "tar":
		return noTar
	}
	return truncated
}

// A source is the file as it lies there. It notes what the disk says.
type source struct {
	ctx  context.Context
	f    *os.File
	v    *verifier
	hash hash.Hash // nil: none
	n    int64
	err  error // but io.EOF
}

func (s *source) Read(p []byte) (int, error) {
	if err := s.v.pace.wait(s.ctx); err != nil {
		s.err = err
		return 0, err
	}
	n, err := s.f.Read(p)
	if n > 0 {
		s.n += int64(n)
		s.v.pace.did(n)
		s.v.read(n)
		if s.hash != nil {
			s.hash.Write(p[:n])
		}
		if s.n%(8<<20) < int64(n) {
			forget(s.f, s.n)
		}
	}
	if err != nil && err != io.EOF {
		s.err = err
	}
	return n, err
}

// An unpacking counts and bounds what comes out.
type unpacking struct {
	in  io.Reader
	v   *verifier
	src *source
	n   int64
	err error // but io.EOF
}

func (u *unpacking) Read(p []byte) (int, error) {
	n, err := u.in.Read(p)
	if before := u.n; n > 0 {
		u.n += int64(n)
		if before>>22 != u.n>>22 { // each 4 MiB
			if wait := u.v.pace.wait(u.src.ctx); wait != nil {
				u.src.err, err = wait, wait
			}
		}
		if u.n > u.v.maxUnpacked {
			err = faultf(corrupt, "it unpacks to more than max_unpacked")
		}
	}
	if err != nil && err != io.EOF {
		u.err = err
	}
	return n, err
}
