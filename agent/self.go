package agent

import (
	"context"
	"time"
)

const (
	// Self is the name of the snapshot that the agent takes of itself.
	Self = "logkeel"
	// selfEvery is how often it does.
	selfEvery = 15 * time.Second
)

// A SelfMeter is a Meter that measures more than how it does itself.
type SelfMeter interface {
	Meter
	// MeterSelf is the part of Meter that says how it does itself: a number of
	// samples that neither what is read nor what is found adds to.
	MeterSelf(yield func(Sample))
}

// A Chooser is an Alerter that says of which samples it makes anything.
type Chooser interface {
	Wants(sample string) bool
}

// MeterSelf reports how the agent and its parts do. It leaves out what was
// sampled, found and alerted of: rules have judged that, and one that looked at
// its own alerts might never rest.
func (a *Agent) MeterSelf(yield func(Sample)) {
	for _, r := range a.running() {
		r.meterSelf(yield)
	}
	a.pipeline.stats.meter(yield)
	a.ledger.Meter(yield)
	if a.self != nil {
		a.self(yield)
	}
}

// watchSelf lets the rules judge how the agent does, until ctx is done.
func (a *Agent) watchSelf(ctx context.Context) {
	tick := time.NewTicker(selfEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			a.sampleSelf()
		}
	}
}

// sampleSelf takes one snapshot. It is none of the page's: all of it is there.
func (a *Agent) sampleSelf() {
	w := a.pipeline.hold()
	defer a.pipeline.release()
	wants := func(string) bool { return true }
	if c, ok := w.alerts.(Chooser); ok {
		wants = c.Wants
	}
	samples := []Sample{}
	a.MeterSelf(func(s Sample) {
		if wants(s.Name) {
			samples = append(samples, s)
		}
	})
	w.alerts.Samples(Self, samples)
}
