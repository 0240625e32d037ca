package rules

import (
	"math"
	"slices"
	"time"
)

const (
	// ringSteps is into how many parts a ring divides its time.
	ringSteps = 48
	// maxPoints bounds what a ring keeps, and savedPoints what of it is in the file.
	maxPoints   = 64
	savedPoints = 16
)

// A point is what a series was at a time.
type point struct {
	at    time.Duration // by Elapsed
	value float64
}

// A ring is the newest values of a series, ascending: one about as old as the
// window, and some since. Those of a counter are summed up, so that one
// that begins anew at 0 goes on.
type ring struct {
	points []point
	last   float64 // the newest value as it was measured
}

// add notes a value. What is closer to others than it has to be replaces the
// newest.
func (r *ring) add(at, window time.Duration, v float64, counter bool) {
	n := len(r.points)
	if n == 0 {
		r.points, r.last = append(r.points, point{at, v}), v
		return
	}
	sum := v
	if counter {
		step := v - r.last
		if step < 0 {
			step = v // it began anew
		}
		sum = r.points[n-1].value + step
	}
	r.last = v
	if p := (point{at, sum}); n > 1 && at-r.points[n-2].at < window/ringSteps {
		r.points[n-1] = p
	} else {
		r.points = append(r.points, p)
	}
	for len(r.points) > 2 && (at-r.points[1].at >= window || len(r.points) > maxPoints) {
		r.points = slices.Delete(r.points, 0, 1)
	}
}

// over is the difference over the window, and over how long exactly. ok is false
// while that is not covered: gap is how far snapshots are apart.
func (r *ring) over(window, gap time.Duration) (d float64, span time.Duration, ok bool) {
	if len(r.points) < 2 {
		return 0, 0, false
	}
	first, last := r.points[0], r.points[len(r.points)-1]
	span = last.at - first.at
	if span < window || span > window+window/8+gap+gap/2 {
		return 0, 0, false
	}
	d = last.value - first.value
	return d, span, !math.IsInf(d, 0)
}

// A savedPoint is how old a point was when the file was written, in
// milliseconds, and its value.
type savedPoint [2]float64

// save thins the ring out for the file.
func (r *ring) save(elapsed time.Duration) []savedPoint {
	if r == nil {
		return nil
	}
	n := len(r.points)
	every := (n + savedPoints - 1) / savedPoints
	var saved []savedPoint
	for i, p := range r.points {
		if i%max(1, every) == 0 || i == n-1 {
			saved = append(saved, savedPoint{float64((elapsed - p.at).Milliseconds()), p.value})
		}
	}
	return saved
}

// restoreRing takes up what was saved so long ago. last is what was measured last.
func restoreRing(saved []savedPoint, ago, elapsed time.Duration, last float64) *ring {
	r := &ring{last: last}
	for _, p := range saved[:min(len(saved), maxPoints)] {
		at := elapsed - ago - time.Duration(p[0])*time.Millisecond
		if n := len(r.points); n > 0 && at <= r.points[n-1].at {
			return nil
		}
		r.points = append(r.points, point{at, p[1]})
	}
	if len(r.points) == 0 || ago < 0 {
		return nil
	}
	return r
}

// overTime reports whether the rule compares what a sample changed by.
func (m *measure) overTime() bool { return m.rate > 0 || m.delta > 0 }

// change is what the series changed by, by rate for each second. ok is false
// while that is not known.
func (m *measure) change(s *series, v float64, p *pace, now *instant) (float64, bool) {
	window := max(m.rate, m.delta)
	if s.ring == nil || s.jumps != p.jumps { // what was in between is not known
		s.ring = &ring{}
	}
	s.jumps = p.jumps
	s.ring.add(now.elapsed, window, v, m.rate > 0)
	d, span, ok := s.ring.over(window, p.gap)
	if m.rate > 0 {
		d /= span.Seconds()
	}
	return d, ok
}
