package tail

import (
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
	gap    bool     // between what the reader has and files
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
	newer, found, err := g.chain.after(g.newest)
	if err != nil || len(newer) == 0 {
		return found, err
	}
	// One file alone is what follows on a log that keeps no older ones.
	if !found && len(newer) > 1 {
		if len(g.files) == 0 {
			g.gap = true
		} else {
			// Between files that are held it is seen once the reader is there.
			closeAll(newer)
			return false, nil
		}
	}
	g.files = append(g.files, newer...)
	g.newest = newer[len(newer)-1]
	return found, nil
}

func (g *guard) full() bool {
	if len(g.files) >= guardFiles {
		return true
	}
	held := int64(0)
	for _, f := range g.files {
		if unlinked(f) {
			held += f.info.Size()
		}
	}
	return held >= guardBytes
}

// take gives the reader what is newer than what it has. found is false when the
// file that it has is none of the log's any more; gap says that there may have
// been others before what is newer.
func (g *guard) take() (newer []opened, found, gap bool, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	found = true
	if len(g.files) == 0 {
		found, err = g.lookLocked()
	}
	newer, gap = g.files, g.gap
	g.files, g.gap = nil, false
	return newer, found, gap, err
}

// reset says which file is the newest that the reader has.
func (g *guard) reset(newest opened) {
	g.mu.Lock()
	defer g.mu.Unlock()
	closeAll(g.files)
	g.newest, g.files, g.gap = newest, nil, false
}

// size is how many bytes are held.
func (g *guard) size() (n int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, f := range g.files {
		if size, err := f.size(); err == nil {
			n += size
		}
	}
	return n
}

// unlinked reports whether the file has no name any more.
func unlinked(f opened) bool {
	info, err := f.Stat()
	if err != nil {
		return false
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && st.Nlink == 0
}
