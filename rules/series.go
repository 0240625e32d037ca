package rules

import (
	"encoding/binary"
	"math"
	"slices"
	"time"

	"github.com/webgrip/logkeel/agent"
)

const (
	// missingAfter is how long a series may be missing until its alert is over,
	// or three times as long as snapshots are apart.
	missingAfter = 5 * time.Minute
	unknownPace  = 25 * time.Hour // while there was one snapshot only
	// goesOnAfter is how long an alert waits that has nothing new but that it
	// goes on.
	goesOnAfter = time.Minute
)

// maxRuleSeries bounds how many series one rule remembers values of.
const maxRuleSeries = 2000

// A series is what a rule knows of one series of its sample.
type series struct {
	key      *key
	snapshot string // the name of the one it is in; "" before it was seen in this run
	value    float64
	before   bool          // value is of the snapshot before, or older
	heard    time.Duration // when it was last measured, by Elapsed

	ring  *ring // of a rule that compares what it changed by over a time
	jumps uint64
}

// A pace is how often a snapshot is taken.
type pace struct {
	round uint64
	last  time.Duration // by Elapsed
	gap   time.Duration

	whole  bool          // the newest was taken in full
	failed time.Duration // when one was tried last that could not be taken, by Elapsed

	apart time.Duration // of the two clocks
	jumps uint64        // how often one was set, or the machine slept
}

// patience is how long what is in the snapshot may be missing.
func (p *pace) patience() time.Duration {
	switch {
	case p == nil:
		return missingAfter // nobody takes it any more
	case p.round == 1:
		return unknownPace
	}
	return max(missingAfter, 3*p.gap)
}

// Samples judges a full snapshot. One that failed may lack series: their alerts
// neither begin nor end.
func (a *Alerts) Samples(name string, samples []agent.Sample) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := instant{wall: a.clock.Wall(), elapsed: a.clock.Elapsed(), snapshot: name}
	a.around.keep(name, samples, now.elapsed)
	if samples == nil {
		a.untaken(&now)
		return
	}
	a.grow(now.elapsed)
	if len(a.set.samples) == 0 {
		return
	}
	p := a.snapshots[name]
	if p == nil {
		p = &pace{}
		a.snapshots[name] = p
	}
	now.whole = whole(name, samples)
	known := time.Duration(0)
	if p.round > 0 {
		gap := now.elapsed - p.last
		if p.whole && now.whole && gap <= p.patience() {
			known = gap // nothing failed in between
		}
		p.gap = gap
	}
	p.whole = now.whole
	apart := time.Duration(now.wall.UnixNano()) - now.elapsed
	if d := apart - p.apart; p.round > 0 && (d > clockJump || d < -clockJump) {
		p.jumps++
		now.woke = d > 0
	}
	p.apart = apart
	p.round++
	p.last = now.elapsed
	verdicts := map[*key]*verdict{}
	for i := range samples {
		for _, rule := range a.set.samples[samples[i].Name] {
			a.sample(&a.set.rules[rule], &samples[i], verdicts, p, &now)
		}
	}
	for k, v := range verdicts {
		switch m := k.rule.measure; {
		case m.absent > 0:
			a.there(k, &now)
		case len(m.labels) > 0:
			a.compared(k, v, p, &now)
		default:
			a.measured(k, v, p, &now)
		}
	}
	a.miss(verdicts, known, &now)
}

// whole reports whether the snapshot was taken in full. Where it was not, each of
// its samples says why; of the agent's own these are reasons of single ones.
func whole(name string, samples []agent.Sample) bool {
	return name == agent.Self || len(samples) == 0 || slices.ContainsFunc(samples, func(s agent.Sample) bool { return s.Note == "" })
}

// An instant is when a snapshot is judged.
type instant struct {
	wall     time.Time
	elapsed  time.Duration
	snapshot string
	whole    bool // it was taken in full
	sayings  map[*key]*saying
	woke     bool // the machine slept since the snapshot before, or its clock was put on
}

// A verdict is what the series of one key say together: one is enough.
type verdict struct {
	holds  bool
	known  bool          // some series is known for as long as the rule looks back
	sample *agent.Sample // the first that holds, or else the first
	value  float64       // that was compared
}

// saying is more than a verdict, of rules that ask for labels.
type saying struct {
	text   string          // what is so
	series []*agent.Sample // all of the key, where they may have changed
}

// of is what the snapshot says of the key's labels.
func (now *instant) of(k *key) *saying {
	l := now.sayings[k]
	if l == nil {
		if now.sayings == nil {
			now.sayings = map[*key]*saying{}
		}
		l = &saying{}
		now.sayings[k] = l
	}
	return l
}

