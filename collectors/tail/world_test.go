package tail

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/webgrip/logkeel/agent"
)

// wait bounds how long a test waits for what has to come.
const wait = time.Minute

// A got is a record as it reached the output.
type got struct {
	body   string
	stream agent.Stream
	flags  agent.Flags
	name   string // of its source
}

// A recorder is an output that keeps what it gets in memory.
type recorder struct {
	c *agent.Consumer

	mu      sync.Mutex
	records map[string][]got // by source ID
	holding bool             // nothing becomes safe
	failing bool             // nothing is taken
	refused int              // writes that failed
	gate    chan struct{}    // writes wait for it; nil: they do not
	waiting int              // writes that wait
	unsafe  []held
}

type held struct {
	source string
	pos    agent.Position
}

func (*recorder) Name() string                  { return "recorder" }
func (*recorder) Run(ctx context.Context) error { <-ctx.Done(); return nil }
func (*recorder) Drain(context.Context) error   { return nil }
func (o *recorder) Consumer() *agent.Consumer   { return o.c }

// block makes writes wait until release is called.
func (o *recorder) block() (release func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.gate = make(chan struct{})
	return sync.OnceFunc(func() {
		o.mu.Lock()
		defer o.mu.Unlock()
		close(o.gate)
		o.gate = nil
	})
}

func (o *recorder) waits() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.waiting > 0
}

func (o *recorder) Write(ctx context.Context, b *agent.Batch, from int) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if gate := o.gate; gate != nil {
		o.waiting++
		o.mu.Unlock()
		select {
		case <-gate:
		case <-ctx.Done():
		}
		o.mu.Lock()
		o.waiting--
	}
	if o.failing {
		o.refused++
		return fmt.Errorf("no room")
	}
	last, covered := int32(0), int64(0)
	for i, r := range b.Records {
		if r.Body.Start < last || r.Body.End < r.Body.Start || int(r.Body.End) > len(b.Buf) || r.End < covered || r.End > b.Pos.Offset {
			panic(fmt.Sprintf("record %d of %d is out of order: %+v", i, len(b.Records), r))
		}
		last, covered = r.Body.End, r.End
		if i >= from {
			o.records[b.Source.ID] = append(o.records[b.Source.ID], got{string(b.Body(i)), r.Stream, r.Flags, b.Source.Name})
		}
	}
	if o.holding {
		o.unsafe = append(o.unsafe, held{b.Source.ID, b.Pos})
	} else {
		o.c.Safe(b.Source.ID, b.Pos)
	}
	return nil
}

// safe makes safe what has come so far.
func (o *recorder) safe() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, h := range o.unsafe {
		o.c.Safe(h.source, h.pos)
	}
	o.unsafe = nil
}

func (o *recorder) count(source string) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.records[source])
}

func (o *recorder) take() map[string][]got {
	o.mu.Lock()
	defer o.mu.Unlock()
	all := o.records
	o.records = map[string][]got{}
	return all
}

// noRules is a matcher that finds nothing.
type noRules struct{}

func (noRules) Match(*agent.Batch)   {}
func (noRules) Rules() []*agent.Rule { return nil }

// A labeler knows the containers that it was told of.
type labeler struct {
	mu       sync.Mutex
	known    map[string]*agent.Container
	hidden   map[string]bool
	unwanted map[string]bool
}

func (l *labeler) Container(id string) (*agent.Container, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c, ok := l.known[id]
	return c, ok && !l.hidden[id]
}

func (l *labeler) Wanted(c *agent.Container) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !l.unwanted[c.ID]
}

// idOf is the id of a container that a test calls name.
func idOf(name string) string {
	sum := sha256.Sum256([]byte(name))
	return hex.EncodeToString(sum[:])
}

// A buffer is a bytes.Buffer for a log.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// A world is a folder with logs, a collector that reads them, and an output.
type world struct {
	t       testing.TB
	dir     string
	state   string
	options Options
	timing  timing
	labels  *labeler
	log     *buffer
	newFS   func() (*fsnotify.Watcher, error) // nil: the real one
	netFS   func(string) string               // nil: the real one
	inode   func(fs.FileInfo) uint64
	reused  sync.Map // inodes by those that the files really have

	out    *recorder
	ahead  *recorder // another output, for which everything is safe at once; or nil
	ledger *agent.Ledger
	tail   *Tail
	pipe   *agent.Pipeline
	end    func()
}

