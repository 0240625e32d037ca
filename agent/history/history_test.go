package history

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/webgrip/logkeel/agent"
)

var start = time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)

// of yields samples of the metric m, each as label and value.
func of(values map[string]float64) func(func(agent.Sample)) {
	return func(yield func(agent.Sample)) {
		for name, v := range values {
			yield(agent.Sample{Name: "m", Value: v, Labels: []agent.Label{{Name: "at", Value: name}, {Name: "more", Value: name + "!"}}})
			yield(agent.Sample{Name: "unknown", Value: v})
		}
	}
}

func same(a, b []float64) bool {
	return slices.EqualFunc(a, b, func(x, y float64) bool { return x == y || math.IsNaN(x) && math.IsNaN(y) })
}

func TestGrowth(t *testing.T) {
	h := New(Track{Name: "g", Metric: "m", By: []string{"at"}, Growth: true, Max: 10})
	nan := math.NaN()
	for i, values := range []map[string]float64{{"a": 100}, {"a": 103, "b": 7}, {"a": 103}, {"a": 1, "b": 9}, {"a": 4}} {
		h.Observe(start.Add(time.Duration(i)*Every), of(values))
	}
	want := map[string][]float64{"a": {0, 3, 0, 0, 3}, "b": {nan, 7, nan, 2, nan}}
	all := h.Series("g")
	if len(all) != len(want) {
		t.Errorf("%d series", len(all))
	}
	for _, s := range all {
		if !same(s.Points, want[s.Labels[0]]) {
			t.Errorf("%s: %v, want %v", s.Labels[0], s.Points, want[s.Labels[0]])
		}
	}
	if h.Series("nothing") != nil {
		t.Error("an unknown track has series")
	}
	h.Reset()
	if len(h.Series("g"))+len(h.Times()) != 0 {
		t.Error("something is left")
	}
	h.Observe(start, of(map[string]float64{"a": 50}))
	if got := h.Series("g")[0].Points; !same(got, []float64{0}) {
		t.Errorf("begun anew: %v", got)
	}
}

// What was added up as Other, and gets a series of its own once there is room, has
// not grown by all that it ever counted.
func TestGrowthPartsFromOther(t *testing.T) {
	h := New(Track{Name: "g", Metric: "m", By: []string{"at"}, Growth: true, Max: 2})
	h.Observe(start, of(map[string]float64{"a": 1, "c": 1}))
	for i := range points + 2 {
		h.Observe(start.Add(time.Duration(i+1)*Every), of(map[string]float64{"b": 500 + float64(i)}))
	}
	for _, s := range h.Series("g") {
		if s.Labels[0] == "b" && !same(s.Points[points-2:], []float64{0, 1}) {
			t.Errorf("%s: %v", s.Labels[0], s.Points[points-2:])
		}
	}
	if !slices.ContainsFunc(h.Series("g"), func(s Series) bool { return s.Labels[0] == "b" }) {
		t.Error("b has no series of its own")
	}
}

func TestValuesAreAddedUp(t *testing.T) {
	h := New(Track{Name: "all", Metric: "m", Max: 10}, Track{Name: "apart", Metric: "m", By: []string{"at", "none"}, Max: 10})
	h.Observe(start, of(map[string]float64{"a": 1.5, "b": 2}))
	if got := h.Series("all"); len(got) != 1 || !same(got[0].Points, []float64{3.5}) {
		t.Errorf("all: %v", got)
	}
	if got := h.Series("apart"); len(got) != 2 || !slices.Equal(got[0].Labels, []string{"a", ""}) {
		t.Errorf("apart: %v", got)
	}
}

// What is kept does not grow, whatever the number of series and of observations.
func TestBounds(t *testing.T) {
	h := New(Track{Name: "g", Metric: "m", By: []string{"at", "more"}, Max: 5})
	many := map[string]float64{}
	for i := range 50 {
		many[fmt.Sprint("s", i)] = 1
	}
	h.Observe(start, of(many))
	all := h.Series("g")
	if len(all) != 6 {
		t.Fatalf("%d series", len(all))
	}
	if i := slices.IndexFunc(all, func(s Series) bool { return slices.Equal(s.Labels, []string{Other, Other}) }); i < 0 || !same(all[i].Points, []float64{45}) {
		t.Errorf("what is too much: %v", all)
	}
	for i := range 1000 {
		h.Observe(start.Add(time.Duration(i+1)*Every), of(map[string]float64{"new": float64(i)}))
	}
	all = h.Series("g")
	if len(all) != 1 || len(all[0].Points) != points || len(h.Times()) != points {
		t.Fatalf("%d series", len(all))
	}
	if first, last := all[0].Points[0], all[0].Points[points-1]; first != float64(1000-points) || last != 999 {
		t.Errorf("from %v to %v", first, last)
	}
	if got := h.Times(); !got[points-1].Equal(start.Add(1000*Every)) || !got[0].Equal(got[points-1].Add(-time.Duration(points-1)*Every)) {
		t.Errorf("from %v to %v", got[0], got[points-1])
	}
}

func TestSteps(t *testing.T) {
	at := func(s ...int) (all []time.Time) {
		for _, n := range s {
			all = append(all, start.Add(time.Duration(n)*time.Second))
		}
		return all
	}
	nan := math.NaN()
	for _, tt := range []struct {
		what   string
		times  []time.Time
		points []float64
		of     Step
		want   []float64
	}{
		{"nothing", nil, nil, Sum, []float64{nan, nan, nan}},
		{"sums", at(0, 15, 59, 60, 130), []float64{1, 2, 4, 8, 16}, Sum, []float64{7, 8, 16}},
		{"means", at(0, 15, 60), []float64{1, 3, 8}, Mean, []float64{2, 8, nan}},
		{"gaps", at(0, 60, 61, 120), []float64{nan, nan, 5, 0}, Sum, []float64{nan, 5, 0}},
		{"before and after", at(-1, 0, 179, 180, 4000), []float64{1, 2, 4, 8, 16}, Sum, []float64{2, nan, 4}},
	} {
		if got := Steps(tt.times, tt.points, start.Add(150*time.Second), time.Minute, 3, tt.of); !same(got, tt.want) {
			t.Errorf("%s: %v, want %v", tt.what, got, tt.want)
		}
	}
}

func TestEnded(t *testing.T) {
	var a Alerts
	one := func(i int) agent.Alert {
		return agent.Alert{ID: fmt.Sprint(i), Starts: start, Ended: start.Add(time.Duration(i) * time.Second), First: []agent.Line{{Text: "secret"}}}
	}
	a.Take([]agent.Alert{{ID: "fires", Starts: start}, one(2), one(1)})
	a.Take([]agent.Alert{one(2)})
	got := a.Ended()
	if len(got) != 2 || got[0].ID != "2" || got[1].ID != "1" || got[0].First != nil {
		t.Errorf("%+v", got)
	}
	for i := range 1000 {
		a.Take([]agent.Alert{one(i + 10)})
	}
	if got := a.Ended(); len(got) != maxEnded || got[0].ID != "1009" {
		t.Errorf("%d are kept, the newest %s", len(got), got[0].ID)
	}
}
