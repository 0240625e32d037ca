package notify

import (
	"slices"
	"time"

	"github.com/webgrip/logkeel/agent"
)

var _ agent.Meter = (*Queue)(nil)

// counts is what a queue counts since it was opened.
type counts struct {
	told, failed, refused, dropped uint64    // notices, or tries
	folded, hushed                 uint64    // alerts
	last                           time.Time // when a notice was told
}

// Pending is how many groups of alerts have something that was not told yet.
func (q *Queue) Pending() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	by, n := q.terms(), 0
	for _, g := range q.state.groups {
		if _, ok := g.pending(by); ok {
			n++
		}
	}
	return n
}

// Meter yields the queue's samples and those of its journal, each with the
// labels of its options.
func (q *Queue) Meter(yield func(agent.Sample)) {
	q.mu.Lock()
	by := q.terms()
	c, now, held := q.counts, by.now.at, q.state.held(by)
	pending, oldest, muted, refused := 0, now, 0, false
	for _, g := range q.state.groups {
		for _, e := range g.entries {
			if e.hidden(by.mute) {
				muted++
			}
		}
		if since, ok := g.pending(by); ok {
			pending++
			oldest = min(oldest, since)
		}
		refused = refused || g.refused
	}
	stalled, why := q.refused.Look(refused, 0), q.refusal
	ticked := q.ticked
	q.mu.Unlock()
	if d, last := q.telling.State(); d >= stalled && d > 0 {
		stalled, why = d, last
	}

	sample := func(t agent.SampleType, name, help string, v float64, labels ...agent.Label) {
		yield(agent.Sample{Name: name, Help: help, Type: t, Labels: slices.Concat(q.o.Labels, labels), Value: v})
	}
	for _, r := range []struct {
		name string
		n    uint64
	}{{"told", c.told}, {"failed", c.failed}, {"refused", c.refused}, {"dropped", c.dropped}} {
		sample(agent.Counter, "logkeel_notifications_total", "Tries to tell a notice, by how they went; dropped are those given up after a day of refusal.",
			float64(r.n), agent.Label{Name: "result", Value: r.name})
	}
	told := 0.0
	if !c.last.IsZero() {
		told = float64(c.last.Unix())
	}
	sample(agent.Gauge, "logkeel_notifications_last_success_timestamp_seconds", "When a notice was told last; 0 where none was since the start.", told)
	sample(agent.Gauge, "logkeel_notifications_pending", "Groups of alerts with something that was not told yet.", float64(pending))
	sample(agent.Gauge, "logkeel_notification_pending_seconds", "Age of the oldest that was not told yet. A cooldown makes it wait as well.",
		max(0, now-oldest).Round(time.Millisecond).Seconds())
	yield(agent.Stalled(q.o.Name, "alerts", stalled, why))
	sample(agent.Gauge, "logkeel_notifications_tick_seconds", "How long ago it was last looked what is to be told; ten minutes at most, and as long as telling takes.",
		max(0, now-ticked).Round(time.Millisecond).Seconds())
	sample(agent.Counter, "logkeel_alerts_folded_total", "Alerts that were too many to be told apart.", float64(c.folded))
	sample(agent.Gauge, "logkeel_notifications_held", "Groups of alerts that wait for nothing but max_per_hour.", float64(held))
	sample(agent.Gauge, "logkeel_alerts_muted", "Alerts that are not told, for they are silenced or another one explains them.", float64(muted))
	sample(agent.Counter, "logkeel_alerts_muted_total", "Alerts that nobody was told of, from their beginning to their end, for that reason.", float64(c.hushed))
	q.journal.spool.Meter(yield)
}
