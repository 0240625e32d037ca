package prometheus

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"

	"github.com/webgrip/logkeel/agent"
)

// overflow is the value of every label of a series that others were added to.
const overflow = "(other)"

// pieceSamples is how many samples are held together, so that what holds some
// thousands does not grow by copies of itself.
const pieceSamples = 128

// A page is all metrics at a moment, in Prometheus's text format. It is written
// from the samples as they are: what the usual library makes of each one first
// was a third of what the agent kept.
type page struct {
	max     int // series of one metric
	pieces  [][]agent.Sample
	samples []*agent.Sample
	out     *bufio.Writer
	buf     []byte
	order   [2][]int // of labels, of the series and the one before
	errs    []error  // what was left out: the first few
}

// maxSaid is how many things that are wrong are said of one page.
const maxSaid = 5

// writePage writes what meter yields, and then what of the runtime and the process is
// usual. The error says what was left out, or that it could not be written.
func writePage(w io.Writer, meter MeterFunc, usual prometheus.Gatherer, maxSeries int) error {
	p := &page{max: maxSeries, out: bufio.NewWriterSize(w, 8<<10)}
	meter(p.add)
	slices.SortStableFunc(p.samples, func(a, b *agent.Sample) int { return strings.Compare(a.Name, b.Name) })
	var overflows []agent.Sample
	for rest := p.samples; len(rest) > 0; {
		name := rest[0].Name
		n := 1
		for n < len(rest) && rest[n].Name == name {
			n++
		}
		if over := p.metric(rest[:n]); over > 0 {
			overflows = append(overflows, agent.Sample{
				Name:   "logkeel_metric_overflow_series",
				Help:   "Series beyond max_series that are one series (other) together.",
				Labels: []agent.Label{{Name: "metric", Value: name}}, Value: float64(over),
			})
		}
		rest = rest[n:]
	}
	if len(overflows) > 0 {
		list := make([]*agent.Sample, len(overflows))
		for i := range overflows {
			list[i] = &overflows[i]
		}
		p.metric(list)
	}
	families, err := usual.Gather()
	if err != nil {
		p.wrong("%w", err)
	}
	for _, f := range families {
		_, _ = expfmt.MetricFamilyToText(p.out, f)
	}
	if err := p.out.Flush(); err != nil {
		return err
	}
	return errors.Join(p.errs...)
}

// add keeps a sample until the page is written.
func (p *page) add(s agent.Sample) {
	last := len(p.pieces) - 1
	if last < 0 || len(p.pieces[last]) == pieceSamples {
		p.pieces = append(p.pieces, make([]agent.Sample, 0, pieceSamples))
		last++
	}
	p.pieces[last] = append(p.pieces[last], plain(s))
	p.samples = append(p.samples, &p.pieces[last][len(p.pieces[last])-1])
}

// wrong remembers what is left out.
func (p *page) wrong(format string, args ...any) {
	if len(p.errs) < maxSaid {
		p.errs = append(p.errs, fmt.Errorf(format, args...))
	}
}

// metric writes all series of one metric, those beyond max as one, and returns how
// many these were.
func (p *page) metric(series []*agent.Sample) (over int) {
	first := series[0]
	if !validName(first.Name, true) {
		p.wrong("%q is no name of a metric", first.Name)
		return 0
	}
	if len(series) > p.max {
		over = len(series) - p.max
		other := sum(series[p.max:])
		series = append(series[:p.max:p.max], &other)
	}
	slices.SortStableFunc(series, p.compare)
	p.head(first)
	for i, s := range series {
		switch {
		case s.Type != first.Type:
			p.wrong("%s: some of its series are of another type", s.Name)
		case i > 0 && p.compare(series[i-1], s) == 0:
			p.wrong("%s%s is there twice", s.Name, p.labels(nil, s.Labels, ""))
		case !p.named(s):
		default:
			p.series(s)
		}
	}
	return over
}

// sum adds up series: what they have in common are the names of the labels.
func sum(series []*agent.Sample) agent.Sample {
	all := *series[0]
	all.Value, all.Count = 0, 0
	all.Labels, all.Buckets = slices.Clone(all.Labels), slices.Clone(all.Buckets)
	for i := range all.Labels {
		all.Labels[i].Value = overflow
	}
	for i := range all.Buckets {
		all.Buckets[i].Count = 0
	}
	for _, s := range series {
		all.Value += s.Value
		all.Count += s.Count
		for i := range min(len(s.Buckets), len(all.Buckets)) {
			all.Buckets[i].Count += s.Buckets[i].Count
		}
	}
	return all
}

// sorted is the order of labels by name.
func sorted(labels []agent.Label, order []int) []int {
	order = order[:0]
	for i := range labels {
		order = append(order, i)
	}
	slices.SortFunc(order, func(a, b int) int { return strings.Compare(labels[a].Name, labels[b].Name) })
	return order
}

// compare orders series by their labels; equal ones are one series.
func (p *page) compare(a, b *agent.Sample) int {
	p.order[0], p.order[1] = sorted(a.Labels, p.order[0]), sorted(b.Labels, p.order[1])
	for i := range min(len(a.Labels), len(b.Labels)) {
		x, y := a.Labels[p.order[0][i]], b.Labels[p.order[1][i]]
		if c := cmp.Or(strings.Compare(x.Name, y.Name), strings.Compare(x.Value, y.Value)); c != 0 {
			return c
		}
	}
	return cmp.Compare(len(a.Labels), len(b.Labels))
}
