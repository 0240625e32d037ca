// Package agent is the vocabulary and the pipeline of logkeel: what a batch, a
// record, a source and a position are, how batches get from collectors through
// the rules to outputs, and how acknowledgements come back as positions.
//
// It imports the standard library only. Collectors, rules and outputs import it.
package agent

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// An Agent runs collectors into a pipeline of outputs.
type Agent struct {
	log        *slog.Logger
	ledger     *Ledger
	pipeline   *Pipeline
	outputs    []RecordOutput
	collectors []*component
	senders    []*component
	judge      *component
	meters     []Meter
	followers  []CatchUp
	timeout    time.Duration
}

// Parts is what an Agent is made of.
type Parts struct {
	Log             *slog.Logger
	Ledger          *Ledger
	Matcher         Matcher
	Alerts          Alerter // nil: findings are only counted
	Collectors      []Collector
	Outputs         []Output
	ShutdownTimeout time.Duration // for what is written to become safe
}

// New joins the parts. It starts nothing.
func New(p Parts) *Agent {
	a := &Agent{log: p.Log, ledger: p.Ledger, timeout: p.ShutdownTimeout}
	for _, o := range p.Outputs {
		if ro, ok := o.(RecordOutput); ok {
			a.outputs = append(a.outputs, ro)
		}
		a.senders = append(a.senders, &component{kind: "output", name: o.Name(), run: o.Run})
		a.addMeter(o)
	}
	a.pipeline = NewPipeline(p.Ledger, p.Matcher, p.Alerts, a.outputs)
	a.addMeter(p.Alerts)
	a.judge = &component{kind: "rules", name: "alerts", run: func(ctx context.Context) error {
		return a.pipeline.alerts.Run(ctx, a.pipeline.Unread)
	}}
	for _, c := range p.Collectors {
		a.collectors = append(a.collectors, &component{
			kind: "collector", name: c.Name(),
			run: func(ctx context.Context) error { return c.Run(ctx, a.pipeline) },
		})
		a.addMeter(c)
		if f, ok := c.(CatchUp); ok {
			a.followers = append(a.followers, f)
		}
	}
	a.meters = append(a.meters, a.pipeline, a.ledger)
	return a
}

func (a *Agent) addMeter(v any) {
	if m, ok := v.(Meter); ok {
		a.meters = append(a.meters, m)
	}
}

// Meter reports the agent and all of its parts.
func (a *Agent) Meter(yield func(Sample)) {
	for _, c := range a.senders {
		c.meter(yield)
	}
	for _, c := range a.collectors {
		c.meter(yield)
	}
	a.judge.meter(yield)
	for _, m := range a.meters {
		m.Meter(yield)
	}
}

// Run runs until ctx is done and what was read by then is safe, or the shutdown
// timeout has passed. What is not safe then is read again at the next start.
func (a *Agent) Run(ctx context.Context) error {
	// Outputs and the ledger outlive the rules, and those the collectors.
	sending, stopSending := context.WithCancel(context.WithoutCancel(ctx))
	defer stopSending()
	judging, stopJudging := context.WithCancel(sending)
	defer stopJudging()
	var senders, judges, collectors sync.WaitGroup
	senders.Go(func() { a.ledger.Run(sending) })
	judges.Go(func() { a.judge.supervise(judging, a.log) })
	for _, c := range a.senders {
		senders.Go(func() { c.supervise(sending, a.log) })
	}
	for _, c := range a.collectors {
		collectors.Go(func() { c.supervise(ctx, a.log) })
	}
	collectors.Go(func() { a.sayCaughtUp(ctx) })
	collectors.Wait()
	<-ctx.Done()
	stopJudging()
	judges.Wait()
	a.drain(sending)
	stopSending()
	senders.Wait()
	return a.ledger.Close()
}

func (a *Agent) drain(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, a.timeout)
	defer cancel()
	var wg sync.WaitGroup
	for _, o := range a.outputs {
		wg.Go(func() {
			if err := o.Drain(ctx); err != nil {
				a.log.Warn("not everything was safe when the agent stopped; it is read again at the next start", "output", o.Name(), "error", err)
			}
		})
	}
	wg.Wait()
}