func newWorld(t testing.TB) *world {
	w := &world{
		t: t, dir: t.TempDir(), state: t.TempDir(),
		labels: &labeler{known: map[string]*agent.Container{}, hidden: map[string]bool{}, unwanted: map[string]bool{}},
		timing: timing{pause: wait, settle: 20 * time.Millisecond, join: wait, missing: wait, held: time.Millisecond},
		log:    &buffer{},
		out:    &recorder{records: map[string][]got{}},
	}
	w.inode = w.claimed
	w.options = Options{
		Name: "test", Poll: 10 * time.Millisecond, LabelWait: wait, Labeler: w.labels,
		Log: slog.New(slog.NewTextHandler(w.log, nil)),
	}
	t.Cleanup(func() {
		if w.end != nil {
			w.end()
		}
		if t.Failed() {
			t.Log(w.log.String())
		}
	})
	return w
}

// claimed is the file's inode, or the one that it is said to have again.
func (w *world) claimed(info fs.FileInfo) uint64 {
	if n, ok := w.reused.Load(inode(info)); ok {
		return n.(uint64)
	}
	return inode(info)
}

// docker makes the collector read containers' logs.
func (w *world) docker() {
	w.options.Docker = true
	w.options.Globs = []string{filepath.Join(w.dir, "containers", "*", "*-json.log")}
}

// logOf is the path of a container's log.
func (w *world) logOf(container string) string {
	id := idOf(container)
	return filepath.Join(w.dir, "containers", id, id+"-json.log")
}

func (w *world) start() {
	w.t.Helper()
	ledger, err := agent.OpenLedger(w.state, w.options.Log)
	if err != nil {
		w.t.Fatal(err)
	}
	w.ledger = ledger
	w.out.c = ledger.Consumer("recorder")
	if w.ahead != nil {
		w.ahead.c = ledger.Consumer("ahead")
	}
	if w.options.Globs == nil {
		w.options.Globs = []string{filepath.Join(w.dir, "*.log")}
	}
	tail := New(w.options)
	tail.timing, tail.host.inode = w.timing, w.inode
	if w.netFS != nil {
		tail.netFS = w.netFS
	}
	if w.newFS != nil {
		tail.newFS = w.newFS
	}
	w.run(tail)
}

func (w *world) run(tail *Tail) {
	outputs := []agent.RecordOutput{w.out}
	if w.ahead != nil {
		outputs = append(outputs, w.ahead)
	}
	w.tail, w.pipe = tail, agent.NewPipeline(w.ledger, noRules{}, nil, outputs)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- tail.Run(ctx, w.pipe) }()
	w.end = func() {
		w.end = nil
		cancel()
		select {
		case err := <-done:
			if err != nil {
				w.t.Errorf("Run: %v", err)
			}
		case <-time.After(wait):
			w.t.Fatal("Run does not return")
		}
	}
}

// stop ends the collector; what was written becomes safe.
func (w *world) stop() {
	w.end()
	w.out.safe()
	if err := w.ledger.Close(); err != nil {
		w.t.Fatal(err)
	}
}

// kill ends the collector; what is not safe is lost.
func (w *world) kill() {
	w.end()
	w.out.mu.Lock()
	w.out.unsafe = nil
	w.out.mu.Unlock()
}

// until waits for ok.
func (w *world) until(what string, ok func() bool) {
	w.t.Helper()
	for deadline := time.Now().Add(wait); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			w.t.Fatalf("%s: did not happen", what)
		}
	}
}

// quiet lets the collector look at everything a few times.
func (w *world) quiet() { time.Sleep(60 * time.Millisecond) }

// sourceID is the ID of the source that a script calls name: a path, or @ and a
// container.
func (w *world) sourceID(name string) string {
	if c, ok := strings.CutPrefix(name, "@"); ok {
		return "docker/" + idOf(c)
	}
	return "file/test:" + w.path(name)
}

// path is the file that a script calls name: @c.1 is the log of container c
// that was rotated once.
func (w *world) path(name string) string {
	c, ok := strings.CutPrefix(name, "@")
	if !ok {
		return filepath.Join(w.dir, name)
	}
	c, suffix, dotted := strings.Cut(c, ".")
	if dotted {
		suffix = "." + suffix
	}
	path := w.logOf(c)
	w.labels.mu.Lock()
	if id := idOf(c); w.labels.known[id] == nil {
		w.labels.known[id] = &agent.Container{ID: id, Name: c}
	}
	w.labels.mu.Unlock()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		w.t.Fatal(err)
	}
	return path + suffix
}
