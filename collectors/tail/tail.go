// Package tail reads logs from files: Docker's json-file logs, and text files
// by glob. It follows them through rotation and goes on where it stopped.
package tail

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/cespare/xxhash/v2"
	"github.com/fsnotify/fsnotify"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/multiline"
)

// Options is one tail collector.
type Options struct {
	Name       string   // of the collector
	Globs      []string // filepath.Match patterns; older files (app.log.1) belong to their log
	Exclude    []string // patterns of paths that are left out
	Labels     []agent.Label
	StartAtEnd bool // logs that are there at the first start are read from their end
	MaxLine    int  // bytes a record may have; a longer line becomes several
	Poll       time.Duration
	LabelWait  time.Duration // for the labels of a container

	// Format says which lines of a source belong together; nil, and a nil
	// format, say that each is a record.
	Format func(*agent.Source) *multiline.Format

	// Docker says that the files are json-file logs of containers, named
	// ID-json.log; Labeler knows these.
	Docker  bool
	Labeler agent.Labeler

	// Elsewhere says that another collector reads what cannot be read here: that
	// nothing is there, or not for this user, is not said.
	Elsewhere bool
	Log       *slog.Logger
}

// A Tail is a collector of log files.
type Tail struct {
	o         Options
	timing    timing
	host      *host
	newFS     func() (*fsnotify.Watcher, error)
	netFS     func(dir string) string
	sink      agent.Sink
	rotations atomic.Uint64
	gaps      atomic.Uint64
	polling   atomic.Bool  // without inotify
	known     bool         // it has run before, with these globs
	few       atomic.Int64 // logs that are not read for want of descriptors
	scarce    *agent.Trouble
	ended     atomic.Bool // a reader ended; its log may have come back meanwhile

	mu      sync.Mutex
	readers map[string]*reader
	started bool // the logs that were there at the start have their readers
	behind  int  // those of them that have something from before the start to read
	wg      sync.WaitGroup
}

var (
	_ agent.Collector = (*Tail)(nil)
	_ agent.Meter     = (*Tail)(nil)
	_ agent.CatchUp   = (*Tail)(nil)
)

// The defaults of Options.
const (
	DefaultMaxLine   = 1 << 20
	DefaultPoll      = time.Second
	DefaultLabelWait = 5 * time.Second
)

// New returns a collector; zero options have the defaults.
func New(o Options) *Tail {
	if o.MaxLine <= 0 {
		o.MaxLine = DefaultMaxLine
	}
	if o.Poll <= 0 {
		o.Poll = DefaultPoll
	}
	if o.LabelWait <= 0 {
		o.LabelWait = DefaultLabelWait
	}
	o.Log = o.Log.With("collector", o.Name)
	o.Globs = slices.Clone(o.Globs)
	for i, g := range o.Globs {
		o.Globs[i] = filepath.Clean(g)
	}
	return &Tail{o: o, timing: defaultTiming, host: newHost(), newFS: fsnotify.NewWatcher, netFS: networkFS, scarce: agent.NewTrouble(o.Log), readers: map[string]*reader{}}
}

// Name is the collector's name.
func (t *Tail) Name() string { return t.o.Name }

// Run reads until ctx is done.
func (t *Tail) Run(ctx context.Context, s agent.Sink) error {
	t.sink = s
	ctx, stop := context.WithCancel(ctx)
	defer t.wg.Wait()
	defer stop()
	w := newWatcher(t)
	defer w.close()
	t.known = s.Known(t.key())
	t.mu.Lock()
	if t.behind > 0 { // a run before this one did not get far
		t.started, t.behind = false, 0
	}
	t.mu.Unlock()
	t.discover(ctx, w)
	t.mu.Lock()
	t.started = true
	t.mu.Unlock()
	t.less(0)
	return w.run(ctx)
}

// key is what is remembered of a collector that has run.
func (t *Tail) key() string {
	return fmt.Sprintf("tail/%s/%x", t.o.Name, xxhash.Sum64String(strings.Join(t.o.Globs, "\x00")))
}

// less says of how many logs of the start all has been read.
func (t *Tail) less(logs int) {
	t.mu.Lock()
	t.behind -= logs
	done := t.started && t.behind == 0
	t.mu.Unlock()
	if done {
		t.sink.Remember(t.key())
	}
}

// CaughtUp reports whether all that was there at the start has been read, where
// it could be.
func (t *Tail) CaughtUp() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.started && t.behind == 0
}

// discover starts a reader for each file that has none.
func (t *Tail) discover(ctx context.Context, w *watcher) {
	w.watchDirs()
	found := t.paths()
	for _, p := range slices.Sorted(maps.Keys(found)) {
		if found[p] && !strings.HasSuffix(p, compressed) && !rotatedFrom(p, func(log string) bool { return found[log] || t.has(log) }) {
			t.start(ctx, p)
		}
	}
	t.mu.Lock()
	started := t.started
	t.mu.Unlock()
	if len(found) == 0 && !started && !t.o.Elsewhere {
		t.o.Log.Info("no log file is there yet; waiting", "paths", strings.Join(t.o.Globs, " "))
	}
}

// paths are the files that the patterns name; false: one is left out.
func (t *Tail) paths() map[string]bool {
	found := map[string]bool{}
	for _, g := range t.o.Globs {
		paths, _ := filepath.Glob(g) // the pattern was checked with the configuration
		for _, p := range paths {
			found[p] = found[p] || !matches(t.o.Exclude, p)
		}
	}
	return found
}

