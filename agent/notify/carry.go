package notify

import "github.com/webgrip/logkeel/agent"

// frames is what the journal has to have before the plan is carried out.
func (p *plan) frames() []*frame {
	var frames []*frame
	for _, id := range p.order {
		if e := p.entries[id]; !p.gone[id] {
			key, labels := p.home(e)
			frames = append(frames, &frame{Alert: saveAlert(e, key, labels)})
		}
	}
	l := &lister{}
	for _, m := range p.marks {
		f := l.next()
		f.Told = append(f.Told, *m)
	}
	for _, one := range p.folds {
		f := l.next()
		f.Folds = append(f.Folds, *one)
	}
	return append(frames, l.frames...)
}

// home is the group of an entry, which for a new one may not be there yet.
func (p *plan) home(e *entry) (key string, labels []agent.Label) {
	if e.group != nil {
		return e.group.key, e.group.labels
	}
	return groupOf(&e.alert, p.c)
}

// carryOut makes the state what was planned, and names the journal's items that
// are of no use any more.
func (p *plan) carryOut() (gone []string) {
	s := p.state
	for id, m := range p.marks {
		s.marks[id] = m
	}
	for id := range p.unfold {
		delete(s.folds, id)
		gone = append(gone, foldItem(id))
	}
	for id, f := range p.folds {
		s.folds[id] = f
	}
	for _, id := range p.order {
		e, live := p.entries[id], s.entries[id]
		switch {
		case p.gone[id] && live != nil:
			gone = append(gone, s.remove(live)...)
		case p.gone[id]:
		case live != nil:
			if live.alert.Firing() != e.alert.Firing() {
				live.group.turned = p.now.at
			}
			e.group = live.group
			*live = *e
		default:
			key, labels := p.home(e)
			s.put(e, key, labels)
			e.group.turned = p.now.at
		}
	}
	return gone
}

// settle notes that a notice was told, or given up, and names the journal's
// items that are of no use any more. What is over and was told so goes. What
// changed since the notice was made stays to be told. It counts for the cap of
// most notices; 0 is none.
func (s *state) settle(t *telling, most int, now stamp, dirty *changes) (gone []string) {
	if t.notice.Kind == HeldBack {
		s.spent.Held, s.spent.Number = now, s.spent.Number+1
		dirty.spent = true
		return nil
	}
	if most > 0 {
		s.spent.add(now, most)
		dirty.spent = true
	}
	g := t.group
	for i := range t.said {
		gone = append(gone, s.settleOne(g, &t.said[i], now, dirty)...)
	}
	g.told++
	g.toldAt = now
	g.failed, g.refused, g.sending = false, false, false
	if t.notice.Kind != Resolved && t.notice.Kind != Digest {
		dirty.groups[g.key] = true
		return gone
	}
	dirty.closed[g.key] = savedGroup{Key: g.key, Incident: g.incident, Closed: true}
	g.incident, g.told, g.toldAt = incidentAfter(g.incident), 0, stamp{}
	for id, e := range g.entries {
		e.incident = g.incident
		dirty.alerts[id] = true
	}
	return append(gone, groupItem(g.key))
}

func (s *state) settleOne(g *group, a *said, now stamp, dirty *changes) (gone []string) {
	m := &mark{ID: a.id, Revision: a.revision, Count: a.count, Over: a.over, At: now, Keep: a.cooldown}
	s.marks[a.id] = m
	dirty.marks[a.id] = true
	if !g.late && !g.digest && (a.news || !a.over) {
		s.cools[a.key] = &cool{Key: a.key, At: now, For: a.cooldown}
		dirty.cools[a.key] = true
	}
	e := g.entries[a.id]
	if e == nil {
		return nil
	}
	e.told = m
	if !e.settled() {
		return nil
	}
	m.Revision = max(m.Revision, e.alert.Revision)
	return s.remove(e)
}

// hush forgets what is over and was silenced from its beginning to its end. Told
// again by the rules, it is known.
func (s *state) hush(mute mute, now stamp, dirty *changes) (gone []string, n int) {
	for id, e := range s.entries {
		if e.alert.Firing() || e.group.sending || !e.hidden(mute) {
			continue
		}
		s.marks[id] = &mark{ID: id, Revision: e.alert.Revision, Count: e.alert.Count, Over: true, At: now, Keep: cooldown(&e.alert.Rule)}
		dirty.marks[id] = true
		gone = append(gone, s.remove(e)...)
		n++
	}
	return gone, n
}
