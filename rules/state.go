package rules

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/webgrip/logkeel/agent"
)

const (
	stateName    = "alerts.json"
	stateVersion = 1
)

// statePath is the file in dir; "" where nothing is to be kept.
func statePath(dir string) string {
	if dir == "" {
		return ""
	}
	return filepath.Join(dir, stateName)
}

// A savedState is what the file holds.
type savedState struct {
	Version   int              `json:"version"`
	Written   time.Time        `json:"written"`
	Positions []agent.Saved    `json:"positions"`
	Keys      []savedKey       `json:"keys"`
	Series    []savedSeries    `json:"series"`
	Outbox    []agent.Alert    `json:"outbox"`            // not handed on yet
	Watched   map[string]int64 `json:"watched,omitempty"` // by rule with spike

	err error // why it must not be written
}

type savedKey struct {
	Rule         string        `json:"rule"`
	Labels       []agent.Label `json:"labels"`
	Source       string        `json:"source,omitempty"`
	Times        []int64       `json:"times,omitempty"`
	Behind       []int64       `json:"behind,omitempty"`
	Lines        []agent.Line  `json:"lines,omitempty"`
	Counts       *savedTally   `json:"counts,omitempty"`
	CountsBehind *savedTally   `json:"counts_behind,omitempty"`
	Held         time.Time     `json:"held,omitzero"`
	Heard        time.Time     `json:"heard,omitzero"` // of a rule on absence
	Deadline     time.Time     `json:"deadline,omitzero"`
	Since        time.Time     `json:"since,omitzero"`
	Snapshot     string        `json:"snapshot,omitempty"`
	Traits       *savedTraits  `json:"traits,omitempty"` // of a rule on the change of labels
	Missing      *savedMissing `json:"missing,omitempty"`
	Alert        *agent.Alert  `json:"alert,omitempty"`
}

type savedSeries struct {
	Rule  string       `json:"rule"`
	Text  string       `json:"series"`
	Value float64      `json:"value"`
	Ring  []savedPoint `json:"ring,omitempty"`
}

// state copies what is to be written. The caller holds mu.
func (a *Alerts) state(wall time.Time, elapsed time.Duration) *savedState {
	s := &savedState{Version: stateVersion, Written: wall.UTC()}
	s.Positions, s.err = a.consumer.Saved()
	for i := range a.rules {
		rs := &a.rules[i]
		name := a.set.rules[i].rule.Name
		if a.set.rules[i].policy.spike > 0 {
			if s.Watched == nil {
				s.Watched = map[string]int64{}
			}
			s.Watched[name] = rs.watched
		}
		for _, k := range rs.keys {
			saved := savedKey{
				Rule: name, Labels: k.labels, Source: k.source, Times: slices.Clone(k.times.times()), Behind: slices.Clone(k.behind.times()),
				Lines: k.lines.newest(shownLines), Snapshot: k.snapshot,
			}
			if !k.since.IsZero() { // as long ago as it is, wherever the clock was put since
				saved.Since = wall.Add(k.sinceRun - elapsed)
			}
			if k.held != 0 {
				saved.Held = dataTime(k.held)
			}
			if k.surge != nil {
				step := k.rule.policy.step()
				saved.Counts, saved.CountsBehind = k.surge.now.save(step), k.surge.behind.save(step)
			}
			saved.Traits, saved.Missing = k.saveTraits(elapsed), k.saveMissing(elapsed)
			if k.silence != nil {
				saved.Heard = wall.Add(k.heard - elapsed)
			}
			if k.deadline > elapsed {
				saved.Deadline = wall.Add(k.deadline - elapsed)
			}
			if k.alert != nil {
				alert := copyOf(k.alert)
				saved.Alert = &alert
			}
			s.Keys = append(s.Keys, saved)
		}
		for text, v := range rs.series {
			s.Series = append(s.Series, savedSeries{name, text, v.value, v.ring.save(elapsed)})
		}
	}
	for _, o := range a.outbox {
		if o.pending {
			s.Outbox = append(s.Outbox, copyOf(o.alert))
		}
	}
	return s
}

func (a *Alerts) store(s *savedState) error {
	if s.err != nil {
		return s.err
	}
	b, err := json.Marshal(s)
	if err != nil {
		return err
	}
	return agent.ReplaceFile(a.path, b)
}

// load reads the file. One that cannot be understood is put aside: the rules
// begin anew where the outputs read on.
func (a *Alerts) load() ([]agent.Saved, error) {
	if a.path == "" {
		return nil, nil
	}
	b, err := os.ReadFile(a.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read what the rules have counted: %w", err)
	}
	var s savedState
	if err = json.Unmarshal(b, &s); err == nil && s.Version != stateVersion {
		err = fmt.Errorf("version %d is not known to this logkeel", s.Version)
	}
	if err != nil {
		aside := a.path + ".bad"
		if err := os.Rename(a.path, aside); err != nil {
			return nil, fmt.Errorf("put aside what the rules have counted: %w", err)
		}
		a.log.Warn("what the rules have counted cannot be read and is put aside; alerts that fired may be told again", "file", aside, "error", err)
		return nil, nil
	}
	a.restore(&s)
	return s.Positions, nil
}

