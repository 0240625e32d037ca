package notify

import (
	"time"

	"github.com/webgrip/logkeel/agent"
)

// A Rehearsal is a Queue for trying out: it has neither disk nor receiver, and
// its time is what its caller says, which must not go back. Each notice is told
// when it is due. It is used by one goroutine.
type Rehearsal struct {
	config Config
	opened time.Time
	state  *state
	pruned time.Duration
	last   stamp

	known bool // what next returns, as long as nothing changes
	next  time.Duration
}

// NewRehearsal starts one. The config must have passed Check.
func NewRehearsal(c Config, start time.Time) *Rehearsal {
	return &Rehearsal{config: c, opened: start, state: newState()}
}

func (r *Rehearsal) stamp(now time.Time) stamp { return stamp{now.Sub(r.opened), now} }

// Notify takes alerts as they stand, as the Queue's Notify does.
func (r *Rehearsal) Notify(now time.Time, alerts []agent.Alert) {
	p := newPlan(r.state, &r.config, r.stamp(now))
	for i := range alerts {
		p.take(&alerts[i])
	}
	p.carryOut()
	r.last, r.known = r.stamp(now), false
}

// Next is when the next notice is due if nothing comes in between; ok is false
// where there is nothing to tell.
func (r *Rehearsal) Next() (at time.Time, ok bool) {
	if !r.known {
		r.next, r.known = r.choose(r.last).at, true
	}
	return r.opened.Add(r.next), r.next != never
}

func (r *Rehearsal) terms(now stamp) *terms {
	return &terms{config: &r.config, cools: r.state.cools, mute: inhibited, now: now}
}

func (r *Rehearsal) choose(now stamp) choice { return r.state.choose(r.terms(now), -never) }

// Tell gives the notices that are due at now.
func (r *Rehearsal) Tell(now time.Time) []*Notice {
	s := r.stamp(now)
	r.last = s
	if s.at >= r.pruned+pruneEvery {
		r.pruned = s.at
		r.state.prune(s.at)
		r.known = false
	}
	if next, ok := r.Next(); !ok || next.After(now) {
		return nil
	}
	r.known = false
	r.state.hush(inhibited, s, newChanges())
	var told []*Notice
	for {
		c := r.choose(s)
		var t *telling
		switch {
		case c.group != nil:
			c.group.sending = true
			t = c.group.tell(r.terms(s))
		case c.held:
			t = r.state.heldBack(r.terms(s))
		default:
			return told
		}
		r.state.settle(t, r.config.MaxPerHour, s, newChanges())
		told = append(told, t.notice)
	}
}
