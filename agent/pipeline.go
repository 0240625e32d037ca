package agent

import (
	"context"
	"errors"
	"maps"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
)

// A Pipeline is what every batch goes through: the rules, then each output, by
// direct calls on the collector's goroutine. It is the agent's Sink.
type Pipeline struct {
	ledger *Ledger
	pool   *pool
	stats  *stats
	caught catchUp
	tap    atomic.Pointer[Tap] // nil: nobody looks

	gate  sync.RWMutex // held to write while works is replaced
	works *works

	mu        sync.Mutex
	snapshots map[string][]Sample // by name, as they were taken last
}

var (
	_ Sink  = (*Pipeline)(nil)
	_ Meter = (*Pipeline)(nil)
)

// A works is what batches go through at a time: it is replaced as a whole,
// between two batches.
type works struct {
	matcher  Matcher
	alerts   Alerter
	rules    *Consumer // of alerts
	outputs  []RecordOutput
	unmarked bool // what some rules find is not marked
	// prefilter is the matcher where no output wants what it finds nothing in; or nil.
	prefilter Prefilter
	context   int // lines that alerts show before and after one with a finding

	retired  context.Context // done when they are to be replaced
	retire   context.CancelFunc
	replaced chan struct{} // closed when they are
}

// RulesConsumer is the name under which the ledger knows the rules.
const RulesConsumer = "rules"

// memory is the consumer in whose name keys are remembered.
const memory = "(memory)"

// NewPipeline joins the rules, what makes alerts of their findings, and the
// outputs. The rules are a durable consumer like each output: a restart counts
// nothing twice. Without an Alerter (nil) their positions are in the ledger.
func NewPipeline(l *Ledger, m Matcher, alerts Alerter, outputs []RecordOutput) *Pipeline {
	return &Pipeline{
		ledger: l,
		works:  newWorks(l, m, alerts, outputs),
		pool:   newPool(runtime.GOMAXPROCS(0) + 1),
		stats:  newStats(m.Rules()),

		snapshots: map[string][]Sample{},
	}
}

func newWorks(l *Ledger, m Matcher, alerts Alerter, outputs []RecordOutput) *works {
	if alerts == nil {
		alerts = noAlerts{l.Consumer(RulesConsumer)}
	}
	w := &works{
		matcher: m, alerts: alerts, rules: alerts.Consumer(), outputs: outputs,
		unmarked: slices.ContainsFunc(m.Rules(), unmarked), replaced: make(chan struct{}),
	}
	if selective(outputs) {
		w.prefilter, _ = m.(Prefilter)
	}
	if c, ok := alerts.(ContextAlerter); ok {
		w.context = c.ContextLines()
	}
	w.retired, w.retire = context.WithCancel(context.Background())
	return w
}

func unmarked(r *Rule) bool { return r.Unmarked }

func (w *works) each(do func(*Consumer)) {
	do(w.rules)
	for _, o := range w.outputs {
		do(o.Consumer())
	}
}

// swap replaces what batches go through by what build returns; nothing is
// emitted meanwhile, and what waited for an output is emitted to the new ones.
// An output that is new begins where the others read on: from now on, for some
// logs say nothing for long. After an error of build all is as it was.
func (p *Pipeline) swap(build func() (*works, error)) error {
	p.works.retire() // only here it is replaced: reading it needs no lock
	p.gate.Lock()
	defer p.gate.Unlock()
	w, err := build()
	if err != nil {
		w = newWorks(p.ledger, p.works.matcher, p.works.alerts, p.works.outputs)
	} else {
		p.stats.replace(w.matcher.Rules())
	}
	close(p.works.replaced)
	p.works = w
	p.stats.each(func(f *feed) {
		f.waiting.close()  // it has the works before
		f.src.memo.Clear() // the key is whoever worked it out, and may be gone
		w.each(func(c *Consumer) { c.setOpen(f.src.ID, true) })
		w.alerts.Opened(f.src)
		all := f.resume(w)
		if f.rooted = len(all) > 0; f.rooted {
			f.begin(w, all[0])
		}
	})
	return err
}

