package rules

import (
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/webgrip/logkeel/agent"
)

const (
	// rememberFor is how long it is known what a key was that is not there.
	rememberFor = 7 * 24 * time.Hour
	// maxTraits bounds how many values of its labels one key has, and maxTrait how
	// many bytes of each count.
	maxTraits = 50
	maxTrait  = 1000
)

// An expectation is what a label should be: one of values.
type expectation struct {
	label  string
	values []string
}

// labelsText says what the rule asks of labels; "" is nothing.
func (m *measure) labelsText() string {
	if len(m.labels) > 0 {
		return strings.Join(m.labels, " or ") + " changed"
	}
	var all []string
	for _, e := range m.expected {
		all = append(all, e.label+" is not "+oneOf(e.values))
	}
	return strings.Join(all, " or ")
}

// labelled reports whether the rule is about labels alone, and no value matters.
func (m *measure) labelled() bool {
	return len(m.labels)+len(m.expected) > 0 && m.above == nil && m.below == nil
}

// unexpected says which label of the sample is not as it should be; "" where
// all are.
func (m *measure) unexpected(s *agent.Sample) string {
	var all []string
	for i := range m.expected {
		e := &m.expected[i]
		if v := sampleLabel(s, e.label); !slices.Contains(e.values, v) {
			all = append(all, e.label+" is "+visibleLabel(v)+", expected "+oneOf(e.values))
		}
	}
	return strings.Join(all, "; ")
}

// judges reports whether the label is one of those that the rule looks at: where
// nothing else is said, a key is all the others.
func (m *measure) judges(label string) bool {
	return slices.Contains(m.labels, label) || slices.ContainsFunc(m.expected, func(e expectation) bool { return e.label == label })
}

func oneOf(values []string) string {
	var all []string
	for _, v := range values {
		all = append(all, visibleLabel(v))
	}
	return strings.Join(all, " or ")
}

// visibleLabel is a label's value in a sentence.
func visibleLabel(v string) string {
	if v == "" {
		return `""`
	}
	return string(shorten([]byte(v)))
}

// traits are what the labels that a rule looks at are for one key: several where
// it has several series.
type traits struct {
	known []trait
	was   [][]string // what they were before they changed last
}

// A trait is the values of these labels, of one series or more.
type trait struct {
	values []string
	here   bool          // in the newest snapshot; or in one before that, where none was whole since
	was    bool          // and in that before
	seen   time.Duration // when it was last known to be here, by Elapsed
}

// traitOf are the sample's values of the labels.
func traitOf(labels []string, s *agent.Sample) []string {
	values := make([]string, len(labels))
	for i, name := range labels {
		v := sampleLabel(s, name)
		if len(v) > maxTrait {
			v = v[:maxTrait]
		}
		values[i] = strings.ToValidUTF8(v, string(utf8.RuneError)) // as the file has it
	}
	return values
}

// compare takes up a snapshot that has these series of the key, and reports
// which of them shows that it changed: the first with values that the key did
// not have, or, where nothing of the snapshot before is left, the first. That one
// of several is gone is no change: it may come back, as a container that is made
// anew, and is known for as long as keep.
func (t *traits) compare(labels []string, series []*agent.Sample, whole bool, now, keep time.Duration) *agent.Sample {
	first := len(t.known) == 0
	for i := range t.known {
		k := &t.known[i]
		if k.here {
			k.seen = now // until now nothing else was known
		}
		k.was, k.here = k.here, k.here && !whole
	}
	var fresh *agent.Sample
	stays := false
	for _, s := range series {
		values := traitOf(labels, s)
		i := slices.IndexFunc(t.known, func(k trait) bool { return slices.Equal(k.values, values) })
		switch {
		case i >= 0:
			stays = stays || t.known[i].was
			t.known[i].here = true
		case len(t.known) < maxTraits:
			t.known = append(t.known, trait{values: values, here: true, seen: now})
			if fresh == nil {
				fresh = s
			}
		default:
			stays = true // what cannot be remembered is never new
		}
	}
	if !stays && fresh == nil {
		fresh = series[0]
	}
	if first {
		fresh = nil
	}
	if fresh != nil {
		t.was = t.of(func(k *trait) bool { return k.was })
	}
	t.known = slices.DeleteFunc(t.known, func(k trait) bool { return !k.here && now-k.seen > keep })
	return fresh
}

func (t *traits) of(ok func(*trait) bool) [][]string {
	var all [][]string
	for i := range t.known {
		if ok(&t.known[i]) {
			all = append(all, t.known[i].values)
		}
	}
	return all
}

// text says from what to what the labels changed; "" where all is as it was.
func (t *traits) text(labels []string) string {
	is := t.of(func(k *trait) bool { return k.here })
	var all []string
	for i, name := range labels {
		now, before := column(is, i), column(t.was, i)
		if !slices.Equal(now, before) {
			all = append(all, name+" is "+some(now)+", was "+some(before))
		}
	}
	if !slices.ContainsFunc(is, func(values []string) bool { return !contains(t.was, values) }) {
		return ""
	}
	if all == nil { // it is their combination that did
		for i, name := range labels {
			all = append(all, name+" is "+some(column(is, i)))
		}
		return strings.Join(all, "; ") + ", in another combination than before"
	}
	return strings.Join(all, "; ")
}

func contains(traits [][]string, values []string) bool {
	return slices.ContainsFunc(traits, func(t []string) bool { return slices.Equal(t, values) })
}

