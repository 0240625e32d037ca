package rules

import (
	"slices"
	"time"

	"github.com/webgrip/logkeel/agent"
)

const (
	// freshFor is how old a snapshot may be of which alerts tell.
	freshFor = 2 * time.Minute
	// youngFor is for how long after an alert began what is measured still tells
	// of that moment, and maxYoung for how many alerts.
	youngFor = 20 * time.Second
	maxYoung = 200
	// maxSnapshots bounds how many snapshots are kept.
	maxSnapshots = 200
)

// surroundings are what else was measured when an alert began. Guarded by
// Alerts.mu.
type surroundings struct {
	snapshots map[string]*snapshot
	young     []*young
}

// A snapshot is the newest one of a sampler.
type snapshot struct {
	samples []agent.Sample
	at      time.Duration // by Elapsed
	evicted float64       // keys, since the one before
	gap     time.Duration // to that one
	read    *measured     // nil: nobody has asked
}

// A young alert began a moment ago.
type young struct {
	key   *key
	alert *agent.Alert
	at    time.Duration
}

func newSurroundings(set *Set, o *AlertOptions) *surroundings {
	if len(o.Outputs) == 0 || !slices.ContainsFunc(set.rules, func(r rule) bool { return !r.policy.quiet }) {
		return nil
	}
	return &surroundings{snapshots: map[string]*snapshot{}}
}

// keep takes up the newest snapshot of that name; nil says that there is none.
func (s *surroundings) keep(name string, samples []agent.Sample, now time.Duration) {
	if s == nil {
		return
	}
	old := s.snapshots[name]
	if samples == nil {
		delete(s.snapshots, name)
		return
	}
	if old == nil && len(s.snapshots) >= maxSnapshots {
		return
	}
	n := &snapshot{samples: samples, at: now}
	if old != nil {
		was, before := evictedOf(old.samples)
		is, now := evictedOf(samples)
		if before && now && is > was { // it begins anew when the server does
			n.evicted = is - was
		}
		n.gap = n.at - old.at
	}
	s.snapshots[name] = n
}

func evictedOf(samples []agent.Sample) (v float64, ok bool) {
	for i := range samples {
		if samples[i].Name == "redis_evicted_keys_total" {
			return samples[i].Value, true
		}
	}
	return 0, false
}

// facts are what to tell beside an alert of the key.
func (s *surroundings) facts(k *key, alert *agent.Alert, wall time.Time, now time.Duration) []agent.Fact {
	if s == nil || alert.Late || wall.Sub(alert.Last) > freshFor {
		return nil
	}
	own := alertContainer(alert)
	var all []fact
	var busiest *fact
	for _, n := range s.snapshots {
		if now-n.at > freshFor {
			continue
		}
		if n.read == nil {
			n.read = readSnapshot(n.samples, n.evicted, n.gap.Seconds())
		}
		all = append(all, n.read.facts...)
		if f, ok := n.read.containers[own]; ok && own != "" {
			f.topic, f.name = ofOwn, "container "+f.name
			all = append(all, f)
		}
		if f := n.read.busiest; f != nil && f.name != own && (busiest == nil || f.size > busiest.size) {
			busiest = f
		}
	}
	if busiest != nil {
		f := *busiest
		f.name = "busiest container, " + f.name
		all = append(all, f)
	}
	metric := ""
	if m := k.rule.measure; m != nil {
		metric = m.sample
	}
	all = slices.DeleteFunc(all, func(f fact) bool {
		_, ok := f.say(metric, alert.Labels)
		return !ok
	})
	var said []agent.Fact
	for _, f := range chosen(all) {
		fact, _ := f.say(metric, alert.Labels)
		said = append(said, fact)
	}
	return said
}

// alertContainer is the container that the alert is about; "" is none.
func alertContainer(alert *agent.Alert) string {
	of := agent.Sample{Labels: alert.Labels}
	if v := sampleLabel(&of, "container"); v != "" {
		return v
	}
	return sampleLabel(&of, "name")
}

// surround tells what is measured when the alert of k begins. Of very many that
// begin at once only the first ones have it.
func (a *Alerts) surround(k *key) {
	s, now := a.around, a.clock.Elapsed()
	if s == nil {
		return
	}
	if len(s.young) >= maxYoung {
		s.prune(now)
	}
	if len(s.young) < maxYoung {
		k.alert.Around = because(s.facts(k, k.alert, a.clock.Wall(), now), reasonOf(k.alert.Around))
		s.young = append(s.young, &young{k, k.alert, now})
	}
}

func (s *surroundings) prune(now time.Duration) {
	s.young = slices.DeleteFunc(s.young, func(y *young) bool { return y.key.alert != y.alert || now-y.at > youngFor })
}

// grow tells it again of alerts that have just begun: a snapshot has come.
func (a *Alerts) grow(now time.Duration) {
	s, wall := a.around, a.clock.Wall()
	if s == nil {
		return
	}
	s.prune(now)
	for _, y := range s.young {
		facts := s.facts(y.key, y.alert, wall, now)
		if len(facts) == 0 {
			continue
		}
		if facts = because(facts, reasonOf(y.alert.Around)); !slices.Equal(facts, y.alert.Around) {
			y.alert.Around = facts
			a.changed(y.alert, false)
		}
	}
}
