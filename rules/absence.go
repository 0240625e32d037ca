package rules

import (
	"encoding/binary"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/conf"
)

const (
	// forgetAbsent is for how much longer than a rule allows nothing may come of
	// what source does not name, until it is forgotten.
	forgetAbsent = 7 * 24 * time.Hour
	// unopenedAfter is how long after a start a log that was there before may not
	// be there, until it counts as gone.
	unopenedAfter = time.Hour
	// clockJump is how much the two clocks may part between two looks until one
	// of them was set, or the machine slept.
	clockJump = 5 * time.Second
	// sensible is the least time, in ns, that a clock shows which was set: some
	// machines begin in 1970 and are set soon after.
	sensible = 1e18
)

// A silence is what a key of a rule on the absence of lines knows beside key.heard,
// which is when the last line was written, by Elapsed, and key.held, the same by the
// line's own time.
type silence struct {
	logs   int    // that are open and are of the key
	opened bool   // some log was, since the start
	named  bool   // the rule's source names it: it is known without any log
	unread uint64 // the sweep in which a log of it had something unread
}

// A watch is what one open log tells rules on absence.
type watch struct {
	of    []watched
	atEnd time.Duration // when it was last known to be read to its end, by Elapsed
}

// A watched is a rule on absence that selects a log. key is nil where that
// depends on what a line says.
type watched struct {
	rule *rule
	key  *key
}

// absence says what did not come, as people read it.
func (r *rule) absence() string {
	what := "no line"
	if r.text != "" {
		what += " with " + quote(r.text)
	}
	return what + " for " + conf.Duration(r.policy.absent).String()
}

// perLog reports whether a key of the rule is of one log, with which it ends.
func (r *rule) perLog() bool {
	return r.policy.byLog || slices.ContainsFunc(r.policy.by, func(p keyPart) bool {
		return !p.group && (p.name == "log" || p.name == "container")
	})
}

