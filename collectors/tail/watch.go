package tail

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/webgrip/logkeel/agent"
)

// rescan is how many polls pass between two looks for new files.
const rescan = 5

// A watcher wakes readers: by inotify at once, and by polling in any case, for
// inotify has limits and does not see what happens on network file systems.
type watcher struct {
	t       *Tail
	fs      *fsnotify.Watcher // nil: none could be had
	folders []string          // patterns of the folders that may hold a log, or such a folder
	watched map[string]bool
	seen    map[string]state
	network bool           // some folder is on a network file system
	trouble *agent.Trouble // with watching
	reading *agent.Trouble // of events
}

// A state is what a poll compares.
type state struct {
	inode   uint64
	size    int64
	changed int64 // ns
}

func newWatcher(t *Tail) *watcher {
	w := &watcher{t: t, watched: map[string]bool{}, seen: map[string]state{}, trouble: agent.NewTrouble(t.o.Log), reading: agent.NewTrouble(t.o.Log)}
	for _, g := range t.o.Globs { // up to the first folder without a wildcard
		for {
			g = filepath.Dir(g)
			w.folders = append(w.folders, g)
			if !strings.ContainsAny(g, `*?[\`) {
				break
			}
		}
	}
	return w
}

func (w *watcher) close() {
	if w.fs != nil {
		w.fs.Close()
	}
}

// watchDirs watches every folder in which something that the patterns match may
// appear. What could not be watched before is tried again.
func (w *watcher) watchDirs() {
	err := w.addDirs()
	w.t.polling.Store(err != nil || w.network)
	if err != nil {
		w.trouble.Fail(err, "no change notification; logs are polled instead (raise fs.inotify.max_user_instances or max_user_watches)", "poll", w.t.o.Poll.String())
		return
	}
	w.trouble.Clear("change notification works")
}

func (w *watcher) addDirs() error {
	if w.fs == nil {
		fs, err := w.t.newFS()
		if err != nil {
			return err
		}
		w.fs = fs
	}
	for dir := range w.watched {
		if _, err := os.Stat(dir); err != nil {
			delete(w.watched, dir) // inotify has dropped it
		}
	}
	var failed error
	for _, pattern := range w.folders {
		dirs, _ := filepath.Glob(pattern)
		for _, dir := range dirs {
			if err := w.add(dir); err != nil {
				failed = err
			}
		}
	}
	return failed
}

func (w *watcher) add(dir string) error {
	if w.watched[dir] {
		return nil
	}
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return nil
	}
	if kind := w.t.netFS(dir); kind != "" && !w.network {
		w.network = true
		w.t.o.Log.Info("logs are on a network file system, which does not tell of all changes; they are polled", "folder", dir, "kind", kind, "poll", w.t.o.Poll.String())
	}
	err := w.fs.Add(dir)
	switch {
	case errors.Is(err, os.ErrNotExist), // removed meanwhile
		errors.Is(err, os.ErrPermission) && w.t.o.Elsewhere:
		return nil
	case err == nil:
		w.watched[dir] = true
	}
	return err
}

func (w *watcher) run(ctx context.Context) error {
	tick := time.NewTicker(w.t.o.Poll)
	defer tick.Stop()
	for polls := 1; ; {
		var events chan fsnotify.Event
		var errs chan error
		if w.fs != nil {
			events, errs = w.fs.Events, w.fs.Errors
		}
		select {
		case <-ctx.Done():
			return nil
		case e, ok := <-events:
			if !ok {
				return errors.New("inotify was closed")
			}
			w.event(ctx, e)
		case err, ok := <-errs:
			if !ok {
				return errors.New("inotify was closed")
			}
			if !errors.Is(err, fsnotify.ErrEventOverflow) {
				w.reading.Fail(err, "change notification failed; logs are polled meanwhile")
			}
			w.t.discover(ctx, w)
			w.t.wake("")
		case <-tick.C:
			if polls++; polls%rescan == 0 || w.t.ended.Swap(false) {
				w.t.discover(ctx, w)
			}
			w.poll()
		}
	}
}

func (w *watcher) event(ctx context.Context, e fsnotify.Event) {
	name := filepath.Clean(e.Name)
	switch {
	case e.Has(fsnotify.Remove) || e.Has(fsnotify.Rename):
		delete(w.watched, name)
	case e.Has(fsnotify.Create) && w.wanted(name):
		w.t.discover(ctx, w)
	case e.Has(fsnotify.Create):
		w.t.guard(name)
	}
	w.t.wake(name)
}

// wanted says that the new path may be a log that nobody reads yet, or a folder
// that may hold one. The names that rotation makes are neither.
func (w *watcher) wanted(path string) bool {
	return !w.t.has(path) && (matches(w.t.o.Globs, path) || matches(w.folders, path))
}

func matches(globs []string, path string) bool {
	for _, g := range globs {
		if ok, _ := filepath.Match(g, path); ok {
			return true
		}
	}
	return false
}

func (t *Tail) has(path string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.readers[path] != nil
}

// poll wakes the readers whose log has changed since the last poll, and those
// that wait for time to pass.
func (w *watcher) poll() {
	for _, path := range w.changed() {
		w.t.guard(path)
	}
}

// changed wakes the readers, and returns the paths at which there is another
// file now.
func (w *watcher) changed() (replaced []string) {
	t := w.t
	t.mu.Lock()
	defer t.mu.Unlock()
	for path := range w.seen {
		if t.readers[path] == nil {
			delete(w.seen, path)
		}
	}
	for path, r := range t.readers {
		before := w.seen[path]
		now := state{before.inode, -1, 0} // there is none for a moment: the next one is another
		if info, err := os.Stat(path); err == nil {
			now = state{inode(info), info.Size(), info.ModTime().UnixNano()}
		}
		if now != before || r.pending.Load() {
			w.seen[path] = now
			r.signal()
		}
		if before.inode != 0 && now.inode != before.inode {
			replaced = append(replaced, path)
		}
	}
	return replaced
}
