package alertmanager

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/webgrip/logkeel/agent"
)

// Notify takes alerts as they stand now; they are on the disk when it returns.
// Where they cannot be, they are sent all the same, and the error wraps
// agent.ErrInMemory.
func (o *Output) Notify(ctx context.Context, alerts []agent.Alert) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	now, must, news := time.Now(), o.store.owing, false
	for i := range alerts {
		a := &alerts[i]
		if rank(a.Rule.Severity) > rank(o.c.MinSeverity) {
			continue
		}
		matters := o.take(a, now)
		must, news = must || matters, news || matters
	}
	if news {
		defer o.wake()
	}
	if !must {
		return nil
	}
	return o.save()
}

// save writes the file, and says where it cannot.
func (o *Output) save() error {
	if err := o.store.save(); err != nil {
		err = fmt.Errorf("output %s: %w: %w", o.c.Name, agent.ErrInMemory, err)
		o.unwritten.Fail(err, "alerts cannot be written, and are sent from memory; free space in state_dir or make it writable")
		return err
	}
	o.unwritten.Clear("alerts are kept again")
	return nil
}

// take notes one alert. It reports whether that has to be on the disk, for it is
// more than new text.
func (o *Output) take(a *agent.Alert, now time.Time) bool {
	e := o.store.byID[a.ID]
	if e == nil {
		if rev, ok := o.store.gone[a.ID]; ok && a.Revision <= rev {
			return false
		}
		if len(o.store.byID) >= maxAlerts && !o.store.makeRoom() {
			o.dropped++
			o.full.Fail(errors.New("as many are kept as may be"), "too many alerts: this one and others are not sent", "alert", a.Rule.Name, "max", maxAlerts)
			return false
		}
		e = &entry{ID: a.ID, Labels: o.render.labelsOf(a), Starts: within(a.Starts, time.Unix(0, 0), now)}
		o.note(e, a, now)
		o.store.add(e)
		return true
	}
	if ends := e.Ended.IsZero() && !a.Firing(); a.Revision <= e.Revision && !ends {
		return false
	}
	before := *e
	o.note(e, a, now)
	if before.Ended.IsZero() && !e.Ended.IsZero() {
		o.store.supersede(e.print)
	}
	o.store.dirty = true
	return before.Ended.IsZero() != e.Ended.IsZero() || before.Annotations["inhibited_by"] != e.Annotations["inhibited_by"]
}

// note has the entry say what the alert says.
func (o *Output) note(e *entry, a *agent.Alert, now time.Time) {
	e.Revision, e.Annotations, e.text = max(e.Revision, a.Revision), annotationsOf(a), nil
	switch {
	case a.Firing() && !e.Ended.IsZero(): // it goes on after all
		e.Ended, e.EndSeen = time.Time{}, time.Time{}
		for instance, t := range e.Told {
			t.Over, t.last = false, time.Time{}
			e.Told[instance] = t
		}
	case !a.Firing() && e.Ended.IsZero():
		e.end(a.Ended, now)
	}
}

// end notes that it is over. An end before the start is none to Alertmanager, and
// with one that is to come, by a log's own clock, it would fire until then.
func (e *entry) end(at, now time.Time) {
	e.Ended, e.EndSeen, e.text = within(at, e.Starts, now), now, nil
}

// within is t, or the bound that it is beyond.
func within(t, least, most time.Time) time.Time {
	switch {
	case t.After(most):
		return most
	case t.Before(least):
		return least
	}
	return t
}

// makeRoom removes one alert that is over, and that some instance knows to be.
func (s *store) makeRoom() bool {
	var oldest *entry
	for _, e := range s.byID {
		if e.Ended.IsZero() || oldest != nil && !e.EndSeen.Before(oldest.EndSeen) {
			continue
		}
		for t := range maps.Values(e.Told) {
			if t.settled() {
				oldest = e
				break
			}
		}
	}
	if oldest == nil {
		return false
	}
	s.remove(oldest)
	return true
}

// Reconcile ends the alerts that are not among those that fire.
func (o *Output) Reconcile(ctx context.Context, firing map[string]bool) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	now, lost := time.Now(), 0
	for _, e := range o.store.all() {
		if e.Ended.IsZero() && !firing[e.ID] {
			e.Revision++ // an older state does not bring it back
			e.end(now, now)
			o.store.supersede(e.print)
			lost++
		}
	}
	if lost == 0 {
		return nil
	}
	o.log.Info("alerts that the agent knows nothing of any more are over", "alerts", lost)
	defer o.wake()
	return o.save()
}
