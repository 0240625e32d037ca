package tail

import (
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"

	"github.com/cespare/xxhash/v2"

	"github.com/webgrip/logkeel/agent"
)

const (
	// headLen is how much of a file's start tells it from others. Docker's lines
	// carry nanoseconds, so that the first one suffices.
	headLen = 1024
	// nearLen is how much before a position tells files with the same head apart.
	nearLen = 256
	// gunzips is how many files are decompressed at a time.
	gunzips = 2
)

// A host is what the logs of a process share.
type host struct {
	files   uint64                   // descriptors up to which logs are opened
	limit   uint64                   // of descriptors that the system sets
	reading chan struct{}            // has room for who reads a compressed file
	probing chan struct{}            // and for who only looks into one
	inode   func(fs.FileInfo) uint64 // a hint at who is who
}

// newHost leaves a part of the descriptors to outputs, spools and positions.
func newHost() *host {
	h := &host{reading: make(chan struct{}, gunzips), probing: make(chan struct{}, gunzips), inode: inode}
	var l syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l); err != nil {
		l.Cur = 1024
	}
	h.limit = l.Cur
	h.files = l.Cur - min(256, l.Cur/4)
	return h
}

// opened is an open file of a chain.
type opened struct {
	*os.File
	info  fs.FileInfo
	name  string
	zip   *gunzip // nil: it is not compressed
	epoch uint64  // its number; 0: one more than that of the file before
	gap   bool    // lines may be missing before it
}

var errNotRegular = errors.New("not a regular file")

// openFile opens a regular file; it does not wait for the writer of a pipe.
func (h *host) openFile(name string) (opened, error) {
	f, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return opened{}, err
	}
	info, err := f.Stat()
	switch {
	case err != nil:
	case !info.Mode().IsRegular():
		err = &fs.PathError{Op: "tail", Path: name, Err: errNotRegular}
	case uint64(f.Fd()) >= h.files: // the lowest free one is taken: few are left
		err = &fs.PathError{Op: "open", Path: name, Err: syscall.EMFILE}
	}
	if err != nil {
		f.Close()
		return opened{}, err
	}
	o := opened{File: f, info: info, name: name}
	if strings.HasSuffix(name, compressed) {
		o.zip = &gunzip{src: f}
	}
	return o, nil
}

// ReadAt reads the file's content, which may be compressed.
func (f opened) ReadAt(p []byte, off int64) (int, error) {
	if f.zip != nil {
		return f.zip.ReadAt(p, off)
	}
	return f.File.ReadAt(p, off)
}

// size is the size of the file's content now; only about that where it is
// compressed.
func (f opened) size() (int64, error) {
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil || f.zip == nil {
		return size, err
	}
	var last [4]byte // the content's size, but for multiples of 4 GiB
	if _, err := f.File.ReadAt(last[:], max(0, size-4)); err != nil {
		return size, nil
	}
	return int64(binary.LittleEndian.Uint32(last[:])), nil
}

// left is how much content there is from off on: all of it, or, where the file
// is compressed, at least n+1 where there is more than n.
func (f opened) left(off int64, n int) (int64, error) {
	if f.zip != nil {
		return f.zip.left(off, n)
	}
	size, err := f.size()
	return size - off, err
}

// number is the file's, where that of the one before it is given.
func (f opened) number(before uint64) uint64 { return max(f.epoch, before+1) }

func closeAll(fs []opened) {
	for _, f := range fs {
		f.Close()
	}
}

// identify reads the file's identity from its first n bytes.
func (h *host) identify(f opened, n int64) (agent.FileID, error) {
	var buf [headLen]byte
	k, err := f.ReadAt(buf[:min(n, headLen)], 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return agent.FileID{}, err
	}
	return agent.FileID{Head: xxhash.Sum64(buf[:k]), Len: uint32(k), Inode: h.inode(f.info)}, nil
}

// is reports whether f's content begins as the file of id did.
func (h *host) is(f opened, id agent.FileID) (bool, error) {
	got, err := h.identify(f, int64(id.Len))
	return err == nil && got.Len == id.Len && got.Head == id.Head, err
}

// near is the hash of what lies before offset; 0 where the head covers it.
func near(f opened, offset int64, buf *[nearLen]byte) (uint64, error) {
	if offset <= headLen {
		return 0, nil
	}
	if _, err := f.ReadAt(buf[:], offset-nearLen); err != nil && !errors.Is(err, io.EOF) {
		return 0, err
	} else if err != nil {
		return 0, nil
	}
	return max(1, xxhash.Sum64(buf[:])), nil
}

// A match says how much of a position there is in a file.
type match int

const (
	other match = iota
	cut         // it is the file; what lay before the position is not in it any more
	equal       // a file with the same content up to the position
	exact       // the same inode as well
)

// holds says whether p lies in f.
func (h *host) holds(f opened, p agent.Position) (match, error) {
	if f.zip != nil {
		h.probing <- struct{}{}
		defer func() { <-h.probing }()
		f.zip = &gunzip{src: f.File}
	}
	same, err := h.is(f, p.File)
	if err != nil || !same {
		return other, err
	}
	inode := p.File.Inode != 0 && h.inode(f.info) == p.File.Inode
	reaches, err := h.reaches(f, p)
	switch {
	case err != nil:
		return other, err
	case reaches && inode:
		return exact, nil
	case reaches:
		return equal, nil
	case inode:
		return cut, nil
	}
	return other, nil
}

func (h *host) reaches(f opened, p agent.Position) (bool, error) {
	if f.zip != nil {
		if ok, err := f.zip.reaches(p.Offset); !ok || err != nil {
			return f.zip.damage() != nil, err // what is damaged was longer
		}
	} else if size, err := f.size(); err != nil || size < p.Offset {
		return false, err
	}
	if p.Near == 0 || p.Offset <= headLen {
		return true, nil
	}
	var buf [nearLen]byte
	got, err := near(f, p.Offset, &buf)
	return got == p.Near, err
}

// becomes says whether packed is what f was compressed to, or is being
// compressed to where both have the name of it.
func (h *host) becomes(f, packed opened) (bool, error) {
	h.probing <- struct{}{}
	defer func() { <-h.probing }()
	zip := opened{File: packed.File, info: packed.info, zip: &gunzip{src: packed.File}}
	got, err := h.identify(zip, headLen)
	if err != nil {
		return false, err
	}
	twin := packed.name == f.name+compressed
	if twin && (got.Len == headLen || zip.zip.damage() != nil) {
		return h.is(f, got)
	}
	want, err := h.identify(f, headLen)
	if err != nil || want.Len != got.Len || want.Head != got.Head {
		return false, err
	}
	size, err := f.size()
	if err != nil {
		return false, err
	}
	about, err := packed.size()
	return err == nil && uint32(size) == uint32(about), err
}
