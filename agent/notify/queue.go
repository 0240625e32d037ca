package notify

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/spool"
)

// A Queue keeps what there is to tell, and tells it. All methods may be called
// from any goroutine.
type Queue struct {
	o      Options
	log    *slog.Logger
	opened time.Time // with a monotonic reading
	wall   func() time.Time
	wake   chan struct{} // of Run

	telling *agent.Trouble
	noting  *agent.Trouble
	folding *agent.Trouble

	// Locked in this order. Who changes the state holds both, who reads it one
	// of them. Only mu is ever held for a short time.
	write   sync.Mutex
	journal *journal      // of write
	dirty   *changes      // of write
	retry   time.Duration // when the journal is written again after a failure; of write
	pruned  time.Duration // of write

	unwritten error // why the journal does not have all; of write

	mu     sync.Mutex
	state  *state
	pause  pause
	counts counts

	ticked  time.Duration // when Run last came round
	refusal string        // what was refused last, and why
	refused agent.Stall   // for how long some notice is
}

// Open opens the journal in o.Dir, and makes it where there is none. Only one
// may be open at a time.
func Open(o Options) (*Queue, error) { return open(o, nil, time.Now) }

func open(o Options, fs spool.FS, wall func() time.Time) (*Queue, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	log := o.Log.With("notifier", o.Name)
	q := &Queue{
		o: o, log: log, opened: time.Now(), wall: wall, wake: make(chan struct{}, 1),
		telling: agent.NewTrouble(log), noting: agent.NewTrouble(log), folding: agent.NewTrouble(log),
	}
	var err error
	q.journal, err = openJournal(o.Dir, spool.Options{FS: fs, Log: log, Labels: o.Labels})
	if err != nil {
		return nil, fmt.Errorf("notifier %s: %w", o.Name, err)
	}
	r := newRestorer(wall().Round(0))
	unread, err := q.journal.replay(r.frame)
	if err != nil {
		q.journal.spool.Close()
		return nil, fmt.Errorf("notifier %s: %w", o.Name, err)
	}
	if unread > 0 {
		log.Warn("a part of what was kept of alerts cannot be read and is left out", "dir", o.Dir, "frames", unread)
	}
	var gone []string
	q.state, q.dirty, gone = r.finish()
	q.drop(gone)
	q.flush()
	return q, nil
}

// now is the time as this queue has it.
func (q *Queue) now() stamp { return stamp{time.Since(q.opened), q.wall().Round(0)} }

// Notify takes alerts as they stand now, and returns when they are on the disk.
// Where that cannot be written they are told from memory, and the error wraps
// agent.ErrInMemory until they are there. After any other error none was taken.
// An alert that comes again, or in an older revision, is no news.
func (q *Queue) Notify(ctx context.Context, alerts []agent.Alert) error {
	q.refresh()
	q.write.Lock()
	defer q.write.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	now := q.now()
	p := q.plan(alerts, now, false)
	frames := p.frames()
	if len(frames) == 0 && q.unwritten == nil {
		return nil
	}
	if q.unwritten == nil || now.at >= q.retry {
		if err := q.append(append(q.dirty.frames(q.state), frames...)); err == nil {
			q.noted()
		} else if !unwritable(err) {
			return fmt.Errorf("notifier %s: %w", q.o.Name, err)
		}
	}
	if q.unwritten != nil {
		p = q.plan(alerts, now, true)
		q.dirty.add(p)
	}
	q.carryOut(p)
	if q.unwritten == nil || !q.owes(p, alerts) {
		return nil
	}
	return fmt.Errorf("notifier %s: %w: %w; free space in state_dir or make it writable", q.o.Name, agent.ErrInMemory, q.unwritten)
}

// plan is what the alerts make of the state; inMemory says that they do so
// before they are on the disk. The caller holds write.
func (q *Queue) plan(alerts []agent.Alert, now stamp, inMemory bool) *plan {
	p := newPlan(q.state, &q.o.Config, now)
	p.inMemory = inMemory
	for i := range alerts {
		p.take(&alerts[i])
	}
	return p
}

