package integrity

import (
	"errors"
	"path"
	"slices"
	"sync"
	"time"

	"github.com/fsnotify/fsnotify"
)

// A notifier is told which folders are looked at.
type notifier interface {
	add(folder string)
	remove(folder string)
}

type noNotifier struct{}

func (noNotifier) add(string)    {}
func (noNotifier) remove(string) {}

const (
	maxWatches = 16_384 // folders; the kernel takes some 1 KiB for each
	maxDirty   = 4096   // folders; where there are more all are looked at

	quiet    = 2 * time.Second  // so long nothing must change before it is looked at
	maxQuiet = 10 * time.Second // unless this has passed
)

// An inotify notes in which folders something changed. Its goroutine ends with
// close.
type inotify struct {
	fs       *fsnotify.Watcher
	excluded func(root, rel string) bool
	now      func() time.Time
	wake     chan struct{} // has one when something changed
	done     chan struct{}

	watched map[string]struct{} // of the watch's goroutine
	failed  error               // why a folder has none
	limit   int

	mu          sync.Mutex
	roots       []string
	dirty       map[string]struct{}
	first, last time.Time
	over        bool // something was not noted
}

func newInotify(fs *fsnotify.Watcher, w *watch) *inotify {
	n := &inotify{
		fs: fs, excluded: w.excluded, now: w.now, wake: make(chan struct{}, 1), done: make(chan struct{}), limit: maxWatches,
		watched: map[string]struct{}{}, dirty: map[string]struct{}{},
	}
	go n.pump()
	return n
}

func (n *inotify) close() {
	n.fs.Close()
	<-n.done
}

// add watches the folder. One that was removed and made again is a new one for
// the kernel, so that it is asked each time.
func (n *inotify) add(folder string) {
	_, known := n.watched[folder]
	if !known && len(n.watched) >= n.limit {
		n.failed = errors.New("there are too many folders")
		return
	}
	err := n.fs.Add(folder)
	switch {
	case err == nil:
		n.watched[folder] = struct{}{}
	case gone(err):
	default:
		n.failed = err
	}
}

func (n *inotify) remove(folder string) {
	delete(n.watched, folder)
	n.fs.Remove(folder) // which the kernel may have done
}

// setRoots says below which folders, and of which files, changes count.
func (n *inotify) setRoots(roots []string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.roots = slices.Clone(roots)
}

func (n *inotify) pump() {
	defer close(n.done)
	for {
		select {
		case e, ok := <-n.fs.Events:
			if !ok {
				return
			}
			n.event(e.Name)
		case _, ok := <-n.fs.Errors: // the queue was full, most likely
			if !ok {
				return
			}
			n.note("")
		}
	}
}

func (n *inotify) event(name string) {
	n.mu.Lock()
	i := slices.IndexFunc(n.roots, func(root string) bool { return isBelow(root, name) })
	root := ""
	if i >= 0 {
		root = n.roots[i]
	}
	n.mu.Unlock()
	if i < 0 || n.excluded(root, relative(root, name)) {
		return
	}
	n.note(path.Dir(name), name)
}

// note notes folders; names that are none do no harm. "" is all of them.
func (n *inotify) note(folders ...string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.last = n.now()
	if len(n.dirty) == 0 && !n.over {
		n.first = n.last
	}
	for _, f := range folders {
		if f == "" || len(n.dirty) >= maxDirty {
			n.over = true
			continue
		}
		n.dirty[f] = struct{}{}
	}
	select {
	case n.wake <- struct{}{}:
	default:
	}
}

// take returns the folders in which something changed, once they are quiet. Until
// then wait is for how long to wait; 0 is that nothing changed.
func (n *inotify) take() (folders []string, all bool, wait time.Duration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.dirty) == 0 && !n.over {
		return nil, false, 0
	}
	now := n.now()
	if wait := min(quiet-now.Sub(n.last), maxQuiet-now.Sub(n.first)); wait > 0 {
		return nil, false, wait
	}
	for f := range n.dirty {
		folders = append(folders, f)
	}
	all = n.over
	clear(n.dirty)
	n.over = false
	return folders, all, 0
}
