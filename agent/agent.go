// Package agent is the vocabulary and the pipeline of logkeel: what a batch, a
// record, a source and a position are, how batches get from collectors through
// the rules to outputs, and how acknowledgements come back as positions.
//
// It imports the standard library only. Collectors, rules and outputs import it.
package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// An Agent runs collectors into a pipeline of outputs.
type Agent struct {
	log      *slog.Logger
	ledger   *Ledger
	pipeline *Pipeline
	reloads  chan reload
	self     func(yield func(Sample)) // or nil
	lives    lives                    // while it runs

	// Changed by New and, while it runs, by Run's goroutine only.
	timeout time.Duration
	rules   RulesUnit

	mu         sync.Mutex // for who else looks at these
	outputs    []*outputUnit
	collectors []*collectorUnit
	judge      *running
}

// Parts is what an Agent is made of.
type Parts struct {
	Log             *slog.Logger
	Ledger          *Ledger
	Rules           RulesUnit
	Collectors      []CollectorUnit
	Outputs         []OutputUnit
	ShutdownTimeout time.Duration // for what is written to become safe

	// Self is what else there is to say of how the agent does, for its rules; nil:
	// nothing. A reload does not change it.
	Self func(yield func(Sample))
}

// New builds the parts. It starts nothing.
func New(p Parts) (*Agent, error) {
	a := &Agent{log: p.Log, ledger: p.Ledger, timeout: p.ShutdownTimeout, rules: p.Rules, reloads: make(chan reload), self: p.Self}
	for _, u := range p.Outputs {
		o, err := u.build()
		if err != nil {
			return nil, errors.Join(err, a.closeOutputs())
		}
		a.outputs = append(a.outputs, o)
	}
	m, alerts, err := p.Rules.Build(alertOutputs(a.outputs), nil)
	if err != nil {
		return nil, errors.Join(err, a.closeOutputs())
	}
	a.pipeline = NewPipeline(p.Ledger, m, alerts, recordOutputs(a.outputs))
	a.judge = a.newJudge(a.pipeline.works.alerts)
	for _, u := range p.Collectors {
		c, err := a.build(u)
		if err != nil {
			return nil, errors.Join(err, a.closeOutputs())
		}
		a.collectors = append(a.collectors, c)
	}
	return a, nil
}

// Meter reports the agent and all of its parts.
func (a *Agent) Meter(yield func(Sample)) {
	for _, r := range a.running() {
		r.meter(yield)
	}
	a.pipeline.Meter(yield)
	a.ledger.Meter(yield)
}

// running is all that runs.
func (a *Agent) running() (all []*running) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, o := range a.outputs {
		all = append(all, &o.running)
	}
	for _, c := range a.collectors {
		all = append(all, &c.running)
	}
	return append(all, a.judge)
}

// Lives are how long parts run: outputs and the ledger outlive the rules, and
// those the collectors.
type lives struct {
	collecting, judging, sending context.Context
}

// Run runs until ctx is done and what was read by then is safe, or the shutdown
// timeout has passed. What is not safe then is read again at the next start.
func (a *Agent) Run(ctx context.Context) error {
	var stopCollecting, stopSending, stopJudging context.CancelFunc
	a.lives.collecting, stopCollecting = context.WithCancel(ctx)
	defer stopCollecting()
	a.lives.sending, stopSending = context.WithCancel(context.WithoutCancel(ctx))
	defer stopSending()
	a.lives.judging, stopJudging = context.WithCancel(a.lives.sending)
	defer stopJudging()

	var others sync.WaitGroup
	others.Go(func() { a.ledger.Run(a.lives.sending) })
	for _, o := range a.outputs {
		o.start(a.lives.sending, a.log)
	}
	a.judge.start(a.lives.judging, a.log)
	a.sampleSelf() // what the collectors come to count is a change then
	for _, c := range a.collectors {
		c.start(a.lives.collecting, a.log)
	}
	others.Go(func() { a.sayCaughtUp(a.lives.collecting) })
	others.Go(func() { a.watchSelf(a.lives.collecting) })
	broken := a.serve(ctx)

	stopCollecting()
	for _, c := range a.collectors {
		c.stop()
	}
	stopJudging()
	a.judge.stop()
	a.drain(a.lives.sending)
	stopSending()
	for _, o := range a.outputs {
		o.stop()
	}
	others.Wait()
	return errors.Join(broken, a.closeOutputs(), a.ledger.Close())
}

// serve reloads what it is asked to until ctx is done. It returns an error where
// a reload could neither be finished nor undone.
func (a *Agent) serve(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case r := <-a.reloads:
			broken, err := a.apply(r.parts)
			if broken != nil {
				r.done <- broken
				return broken
			}
			r.done <- err
		}
	}
}

// drain waits for the outputs, together.
func (a *Agent) drain(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, a.timeout)
	defer cancel()
	var wg sync.WaitGroup
	for _, o := range recordOutputs(a.outputs) {
		wg.Go(func() {
			if err := o.Drain(ctx); err != nil {
				a.log.Warn("not everything was safe when the agent stopped; it is read again at the next start", "output", o.Name(), "error", err)
			}
		})
	}
	wg.Wait()
}

func (a *Agent) closeOutputs() error {
	var errs []error
	for _, o := range a.outputs {
		errs = append(errs, o.close())
	}
	return errors.Join(errs...)
}

func (o *outputUnit) close() error {
	if c, ok := o.output.(interface{ Close() error }); ok {
		if err := c.Close(); err != nil {
			return fmt.Errorf("close output %s: %w", o.output.Name(), err)
		}
	}
	return nil
}
