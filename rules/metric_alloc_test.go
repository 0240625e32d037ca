//go:build !race

// The race detector makes a sync.Pool forget what it holds.

package rules

import (
	"testing"

	"github.com/webgrip/logkeel/agent"
)

// A metric without groups allocates nothing, and one with groups what the search takes.
func TestMetricsAllocateNothing(t *testing.T) {
	for rule, most := range map[string]float64{
		`match: error, alert: false, metric: {name: x_total, counter: true, labels: [service]}`:                  0,
		`match: 'error (?P<n>\d+)', alert: false, metric: {name: x, histogram: n, labels: [service]}`:            1000,
		`match: 'error (?P<n>\d+)', by: [n], metric: {name: x, histogram: n, labels: [service]}, severity: info`: 1010,
	} {
		b := newBench(t, rulesOf(t, rule)...)
		batch := &agent.Batch{Source: sourceNamed("app")}
		for range 1000 {
			appendRecord(batch, "error 12")
		}
		b.set.Match(batch)
		n := testing.AllocsPerRun(20, func() {
			batch.Pos = agent.Position{Epoch: 1, Offset: batch.Pos.Offset + 1}
			b.Records(batch, 0)
		})
		if n > most {
			t.Errorf("%s: %v allocations for 1000 findings, want %v", rule, n, most)
		}
	}
}
