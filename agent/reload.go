package agent

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"time"
)

// A reload is what an agent is to consist of from now on.
type reload struct {
	parts Parts
	done  chan error
}

// Reload makes the agent, while it runs, consist of p, whose Log, Ledger and Self do
// not count. Only units whose section changed are replaced: the old one stops
// and closes what it has before the new one is built. What such an output had in
// memory is safe by then, or is read again. An output that is new begins where
// reading is now. It is an error, and all stays as it was, where a unit of a new
// name cannot be built, or an output that is to go still keeps something. A
// changed unit that cannot be built goes on as it was, and is an error as well;
// the others are changed. Where that cannot be done either, Run ends with the
// same error.
func (a *Agent) Reload(ctx context.Context, p Parts) error {
	r := reload{p, make(chan error, 1)}
	select {
	case a.reloads <- r:
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-r.done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// A change is one reload under way.
type change struct {
	a          *Agent
	to         Parts
	rules      bool                      // they, or who tells of alerts, are to be replaced
	outputs    map[string]bool           // that stay as they are
	collectors map[string]bool           // likewise
	newOutputs map[string]*outputUnit    // of names that there were not, built and not started
	newReaders map[string]*collectorUnit // likewise, collectors
	stopped    map[string]CollectorUnit  // that were stopped
	reread     bool                      // outputs had something in memory that is lost there
	errs       []error                   // of units that go on as they were
	broken     []error                   // of those that cannot
}

var errStopping = errors.New("the agent stops")

func same(x, y any) bool { return reflect.DeepEqual(x, y) }

// apply does a reload. broken says that it could neither be finished nor undone.
func (a *Agent) apply(to Parts) (broken, err error) {
	c := &change{
		a: a, to: to, outputs: map[string]bool{}, collectors: map[string]bool{},
		newOutputs: map[string]*outputUnit{}, newReaders: map[string]*collectorUnit{}, stopped: map[string]CollectorUnit{},
	}
	c.compare()
	if err := c.refuse(); err != nil {
		return nil, err
	}
	if err := c.buildNew(); err != nil {
		return nil, errors.Join(err, c.closeNew())
	}
	c.stopCollectors()
	if len(c.outputs) != len(a.outputs) || len(to.Outputs) != len(a.outputs) || c.rules {
		err = c.swap()
	}
	switch {
	case err == nil:
		a.timeout = to.ShutdownTimeout
		c.startCollectors(to.Collectors)
		err = errors.Join(c.errs...)
	case errors.Is(err, errStopping):
		err = errors.Join(err, c.closeNew())
	default:
		err = errors.Join(err, c.closeNew())
		c.startCollectors(nil)
	}
	return errors.Join(c.broken...), err
}

// buildNew builds the units of new names, before anything is changed.
func (c *change) buildNew() error {
	var errs []error
	for _, u := range c.to.Outputs {
		if slices.ContainsFunc(c.a.outputs, func(o *outputUnit) bool { return o.unit.Name == u.Name }) {
			continue
		}
		o, err := u.build()
		if err != nil {
			errs = append(errs, fmt.Errorf("the output %s cannot be added: %w", u.Name, err))
			continue
		}
		c.newOutputs[u.Name] = o
	}
	for _, u := range c.to.Collectors {
		if slices.ContainsFunc(c.a.collectors, func(r *collectorUnit) bool { return r.unit.Name == u.Name }) {
			continue
		}
		r, err := c.a.build(u)
		if err != nil {
			errs = append(errs, fmt.Errorf("the collector %s cannot be added: %w", u.Name, err))
			continue
		}
		c.newReaders[u.Name] = r
	}
	return errors.Join(errs...)
}

// closeNew closes outputs that were built and are not wanted after all.
func (c *change) closeNew() error {
	var errs []error
	for _, o := range c.newOutputs {
		errs = append(errs, o.close())
	}
	return errors.Join(errs...)
}

// compare finds out what stays.
func (c *change) compare() {
	c.rules = !same(c.a.rules.Section, c.to.Rules.Section)
	for _, o := range c.a.outputs {
		i := slices.IndexFunc(c.to.Outputs, func(u OutputUnit) bool { return u.Name == o.unit.Name && same(u.Section, o.unit.Section) })
		if i >= 0 {
			c.outputs[o.unit.Name] = true
		}
		if _, tells := o.output.(AlertOutput); tells && i < 0 {
			c.rules = true
		}
	}
	for _, u := range c.to.Outputs { // whether it tells of alerts is known once it is built
		c.rules = c.rules || !slices.ContainsFunc(c.a.outputs, func(o *outputUnit) bool { return o.unit.Name == u.Name })
	}
	for _, u := range c.a.collectors {
		if slices.ContainsFunc(c.to.Collectors, func(n CollectorUnit) bool { return n.Name == u.unit.Name && same(n.Section, u.unit.Section) }) {
			c.collectors[u.unit.Name] = true
		}
	}
}

// refuse says which output cannot go.
func (c *change) refuse() error {
	var errs []error
	for _, o := range c.a.outputs {
		if slices.ContainsFunc(c.to.Outputs, func(u OutputUnit) bool { return u.Name == o.unit.Name }) {
			continue
		}
		if kept := o.kept(); kept != "" {
			errs = append(errs, fmt.Errorf("the output %s cannot be removed, for it keeps %s that it could not send yet; keep it until that is sent, or stop the agent", o.unit.Name, kept))
		}
	}
	return errors.Join(errs...)
}

func (c *change) stopCollectors() {
	for _, u := range c.a.collectors {
		if !c.collectors[u.unit.Name] {
			c.stop(u)
		}
	}
}

func (c *change) stop(u *collectorUnit) {
	u.stop()
	c.stopped[u.unit.Name] = u.unit
}

// startCollectors starts those that the agent is to have; for nil, those that
// it had.
func (c *change) startCollectors(want []CollectorUnit) {
	a := c.a
	if want == nil {
		for _, u := range a.collectors {
			want = append(want, u.unit)
		}
	}
	if c.reread { // whoever reads logs has to go back
		for _, u := range a.collectors {
			if _, stopped := c.stopped[u.unit.Name]; !stopped && len(u.followers()) > 0 {
				c.stop(u)
			}
		}
	}
	running := map[string]*collectorUnit{}
	for _, u := range a.collectors {
		if _, stopped := c.stopped[u.unit.Name]; !stopped {
			running[u.unit.Name] = u
		}
	}
	var now []*collectorUnit
	for _, u := range want {
		r := running[u.Name]
		if r == nil {
			if r = c.collector(u); r == nil {
				continue
			}
			r.start(a.lives.collecting, a.log)
		}
		now = append(now, r)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.collectors = now
}

// collector builds the unit, or else what there was of its name; nil where that
// cannot be done either.
func (c *change) collector(u CollectorUnit) *collectorUnit {
	if r := c.newReaders[u.Name]; r != nil {
		return r
	}
	r, err := c.a.build(u)
	if old, ok := c.stopped[u.Name]; ok && err != nil {
		c.errs = append(c.errs, fmt.Errorf("the collector %s goes on as it was: %w", u.Name, err))
		r, err = c.a.build(old)
	}
	if err != nil {
		c.broken = append(c.broken, fmt.Errorf("collector %s: %w", u.Name, err))
		return nil
	}
	return r
}

// swap replaces outputs and rules, while nothing is emitted. It returns an error
// where all stays as it was.
func (c *change) swap() error {
	a := c.a
	return a.pipeline.swap(func() (*works, error) {
		before := a.pipeline.works.alerts
		if c.rules {
			a.judge.stop()
			if err := before.Stored(); err != nil {
				a.judge.start(a.lives.judging, a.log)
				return nil, err
			}
		}
		outputs, err := c.swapOutputs()
		if err != nil {
			if c.rules {
				a.judge.start(a.lives.judging, a.log)
			}
			return nil, err
		}
		if c.reread {
			a.pipeline.rewound()
			for _, u := range a.collectors { // they need not say that their feeds fail
				if len(u.followers()) > 0 {
					u.cancel()
				}
			}
		}
		m, alerts := a.pipeline.works.matcher, before
		if c.rules {
			m, alerts = c.swapRules(outputs, m, before)
		}
		w := newWorks(a.ledger, m, alerts, recordOutputs(outputs))
		a.mu.Lock()
		defer a.mu.Unlock()
		a.outputs = outputs
		if c.rules && len(c.broken) == 0 {
			a.judge = a.newJudge(w.alerts)
			a.judge.start(a.lives.judging, a.log)
		}
		return w, nil
	})
}

// swapRules returns the new rules, or the old ones built anew.
func (c *change) swapRules(outputs []*outputUnit, m Matcher, before Alerter) (Matcher, Alerter) {
	to := alertOutputs(outputs)
	now, alerts, err := c.to.Rules.Build(to, before)
	if err == nil {
		c.a.rules = c.to.Rules
		return now, alerts
	}
	c.errs = append(c.errs, fmt.Errorf("the rules go on as they were: %w", err))
	if now, alerts, err = c.a.rules.Build(to, before); err == nil {
		return now, alerts
	}
	c.broken = append(c.broken, fmt.Errorf("rules: %w", err))
	return m, before
}

// swapOutputs returns the outputs that stay and those that are new. It returns
// an error, with nothing changed, where one that is to go still keeps something,
// or the agent is to stop.
func (c *change) swapOutputs() (now []*outputUnit, err error) {
	a := c.a
	var leave []*outputUnit
	was := map[string]*outputUnit{}
	for _, o := range a.outputs {
		if was[o.unit.Name] = o; !c.outputs[o.unit.Name] {
			leave = append(leave, o)
		}
	}
	c.drain(leave)
	if a.lives.collecting.Err() != nil {
		return nil, errStopping // which has to drain them, too, and little time
	}
	if err := c.refuse(); err != nil {
		return nil, err
	}
	for _, o := range leave {
		o.stop()
		if t, ok := o.output.(RecordOutput); ok {
			c.reread = t.Consumer().rewind() || c.reread
		}
		if err := o.close(); err != nil {
			a.log.Warn("an output could not be closed", "error", err)
		}
	}
	for _, u := range c.to.Outputs {
		o := was[u.Name]
		if !c.outputs[u.Name] {
			if o = c.output(u, o); o == nil {
				continue
			}
			o.start(a.lives.sending, a.log)
		}
		delete(was, u.Name)
		now = append(now, o)
	}
	for name, o := range was {
		t, ok := o.output.(RecordOutput)
		if ok && !slices.ContainsFunc(c.to.Outputs, func(u OutputUnit) bool { return u.Name == name }) {
			a.ledger.drop(t.Consumer())
		}
	}
	return now, nil
}

// output builds the unit, or else what there was of its name; nil where that
// cannot be done either.
func (c *change) output(u OutputUnit, old *outputUnit) *outputUnit {
	if old == nil {
		return c.newOutputs[u.Name]
	}
	o, err := u.build()
	if err != nil {
		c.errs = append(c.errs, fmt.Errorf("the output %s goes on as it was: %w", u.Name, err))
		o, err = old.unit.build()
	}
	if err != nil {
		c.broken = append(c.broken, fmt.Errorf("output %s: %w", u.Name, err))
		return nil
	}
	return o
}

// drain waits for what is in memory, for as long as a stop does, and no longer
// than until the agent is to stop.
func (c *change) drain(leave []*outputUnit) {
	ctx, cancel := context.WithTimeout(c.a.lives.collecting, max(c.a.timeout, time.Second))
	defer cancel()
	var wg sync.WaitGroup
	for _, o := range leave {
		t, ok := o.output.(RecordOutput)
		if !ok {
			continue
		}
		wg.Go(func() {
			if err := t.Drain(ctx); err != nil && c.a.lives.collecting.Err() == nil {
				c.a.log.Warn("not everything was safe when an output was replaced; it is read again", "output", o.unit.Name, "error", err)
			}
		})
	}
	wg.Wait()
}
