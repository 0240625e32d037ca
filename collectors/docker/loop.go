package docker

import "time"

const (
	// loopStarts in loopWindow are a start loop. The engine waits ever longer between
	// two tries, a minute at most, and begins anew with one that ran for ten seconds.
	loopStarts = 3
	loopWindow = 10 * time.Minute
)

// A loop remembers when a container's restart policy last started it.
type loop struct {
	restarts int
	at       [loopStarts]time.Time // ascending; zero before the first ones
}

// next is the loop after a reading at now; known is whether there was an earlier
// one.
func (l loop) next(restarts int, known bool, now time.Time) loop {
	switch {
	case !known:
		return loop{restarts: restarts}
	case restarts < l.restarts: // started by hand
		l = loop{}
	}
	for range min(restarts-l.restarts, loopStarts) {
		copy(l.at[:], l.at[1:])
		l.at[loopStarts-1] = now
	}
	l.restarts = restarts
	return l
}

// turning reports whether the container starts and ends, again and again.
func (l *loop) turning(s *state, now time.Time) bool {
	return (s.running || s.status == restarting) && !l.at[0].IsZero() && now.Sub(l.at[0]) <= loopWindow
}
