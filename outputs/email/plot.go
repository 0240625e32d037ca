package email

import (
	"math"
	"strconv"
	"time"

	"github.com/webgrip/logkeel/agent"
)

// A plotView is how often something was found over time.
type plotView struct {
	Title    string
	From, To string
	Text     string // a sign for each step, as high as it is
	Color    string // of the bars
	Width    int    // of a bar, in pixels
	Bars     []int  // their heights in pixels; nil: Text is to do
}

const (
	maxCounts   = 1000                // that are looked at; an alert has 60
	longestStep = 31 * 24 * time.Hour // with these, times can be computed

	maxSteps  = 60
	barHeight = 32  // of the highest, in pixels
	barsWidth = 280 // of all together: a phone has 320
)

// levels are what a step looks like in text, by its height. Nothing is told
// from little.
var levels = []rune("▁▂▃▄▅▆▇█")

const empty = '·'

// plot is nil where there is nothing to compare.
func (r *renderer) plot(t *agent.Timeline, color string, bars bool) *plotView {
	if t == nil || len(t.Counts) < 2 || t.Step <= 0 || t.Step > longestStep {
		return nil
	}
	counts, step := squeezed(t.Counts[:min(len(t.Counts), maxCounts)], t.Step)
	highest := uint64(0)
	for _, n := range counts {
		highest = max(highest, n)
	}
	if highest == 0 {
		return nil
	}
	v := &plotView{
		Title: "Over time, at most " + strconv.FormatUint(highest, 10) + " in " + step.String(),
		Color: color, Width: max(2, min(12, barsWidth/len(counts)-1)),
	}
	v.From, v.To = r.ends(t.Start, t.Start.Add(time.Duration(len(counts))*step), step)
	text := make([]rune, len(counts))
	for i, n := range counts {
		share := float64(n) / float64(highest)
		text[i] = empty
		if n > 0 {
			text[i] = levels[max(0, int(math.Ceil(share*float64(len(levels))))-1)]
		}
		if bars {
			height := 0
			if n > 0 {
				height = max(2, int(math.Round(share*barHeight)))
			}
			v.Bars = append(v.Bars, height)
		}
	}
	v.Text = string(text)
	return v
}

// ends are the times at which a plot begins and ends, as short as they can be.
func (r *renderer) ends(from, to time.Time, step time.Duration) (string, string) {
	from, to = from.In(r.zone), to.In(r.zone)
	form := "15:04:05"
	if step%time.Minute == 0 {
		form = "15:04"
	}
	if from.Format(time.DateOnly) != to.Format(time.DateOnly) {
		form = "01-02 " + form
	}
	return from.Format(form), to.Format(form)
}

// squeezed adds up neighbours until there are at most maxSteps.
func squeezed(counts []uint64, step time.Duration) ([]uint64, time.Duration) {
	for len(counts) > maxSteps {
		half := make([]uint64, (len(counts)+1)/2)
		for i, n := range counts {
			half[i/2] = added(half[i/2], n)
		}
		counts, step = half, 2*step
	}
	return counts, step
}

// added does not begin anew.
func added(a, b uint64) uint64 {
	if a > math.MaxUint64-b {
		return math.MaxUint64
	}
	return a + b
}

// exactly is a count as 12345x.
func exactly(n uint64) string { return strconv.FormatUint(n, 10) + "x" }

// times is a count as 37x, short where it is large.
func times(n uint64) string {
	switch {
	case n < 10_000:
		return exactly(n)
	case n < 1_000_000:
		return strconv.FormatUint(n/1000, 10) + "kx"
	}
	return strconv.FormatFloat(math.Floor(float64(n)/1e5)/10, 'f', -1, 64) + "Mx"
}