// carryOut makes the state what was planned. The caller holds write.
func (q *Queue) carryOut(p *plan) {
	q.mu.Lock()
	gone := p.carryOut()
	if q.unwritten != nil {
		q.dropNoted(gone)
		gone = nil
	}
	q.counts.folded += uint64(p.folded)
	q.hush(q.terms())
	q.mu.Unlock()
	q.drop(gone)
	q.sayFolded(p)
	q.compact()
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// owes reports whether any of the alerts is in memory alone, or left for later.
// What of it was told and is over is not given again: at worst it is told again.
func (q *Queue) owes(p *plan, alerts []agent.Alert) bool {
	return p.left || slices.ContainsFunc(alerts, func(a agent.Alert) bool {
		return q.dirty.alerts[a.ID] && q.state.entries[a.ID] != nil || q.dirty.folds[a.ID]
	})
}

// lostTrack is why an alert ends of which the agent has lost what it knew.
const lostTrack = "the agent has lost track of it"

// Reconcile ends the alerts that are not among those that fire.
func (q *Queue) Reconcile(ctx context.Context, firing map[string]bool) error {
	var lost []agent.Alert
	q.mu.Lock()
	now := q.now().wall.UTC()
	for id, e := range q.state.entries {
		if !firing[id] && !e.other && e.alert.Firing() {
			a := clone(&e.alert)
			a.Revision, a.Ended, a.End = a.Revision+1, now, lostTrack
			lost = append(lost, a)
		}
	}
	for id, f := range q.state.folds {
		if e := q.state.entries[f.Into]; e != nil && !firing[id] && !f.Over {
			a := clone(&e.alert)
			a.ID, a.Revision, a.Count, a.Ended, a.End = id, f.Revision+1, f.Count, now, lostTrack
			lost = append(lost, a)
		}
	}
	q.mu.Unlock()
	return q.Notify(ctx, lost)
}

// sayFolded says that alerts are too many, and when they are no more. The caller
// holds write.
func (q *Queue) sayFolded(p *plan) {
	switch {
	case p.folded > 0:
		q.folding.Fail(fmt.Errorf("more than %d alerts", maxAlerts), "there are too many alerts to tell apart; further ones are told together, one "+otherName+" a rule")
	case len(q.state.others) == 0:
		q.folding.Clear("all alerts are told apart again")
	}
}

// flush brings what the journal does not have yet to the disk. The caller holds
// write, or is the only one.
func (q *Queue) flush() {
	if q.dirty.empty() && q.unwritten == nil {
		return
	}
	if q.append(q.dirty.frames(q.state)) == nil {
		q.noted()
	}
}

// append writes to the journal, and says where it cannot. The caller holds write.
func (q *Queue) append(frames []*frame) error {
	err := q.journal.append(frames)
	if err == nil || !unwritable(err) {
		return err
	}
	q.unwritten, q.retry = err, q.now().at+retryNoting
	q.dirty.trim(q.state, q.journal)
	q.noting.Fail(err, "alerts are told from memory, for they cannot be written: after a kill some may be told again, or not at all; free space in state_dir or make it writable")
	return err
}

// noted notes that the journal has all that it should have.
func (q *Queue) noted() {
	for item, seq := range q.dirty.gone {
		if q.journal.items[item] == seq { // or else it is there again
			q.journal.drop(item)
		}
	}
	q.dirty, q.unwritten = newChanges(), nil
	q.noting.Clear("what was told of alerts is noted again")
}

// compact writes the journal anew where most of it is of no use any more. The
// caller holds write.
func (q *Queue) compact() {
	now := q.now().at
	if !q.journal.bloated() || now < q.retry || q.unwritten != nil {
		return
	}
	if err := q.journal.rewrite(everything(q.state).frames(q.state)); err != nil {
		q.retry = now + retryNoting // what was written before is there
	}
}

// Close brings to the disk what is not there yet, after Run has ended.
func (q *Queue) Close() error {
	q.write.Lock()
	defer q.write.Unlock()
	q.flush()
	if err := q.journal.spool.Close(); err != nil {
		return fmt.Errorf("notifier %s: close journal: %w", q.o.Name, err)
	}
	return nil
}