// rewound says that a consumer's positions went back: feeds that are open are
// behind them and take nothing any more. It is called while swap builds, for the
// next batch would cover the gap.
func (p *Pipeline) rewound() { p.stats.each(func(f *feed) { f.stale = true }) }

var errRewound = errors.New("an output needs what was read before once more")

// hold is what samples and batches go through now, until release.
func (p *Pipeline) hold() *works {
	p.gate.RLock()
	return p.works
}

func (p *Pipeline) release() { p.gate.RUnlock() }

// Open announces a source.
func (p *Pipeline) Open(src *Source) Feed {
	w := p.hold()
	defer p.release()
	f := &feed{p: p, src: src, series: p.stats.open(src), catching: p.caught.begin(src.ID)}
	w.each(func(c *Consumer) { c.setOpen(src.ID, true) })
	w.alerts.Opened(src)
	p.stats.addFeed(f)
	return f
}

// Snapshot replaces all samples of that name.
func (p *Pipeline) Snapshot(name string, samples []Sample) {
	w := p.hold()
	w.alerts.Samples(name, samples)
	p.release()
	p.mu.Lock()
	defer p.mu.Unlock()
	if samples == nil {
		delete(p.snapshots, name)
		return
	}
	p.snapshots[name] = samples
}

// Known reports whether the key was remembered.
func (p *Pipeline) Known(key string) bool { return !p.ledger.Consumer(memory).Position(key).IsZero() }

// Remember keeps the key in the ledger.
func (p *Pipeline) Remember(key string) {
	c := p.ledger.Consumer(memory)
	c.setOpen(key, true)
	c.Safe(key, Position{Epoch: 1})
}

// Unread says of each open source, by ID, how many bytes are known to be there
// and were not read. While a batch waits for an output more may be there.
func (p *Pipeline) Unread() map[string]int64 { return p.stats.unread() }

// Meter reports lines, bytes and findings by source, and what was sampled.
func (p *Pipeline) Meter(yield func(Sample)) {
	p.stats.meter(yield)
	p.stats.meterFindings(yield)
	p.mu.Lock()
	all := slices.Collect(maps.Values(p.snapshots))
	p.mu.Unlock()
	for _, samples := range all {
		for _, s := range samples {
			yield(s)
		}
	}
}

// A feed is one open source.
type feed struct {
	p      *Pipeline
	src    *Source
	series *series
	behind atomic.Int64
	emits  atomic.Bool   // a batch is under way
	moves  atomic.Uint64 // how often it said anything
	stall  Stall
	rooted bool // each output has a position
	stale  bool // what is read next is not what some output needs next

	catching bool // it was not at its end yet
	waiting  waiting
	wide     *wide // the filter that was made last; nil: none was
}

// Resume has the places of those consumers that know the source. One that does
// not is new, and begins where the others read on.
func (f *feed) Resume() []Position {
	w := f.p.hold()
	defer f.p.release()
	return f.resume(w)
}

func (f *feed) resume(w *works) (all []Position) {
	w.each(func(c *Consumer) {
		if t := c.taken(f.src.ID); !t.IsZero() {
			all = append(all, t)
		}
	})
	slices.SortFunc(all, func(a, b Position) int {
		if a.Before(b) {
			return -1
		} else if b.Before(a) {
			return 1
		}
		return 0
	})
	return slices.CompactFunc(all, func(a, b Position) bool { return a.Epoch == b.Epoch && a.Offset == b.Offset })
}

// Safe is the least of the consumers' positions.
func (f *feed) Safe() Position {
	w := f.p.hold()
	defer f.p.release()
	var least Position
	first := true
	w.each(func(c *Consumer) {
		if p := c.Position(f.src.ID); first || p.Before(least) {
			least, first = p, false
		}
	})
	return least
}

func (f *feed) Batch(ctx context.Context) (*Batch, error) {
	b, err := f.p.pool.get(ctx)
	if err == nil {
		b.Source = f.src
	}
	return b, err
}

func (f *feed) Release(b *Batch) { f.p.pool.put(b) }

