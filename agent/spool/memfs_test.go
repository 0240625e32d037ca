package spool

import (
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// A memFS is a file system in memory that knows what a power cut would leave,
// and fails when it is told to.
type memFS struct {
	mu      sync.Mutex
	names   map[string]*inode
	durable map[string]*inode // names that a power cut leaves
	calls   int
	fail    func(call int, op, name string) error // nil: never
}

type inode struct {
	data   []byte
	synced []byte
	writes []change // since the last sync
}

// A change is bytes at an offset, or a truncation where data is nil.
type change struct {
	off  int64
	data []byte
}

func newMemFS() *memFS {
	return &memFS{names: map[string]*inode{}, durable: map[string]*inode{}}
}

// powerCut leaves what was synced, and of everything else any part.
func (m *memFS) powerCut(rng *rand.Rand) {
	m.mu.Lock()
	defer m.mu.Unlock()
	after := map[string]*inode{}
	for name, f := range m.durable {
		if m.names[name] != nil || rng.IntN(2) == 0 { // a removal may come undone
			after[name] = f
		}
	}
	for name, f := range m.names {
		if m.durable[name] == f || rng.IntN(2) == 0 {
			after[name] = f
		}
	}
	for _, f := range after {
		f.settle(rng)
	}
	m.names = after
	m.durable = map[string]*inode{}
	for name, f := range after {
		m.durable[name] = f
	}
}

// settle keeps any of the pages that were not synced; the size may be there
// before the bytes are.
func (f *inode) settle(rng *rand.Rand) {
	const page = 64
	data := slices.Clone(f.synced)
	for _, c := range f.writes {
		if c.data == nil {
			if rng.IntN(2) == 0 {
				data = resized(data, c.off)
			}
			continue
		}
		if rng.IntN(3) == 0 {
			data = resized(data, max(int64(len(data)), c.off+int64(len(c.data))))
		}
		for i := 0; i < len(c.data); i += page {
			if rng.IntN(4) > 0 {
				part := c.data[i:min(i+page, len(c.data))]
				end := c.off + int64(i+len(part))
				data = resized(data, max(int64(len(data)), end))
				copy(data[c.off+int64(i):], part)
			}
		}
	}
	f.data, f.synced, f.writes = data, slices.Clone(data), nil
}

func resized(b []byte, n int64) []byte {
	if n <= int64(len(b)) {
		return b[:n]
	}
	return append(b, make([]byte, n-int64(len(b)))...)
}

func (m *memFS) step(op, name string) error {
	m.calls++
	if m.fail == nil {
		return nil
	}
	if err := m.fail(m.calls, op, name); err != nil {
		return &fs.PathError{Op: op, Path: name, Err: err}
	}
	return nil
}

func (m *memFS) MkdirAll(dir string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.step("mkdir", dir)
}

func (m *memFS) OpenFile(name string, flag int, _ fs.FileMode) (File, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.step("open", name); err != nil {
		return nil, err
	}
	f := m.names[name]
	if f == nil {
		if flag&os.O_CREATE == 0 {
			return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
		}
		f = &inode{}
		m.names[name] = f
	}
	if flag&os.O_TRUNC != 0 {
		f.truncate(0)
	}
	return &memFile{fs: m, f: f, name: name}, nil
}

func (m *memFS) Remove(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.step("remove", name); err != nil {
		return err
	}
	if m.names[name] == nil {
		return &fs.PathError{Op: "remove", Path: name, Err: fs.ErrNotExist}
	}
	delete(m.names, name)
	return nil
}

func (m *memFS) Rename(from, to string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.step("rename", from); err != nil {
		return err
	}
	f := m.names[from]
	if f == nil {
		return &fs.PathError{Op: "rename", Path: from, Err: fs.ErrNotExist}
	}
	delete(m.names, from)
	delete(m.durable, from)
	m.names[to], m.durable[to] = f, f
	return nil
}

func (m *memFS) ReadDir(dir string) ([]fs.DirEntry, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.step("readdir", dir); err != nil {
		return nil, err
	}
	var es []fs.DirEntry
	for name, f := range m.names {
		if strings.HasPrefix(name, dir+"/") {
			es = append(es, fs.FileInfoToDirEntry(memInfo{filepath.Base(name), int64(len(f.data))}))
		}
	}
	return es, nil
}

func (m *memFS) SyncDir(dir string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.step("syncdir", dir); err != nil {
		return err
	}
	m.durable = map[string]*inode{}
	for name, f := range m.names {
		m.durable[name] = f
	}
	return nil
}

type memFile struct {
	fs     *memFS
	f      *inode
	name   string
	closed bool
}

func (f *memFile) step(op string) error {
	if f.closed {
		return &fs.PathError{Op: op, Path: f.name, Err: os.ErrClosed}
	}
	return f.fs.step(op, f.name)
}

func (f *memFile) ReadAt(b []byte, off int64) (int, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.step("read"); err != nil {
		return 0, err
	}
	if off >= int64(len(f.f.data)) {
		return 0, io.EOF
	}
	n := copy(b, f.f.data[off:])
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

// WriteAt writes the first half where it fails, as a full disk does.
func (f *memFile) WriteAt(b []byte, off int64) (int, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	err := f.step("write")
	if err != nil {
		b = b[:len(b)/2]
	}
	f.f.data = resized(f.f.data, max(int64(len(f.f.data)), off+int64(len(b))))
	copy(f.f.data[off:], b)
	f.f.writes = append(f.f.writes, change{off, append([]byte{}, b...)})
	return len(b), err
}

func (f *inode) truncate(n int64) {
	f.data = resized(f.data, n)
	f.writes = append(f.writes, change{off: n})
}

func (f *memFile) Truncate(n int64) error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.step("truncate"); err != nil {
		return err
	}
	f.f.truncate(n)
	return nil
}

// Sync that fails leaves what was written for the power cut to decide.
func (f *memFile) Sync() error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.step("sync"); err != nil {
		return err
	}
	f.f.synced, f.f.writes = slices.Clone(f.f.data), nil
	return nil
}

func (f *memFile) Stat() (fs.FileInfo, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.step("stat"); err != nil {
		return nil, err
	}
	return memInfo{filepath.Base(f.name), int64(len(f.f.data))}, nil
}

func (f *memFile) Close() error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	err := f.step("close")
	f.closed = true
	return err
}

type memInfo struct {
	name string
	size int64
}

func (i memInfo) Name() string     { return i.name }
func (i memInfo) Size() int64      { return i.size }
func (memInfo) Mode() fs.FileMode  { return 0o600 }
func (memInfo) ModTime() time.Time { return time.Time{} }
func (memInfo) IsDir() bool        { return false }
func (memInfo) Sys() any           { return nil }
