package rules

import (
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/webgrip/logkeel/agent"
)

// climb measures every 15 s for d, with what at says of the time since.
func (b *bench) climb(d time.Duration, at func(time.Duration) float64) {
	for t := time.Duration(0); t < d; t += 15 * time.Second {
		b.measure(15*time.Second, value("x", at(t), "target", "main"))
	}
}

func TestRateOfACounter(t *testing.T) {
	b := newBench(t, rulesOf(t, `sample: x, rate: 1m, above: 2`)...)
	n := 1e6
	step := func(by float64) func(time.Duration) float64 {
		return func(time.Duration) float64 { n += by; return n }
	}
	b.climb(time.Minute, step(45)) // 3 a second, not yet for a minute
	if len(b.told.byID) != 0 {
		t.Fatalf("fired before the minute was over: %+v", b.told.list())
	}
	b.climb(15*time.Second, step(45))
	a := b.told.one(t)
	if !a.Firing() || a.Value != 3 || a.Condition != "rate(x[1m]) > 2" {
		t.Fatalf("%+v", a)
	}
	n = -15 // it began anew, and goes on
	b.climb(2*time.Minute, step(60))
	if a = b.told.one(t); !a.Firing() || a.Value != 4 {
		t.Fatalf("through a reset: %+v", a)
	}
	b.climb(time.Minute, step(15))
	if a = b.told.one(t); a.Firing() {
		t.Errorf("%+v", a)
	}
}

func TestDeltaOfAGauge(t *testing.T) {
	b := newBench(t, rulesOf(t, `sample: x, delta: 1h, above: 5GiB`, `sample: x, delta: 10m, below: -1GiB`)...)
	const gib = 1 << 30
	b.climb(time.Hour, func(d time.Duration) float64 { return 100*gib + d.Hours()*6*gib })
	if len(b.told.byID) != 0 {
		t.Fatalf("%+v", b.told.list())
	}
	b.climb(time.Minute, func(d time.Duration) float64 { return 106*gib + d.Hours()*6*gib })
	if a := b.told.one(t); a.Rule.Name != "R0" || math.Abs(a.Value/gib-6) > 0.2 || a.Condition != "delta(x[1h]) > 5368709120" {
		t.Fatalf("%+v", a)
	}
	for _, s := range b.Alerts.rules[0].series {
		if n := len(s.ring.points); n > maxPoints || n < ringSteps/2 {
			t.Errorf("%d points are kept", n)
		}
	}
	b.climb(time.Minute, func(time.Duration) float64 { return 90 * gib })
	if list := b.told.list(); len(list) != 2 || list[0].Firing() || list[1].Rule.Name != "R1" {
		t.Errorf("%+v", list)
	}
}

// A restart goes on with the window; a file stays small.
func TestRateThroughAKill(t *testing.T) {
	b := newBench(t, rulesOf(t, `sample: x, rate: 10m, above: 2`)...)
	n := 0.0
	step := func(time.Duration) float64 { n += 45; return n }
	b.climb(8*time.Minute, step)
	text, err := os.ReadFile(filepath.Join(b.dir, stateName))
	if err != nil || len(text) > 2000 {
		t.Errorf("%d bytes, %v: %s", len(text), err, text)
	}
	b.start()
	b.climb(90*time.Second, step)
	if len(b.told.byID) != 0 {
		t.Fatalf("%+v", b.told.list())
	}
	b.climb(90*time.Second, step)
	if a := b.told.one(t); a.Value != 3 {
		t.Fatalf("%+v", a)
	}
	b.wall = b.wall.Add(time.Hour) // nobody measured
	b.start()
	b.climb(9*time.Minute, func(time.Duration) float64 { return n })
	if a := b.told.one(t); !a.Firing() {
		t.Fatalf("what is not known ended it: %+v", a)
	}
	b.climb(2*time.Minute, func(time.Duration) float64 { return n })
	if a := b.told.one(t); a.Firing() {
		t.Errorf("%+v", a)
	}
}

// After a clock was set, or the machine slept, nobody knows over which time it rose.
func TestRateAndClocks(t *testing.T) {
	for _, jump := range []time.Duration{-time.Hour, 8 * time.Hour} {
		b := newBench(t, rulesOf(t, `sample: x, rate: 1m, above: 2`)...)
		n := 0.0
		b.climb(5*time.Minute, func(time.Duration) float64 { n += 15; return n })
		b.wall = b.wall.Add(jump)
		n += 1e6
		b.climb(5*time.Minute, func(time.Duration) float64 { n += 15; return n })
		if len(b.told.byID) != 0 {
			t.Errorf("%v: %+v", jump, b.told.list())
		}
	}
}

// A window that is shorter than snapshots are apart is that long.
func TestRateOfASnapshotThatIsRare(t *testing.T) {
	b := newBench(t, rulesOf(t, `sample: x, rate: 1m, above: 2`)...)
	for i := range 4 {
		b.Samples("mysql/main", []agent.Sample{value("x", float64(i)*900, "target", "main")})
		b.pass(5 * time.Minute)
	}
	if a := b.told.one(t); a.Value != 3 {
		t.Errorf("%+v", a)
	}
}
