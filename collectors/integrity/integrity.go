package integrity

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/webgrip/logkeel/agent"
)

const (
	saveEvery  = time.Minute
	walkApart  = time.Minute      // walks because changes came too fast
	shownFor   = time.Hour        // a finding
	clearFor   = 10 * time.Minute // after that it is shown as 0
	maxPending = 500              // findings whose records were not taken
	maxShown   = 10 * maxFindings // series of findings, those that are 0 included
)

// A Sampler watches over the files of one Config. Its goroutine begins with the
// first snapshot and ends with Close; a snapshot only says what it has found.
type Sampler struct {
	c       Config
	baseDir string
	path    string // of the baseline
	log     *slog.Logger
	now     func() time.Time
	newFS   func() (*fsnotify.Watcher, error)

	running sync.Mutex // held by Sample and Close
	cancel  context.CancelFunc
	done    chan struct{}

	mu     sync.Mutex
	status status
}

var _ agent.Recorder = (*Sampler)(nil)

// New returns a Sampler of a Config that was checked. Relative paths are relative
// to baseDir; what has to outlive the agent is in stateDir.
func New(c Config, baseDir, stateDir string, log *slog.Logger) *Sampler {
	return &Sampler{
		c: c, baseDir: baseDir, path: filepath.Join(stateDir, "integrity", c.Name+".baseline"),
		log: log.With("integrity", c.Name), now: time.Now, newFS: fsnotify.NewWatcher,
	}
}

// Close ends the goroutine, which writes what it knows.
func (s *Sampler) Close() error {
	s.running.Lock()
	defer s.running.Unlock()
	if s.cancel != nil {
		s.cancel()
		<-s.done
		s.cancel = nil
	}
	return nil
}

func (s *Sampler) start() {
	s.running.Lock()
	defer s.running.Unlock()
	if s.cancel != nil {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	s.cancel, s.done = cancel, make(chan struct{})
	go s.run(ctx, s.done)
}

// run looks at the files until ctx is done.
func (s *Sampler) run(ctx context.Context, done chan<- struct{}) {
	defer close(done)
	lower()
	w := newWatch(s.c, s.baseDir)
	w.now = s.now
	findings, err := w.load(s.path)
	if err != nil {
		s.log.Warn("what was known of the files is lost; what is there now is taken as right", "error", err)
	}
	s.begin(w, findings)
	l := &loop{Sampler: s, w: w, saved: s.now()}
	defer l.end()
	for ctx.Err() == nil {
		l.step(ctx)
		l.save(saveEvery)
	}
}

// A loop is the goroutine's own.
type loop struct {
	*Sampler
	w      *watch
	n      *inotify // nil: none could be had
	walk   time.Time
	walked time.Time // when the last walk began
	saved  time.Time
	idle   bool // nothing is to be hashed until the next walk
	warned bool // that folders are not watched
}

// step does what is most urgent, or waits until there is something to do.
func (l *loop) step(ctx context.Context) {
	now := l.now()
	var folders []string
	var all bool
	var wait time.Duration
	if l.n != nil {
		folders, all, wait = l.n.take()
	}
	if all && l.walk.After(l.walked.Add(walkApart)) {
		l.walk = l.walked.Add(walkApart)
	}
	switch {
	case !now.Before(l.walk):
		l.everything(ctx)
	case len(folders) > 0:
		c, _ := l.w.some(ctx, folders)
		l.publish(l.w, c)
		l.idle = false
	case !l.idle:
		c, done, _ := l.w.rehash(ctx)
		l.idle = done
		l.publish(l.w, c)
	default:
		l.wait(ctx, wait)
	}
}

func (l *loop) wait(ctx context.Context, events time.Duration) {
	d := l.walk.Sub(l.now())
	if events > 0 {
		d = min(d, events)
	}
	if l.w.dirty {
		d = min(d, saveEvery)
	}
	t := time.NewTimer(d)
	defer t.Stop()
	var wake chan struct{}
	if l.n != nil && events == 0 {
		wake = l.n.wake
	}
	select {
	case <-ctx.Done():
	case <-t.C:
	case <-wake:
	}
}

// everything is a walk.
func (l *loop) everything(ctx context.Context) {
	began := l.now()
	l.watchAgain()
	c, err := l.w.everything(ctx)
	l.walked = began
	l.walk = l.now().Add(time.Duration(l.c.WalkInterval))
	l.w.plan()
	l.idle = false
	if ctx.Err() == nil {
		c.done = &walked{took: l.now().Sub(began), at: l.now(), err: err, unwatched: len(l.w.tree.folders)}
	}
	if l.n != nil {
		l.n.setRoots(l.w.roots)
		if c.done != nil {
			c.done.unwatched = max(0, c.done.unwatched-len(l.n.watched))
		}
	}
	l.publish(l.w, c)
	l.sayUnwatched()
	l.save(0)
}

// watchAgain sees to it that changes are told of, where they can be.
func (l *loop) watchAgain() {
	if l.n != nil {
		l.n.failed = nil
		return
	}
	fs, err := l.newFS()
	if err != nil {
		if !l.warned {
			l.log.Warn("no change notification; files are looked at by walks alone (raise fs.inotify.max_user_instances)", "error", err, "walk_interval", l.c.WalkInterval.String())
		}
		l.warned = true
		return
	}
	l.n = newInotify(fs, l.w)
	l.w.notify = l.n
	if roots, _ := l.w.expand(); roots != nil {
		l.n.setRoots(roots)
	}
}

func (l *loop) sayUnwatched() {
	if l.n == nil || l.warned || l.n.failed == nil {
		return
	}
	l.warned = true
	l.log.Warn("some folders are looked at by walks alone (raise fs.inotify.max_user_watches, or exclude some)", "folders", len(l.w.tree.folders)-len(l.n.watched), "error", l.n.failed, "walk_interval", l.c.WalkInterval.String())
}

// save writes the baseline where it lacks something, and was not written for so
// long.
func (l *loop) save(apart time.Duration) {
	if !l.w.dirty || l.now().Sub(l.saved) < apart {
		return
	}
	l.saved = l.now()
	err := l.w.save(l.path, l.shown())
	l.w.dirty = err != nil
	if err != nil {
		err = fmt.Errorf("what is known of the files cannot be kept over a restart: %w", err)
	}
	l.mu.Lock()
	l.status.saveErr = err
	l.mu.Unlock()
}

func (l *loop) end() {
	l.save(0)
	if l.n != nil {
		l.n.close()
	}
}
