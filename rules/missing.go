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

// missing is what a key of a rule on series that are gone knows beside key.since,
// from when on it was missing, and key.heard, when it was last there.
type missing struct {
	named  bool          // the rule's source names it: it is waited for also where it never was
	run    time.Duration // for how long it is known to be missing
	judged time.Duration // when that was last looked at, by Elapsed; of one that is in no snapshot. 0: nothing was known then
}

// expectSeries makes the keys that rules name: they are missed also where they
// never were.
func (a *Alerts) expectSeries() {
	for _, i := range a.set.missing {
		r := &a.set.rules[i]
		for _, labels := range r.policy.named {
			k := a.key(r, slices.Clone(labels))
			if k.missing == nil {
				k.missing, k.heard = &missing{}, a.clock.Elapsed()
			}
			k.missing.named = true
		}
	}
}

// untaken notes that a snapshot could not be taken: what is in it nobody knows.
func (a *Alerts) untaken(now *instant) {
	if len(a.set.missing) == 0 {
		return
	}
	p := a.snapshots[now.snapshot]
	if p == nil {
		p = &pace{}
		a.snapshots[now.snapshot] = p
	}
	p.whole, p.failed = false, now.elapsed
}

// taken reports whether somebody takes the snapshot, or tries to.
func (a *Alerts) taken(name string, elapsed time.Duration) bool { return elapsed < a.untakenAt(name) }

// untakenAt is from when on nobody does, if no one comes.
func (a *Alerts) untakenAt(name string) time.Duration {
	p := a.snapshots[name]
	switch {
	case p == nil:
		return a.begun + missingAfter + 1
	case p.round == 0: // it failed ever since the start
		return p.failed + unknownPace + 1
	}
	return max(p.last, p.failed) + p.patience() + 1
}

// there says that a series of the key was in the snapshot.
func (a *Alerts) there(k *key, now *instant) {
	if k.missing == nil {
		k.missing = &missing{}
		a.dirty = true
	}
	a.dirty = a.dirty || k.snapshot != now.snapshot || k.missing.run > 0
	k.snapshot, k.heard = now.snapshot, now.elapsed
	k.since, k.missing.run, k.missing.judged = time.Time{}, 0, 0
	if k.alert != nil {
		a.end(k, now.wall.UTC(), "")
	}
}

// miss looks which keys were not in the snapshot, and for how long that is so.
func (a *Alerts) miss(verdicts map[*key]*verdict, known time.Duration, now *instant) {
	for _, i := range a.set.missing {
		for _, k := range a.rules[i].keys {
			switch {
			case k.missing == nil || verdicts[k] != nil:
			case k.snapshot == "":
				a.missNamed(k, now)
			case k.snapshot == now.snapshot && now.whole:
				a.missed(k, known, now)
			}
		}
	}
}

// missNamed judges a key that is waited for, and is in no snapshot that anybody
// takes: where one fails that may have it, nothing is known.
func (a *Alerts) missNamed(k *key, now *instant) {
	m := k.missing
	if now.elapsed < a.grace {
		return
	}
	for name, p := range a.snapshots {
		if !p.whole && a.taken(name, now.elapsed) && k.mayBeIn(name) {
			m.judged = 0
			return
		}
	}
	known := time.Duration(0)
	if m.judged > 0 {
		known = now.elapsed - m.judged
	}
	m.judged = now.elapsed
	a.missed(k, known, now)
}

// mayBeIn reports whether the key may be in the snapshot: those of samplers end in
// their target.
func (k *key) mayBeIn(snapshot string) bool {
	target := sampleLabel(&agent.Sample{Labels: k.labels}, "target")
	return target == "" || strings.HasSuffix(snapshot, "/"+target)
}

// missed says that a key is missing, and was for so much longer as far as is
// known.
func (a *Alerts) missed(k *key, known time.Duration, now *instant) {
	m, rule := k.missing, k.rule.measure
	wall := now.wall.UTC()
	if k.since.IsZero() { // it begins, or goes on after a restart
		k.since, k.sinceRun = wall.Add(-m.run), now.elapsed-m.run
	} else {
		m.run += known
	}
	window := k.rule.policy.window
	switch {
	case m.run < rule.absent:
		a.dirty = true
	case k.alert == nil:
		a.fire(k, &agent.Alert{
			ID:     alertID(k, k.snapshot, binary.BigEndian.AppendUint64(nil, uint64(k.since.UnixNano()))),
			Source: k.missingSource(), Labels: k.labels,
			Starts: k.since, Last: wall, Seen: wall, Condition: rule.String(), Absent: true,
		})
	case m.run >= rule.absent+window && !m.named:
		a.end(k, wall, "it was not seen for more than "+conf.Duration(rule.absent+window).String())
		a.forget(k)
	case now.elapsed-a.outbox[k.alert.ID].handed >= goesOnAfter:
		k.alert.Last = wall
		a.changed(k.alert, false)
	}
}