// Opened makes the source one of which rules want to hear.
func (a *Alerts) Opened(src *agent.Source) {
	if !a.absences {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.unwatch(src, false)
	a.watch(src)
}

// Closed makes it none any more.
func (a *Alerts) Closed(src *agent.Source, gone bool) {
	if !a.absences {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.unwatch(src, gone)
}

func (a *Alerts) watch(src *agent.Source) *watch {
	w := &watch{atEnd: math.MinInt64}
	a.watches[src.ID] = w
	for i := range a.set.rules {
		r := &a.set.rules[i]
		if r.policy.absent == 0 || !selects(r.source, src) {
			continue
		}
		t := watched{rule: r}
		if !r.grouped {
			t.key = a.absent(r, a.labelsOf(r, &agent.Batch{Source: src}, nil))
			t.key.silence.logs++
			t.key.silence.opened = true
		}
		w.of = append(w.of, t)
	}
	return w
}

// watchOf is the source's watch.
func (a *Alerts) watchOf(src *agent.Source) *watch {
	if w := a.watches[src.ID]; w != nil {
		return w
	}
	return a.watch(src)
}

func (a *Alerts) unwatch(src *agent.Source, gone bool) {
	w := a.watches[src.ID]
	if w == nil {
		return
	}
	delete(a.watches, src.ID)
	for _, t := range w.of {
		if t.key == nil {
			continue
		}
		t.key.silence.logs--
		if gone && t.rule.perLog() && t.key.silence.logs == 0 && !t.key.silence.named {
			a.endAbsent(t.key, "its log is gone")
		}
	}
}

// absent returns the rule's key with these labels. Of a new one the silence
// begins now.
func (a *Alerts) absent(r *rule, labels []agent.Label) *key {
	k := a.key(r, labels)
	if k.silence == nil {
		k.silence = &silence{}
	}
	if k.held == 0 {
		k.heard, k.held = a.clock.Elapsed(), a.clock.Wall().UnixNano()
		a.dirty = true
	}
	return k
}

// expect makes the keys that rules name: they are missed also where they never
// were.
func (a *Alerts) expect() {
	a.expectSeries()
	if !a.absences {
		return
	}
	for i := range a.set.rules {
		if a.set.rules[i].measure != nil {
			continue
		}
		for _, labels := range a.set.rules[i].policy.named {
			a.absent(&a.set.rules[i], slices.Clone(labels)).silence.named = true
		}
	}
}

// anyLine tells rules on the absence of any line that there was one.
func (a *Alerts) anyLine(b *agent.Batch, from int) {
	if !a.absences || from >= len(b.Records) && b.Passed.Lines == 0 {
		return
	}
	w := a.watchOf(b.Source)
	wall, elapsed := a.clock.Wall(), a.clock.Elapsed()
	t := b.LastTime()
	for _, of := range w.of {
		if of.rule.first == of.rule.end {
			a.came(of.key, w, t, wall.UnixNano(), elapsed)
		}
	}
}

// came says that at t there was a line of the key.
func (a *Alerts) came(k *key, w *watch, t, now int64, elapsed time.Duration) {
	if k.silence == nil { // a group found it
		k.silence = &silence{}
	}
	// A log that was read to its end had nothing that is older. So no line counts
	// as old because a clock was set.
	at := max(elapsed-time.Duration(max(0, now-t)), w.atEnd)
	if k.held == 0 || at > k.heard {
		k.heard = at
	}
	k.held = later(k.held, t, now)
	if k.alert != nil && elapsed-k.heard < k.rule.policy.absent {
		end := dataTime(t)
		if end.Before(k.alert.Starts) {
			end = dataTime(now)
		}
		a.end(k, end, "")
	}
}

// look notes which logs have something unread, and that a clock was set.
func (a *Alerts) look(unread map[string]int64, wall time.Time, elapsed time.Duration) {
	a.sweeps++
	for id, n := range unread {
		w := a.watches[id]
		switch {
		case w == nil:
		case n == 0:
			w.atEnd = elapsed
		default:
			for _, t := range w.of {
				if t.key != nil {
					t.key.silence.unread = a.sweeps
				} else {
					a.rules[t.rule.rule.Index].unread = a.sweeps
				}
			}
		}
	}
	apart := time.Duration(wall.UnixNano()) - elapsed
	if d := apart - a.apart; d > clockJump || d < -clockJump {
		a.dirty = true // times in the file are the wall's
		a.apart = apart
	}
}

// sweepAbsent begins an alert where nothing came for too long. Elapsed stands
// still while the machine sleeps, and so does what is waited for.
func (a *Alerts) sweepAbsent(k *key, wall time.Time, elapsed time.Duration) {
	r, s := k.rule, k.silence
	silent := elapsed - k.heard
	switch {
	case s.unread == a.sweeps || a.rules[r.rule.Index].unread == a.sweeps:
		return // it may be in there
	case r.perLog() && !s.opened && !s.named:
		if elapsed >= a.begun+unopenedAfter {
			a.endAbsent(k, "its log is gone")
		}
		return
	case silent < r.policy.absent || elapsed < a.grace:
		return
	case k.alert == nil:
		starts := dataTime(k.held)
		if k.held < sensible || starts.After(wall) {
			starts = wall.Add(-silent)
		}
		a.fire(k, &agent.Alert{
			ID:     alertID(k, "", binary.BigEndian.AppendUint64(nil, uint64(k.held))),
			Source: r.absentSource(k), Starts: starts, Last: wall, Seen: wall,
			Condition: r.absence(), Absent: true,
		})
	case silent > r.policy.absent+forgetAbsent && s.logs == 0 && !s.named:
		a.endAbsent(k, "it was not heard of for more than "+conf.Duration(forgetAbsent).String())
	case elapsed-a.outbox[k.alert.ID].handed >= goesOnAfter:
		k.alert.Last = wall
		a.changed(k.alert, false)
	}
}

// endAbsent forgets a key that is waited for no more.
func (a *Alerts) endAbsent(k *key, why string) {
	if k.alert != nil {
		a.end(k, a.clock.Wall().UTC(), why)
	}
	a.forget(k)
	a.dirty = true
}

// absentSource is what people call that which is silent.
func (r *rule) absentSource(k *key) string {
	var words []string
	for _, l := range k.labels {
		if l.Value != "" {
			words = append(words, l.Value)
		}
	}
	if len(words) == 0 {
		return "all logs"
	}
	return strings.Join(words, " ")
}

// restoreSilence takes up since when nothing came. Nobody listened while the agent was away,
// so that time is none of it; what was written then is read, and counts by its
// own time.
func (a *Alerts) restoreSilence(k *key, heard, written, wall time.Time, elapsed time.Duration) {
	silent := written.Sub(heard)
	if a.away >= 0 {
		silent = wall.Sub(heard) - a.away
	}
	k.silence = &silence{}
	k.heard = elapsed - max(0, silent)
}

// waitsFor reports whether a line may come that a rule on absence counts under a key
// with these labels.
func (r *rule) waitsFor(labels []agent.Label) bool {
	if r.policy.byLog {
		return len(labels) == 1 && labels[0].Name == "log"
	}
	if !slices.EqualFunc(labels, r.policy.by, func(l agent.Label, p keyPart) bool { return l.Name == p.name }) {
		return false
	}
	for i, p := range r.policy.by {
		if p.group || labels[i].Value == otherKey {
			continue
		}
		for k := range r.source {
			if m := &r.source[k]; m.Name == p.name && !m.Holds(labels[i].Value) {
				return false
			}
		}
	}
	return true
}
