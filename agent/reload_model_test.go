package agent

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A world is logs and receivers that outlive agents. Log n has the numbers from
// 1 to written[n].
type world struct {
	t       *testing.T
	written [3]atomic.Int64

	mu       sync.Mutex // held while a receiver takes something and that becomes safe
	run      int        // counts agents; those before are dead
	ledger   *Ledger
	received map[string]map[string][]string // by output and source
}

func sourceOf(log int) string { return fmt.Sprint("log/", log) }

// A modelReader reads one log. It opens it again now and then, and after each error.
type modelReader struct {
	w   *world
	log int
}

func (*modelReader) CaughtUp() bool { return true }
func (r *modelReader) Name() string { return sourceOf(r.log) }

func (r *modelReader) Run(ctx context.Context, sink Sink) error {
	for ctx.Err() == nil {
		r.read(ctx, sink)
	}
	return nil
}

func (r *modelReader) read(ctx context.Context, sink Sink) {
	f := sink.Open(&Source{ID: r.Name(), Collector: "model", Name: r.Name()})
	defer f.Close(false)
	at := int64(0)
	if all := f.Resume(); len(all) > 0 {
		at = all[0].Offset
	}
	for rand.N(100) > 0 {
		if at == r.w.written[r.log].Load() {
			select {
			case <-ctx.Done():
				return
			case <-time.After(time.Millisecond):
				continue
			}
		}
		b, err := f.Batch(ctx)
		if err != nil {
			return
		}
		to := min(at+1+rand.N(int64(5)), r.w.written[r.log].Load())
		for n := at + 1; n <= to; n++ {
			start := int32(len(b.Buf))
			b.Buf = fmt.Appendf(b.Buf, "all %d", n)
			b.Records = append(b.Records, Record{End: n, Body: Span{start, int32(len(b.Buf))}})
		}
		b.Pos = Position{Epoch: 1, Offset: to}
		if f.Emit(ctx, b) != nil {
			return
		}
		at = to
	}
}

// A modelOutput has room for a few batches, and brings them away in time, if it
// is not blocked. What it has when it is closed is lost with it.
type modelOutput struct {
	w                    *world
	name                 string
	run                  int
	blocked, undrainable bool
	consumer             *Consumer

	room    chan struct{}
	mu      sync.Mutex
	pending []func()
}

const modelRoom = 4

func (w *world) output(name string, blocked, undrainable bool, version int) OutputUnit {
	return OutputUnit{Name: name, Section: version, Build: func() (Output, error) {
		if version%10 == 9 {
			return nil, errors.New("cannot be built")
		}
		return &modelOutput{
			w: w, name: name, run: w.run, blocked: blocked, undrainable: undrainable,
			consumer: w.ledger.Consumer(name), room: make(chan struct{}, modelRoom),
		}, nil
	}}
}

func (o *modelOutput) Name() string        { return o.name }
func (o *modelOutput) Consumer() *Consumer { return o.consumer }

func (o *modelOutput) Kept() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.pending) == 0 {
		return ""
	}
	return "something"
}

func (o *modelOutput) Write(ctx context.Context, b *Batch, from int) error {
	select {
	case o.room <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	var lines []string
	for i := from; i < len(b.Records); i++ {
		lines = append(lines, string(b.Body(i)))
	}
	id, pos := b.Source.ID, b.Pos
	o.mu.Lock()
	defer o.mu.Unlock()
	o.pending = append(o.pending, func() {
		o.w.mu.Lock()
		defer o.w.mu.Unlock()
		if o.run != o.w.run {
			return
		}
		all := o.w.received[o.name]
		if all == nil {
			all = map[string][]string{}
			o.w.received[o.name] = all
		}
		all[id] = append(all[id], lines...)
		o.consumer.Safe(id, pos)
	})
	return nil
}

func (o *modelOutput) flush() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, f := range o.pending {
		f()
		<-o.room
	}
	o.pending = nil
}

func (o *modelOutput) Run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(time.Millisecond):
			if !o.blocked {
				o.flush()
			}
		}
	}
}

func (o *modelOutput) Drain(context.Context) error {
	if o.undrainable {
		return errors.New("it does not drain")
	}
	o.flush()
	return nil
}

