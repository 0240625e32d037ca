package rules

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/webgrip/logkeel/agent"
)

// sumOf is what the timeline's counts add up to. It wants them as promised.
func sumOf(t *testing.T, line *agent.Timeline) (sum uint64) {
	t.Helper()
	if line == nil || len(line.Counts) == 0 || len(line.Counts) > timelineSteps || line.Start.UnixNano()%int64(line.Step) != 0 {
		t.Fatalf("%+v", line)
	}
	for _, n := range line.Counts {
		sum += n
	}
	return sum
}

func TestTimelineSteps(t *testing.T) {
	for _, c := range []struct {
		after time.Duration // of the last of two findings
		step  time.Duration
		at    int
	}{
		{0, time.Second, 0},
		{59 * time.Second, time.Second, 59},
		{time.Minute, 5 * time.Second, 12},
		{5 * time.Minute, 10 * time.Second, 30},
		{10 * time.Minute, 30 * time.Second, 20},
		{59 * time.Minute, time.Minute, 59},
		{time.Hour, 5 * time.Minute, 12},
		{5 * time.Hour, 10 * time.Minute, 30},
		{24 * time.Hour, 30 * time.Minute, 48},
		{2 * 24 * time.Hour, time.Hour, 48},
		{14 * 24 * time.Hour, 6 * time.Hour, 56},
		{50 * 24 * time.Hour, 24 * time.Hour, 50},
		{100 * 24 * time.Hour, 48 * time.Hour, 50},
	} {
		line := &agent.Timeline{Step: time.Second}
		addTo(line, noon.UnixNano(), 1)
		addTo(line, noon.Add(c.after).UnixNano(), 2)
		sum := sumOf(t, line)
		if line.Step != c.step || sum != 3 || len(line.Counts) != c.at+1 || line.Counts[c.at] < 2 || line.Start.After(noon) || noon.Sub(line.Start) >= line.Step {
			t.Errorf("%v later: %+v, want steps of %v and the last one in step %d", c.after, line, c.step, c.at)
		}
	}
}

// Whatever comes, each finding is in the step of its time, or in the first one
// where it is older; and nothing is lost.
func TestTimelineOfAnyTimes(t *testing.T) {
	for seed := range uint64(200) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		line := &agent.Timeline{Step: time.Second}
		var all []int64
		at := noon.UnixNano()
		for range rnd.IntN(300) + 1 {
			switch rnd.IntN(40) {
			case 0:
				at += rnd.Int64N(int64(40 * 24 * time.Hour))
			case 1:
				at -= rnd.Int64N(int64(26 * time.Hour))
			case 2:
				at = []int64{math.MinInt64, -1, 0, math.MaxInt64, noon.UnixNano()}[rnd.IntN(5)]
			default:
				at += rnd.Int64N(int64(time.Minute))
			}
			at = min(max(at, math.MinInt64/2), math.MaxInt64/2)
			addTo(line, at, 1)
			all = append(all, at)
		}
		if got := sumOf(t, line); got != uint64(len(all)) {
			t.Fatalf("seed %d: %d of %d are counted", seed, got, len(all))
		}
		want := make([]uint64, len(line.Counts))
		for _, at := range all {
			want[max(0, timelineTime(at)-line.Start.UnixNano())/int64(line.Step)]++
		}
		// An older one that was put into the first step goes where that went.
		if first := timelineTime(all[0]); slices.Min(all) >= first && !slices.Equal(line.Counts, want) {
			t.Errorf("seed %d: %v, want %v", seed, line.Counts, want)
		}
	}
}

func TestTimelineOfAnAlert(t *testing.T) {
	b := newBench(t, ruleOn("Error", times(3, 10*time.Minute)))
	for _, after := range []time.Duration{0, 2, 2, 0} {
		b.pass(after * time.Second)
		b.log("app", b.wall, "error")
	}
	b.tick()
	a := b.told.one(t)
	if l := a.Timeline; l == nil || l.Step != time.Second || !l.Start.Equal(noon) || !slices.Equal(l.Counts, []uint64{1, 0, 1, 0, 2}) {
		t.Fatalf("it began: %+v", a.Timeline)
	}
	b.pass(calm)
	b.start() // what was counted is in the file
	b.pass(85 * time.Second)
	b.log("app", b.wall, "error", "error")
	b.log("app", b.wall.Add(24*time.Hour), "of a clock that is wrong: error")
	b.log("app", noon.Add(-time.Hour), "late: error")
	b.pass(calm)
	was := a.Timeline
	a = b.told.one(t)
	if l := a.Timeline; a.Count != 8 || sumOf(t, l) != 8 || l.Step != 5*time.Second || !l.Start.Equal(noon) || l.Counts[0] != 5 || l.Counts[18] != 3 || len(l.Counts) != 19 {
		t.Errorf("%d findings: %+v", a.Count, a.Timeline)
	}
	if !slices.Equal(was.Counts, []uint64{1, 0, 1, 0, 2}) {
		t.Errorf("what was handed on before has changed: %v", was.Counts)
	}
	b.wall = b.wall.Add(-26 * time.Hour)
	b.log("app", b.wall, "error")
	b.pass(15 * time.Minute)
	if a = b.told.one(t); a.Firing() || a.Count != 9 || sumOf(t, a.Timeline) != 9 || a.Timeline.Counts[0] != 6 {
		t.Errorf("the clock was put back: %d findings, %+v", a.Count, a.Timeline)
	}
}

// A rule with spike knows the steps of its window.
func TestTimelineOfASpike(t *testing.T) {
	b := newBench(t, ruleOn("Error", policy{threshold: 20, window: 10 * time.Minute, spike: 3, byLog: true}))
	b.pass(11 * time.Minute)
	for i := range 12 {
		b.log("app", b.wall, slices.Repeat([]string{"error"}, i)...)
		b.pass(20 * time.Second)
	}
	a := b.told.one(t)
	if a.Count != 66 || sumOf(t, a.Timeline) != a.Count || len(a.Timeline.Counts) < 10 {
		t.Errorf("%d findings: %+v", a.Count, a.Timeline)
	}
}

// What no logkeel has written is not believed.
func TestTimelinesOfAFileThatIsWrong(t *testing.T) {
	for i, line := range []*agent.Timeline{
		nil,
		{},
		{Start: noon, Step: 0, Counts: []uint64{5}},
		{Start: noon, Step: -time.Second, Counts: []uint64{5}},
		{Start: noon, Step: 7 * time.Second, Counts: []uint64{5}},
		{Start: noon, Step: math.MaxInt64, Counts: []uint64{5}},
		{Start: noon, Step: time.Second, Counts: []uint64{5, 1}},
		{Start: noon, Step: time.Second, Counts: append(make([]uint64, timelineSteps), 5)},
		{Start: noon.AddDate(-100, 0, 0), Step: time.Second, Counts: []uint64{5}},
	} {
		if got := restoredTimeline(line, 5); got != nil {
			t.Errorf("%d: %+v is taken up", i, got)
		}
	}
	for _, step := range []time.Duration{time.Second, time.Hour, 24 * time.Hour, 16 * 24 * time.Hour} {
		if got := restoredTimeline(&agent.Timeline{Start: noon, Step: step, Counts: []uint64{2, 3}}, 5); got == nil || fmt.Sprint(got.Counts) != "[2 3]" || cap(got.Counts) < timelineSteps {
			t.Errorf("%v: %+v", step, got)
		}
	}
}
