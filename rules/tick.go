package rules

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/webgrip/logkeel/agent"
)

const (
	tick = time.Second
	// calm is how long an alert that fires waits until its new counts are handed
	// on once more.
	calm = 5 * time.Second
	// heldBack is how long an alert about old lines waits for the rest of them.
	heldBack = 10 * time.Minute
	// startGrace is how long after a start no alert of a log is over: what was
	// logged meanwhile has to be read first.
	startGrace = 30 * time.Second
	// restFactor is how much longer than a write takes none follows, so that
	// many alerts keep neither processor nor disk busy.
	restFactor  = 20
	longestRest = 10 * time.Second
)

// Run hands alerts on to the outputs and writes what was counted, once a second
// at most, and less often where that takes long, until ctx is done, and then once more. unread says, by source, what
// is there and was not read yet: no alert of such a source is over.
func (a *Alerts) Run(ctx context.Context, unread func() map[string]int64) error {
	a.reconcile(ctx)
	t := time.NewTicker(tick)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			a.flush(context.WithoutCancel(ctx), true)
			return nil
		case <-t.C:
			a.Tick(context.WithoutCancel(ctx), unread()) // no half of it
		}
	}
}

// reconcile tells the outputs which alerts fire: where the file was lost they may
// know of others.
func (a *Alerts) reconcile(ctx context.Context) {
	firing := map[string]bool{}
	a.mu.Lock()
	for i := range a.rules {
		for _, k := range a.rules[i].keys {
			if k.alert != nil {
				firing[k.alert.ID] = true
			}
		}
	}
	for id := range a.outbox {
		firing[id] = true
	}
	a.mu.Unlock()
	for _, o := range a.outputs {
		if err := o.Reconcile(ctx, firing); err != nil && !errors.Is(err, agent.ErrInMemory) { // the next start does it again
			a.log.Warn("alerts of which nothing is known any more may go on to be told", "output", o.Name(), "error", err)
		}
	}
}

// Stored is an error where the last write of what was counted failed.
func (a *Alerts) Stored() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.unstored != nil {
		return fmt.Errorf("write what the rules have counted: %w", a.unstored)
	}
	return nil
}

// Tick is what Run does once a second.
func (a *Alerts) Tick(ctx context.Context, unread map[string]int64) {
	a.sweep(unread)
	a.flush(ctx, false)
	a.mu.Lock()
	a.ticked = a.clock.Elapsed()
	a.mu.Unlock()
}

// sweep ends what is over, and forgets what tells nothing any more.
func (a *Alerts) sweep(unread map[string]int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	wall, elapsed := a.clock.Wall().UTC(), a.clock.Elapsed()
	if a.absences {
		a.look(unread, wall, elapsed)
	}
	for i := range a.rules {
		rs := &a.rules[i]
		for _, k := range rs.keys {
			if k.silence != nil {
				if a.absences {
					a.sweepAbsent(k, wall, elapsed)
				}
			} else if k.traits != nil {
				a.sweepTraits(k, wall, elapsed)
			} else if k.missing != nil {
				a.sweepMissing(k, wall, elapsed)
			} else if k.rule.measure != nil {
				a.sweepSample(k, wall, elapsed)
			} else if !k.unread(unread) {
				a.sweepLog(k, elapsed)
			}
		}
		for text, s := range rs.series {
			if s.key != nil && s.key.gone || elapsed-s.heard > a.patience(s) {
				delete(rs.series, text)
			}
		}
	}
}

// patience is how long the series may be missing until its value is forgotten.
func (a *Alerts) patience(s *series) time.Duration {
	if s.snapshot == "" {
		return time.Hour
	}
	return a.snapshots[s.snapshot].patience()
}

func (a *Alerts) sweepLog(k *key, elapsed time.Duration) {
	if elapsed < max(k.deadline, a.grace) {
		return
	}
	if k.alert != nil {
		a.end(k, k.alert.Last, "")
	}
	keep := k.rule.policy.window
	if k.surge != nil {
		keep *= 2 // it is the window before for the next one
	}
	if elapsed-k.heard > keep {
		a.forget(k)
	}
}

func (a *Alerts) sweepSample(k *key, wall time.Time, elapsed time.Duration) {
	if elapsed-k.heard <= a.snapshots[k.snapshot].patience() {
		return
	}
	if k.alert != nil {
		a.end(k, wall, "it is no longer measured")
	}
	a.forget(k)
}

