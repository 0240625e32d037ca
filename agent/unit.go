package agent

import (
	"context"
	"log/slog"
	"sync"
)

// An OutputUnit is an output that can be replaced while the agent runs.
type OutputUnit struct {
	Name    string // of its kind and its own: unique among outputs
	Section any    // its configuration; while that stays the same it is left alone
	Build   func() (Output, error)
}

// A CollectorUnit is what one section of the configuration makes, likewise.
type CollectorUnit struct {
	Name    string
	Section any
	Build   func() ([]Collector, error)
}

// A RulesUnit is the rules and what makes alerts of their findings. Build is
// given those who tell of alerts, and the Alerter that it replaces, which has
// stopped, or nil. The Alerter may be nil: findings are only counted.
type RulesUnit struct {
	Section any
	Build   func(to []AlertOutput, before Alerter) (Matcher, Alerter, error)
}

// A running is a set of components that are started and stopped together.
type running struct {
	components []*component
	meters     []Meter
	cancel     context.CancelFunc
	done       sync.WaitGroup
}

func (r *running) add(kind, name string, part any, run func(context.Context) error) {
	r.components = append(r.components, &component{kind: kind, name: name, run: run})
	if m, ok := part.(Meter); ok {
		r.meters = append(r.meters, m)
	}
}

func (r *running) start(ctx context.Context, log *slog.Logger) {
	ctx, r.cancel = context.WithCancel(ctx)
	for _, c := range r.components {
		r.done.Go(func() { c.supervise(ctx, log) })
	}
}

// stop ends them and waits for that.
func (r *running) stop() {
	if r.cancel != nil {
		r.cancel()
	}
	r.done.Wait()
}

func (r *running) meter(yield func(Sample)) {
	for _, c := range r.components {
		c.meter(yield)
	}
	for _, m := range r.meters {
		m.Meter(yield)
	}
}

func (r *running) meterSelf(yield func(Sample)) {
	for _, c := range r.components {
		c.meter(yield)
	}
	for _, m := range r.meters {
		if s, ok := m.(SelfMeter); ok {
			s.MeterSelf(yield)
		} else {
			m.Meter(yield)
		}
	}
}

// An outputUnit is an OutputUnit that was built.
type outputUnit struct {
	running
	unit   OutputUnit
	output Output
}

func (u OutputUnit) build() (*outputUnit, error) {
	o, err := u.Build()
	if err != nil {
		return nil, err
	}
	b := &outputUnit{unit: u, output: o}
	b.add("output", o.Name(), o, o.Run)
	return b, nil
}

// kept says what the output could not bring away yet; "" is nothing.
func (o *outputUnit) kept() string {
	if k, ok := o.output.(Keeper); ok {
		return k.Kept()
	}
	return ""
}

func recordOutputs(all []*outputUnit) (takers []RecordOutput) {
	for _, o := range all {
		if t, ok := o.output.(RecordOutput); ok {
			takers = append(takers, t)
		}
	}
	return takers
}

func alertOutputs(all []*outputUnit) (tellers []AlertOutput) {
	for _, o := range all {
		if t, ok := o.output.(AlertOutput); ok {
			tellers = append(tellers, t)
		}
	}
	return tellers
}

// A collectorUnit is a CollectorUnit that was built.
type collectorUnit struct {
	running
	unit CollectorUnit
	all  []Collector
}

func (a *Agent) build(u CollectorUnit) (*collectorUnit, error) {
	all, err := u.Build()
	if err != nil {
		return nil, err
	}
	b := &collectorUnit{unit: u, all: all}
	for _, c := range all {
		b.add("collector", c.Name(), c, func(ctx context.Context) error { return c.Run(ctx, a.pipeline) })
	}
	return b, nil
}

// followers are those that read logs.
func (c *collectorUnit) followers() (all []CatchUp) {
	for _, c := range c.all {
		if f, ok := c.(CatchUp); ok {
			all = append(all, f)
		}
	}
	return all
}

func (a *Agent) newJudge(alerts Alerter) *running {
	r := &running{}
	r.add("rules", "alerts", alerts, func(ctx context.Context) error { return alerts.Run(ctx, a.pipeline.Unread) })
	return r
}
