package backups

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// maxSets bounds how many sets are looked at, maxInSet how many files of one.
const (
	maxSets  = 2000
	maxInSet = 200
)

// A set is one backup: a folder or a file.
type set struct {
	name    string // of the folder or file
	dir     string // in which its files are
	files   []*file
	notes   []*file  // manifests and sums
	missing []string // of Config.Files, what is not there
	faults  []error
	time    time.Time // when it was made
	changed time.Time // when something of it was written last
	future  bool      // its time has not come yet

	err      error // why it cannot be looked into
	promises []manifest
	sums     map[string]string // by file
}

// A file is one of a set.
type file struct {
	name   string // within the set's dir
	label  string // for metrics: its File.Match, where there is one
	path   string
	size   int64
	mtime  time.Time
	inode  uint64
	format format
	spec   File
}

// list finds the sets, newest first.
func (c *Config) list(now time.Time) ([]*set, error) {
	names, err := c.names()
	if err != nil {
		return nil, err
	}
	var all []*set
	for _, name := range names {
		switch s, err := c.set(name, now); {
		case errors.Is(err, fs.ErrNotExist):
			// It was removed just now.
		case err != nil:
			all = append(all, &set{name: filepath.Base(name), err: err, time: now})
		case s != nil:
			all = append(all, s)
		}
	}
	slices.SortStableFunc(all, func(a, b *set) int {
		if d := b.time.Compare(a.time); d != 0 {
			return d
		}
		return strings.Compare(b.name, a.name)
	})
	return all, nil
}

// names are the paths of what may be sets.
func (c *Config) names() (all []string, err error) {
	if strings.ContainsAny(c.Path, "*?[") {
		if all, err = filepath.Glob(c.Path); err != nil {
			return nil, err
		}
		// Glob is silent of a folder that it cannot read.
		dir := c.Path
		for strings.ContainsAny(dir, "*?[") {
			dir = filepath.Dir(dir)
		}
		if len(all) == 0 {
			_, err = readDir(dir, 1)
		}
	} else {
		entries, readErr := readDir(c.Path, 4*maxSets)
		err = readErr
		for _, e := range entries {
			if e.IsDir() && e.Name() != "lost+found" {
				all = append(all, filepath.Join(c.Path, e.Name()))
			}
		}
		if len(all) == 0 && len(entries) > 0 {
			err = errors.Join(err, fmt.Errorf("%s has files and no folders; write path: %s", c.Path, filepath.Join(c.Path, "*"+path.Ext(entries[0].Name()))))
		}
	}
	all = slices.DeleteFunc(all, func(name string) bool { return strings.HasPrefix(filepath.Base(name), ".") })
	if err == nil && len(all) > maxSets {
		err = fmt.Errorf("%s: %d backups are more than %d; narrow path, or remove old ones", c.Path, len(all), maxSets)
	}
	return all, readable(err)
}

// readable adds what to do where a right is missing.
func readable(err error) error {
	switch {
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w; let the agent's user read it (setfacl -R -m u:logkeel:rX, and -d -m for what comes), or mount it read-only into its container", err)
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w; is the disk mounted, and in the agent's container as well", err)
	}
	return err
}

