package agent

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"time"
)

// A reload is what an agent is to consist of from now on.
type reload struct {
	parts Parts
	done  chan error
}

// Reload makes the agent, while it runs, consist of p, whose Log and Ledger do
// not count. Only units whose section changed are replaced: the old one stops
// and closes what it has before the new one is built. What such an output had in
// memory is safe by then, or is read again. An output that is new begins where
// reading is now; one that is to go and still keeps something is an error, and all
// stays as it was. A unit that cannot be built goes on as it was, and is an error
// as well; the others are changed. Where that cannot be done either, Run ends
// with the same error.
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
	rules      bool                     // they, or who tells of alerts, are to be replaced
	outputs    map[string]bool          // that stay as they are
	collectors map[string]bool          // likewise
	stopped    map[string]CollectorUnit // that were stopped
	reread     bool                     // outputs had something in memory that is lost there
	errs       []error                  // of units that go on as they were
}

func same(x, y any) bool { return reflect.DeepEqual(x, y) }

// apply does a reload. broken says that it could neither be finished nor undone.
func (a *Agent) apply(to Parts) (broken, err error) {
	c := &change{a: a, to: to, outputs: map[string]bool{}, collectors: map[string]bool{}, stopped: map[string]CollectorUnit{}}
	c.compare()
	if err := c.refuse(); err != nil {
		return nil, err
	}
	c.stopCollectors()
	if len(c.outputs) != len(a.outputs) || len(to.Outputs) != len(a.outputs) || c.rules {
		if broken, err = c.swap(); broken != nil {
			return broken, err
		}
	}
	if err != nil {
		return c.startCollectors(nil), err
	}
	a.timeout, a.rules = to.ShutdownTimeout, to.Rules
	broken = c.startCollectors(to.Collectors)
	return broken, errors.Join(c.errs...)
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
func (c *change) startCollectors(want []CollectorUnit) (broken error) {
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
			var err error
			if r, err = a.build(u); err != nil {
				if old, ok := c.stopped[u.Name]; ok {
					c.errs = append(c.errs, fmt.Errorf("the collector %s goes on as it was: %w", u.Name, err))
					r, err = a.build(old)
				}
				if err != nil {
					return fmt.Errorf("collector %s: %w", u.Name, err)
				}
			}
			r.start(a.lives.collecting, a.log)
		}
		now = append(now, r)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.collectors = now
	return nil
}

// swap replaces outputs and rules, while nothing is emitted.
func (c *change) swap() (broken, err error) {
	a := c.a
	err = a.pipeline.swap(func() (*works, error) {
		before := a.pipeline.works.alerts
		if c.rules {
			a.judge.stop()
			if err := before.Stored(); err != nil {
				a.judge.start(a.lives.judging, a.log)
				return nil, err
			}
		}
		var outputs []*outputUnit
		if broken, err = c.swapOutputs(&outputs); broken != nil {
			return nil, broken
		}
		if err != nil {
			if c.rules {
				a.judge.start(a.lives.judging, a.log)
			}
			return nil, err
		}
		w := newWorks(a.ledger, a.pipeline.works.matcher, before, recordOutputs(outputs))
		if c.rules {
			m, alerts, err := c.to.Rules.Build(alertOutputs(outputs), before)
			if err != nil {
				broken = fmt.Errorf("rules: %w", err)
				return nil, broken
			}
			w = newWorks(a.ledger, m, alerts, recordOutputs(outputs))
		}
		a.mu.Lock()
		defer a.mu.Unlock()
		a.outputs = outputs
		if c.rules {
			a.judge = a.newJudge(w.alerts)
			a.judge.start(a.lives.judging, a.log)
		}
		return w, nil
	})
	return broken, err
}

// swapOutputs fills all with the outputs that stay and those that are new. It
// returns an error, with nothing changed, where one that is to go still keeps
// something.
func (c *change) swapOutputs(all *[]*outputUnit) (broken, err error) {
	a := c.a
	var leave []*outputUnit
	was := map[string]*outputUnit{}
	for _, o := range a.outputs {
		if was[o.unit.Name] = o; !c.outputs[o.unit.Name] {
			leave = append(leave, o)
		}
	}
	c.drain(leave)
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
			if o, err = c.replace(u, o); err != nil {
				return err, nil
			}
			o.start(a.lives.sending, a.log)
		}
		delete(was, u.Name)
		*all = append(*all, o)
	}
	for _, o := range was {
		if t, ok := o.output.(RecordOutput); ok {
			a.ledger.drop(t.Consumer())
		}
	}
	return nil, nil
}

// replace builds the output. Where that fails and there was one of its name
// before, that one goes on.
func (c *change) replace(u OutputUnit, old *outputUnit) (*outputUnit, error) {
	o, err := u.build()
	if err != nil && old != nil {
		c.errs = append(c.errs, fmt.Errorf("the output %s goes on as it was: %w", u.Name, err))
		o, err = old.unit.build()
	}
	if err != nil {
		return nil, fmt.Errorf("output %s: %w", u.Name, err)
	}
	return o, nil
}

// drain waits for what is in memory, for as long as a stop does.
func (c *change) drain(leave []*outputUnit) {
	ctx, cancel := context.WithTimeout(c.a.lives.sending, max(c.a.timeout, time.Second))
	defer cancel()
	for _, o := range leave {
		if t, ok := o.output.(RecordOutput); ok {
			if err := t.Drain(ctx); err != nil {
				c.a.log.Warn("not everything was safe when an output was replaced; it is read again", "output", o.unit.Name, "error", err)
			}
		}
	}
}
