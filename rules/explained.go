package rules

import (
	"encoding/binary"
	"math"

	"github.com/webgrip/logkeel/agent"
)

// explainers are the sources of one inhibition that have the same values of its
// labels, each by the index of the first rule among them.
type explainers struct {
	pure int // of those that are no targets
	both int // of those that are: they do not explain each other
}

const noRule = math.MaxInt

// explain says of each alert that fires which other one explains it, where that
// may have changed. The caller holds mu.
func (a *Alerts) explain() {
	if !a.unexplained {
		return
	}
	by := a.explained()
	for _, o := range a.outbox {
		if !o.judged() {
			continue
		}
		name := ""
		if rule := by[o.alert]; rule != nil {
			name = rule.Name
		}
		if o.alert.Inhibited != name {
			o.alert.Inhibited = name
			a.changed(o.alert, true)
		}
	}
	a.unexplained = false
}

// judged reports whether the alert may be explained: it fires, or began and ended
// since that was last looked at.
func (o *outgoing) judged() bool { return o.alert.Firing() || o.alert.Revision == 0 }

// explained gives by alert the rule of the one that explains it: of the first
// inhibition that says so.
func (a *Alerts) explained() map[*agent.Alert]*agent.Rule {
	if len(a.set.inhibits) == 0 {
		return nil
	}
	by := map[*agent.Alert]*agent.Rule{}
	for i := range a.set.inhibits {
		in := &a.set.inhibits[i]
		sources := a.explainers(in)
		if len(sources) == 0 {
			continue
		}
		for _, o := range a.outbox {
			t := o.alert
			if !o.judged() || by[t] != nil || !in.target.selects(t) {
				continue
			}
			e, ok := sources[in.values(t)]
			if !ok {
				continue
			}
			rule := e.pure
			if !in.source.selects(t) {
				rule = min(rule, e.both)
			}
			if rule != noRule {
				by[t] = a.set.meta[rule]
			}
		}
	}
	return by
}

// explainers are the sources that fire, by the values of what is to be equal.
func (a *Alerts) explainers(in *inhibition) map[string]explainers {
	var all map[string]explainers
	for _, o := range a.outbox {
		if !o.alert.Firing() || !in.source.selects(o.alert) {
			continue
		}
		if all == nil {
			all = map[string]explainers{}
		}
		values := in.values(o.alert)
		e, ok := all[values]
		if !ok {
			e = explainers{noRule, noRule}
		}
		which := &e.pure
		if in.target.selects(o.alert) {
			which = &e.both
		}
		*which = min(*which, o.alert.Rule.Index)
		all[values] = e
	}
	return all
}

// values are what the alert has of the labels that are to be equal. What was
// long over when it was read explains nothing that is so now.
func (in *inhibition) values(a *agent.Alert) string {
	b := []byte{0}
	if a.Late {
		b[0] = 1
	}
	for _, name := range in.equal {
		v := a.Label(name)
		b = append(binary.AppendUvarint(b, uint64(len(v))), v...)
	}
	return string(b)
}
