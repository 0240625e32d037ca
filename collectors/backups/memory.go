package backups

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/webgrip/logkeel/agent"
)

const (
	formatVersion = 1       // of the file, and of what verify looks at
	maxMemory     = 8 << 20 // bytes of the file
	maxHistory    = 15      // sets whose sizes are remembered
	maxRemembered = 2000    // files
)

// A memory is what was verified, so that nothing is read twice. It is kept in one
// file.
type memory struct {
	path  string
	files map[identity][]*remembered
	sizes map[string][]sized // by label
	told  map[string]string  // by set, what a record said of it
	dirty bool
}

// An identity is what tells one state of a file from others, with its path or its
// inode: of these either may change, by renaming or by mounting.
type identity struct {
	size  int64
	mtime int64 // in nanoseconds since 1970
}

// A remembered is a verdict as it is written.
type remembered struct {
	Path     string  `json:"path"`
	Inode    uint64  `json:"inode"`
	Size     int64   `json:"size"`
	Mtime    int64   `json:"mtime"`
	How      string  `json:"how"` // as what it was read
	Problem  string  `json:"problem,omitempty"`
	Reason   string  `json:"reason,omitempty"`
	Unpacked int64   `json:"unpacked"`
	Members  int64   `json:"members,omitempty"`
	Sum      string  `json:"sha256,omitempty"`
	Took     float64 `json:"seconds"`
}

// A sized is how large the files of a label were in the set of this time.
type sized struct {
	Time int64 `json:"time"`
	Size int64 `json:"size"`
}

// A page is what the file has.
type page struct {
	Version int                `json:"version"`
	Files   []*remembered      `json:"files"`
	Sizes   map[string][]sized `json:"sizes"`
	Told    map[string]string  `json:"told"`
}

// load reads the file. Where it cannot be read all is verified again.
func load(path string) (*memory, error) {
	m := &memory{path: path, files: map[identity][]*remembered{}, sizes: map[string][]sized{}, told: map[string]string{}}
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return m, nil
	}
	if err == nil && info.Size() > maxMemory {
		err = errors.New("it is too large")
	}
	var text []byte
	if err == nil {
		text, err = os.ReadFile(path)
	}
	var p page
	if err == nil {
		err = json.Unmarshal(text, &p)
	}
	if err != nil {
		return m, fmt.Errorf("what was verified before cannot be read, and is verified again: %s: %w", path, err)
	}
	if p.Version != formatVersion {
		return m, nil
	}
	for _, r := range p.Files[:min(len(p.Files), maxRemembered)] {
		if r != nil {
			id := identity{r.Size, r.Mtime}
			m.files[id] = append(m.files[id], r)
		}
	}
	for label, s := range p.Sizes {
		if len(m.sizes) < 2*maxFiles {
			m.sizes[label] = s[:min(len(s), maxHistory)]
		}
	}
	for set, said := range p.Told {
		if len(m.told) < maxSets {
			m.told[set] = said
		}
	}
	return m, nil
}

// save writes the file where anything has changed.
func (m *memory) save() error {
	if !m.dirty {
		return nil
	}
	p := page{Version: formatVersion, Sizes: m.sizes, Told: m.told, Files: []*remembered{}}
	for _, all := range m.files {
		p.Files = append(p.Files, all...)
	}
	slices.SortFunc(p.Files, func(a, b *remembered) int { return int(max(-1, min(1, b.Mtime-a.Mtime))) })
	p.Files = p.Files[:min(len(p.Files), maxRemembered)]
	text, err := json.Marshal(p)
	if err == nil {
		err = os.MkdirAll(filepath.Dir(m.path), 0o700)
	}
	if err == nil {
		err = agent.ReplaceFile(m.path, text)
	}
	if err != nil {
		return fmt.Errorf("what was verified cannot be kept, and would be verified again after a restart: %w; free space in state_dir or make it writable", err)
	}
	m.dirty = false
	return nil
}

// how is as what a file is read: another configuration reads it again.
func (f *file) how() string { return f.format.of + "|" + f.format.packed + "|" + f.spec.Trailer }

func (f *file) identity() identity { return identity{f.size, f.mtime.UnixNano()} }

// find is the verdict on f; nil where it was not verified yet, or its sum is
// wanted and not known.
func (m *memory) find(f *file, sum bool) *remembered {
	for _, r := range m.files[f.identity()] {
		if (r.Path == f.path || r.Inode == f.inode) && r.How == f.how() && (!sum || r.Sum != "") {
			return r
		}
	}
	return nil
}

func (m *memory) add(f *file, v verdict) {
	id := f.identity()
	m.files[id] = slices.DeleteFunc(m.files[id], func(r *remembered) bool {
		return (r.Path == f.path || r.Inode == f.inode) && r.How == f.how()
	})
	m.files[id] = append(m.files[id], &remembered{
		Path: f.path, Inode: f.inode, Size: f.size, Mtime: f.mtime.UnixNano(), How: f.how(), Problem: v.problem.String(),
		Reason: v.reason, Unpacked: v.unpacked, Members: v.members, Sum: v.sum, Took: v.took.Seconds(),
	})
	m.dirty = true
}

// forget drops what is not there any more.
func (m *memory) forget(sets []*set) {
	there, names := map[identity]bool{}, map[string]bool{}
	for _, s := range sets {
		names[s.name] = true
		for _, f := range s.files {
			there[f.identity()] = true
		}
	}
	for id := range m.files {
		if !there[id] {
			delete(m.files, id)
			m.dirty = true
		}
	}
	for name := range m.told {
		if !names[name] {
			delete(m.told, name)
			m.dirty = true
		}
	}
}

// note remembers how large a label's files were at a time, or, where the set is
// broken, that they do not count.
func (m *memory) note(label string, at time.Time, size int64, counts bool) {
	all := m.sizes[label]
	i, found := slices.BinarySearchFunc(all, at.UnixNano(), func(s sized, at int64) int { return int(max(-1, min(1, at-s.Time))) })
	switch {
	case found && counts && all[i].Size == size, !found && !counts, !found && i >= maxHistory:
		return
	case found && counts:
		all[i].Size = size
	case found:
		all = slices.Delete(all, i, i+1)
	case len(all) == 0 && len(m.sizes) >= 2*maxFiles:
		return // names that are others each time
	default:
		all = slices.Insert(all, i, sized{at.UnixNano(), size})
		all = all[:min(len(all), maxHistory)]
	}
	m.sizes[label], m.dirty = all, true
}

// minHistory is how many sets there have to be before one for a usual size.
const minHistory = 3

// usual is the median of what a label's files had in sets before that time.
func (m *memory) usual(label string, before time.Time) (int64, bool) {
	var sizes []int64
	for _, s := range m.sizes[label] {
		if s.Time < before.UnixNano() {
			sizes = append(sizes, s.Size)
		}
	}
	if len(sizes) < minHistory {
		return 0, false
	}
	slices.Sort(sizes)
	a, b := sizes[(len(sizes)-1)/2], sizes[len(sizes)/2]
	return a + (b-a)/2, true
}