// column are the values of one label, each once.
func column(traits [][]string, i int) []string {
	var all []string
	for _, values := range traits {
		all = append(all, values[i])
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// some joins values of which there may be too many.
func some(values []string) string {
	const most = 5
	more := len(values) - most
	var all []string
	for _, v := range values[:min(most, len(values))] {
		all = append(all, visibleLabel(v))
	}
	if more > 0 {
		all = append(all, strconv.Itoa(more)+" more")
	}
	return strings.Join(all, " and ")
}

// compared brings a key of a rule on labels to where these are now.
func (a *Alerts) compared(k *key, v *verdict, p *pace, now *instant) {
	if k.traits == nil {
		k.traits = &traits{}
	}
	labels, l := k.rule.measure.labels, now.of(k)
	before := len(k.traits.known)
	s := k.traits.compare(labels, l.series, now.whole, now.elapsed, p.patience())
	k.heard, k.snapshot = now.elapsed, now.snapshot
	a.dirty = a.dirty || s != nil || len(k.traits.known) != before
	if s != nil {
		v.sample, v.value = s, s.Value
		k.deadline = now.elapsed + k.rule.policy.window
	}
	if s == nil && k.alert == nil {
		return
	}
	l.text = k.traits.text(labels)
	switch {
	case k.alert == nil:
		a.fireSample(k, v, now.wall.UTC(), now)
	case s != nil:
		a.goesOn(k, v, now)
	case l.text != "" && k.alert.Condition != l.text && len(k.traits.was) > 0: // the old one was there a little longer
		k.alert.Condition = l.text
		a.changed(k.alert, false)
	}
}

// sweepTraits ends what changed long enough ago, whether it is measured or not,
// and forgets what was not there for long.
func (a *Alerts) sweepTraits(k *key, wall time.Time, elapsed time.Duration) {
	if k.alert != nil && elapsed >= k.deadline {
		a.end(k, wall, "")
	}
	if k.alert == nil && elapsed-k.heard > rememberFor {
		a.forget(k)
	}
}

// seen notes a series of a rule that remembers what was there.
func (a *Alerts) seen(r *rule, s *agent.Sample, verdicts map[*key]*verdict, now *instant) {
	if !r.measure.holds(s.Value, 0, false) {
		return // the rule is about others
	}
	k := a.remembered(r, seriesKey(r, s), now)
	if k == nil {
		return // it is one too many
	}
	k.heard = now.elapsed
	if verdicts[k] == nil {
		verdicts[k] = &verdict{sample: s, value: s.Value}
	}
	if len(r.measure.labels) > 0 {
		l := now.of(k)
		l.series = append(l.series, s)
	}
}

// remembered is the rule's key with these labels, or nil where it can remember no
// more of them. One that is not there now makes room.
func (a *Alerts) remembered(r *rule, labels []agent.Label, now *instant) *key {
	rs := &a.rules[r.rule.Index]
	if k := rs.keys[keyText(labels)]; k != nil {
		return k
	}
	if len(rs.keys) < maxKeys && a.keys < maxAllKeys {
		return a.key(r, labels)
	}
	if rs.packed == now.elapsed { // of one snapshot that is looked for once
		return nil
	}
	var oldest *key
	for _, k := range rs.keys {
		if k.alert == nil && now.elapsed-k.heard > a.snapshots[k.snapshot].patience() && (k.missing == nil || !k.missing.named) && (oldest == nil || k.heard < oldest.heard) {
			oldest = k
		}
	}
	if !rs.folded {
		rs.folded = true
		a.log.Warn("a rule remembers no more of what it counts by; what was not there for longest is forgotten, and what is too much is not judged",
			"rule", r.rule.Name, "keys", len(rs.keys), "file", r.rule.File, "line", r.rule.Line)
	}
	if oldest == nil {
		rs.packed = now.elapsed
		return nil
	}
	a.forget(oldest)
	return a.key(r, labels)
}

// traitsDue is when sweepTraits has something to do with the key.
func (k *key) traitsDue() time.Duration {
	if k.alert != nil {
		return k.deadline
	}
	return k.heard + rememberFor + 1
}

// savedTraits is what the file has of a key's traits.
type savedTraits struct {
	Labels []string   `json:"labels"`
	Values [][]string `json:"values"`
	Was    [][]string `json:"was,omitempty"` // while it is told
	Unseen int64      `json:"unseen"`        // for how long it was not there, in ms
}

func (k *key) saveTraits(elapsed time.Duration) *savedTraits {
	if k.traits == nil {
		return nil
	}
	s := &savedTraits{
		Labels: k.rule.measure.labels, Values: k.traits.of(func(t *trait) bool { return t.here }), Unseen: (elapsed - k.heard).Milliseconds(),
	}
	if k.alert != nil {
		s.Was = k.traits.was
	}
	return s
}

// restoreTraits takes up what the key was. While no agent ran nothing was looked
// at, so that this is no time in which it was not there.
func (k *key) restoreTraits(s *savedTraits, elapsed time.Duration) {
	if s == nil {
		return
	}
	k.traits = &traits{}
	k.heard = elapsed - time.Duration(min(max(s.Unseen, 0), rememberFor.Milliseconds()))*time.Millisecond
	if !slices.Equal(s.Labels, k.rule.measure.labels) {
		return // the rule asks for others now
	}
	n := len(s.Labels)
	whole := func(all [][]string) bool {
		return !slices.ContainsFunc(all, func(values []string) bool { return len(values) != n })
	}
	if !whole(s.Values) || !whole(s.Was) {
		return
	}
	for _, values := range s.Values[:min(len(s.Values), maxTraits)] {
		k.traits.known = append(k.traits.known, trait{values: values, here: true, seen: elapsed})
	}
	k.traits.was = s.Was
}
