package docker

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/multiline"
)

const (
	maxFollowed  = 500 // containers; the others are asked for what is new
	maxHistories = 8   // logs that are read in bulk at once
	maxSaid      = 100
	lookEvery    = time.Second
)

// LogOptions is how logs are read from the engine's API.
type LogOptions struct {
	Files      bool // logs that are files which can be read are somebody else's
	StartAtEnd bool // logs that are there at the first start are read from their end
	MaxLine    int  // bytes a record may have; a longer line becomes several
	// Format says which lines of a source belong together; nil, as function or as
	// its result: each line is a record.
	Format func(*agent.Source) *multiline.Format
	Log    *slog.Logger
}

// Logs is a collector of containers' logs from the engine's API: of drivers that
// write no files, and where the files cannot be read.
type Logs struct {
	c      *Collector
	o      LogOptions
	timing logTiming
	now    func() int64 // the time in nanoseconds, which may be set back

	sink      agent.Sink
	known     bool // it has run before
	trouble   *agent.Trouble
	follow    chan struct{} // a place for each that follows
	histories chan struct{}
	gaps      atomic.Uint64
	renewed   atomic.Uint64 // streams that broke, or could not be had
	following atomic.Int64

	mu      sync.Mutex
	eng     engine
	turn    uint64 // of the collector, when eng was made
	readers map[string]*logReader
	done    map[string]ended
	said    map[string]bool // what is said once: of drivers, and of who reads what
	tried   bool            // the engine has answered, or not
	started bool            // the containers that were there at the start have their readers
	behind  int             // those of them whose log was not read to its end yet
	failing int
	wg      sync.WaitGroup
}

// ended is how a container was when its log had been read to its end.
type ended struct {
	src        *agent.Source
	started    time.Time
	unreadable bool
}

// logTiming is what a reader waits for.
type logTiming struct {
	first, last time.Duration // until it asks again
	poll        time.Duration // where it may not follow
	look        time.Duration // for its place, while nothing comes
	patience    time.Duration // for an answer in bulk; doubled up to most
	most        time.Duration
}

var defaultLogTiming = logTiming{first: 100 * time.Millisecond, last: 5 * time.Second, poll: 5 * time.Second, look: 2 * time.Second, patience: time.Minute, most: 15 * time.Minute}

var (
	_ agent.Collector = (*Logs)(nil)
	_ agent.Meter     = (*Logs)(nil)
	_ agent.CatchUp   = (*Logs)(nil)
)

// NewLogs returns a collector of the logs of engine's containers. It needs engine
// to run beside it.
func NewLogs(engine *Collector, o LogOptions) *Logs {
	if o.MaxLine <= 0 {
		o.MaxLine = 1 << 20
	}
	o.Log = o.Log.With("collector", "docker-api")
	return &Logs{
		c: engine, o: o, timing: defaultLogTiming,
		now:       func() int64 { return time.Now().UnixNano() },
		trouble:   agent.NewTrouble(o.Log),
		follow:    make(chan struct{}, maxFollowed),
		histories: make(chan struct{}, maxHistories),
		readers:   map[string]*logReader{},
		done:      map[string]ended{},
		said:      map[string]bool{},
	}
}

// Name returns "docker-api".
func (l *Logs) Name() string { return "docker-api" }

// key is what is remembered of a collector that has run.
func (l *Logs) key() string { return "docker-api/" + l.c.host }

// Run reads until ctx is done.
func (l *Logs) Run(ctx context.Context, s agent.Sink) error {
	l.sink, l.known = s, s.Known(l.key())
	ctx, stop := context.WithCancel(ctx)
	defer l.close()
	defer l.wg.Wait()
	defer stop()
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		if err := l.look(ctx); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-l.c.changed:
		case <-tick.C:
		}
	}
}

func (l *Logs) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.eng != nil {
		l.eng.Close()
		l.eng = nil
	}
	if l.started && l.behind > 0 { // this run did not get far
		l.started, l.behind = false, 0
	}
}

// A view is what the collector knows.
type view struct {
	turn      uint64
	tried, up bool
	all       map[string]known
}

type known struct {
	facts
	container *agent.Container
}

func (c *Collector) view() view {
	c.mu.RLock()
	defer c.mu.RUnlock()
	v := view{turn: c.turns, tried: c.tried, up: c.up, all: make(map[string]known, len(c.table))}
	for id, k := range c.table {
		if f, ok := c.facts[id]; ok {
			v.all[id] = known{f, k}
		}
	}
	return v
}

// note keeps what a reader was told of its container.
func (c *Collector) note(id string, d *described) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.facts[id]; ok {
		c.facts[id] = d.facts()
	}
}

