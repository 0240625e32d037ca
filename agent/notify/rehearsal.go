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

	known bool // what first returns, as long as nothing changes
	pick  *group
	due   time.Duration
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
	r.known = false
}

// Next is when the next notice is due if nothing comes in between; ok is false
// where there is nothing to tell.
func (r *Rehearsal) Next() (at time.Time, ok bool) {
	_, due := r.first()
	return r.opened.Add(due), due != never
}

// first is the group that is due first.
func (r *Rehearsal) first() (pick *group, due time.Duration) {
	if r.known {
		return r.pick, r.due
	}
	due = never
	for _, g := range r.state.groups {
		at := g.due(r.config.timing(), r.state.cools)
		if at < due || at == due && pick != nil && g.key < pick.key {
			pick, due = g, at
		}
	}
	r.known, r.pick, r.due = true, pick, due
	return pick, due
}

// Tell gives the notices that are due at now.
func (r *Rehearsal) Tell(now time.Time) []*Notice {
	s := r.stamp(now)
	if s.at >= r.pruned+pruneEvery {
		r.pruned = s.at
		r.state.prune(s.at)
		r.known = false
	}
	var told []*Notice
	for {
		g, due := r.first()
		if g == nil || due > s.at {
			return told
		}
		g.sending = true
		t := g.tell()
		r.state.settle(t, s, newChanges())
		r.known = false
		told = append(told, t.notice)
	}
}