// parts are some at random; calm ones lack nothing.
func (w *world) parts(calm bool) Parts {
	p := Parts{Log: quiet, Ledger: w.ledger, ShutdownTimeout: time.Second}
	for log := range w.written {
		if calm || rand.N(4) > 0 {
			name, version := sourceOf(log), rand.N(3)
			p.Collectors = append(p.Collectors, CollectorUnit{Name: name, Section: version, Build: func() ([]Collector, error) {
				return []Collector{&modelReader{w, log}}, nil
			}})
		}
	}
	names := []string{"main", "also", "late", "rare"}
	for i, name := range names {
		if !calm && i > 1 && rand.N(2) == 0 {
			continue
		}
		version := 10 * rand.N(3) // the same way each time, so that it may stay
		if !calm && rand.N(20) == 0 {
			version += 9
		}
		p.Outputs = append(p.Outputs, w.output(name, !calm && version%20 == 10, !calm && rand.N(3) == 0, version+100*btoi(calm)))
	}
	words := newWords([]string{"all", "7", "3"}[:1+rand.N(3)]...)
	p.Rules = RulesUnit{Section: len(words), Build: func([]AlertOutput, Alerter) (Matcher, Alerter, error) { return words, nil, nil }}
	return p
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// start runs an agent, and sees to it that it never counts backwards. kill ends
// it as a kill does: nothing becomes safe any more.
func (w *world) start(p Parts) (a *Agent, kill func()) {
	a = newAgent(w.t, p)
	ctx, cancel := context.WithCancel(w.t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := a.Run(ctx); err != nil {
			w.t.Error(err)
		}
	})
	wg.Go(func() {
		for before := 0.0; ctx.Err() == nil; time.Sleep(time.Millisecond) {
			n := count(a, "logkeel_findings_total", "rule=all")
			if n < before {
				w.t.Errorf("%v findings, and %v before", n, before)
			}
			before = n
		}
	})
	return a, func() {
		w.mu.Lock()
		w.run++
		file, err := os.ReadFile(w.ledger.path)
		w.mu.Unlock()
		if err != nil {
			w.t.Fatal(err)
		}
		cancel()
		wg.Wait()
		dir := w.t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, ledgerName), file, 0o600); err != nil {
			w.t.Fatal(err)
		}
		w.ledger = openLedger(w.t, dir)
	}
}

// judged is how far the rules are, of all logs.
func (w *world) judged() (n int64) {
	for log := range w.written {
		n += w.ledger.Consumer(RulesConsumer).Position(sourceOf(log)).Offset
	}
	return n
}

func (w *world) total() (n int64) {
	for log := range w.written {
		n += w.written[log].Load()
	}
	return n
}

// complete says what is missing, repeated or out of order.
func (w *world) complete() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, output := range []string{"main", "also", "late", "rare"} {
		for log := range w.written {
			got, last := w.received[output][sourceOf(log)], w.written[log].Load()
			first := last - int64(len(got)) + 1
			if first < 1 || first > 1 && (output == "main" || output == "also") {
				return fmt.Errorf("%s has %d lines of %s, of %d", output, len(got), sourceOf(log), last)
			}
			for i, line := range got {
				if want := fmt.Sprint("all ", first+int64(i)); line != want {
					return fmt.Errorf("%s has %q of %s where %q should be, of %d", output, line, sourceOf(log), want, last)
				}
			}
		}
	}
	return nil
}

// While records flow an agent is given one configuration after another, some of
// which it refuses, and is killed now and then. Nothing is lost, repeated or
// moved; findings are counted once.
func TestReloadsAtRandom(t *testing.T) {
	w := &world{t: t, ledger: openLedger(t, t.TempDir()), received: map[string]map[string][]string{}}
	writing, stop := context.WithCancel(t.Context())
	defer stop()
	var writer sync.WaitGroup
	writer.Go(func() {
		for ; writing.Err() == nil; time.Sleep(100 * time.Microsecond) {
			w.written[rand.N(len(w.written))].Add(1)
		}
	})
	taken := 0
	for range 3 {
		judged := w.judged()
		a, kill := w.start(w.parts(true))
		for range 30 {
			time.Sleep(rand.N(20 * time.Millisecond))
			p := w.parts(false)
			if a.Reload(t.Context(), p) == nil {
				taken++
			}
			w.forget(a)
		}
		if err := a.Reload(t.Context(), w.parts(true)); err != nil {
			t.Error(err)
		}
		eventually(t, "the rules have seen what there is", func() bool { return w.judged() > judged })
		kill()
	}
	stop()
	writer.Wait()
	judged := w.judged()
	a, kill := w.start(w.parts(true))
	if err := a.Reload(t.Context(), w.parts(true)); err != nil {
		t.Error(err)
	}
	eventually(t, "all is there", func() bool { return w.complete() == nil && w.judged() == w.total() })
	if err := w.complete(); err != nil {
		t.Error(err)
	}
	if n := count(a, "logkeel_findings_total", "rule=all"); int64(n) != w.total()-judged {
		t.Errorf("%v findings, want %d", n, w.total()-judged)
	}
	kill()
	if taken == 0 {
		t.Error("no reload was taken")
	}
}

// forget empties the receivers of outputs that the agent does not have any more.
func (w *world) forget(a *Agent) {
	a.mu.Lock()
	has := map[string]bool{}
	for _, o := range a.outputs {
		has[o.unit.Name] = true
	}
	a.mu.Unlock()
	w.mu.Lock()
	defer w.mu.Unlock()
	for name := range w.received {
		if !has[name] {
			delete(w.received, name)
		}
	}
}

func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Errorf("not so: %s", what)
			return
		}
	}
}
