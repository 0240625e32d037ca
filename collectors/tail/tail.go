// Package tail reads logs from files: Docker's json-file logs, and text files
// by glob. It follows them through rotation and goes on where it stopped.
package tail

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"sort"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/webgrip/logkeel/agent"
)

// Options is one tail collector.
type Options struct {
	Name       string   // of the collector
	Globs      []string // filepath.Match patterns
	Exclude    []string // patterns of paths that are left out
	Labels     []agent.Label
	StartAtEnd bool // logs that are there at the first start are read from their end
	MaxLine    int  // bytes a record may have; a longer line becomes several
	Poll       time.Duration
	LabelWait  time.Duration // for the labels of a container

	// Docker says that the files are json-file logs of containers, named
	// ID-json.log; Labeler knows these.
	Docker  bool
	Labeler agent.Labeler
	Log     *slog.Logger
}

// A Tail is a collector of log files.
type Tail struct {
	o         Options
	sink      agent.Sink
	started   bool
	rotations atomic.Uint64
	polling   atomic.Bool // without inotify

	mu      sync.Mutex
	readers map[string]*reader
	wg      sync.WaitGroup
}

var (
	_ agent.Collector = (*Tail)(nil)
	_ agent.Meter     = (*Tail)(nil)
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
	return &Tail{o: o, readers: map[string]*reader{}}
}

// Name is the collector's name.
func (t *Tail) Name() string { return t.o.Name }

// Run reads until ctx is done.
func (t *Tail) Run(ctx context.Context, s agent.Sink) error {
	t.sink = s
	defer t.wg.Wait()
	w := newWatcher(t)
	defer w.close()
	t.discover(ctx, w)
	t.started = true
	return w.run(ctx)
}

// discover starts a reader for each file that has none.
func (t *Tail) discover(ctx context.Context, w *watcher) {
	w.watchDirs(t.o.Globs)
	var found []string
	for _, g := range t.o.Globs {
		paths, _ := filepath.Glob(g) // the pattern was checked with the configuration
		found = append(found, paths...)
	}
	sort.Strings(found)
	for i, p := range found {
		if (i > 0 && found[i-1] == p) || t.excluded(p) {
			continue
		}
		t.start(ctx, p)
	}
	if len(found) == 0 && !t.started {
		t.o.Log.Info("no log file is there yet; waiting", "paths", strings.Join(t.o.Globs, " "))
	}
}

func (t *Tail) excluded(path string) bool {
	for _, g := range t.o.Exclude {
		if ok, _ := filepath.Match(g, path); ok {
			return true
		}
	}
	return false
}

func (t *Tail) start(ctx context.Context, path string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.readers[path] != nil {
		return
	}
	if _, state := t.describe(path, nil); state == unwanted {
		return
	}
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return
	}
	r := &reader{
		t: t, path: path, chain: chain{path}, atStart: !t.started,
		wake: make(chan struct{}, 1), block: blockSize,
		log: t.o.Log, trouble: agent.NewTrouble(t.o.Log),
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

var dockerLog = regexp.MustCompile(`^([0-9a-f]{64})-json\.log$`)

// describe returns the source of path: old itself, unless something has changed.
func (t *Tail) describe(path string, old *agent.Source) (*agent.Source, standing) {
	if !t.o.Docker {
		if old != nil {
			return old, known
		}
		labels := append([]agent.Label{{Name: "path", Value: path}, {Name: "source", Value: t.o.Name}}, t.o.Labels...)
		sort.Slice(labels, func(i, j int) bool { return labels[i].Name < labels[j].Name })
		return &agent.Source{ID: "file/" + path, Collector: t.o.Name, Name: path, Labels: labels}, known
	}
	m := dockerLog.FindStringSubmatch(filepath.Base(path))
	if m == nil {
		return nil, unwanted
	}
	c, ok := t.o.Labeler.Container(m[1])
	if !ok {
		if old != nil {
			return old, known
		}
		c = &agent.Container{ID: m[1]}
	}
	if !t.o.Labeler.Wanted(c) {
		return nil, unwanted
	}
	if old != nil && sameLabels(old.Container, c) {
		return old, known
	}
	state := known
	if !ok {
		state = unknown
	}
	return containerSource(t.o.Name, c), state
}

func sameLabels(a, b *agent.Container) bool {
	return a == b || a.Name == b.Name && a.Image == b.Image && a.Project == b.Project && a.Service == b.Service && len(a.Labels) == len(b.Labels)
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
	var polling float64
	if t.polling.Load() {
		polling = 1
	}
	yield(agent.Sample{Name: "logkeel_tail_polling", Help: "Whether some change is seen by polling only, for want of inotify.", Labels: labels, Value: polling})
}

// CheckGlob says what is wrong with a pattern.
func CheckGlob(g string) error {
	if _, err := filepath.Match(g, ""); err != nil {
		return fmt.Errorf("bad pattern %q: %w", g, err)
	}
	return nil
}
