package ruletest

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/conf"
	"github.com/webgrip/logkeel/rules"
	"github.com/webgrip/logkeel/rules/replay"
)

const (
	// settle is for how long a test goes on after its last input: no alert takes
	// longer to be over.
	settle = 50 * time.Hour
	// precision is how far times may be from what was expected: alerts are looked
	// after once a second.
	precision = time.Second
)

// begin is when tests begin.
func begin() time.Time { return time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC) }

// A story is a test that runs.
type story struct {
	set     *rules.Set
	replay  *replay.Replay
	sources map[string]*agent.Source
	end     int64 // of the last line
	found   map[string]int
	alerts  []*seen
	byID    map[string]*seen
}

// A seen is an alert that came.
type seen struct {
	agent.Alert
	over time.Time // zero: it fires at the end of the test
	used bool
}

// An event is one line or one sample.
type event struct {
	at    time.Duration
	input *rules.TestInput
}

// throughTime judges a test's input.
func throughTime(set *rules.Set, t *rules.Test) ([]Failure, error) {
	s := &story{set: set, sources: map[string]*agent.Source{}, found: map[string]int{}, byID: map[string]*seen{}}
	var err error
	s.replay, err = replay.New(replay.Options{Set: set, Began: s.began, Ended: s.ended})
	if err != nil {
		return nil, err
	}
	list := events(t.Input)
	for len(list) > 0 {
		n := 1
		if in := list[0].input; in.Sample == "" {
			s.line(t, list[0])
		} else {
			for n < len(list) && list[n].at == list[0].at && list[n].input.Sample == in.Sample {
				n++
			}
			s.sample(list[:n])
		}
		list = list[n:]
	}
	s.replay.Run(begin().Add(lastOf(t) + time.Second)) // what does not come is waited for
	s.replay.Settle(settle)
	return append(s.checkFindings(t), s.checkAlerts(t)...), nil
}

// lastOf is the last time of which the test says something.
func lastOf(t *rules.Test) (last time.Duration) {
	for i := range t.Expect.Alerts {
		for _, at := range []*conf.Duration{t.Expect.Alerts[i].At, t.Expect.Alerts[i].Ends} {
			if at != nil {
				last = max(last, time.Duration(*at))
			}
		}
	}
	return last
}

// events are the inputs, repeated, in the order of their times.
func events(inputs []rules.TestInput) (list []event) {
	at := time.Duration(0)
	for i := range inputs {
		in := &inputs[i]
		if in.At != nil {
			at = time.Duration(*in.At)
		}
		for n := range in.Repeat {
			if n > 0 {
				at += time.Duration(in.Every)
			}
			list = append(list, event{at, in})
		}
	}
	slices.SortStableFunc(list, func(a, b event) int { return cmp.Compare(a.at, b.at) })
	return list
}

func (s *story) line(t *rules.Test, e event) {
	src := rules.NewSource(labelsOf(t, e.input))
	if known := s.sources[src.ID]; known != nil {
		src = known
	}
	s.sources[src.ID] = src
	text := trim(e.input.Line)
	s.end += int64(len(text)) + 1
	stream := agent.Stdout
	if e.input.Stream == "stderr" {
		stream = agent.Stderr
	}
	b := &agent.Batch{
		Source: src, Buf: []byte(text), Pos: agent.Position{Epoch: 1, Offset: s.end},
		Records: []agent.Record{{Time: begin().Add(e.at).UnixNano(), End: s.end, Body: agent.Span{End: int32(len(text))}, Stream: stream}},
	}
	s.set.Match(b)
	for _, f := range b.Findings {
		s.found[f.Rule.Name]++
	}
	s.replay.Records(b)
}

func (s *story) sample(list []event) {
	samples := []agent.Sample{}
	for _, e := range list {
		value, ok := e.input.Number()
		if !ok {
			continue
		}
		var labels []agent.Label
		for _, name := range slices.Sorted(maps.Keys(e.input.Labels)) {
			labels = append(labels, agent.Label{Name: name, Value: e.input.Labels[name]})
		}
		samples = append(samples, agent.Sample{Name: e.input.Sample, Labels: labels, Value: value})
	}
	s.replay.Samples(begin().Add(list[0].at), list[0].input.Sample, samples)
}

func (s *story) began(a agent.Alert) {
	n := &seen{Alert: a}
	s.alerts = append(s.alerts, n)
	s.byID[a.ID] = n
}

func (s *story) ended(at time.Time, a agent.Alert) {
	if n := s.byID[a.ID]; n != nil {
		n.Alert, n.over = a, at
	}
}

