package notify

import (
	"context"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/silence"
)

const (
	firstPause  = 10 * time.Second
	longPause   = 5 * time.Minute
	retryNoting = 10 * time.Second
	pruneEvery  = 10 * time.Minute
)

// A pause holds up all notices after a failure that may pass: where the receiver
// is down, more groups are no reason for more tries.
type pause struct {
	until time.Duration
	next  time.Duration // its length without jitter; 0: after a success
}

func (p *pause) fail(now time.Duration) {
	p.next = min(max(firstPause, 2*p.next), longPause)
	p.until = now + p.next - time.Duration(rand.Int64N(int64(p.next/5)))
}

// Run sends one notice after another until ctx is done. It must not run twice
// at a time.
func (q *Queue) Run(ctx context.Context, send Send) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for ctx.Err() == nil {
		q.tend()
		t, wait := q.next()
		if t == nil {
			timer.Reset(wait)
			select {
			case <-ctx.Done():
			case <-timer.C:
			case <-q.wake:
			}
			continue
		}
		err := send(ctx, t.notice)
		switch {
		case err == nil:
			q.settle(t)
		case isRefused(err):
			q.refuse(t, err)
		default:
			q.fail(t, err, ctx.Err() != nil)
		}
	}
	return nil
}

// tend does what the journal is due.
func (q *Queue) tend() {
	q.write.Lock()
	defer q.write.Unlock()
	now := q.now().at
	q.mu.Lock()
	q.ticked = now
	q.mu.Unlock()
	if now >= q.retry {
		q.flush()
	}
	if now >= q.pruned+pruneEvery {
		q.pruned = now
		q.mu.Lock()
		gone := q.state.prune(now)
		q.mu.Unlock()
		q.drop(gone)
		q.compact()
	}
}

// next returns what is to be told now, or how long there is nothing to do.
func (q *Queue) next() (t *telling, wait time.Duration) {
	q.refresh()
	q.write.Lock()
	defer q.write.Unlock()
	q.mu.Lock()
	defer q.mu.Unlock()
	by := q.terms()
	now, soon := by.now.at, pruneEvery
	q.hush(by)
	if !q.dirty.empty() {
		soon = q.retry - now
	}
	c := q.state.choose(by, q.pause.until)
	switch {
	case c.group != nil:
		c.group.sending = true
		return c.group.tell(by), 0
	case c.held:
		return q.state.heldBack(by), 0
	case c.at != never:
		soon = min(soon, c.at-now)
	}
	if q.o.Silences != nil && len(q.state.groups) > 0 { // one may be made or ended
		soon = min(soon, silence.Poll)
	}
	return nil, max(soon, 0)
}

// terms are those of now.
func (q *Queue) terms() *terms {
	return &terms{config: &q.o.Config, cools: q.state.cools, mute: q.mute(), now: q.now()}
}

// mute is what is silenced now.
func (q *Queue) mute() mute {
	if q.o.Silences != nil {
		if silenced := q.o.Silences.Now(); silenced != nil {
			return func(a *agent.Alert) bool { return inhibited(a) || silenced(a.Label) }
		}
	}
	return inhibited
}

// refresh looks for silences on the disk.
func (q *Queue) refresh() {
	if q.o.Silences != nil {
		q.o.Silences.Refresh()
	}
}

// hush forgets what was silenced all the time. The caller holds write and mu.
func (q *Queue) hush(by *terms) {
	gone, n := q.state.hush(by.mute, by.now, q.dirty)
	if n == 0 {
		return
	}
	q.counts.hushed += uint64(n)
	q.dropNoted(gone)
}

// settle notes that the notice was told.
func (q *Queue) settle(t *telling) {
	q.write.Lock()
	defer q.write.Unlock()
	q.mu.Lock()
	q.counts.told++
	q.counts.last = q.now().wall
	q.dropNoted(q.state.settle(t, q.o.Config.MaxPerHour, q.now(), q.dirty))
	reached := q.reached()
	q.mu.Unlock()
	if reached {
		q.telling.Clear("alerts are told again")
	}
	q.flush()
	q.compact()
}

// reached ends the pause, for the receiver has answered. It reports whether that
// was the end of all failures. The caller holds mu.
func (q *Queue) reached() bool {
	q.pause = pause{}
	for _, g := range q.state.groups {
		if g.failed {
			return false
		}
	}
	return true
}

// drop tells the journal what is of no use any more. The caller holds write.
func (q *Queue) drop(items []string) {
	for _, item := range items {
		q.journal.drop(item)
	}
}

// dropNoted is drop once the journal has what makes the items useless. The
// caller holds write.
func (q *Queue) dropNoted(items []string) {
	for _, item := range items {
		if seq, ok := q.journal.items[item]; ok {
			q.dirty.gone[item] = seq
		}
	}
}

// fail holds up all notices for a while, but after a try that was cut off.
func (q *Queue) fail(t *telling, err error, cutOff bool) {
	q.write.Lock()
	defer q.write.Unlock()
	q.mu.Lock()
	if t.group != nil {
		t.group.sending = false
	}
	if cutOff {
		q.mu.Unlock()
		return
	}
	now := q.now().at
	q.pause.fail(now)
	q.counts.failed++
	if t.group != nil {
		t.group.failed, t.group.tried = true, now
	}
	groups := len(q.state.groups)
	q.mu.Unlock()
	q.telling.Fail(err, "alerts cannot be told; they are kept, and it is tried again", "groups", groups)
}

// refuse leaves the notice for later. What was refused for long is dropped.
func (q *Queue) refuse(t *telling, err error) {
	q.write.Lock()
	defer q.write.Unlock()
	q.mu.Lock()
	now, g := q.now(), t.group
	q.counts.refused++
	if g == nil { // it says what is held back, and that is all that is lost
		q.state.settle(t, q.o.Config.MaxPerHour, now, q.dirty)
		q.mu.Unlock()
		q.log.Error("the receiver refuses the notice that notices are held back", "notice", t.notice.ID, "error", err)
		return
	}
	g.sending, g.failed, g.tried = false, false, now.at
	g.refused, g.refusedAt = true, now.at
	q.refusal = "a notice is refused: " + agent.Note(err)
	said := []any{"notice", t.notice.ID, "group", describe(t.notice), "alerts", len(g.entries), "findings", g.findings(), "error", err}
	over, isOver := g.over(nobody)
	drop := isOver && now.at-over >= dropRefused
	if drop {
		q.counts.dropped++
		by := q.terms()
		by.mute = nobody
		q.dropNoted(q.state.settle(g.giveUp(by), 0, now, q.dirty))
	}
	reached := q.reached()
	q.mu.Unlock()
	if reached {
		q.telling.Clear("the receiver answers again")
	}
	if !drop {
		q.log.Error("the receiver refuses a notice; mend what its answer names. It is tried again hourly, when the group changes, and at the next start", said...)
		return
	}
	q.log.Error("a notice was refused for a day after all was over, and is dropped: nobody was told of these alerts", said...)
	q.flush()
}

// describe names the notice's group in a log.
func describe(n *Notice) string {
	if n.Late {
		return lateKey
	}
	var b strings.Builder
	for i, l := range n.Group {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(l.Name + "=" + l.Value)
	}
	return b.String()
}
