package rules

import (
	"strings"
	"testing"
	"time"

	"github.com/webgrip/logkeel/agent"
)

// errors logs n of them, evenly over d.
func (b *bench) errors(source string, n int, d time.Duration) {
	for range n {
		b.pass(d / time.Duration(n))
		b.log(source, b.wall, "error")
	}
}

const spikeRule = `match: error, spike: 3, window: 5m, threshold: 10`

func TestASpike(t *testing.T) {
	b := newBench(t, rulesOf(t, spikeRule)...)
	b.errors("app", 30, 5*time.Minute) // nothing is known of before
	b.errors("app", 50, 5*time.Minute)
	b.errors("app", 100, 5*time.Minute)
	if len(b.told.byID) != 0 {
		t.Fatalf("three times as much in no five minutes, and fired: %+v", b.told.list())
	}
	b.errors("app", 75, 15*time.Minute)
	b.start()
	b.errors("app", 45, 45*time.Second)
	b.tick()
	if len(b.told.byID) != 0 {
		t.Fatalf("fired too early: %+v", b.told.list())
	}
	b.errors("app", 15, 15*time.Second)
	b.tick()
	a := b.told.one(t)
	if since := b.wall.Sub(a.Starts); !a.Firing() || since < 3*time.Minute || since > 5*time.Minute+10*time.Second || a.Count < 75 {
		t.Fatalf("%+v", a)
	}
	// What lasts is what is usual, after a while.
	b.errors("app", 600, 20*time.Minute)
	if a = b.told.one(t); a.Firing() {
		t.Errorf("%+v", a)
	}
}

func TestASpikeOfWhatThereWasNot(t *testing.T) {
	b := newBench(t, rulesOf(t, spikeRule)...)
	b.pass(4 * time.Minute)
	b.errors("app", 12, 10*time.Second)
	b.pass(5 * time.Minute)
	if len(b.told.byID) != 0 {
		t.Fatalf("judged before a whole window was watched: %+v", b.told.list())
	}
	b.pass(10 * time.Minute)
	b.errors("app", 9, time.Minute)
	b.tick()
	if len(b.told.byID) != 0 {
		t.Fatalf("below the threshold: %+v", b.told.list())
	}
	b.errors("app", 1, time.Second)
	b.tick()
	if a := b.told.one(t); a.Count != 10 {
		t.Errorf("%+v", a)
	}
}

// What was logged before anybody watched is not judged; what was logged while the
// agent was away is, by its own time.
func TestSpikesInOldLines(t *testing.T) {
	b := newBench(t, rulesOf(t, spikeRule)...)
	write := func(ago time.Duration) {
		for range 30 {
			b.written["app"] = append(b.written["app"], agent.Line{Time: b.wall.Add(-ago), Text: "error"})
		}
		b.read("app")
		b.pass(2 * time.Second)
	}
	write(24 * time.Hour)
	if len(b.told.byID) != 0 {
		t.Fatalf("%+v", b.told.list())
	}
	b.flush(t.Context(), true)
	b.wall = b.wall.Add(40 * time.Minute)
	b.start()
	write(20 * time.Minute)
	if a := b.told.one(t); a.Count != 30 || a.Starts.After(a.Last) {
		t.Errorf("%+v", a)
	}
}

// A log that is hours behind has a tally of its own; a clock that is set hides nothing for long.
func TestSpikesAndTimes(t *testing.T) {
	b := newBench(t, rulesOf(t, spikeRule+", by: []")...)
	b.errors("app", 40, 20*time.Minute)
	for range 12 {
		b.log("old", b.wall.Add(-15*time.Minute), "error") // two windows ago
	}
	b.errors("app", 10, 5*time.Minute)
	c := &b.Alerts.rules[0].keys[""].surge.now
	if n, _ := c.sum(0, c.newest); n > 31 {
		t.Errorf("%d are counted", n)
	}
	b.wall = b.wall.Add(-26 * time.Hour)
	b.errors("app", 30, 15*time.Minute)
	b.errors("app", 60, time.Minute)
	b.tick()
	if got := b.told.list(); len(got) == 0 {
		t.Error("nothing fires after the clock was set back")
	}
}

func TestAnotherWindowBeginsAnew(t *testing.T) {
	b := newBench(t, rulesOf(t, spikeRule)...)
	b.errors("app", 60, 20*time.Minute)
	b.rules = rulesOf(t, strings.Replace(spikeRule, "5m", "2m", 1))
	b.start()
	b.errors("app", 30, time.Minute)
	b.tick()
	if len(b.told.byID) != 0 {
		t.Fatalf("%+v", b.told.list())
	}
}

func TestTally(t *testing.T) {
	var c tally
	for i := range int64(500) {
		c.add(1000 + i)
		if n, first := c.sum(c.newest-spikeSteps, c.newest); n != uint64(min(i+1, spikeSteps)) || first != max(1000, c.newest-spikeSteps+1) {
			t.Fatalf("%d: %d since %d", i, n, first)
		}
	}
	c.add(c.newest - 90)
	if n, _ := c.sum(c.newest-2*spikeSteps, c.newest-spikeSteps); n != spikeSteps+1 {
		t.Errorf("a late one: %d", n)
	}
	var d tally
	if !d.restore(c.save(7), 7) || d != c {
		t.Errorf("%+v, want %+v", d, c)
	}
	if d.restore(c.save(7), 8) {
		t.Error("of other steps")
	}
}
