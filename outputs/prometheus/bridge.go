package prometheus

import (
	"slices"
	"sort"
	"strings"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/webgrip/logkeel/agent"
)

// overflow is the value of every label of a series that others were added to.
const overflow = "(other)"

// A bridge makes Prometheus's metrics of the agent's samples, at each scrape.
type bridge struct {
	meter MeterFunc
	max   int

	mu    sync.Mutex
	descs map[string]*prometheus.Desc // by the names of the metric and its labels
	key   []byte
}

// maxDescs bounds the memory of descs: some names come from servers.
const maxDescs = 20_000

// Describe describes nothing: the series are known when they are collected.
func (b *bridge) Describe(chan<- *prometheus.Desc) {}

// A rest is what exceeded a metric's series, added up.
type rest struct {
	first agent.Sample
	sum   float64
	n     int
}

// Collect yields all samples. A metric with more series than max gives the
// further ones as one.
func (b *bridge) Collect(out chan<- prometheus.Metric) {
	count := map[string]int{}
	rests := map[string]*rest{}
	b.meter(func(s agent.Sample) {
		if count[s.Name]++; count[s.Name] <= b.max {
			out <- b.metric(s, s.Value, false)
			return
		}
		r := rests[s.Name]
		if r == nil {
			r = &rest{first: s}
			r.first.Buckets, r.first.Count = slices.Clone(s.Buckets), 0
			for i := range r.first.Buckets {
				r.first.Buckets[i].Count = 0
			}
			rests[s.Name] = r
		}
		r.first.Count += s.Count
		for i := range min(len(s.Buckets), len(r.first.Buckets)) {
			r.first.Buckets[i].Count += s.Buckets[i].Count
		}
		r.sum += s.Value
		r.n++
	})
	names := make([]string, 0, len(rests))
	for name := range rests {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		r := rests[name]
		out <- b.metric(r.first, r.sum, true)
		out <- b.metric(agent.Sample{
			Name:   "logkeel_metric_overflow_series",
			Help:   "Series beyond max_series that are one series (other) together.",
			Labels: []agent.Label{{Name: "metric", Value: name}},
		}, float64(r.n), false)
	}
}

func (b *bridge) metric(s agent.Sample, value float64, other bool) prometheus.Metric {
	kind := prometheus.GaugeValue
	if s.Type == agent.Counter {
		kind = prometheus.CounterValue
	}
	values := make([]string, len(s.Labels))
	for i, l := range s.Labels {
		// labels come from outside: container names, file paths
		values[i] = strings.ToValidUTF8(l.Value, "\uFFFD")
		if other {
			values[i] = overflow
		}
	}
	var m prometheus.Metric
	var err error
	if s.Type == agent.Histogram {
		buckets := make(map[float64]uint64, len(s.Buckets))
		for _, k := range s.Buckets {
			buckets[k.Upper] = k.Count
		}
		m, err = prometheus.NewConstHistogram(b.desc(s), s.Count, value, buckets, values...)
	} else {
		m, err = prometheus.NewConstMetric(b.desc(s), kind, value, values...)
	}
	if err != nil {
		return prometheus.NewInvalidMetric(b.desc(s), err)
	}
	return m
}

func (b *bridge) desc(s agent.Sample) *prometheus.Desc {
	b.mu.Lock()
	defer b.mu.Unlock()
	k := b.key[:0]
	k = append(k, s.Name...)
	for _, l := range s.Labels { // the spools of collectors and those of outputs differ in them
		k = append(append(k, 0), l.Name...)
	}
	b.key = k
	d := b.descs[string(k)]
	if d == nil {
		names := make([]string, len(s.Labels))
		for i, l := range s.Labels {
			names[i] = l.Name
		}
		if len(b.descs) >= maxDescs {
			clear(b.descs)
		}
		d = prometheus.NewDesc(s.Name, s.Help, names, nil)
		b.descs[string(k)] = d
	}
	return d
}
