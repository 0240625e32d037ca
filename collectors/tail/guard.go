package tail

import (
	"io/fs"
	"slices"
	"sync"
	"syscall"
)

const (
	// guardFiles and guardBytes bound what a guard holds of one log: files, and
	// the bytes of those that nothing but the guard keeps on the disk.
	guardFiles = 64
	guardBytes = 256 << 20
)

// A guard opens the files that a log goes on in as soon as they appear. A reader
// that is held up by the outputs finds them there, also after rotation has
// removed them.
type guard struct {
	chain chain

	mu     sync.Mutex
	newest opened   // of files, or else of what the reader has; its File is nil while that has none
	files  []opened // newer than what the reader has, the oldest first
	lent   []opened // what the reader has got of them and did not begin
	keeps  bool     // the log was seen to have older files
}

// look opens what is new. It does nothing while too much is held: what is still
// there later is opened then.
func (g *guard) look() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	_, err := g.lookLocked()
	return err
}

// lookLocked reports whether the newest file is still one of the log's.
func (g *guard) lookLocked() (found bool, err error) {
	if g.newest.File == nil || g.full() {
		return true, nil
	}
	newer, found, older, err := g.chain.after(g.newest)
	g.keeps = g.keeps || older
	if err != nil || len(newer) == 0 {
		return found, err
	}
	// One file alone is what follows on a log that keeps no older ones. Where it
	// does, the one before it may just have been removed, to make room.
	newer[0].gap = !found && g.keeps
	g.files = append(g.files, newer...)
	g.newest = newer[len(newer)-1]
	return found, nil
}

// met says whether the log was seen to have older files.
func (g *guard) met(older bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.keeps = g.keeps || older
}

func (g *guard) full() bool {
	if len(g.files)+len(g.lent) >= guardFiles {
		return true
	}
	held := int64(0)
	for _, f := range append(g.lent[:len(g.lent):len(g.lent)], g.files...) {
		if info, ok := unlinked(f); ok {
			held += info.Size()
		}
	}
	return held >= guardBytes
}

// take gives the reader what is newer than what it has. found is false when the
// file that it has is none of the log's any more.
func (g *guard) take() (newer []opened, found bool, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	found = true
	if len(g.files) == 0 {
		g.lent = nil
		found, err = g.lookLocked()
	}
	newer, g.files, g.lent = slices.Clone(g.files), nil, g.files
	return newer, found, err
}

// begun says that the reader has begun the first of the files that it has got.
func (g *guard) begun() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.lent) > 0 {
		g.lent = g.lent[1:]
	}
}

// reset says which file is the newest that the reader has, and which of those
// that it has it did not begin.
func (g *guard) reset(newest opened, lent []opened) {
	g.mu.Lock()
	defer g.mu.Unlock()
	closeAll(g.files)
	g.newest, g.files, g.lent = newest, nil, lent
}

// size is how many bytes are held.
func (g *guard) size() int64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	return sizes(g.files)
}

func sizes(files []opened) (n int64) {
	for _, f := range files {
		if size, err := f.size(); err == nil {
			n += size
		}
	}
	return n
}

// unlinked reports whether the file has no name any more.
func unlinked(f opened) (fs.FileInfo, bool) {
	info, err := f.Stat()
	if err != nil {
		return nil, false
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	return info, ok && st.Nlink == 0
}
