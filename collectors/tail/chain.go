package tail

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strconv"
	"strings"

	"github.com/cespare/xxhash/v2"

	"github.com/webgrip/logkeel/agent"
)

// headLen is how much of a file's start tells it from others. Docker's lines
// carry nanoseconds, so that the first one suffices.
const headLen = 1024

// A chain is a log and the older files that it was rotated into: app.log,
// app.log.1, app.log.2 … or app.log-20250109.
type chain struct{ path string }

// opened is an open file of a chain.
type opened struct {
	*os.File
	info fs.FileInfo
	name string
}

// files opens the chain's files, the newest first. Rotation renames files
// towards the old end, and so does the walk: a file may be met twice (it is
// then listed once), and none is missed.
func (c chain) files() ([]opened, error) {
	var all []opened
	for _, name := range append([]string{c.path}, c.rotated()...) {
		f, err := openFile(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			closeAll(all)
			return nil, err
		}
		if indexOf(all, f.info) >= 0 {
			f.Close()
			continue
		}
		all = append(all, f)
	}
	return all, nil
}

func openFile(name string) (opened, error) {
	f, err := os.Open(name)
	if err != nil {
		return opened{}, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = &fs.PathError{Op: "tail", Path: name, Err: errors.New("not a regular file")}
	}
	if err != nil {
		f.Close()
		return opened{}, err
	}
	return opened{File: f, info: info, name: name}, nil
}

func closeAll(fs []opened) {
	for _, f := range fs {
		f.Close()
	}
}

func indexOf(all []opened, info fs.FileInfo) int {
	for i := range all {
		if os.SameFile(all[i].info, info) {
			return i
		}
	}
	return -1
}

// rotated lists the names of the older files, the newest first.
func (c chain) rotated() []string {
	entries, err := os.ReadDir(filepath.Dir(c.path))
	if err != nil {
		return nil
	}
	base := filepath.Base(c.path)
	type numbered struct {
		n    int
		name string
	}
	var byNumber []numbered
	var byDate []string
	for _, e := range entries {
		suffix, ok := strings.CutPrefix(e.Name(), base)
		if !ok || len(suffix) < 2 {
			continue
		}
		n, err := strconv.Atoi(suffix[1:])
		switch {
		case err != nil || n < 0:
		case suffix[0] == '.' && len(suffix) < 6:
			byNumber = append(byNumber, numbered{n, e.Name()})
		case suffix[0] == '-' && len(suffix) == 9:
			byDate = append(byDate, e.Name())
		}
	}
	sort.Slice(byNumber, func(i, j int) bool { return byNumber[i].n < byNumber[j].n })
	sort.Sort(sort.Reverse(sort.StringSlice(byDate)))
	var names []string
	for _, f := range byNumber {
		names = append(names, filepath.Join(filepath.Dir(c.path), f.name))
	}
	for _, n := range byDate {
		names = append(names, filepath.Join(filepath.Dir(c.path), n))
	}
	return names
}

// after opens the files that are newer than the file, the oldest of them first.
// found is false when the file itself is no longer in the chain; all that is
// left of the chain is newer then.
// With nothing held it opens the whole chain.
func (c chain) after(held fs.FileInfo) (newer []opened, found bool, err error) {
	all, err := c.files()
	if err != nil || held == nil {
		return reversed(all), false, err
	}
	i := indexOf(all, held)
	found = i >= 0
	if found {
		closeAll(all[i:])
		all = all[:i]
	}
	return reversed(all), found, nil
}

// identify reads the file's identity from its first n bytes.
func identify(f opened, n int64) (agent.FileID, error) {
	var buf [headLen]byte
	k, err := f.ReadAt(buf[:min(n, headLen)], 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return agent.FileID{}, err
	}
	return agent.FileID{Head: xxhash.Sum64(buf[:k]), Len: uint32(k), Inode: inode(f.info)}, nil
}

// is reports whether f's content begins as the file of id did.
func is(f opened, id agent.FileID) bool {
	got, err := identify(f, int64(id.Len))
	return err == nil && got.Len == id.Len && got.Head == id.Head
}

// find opens the file in which p lies, and the files that are newer, the oldest
// first. ok is false when no file of the chain is the one.
func (c chain) find(p agent.Position) (at opened, newer []opened, ok bool, err error) {
	all, err := c.files()
	if err != nil {
		return opened{}, nil, false, err
	}
	i := holding(all, p)
	if i < 0 {
		closeAll(all)
		return opened{}, nil, false, nil
	}
	closeAll(all[i+1:])
	return all[i], reversed(all[:i]), true, nil
}

// holding is the index of the file in which p lies: by content, and among equal
// ones by inode.
func holding(all []opened, p agent.Position) int {
	at := -1
	for i, f := range all {
		if f.info.Size() < p.Offset || !is(f, p.File) {
			continue
		}
		if inode(f.info) == p.File.Inode {
			return i
		}
		if at < 0 {
			at = i
		}
	}
	return at
}

func reversed(fs []opened) []opened {
	slices.Reverse(fs)
	return fs
}
