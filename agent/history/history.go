// Package history keeps what some of the agent's samples were within the last
// hour, in memory, for plots.
package history

import (
	"cmp"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/webgrip/logkeel/agent"
)

const (
	// Every is how often to observe.
	Every = 15 * time.Second
	// Span is how far back it goes.
	Span   = time.Hour
	points = int(Span / Every)
	sep    = "\x1f"
	// Other is the value of a series' labels that has what was too much for the
	// track.
	Other = "(other)"
)

// A Track is a metric of which the last hour is kept.
type Track struct {
	Name   string   // by which it is asked for; unique
	Metric string   // of the samples
	By     []string // the labels that are kept; samples that differ in others are added up
	// Growth keeps by how much a counter of this process has grown, instead of the
	// value.
	Growth bool
	Max    int // series; what comes beyond is added up as Other
}

// A Series is one of a track's.
type Series struct {
	Labels []string  // the values of By
	Points []float64 // the oldest first; NaN where there was none
}

// History keeps tracks. Its methods may be called at any time from any goroutine.
type History struct {
	tracks map[string][]*track // by metric
	byName map[string]*track

	mu    sync.Mutex
	n     int         // observations ever
	times []time.Time // a ring, as the series have
}

type track struct {
	Track
	series map[string]*series
}

type series struct {
	values [points]float32
	now    float64
	last   float64
	had    bool // in this observation
	seen   int  // the observation that had it last
	parted bool // it was added up as Other before, maybe
}

// New returns a History of nothing yet.
func New(tracks ...Track) *History {
	h := &History{tracks: map[string][]*track{}, byName: map[string]*track{}, times: make([]time.Time, points)}
	for _, t := range tracks {
		one := &track{Track: t, series: map[string]*series{}}
		h.tracks[t.Metric] = append(h.tracks[t.Metric], one)
		h.byName[t.Name] = one
	}
	return h
}

// Observe takes the samples that meter yields in, as they are at now. Counters
// count from the first call on.
func (h *History) Observe(now time.Time, meter func(yield func(agent.Sample))) {
	type found struct {
		t     *track
		key   string
		value float64
	}
	var all []found
	meter(func(s agent.Sample) { // which may take locks of its own
		for _, t := range h.tracks[s.Name] {
			all = append(all, found{t, t.key(s.Labels), s.Value})
		}
	})
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, f := range all {
		s := f.t.at(f.key)
		s.now += f.value
		s.had = true
	}
	h.times[h.n%points] = now
	for _, t := range h.byName {
		t.settle(h.n)
	}
	h.n++
}

// key is what a sample is kept by: the values of By.
func (t *track) key(labels []agent.Label) string {
	if len(t.By) == 0 {
		return ""
	}
	var b strings.Builder
	for i, name := range t.By {
		if i > 0 {
			b.WriteString(sep)
		}
		if at := slices.IndexFunc(labels, func(l agent.Label) bool { return l.Name == name }); at >= 0 {
			b.WriteString(strings.ReplaceAll(labels[at].Value, sep, " "))
		}
	}
	return b.String()
}

func (t *track) at(key string) *series {
	if s := t.series[key]; s != nil {
		return s
	}
	other := strings.TrimSuffix(strings.Repeat(Other+sep, max(1, len(t.By))), sep)
	_, parted := t.series[other]
	if len(t.series) >= t.Max {
		key, parted = other, false
		if s := t.series[key]; s != nil {
			return s
		}
	}
	s := &series{seen: -1, parted: parted}
	for i := range s.values {
		s.values[i] = float32(math.NaN())
	}
	t.series[key] = s
	return s
}

// settle writes the observation n into the rings, and forgets what was not there
// for as long as they go back.
func (t *track) settle(n int) {
	at := n % points
	for key, s := range t.series {
		switch {
		case !s.had && n-s.seen >= points:
			delete(t.series, key)
			continue
		case !s.had:
			s.values[at] = float32(math.NaN())
			continue
		case t.Growth && (n == 0 || s.parted):
			s.values[at], s.parted = 0, false
		case t.Growth:
			s.values[at] = float32(max(0, s.now-s.last))
		default:
			s.values[at] = float32(s.now)
		}
		s.last, s.now, s.had, s.seen = s.now, 0, false, n
	}
}

// Series are a track's, by their labels. There is none of a name that is unknown.
func (h *History) Series(name string) []Series {
	h.mu.Lock()
	defer h.mu.Unlock()
	t := h.byName[name]
	if t == nil {
		return nil
	}
	all := make([]Series, 0, len(t.series))
	for key, s := range t.series {
		one := Series{Labels: strings.Split(key, sep), Points: make([]float64, 0, points)}
		for i := max(0, h.n-points); i < h.n; i++ {
			one.Points = append(one.Points, float64(s.values[i%points]))
		}
		all = append(all, one)
	}
	slices.SortFunc(all, func(a, b Series) int { return slices.CompareFunc(a.Labels, b.Labels, cmp.Compare[string]) })
	return all
}

// Times are when the points were, the oldest first.
func (h *History) Times() []time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := make([]time.Time, 0, points)
	for i := max(0, h.n-points); i < h.n; i++ {
		all = append(all, h.times[i%points])
	}
	return all
}

// Reset forgets all that was observed.
func (h *History) Reset() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.n = 0
	for _, t := range h.byName {
		clear(t.series)
	}
}

// A Step says how Steps makes one value of several points.
type Step func(sum float64, n int) float64

// Sum and Mean are Steps.
func Sum(sum float64, _ int) float64  { return sum }
func Mean(sum float64, n int) float64 { return sum / float64(n) }

// Steps makes n values of the points at times, each of a step of the wall clock
// (as a full minute), of which the last one holds end. Where there is no point
// the value is NaN.
func Steps(times []time.Time, points []float64, end time.Time, step time.Duration, n int, of Step) []float64 {
	start := end.Truncate(step).Add(-time.Duration(n-1) * step)
	values, counts := make([]float64, n), make([]int, n)
	for i := range min(len(times), len(points)) {
		if times[i].Before(start) || math.IsNaN(points[i]) {
			continue
		}
		if at := int(times[i].Sub(start) / step); at < n {
			values[at] += points[i]
			counts[at]++
		}
	}
	for i, c := range counts {
		if c == 0 {
			values[i] = math.NaN()
		} else {
			values[i] = of(values[i], c)
		}
	}
	return values
}