// readDir reads a folder of at most so many entries.
func readDir(dir string, most int) ([]fs.DirEntry, error) {
	f, err := os.OpenFile(dir, os.O_RDONLY|syscall.O_DIRECTORY, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	entries, err := f.ReadDir(most)
	if err == io.EOF {
		err = nil
	}
	return entries, err
}

// set looks at one set; nil where the name is of something else.
func (c *Config) set(name string, now time.Time) (*set, error) {
	info, err := os.Lstat(name)
	if err != nil {
		return nil, readable(err)
	}
	s := &set{name: filepath.Base(name), dir: name, changed: info.ModTime()}
	switch {
	case info.IsDir():
		err = c.folder(s)
	case info.Mode().IsRegular() && !isSums(name) && !isManifest(name):
		s.dir = filepath.Dir(name)
		err = c.single(s, info)
	default:
		return nil, nil // a link, as latest
	}
	if err != nil {
		return nil, readable(err)
	}
	s.date(now)
	return s, nil
}

// single makes a set of one file, and of its sums beside it.
func (c *Config) single(s *set, info fs.FileInfo) error {
	spec := File{}
	for _, f := range c.Files {
		if ok, _ := path.Match(f.Match, s.name); ok {
			spec = f
			break
		}
	}
	if len(c.Files) > 0 && spec.Match == "" {
		s.missing = append(s.missing, c.Files[0].Match)
	}
	f := s.file(s.name, info, spec)
	f.label = filepath.Base(c.Path)
	s.files = []*file{f}
	if sums, err := os.Lstat(filepath.Join(s.dir, s.name+".sha256")); err == nil && sums.Mode().IsRegular() {
		s.notes = append(s.notes, s.file(s.name+".sha256", sums, File{}))
	}
	return nil
}

func (s *set) file(name string, info fs.FileInfo, spec File) *file {
	f := &file{
		name: name, label: spec.Match, path: filepath.Join(s.dir, name),
		size: info.Size(), mtime: info.ModTime(), spec: spec, format: spec.formatOf(name),
	}
	if sys, ok := info.Sys().(*syscall.Stat_t); ok {
		f.inode = sys.Ino
	}
	if f.mtime.After(s.changed) {
		s.changed = f.mtime
	}
	return f
}

// folder finds a set's files in its folder. What leads out of the folder is not
// followed: whoever may write there is not always who may read what the agent can.
func (c *Config) folder(s *set) error {
	root, err := os.OpenRoot(s.dir)
	if err != nil {
		return err
	}
	defer root.Close()
	entries, err := fs.ReadDir(root.FS(), ".")
	if err != nil {
		return err
	}
	for _, e := range entries {
		if name := e.Name(); isManifest(name) || isSums(name) {
			if info, err := root.Lstat(name); err == nil && info.Mode().IsRegular() && len(s.notes) < maxInSet {
				s.notes = append(s.notes, s.file(name, info, File{}))
			}
		}
	}
	for _, spec := range c.Files {
		found := []string{spec.Match}
		if strings.ContainsAny(spec.Match, `*?[\`) {
			if found, err = fs.Glob(root.FS(), spec.Match); err != nil {
				return err
			}
		} else if _, err := root.Lstat(spec.Match); err != nil {
			found = nil
		}
		before := len(s.files)
		for _, name := range found {
			s.add(root, name, spec)
		}
		if len(s.files) == before {
			s.missing = append(s.missing, spec.Match)
		}
	}
	if len(c.Files) > 0 {
		return nil
	}
	for _, e := range entries {
		if !e.IsDir() && !isManifest(e.Name()) && !isSums(e.Name()) {
			s.add(root, e.Name(), File{})
		}
	}
	if len(s.files) == 0 {
		s.missing = append(s.missing, "any file")
	}
	labelUnnamed(s.files)
	return nil
}

func (s *set) add(root *os.Root, name string, spec File) {
	if slices.ContainsFunc(s.files, func(f *file) bool { return f.name == name }) {
		return // it fits an earlier one
	}
	info, err := root.Lstat(name)
	switch {
	case err != nil:
		// It was removed just now, and is missing.
	case !info.Mode().IsRegular():
		s.faults = append(s.faults, faultf(missingFile, "%s is no file but a link or something else, which is not followed", shorten(name, 60)))
	case len(s.files) >= maxInSet:
		if len(s.files) == maxInSet && !slices.ContainsFunc(s.faults, func(err error) bool { return err == errTooMany }) {
			s.faults = append(s.faults, errTooMany)
		}
	default:
		s.files = append(s.files, s.file(name, info, spec))
	}
}

var errTooMany = faultf(corrupt, "there are more than %d files in it; pack them into one archive, or name in files what is to be there", maxInSet)

// digits are the parts of a name that are another in each set.
var digits = regexp.MustCompile(`\d[\d_:T.-]{3,}\d|\d{4,}`)

// labelUnnamed gives files that the configuration does not name the same labels
// in each set, and not many.
func labelUnnamed(files []*file) {
	seen := map[string]bool{}
	for _, f := range files {
		label := shorten(digits.ReplaceAllString(f.name, "*"), maxLabel-len("…"))
		if !seen[label] && len(seen) >= maxFiles {
			label = "(other)"
		}
		seen[label] = true
		f.label = label
	}
}

var dated = regexp.MustCompile(`(20\d\d)[-_.]?([01]\d)[-_.]?([0-3]\d)(?:[-_.T ]?([0-2]\d)[-_.:h]?([0-5]\d)(?:[-_.:m]?([0-5]\d))?)?`)

// nameTime is the time in a name as 20260102_020000, by the local clock.
func nameTime(name string) (time.Time, bool) {
	found := dated.FindStringSubmatch(name)
	if found == nil {
		return time.Time{}, false
	}
	var n [6]int
	for i, part := range found[1:] {
		n[i], _ = strconv.Atoi(part)
	}
	t := time.Date(n[0], time.Month(n[1]), n[2], n[3], n[4], n[5], 0, time.Local)
	return t, t.Month() == time.Month(n[1]) && t.Day() == n[2] && n[3] < 24
}

// offBy is how far the time in a name may be from that of the files: another
// time zone, a name without the hour, a backup that takes hours.
const offBy = 36 * time.Hour

// date finds out when the set was made: when its last file was written, or, where
// they were copied later, when its name says.
func (s *set) date(now time.Time) {
	s.time = s.changed
	if len(s.files) > 0 {
		s.time = s.files[0].mtime
		for _, f := range s.files {
			if f.mtime.After(s.time) {
				s.time = f.mtime
			}
		}
	}
	if t, ok := nameTime(s.name); ok && t.Before(now) && t.Sub(s.time).Abs() > offBy {
		s.time = t
	}
	s.future = s.time.Sub(now) > time.Hour
}
