package rules

import (
	"bytes"
	"slices"
	"sort"
	"strings"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/printable"
)

// A metric is what rules make of what they find, for Prometheus. Several rules
// may add to one.
type metric struct {
	name, help string
	kind       agent.SampleType
	buckets    []float64 // ascending, of a histogram
	labels     []string  // names, as they are exported, ascending
	max        int       // sets of labels
	index      int       // in the set
}

// same reports whether what was counted of one goes on in the other.
func (m *metric) same(o *metric) bool {
	return m.name == o.name && m.kind == o.kind && slices.Equal(m.buckets, o.buckets) && slices.Equal(m.labels, o.labels) && m.max == o.max
}

// A metricUse is what one rule adds to a metric.
type metricUse struct {
	metric *metric
	value  string    // the named group with the value; "": 1 for each finding
	labels []keyPart // by index in metric.labels
}

// captures reports whether it needs what groups found.
func (u *metricUse) captures() bool {
	return u != nil && (u.value != "" || slices.ContainsFunc(u.labels, func(p keyPart) bool { return p.group }))
}

// An observation is what one finding adds.
type observation struct {
	start, end int // of the labels' values, in groupedKeys.values
	value      float64
	ok         bool // there is a value
}

// observe notes what the finding adds.
func (g *groupedKeys) observe(u *metricUse, src *agent.Source, found *submatch) {
	o := observation{start: len(g.values), value: 1, ok: true}
	for _, p := range u.labels {
		start := len(g.values)
		if p.group {
			g.values = append(g.values, printable.Line(string(shorten(found.group(p.name))))...)
		} else {
			g.values = append(g.values, logLabel(src, p.name)...)
		}
		for i := range g.values[start:] {
			if g.values[start+i] == 0 { // it ends a value
				g.values[start+i] = ' '
			}
		}
		g.values = append(g.values, 0)
	}
	if o.end = len(g.values); u.value != "" {
		text := found.group(u.value)
		if o.ok = len(text) <= maxNumber; o.ok {
			o.value, _, o.ok = parseQuantity(string(bytes.TrimSpace(text)))
		}
	}
	g.observed = append(g.observed, o)
}

// A family is a metric with what was counted.
type family struct {
	*metric
	series  map[string]*metricSeries // by the labels' values
	skipped uint64                   // findings without a value
	over    uint64                   // findings beyond max
}

type metricSeries struct {
	labels []agent.Label
	value  float64 // the sum, of a histogram
	counts []uint64
	count  uint64
}

func newFamily(m *metric) *family { return &family{metric: m, series: map[string]*metricSeries{}} }

// observe adds what findings of a batch have to. The caller holds mu.
func (a *Alerts) observe(findings []agent.Finding, g *groupedKeys) {
	if len(g.observed) == 0 {
		return
	}
	i := 0
	for n := range findings {
		r := &a.set.rules[findings[n].Rule.Index]
		if r.metric == nil {
			continue
		}
		o := &g.observed[i]
		i++
		f := a.metrics[r.metric.metric.index]
		if !o.ok || f.kind == agent.Counter && o.value < 0 {
			f.skipped++
			continue
		}
		s := f.series[string(g.values[o.start:o.end])]
		if s == nil {
			s = a.newSeries(f, string(g.values[o.start:o.end]), r)
		}
		s.add(f, o.value)
	}
}

func (a *Alerts) newSeries(f *family, text string, r *rule) *metricSeries {
	if len(f.series) >= f.max {
		if f.over++; f.over == 1 {
			a.log.Warn("a metric has more sets of labels than are kept apart; further ones are one series, "+otherKey,
				"metric", f.name, "max_series", f.max, "rule", r.rule.Name, "file", r.rule.File, "line", r.rule.Line)
		}
		text = strings.Repeat(otherKey+"\x00", len(f.labels))
		if s := f.series[text]; s != nil {
			return s
		}
	}
	s := &metricSeries{counts: make([]uint64, len(f.buckets))}
	values := strings.Split(text, "\x00")
	for i, name := range f.labels {
		s.labels = append(s.labels, agent.Label{Name: name, Value: values[i]})
	}
	f.series[text] = s
	return s
}

func (s *metricSeries) add(f *family, v float64) {
	switch f.kind {
	case agent.Gauge:
		s.value = v
		return
	case agent.Histogram:
		if i := sort.SearchFloat64s(f.buckets, v); i < len(s.counts) {
			s.counts[i]++
		}
		s.count++
	}
	s.value += v
}

// succeedMetrics takes over what was counted of metrics that are as they were.
func (a *Alerts) succeedMetrics(before *Alerts) {
	for _, f := range a.metrics {
		for _, was := range before.metrics {
			if f.same(was.metric) {
				f.series, f.skipped, f.over = was.series, was.skipped, was.over
			}
		}
	}
}

// samples are all metrics as they are now. The caller holds mu.
func (a *Alerts) samples() (all []agent.Sample) {
	for _, f := range a.metrics {
		for _, s := range f.series {
			sample := agent.Sample{Name: f.name, Help: f.help, Type: f.kind, Labels: s.labels, Value: s.value}
			if f.kind == agent.Histogram {
				sample.Count = s.count
				n := uint64(0)
				for i, upper := range f.buckets {
					n += s.counts[i]
					sample.Buckets = append(sample.Buckets, agent.Bucket{Upper: upper, Count: n})
				}
			}
			all = append(all, sample)
		}
		label := []agent.Label{{Name: "metric", Value: f.name}}
		all = append(all,
			agent.Sample{Name: "logkeel_rule_metric_skipped_total", Help: "Findings that add nothing to a rule's metric, for they have no number.", Type: agent.Counter, Labels: label, Value: float64(f.skipped)},
			agent.Sample{Name: "logkeel_rule_metric_overflow_total", Help: "Findings beyond max_series of a rule's metric, which are one series.", Type: agent.Counter, Labels: label, Value: float64(f.over)})
	}
	return all
}