func (a *Alerts) restore(s *savedState) {
	rules := map[string]*rule{}
	for i := range a.set.rules {
		rules[a.set.rules[i].rule.Name] = &a.set.rules[i]
	}
	for i := range s.Outbox {
		alert := &s.Outbox[i]
		alert.Timeline = restoredTimeline(alert.Timeline, alert.Count)
		a.outbox[alert.ID] = &outgoing{alert: alert, changed: true, pending: true, urgent: true}
	}
	wall, elapsed := a.clock.Wall().UTC(), a.clock.Elapsed()
	for name, t := range s.Watched {
		if r := rules[name]; r != nil {
			a.rules[r.rule.Index].watched = min(t, wall.UnixNano())
		}
	}
	fresh := wall.Sub(s.Written) < missingAfter
	for i := range s.Keys {
		if k := &s.Keys[i]; k.Alert == nil && !fresh {
			k.Since = time.Time{} // what was in between is not known
		}
		a.restoreKey(rules[s.Keys[i].Rule], &s.Keys[i], s.Written, wall, elapsed)
	}
	for i := range s.Series {
		v := &s.Series[i]
		if r := rules[v.Rule]; r != nil && r.measure != nil {
			known := &series{value: v.Value, before: true, heard: elapsed}
			if r.measure.overTime() {
				known.ring = restoreRing(v.Ring, wall.Sub(s.Written), elapsed, v.Value)
			}
			a.rules[r.rule.Index].series[v.Text] = known
		}
	}
}

// fits reports whether the rule still counts what the key is of.
func (s *savedKey) fits(r *rule) bool {
	if r.measure == nil {
		return s.Snapshot == "" && (r.policy.absent > 0) == !s.Heard.IsZero()
	}
	return (s.Snapshot != "" || s.Missing != nil) && (len(r.measure.labels) > 0) == (s.Traits != nil) && (r.measure.absent > 0) == (s.Missing != nil)
}

// restoreKey takes up a key again. An alert whose rule is gone is over.
func (a *Alerts) restoreKey(r *rule, s *savedKey, written, wall time.Time, elapsed time.Duration) {
	if s.Alert != nil && a.outbox[s.Alert.ID] != nil {
		s.Alert = a.outbox[s.Alert.ID].alert
	}
	if r == nil || !s.fits(r) {
		if s.Alert != nil {
			s.Alert.Ended, s.Alert.End = wall, "its rule was removed"
			a.changed(s.Alert, true)
		}
		return
	}
	if r.policy.absent > 0 && !r.waitsFor(s.Labels) || s.Missing != nil && !r.misses(s) {
		if s.Alert != nil { // nothing that may come would end it
			s.Alert.Ended, s.Alert.End = wall, "its rule waits for something else now"
			a.changed(s.Alert, true)
		}
		return
	}
	k := a.key(r, s.Labels)
	if k.alert != nil { // too many keys were folded into one
		if s.Alert != nil {
			s.Alert.Ended, s.Alert.End = wall, "its rule counts it together with others now"
			a.changed(s.Alert, true)
		}
		return
	}
	k.source, k.snapshot, k.heard = s.Source, s.Snapshot, elapsed
	k.restoreTraits(s.Traits, elapsed)
	k.restoreMissing(s.Missing, elapsed)
	k.lines.restore(s.Lines)
	k.times.buf, k.behind.buf = s.Times, s.Behind
	k.times.keep(r.policy.threshold)
	k.behind.keep(r.policy.threshold)
	if !s.Held.IsZero() {
		k.held = s.Held.UnixNano()
	}
	if r.policy.spike > 0 {
		a.restoreSurge(k, s, wall)
	}
	if r.policy.absent > 0 {
		a.restoreSilence(k, s.Heard, written, wall, elapsed)
	}
	// The clock may have been put anywhere meanwhile.
	k.deadline = elapsed + min(s.Deadline.Sub(wall), r.policy.window)
	if !s.Since.IsZero() {
		held := max(0, wall.Sub(s.Since))
		k.since, k.sinceRun = s.Since, elapsed-held
	}
	if k.alert = s.Alert; k.alert != nil {
		k.alert.Rule = *r.rule
		k.alert.Timeline = restoredTimeline(k.alert.Timeline, k.alert.Count)
		if len(a.outputs) > 0 && r.tells() {
			k.shapes = restoredShapes(k.alert.Shapes, k.alert.Count)
		}
		if a.outbox[k.alert.ID] == nil { // outputs that have it take no note of it
			a.outbox[k.alert.ID] = &outgoing{alert: k.alert, pending: true, urgent: true}
		}
		k.last = k.alert.Last.UnixNano()
	}
}

// Meter reports what fires.
func (a *Alerts) Meter(yield func(agent.Sample)) {
	a.mu.Lock()
	type count struct {
		rule                       *agent.Rule
		firing, inhibited, pending int
		fired                      uint64
	}
	counts := make([]count, len(a.rules))
	for i := range a.rules {
		counts[i] = count{rule: a.set.rules[i].rule, fired: a.rules[i].fired}
		for _, k := range a.rules[i].keys {
			switch {
			case k.alert == nil && k.rule.measure != nil && !k.since.IsZero():
				counts[i].pending++
			case k.alert == nil:
			case k.alert.Inhibited != "":
				counts[i].inhibited++
			default:
				counts[i].firing++
			}
		}
	}
	metrics := a.samples()
	a.mu.Unlock()
	for _, s := range metrics {
		yield(s)
	}
	for _, c := range counts {
		labels := []agent.Label{{Name: "rule", Value: c.rule.Name}, {Name: "class", Value: c.rule.Class}, {Name: "severity", Value: c.rule.Severity}}
		state := func(name string, n int) {
			yield(agent.Sample{
				Name: "logkeel_alerts", Help: "Alerts that fire now, are explained by another one that does, or will fire if their sample goes on as it is.",
				Labels: append(slices.Clip(labels), agent.Label{Name: "state", Value: name}), Value: float64(n),
			})
		}
		state("firing", c.firing)
		state("inhibited", c.inhibited)
		state("pending", c.pending)
		yield(agent.Sample{Name: "logkeel_alerts_fired_total", Help: "Alerts that began to fire.", Type: agent.Counter, Labels: labels, Value: float64(c.fired)})
	}
	a.MeterSelf(yield)
}
