package rules

import (
	"slices"
	"time"

	"github.com/webgrip/logkeel/agent"
)

// timelineSteps is into how many steps an alert's time is divided at most.
const timelineSteps = 60

// timelineWidths are the steps that people read easily. Each is a multiple of the
// one before it, so that steps become longer by adding up whole ones.
var timelineWidths = [...]time.Duration{
	time.Second, 5 * time.Second, 10 * time.Second, 30 * time.Second, time.Minute, 5 * time.Minute,
	10 * time.Minute, 30 * time.Minute, time.Hour, 6 * time.Hour, 24 * time.Hour,
}

// widerThan is the step that follows; beyond a day it is twice as long each time.
func widerThan(step time.Duration) time.Duration {
	for _, w := range timelineWidths {
		if w > step {
			return w
		}
	}
	return 2 * step
}

// timelineTime is t within bounds in which times may be added and divided.
func timelineTime(t int64) int64 { return min(max(t, 0), 1<<62) }

// beginTimeline returns a timeline with what made an alert of the key, findings until t.
func (a *Alerts) beginTimeline(k *key, t, now int64) *agent.Timeline {
	line := &agent.Timeline{Step: timelineWidths[0], Counts: make([]uint64, 0, timelineSteps)}
	if p := &k.rule.policy; p.spike > 0 {
		c := k.surge.tallyFor(t, now, p)
		_, first := c.sum(a.surgedSince(k, c), c.newest)
		for s := first; first > 0 && s <= c.newest; s++ {
			if n := *c.slot(s); n > 0 {
				addTo(line, min(s*p.step(), now), uint64(n))
			}
		}
		return line
	}
	for _, t := range k.timesFor(t, now).times() {
		addTo(line, min(t, now), 1)
	}
	return line
}

// A spot is a step of an alert's timeline: most findings are in that of the one
// before them.
type spot struct {
	from, to int64
	count    *uint64
}

// mark puts a finding at t into the timeline of the key's alert.
func (k *key) mark(t int64) {
	if t >= k.spot.from && t < k.spot.to {
		*k.spot.count++
		return
	}
	line := k.alert.Timeline
	if line == nil { // an older logkeel began it
		return
	}
	at := addTo(line, t, 1)
	from := line.Start.UnixNano() + int64(at)*int64(line.Step)
	k.spot = spot{from, from + int64(line.Step), &line.Counts[at]}
}

// addTo counts n findings at t, the first of which begins the timeline. What is
// before that is in its first step. at is the step.
func addTo(line *agent.Timeline, t int64, n uint64) (at int) {
	t = timelineTime(t)
	if len(line.Counts) == 0 {
		line.Start = dataTime(t - t%int64(line.Step))
	}
	start := line.Start.UnixNano()
	for t >= start && (t-start)/int64(line.Step) >= timelineSteps {
		widen(line)
		start = line.Start.UnixNano()
	}
	at = int(max(0, t-start) / int64(line.Step))
	for len(line.Counts) <= at {
		line.Counts = append(line.Counts, 0)
	}
	line.Counts[at] += n
	return at
}

// widen makes the steps longer. They begin where such steps do on the clock.
func widen(line *agent.Timeline) {
	step := widerThan(line.Step)
	was := line.Start.UnixNano()
	start := was - was%int64(step)
	last := 0
	for i, n := range line.Counts {
		line.Counts[i] = 0
		last = int((was + int64(i)*int64(line.Step) - start) / int64(step))
		line.Counts[last] += n
	}
	line.Start, line.Step, line.Counts = dataTime(start), step, line.Counts[:min(len(line.Counts), last+1)]
}

// restoredTimeline is line with room for more; nil where it is none that could have
// been written.
func restoredTimeline(line *agent.Timeline, count uint64) *agent.Timeline {
	if line == nil || len(line.Counts) == 0 || len(line.Counts) > timelineSteps || !isWidth(line.Step) {
		return nil
	}
	sum := uint64(0)
	for _, n := range line.Counts {
		sum += n
	}
	if start := line.Start.UnixNano(); sum != count || start != timelineTime(start) {
		return nil
	}
	line.Counts = append(make([]uint64, 0, timelineSteps), line.Counts...)
	return line
}

func isWidth(step time.Duration) bool {
	w := timelineWidths[0]
	for w < step && w < 1<<58 {
		w = widerThan(w)
	}
	return w == step
}

// copyOf is the alert as it is now, of which nothing changes any more.
func copyOf(alert *agent.Alert) agent.Alert {
	c := *alert
	if c.Timeline != nil {
		line := *c.Timeline
		line.Counts = slices.Clone(line.Counts)
		c.Timeline = &line
	}
	return c
}
