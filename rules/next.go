package rules

import (
	"math"
	"time"
)

// NextTick is when Tick has something to do at the earliest as things stand, by
// the Clock's Elapsed and with nothing unread; ok is false where it never has.
// Before that a Tick changes nothing, so that who has a clock of his own need
// not call it each second. What is judged in between makes the answer void.
//
// Whatever Tick does because time has passed has to be known here.
func (a *Alerts) NextTick() (at time.Duration, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	const never = math.MaxInt64
	at = never
	for i := range a.rules {
		rs := &a.rules[i]
		for _, k := range rs.keys {
			at = min(at, a.keyDue(k))
		}
		for _, s := range rs.series {
			if s.key == nil || !s.key.gone {
				at = min(at, s.heard+a.patience(s)+1)
			}
		}
	}
	wall, elapsed := a.clock.Wall(), a.clock.Elapsed()
	for _, o := range a.outbox {
		at = min(at, o.due(wall, elapsed))
	}
	return at, at != never
}

// keyDue is when sweep has something to do with the key.
func (a *Alerts) keyDue(k *key) time.Duration {
	if k.rule.measure != nil {
		return k.heard + a.snapshots[k.snapshot].patience() + 1
	}
	at := max(k.deadline, a.grace)
	if k.alert == nil {
		at = max(at, k.heard+k.rule.policy.window+1)
	}
	return at
}

// due is when the alert is handed on, if nothing comes in between.
func (o *outgoing) due(wall time.Time, elapsed time.Duration) time.Duration {
	switch {
	case !o.pending:
		return math.MaxInt64
	case o.alert.Late && o.alert.Firing():
		return elapsed + max(0, heldBack-wall.Sub(o.alert.Seen))
	case o.urgent:
		return elapsed
	}
	return max(elapsed, o.handed+calm)
}

// Pending reports whether an alert waits to be handed on.
func (a *Alerts) Pending() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, o := range a.outbox {
		if o.pending {
			return true
		}
	}
	return false
}