func (a *Alerts) sample(r *rule, s *agent.Sample, verdicts map[*key]*verdict, p *pace, now *instant) {
	if !r.source.Hold(func(name string) string { return sampleLabel(s, name) }) {
		return
	}
	if r.measure.remembers() {
		a.seen(r, s, verdicts, now)
		return
	}
	if math.IsNaN(s.Value) || math.IsInf(s.Value, 0) {
		return
	}
	rs := &a.rules[r.rule.Index]
	text := now.snapshot + "\x00" + keyText(s.Labels)
	known := rs.series[text]
	if known == nil {
		if len(rs.series) >= maxRuleSeries {
			if !rs.full {
				rs.full = true
				a.log.Warn("there are more series than a rule knows; it does not judge further ones",
					"rule", r.rule.Name, "series", len(rs.series), "file", r.rule.File, "line", r.rule.Line)
			}
			return
		}
		known = &series{jumps: p.jumps}
		rs.series[text] = known
	}
	if known.key == nil || known.key.gone {
		known.key = a.key(r, seriesKey(r, s))
	}
	v := verdicts[known.key]
	if v == nil {
		v = &verdict{sample: s, value: s.Value}
		verdicts[known.key] = v
	}
	value, ok := s.Value, true
	if r.measure.overTime() {
		value, ok = r.measure.change(known, s.Value, p, now)
		a.dirty = true
	}
	holds, text := ok && r.measure.holds(value, known.value, known.before), ""
	if holds && len(r.measure.expected) > 0 {
		text = r.measure.unexpected(s)
		holds = text != ""
	}
	if ok && !v.known || holds && !v.holds {
		v.holds, v.known, v.sample, v.value = holds, true, s, value
		if text != "" {
			now.of(known.key).text = text
		}
	}
	if known.value != s.Value || !known.before {
		a.dirty = true
	}
	known.value, known.before, known.heard, known.snapshot = s.Value, true, now.elapsed, now.snapshot
}

// measured brings a key to where its condition is now.
func (a *Alerts) measured(k *key, v *verdict, p *pace, now *instant) {
	if k.snapshot == now.snapshot && (now.elapsed-k.heard > p.patience() || now.woke) {
		k.since = time.Time{} // what was in between is not known
	}
	k.heard, k.snapshot = now.elapsed, now.snapshot
	if !v.known {
		k.since = time.Time{} // what fires goes on until that is known
		return
	}
	if !v.holds {
		a.dirty = a.dirty || !k.since.IsZero()
		k.since = time.Time{}
		if k.alert != nil && now.elapsed >= k.deadline {
			a.end(k, now.wall.UTC(), "")
		}
		return
	}
	if k.since.IsZero() {
		k.since, k.sinceRun = now.wall.UTC(), now.elapsed
		a.dirty = true
	}
	m := k.rule.measure
	if m.changed != 0 {
		k.deadline = now.elapsed + k.rule.policy.window
	}
	if k.alert != nil {
		a.goesOn(k, v, now)
		return
	}
	if now.elapsed-k.sinceRun >= m.hold {
		a.fireSample(k, v, k.since, now)
	}
}

// fireSample begins the alert of a key that has been so since then.
func (a *Alerts) fireSample(k *key, v *verdict, since time.Time, now *instant) {
	a.fire(k, &agent.Alert{
		ID:     alertID(k, now.snapshot, binary.BigEndian.AppendUint64(nil, uint64(since.UnixNano()))),
		Source: sampleSource(v.sample, now.snapshot), Labels: v.sample.Labels,
		Starts: since, Last: now.wall.UTC(), Seen: now.wall.UTC(),
		Condition: now.condition(k), Value: v.value, Labelled: k.rule.measure.labelled(), Around: because(nil, a.set.redacted(v.sample.Note)),
	})
}

// condition says what is so.
func (now *instant) condition(k *key) string {
	m := k.rule.measure
	if l := now.sayings[k]; l != nil && l.text != "" {
		return m.held(l.text)
	}
	return m.String()
}

// goesOn brings an alert to where its condition is now. That it goes on is told
// from time to time, for people ask when it was last so.
func (a *Alerts) goesOn(k *key, v *verdict, now *instant) {
	s, alert := v.sample, k.alert
	o := a.outbox[alert.ID]
	around := because(alert.Around, a.set.redacted(s.Note))
	condition := alert.Condition
	if now.sayings[k] != nil {
		condition = now.condition(k)
	}
	same := alert.Value == v.value && alert.Condition == condition && slices.Equal(alert.Labels, s.Labels) && slices.Equal(alert.Around, around)
	alert.Around, alert.Condition = around, condition
	alert.Value, alert.Labels, alert.Source, alert.Last = v.value, s.Labels, sampleSource(s, now.snapshot), now.wall.UTC()
	if !same || now.elapsed-o.handed >= goesOnAfter {
		a.changed(alert, false)
	}
}

func sampleLabel(s *agent.Sample, name string) string {
	for i := range s.Labels {
		if s.Labels[i].Name == name {
			return s.Labels[i].Value
		}
	}
	return ""
}

// seriesKey is what a series is counted by. Samplers are always kept apart: they
// know nothing of each other's values. What a rule waits for may come in any.
func seriesKey(r *rule, s *agent.Sample) []agent.Label {
	if r.policy.byLog {
		return slices.DeleteFunc(slices.Clone(s.Labels), func(l agent.Label) bool { return r.measure.judges(l.Name) })
	}
	labels := make([]agent.Label, 0, 1+len(r.policy.by))
	if t := sampleLabel(s, "target"); t != "" && len(r.policy.named) == 0 && !slices.ContainsFunc(r.policy.by, func(p keyPart) bool { return p.name == "target" }) {
		labels = append(labels, agent.Label{Name: "target", Value: t})
	}
	for _, p := range r.policy.by {
		labels = append(labels, agent.Label{Name: p.name, Value: sampleLabel(s, p.name)})
	}
	return labels
}

// sampleSource is what people call that which was measured: the container, the
// sampler's target, or a part of the agent.
func sampleSource(s *agent.Sample, snapshot string) string {
	for _, name := range []string{"name", "target", "output", "container", "source", "part"} {
		if v := sampleLabel(s, name); v != "" {
			return v
		}
	}
	return snapshot
}
