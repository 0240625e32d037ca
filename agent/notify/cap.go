package notify

import (
	"cmp"
	"slices"
	"strconv"
	"time"
)

// capWithin is the time within which notices are counted.
const capWithin = time.Hour

// spent is what counts for the cap. It is on the disk, so that a restart starts no
// new hour.
type spent struct {
	At     []stamp `json:"at,omitempty"`     // when notices were told, oldest first
	Held   stamp   `json:"held,omitzero"`    // when it was last told that some are held back
	Number uint64  `json:"number,omitempty"` // of notices that say so
}

// reserve is how many notices about what is new and critical may go beyond a cap.
func reserve(most int) int { return max(1, most/4) }

// add counts a notice.
func (s *spent) add(now stamp, most int) {
	s.prune(now.at)
	if most > 0 {
		s.At = append(s.At, now)
	}
}

// restored is what was on the disk.
func (s *spent) restored(opened time.Time) spent {
	r := *s
	r.At = slices.Clone(s.At)
	for i := range r.At {
		r.At[i].restore(opened)
	}
	r.At = r.At[max(0, len(r.At)-maxPerHour-reserve(maxPerHour)):]
	slices.SortFunc(r.At, func(a, b stamp) int { return cmp.Compare(a.at, b.at) })
	r.Held.restore(opened)
	return r
}

func (s *spent) prune(now time.Duration) {
	s.At = slices.DeleteFunc(s.At, func(t stamp) bool { return t.at+capWithin <= now })
}

// free is when a notice that is due may be told.
func (s *spent) free(due time.Duration, most int, critical bool) time.Duration {
	if most == 0 || due == never {
		return due
	}
	if critical {
		most += reserve(most)
	}
	if i := len(s.At) - most; i >= 0 && i < len(s.At) {
		due = max(due, s.At[i].at+capWithin)
	}
	return due
}

// urgency orders groups that are due: with news of something critical that fires,
// with anything that people do not know, and with what they are only reminded of.
type urgency int

const (
	critical urgency = iota
	untold
	reminder
)

func (g *group) urgency(mute mute) urgency {
	u := reminder
	for _, e := range g.entries {
		switch {
		case e.hidden(mute):
		case e.news() && e.alert.Firing() && rank(e.alert.Rule.Severity) == 0:
			return critical
		case e.untold():
			u = untold
		}
	}
	return u
}

// A turn is when a group is to be told.
type turn struct {
	group   *group
	due     time.Duration
	free    time.Duration // not before due; later where the cap is reached
	urgency urgency
}

// turnOf is the group's turn.
func (s *state) turnOf(g *group, by *terms) turn {
	t := turn{group: g, due: g.due(by), free: never}
	if t.due != never {
		t.urgency = g.urgency(by.mute)
		t.free = s.spent.free(t.due, by.config.MaxPerHour, t.urgency == critical)
	}
	return t
}

// compare orders turns that have come. One that failed comes after those that
// were not tried since: it may be the only one that does.
func (t turn) compare(u turn) int {
	return cmp.Or(
		cmp.Compare(t.group.tried, u.group.tried),
		cmp.Compare(t.urgency, u.urgency),
		cmp.Compare(t.due, u.due),
		cmp.Compare(t.group.key, u.group.key),
	)
}

// A choice is what is to be told now: a group, or that some are held back, or
// nothing. at is when that is, or will be; never where there is nothing at all.
type choice struct {
	group *group
	held  bool
	at    time.Duration
}

// choose looks for what is to be told now, or is from a later time on. A group may
// come to be due in the past: when news of it makes it critical.
func (s *state) choose(by *terms, from time.Duration) choice {
	now, c := by.now.at, choice{at: never}
	from = max(from, now)
	var pick turn
	for _, g := range s.groups {
		t := s.turnOf(g, by)
		if t.due == never {
			continue
		}
		free := max(t.free, from)
		c.at = min(c.at, free)
		if free <= now && (pick.group == nil || t.compare(pick) < 0) {
			pick = t
		}
		if at := s.heldDue(t); at != never {
			at = max(at, from)
			c.at, c.held = min(c.at, at), c.held || at <= now
		}
	}
	if pick.group != nil {
		c.group, c.held = pick.group, false
	}
	return c
}

// heldDue is when it is to be told that the turn has to wait; never where it has
// not, or not any more by then, or nothing is kept from people.
func (s *state) heldDue(t turn) time.Duration {
	at := t.due
	if t.urgency == reminder {
		return never
	}
	if !s.spent.Held.IsZero() {
		at = max(at, s.spent.Held.at+capWithin)
	}
	if at >= t.free {
		return never
	}
	return at
}

// heldBack makes the notice of what the cap keeps back now.
func (s *state) heldBack(by *terms) *telling {
	most := by.config.MaxPerHour
	h := &Held{Cap: most, Within: capWithin}
	id := "held" + strconv.FormatUint(s.spent.Number+1, 10)
	if i := len(s.spent.At) - most; i >= 0 && i < len(s.spent.At) {
		h.Until = s.spent.At[i].wall.Add(capWithin)
		id += "-" + strconv.FormatInt(s.spent.At[i].wall.UnixNano(), 36)
	}
	n := &Notice{Kind: HeldBack, Route: -1, Held: h, ID: noticeID(id, 1), Thread: noticeID(id, 1)}
	var list []*entry
	for _, g := range s.groups {
		if t := s.turnOf(g, by); t.due > by.now.at || t.free <= by.now.at || t.urgency == reminder {
			continue
		}
		h.Groups++
		for _, e := range g.entries {
			if e.hidden(by.mute) || !e.untold() {
				continue
			}
			h.Alerts++
			h.Findings += e.fresh()
			list = append(list, e)
		}
	}
	n.show(list)
	return &telling{notice: n}
}

// held is how many groups wait for nothing but the cap.
func (s *state) held(by *terms) (n int) {
	for _, g := range s.groups {
		if t := s.turnOf(g, by); t.due <= by.now.at && t.free > by.now.at && t.urgency != reminder {
			n++
		}
	}
	return n
}

// fresh is how many findings were not told.
func (e *entry) fresh() uint64 {
	if e.told == nil || e.told.Count > e.alert.Count {
		return e.alert.Count
	}
	return e.alert.Count - e.told.Count
}