func (f *feed) Emit(ctx context.Context, b *Batch) error {
	defer f.p.pool.put(b)
	f.emits.Store(true)
	defer f.emits.Store(false)
	defer f.moves.Add(1)
	for {
		w := f.p.hold()
		err := errRewound
		again := false
		switch {
		case f.stale:
		case f.outdated(w, b):
			err = ErrOutdated
		default:
			err = f.emit(f.waiting.context(ctx, w), w, b)
			again = err != nil && ctx.Err() == nil && w.retired.Err() != nil
		}
		f.p.release()
		if !again {
			return err
		}
		select {
		case <-w.replaced:
		case <-ctx.Done():
			return err
		}
	}
}

func (f *feed) emit(ctx context.Context, w *works, b *Batch) error {
	b.Findings = b.Findings[:0]
	if !f.rooted {
		f.root(w, b)
	}
	if f.catching {
		f.countNew(w, b)
	}
	w.matcher.Match(b)
	judged, ok := firstAfter(b, w.rules.taken(f.src.ID))
	if ok {
		f.series.count(b, judged)
		w.alerts.Records(b, judged)
	}
	if w.unmarked {
		b.Findings = slices.DeleteFunc(b.Findings, func(f Finding) bool { return f.Rule.Unmarked })
	}
	if t := f.p.tapped(); t != nil && ok {
		t.Records(b, judged)
	}
	for _, o := range w.outputs {
		c := o.Consumer()
		from, ok := firstAfter(b, c.taken(f.src.ID))
		if !ok {
			continue
		}
		if err := o.Write(ctx, b, from); err != nil {
			return err
		}
		c.take(f.src.ID, b.Pos)
	}
	return nil
}

// A waiting is how long a feed may wait for an output: until its collector is
// stopped, or the output is to be replaced. It is made once for both.
type waiting struct {
	collector context.Context
	works     *works
	either    context.Context
	end       func()
}

func (w *waiting) context(ctx context.Context, works *works) context.Context {
	if w.collector != ctx || w.works != works {
		w.close()
		either, cancel := context.WithCancel(ctx)
		stop := context.AfterFunc(works.retired, cancel)
		*w = waiting{ctx, works, either, func() { stop(); cancel() }}
	}
	return w.either
}

func (w *waiting) close() {
	if w.end != nil {
		w.end()
	}
	*w = waiting{}
}

// root gives the outputs that do not know the source the position at which they
// begin, before anybody else's moves on: killed before its first acknowledgement,
// an output would be taken for a new one, and begin where the others are.
func (f *feed) root(w *works, b *Batch) {
	f.rooted = true
	start := b.Pos
	if all := f.resume(w); len(all) > 0 {
		start = all[0]
	} else if b.Lines() > 0 { // a log that is begun at its end has a batch without any first
		start.Offset, start.Near, start.Time = 0, 0, 0
	}
	f.begin(w, start)
}

func (f *feed) begin(w *works, start Position) {
	for _, o := range w.outputs {
		if c := o.Consumer(); c.taken(f.src.ID).IsZero() {
			c.Safe(f.src.ID, start)
		}
	}
}

func (f *feed) Behind(bytes int64) {
	f.behind.Store(max(0, bytes))
	f.moves.Add(1)
	if f.catching && bytes <= 0 {
		f.catching = false
		f.p.caught.reach(f.src.ID)
	}
}

func (f *feed) Gap() {
	if f.catching {
		f.p.caught.gap()
	}
}

func (f *feed) Close(gone bool) {
	w := f.p.hold()
	defer f.p.release()
	f.waiting.close()
	f.p.stats.removeFeed(f)
	w.each(func(c *Consumer) { c.setOpen(f.src.ID, false) })
	w.alerts.Closed(f.src, gone)
	if gone {
		f.p.ledger.Forget(f.src.ID)
	}
}

// noAlerts only keeps the positions.
type noAlerts struct{ consumer *Consumer }

func (n noAlerts) Consumer() *Consumer     { return n.consumer }
func (n noAlerts) Records(b *Batch, _ int) { n.consumer.Safe(b.Source.ID, b.Pos) }
func (noAlerts) Opened(*Source)            {}
func (noAlerts) Closed(*Source, bool)      {}
func (noAlerts) Samples(string, []Sample)  {}
func (noAlerts) Stored() error             { return nil }

func (noAlerts) Run(ctx context.Context, _ func() map[string]int64) error {
	<-ctx.Done()
	return nil
}
