package docker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/webgrip/logkeel/agent"
)

// A recorder is an output that keeps what it gets in memory.
type recorder struct {
	name string
	c    *agent.Consumer

	mu      sync.Mutex
	got     []string            // texts
	from    map[string][]string // and by the name of the source
	records []agent.Record
	holding bool  // nothing becomes safe
	failing error // nothing is taken
	waiting []agent.Position
}

func (*recorder) Name() string                  { return "recorder" }
func (*recorder) Run(ctx context.Context) error { <-ctx.Done(); return nil }
func (*recorder) Drain(context.Context) error   { return nil }
func (o *recorder) Consumer() *agent.Consumer   { return o.c }

func (o *recorder) Write(_ context.Context, b *agent.Batch, from int) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.failing != nil {
		return o.failing
	}
	end := int64(0)
	for i, r := range b.Records {
		if r.End < end || r.End > b.Pos.Offset || b.Pos.Epoch != 1 {
			panic(fmt.Sprintf("record %d of %d is out of order: %+v at %+v", i, len(b.Records), r, b.Pos))
		}
		if end = r.End; i >= from {
			if o.from == nil {
				o.from = map[string][]string{}
			}
			o.from[b.Source.Name] = append(o.from[b.Source.Name], string(b.Body(i)))
			o.got = append(o.got, string(b.Body(i)))
			o.records = append(o.records, r)
		}
	}
	if o.holding {
		o.waiting = append(o.waiting, b.Pos)
	} else {
		o.c.Safe(b.Source.ID, b.Pos)
	}
	return nil
}

func (o *recorder) of(name string) []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.from[name])
}

func (o *recorder) take() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	got := o.got
	o.got, o.records = nil, nil
	return got
}

type noRules struct{}

func (noRules) Match(*agent.Batch)   {}
func (noRules) Rules() []*agent.Rule { return nil }

// A syncBuffer is a bytes.Buffer for a log.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// A logWorld is an engine, a collector that reads its logs, and two outputs.
type logWorld struct {
	t       *testing.T
	eng     engine
	state   string
	options LogOptions
	log     *syncBuffer
	a, b    *recorder
	follow  int // how many may be followed; 0: as many as else
	now     func() int64

	c    *Collector
	logs *Logs
	pipe *agent.Pipeline
	led  *agent.Ledger
	end  func()
}

func newLogWorld(t *testing.T, eng engine) *logWorld {
	w := &logWorld{t: t, eng: eng, state: t.TempDir(), log: &syncBuffer{}, a: &recorder{name: "a"}, b: &recorder{name: "b"}}
	w.options.Log = slog.New(slog.NewTextHandler(w.log, nil))
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(w.log.String())
		}
	})
	return w
}

func (w *logWorld) start() {
	w.t.Helper()
	led, err := agent.OpenLedger(w.state, w.options.Log)
	if err != nil {
		w.t.Fatal(err)
	}
	c, err := New(Config{Root: "/nowhere", Host: defaultHost}, w.options.Log)
	if err != nil {
		w.t.Fatal(err)
	}
	c.self, c.open = "", func() (engine, error) { return w.eng, nil }
	w.run(led, c)
}

func (w *logWorld) run(led *agent.Ledger, c *Collector) {
	w.led, w.c = led, c
	w.a.c, w.b.c = led.Consumer("a"), led.Consumer("b")
	w.logs = NewLogs(c, w.options)
	if w.now != nil {
		w.logs.now = w.now
	}
	if w.follow > 0 {
		w.logs.follow = make(chan struct{}, w.follow)
	}
	w.pipe = agent.NewPipeline(led, noRules{}, nil, []agent.RecordOutput{w.a, w.b})
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		for c.Run(ctx, nil) != nil {
			time.Sleep(500 * time.Millisecond)
		}
	})
	wg.Go(func() {
		if err := w.logs.Run(ctx, w.pipe); err != nil {
			w.t.Errorf("Run: %v", err)
		}
	})
	w.end = func() {
		cancel()
		wg.Wait()
	}
}

// stop ends the collector; what was written becomes safe. After a kill it is lost.
func (w *logWorld) stop() {
	w.end()
	for _, o := range []*recorder{w.a, w.b} {
		for _, p := range o.waiting {
			o.c.Safe("docker-api/"+id("1"), p)
		}
		o.waiting = nil
	}
	w.led.Close()
}

func (w *logWorld) kill() {
	w.end()
	w.a.waiting, w.b.waiting = nil, nil
	w.led.Close() // it has each move already
}

// settle lets pass what needs time.
func settle(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func (w *logWorld) metric(name string) (v float64) {
	w.logs.Meter(func(s agent.Sample) {
		if s.Name == name {
			v = s.Value
		}
	})
	return v
}

// want compares what the first output got since it was last asked.
func (w *logWorld) want(what string, lines ...string) {
	w.t.Helper()
	if got := w.a.take(); !(len(got) == 0 && len(lines) == 0) && !reflect.DeepEqual(got, lines) {
		w.t.Errorf("%s: got %d lines %.400q, want %d %.400q", what, len(got), got, len(lines), lines)
	}
}

var errNoRoom = errors.New("no room")
