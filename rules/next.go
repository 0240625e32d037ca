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
	if a.unexplained && len(a.outbox) > 0 {
		at = min(at, elapsed)
	}
	for _, o := range a.outbox {
		at = min(at, o.due(wall, elapsed))
	}
	return at, at != never
}

// keyDue is when sweep has something to do with the key.
func (a *Alerts) keyDue(k *key) time.Duration {
	if k.silence != nil {
		return a.absentDue(k)
	}
	if k.traits != nil {
		return k.traitsDue()
	}
	if k.missing != nil {
		return a.missingDue(k)
	}
	if k.rule.measure != nil {
		return k.heard + a.snapshots[k.snapshot].patience() + 1
	}
	at := max(k.deadline, a.grace)
	if k.alert == nil {
		keep := k.rule.policy.window
		if k.surge != nil {
			keep *= 2
		}
		at = max(at, k.heard+keep+1)
	}
	return at
}

// absentDue is when sweepAbsent has something to do with the key.
func (a *Alerts) absentDue(k *key) time.Duration {
	r, s := k.rule, k.silence
	switch {
	case !a.absences:
		return math.MaxInt64
	case r.perLog() && !s.opened && !s.named:
		return a.begun + unopenedAfter
	case k.alert == nil:
		return max(k.heard+r.policy.absent, a.grace)
	}
	at := a.outbox[k.alert.ID].handed + goesOnAfter
	if s.logs == 0 && !s.named {
		at = min(at, k.heard+r.policy.absent+forgetAbsent+1)
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
