package rules

import (
	"slices"

	"github.com/webgrip/logkeel/agent"
)

const (
	// contextLines is how many lines are shown before the first one that was
	// found, and after the last.
	contextLines = 3
	// contextKeys is from how many keys on, of all rules, lines are shown by
	// themselves: nobody reads so many.
	contextKeys = 500
	// contextRoom is how many lines of one batch are copied for alerts that go on,
	// and contextOwed how many alerts wait for those of a log's next batch.
	contextRoom = 64
	contextOwed = 32
)

// trails are what makes context of lines; nil where none is shown.
type trails struct{ set *Set }

// A trail is what is kept of a log to show what stands beside a line that was
// found. Guarded by Alerts.mu.
type trail struct {
	lines [contextLines]bystander // the last n of them, the newest last
	n     int
	next  int64 // the number of the record that comes next, from when this was made
	owed  []*owing
}

// A bystander is a line that was read before the batch at hand.
type bystander struct {
	time  int64
	text  []byte  // its start, and a byte more where there is more
	rules []int32 // that found it, by Rule.Index
}

// An owing is what an alert is to get of a log's next lines.
type owing struct {
	key   *key
	alert *agent.Alert
	first bool // after its first lines, and not after the newest
	left  int
}

// An extent is up to where a log's lines are in Alert.First already.
type extent struct {
	of *trail
	to int64
}

// tells reports whether the rule makes alerts that show lines.
func (r *rule) tells() bool { return r.measure == nil && r.policy.absent == 0 && !r.policy.quiet }

func newTrails(set *Set, o *AlertOptions) *trails {
	if o.NoContext || len(o.Outputs) == 0 || !slices.ContainsFunc(set.rules, func(r rule) bool { return r.tells() }) {
		return nil
	}
	return &trails{set}
}

// ContextLines is agent.ContextAlerter's.
func (a *Alerts) ContextLines() int {
	if a.trails == nil {
		return 0
	}
	return contextLines
}

// of is the source's trail; nil where none of its lines makes an alert.
func (t *trails) of(src *agent.Source) *trail {
	if t == nil {
		return nil
	}
	return src.Memo(t, t.open).(*trail)
}

func (t *trails) open(src *agent.Source) any {
	for i := range t.set.rules {
		if r := &t.set.rules[i]; r.tells() && selects(r.source, src) {
			return &trail{}
		}
	}
	return (*trail)(nil)
}

// enter begins a batch, and gives alerts what they wait for.
func (a *Alerts) enter(m *moment, t *trail) {
	if t == nil {
		return
	}
	m.trail, m.room, m.base = t, contextRoom, t.next-int64(m.from)
	if len(t.owed) > 0 && (m.from < len(m.b.Records) || m.b.GapAt(m.from)) {
		a.pay(t, m)
	}
	if a.keys > contextKeys {
		m.trail = nil
	}
}

func (a *Alerts) pay(t *trail, m *moment) {
	owed := t.owed
	t.owed = owed[:0]
	for _, o := range owed {
		k := o.key
		if k.alert != o.alert || !o.first && k.owing != o {
			continue // it is over, or has newer lines
		}
		m.room = contextRoom
		lines, left := t.after(m, m.from-1, o.left, k)
		if len(lines) > 0 {
			if o.first {
				o.alert.First = slices.Concat(o.alert.First, lines)
				k.inFirst = extent{t, m.base + int64(m.from+len(lines)-1)}
			} else {
				k.lines.after = slices.Concat(k.lines.after, lines)
				o.alert.Latest = k.lines.newest(shownLines)
			}
			a.changed(o.alert, false)
		}
		if o.left = left; left > 0 {
			t.owed = append(t.owed, o)
		}
	}
	clear(owed[len(t.owed):])
	m.room = contextRoom
}

// began puts what follows the record with which the alert of k began behind its
// first lines.
func (a *Alerts) began(k *key, m *moment, record int) {
	lines, left := m.trail.after(m, record, contextLines, k)
	k.inFirst = extent{m.trail, m.base + int64(record+len(lines))}
	if len(lines) > 0 {
		k.alert.First = slices.Concat(k.alert.First, lines)
	}
	m.trail.owe(k, true, left)
}

// follow does that with the newest lines.
func (a *Alerts) follow(k *key, m *moment, record int) {
	var left int
	k.lines.after, left = m.trail.after(m, record, contextLines, k)
	k.owing = m.trail.owe(k, false, left)
}

// owe has the alert of k wait for the log's next lines. It returns nil where it
// does not.
func (t *trail) owe(k *key, first bool, left int) *owing {
	if t == nil || left == 0 || len(t.owed) >= contextOwed {
		return nil
	}
	o := &owing{k, k.alert, first, left}
	t.owed = append(t.owed, o)
	return o
}
