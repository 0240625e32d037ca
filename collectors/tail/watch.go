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
	watched map[string]bool
	seen    map[string]state
	trouble *agent.Trouble
}

// A state is what a poll compares.
type state struct {
	inode   uint64
	size    int64
	changed int64 // ns
}

func newWatcher(t *Tail) *watcher {
	w := &watcher{t: t, watched: map[string]bool{}, seen: map[string]state{}, trouble: agent.NewTrouble(t.o.Log)}
	var err error
	if w.fs, err = fsnotify.NewWatcher(); err != nil {
		w.fs = nil
		w.fail(err)
	}
	return w
}

func (w *watcher) fail(err error) {
	w.t.polling.Store(true)
	w.trouble.Fail(err, "no change notification; logs are polled instead (raise fs.inotify.max_user_instances or max_user_watches)", "poll", w.t.o.Poll.String())
}

func (w *watcher) close() {
	if w.fs != nil {
		w.fs.Close()
	}
}

// watchDirs watches every folder in which something that the patterns match may
// appear: those of the files, and those above them up to the first wildcard.
func (w *watcher) watchDirs(globs []string) {
	if w.fs == nil {
		return
	}
	for dir := range w.watched {
		if _, err := os.Stat(dir); err != nil {
			delete(w.watched, dir) // inotify has dropped it
		}
	}
	for _, g := range globs {
		for dir := filepath.Dir(g); ; dir = filepath.Dir(dir) {
			dirs, _ := filepath.Glob(dir)
			for _, d := range dirs {
				w.watch(d)
			}
			if !strings.ContainsAny(dir, `*?[\`) {
				break
			}
		}
	}
}

func (w *watcher) watch(dir string) {
	if w.watched[dir] {
		return
	}
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return
	}
	if err := w.fs.Add(dir); err != nil {
		w.fail(err)
		return
	}
	w.watched[dir] = true
}

func (w *watcher) run(ctx context.Context) error {
	var events chan fsnotify.Event
	var errs chan error
	if w.fs != nil {
		events, errs = w.fs.Events, w.fs.Errors
	}
	tick := time.NewTicker(w.t.o.Poll)
	defer tick.Stop()
	for polls := 0; ; {
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
				w.trouble.Fail(err, "change notification failed; logs are polled meanwhile")
			}
			w.t.wake("")
		case <-tick.C:
			if polls++; polls%rescan == 0 {
				w.t.discover(ctx, w)
			}
			w.poll()
		}
	}
}

func (w *watcher) event(ctx context.Context, e fsnotify.Event) {
	if e.Has(fsnotify.Create) && !w.t.has(e.Name) {
		w.t.discover(ctx, w)
	}
	w.t.wake(e.Name)
}

func (t *Tail) has(path string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.readers[path] != nil
}

// poll wakes the readers whose log has changed since the last poll, and those
// that wait for time to pass.
func (w *watcher) poll() {
	t := w.t
	t.mu.Lock()
	defer t.mu.Unlock()
	for path := range w.seen {
		if t.readers[path] == nil {
			delete(w.seen, path)
		}
	}
	for path, r := range t.readers {
		var now state
		if info, err := os.Stat(path); err == nil {
			now = state{inode(info), info.Size(), info.ModTime().UnixNano()}
		}
		if now != w.seen[path] || r.pending.Load() {
			w.seen[path] = now
			r.signal()
		}
	}
}
