package agent

import (
	"fmt"
	"testing"
	"time"
)

func TestRecentMeans(t *testing.T) {
	var r RecentMeans
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for i, step := range []struct {
		after      time.Duration
		n, seconds float64
		want       float64
	}{
		{0, 1000, 5000, 0}, // whenever that was
		{15 * time.Second, 1000, 5000, 0},
		{15 * time.Second, 1002, 5001, 0.5}, // two of half a second, whatever those before took
		{15 * time.Second, 1002, 5001, 0.5},
		{105 * time.Second, 1002, 5001, 0.5},
		{time.Second, 1002, 5001, 0}, // it is over
		{15 * time.Second, 1003, 5004, 3},
		{15 * time.Second, 4, 8, 2}, // the server was restarted
		{15 * time.Second, 5, 8.5, 0.5},
	} {
		now = now.Add(step.after)
		r.Begin(now)
		if got := r.Mean("a", step.n, step.seconds, now); got != step.want {
			t.Errorf("%d: %v, want %v", i, got, step.want)
		}
	}
	// One that nobody has seen before was executed just now.
	r.Begin(now)
	if got := r.Mean("b", 1, 1.5, now); got != 1.5 {
		t.Errorf("a new one: %v", got)
	}
	for i := range 3 * maxRecent {
		if now = now.Add(time.Second); i%20 == 0 {
			r.Begin(now)
		}
		r.Mean(fmt.Sprint(i), 1, 1, now)
		if len(r.known) > maxRecent+20 {
			t.Fatalf("%d are kept", len(r.known))
		}
	}
	// A clock that jumps back holds nothing for longer than it may.
	now = now.Add(-24 * time.Hour)
	r.Begin(now)
	r.Mean("c", 1, 1, now)
	if got := r.Mean("c", 1, 1, now.Add(3*time.Minute)); got != 0 {
		t.Errorf("after a jump: %v", got)
	}
}
