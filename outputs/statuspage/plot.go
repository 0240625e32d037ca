package statuspage

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// A plot is bars over the last hour, each a minute, stacked.
type plot struct {
	ID, Title string
	Now       string // what it is about at the moment, in words
	Top       string // of the axis
	From, To  string
	Says      string // the plot in a sentence, for who does not see it
	Bars      []bar
	Legend    []legend
	Empty     string // why there are no bars
}

type bar struct {
	Class      string
	X, Y, H, W string
	Title      string // of the whole minute; on one bar of it
}

type legend struct{ Class, Name, Value string }

// A layer is one part of a plot's stack.
type layer struct {
	class, name string
	values      []float64 // NaN where nothing was measured
}

const (
	plotWidth, plotHeight = 600, 120
	steps                 = 60
	barGap                = 2
)

// bars draws the layers, the first one at the bottom. The last step is not over.
func bars(layers []layer, start time.Time, step time.Duration, zone *time.Location, unit string) (all []bar, top float64) {
	sums := make([]float64, steps)
	for _, l := range layers {
		for i, v := range l.values {
			if v > 0 {
				sums[i] += v
				top = max(top, sums[i])
			}
		}
	}
	if top == 0 {
		return nil, 0
	}
	top = ceiling(top)
	const width = float64(plotWidth) / steps
	for i := range sums {
		y := float64(plotHeight)
		for _, l := range layers {
			v := l.values[i]
			if !(v > 0) {
				continue
			}
			h := max(1, v/top*plotHeight)
			y -= h
			b := bar{Class: l.class, X: num(float64(i) * width), Y: num(max(0, y)), H: num(h), W: num(width - barGap)}
			if i == steps-1 {
				b.Class += " now"
			}
			b.Title = start.Add(time.Duration(i)*step).In(zone).Format("15:04") + ": " + count(v) + " " + l.name
			if unit != "" {
				b.Title += " " + unit
			}
			all = append(all, b)
		}
	}
	return all, top
}

// ceiling is the next round number that is not less.
func ceiling(v float64) float64 {
	if v <= 10 {
		return max(1, math.Ceil(v))
	}
	p := math.Pow(10, math.Floor(math.Log10(v)))
	for _, n := range []float64{1, 1.5, 2, 3, 4, 5, 6, 8, 10} {
		if n*p >= v {
			return n * p
		}
	}
	return 10 * p
}

// num is a coordinate, short.
func num(v float64) string {
	return strconv.FormatFloat(math.Round(v*10)/10, 'f', -1, 64)
}

// A spark is a small line without an axis.
type spark struct {
	Path string // "" where there is nothing
	Dot  string // the last point's height
	Says string
}

const sparkWidth, sparkHeight = 120, 24

// sparkline draws the values from 0, or from their least where that is above half
// of the greatest.
func sparkline(values []float64, show func(float64) string) (s spark) {
	least, most, seen := math.Inf(1), math.Inf(-1), 0
	for _, v := range values {
		if !math.IsNaN(v) && !math.IsInf(v, 0) {
			least, most = min(least, v), max(most, v)
			seen++
		}
	}
	if seen == 0 {
		return s
	}
	s.Says = "between " + show(least) + " and " + show(most)
	if least >= 0 && least < most/2 || most == least {
		least = min(0, least)
	}
	if most == least {
		most = least + 1
	}
	width := float64(sparkWidth) / float64(max(1, len(values)-1))
	var b strings.Builder
	drawn, last := false, 0.0
	for i, v := range values {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			drawn = false
			continue
		}
		y := 2 + (1-(v-least)/(most-least))*(sparkHeight-4)
		x := float64(i) * width
		switch {
		case drawn:
			b.WriteByte('L')
		case i+1 < len(values) && !math.IsNaN(values[i+1]):
			b.WriteByte('M')
		default: // one point by itself is a dash
			b.WriteString("M" + num(max(0, x-1)) + " " + num(y) + "L")
		}
		b.WriteString(num(x) + " " + num(y))
		drawn, last = true, y
	}
	s.Path, s.Dot = b.String(), num(last)
	return s
}
