// Package forward is a server of the Forward protocol: what Docker's fluentd
// driver, Fluentd, Fluent Bit, their client libraries and other agents send to.
// What it has received is on the disk before it is acknowledged, and before
// anybody else sees it.
package forward

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/tinylib/msgp/msgp"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/forward"
	"github.com/webgrip/logkeel/agent/spool"
)

const (
	maxConns = 1024 // at a time
	maxLarge = 4    // that send a message which is larger than forward.KeptBuffer
)

// A Collector is one listener.
type Collector struct {
	config Config
	dir    string
	log    *slog.Logger
	timing timing
	gate   *forward.Gate // nil: clients need not know anything
	store  *store
	large  chan struct{}

	stopping chan struct{} // of this run
	counts   counts
	caught   atomic.Bool
	said     said

	mu    sync.Mutex
	conns map[*conn]struct{}
	addr  string
	spool *spool.Spool // nil while nothing runs
}

var (
	_ agent.Collector = (*Collector)(nil)
	_ agent.CatchUp   = (*Collector)(nil)
	_ agent.Meter     = (*Collector)(nil)
)

// New returns a collector that keeps what it receives below stateDir. Config
// must have passed Check.
func New(c Config, stateDir string, log *slog.Logger) *Collector {
	col := &Collector{
		config: c, dir: filepath.Join(stateDir, "forward", c.Name), timing: defaultTiming,
		log: log.With("collector", c.Name), large: make(chan struct{}, maxLarge), conns: map[*conn]struct{}{},
	}
	if !c.SharedKey.IsZero() {
		col.gate = &forward.Gate{Hostname: c.SelfHostname, SharedKey: c.SharedKey.Value(), Users: map[string]string{}}
		for _, u := range c.Users {
			col.gate.Users[u.Username] = u.Password.Value()
		}
	}
	return col
}

// Name is the collector's name.
func (c *Collector) Name() string { return c.config.Name }

// Addr is the address that is listened on; empty before Run.
func (c *Collector) Addr() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.addr
}

// CaughtUp reports whether what was received before Run was called has been emitted.
func (c *Collector) CaughtUp() bool { return c.caught.Load() }

// Run receives until ctx is done. What was received by then is on the disk, and
// acknowledged.
func (c *Collector) Run(ctx context.Context, s agent.Sink) (err error) {
	secure, err := c.config.TLS.Config()
	if err != nil {
		return fmt.Errorf("collectors.forward %s: tls: %w", c.config.Name, err)
	}
	sp, err := spool.Open(c.dir, spool.Options{
		MaxBytes: int64(c.config.Spool.MaxSize), Log: c.log,
		Labels: []agent.Label{{Name: "source", Value: c.config.Name}},
	})
	if err != nil {
		return fmt.Errorf("collectors.forward %s: %w", c.config.Name, err)
	}
	defer func() {
		c.use(nil)
		err = errors.Join(err, sp.Close())
	}()
	epoch, err := openEpoch(c.dir, c.log)
	if err != nil {
		return fmt.Errorf("collectors.forward %s: %w; free space in state_dir or make it writable", c.config.Name, err)
	}
	c.use(sp)
	ln, err := c.listen(ctx)
	if err != nil {
		return fmt.Errorf("collectors.forward %s: listen: %w", c.config.Name, err)
	}
	c.store = newStore(c.config.Name, sp, c.log)
	c.stopping = make(chan struct{})
	return c.serve(ctx, ln, secure, c.dispatcher(s, sp, epoch))
}

// serve runs what belongs to a listener, and ends it in the order in which
// records go through it.
func (c *Collector) serve(ctx context.Context, ln *listener, secure *tls.Config, d *dispatcher) error {
	stop, cancel := context.WithCancel(ctx)
	defer cancel()
	storing := context.WithoutCancel(ctx)
	storing, giveUp := context.WithCancel(storing)
	defer giveUp()

	var reads, conns, stores, dispatch sync.WaitGroup
	var accepting, dispatching error
	dispatch.Go(func() {
		dispatching = d.run(stop, func() { c.caught.Store(true) })
		cancel()
	})
	stores.Go(func() { c.store.run(storing) })
	reads.Go(func() {
		accepting = c.accept(stop, ln, secure, &reads, &conns)
		cancel()
	})
	<-stop.Done()
	ln.Close()
	close(c.stopping)
	c.each((*conn).stop)
	dispatch.Wait()
	giveUp() // where the disk takes nothing, clients keep what they have
	c.store.close()
	reads.Wait()
	c.store.finish()
	stores.Wait()
	c.each((*conn).finish)
	conns.Wait()
	if ctx.Err() != nil {
		return nil
	}
	return errors.Join(accepting, dispatching)
}

func (c *Collector) dispatcher(s agent.Sink, sp *spool.Spool, epoch uint64) *dispatcher {
	d := &dispatcher{
		name: c.config.Name, labels: c.config.Labels, textKeys: c.config.TextKey, maxLine: int(c.config.MaxLine), pieceWait: c.timing.piece,
		spool: sp, written: c.store.written, sink: s, epoch: epoch, end: sp.End(),
		reading: agent.NewTrouble(c.log), counts: &c.counts, sources: map[string]*source{},
	}
	for _, k := range slices.Sorted(maps.Keys(c.config.Labels)) {
		d.extras = append(d.extras, extra{k, msgp.AppendString(msgp.AppendString(nil, k), c.config.Labels[k])})
	}
	return d
}

func (c *Collector) use(sp *spool.Spool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.spool = sp
}

func (c *Collector) each(do func(*conn)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for cn := range c.conns {
		do(cn)
	}
}
