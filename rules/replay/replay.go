// Package replay lets rules judge what was logged and measured at any time, as
// fast as the machine can, and says what they would have told, and when: the
// alerts that rules.Alerts make, and the notices that agent/notify makes of
// them. Nothing is written anywhere, and no time passes but that of the data.
package replay

import (
	"context"
	"log/slog"
	"time"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/notify"
	"github.com/webgrip/logkeel/rules"
)

const (
	tick = time.Second // of rules.Alerts.Run
	// running is for how long the agent has run when the first record comes: an
	// alert is not over right after a start.
	running = time.Minute
	// longest bounds the time that a replay goes through: a duration holds no more.
	longest = 200 * 365 * 24 * time.Hour
)

// Options of a Replay. Of the functions those that are nil are not called; they
// may keep what they get, and change nothing of it.
type Options struct {
	Set    *rules.Set
	Notify []notify.Config // of the notifiers, which must have passed Check
	Log    *slog.Logger    // what rules.Alerts say, as of too many keys; nil: silent

	NoAbsence bool // rules on the absence of lines are left out

	// Step is how long after one another records of one batch may be to be
	// judged as if they came together: at the time of the last of them. 0 judges
	// each at its own time; a second is faster where many come at once.
	Step time.Duration

	// Began is called when an alert begins to fire, at a.Seen: the time of the
	// record or snapshot by which it does. Ended is called when it is over, which
	// is known at at, up to a second after it is so.
	Began func(a agent.Alert)
	Ended func(at time.Time, a agent.Alert)
	// Told is called for each notice of the notifier with that index in Notify,
	// at the time at which it would have been sent.
	Told func(notifier int, at time.Time, n *notify.Notice)
}

// A Replay is one run of rules through time. Its clock is moved by what it is
// given, which has to come in the order of its time, whatever the source: a
// record that is earlier is judged as one that was read late. Merge puts several
// sources in order. A Replay is used by one goroutine.
type Replay struct {
	o      Options
	alerts *rules.Alerts
	ask    func() (next time.Duration, ok bool) // alerts.NextTick
	firing map[string]bool                      // by alert ID
	seen   map[*agent.Source]bool
	notify []*notify.Rehearsal

	begun bool
	epoch time.Time // of Elapsed
	now   time.Time
	next  time.Time // of the next tick; zero: there is nothing to do
	part  agent.Batch
}

// New returns a Replay whose clock starts with the first thing that it is given.
func New(o Options) (*Replay, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	start := time.Unix(0, 0) // which rules take for no time at all
	r := &Replay{o: o, now: start, epoch: start, firing: map[string]bool{}, seen: map[*agent.Source]bool{}}
	var err error
	r.alerts, err = rules.NewAlerts(o.Set, rules.AlertOptions{
		Ledger: agent.NewLedger(o.Log), NoAbsence: o.NoAbsence, NoContext: true, Outputs: []agent.AlertOutput{output{r}}, Log: o.Log,
		Clock: rules.Clock{
			Wall:    func() time.Time { return r.now },
			Elapsed: func() time.Duration { return r.now.Sub(r.epoch) },
		},
	})
	r.ask = r.alerts.NextTick
	return r, err
}

// Now is the time that the replay has come to; zero before its first.
func (r *Replay) Now() time.Time {
	if !r.begun {
		return time.Time{}
	}
	return r.now
}

// Records judges the findings of b, which Set.Match has seen, each record at its
// own time. An alert's ID comes of its first record: b.Pos.Epoch and Record.End
// together must not repeat in a source. Nothing of b is kept.
func (r *Replay) Records(b *agent.Batch) { r.records(b, 0, len(b.Records)) }

// records judges the records from index from to index to.
func (r *Replay) records(b *agent.Batch, from, to int) {
	for from < to {
		first := b.Records[from].Time
		last, end := first, from+1
		for end < to && b.Records[end].Time-first < int64(max(r.o.Step, 1)) {
			last = max(last, b.Records[end].Time)
			end++
		}
		r.run(time.Unix(0, last).UTC())
		r.judge(b, from, end)
		from = end
	}
}

// judge gives the alerts a part of b as a batch of its own.
func (r *Replay) judge(b *agent.Batch, from, to int) {
	p := &r.part
	p.Source, p.Buf, p.Records, p.Pos = b.Source, b.Buf, b.Records[from:to], b.Pos
	p.Fields, p.Findings = nil, p.Findings[:0]
	if len(b.Fields) > 0 {
		p.Fields = b.Fields[from:to]
	}
	for _, f := range after(b.Findings, from) {
		if int(f.Record) >= to {
			break
		}
		f.Record -= int32(from)
		p.Findings = append(p.Findings, f)
	}
	r.alerts.Records(p, 0)
	if len(p.Findings) > 0 || r.o.Set.Waits() || !r.seen[p.Source] {
		r.seen[p.Source] = true
		r.wake()
	}
}

