package notify

import (
	"cmp"
	"slices"
	"time"
)

// A restorer makes a state of a journal's frames. A frame that the disk has lost
// is missed by nothing but its own items.
type restorer struct {
	opened time.Time
	state  *state
	alerts map[string]*savedAlert // by ID
	order  map[string]int         // of alerts, as they were written
	groups map[string]savedGroup  // by key
	n      int
}

func newRestorer(opened time.Time) *restorer {
	return &restorer{
		opened: opened, state: newState(), alerts: map[string]*savedAlert{}, order: map[string]int{}, groups: map[string]savedGroup{},
	}
}

// frame takes in the next frame.
func (r *restorer) frame(f *frame) {
	r.n++
	if f.Alert != nil {
		r.alerts[f.Alert.Alert.ID], r.order[f.Alert.Alert.ID] = f.Alert, r.n
	}
	for _, g := range f.Groups {
		g.At.restore(r.opened)
		r.groups[g.Key] = g
	}
	for _, m := range f.Told {
		m.At.restore(r.opened)
		r.state.marks[m.ID] = &m
	}
	for _, c := range f.Cools {
		c.At.restore(r.opened)
		r.state.cools[c.Key] = &c
	}
	for _, f := range f.Folds {
		f.At.restore(r.opened)
		r.state.folds[f.ID] = &f
	}
	if f.Spent != nil {
		r.state.spent = f.Spent.restored(r.opened)
	}
}

// finish returns the state, what of it the journal does not have yet, and the
// journal's items that are of no use any more.
func (r *restorer) finish() (s *state, fresh *changes, gone []string) {
	s, fresh = r.state, newChanges()
	for _, saved := range r.sorted() {
		e := saved.entry(r.opened)
		id := e.alert.ID
		e.told = s.marks[id]
		if m := e.told; m != nil && m.Over && e.alert.Revision <= m.Revision {
			gone = append(gone, alertItem(id))
			continue
		}
		told, known := r.groups[saved.Key]
		if known && told.Closed && told.Incident == e.incident {
			// It came while the incident's last notice was under way.
			e.incident = incidentAfter(told.Incident)
			fresh.alerts[id] = true
		}
		s.put(e, saved.Key, saved.Group)
	}
	for key, told := range r.groups {
		g := s.groups[key]
		switch {
		case g == nil || told.Closed || !g.has(told.Incident):
			gone = append(gone, groupItem(key))
		default:
			g.incident, g.told, g.toldAt = told.Incident, told.Told, told.At
		}
	}
	r.unite(fresh)
	for _, f := range s.folds {
		if e := s.entries[f.Into]; e != nil {
			e.alert.Count += f.Count
			e.open += opens(f)
		}
	}
	return s, fresh, append(gone, s.prune(0)...)
}

// has reports whether an entry was written as one of that incident.
func (g *group) has(incident string) bool {
	for _, e := range g.entries {
		if e.incident == incident {
			return true
		}
	}
	return false
}

// sorted lists the alerts, the newest first: a group that is not told is in the
// incident of its newest alert.
func (r *restorer) sorted() []*savedAlert {
	list := make([]*savedAlert, 0, len(r.alerts))
	for _, a := range r.alerts {
		list = append(list, a)
	}
	slices.SortFunc(list, func(a, b *savedAlert) int {
		return cmp.Compare(r.order[b.Alert.ID], r.order[a.Alert.ID])
	})
	return list
}

// unite puts all entries of a group into its incident.
func (r *restorer) unite(fresh *changes) {
	for _, g := range r.state.groups {
		for id, e := range g.entries {
			if e.incident != g.incident {
				e.incident = g.incident
				fresh.alerts[id] = true
			}
		}
	}
}