func (t *Tail) start(ctx context.Context, path string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.readers[path] != nil {
		return
	}
	id := ""
	if t.o.Docker {
		if id = containerID(path); id == "" {
			return
		}
	}
	if _, state := t.describe(path, id, nil); state == unwanted {
		return
	}
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return
	}
	r := &reader{
		t: t, path: path, id: id, guard: guard{chain: chain{path, t.host}}, atStart: !t.started,
		wake: make(chan struct{}, 1), block: blockSize,
		log: t.o.Log, trouble: agent.NewTrouble(t.o.Log), opening: agent.NewTrouble(t.o.Log),
	}
	if r.atStart {
		t.behind++
	}
	if t.o.Docker {
		r.split = &dockerJSON{maxLine: t.o.MaxLine}
	} else {
		r.split = &plain{maxLine: t.o.MaxLine}
	}
	t.readers[path] = r
	t.wg.Go(func() {
		r.run(ctx, t.sink)
		t.mu.Lock()
		defer t.mu.Unlock()
		delete(t.readers, path)
		t.ended.Store(true)
	})
}

// wake tells the reader of path to look at its log; all of them for "".
func (t *Tail) wake(path string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if path == "" {
		for _, r := range t.readers {
			r.signal()
		}
		return
	}
	if r := t.readers[path]; r != nil {
		r.signal()
	}
}

// guard opens what the log of path goes on in, whatever its reader does now.
func (t *Tail) guard(path string) {
	t.mu.Lock()
	r := t.readers[path]
	t.mu.Unlock()
	if r == nil {
		return
	}
	switch err := r.guard.look(); {
	case noDescriptor(err):
		t.short(err)
	case err != nil:
		r.opening.Fail(err, "the file in which a log goes on cannot be opened and is tried again", "path", path)
	default:
		r.opening.Clear("the file in which a log goes on can be opened", "path", path)
	}
}

func noDescriptor(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE)
}

// short says, once, that there are more files than may be open.
func (t *Tail) short(err error) {
	cause := syscall.EMFILE
	errors.As(err, &cause)
	t.scarce.Fail(cause, "too many files are open: some logs are not read; raise the limit of open files (ulimit -n; LimitNOFILE= of a service, ulimits nofile of a container)", "limit", t.host.limit)
}

func (r *reader) signal() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// A standing says what is known of the source that a path belongs to.
type standing int

const (
	known standing = iota
	unknown
	unwanted
)

// containerID is the id in the name of a container's log, or "".
func containerID(path string) string {
	id, ok := strings.CutSuffix(filepath.Base(path), "-json.log")
	if !ok || len(id) != 64 || strings.Trim(id, "0123456789abcdef") != "" {
		return ""
	}
	return id
}

// describe returns the source of path: old itself, unless something has changed.
func (t *Tail) describe(path, id string, old *agent.Source) (*agent.Source, standing) {
	if id == "" {
		if old != nil {
			return old, known
		}
		labels := append([]agent.Label{{Name: "path", Value: path}, {Name: "source", Value: t.o.Name}}, t.o.Labels...)
		sort.Slice(labels, func(i, j int) bool { return labels[i].Name < labels[j].Name })
		return &agent.Source{ID: "file/" + t.o.Name + ":" + path, Collector: t.o.Name, Name: path, Labels: labels}, known
	}
	c, ok := t.o.Labeler.Container(id)
	switch {
	case old != nil && (!ok || c == old.Container):
		return old, known
	case !ok:
		c = &agent.Container{ID: id}
	}
	if !t.o.Labeler.Wanted(c) {
		return nil, unwanted
	}
	switch {
	case old != nil && sameLabels(old.Container, c):
		return old, known
	case !ok:
		return containerSource(t.o.Name, c), unknown
	}
	return containerSource(t.o.Name, c), known
}

func sameLabels(a, b *agent.Container) bool {
	return a.Name == b.Name && a.Image == b.Image && a.Project == b.Project && a.Service == b.Service && maps.Equal(a.Labels, b.Labels)
}

func containerSource(collector string, c *agent.Container) *agent.Source {
	name := c.Name
	if name == "" {
		name = c.ID[:12]
	}
	s := &agent.Source{ID: "docker/" + c.ID, Collector: collector, Name: name, Container: c}
	for _, l := range []agent.Label{{Name: "container", Value: name}, {Name: "image", Value: c.Image}, {Name: "project", Value: c.Project}, {Name: "service", Value: c.Service}, {Name: "source", Value: collector}} {
		if l.Value != "" {
			s.Labels = append(s.Labels, l)
		}
	}
	return s
}

// Meter reports how the files are followed.
func (t *Tail) Meter(yield func(agent.Sample)) {
	labels := []agent.Label{{Name: "source", Value: t.o.Name}}
	yield(agent.Sample{Name: "logkeel_tail_rotations_total", Help: "Files that were read to their end and left for a newer one.", Type: agent.Counter, Labels: labels, Value: float64(t.rotations.Load())})
	yield(agent.Sample{Name: "logkeel_tail_gaps_total", Help: "Places where lines may be missing, for the log was rotated away before it was read.", Type: agent.Counter, Labels: labels, Value: float64(t.gaps.Load())})
	var polling float64
	if t.polling.Load() {
		polling = 1
	}
	yield(agent.Sample{Name: "logkeel_tail_logs_without_descriptor", Help: "Logs that are not read for want of file descriptors.", Labels: labels, Value: float64(t.few.Load())})
	yield(agent.Sample{Name: "logkeel_tail_polling", Help: "Whether some change is seen by polling only, for want of inotify.", Labels: labels, Value: polling})
}

// CheckGlob says what is wrong with a pattern.
func CheckGlob(g string) error {
	if _, err := filepath.Match(g, ""); err != nil {
		return fmt.Errorf("bad pattern %q: %w", g, err)
	}
	return nil
}
