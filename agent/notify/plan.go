package notify

import (
	"slices"
	"strings"
	"time"

	"github.com/webgrip/logkeel/agent"
)

const (
	maxAlerts = 1000   // that are told apart
	maxFolds  = 10_000 // IDs that are known of the others
	otherName = "(other)"
)

// A plan is what a call of Notify makes of the state. It changes nothing of it
// before it is carried out, for the journal may fail.
type plan struct {
	state *state
	c     *Config
	now   stamp

	entries   map[string]*entry // as they will be, by the alert's ID
	order     []string          // of entries
	others    map[string]*entry // of these, the new ones that stand for many
	folds     map[string]*fold
	unfold    map[string]bool   // IDs that are no folds any more
	incidents map[string]string // of new groups, by key
	marks     map[string]*mark  // told anew in nothing but the revision
	gone      map[string]bool   // entries of which nothing is left to tell
	fresh     int               // new entries that count for the bound
	folded    int               // alerts that were too many

	inMemory bool // it is carried out before the journal has it, and comes again
	left     bool // an alert is to come again, for it would be counted each time
}

func newPlan(s *state, c *Config, now stamp) *plan {
	return &plan{
		state: s, c: c, now: now,
		entries: map[string]*entry{}, others: map[string]*entry{}, folds: map[string]*fold{},
		incidents: map[string]string{}, marks: map[string]*mark{}, gone: map[string]bool{}, unfold: map[string]bool{},
	}
}

// take plans one alert as it stands.
func (p *plan) take(a *agent.Alert) {
	if e := p.entry(a.ID); e != nil {
		p.update(e, a)
		return
	}
	if f := p.fold(a.ID); f != nil && p.refold(f, a) {
		return
	}
	if !p.c.takes(a) {
		return // but what people were told of has an end
	}
	if m := p.state.marks[a.ID]; m != nil && m.Over && (a.Revision <= m.Revision || !a.Firing() && a.Count <= m.Count) {
		return
	}
	p.add(a)
}

// entry returns the entry as it will be, or nil.
func (p *plan) entry(id string) *entry {
	if e := p.entries[id]; e != nil {
		return e
	}
	return p.state.entries[id]
}

// edit returns the entry for a change.
func (p *plan) edit(e *entry) *entry {
	id := e.alert.ID
	if edited := p.entries[id]; edited != nil {
		return edited
	}
	c := *e
	p.entries[id] = &c
	p.order = append(p.order, id)
	return &c
}

// update takes over a newer revision. An end is final: it is taken in any.
func (p *plan) update(e *entry, a *agent.Alert) {
	ends := e.alert.Firing() && !a.Firing()
	if e.other || a.Revision <= e.alert.Revision && !ends {
		return
	}
	revision := max(a.Revision, e.alert.Revision)
	e = p.edit(e)
	again := !e.alert.Firing() && a.Firing()
	if e.told == nil && inhibited(&e.alert) && !inhibited(a) {
		e.since = p.now // what has explained it is over: it may be, too, in a moment
	}
	e.alert = clone(a)
	e.alert.Revision = revision
	e.changed = p.now.at
	switch {
	case ends:
		e.over = p.now
	case again:
		e.over = stamp{}
		if e.told != nil && e.told.Over {
			e.since = p.now
		}
	}
	p.gone[a.ID] = e.settled() && (e.group == nil || !e.group.sending)
	if p.gone[a.ID] {
		// It came again after a crash, and ended as it was told.
		m := *e.told
		m.Revision = e.alert.Revision
		p.marks[m.ID] = &m
	}
}

// add plans an alert that is not known, or comes again after its end was told.
func (p *plan) add(a *agent.Alert) {
	if len(p.state.entries)-len(p.state.others)+p.fresh >= maxAlerts {
		p.foldIn(a)
		return
	}
	p.fresh++
	e := p.create(clone(a))
	if !a.Firing() {
		e.over = p.now
	}
}

// create plans an entry and finds its group.
func (p *plan) create(a agent.Alert) *entry {
	e := &entry{alert: a, key: cooldownKey(&a), since: p.now, changed: p.now.at, told: p.state.marks[a.ID]}
	key, _ := groupOf(&a, p.c)
	if g := p.state.groups[key]; g != nil {
		e.incident = g.incident
	} else {
		if p.incidents[key] == "" {
			p.incidents[key] = newIncident()
		}
		e.incident = p.incidents[key]
	}
	if p.entries[a.ID] == nil {
		p.order = append(p.order, a.ID)
	}
	p.entries[a.ID] = e
	return e
}