// look starts the readers that are needed, and sees to the others.
func (l *Logs) look(ctx context.Context) error {
	v := l.c.view()
	l.mu.Lock()
	defer l.mu.Unlock()
	if v.turn != l.turn || l.eng == nil {
		// The engine was away, or hung: what it promised to send will not come. A
		// client of its own settles the API's version anew.
		eng, err := l.c.open()
		if err != nil {
			return err
		}
		if l.eng != nil {
			l.eng.Close()
		}
		l.eng, l.turn = eng, v.turn
		for _, r := range l.readers {
			r.kick()
		}
	}
	now := l.now()
	for _, r := range l.readers {
		if since := r.since.Load(); since > 0 && now < since {
			r.kick() // the clock was set back: some engines send nothing until since
		}
	}
	for id, e := range l.done {
		if _, ok := v.all[id]; !ok { // it was removed
			l.sink.Open(e.src).Close(true)
			delete(l.done, id)
		}
	}
	for id, k := range v.all {
		if l.wants(id, k) {
			l.start(ctx, id, k)
		}
	}
	if l.tried = v.tried; v.turn > 0 && !l.started {
		l.started = true
		l.remember()
	}
	return nil
}

// wants says that the container's log is to be read, and nobody does. The caller
// holds mu.
func (l *Logs) wants(id string, k known) bool {
	if l.readers[id] != nil || k.driver == "none" || !l.c.Wanted(k.container) {
		return false
	}
	if e, ok := l.done[id]; ok && e.started.Equal(k.started) && (e.unreadable || !k.running) {
		return false
	}
	if !l.o.Files {
		return true
	}
	o := l.c.owner(id)
	if o == fromAPI && k.driver == jsonFile && l.first(jsonFile) {
		l.o.Log.Info("logs of the json-file driver are read from the engine's API, for their files cannot be opened; mount root, and allow the agent to read it, to read the files", "root", l.c.files.dir)
	}
	return o == fromAPI
}

// start begins to read. The caller holds mu.
func (l *Logs) start(ctx context.Context, id string, k known) {
	r := &logReader{
		l: l, id: id, tty: k.tty, container: k.container, atStart: !l.started,
		join: joiner{maxLine: l.o.MaxLine}, patience: l.timing.patience,
	}
	if r.atStart {
		l.behind++
	}
	l.readers[id] = r
	l.wg.Go(func() {
		e, ok := r.run(ctx)
		r.reached()
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.readers, id)
		if delete(l.done, id); ok {
			l.done[id] = e
		}
		signal(l.c.changed)
	})
}

// remember keeps that it has run, once all that was there has been read. The
// caller holds mu.
func (l *Logs) remember() {
	if l.started && l.behind == 0 {
		l.sink.Remember(l.key())
	}
}

// CaughtUp reports whether all that was there at the start has been read, where
// it could be.
func (l *Logs) CaughtUp() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.tried && l.behind == 0
}

func (l *Logs) client() (engine, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.eng == nil {
		return nil, errors.New("the collector is stopping")
	}
	return l.eng, nil
}

// fail and well count the readers in trouble, which is said once. While the engine
// does not answer at all, that is what is said, and by others.
func (l *Logs) fail(r *logReader, err error) {
	l.mu.Lock()
	if !r.failing {
		r.failing = true
		l.failing++
	}
	l.mu.Unlock()
	if l.c.view().up {
		l.trouble.Fail(err, "a container's log cannot be read from the engine and is tried again", "container", r.src.Name)
	}
}

func (l *Logs) well(r *logReader) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !r.failing {
		return
	}
	r.failing = false
	if l.failing--; l.failing == 0 {
		l.trouble.Clear("containers' logs are read from the engine again")
	}
}

// first reports whether it is asked for the first time. The caller holds mu.
func (l *Logs) first(what string) bool {
	again := l.said[what]
	if len(l.said) < maxSaid {
		l.said[what] = true
	}
	return !again
}

// unreadable says, once a driver, that its logs cannot be read.
func (l *Logs) unreadable(driver, container string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.first(driver) {
		l.o.Log.Warn("logs of this driver are not read, for it keeps nothing that the engine could read; use json-file, local or journald, or leave the engine's cache on (log option cache-disabled)", "driver", driver, "container", container)
	}
}

// Meter reports how the logs are followed.
func (l *Logs) Meter(yield func(agent.Sample)) {
	labels := []agent.Label{{Name: "source", Value: "docker"}}
	yield(agent.Sample{Name: "logkeel_docker_logs_gaps_total", Help: "Places where lines may be missing, for the engine had them no more.", Type: agent.Counter, Labels: labels, Value: float64(l.gaps.Load())})
	yield(agent.Sample{Name: "logkeel_docker_logs_reconnects_total", Help: "Streams of logs from the engine that broke, or could not be had, and were asked for again.", Type: agent.Counter, Labels: labels, Value: float64(l.renewed.Load())})
	yield(agent.Sample{Name: "logkeel_docker_logs_following", Help: "Containers whose logs are followed through the engine's API now.", Labels: labels, Value: float64(l.following.Load())})
}

// logSource is the source of a container's log.
func logSource(c *agent.Container) *agent.Source {
	labels := append(Labels(c), agent.Label{Name: "source", Value: "docker"})
	return &agent.Source{ID: "docker-api/" + c.ID, Collector: "docker", Name: c.Name, Labels: labels, Container: c}
}

func sameSource(a, b *agent.Container) bool {
	return a.Name == b.Name && a.Image == b.Image && a.Project == b.Project && a.Service == b.Service && maps.Equal(a.Labels, b.Labels)
}
