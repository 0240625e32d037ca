package rules

import "time"

// A Clock gives two times: one for people and data, and one that never jumps.
type Clock struct {
	Wall    func() time.Time
	Elapsed func() time.Duration // since some start
}

func machineClock() Clock {
	start := time.Now()
	return Clock{
		Wall:    func() time.Time { return time.Now().Round(0) },
		Elapsed: func() time.Duration { return time.Since(start) },
	}
}
