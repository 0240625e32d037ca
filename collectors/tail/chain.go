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
	"syscall"

	"github.com/cespare/xxhash/v2"

	"github.com/webgrip/logkeel/agent"
)

const (
	// headLen is how much of a file's start tells it from others. Docker's lines
	// carry nanoseconds, so that the first one suffices.
	headLen = 1024
	// walks bounds how often a chain that is rotated meanwhile is walked again.
	walks = 5
)

// A chain is a log and the older files that it was rotated into: app.log,
// app.log.1, app.log.2 … or app.log-20250109.
type chain struct{ path string }

// opened is an open file of a chain.
type opened struct {
	*os.File
	info fs.FileInfo
	name string
}

var errNotRegular = errors.New("not a regular file")

// files opens the chain's files, the newest first. Older files that cannot be
// had are left out.
func (c chain) files() ([]opened, error) {
	for n := 1; ; n++ {
		all, err := c.walk()
		if err != nil || n == walks || c.complete(all) {
			return all, err
		}
		closeAll(all)
	}
}

// walk opens the files once. Rotation renames files towards the old end, and so
// does the walk: a file may be met twice, and is then listed once.
func (c chain) walk() (all []opened, err error) {
	for i, name := range c.names() {
		f, err := openFile(name)
		switch {
		case err == nil && indexOf(all, f.info) < 0:
			all = append(all, f)
		case err == nil:
			f.Close()
		case errors.Is(err, fs.ErrNotExist):
		case i > 0 && (errors.Is(err, errNotRegular) || errors.Is(err, fs.ErrPermission)):
		default:
			closeAll(all)
			return nil, err
		}
	}
	return all, nil
}

// complete says that the chain has no other files now: it was not rotated while
// it was walked.
func (c chain) complete(all []opened) bool {
	for _, name := range c.names() {
		if info, err := os.Stat(name); err == nil && info.Mode().IsRegular() && indexOf(all, info) < 0 {
			return false
		}
	}
	return true
}

// openFile opens a regular file; it does not wait for the writer of a pipe.
func openFile(name string) (opened, error) {
	f, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return opened{}, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = &fs.PathError{Op: "tail", Path: name, Err: errNotRegular}
	}
	if err != nil {
		f.Close()
		return opened{}, err
	}
	return opened{File: f, info: info, name: name}, nil
}

// size is the file's size now.
func (f opened) size() (int64, error) { return f.Seek(0, io.SeekEnd) }

func closeAll(fs []opened) {
	for _, f := range fs {
		f.Close()
	}
}

func indexOf(all []opened, info fs.FileInfo) int {
	return slices.IndexFunc(all, func(f opened) bool { return os.SameFile(f.info, info) })
}

// names lists the log and its older files, the newest first.
func (c chain) names() []string {
	names := []string{c.path}
	dir, base := filepath.Split(c.path)
	entries, err := os.ReadDir(filepath.Dir(c.path))
	if err != nil {
		return names
	}
	type numbered struct {
		n    int
		name string
	}
	var byNumber []numbered
	var byDate []string
	for _, e := range entries {
		suffix, ok := strings.CutPrefix(e.Name(), base)
		if !ok {
			continue
		}
		switch n, kind := rotation(suffix); kind {
		case number:
			byNumber = append(byNumber, numbered{n, dir + e.Name()})
		case date:
			byDate = append(byDate, dir+e.Name())
		}
	}
	sort.Slice(byNumber, func(i, j int) bool { return byNumber[i].n < byNumber[j].n })
	sort.Sort(sort.Reverse(sort.StringSlice(byDate)))
	for _, f := range byNumber {
		names = append(names, f.name)
	}
	return append(names, byDate...)
}

type kind int

const (
	neither kind = iota
	number       // .1
	date         // -20250109, .2025-01-09, -2025010914
)

// rotation says what a rotated file's name has after that of the log.
func rotation(suffix string) (n int, k kind) {
	if len(suffix) < 2 || suffix[0] != '.' && suffix[0] != '-' || strings.Trim(suffix[1:], "0123456789-") != "" {
		return 0, neither
	}
	switch digits := suffix[1:]; {
	case len(digits)-strings.Count(digits, "-") >= 8:
		return 0, date
	case suffix[0] == '.' && len(digits) < 5 && !strings.Contains(digits, "-"):
		n, _ = strconv.Atoi(digits)
		return n, number
	}
	return 0, neither
}

// rotatedFrom says whether path is an older file of one of the logs.
func rotatedFrom(path string, isLog func(string) bool) bool {
	for i := len(path) - 1; i > 0 && strings.IndexByte("0123456789-.", path[i]) >= 0; i-- {
		if _, k := rotation(path[i:]); k != neither && isLog(path[:i]) {
			return true
		}
	}
	return false
}

// after opens the files that are newer than held, the oldest of them first.
// found is false when held itself is no longer in the chain; what is left of the
// chain is newer then, unless it was not written to since.
func (c chain) after(held opened) (newer []opened, found bool, err error) {
	all, err := c.files()
	if err != nil {
		return nil, false, err
	}
	if i := indexOf(all, held.info); i >= 0 {
		closeAll(all[i:])
		return reversed(all[:i]), true, nil
	}
	last, err := held.Stat()
	if err != nil {
		closeAll(all)
		return nil, false, err
	}
	for _, f := range reversed(all) {
		if f.name != c.path && f.info.ModTime().Before(last.ModTime()) {
			f.Close()
			continue
		}
		newer = append(newer, f)
	}
	return newer, false, nil
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
func is(f opened, id agent.FileID) (bool, error) {
	got, err := identify(f, int64(id.Len))
	return err == nil && got.Len == id.Len && got.Head == id.Head, err
}

// holding is the index of the file in which p lies: by content, and among equal
// ones by inode. It is -1 when there is none.
func holding(all []opened, p agent.Position) (int, error) {
	at := -1
	for i, f := range all {
		size, err := f.size()
		if err != nil {
			return -1, err
		}
		same, err := is(f, p.File)
		if err != nil {
			return -1, err
		}
		switch {
		case !same || size < p.Offset:
		case inode(f.info) == p.File.Inode:
			return i, nil
		case at < 0:
			at = i
		}
	}
	return at, nil
}

// cutShort is the index of the file in which p lay before it became shorter, as
// it does when the machine crashes; -1 when there is none.
func cutShort(all []opened, p agent.Position) int {
	return slices.IndexFunc(all, func(f opened) bool {
		same, err := is(f, p.File)
		return err == nil && same && inode(f.info) == p.File.Inode
	})
}

func reversed(fs []opened) []opened {
	slices.Reverse(fs)
	return fs
}