// sweepMissing ends what nobody looks at any more, and forgets what was not there
// for long. What is waited for may come in any snapshot.
func (a *Alerts) sweepMissing(k *key, wall time.Time, elapsed time.Duration) {
	switch {
	case k.snapshot == "" || a.taken(k.snapshot, elapsed):
		return
	case k.missing.named:
		k.snapshot, k.missing.judged = "", 0
		a.dirty = true
		return
	case k.alert != nil:
		a.end(k, wall, "it is no longer measured")
		k.since = time.Time{} // another alert, should it be missing then
	}
	if elapsed-k.heard > k.remembered() {
		a.forget(k)
		a.dirty = true
	}
}

// remembered is for how long the key is known after it was last there, where
// nobody looks.
func (k *key) remembered() time.Duration { return k.rule.measure.absent + k.rule.policy.window }

// missingDue is when sweepMissing has something to do with the key.
func (a *Alerts) missingDue(k *key) time.Duration {
	if k.snapshot == "" {
		return math.MaxInt64
	}
	at := a.untakenAt(k.snapshot)
	if k.alert == nil && !k.missing.named {
		at = max(at, k.heard+k.remembered()+1)
	}
	return at
}

// missingSource is what people call that which is missing.
func (k *key) missingSource() string {
	of := agent.Sample{Labels: k.labels}
	if name := sampleLabel(&of, "name"); name != "" {
		return name
	}
	var values []string
	for _, l := range k.labels {
		if l.Value != "" {
			values = append(values, l.Value)
		}
	}
	if k.rule.policy.byLog || len(values) == 0 {
		return sampleSource(&of, k.rule.measure.sample)
	}
	return strings.Join(values, " ")
}

// savedMissing is what the file has of it, in ms.
type savedMissing struct {
	Run    int64 `json:"run"`
	Unseen int64 `json:"unseen"`
	Each   bool  `json:"each,omitempty"` // the key is a series
}

func (k *key) saveMissing(elapsed time.Duration) *savedMissing {
	if k.missing == nil {
		return nil
	}
	return &savedMissing{k.missing.run.Milliseconds(), (elapsed - k.heard).Milliseconds(), k.rule.policy.byLog}
}

// restoreMissing takes up for how long it was missing. While no agent ran nobody
// knew, so that this is none of it.
func (k *key) restoreMissing(s *savedMissing, elapsed time.Duration) {
	if s == nil {
		return
	}
	most := k.remembered()
	sane := func(ms int64) time.Duration {
		return time.Duration(min(max(ms, 0), most.Milliseconds())) * time.Millisecond
	}
	k.missing = &missing{run: sane(s.Run)}
	k.heard = elapsed - sane(s.Unseen)
}

// misses reports whether a series may come that the rule counts under the key as it was
// saved: nothing else would end what it tells.
func (r *rule) misses(s *savedKey) bool {
	labels := s.Labels
	named := slices.ContainsFunc(r.policy.named, func(of []agent.Label) bool { return slices.Equal(of, labels) })
	if s.Snapshot == "" || len(r.policy.named) > 0 || s.Missing.Each != r.policy.byLog {
		return named
	}
	if !r.policy.byLog {
		if len(labels) > len(r.policy.by) && labels[0].Name == "target" {
			labels = labels[1:]
		}
		if !slices.EqualFunc(labels, r.policy.by, func(l agent.Label, p keyPart) bool { return l.Name == p.name }) {
			return false
		}
	}
	of := agent.Sample{Labels: s.Labels}
	for i := range r.source {
		has := slices.ContainsFunc(s.Labels, func(l agent.Label) bool { return l.Name == r.source[i].Name })
		if (has || r.policy.byLog) && !r.source[i].Holds(sampleLabel(&of, r.source[i].Name)) {
			return false
		}
	}
	return true
}
