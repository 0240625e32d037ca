package tail

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strconv"
	"strings"
)

const (
	// walks bounds how often a chain that is rotated meanwhile is walked again at
	// once.
	walks = 50
	// compressed is how the name of a compressed file ends.
	compressed = ".gz"
)

// A chain is a log and the older files that it was rotated into: app.log,
// app.log.1, app.log.2.gz … or app.log-20250109.
type chain struct {
	path string
	host *host
}

// errRotated says that a log is rotated faster than its files can be looked at.
var errRotated = errors.New("the log is being rotated")

// A walk is what was met on the way from a chain's newest file to an older one.
type walk struct {
	files   []opened      // the newest first; at most guardFiles, the oldest ones
	met     []fs.FileInfo // all, also those that are closed again
	stopped bool          // at the last one, for it was the one to find
	seen    []sighting    // all names until there, in their order
	older   bool          // there was a name of an older file
}

// A sighting is what a name stood for; nil: for nothing.
type sighting struct {
	name string
	info fs.FileInfo
}

// A visit sees file i of a walk, and says whether the walk stops there.
type visit func(i int, f opened) (stop bool, err error)

// walk opens the chain's files, the newest first, until visit says stop. Older
// files that cannot be had are left out. It begins anew where the chain is
// rotated meanwhile.
func (c chain) walk(visit visit) (walk, error) {
	for range walks {
		w, err := c.walkOnce(visit)
		if err != nil || c.unchanged(w) {
			return w, err
		}
		closeAll(w.files)
	}
	return walk{}, errRotated
}

// walkOnce opens the files once. Rotation renames files towards the old end, and
// so does the walk: a file may be met twice, and is then listed once.
func (c chain) walkOnce(visit visit) (w walk, err error) {
	names := c.names()
	w.older = len(names) > 1
	for i, name := range names {
		f, err := c.host.openFile(name)
		w.sight(name, f, err)
		switch {
		case err == nil && has(w.met, f.info):
			f.Close()
			continue
		case err == nil:
		case errors.Is(err, fs.ErrNotExist):
			continue
		case i > 0 && (errors.Is(err, errNotRegular) || errors.Is(err, fs.ErrPermission)):
			continue
		default:
			closeAll(w.files)
			return walk{}, err
		}
		again, err := c.repeats(w, f)
		if err == nil && again {
			f.Close()
			continue
		}
		if err == nil {
			w.add(f)
			w.stopped, err = visit(len(w.met)-1, f)
		} else {
			f.Close()
		}
		if err != nil {
			closeAll(w.files)
			return walk{}, err
		}
		if w.stopped {
			break
		}
	}
	return w, nil
}

func (w *walk) add(f opened) {
	w.met = append(w.met, f.info)
	w.files = append(w.files, f)
	if len(w.files) > guardFiles {
		w.files[0].Close()
		w.files = slices.Delete(w.files, 0, 1)
	}
}

// repeats reports whether f is what the file before it in the walk is being, or
// was meanwhile, compressed to.
func (c chain) repeats(w walk, f opened) (bool, error) {
	if f.zip == nil || len(w.files) == 0 {
		return false, nil
	}
	last := w.files[len(w.files)-1]
	if last.zip != nil {
		return false, nil
	}
	return c.host.becomes(last, f)
}

// sight notes what the name stands for.
func (w *walk) sight(name string, f opened, err error) {
	s := sighting{name: name}
	if err == nil {
		s.info = f.info
	} else if info, err := os.Stat(name); err == nil {
		s.info = info
	}
	w.seen = append(w.seen, s)
}

// unchanged says that each name stands for what it stood for in the walk: then the
// chain was not rotated meanwhile, and no file lies between those that were met.
// A name that was listed and then gone says that it was.
func (c chain) unchanged(w walk) bool {
	names := c.names()
	if len(names) < len(w.seen) || !w.stopped && len(names) > len(w.seen) {
		return false
	}
	for i, s := range w.seen {
		if names[i] != s.name || s.info == nil && i > 0 {
			return false
		}
		info, err := os.Stat(s.name)
		if (err == nil) != (s.info != nil) || err == nil && !os.SameFile(info, s.info) {
			return false
		}
	}
	return true
}

func has(all []fs.FileInfo, info fs.FileInfo) bool {
	return slices.ContainsFunc(all, func(i fs.FileInfo) bool { return os.SameFile(i, info) })
}

// all is the walk to the oldest file.
func all(int, opened) (bool, error) { return false, nil }

// first is the walk to the newest one.
func first(int, opened) (bool, error) { return true, nil }

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
	// ReadDir sorts: a file comes before what it is compressed to.
	sort.SliceStable(byNumber, func(i, j int) bool { return byNumber[i].n < byNumber[j].n })
	sort.SliceStable(byDate, func(i, j int) bool { return plainName(byDate[i]) > plainName(byDate[j]) })
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

func plainName(name string) string { return strings.TrimSuffix(name, compressed) }

// rotation says what a rotated file's name has after that of the log.
func rotation(suffix string) (n int, k kind) {
	suffix = plainName(suffix)
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
	path = plainName(path)
	for i := len(path) - 1; i > 0 && strings.IndexByte("0123456789-.", path[i]) >= 0; i-- {
		if _, k := rotation(path[i:]); k != neither && isLog(path[:i]) {
			return true
		}
	}
	return false
}

// after opens the files that are newer than held, the oldest of them first; at
// most guardFiles. found is false when held itself is no longer in the chain;
// what is left of the chain is newer then, unless it was not written to since.
// older says that the log keeps older files.
func (c chain) after(held opened) (newer []opened, found, older bool, err error) {
	w, err := c.walk(func(_ int, f opened) (bool, error) {
		if os.SameFile(f.info, held.info) {
			return true, nil
		}
		if f.zip == nil || held.zip != nil {
			return false, nil
		}
		return c.host.becomes(held, f)
	})
	if err != nil {
		return nil, false, w.older, err
	}
	if w.stopped {
		end := len(w.files) - 1
		w.files[end].Close()
		return reversed(w.files[:end]), true, w.older, nil
	}
	last, err := held.Stat()
	if err != nil {
		closeAll(w.files)
		return nil, false, w.older, err
	}
	for _, f := range reversed(w.files) {
		if f.name != c.path && f.info.ModTime().Before(last.ModTime()) {
			f.Close()
			continue
		}
		newer = append(newer, f)
	}
	return newer, false, w.older, nil
}

func reversed(fs []opened) []opened {
	slices.Reverse(fs)
	return fs
}
