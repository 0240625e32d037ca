//go:build !race

package rules

import (
	"testing"
	"time"

	"github.com/webgrip/logkeel/agent"
)

// Rules that ask for labels, or for what is missing, cost others nothing; and a
// snapshot in which all is as it was costs little.
func TestSnapshotsAllocateLittle(t *testing.T) {
	for rule, most := range map[string]float64{
		`sample: other, changed: [user]`:               0,
		`sample: other, absent: 10m`:                   1,
		`sample: info, above: 5`:                       609, // as before there were any
		`sample: info, expected: {user: www-data}`:     609,
		`sample: info, changed: [user], by: [name]`:    830,
		`sample: info, absent: 10m, by: [name]`:        520,
		`sample: info, absent: 10m, source: {name: x}`: 4,
	} {
		b := newBench(t, rulesOf(t, rule)...)
		b.outputs, b.around = nil, nil
		var all []agent.Sample
		for range 100 {
			all = append(all, infoOf(string(rune('a'+len(all))), "www-data"))
		}
		n := testing.AllocsPerRun(20, func() {
			b.elapsed += 15 * time.Second
			b.Samples("docker/engine", all)
		})
		if n > most {
			t.Errorf("%s: %v allocations for 100 series, want %v", rule, n, most)
		}
	}
}
