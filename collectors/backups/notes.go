package backups

import (
	"bytes"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// readNotes reads the manifests and sums of a set, and adds the files that only
// they name. What is wrong with them becomes a fault of the set.
func (s *set) readNotes() error {
	if len(s.notes) == 0 {
		return nil
	}
	root, err := os.OpenRoot(s.dir)
	if err != nil {
		return readable(err)
	}
	defer root.Close()
	named := []string{}
	s.sums = map[string]string{}
	for _, note := range s.notes {
		text, err := readNote(s.dir, note)
		if err != nil {
			return err
		}
		if isManifest(note.name) {
			m, err := parseManifest(text)
			if err != nil {
				s.faults = append(s.faults, err)
			}
			s.promises = append(s.promises, m)
			named = append(named, m.names...)
			continue
		}
		sums, err := parseSums(text)
		if err != nil {
			s.faults = append(s.faults, err)
		}
		for name, sum := range sums {
			if len(s.files) == 1 && s.dir != "" && note.name == s.files[0].name+".sha256" {
				name = s.files[0].name // its own, whatever it calls it
			} else if !s.has(name) {
				if _, err := root.Lstat(name); err != nil {
					name = name[strings.LastIndexByte(name, '/')+1:]
				}
			}
			s.sums[name] = sum
			named = append(named, name)
		}
	}
	slices.Sort(named)
	for _, name := range slices.Compact(named) {
		if s.has(name) {
			continue
		}
		if _, err := root.Lstat(name); err != nil {
			s.faults = append(s.faults, faultf(badManifest, "the manifest names %s, which is not there", shorten(name, 60)))
		} else if s.sums[name] != "" {
			s.add(root, name, File{Kind: "any"})
		}
	}
	return nil
}

func (s *set) has(name string) bool {
	return slices.ContainsFunc(s.files, func(f *file) bool { return f.name == name })
}

func readNote(dir string, note *file) ([]byte, error) {
	in, err := open(dir, note)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	return io.ReadAll(io.LimitReader(in, maxManifest))
}

// agrees says what of a set is not as its manifests say, but sums.
func (s *set) agrees() (faults []error) {
	for _, m := range s.promises {
		for _, p := range m.sizes {
			if f := promised(p.of, s.files); f != nil && f.size != p.size {
				faults = append(faults, faultf(badManifest, "%s has %d bytes, and %d by the manifest", shorten(f.name, 60), f.size, p.size))
			}
		}
	}
	return faults
}

// maxLog is how much of the end of a restore test's file is read.
const maxLog = 64 << 10

// last says when a restore was tested, and whether it succeeded: by the first
// line where that is a time, or else when the file was written.
func (r *RestoreTest) last() (at time.Time, ok bool, err error) {
	f, err := os.OpenFile(r.File, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a pipe would block
	if err != nil {
		return at, false, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return at, false, err
	}
	if !info.Mode().IsRegular() {
		return at, false, &os.PathError{Op: "read", Path: r.File, Err: os.ErrInvalid}
	}
	text := make([]byte, min(info.Size(), maxLog))
	n, err := f.ReadAt(text, info.Size()-int64(len(text)))
	if err != nil && err != io.EOF {
		return at, false, err
	}
	text = text[:n]
	at = info.ModTime()
	if line, _, _ := strings.Cut(string(text), "\n"); info.Size() <= maxLog {
		if t, ok := parseTime(strings.TrimSpace(line)); ok {
			at = t
		}
	}
	if r.Success == "" {
		return at, true, nil
	}
	done := bytes.LastIndex(text, []byte(r.Success))
	begun := -1
	if r.Start != "" {
		begun = bytes.LastIndex(text, []byte(r.Start))
	}
	return at, done >= 0 && done > begun, nil
}

// parseTime reads a line that is a time and nothing else: seconds since 1970, or
// what date -Is and date -u print.
func parseTime(line string) (time.Time, bool) {
	if n, err := strconv.ParseInt(line, 10, 64); err == nil && n > 1e9 && n < 1e11 {
		return time.Unix(n, 0), true
	}
	for _, layout := range [...]string{time.RFC3339, "2006-01-02 15:04:05-07:00", "Mon Jan _2 15:04:05 UTC 2006"} {
		if t, err := time.Parse(layout, line); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}
