// Package fluentd ships records to Fluentd aggregators, or anything else that
// speaks the Forward protocol, and keeps on the disk what they do not take.
package fluentd

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"text/template"
	"time"

	"github.com/webgrip/logkeel/agent"
)

// An Output ships to one aggregator, or shares the sources among several.
type Output struct {
	c        Config
	log      *slog.Logger
	tag      *template.Template
	dial     func(ctx context.Context, network, address string) (net.Conn, error)
	consumer *agent.Consumer
	servers  []*server
	lanes    []*lane // one for each server that is not on standby, in their order
	strays   []*lane // what is left for servers that are not configured any more
	dead     *deadLetters

	agentID string // with identity only

	landBy atomic.Pointer[time.Time] // when Drain's time is over; nil: it was not called

	// Records that the spools dropped, by source.
	losses losses
}

var (
	_ agent.Selective = (*Output)(nil)
	_ agent.Keeper    = (*Output)(nil)
	_ agent.Meter     = (*Output)(nil)
)

// New opens the output's spools below stateDir. Config must have passed Check.
func New(c Config, ledger *agent.Ledger, stateDir string, log *slog.Logger) (_ *Output, err error) {
	o := &Output{c: c, log: log.With("output", c.Name), dial: (&net.Dialer{}).DialContext, consumer: ledger.Consumer("fluentd/" + c.Name)}
	if o.tag, err = parseTag(c.Tag); err != nil {
		return nil, err
	}
	if c.Identity {
		if o.agentID, err = agentID(stateDir, o.log); err != nil {
			return nil, fmt.Errorf("output %s: %w", c.Name, err)
		}
	}
	o.dead = newDeadLetters(stateDir, c.Name, o.log)
	if err := o.open(stateDir); err != nil {
		return nil, errors.Join(fmt.Errorf("output %s: %w", c.Name, err), o.Close())
	}
	return o, nil
}

// Name is the output's name.
func (o *Output) Name() string { return o.c.Name }

// Consumer is what the output reports to when records are safe: acknowledged,
// or in a spool.
func (o *Output) Consumer() *agent.Consumer { return o.consumer }

// FlaggedOnly reports whether records without findings are nothing to the output.
func (o *Output) FlaggedOnly() bool { return o.c.Records == onlyFlagged }

// Write encodes the records of b from index from on.
func (o *Output) Write(ctx context.Context, b *agent.Batch, from int) error {
	d := b.Source.Memo(o, o.describe).(*described)
	if err := d.lane.q.lockForPut(ctx); err != nil {
		return err
	}
	defer d.lane.q.mu.Unlock()
	d.lane.encode(b, from, d)
	return nil
}

// laneFor is the lane to which the source belongs.
func (o *Output) laneFor(source string) *lane {
	best := o.lanes[0]
	for _, l := range o.lanes[1:] {
		if l.links[0].score(source) > best.links[0].score(source) {
			best = l
		}
	}
	return best
}

// Run sends and spools until ctx is done.
func (o *Output) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	for _, l := range o.lanes {
		wg.Go(func() { l.run(ctx) })
	}
	for _, l := range o.strays {
		wg.Go(func() {
			l.run(ctx)
			if ctx.Err() == nil {
				l.remove()
			}
		})
	}
	wg.Wait()
	<-ctx.Done()
	return nil
}

// Drain waits until what was written is acknowledged or in a spool. When Run is
// to end then, it lets what is in flight land for as long as ctx would last.
func (o *Output) Drain(ctx context.Context) error {
	if by, ok := ctx.Deadline(); ok {
		o.landBy.Store(&by)
	}
	for _, l := range o.lanes { // all at once, for each is short of time
		l.q.hasten()
	}
	for _, l := range o.lanes {
		if err := l.q.drain(ctx); err != nil {
			return err
		}
	}
	return nil
}

// landing is how long what is in flight may stay so when Run is to end.
func (o *Output) landing() time.Duration {
	if by := o.landBy.Load(); by != nil {
		return min(landing, time.Until(*by))
	}
	return landing
}

// Close closes the spools, after Run has ended.
func (o *Output) Close() error {
	var errs []error
	for _, l := range o.all() {
		errs = append(errs, l.spool.Close())
	}
	return errors.Join(errs...)
}

// all is the lanes and the strays.
func (o *Output) all() []*lane { return append(o.lanes[:len(o.lanes):len(o.lanes)], o.strays...) }