// flush writes what changed and hands on the alerts that did. What is to be
// handed on is in the file first, so that an alert is not forgotten when the
// agent is killed in between; then it is handed on once more, as the same one.
// Where the file cannot be written it is handed on all the same: that the disk
// is full is what people have to hear.
func (a *Alerts) flush(ctx context.Context, last bool) {
	if a.clock.Elapsed() < a.rest && !last {
		return
	}
	due, state := a.collect(last)
	if state != nil {
		start := a.clock.Elapsed()
		err := a.store(state)
		a.mu.Lock()
		a.unstored = err
		if err != nil {
			a.dirty = true
			a.failures++
		}
		a.mu.Unlock()
		if err != nil {
			a.trouble.Fail(err, "what the rules have counted cannot be written: after a crash now, the lines since would be judged again; free space in state_dir or make it writable", "file", a.path)
		} else {
			a.trouble.Clear("what the rules have counted is written again", "file", a.path)
		}
		end := a.clock.Elapsed()
		a.rest = end + min(restFactor*(end-start), longestRest)
	}
	if len(due) == 0 {
		return
	}
	if a.told != nil {
		a.told(due)
	}
	taken, kept := true, true
	for _, o := range a.outputs {
		switch err := o.Notify(ctx, due); {
		case err == nil:
		case errors.Is(err, agent.ErrInMemory):
			kept = false // the output says so
		default:
			taken = false
			a.handing.Fail(err, "alerts cannot be handed on, and are kept", "output", o.Name())
		}
	}
	if taken {
		a.handing.Clear("alerts are handed on again")
		a.handed(due, kept)
	}
}

// collect returns the alerts that are to be handed on now, and the state to
// write; nil where nothing moved.
func (a *Alerts) collect(last bool) (due []agent.Alert, state *savedState) {
	a.mu.Lock()
	defer a.mu.Unlock()
	wall, elapsed := a.clock.Wall(), a.clock.Elapsed()
	a.bound()
	a.explain()
	for _, o := range a.outbox {
		if !o.pending || !o.urgent && !last && elapsed-o.handed < calm {
			continue
		}
		if o.alert.Late && o.alert.Firing() && wall.Sub(o.alert.Seen) < heldBack {
			continue
		}
		if o.changed {
			o.alert.Revision = max(o.alert.Revision+1, uint64(wall.UnixMilli()))
			o.changed = false
		}
		due = append(due, copyOf(o.alert))
	}
	if (a.dirty || last) && a.path != "" {
		state = a.state(wall, elapsed)
		a.dirty = false
	}
	return due, state
}

// bound drops alerts that are over where nobody takes them and they are too
// many: those first that are told from memory, then those of which nobody knows,
// the oldest of them. The caller holds mu.
func (a *Alerts) bound() {
	if len(a.outbox) <= maxEnded {
		return
	}
	var ended []*outgoing
	for _, o := range a.outbox {
		if !o.alert.Firing() {
			ended = append(ended, o)
		}
	}
	drop := len(ended) - maxEnded
	if drop <= 0 {
		return
	}
	slices.SortFunc(ended, func(x, y *outgoing) int {
		return cmp.Or(
			cmp.Compare(x.owed(), y.owed()), cmp.Compare(min(x.handed, 1), min(y.handed, 1)),
			x.alert.Ended.Compare(y.alert.Ended), cmp.Compare(x.alert.ID, y.alert.ID))
	})
	lost := 0
	for _, o := range ended[:drop] {
		lost += o.owed()
		delete(a.outbox, o.alert.ID)
	}
	if lost > 0 {
		a.dropped += uint64(lost)
		a.handing.Fail(errTooMany, "alerts that are over are dropped: nobody was told of them", "dropped", lost)
	}
}

// owed is 0 of an alert that every output has, in memory at the least.
func (o *outgoing) owed() int {
	if o.unkept {
		return 0
	}
	return 1
}

var errTooMany = fmt.Errorf("more than %d wait for the outputs", maxEnded)

// handed forgets that the alerts, as they were, are to be handed on. Where some
// output could not keep them, they will be again: a kill would lose them.
func (a *Alerts) handed(due []agent.Alert, kept bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.dirty = true
	for i := range due {
		o := a.outbox[due[i].ID]
		o.handed = a.clock.Elapsed()
		if o.changed {
			continue // again meanwhile
		}
		o.urgent, o.unkept = false, !kept
		if !kept {
			continue
		}
		o.pending = false
		if !o.alert.Firing() {
			delete(a.outbox, due[i].ID)
		}
	}
}