// fold returns the fold as it will be, or nil.
func (p *plan) fold(id string) *fold {
	if f := p.folds[id]; f != nil {
		return f
	}
	if p.unfold[id] {
		return nil
	}
	return p.state.folds[id]
}

// refold counts what came to an alert that is folded. It returns false when the
// alert has nothing to do with it any more.
func (p *plan) refold(f *fold, a *agent.Alert) bool {
	other := p.entry(f.Into)
	ends := !f.Over && !a.Firing()
	if a.Revision <= f.Revision && !ends {
		return true
	}
	if other == nil {
		if !a.Firing() {
			return true
		}
		p.unfold[f.ID] = true
		return false
	}
	n := *f
	n.Revision, n.Count, n.Over, n.At = max(a.Revision, f.Revision), max(f.Count, findings(a)), !a.Firing(), p.now
	p.folds[n.ID] = &n
	p.count(p.edit(other), a, n.Count-f.Count, opens(&n)-opens(f))
	return true
}

// foldIn counts an alert that is too many in one that stands for all such of its
// rule. Where even their IDs are too many it counts once, when it ends.
func (p *plan) foldIn(a *agent.Alert) {
	kept := len(p.state.folds)+len(p.folds) < maxFolds
	if !kept && a.Firing() {
		return
	}
	if !kept && p.inMemory {
		p.left = true
		return
	}
	other := p.other(a)
	p.folded++
	if !kept {
		other.base += findings(a)
		p.count(other, a, findings(a), 0)
		return
	}
	f := &fold{ID: a.ID, Into: other.alert.ID, Revision: a.Revision, Count: findings(a), Over: !a.Firing(), At: p.now}
	p.folds[f.ID] = f
	p.count(other, a, f.Count, opens(f))
}

// findings is what an alert counts among others: one of a sample has none.
func findings(a *agent.Alert) uint64 { return max(1, a.Count) }

func opens(f *fold) int {
	if f.Over {
		return 0
	}
	return 1
}

// other returns the alert that stands for many of a's rule, for a change.
func (p *plan) other(a *agent.Alert) *entry {
	k := otherKey(a)
	if e := p.others[k]; e != nil {
		return e
	}
	if e := p.state.others[k]; e != nil {
		return p.edit(e)
	}
	o := agent.Alert{
		ID: otherName + " " + a.ID, Rule: a.Rule, Source: otherName, Condition: a.Condition, Absent: a.Absent, Labelled: a.Labelled, Late: a.Late,
		Starts: a.Starts, Last: a.Last, Seen: a.Seen, First: slices.Clone(a.First),
	}
	for _, l := range a.Key {
		o.Key = append(o.Key, agent.Label{Name: l.Name, Value: otherName})
	}
	e := p.create(o)
	e.other = true
	if e.told != nil {
		e.alert.Revision = e.told.Revision
	}
	p.others[k] = e
	return e
}

// count adds to an alert that stands for many. It is over while none of those
// that are known fires.
func (p *plan) count(e *entry, a *agent.Alert, more uint64, open int) {
	was := e.alert.Firing()
	e.alert.Count += more
	e.alert.Revision++
	e.changed = p.now.at
	e.open += open
	e.alert.Rule, e.alert.Value = a.Rule, a.Value
	if a.Starts.Before(e.alert.Starts) {
		e.alert.Starts = a.Starts
	}
	if e.alert.Last.Before(a.Last) {
		e.alert.Last = a.Last
	}
	if e.open > 0 {
		e.alert.Ended, e.over = time.Time{}, stamp{}
		return
	}
	if e.alert.Ended.Before(a.Ended) {
		e.alert.Ended = a.Ended
	}
	if was || e.over.IsZero() {
		e.over = p.now
	}
}

// otherKey names the alert that stands for many.
func otherKey(a *agent.Alert) string {
	var b strings.Builder
	writeLabels(&b, []agent.Label{{Name: "rule", Value: a.Rule.Name}})
	if a.Late {
		b.WriteString(" late")
	}
	return b.String()
}

// clone copies what the caller may change.
func clone(a *agent.Alert) agent.Alert {
	c := *a
	c.Key, c.Labels = slices.Clone(a.Key), slices.Clone(a.Labels)
	c.First, c.Latest = slices.Clone(a.First), slices.Clone(a.Latest)
	return c
}
