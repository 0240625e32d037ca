// Package report gathers what a week comes to: it adds up the agent's own
// samples, minute by minute, keeps that on the disk, and says what got worse
// since the week before. A week stands for any period that a Schedule has.
package report

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"
)

// A Period is what was measured from Start to End.
type Period struct {
	Start    time.Time     `json:"start"`
	End      time.Time     `json:"end,omitzero"` // zero while it goes on
	Observed time.Duration `json:"observed"`     // for how long the agent was there, in nanoseconds
	Begun    int           `json:"begun"`        // how often the agent was started in it

	// Series are by the metric, and then by the values of the labels that the
	// table keeps of it, joined by sep. What is too much is in one of the name
	// other.
	Series map[string]map[string]*Series `json:"series,omitempty"`
}

// A Series is one metric, of one or of several of the agent's series that differ
// in labels that do not matter here. Of these, the sums of one minute count.
type Series struct {
	Sum   float64   `json:"sum"` // of a counter by how much it has grown; else of all values
	N     uint64    `json:"n"`   // how often it was there
	First float64   `json:"first,omitempty"`
	Last  float64   `json:"last,omitempty"`
	Low   float64   `json:"low,omitempty"`
	High  float64   `json:"high,omitempty"`
	Turns uint64    `json:"turns,omitempty"` // how often it became another value
	Rises uint64    `json:"rises,omitempty"` // how often it left 0
	Falls uint64    `json:"falls,omitempty"` // how often it became 0
	Seen  time.Time `json:"seen"`            // when it was there last
}

// Mean is the mean of all values of a gauge.
func (s *Series) Mean() float64 {
	if s.N == 0 {
		return 0
	}
	return s.Sum / float64(s.N)
}

const (
	sep   = "\x1f"
	other = "(other)"
	// maxKept bounds the series of a metric in a period that is only compared with.
	maxKept = 200
)

// labels are the values that a series is kept by.
func labels(key string) []string { return strings.Split(key, sep) }

// of is the series of a metric, and none is an empty one.
func (p *Period) of(metric string) map[string]*Series {
	if p == nil {
		return nil
	}
	return p.Series[metric]
}

// sum adds up a metric's series, those that where wants; nil is all.
func (p *Period) sum(metric string, where func(labels []string) bool) (sum float64) {
	for key, s := range p.of(metric) {
		if where == nil || where(labels(key)) {
			sum += s.Sum
		}
	}
	return sum
}

// has reports whether the metric was measured.
func (p *Period) has(metric string) bool { return len(p.of(metric)) > 0 }

// length is from start to end; until now where it goes on.
func (p *Period) length(now time.Time) time.Duration {
	if p.End.IsZero() {
		return now.Sub(p.Start)
	}
	return p.End.Sub(p.Start)
}

// cut leaves of each metric only what has most: enough to compare with.
func (p *Period) cut() {
	for _, all := range p.Series {
		if len(all) <= maxKept {
			continue
		}
		keys := slices.SortedFunc(maps.Keys(all), func(a, b string) int {
			return cmp.Or(cmp.Compare(all[b].Sum, all[a].Sum), cmp.Compare(all[b].Turns, all[a].Turns), strings.Compare(a, b))
		})
		for _, k := range keys[maxKept:] {
			delete(all, k)
		}
	}
}
