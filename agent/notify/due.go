package notify

import (
	"math"
	"time"
)

// terms are what decides when a group is told.
type terms struct {
	config *Config
	cools  map[string]*cool
	mute   mute
	now    stamp
}

// due says when the group is to be told; never where there is nothing to tell.
func (g *group) due(by *terms) time.Duration {
	t := by.config.timing(g.route)
	at := min(g.newsDue(t, by), g.overDue(t, by.mute), g.reminderDue(t, by.mute))
	if g.digest {
		at = g.digestDue(by)
	}
	if !g.refused || at == never {
		return at
	}
	// What was refused is refused again, unless something is different.
	again := g.refusedAt + retryRefused
	if g.turned > g.refusedAt {
		again = min(again, max(g.turned+t.wait, g.refusedAt+t.interval))
	}
	return max(at, again)
}

// newsDue is when what people do not know is to be told.
func (g *group) newsDue(t timing, by *terms) time.Duration {
	at := never
	changed := time.Duration(math.MinInt64)
	for _, e := range g.entries {
		if !e.news() || by.mute(&e.alert) {
			continue
		}
		ready := e.since.at + t.wait
		if c := by.cools[e.key]; c != nil && !g.late {
			if until := c.At.at + cooldown(&e.alert.Rule); until > by.now.at { // or else it may be forgotten, or not yet
				ready = max(ready, until)
			}
		}
		at = min(at, ready)
		changed = max(changed, e.changed)
	}
	if at == never {
		return never
	}
	if g.late {
		// Old logs are read for a while: one notice when that comes to a rest.
		at = max(at, min(changed+t.wait, at-t.wait+lateAtMost))
	}
	if g.told > 0 {
		at = max(at, g.toldAt.at+t.interval)
	}
	return at
}

// overDue is when the end of what was told is to be told.
func (g *group) overDue(t timing, mute mute) time.Duration {
	if over, ok := g.over(mute); ok && g.told > 0 {
		return over + t.wait
	}
	return never
}

// over says since when all of the group is over that is not hidden; ok is false
// while something fires.
func (g *group) over(mute mute) (since time.Duration, ok bool) {
	since = math.MinInt64
	for _, e := range g.entries {
		if e.hidden(mute) {
			continue
		}
		if e.alert.Firing() {
			return 0, false
		}
		since, ok = max(since, e.over.at), true
	}
	return since, ok
}

// reminderDue is when people are to be reminded of what still fires.
func (g *group) reminderDue(t timing, mute mute) time.Duration {
	if g.told == 0 {
		return never
	}
	after := never
	for _, e := range g.entries {
		if !e.alert.Firing() || e.news() || mute(&e.alert) {
			continue
		}
		repeat := t.repeat
		if e.alert.Rule.Cooldown > 0 {
			repeat = max(e.alert.Rule.Cooldown, shortest)
		}
		after = min(after, repeat)
	}
	if after == never {
		return never
	}
	return g.toldAt.at + after
}
