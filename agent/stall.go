package agent

import (
	"sync"
	"time"
)

// A Stall measures for how long somebody who has something to do gets nowhere. It
// knows only what it sees when it is looked at, so that work costs nothing more.
// The zero value is ready.
type Stall struct {
	mu    sync.Mutex
	done  uint64
	since time.Time // zero: it got on, or has nothing to do
}

// Look says for how long nothing was done, as far as that was seen; 0 where there
// is nothing to do. done is how much was ever done.
func (s *Stall) Look(busy bool, done uint64) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch now := time.Now(); {
	case !busy:
		s.since = time.Time{}
	case s.since.IsZero() || done != s.done:
		s.since = now
	default:
		return now.Sub(s.since)
	}
	s.done = done
	return 0
}

// Stalled says for how long an output did not bring away what it has. kind is
// what that is, records or alerts, or heartbeat.
func Stalled(output, kind string, d time.Duration, why string) Sample {
	if d <= 0 {
		why = ""
	}
	return Sample{
		Name: "logkeel_output_stalled_seconds", Help: "For how long the output could bring away nothing of what it has; 0 where it can, or has nothing.",
		Labels: []Label{{"output", output}, {"kind", kind}}, Value: d.Seconds(), Note: why,
	}
}