// Samples judges a full snapshot that was taken at at.
func (r *Replay) Samples(at time.Time, name string, samples []agent.Sample) {
	r.run(at)
	r.alerts.Samples(name, samples)
	r.wake()
}

// Run lets time pass until at, with all that happens until then, and at at.
func (r *Replay) Run(at time.Time) {
	r.run(at)
	for {
		next, ok := r.nextEvent()
		if !ok || next.After(r.now) {
			return
		}
		r.happen(next)
	}
}

// Settle lets time pass until nothing fires and all is told, or until at most so
// much later. What fires then has not ended.
func (r *Replay) Settle(most time.Duration) {
	limit := r.now.Add(most)
	for r.begun {
		at, ok := r.nextEvent()
		if !ok || at.After(limit) {
			return
		}
		if len(r.firing) == 0 && r.calm() {
			return
		}
		r.happen(at)
	}
}

// calm reports whether nothing waits to be told.
func (r *Replay) calm() bool {
	for _, n := range r.notify {
		if _, ok := n.Next(); ok {
			return false
		}
	}
	return !r.alerts.Pending()
}

// run moves the clock to at, with all that happens until then: what is due at at
// comes before what is judged then, or it would be put off for as long as something
// comes each whole second.
func (r *Replay) run(at time.Time) {
	if !r.begun {
		r.begun = true
		r.now, r.epoch = at, at.Add(-running)
		r.alerts.Begin()
		r.wake()
		for _, c := range r.o.Notify {
			r.notify = append(r.notify, notify.NewRehearsal(c, r.epoch))
		}
	}
	if limit := r.epoch.Add(longest); at.After(limit) {
		at = limit
	}
	for {
		next, ok := r.nextEvent()
		if !ok || next.After(at) {
			break
		}
		r.happen(next)
	}
	if at.After(r.now) {
		r.now = at
	}
}

// wake lets the next tick be the very next: something was judged.
func (r *Replay) wake() { r.next = r.tickAt(r.now.Sub(r.epoch) + 1) }

// tickAt is the first tick at or after elapsed. They are at whole seconds of the
// replay.
func (r *Replay) tickAt(elapsed time.Duration) time.Time {
	return r.epoch.Add((elapsed + tick - 1).Truncate(tick))
}

// nextEvent is when the next tick or notice is.
func (r *Replay) nextEvent() (at time.Time, ok bool) {
	at, ok = r.next, !r.next.IsZero()
	for _, n := range r.notify {
		if t, due := n.Next(); due && (!ok || t.Before(at)) {
			at, ok = t, true
		}
	}
	if at.Before(r.now) {
		at = r.now
	}
	return at, ok
}

// happen moves the clock to at and does what there is to do then.
func (r *Replay) happen(at time.Time) {
	r.now = at
	if !r.next.IsZero() && !r.next.After(at) {
		r.alerts.Tick(context.Background(), nil)
		r.next = time.Time{}
		if next, ok := r.ask(); ok {
			r.next = r.tickAt(max(next, at.Sub(r.epoch)+1))
		}
	}
	for i, n := range r.notify {
		for _, told := range n.Tell(at) {
			if r.o.Told != nil {
				r.o.Told(i, at, told)
			}
		}
	}
}

// An output is who the alerts are handed on to.
type output struct{ r *Replay }

func (output) Name() string                                     { return "replay" }
func (output) Run(ctx context.Context) error                    { <-ctx.Done(); return nil }
func (output) Reconcile(context.Context, map[string]bool) error { return nil }

// over is when it was known that the alert is over: by a snapshot, or now.
func (r *Replay) over(a *agent.Alert) time.Time {
	if a.Condition != "" {
		return a.Ended
	}
	return r.now
}

func (o output) Notify(_ context.Context, alerts []agent.Alert) error {
	r := o.r
	for i := range alerts {
		a := &alerts[i]
		if !r.firing[a.ID] {
			r.firing[a.ID] = true
			if r.o.Began != nil {
				r.o.Began(*a)
			}
		}
		if !a.Firing() {
			delete(r.firing, a.ID)
			if r.o.Ended != nil {
				r.o.Ended(r.over(a), *a)
			}
		}
	}
	for _, n := range r.notify {
		n.Notify(r.now, alerts)
	}
	return nil
}