func (s *story) checkFindings(t *rules.Test) (failures []Failure) {
	want := t.Expect.Findings
	if want == nil {
		return nil
	}
	names := slices.Collect(maps.Keys(want))
	for name := range s.found {
		if _, ok := want[name]; !ok {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		if s.found[name] == want[name] {
			continue
		}
		field := "expect.findings"
		if _, ok := want[name]; ok {
			field += "." + name
		}
		failures = append(failures, Failure{field, fmt.Sprintf("%s: %s", name, times(want[name])), fmt.Sprintf("%s: %s", name, times(s.found[name])) + s.whyNone(t, name)})
	}
	return failures
}

// whyNone says why the rule found nothing in the input that comes nearest to it;
// "" where it found something.
func (s *story) whyNone(t *rules.Test, name string) (why string) {
	rule := ruleOf(s.set, name)
	if s.found[name] > 0 || !s.set.OnLines(rule) {
		return ""
	}
	for i := range t.Input {
		in := &t.Input[i]
		if in.Sample != "" {
			continue
		}
		v := s.set.Explain(rules.NewSource(labelsOf(t, in)), trim(in.Line), rule)
		if v.Near || why == "" {
			why = fmt.Sprintf("; %s, in %q", v.Why, shorten(v.Line))
		}
		if v.Near {
			break
		}
	}
	return why
}

// labelsOf are those of the log that the line is in.
func labelsOf(t *rules.Test, in *rules.TestInput) map[string]string {
	if in.Source != nil {
		return in.Source
	}
	return t.Source
}

func times(n int) string {
	if n == 1 {
		return "1 finding"
	}
	return fmt.Sprintf("%d findings", n)
}

func (s *story) checkAlerts(t *rules.Test) (failures []Failure) {
	if !t.AsksAlerts() {
		return nil
	}
	slices.SortStableFunc(s.alerts, func(a, b *seen) int {
		return cmp.Or(a.Seen.Compare(b.Seen), cmp.Compare(a.Rule.Name, b.Rule.Name), cmp.Compare(a.ID, b.ID))
	})
	var missing []int
	for i := range t.Expect.Alerts {
		if !s.take(func(a *seen) bool { return a.is(&t.Expect.Alerts[i]) }) {
			missing = append(missing, i)
		}
	}
	for _, i := range missing {
		want := &t.Expect.Alerts[i]
		f := Failure{Field: fmt.Sprintf("expect.alerts[%d]", i), Want: describe(want), Got: "no such alert" + s.whyNone(t, want.Rule)}
		s.take(func(a *seen) bool {
			if a.Rule.Name != want.Rule {
				return false
			}
			f.Got = a.describe(want)
			return true
		})
		failures = append(failures, f)
	}
	for _, a := range s.alerts {
		if !a.used {
			failures = append(failures, Failure{"expect.alerts", "no other alert", a.describe(nil)})
		}
	}
	return failures
}

// take uses the first alert for which ok holds, once.
func (s *story) take(ok func(*seen) bool) bool {
	for _, a := range s.alerts {
		if !a.used && ok(a) {
			a.used = true
			return true
		}
	}
	return false
}

// is reports whether the alert is as it has to be.
func (a *seen) is(want *rules.TestAlert) bool {
	if a.Rule.Name != want.Rule || !near(want.At, a.Seen) || !near(want.Ends, a.over) || want.Count != nil && uint64(*want.Count) != a.Count {
		return false
	}
	for name, value := range want.Key {
		if a.key(name) != value {
			return false
		}
	}
	return true
}

func (a *seen) key(name string) string {
	for _, l := range a.Key {
		if l.Name == name {
			return l.Value
		}
	}
	return ""
}

func near(want *conf.Duration, got time.Time) bool {
	return want == nil || !got.IsZero() && (got.Sub(begin())-time.Duration(*want)).Abs() < precision
}

// describe says what has to be.
func describe(want *rules.TestAlert) string {
	parts := []string{want.Rule}
	if want.At != nil {
		parts = append(parts, "at "+want.At.String())
	}
	if want.Ends != nil {
		parts = append(parts, "ends "+want.Ends.String())
	}
	if want.Count != nil {
		parts = append(parts, fmt.Sprint("count ", *want.Count))
	}
	for _, name := range slices.Sorted(maps.Keys(want.Key)) {
		parts = append(parts, fmt.Sprintf("%s %q", name, want.Key[name]))
	}
	return strings.Join(parts, ", ")
}

// describe says what is, as far as it was asked for; all where want is nil.
func (a *seen) describe(want *rules.TestAlert) string {
	parts := []string{a.Rule.Name}
	if want == nil || want.At != nil {
		parts = append(parts, "at "+since(a.Seen))
	}
	switch {
	case want != nil && want.Ends == nil:
	case a.over.IsZero():
		parts = append(parts, "does not end")
	default:
		parts = append(parts, "ends "+since(a.over))
	}
	if (want == nil || want.Count != nil) && a.Condition == "" {
		parts = append(parts, fmt.Sprint("count ", a.Count))
	}
	if want == nil {
		for _, l := range a.Key {
			parts = append(parts, fmt.Sprintf("%s %q", l.Name, l.Value))
		}
		return strings.Join(parts, ", ")
	}
	for _, name := range slices.Sorted(maps.Keys(want.Key)) {
		parts = append(parts, fmt.Sprintf("%s %q", name, a.key(name)))
	}
	return strings.Join(parts, ", ")
}

func since(t time.Time) string { return conf.Duration(t.Sub(begin())).String() }
