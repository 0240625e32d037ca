package notify

import "maps"

// changes names what the journal does not have yet. While it cannot be written
// they wait here; there are no more of them than of what they name.
type changes struct {
	alerts map[string]bool // by ID
	fresh  map[string]bool // of these, those that the journal never had
	groups map[string]bool // by key
	marks  map[string]bool // by the alert's ID
	cools  map[string]bool // by key
	folds  map[string]bool // by the alert's ID
	closed map[string]savedGroup
	spent  bool
	gone   map[string]uint64 // items of no use once the rest is noted, and the frames that had them
}

func newChanges() *changes {
	return &changes{
		alerts: map[string]bool{}, fresh: map[string]bool{}, groups: map[string]bool{}, marks: map[string]bool{}, cools: map[string]bool{},
		folds: map[string]bool{}, closed: map[string]savedGroup{}, gone: map[string]uint64{},
	}
}

// everything names all of the state.
func everything(s *state) *changes {
	c := newChanges()
	for id := range s.entries {
		c.alerts[id] = true
	}
	for key := range s.groups {
		c.groups[key] = true
	}
	for id := range s.marks {
		c.marks[id] = true
	}
	for key := range s.cools {
		c.cools[key] = true
	}
	for id := range s.folds {
		c.folds[id] = true
	}
	c.spent = len(s.spent.At) > 0
	return c
}

func (c *changes) empty() bool {
	return len(c.alerts)+len(c.groups)+len(c.marks)+len(c.cools)+len(c.folds)+len(c.closed) == 0 && !c.spent
}

// add names what the plan changes.
func (c *changes) add(p *plan) {
	for id := range p.entries {
		if p.gone[id] {
			continue
		}
		c.alerts[id] = true
		if p.state.entries[id] == nil {
			c.fresh[id] = true
		}
	}
	for id := range p.marks {
		c.marks[id] = true
	}
	for id := range p.folds {
		c.folds[id] = true
	}
}

// trim forgets the names of what is gone from the state, which may be more and
// more while the journal cannot be written.
func (c *changes) trim(s *state, j *journal) {
	trim(c.alerts, s.entries)
	trim(c.fresh, s.entries)
	trim(c.groups, s.groups)
	trim(c.marks, s.marks)
	trim(c.cools, s.cools)
	trim(c.folds, s.folds)
	maps.DeleteFunc(c.closed, func(key string, _ savedGroup) bool {
		_, had := j.items[groupItem(key)]
		return !had && s.groups[key] == nil // the journal knows nothing of it
	})
}

func trim[T any](names map[string]bool, known map[string]T) {
	maps.DeleteFunc(names, func(name string, _ bool) bool {
		_, ok := known[name]
		return !ok
	})
}

// frames has the state of what is named; what is gone from it needs none. What
// one notice has told goes into one frame, so that a kill cannot part it. Alerts
// that are new go before it: without them nothing could be told of their end.
func (c *changes) frames(s *state) []*frame {
	var frames []*frame
	alert := func(id string) {
		if e := s.entries[id]; e != nil {
			frames = append(frames, &frame{Alert: saveAlert(e, e.group.key, e.group.labels)})
		}
	}
	for id := range c.fresh {
		alert(id)
	}
	l := &lister{}
	for g := range maps.Values(c.closed) {
		f := l.next()
		f.Groups = append(f.Groups, g)
	}
	for key := range c.groups {
		if g := s.groups[key]; g != nil && g.told > 0 {
			f := l.next()
			f.Groups = append(f.Groups, savedGroup{Key: g.key, Incident: g.incident, Told: g.told, At: g.toldAt})
		}
	}
	for id := range c.marks {
		if m := s.marks[id]; m != nil {
			f := l.next()
			f.Told = append(f.Told, *m)
		}
	}
	for key := range c.cools {
		if k := s.cools[key]; k != nil {
			f := l.next()
			f.Cools = append(f.Cools, *k)
		}
	}
	for id := range c.folds {
		if one := s.folds[id]; one != nil {
			f := l.next()
			f.Folds = append(f.Folds, *one)
		}
	}
	if c.spent {
		l.next().Spent = &s.spent
	}
	frames = append(frames, l.frames...)
	for id := range c.alerts {
		if !c.fresh[id] {
			alert(id)
		}
	}
	return frames
}

// A lister spreads items over frames.
type lister struct {
	frames []*frame
	n      int // items
}

// next returns the frame for one more item.
func (l *lister) next() *frame {
	if l.n%listed == 0 {
		l.frames = append(l.frames, &frame{})
	}
	l.n++
	return l.frames[len(l.frames)-1]
}
