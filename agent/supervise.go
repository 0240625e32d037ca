package agent

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync/atomic"
	"time"
)

const (
	firstBackoff = 500 * time.Millisecond
	lastBackoff  = 30 * time.Second
	steadyAfter  = time.Minute // a run this long was a good one
)

// A component is a collector or an output under supervision.
type component struct {
	kind, name string // collector or output, and its own name
	run        func(context.Context) error
	up         atomic.Bool
	restarts   atomic.Uint64
	trouble    atomic.Pointer[Trouble] // nil before it runs
}

// supervise runs c until ctx is done, again after each error, later and later.
// A run that ends without an error is done for good.
func (c *component) supervise(ctx context.Context, log *slog.Logger) {
	log = log.With(c.kind, c.name)
	trouble := NewTrouble(log)
	c.trouble.Store(trouble)
	backoff := firstBackoff
	for {
		start := time.Now()
		c.up.Store(true)
		settled := time.AfterFunc(2*lastBackoff, func() { trouble.Clear(c.kind + " works again") })
		err := c.run(ctx)
		settled.Stop()
		c.up.Store(false)
		if ctx.Err() != nil || err == nil {
			return
		}
		if time.Since(start) > steadyAfter {
			backoff = firstBackoff
		}
		trouble.Fail(err, c.kind+" failed and is started again")
		select {
		case <-ctx.Done():
			return
		case <-time.After(backoff/2 + rand.N(backoff)):
		}
		backoff = min(2*backoff, lastBackoff)
		c.restarts.Add(1)
	}
}

func (c *component) meter(yield func(Sample)) {
	labels := []Label{{"kind", c.kind}, {"name", c.name}}
	var up float64
	if c.up.Load() {
		up = 1
	}
	yield(Sample{Name: "logkeel_component_up", Help: "Whether the collector or output runs now.", Labels: labels, Value: up})
	failing, last := time.Duration(0), ""
	if t := c.trouble.Load(); t != nil {
		failing, last = t.State()
	}
	yield(Sample{Name: "logkeel_component_failing_seconds", Help: "For how long it has failed again and again; 0 once it has run for a minute.", Labels: labels, Value: failing.Seconds(), Note: last})
	yield(Sample{Name: "logkeel_component_restarts_total", Help: "How often it failed and was started again.", Type: Counter, Labels: labels, Value: float64(c.restarts.Load())})
}

func (c *component) String() string { return fmt.Sprintf("%s %s", c.kind, c.name) }
