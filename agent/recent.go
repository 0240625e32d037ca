package agent

import "time"

const (
	// recentFor is how long a mean is told after the last execution in it: long
	// enough for what runs every minute or two, and short of what a nightly job
	// does once.
	recentFor = 2 * time.Minute
	maxRecent = 4096
)

// RecentMeans are how long executions took of late, of things that are counted
// together with the seconds that all of their executions took, as statements are. A
// mean since the counting began would tell for months of what is over.
type RecentMeans struct {
	began bool
	known map[string]recentMean
}

type recentMean struct {
	n, seconds float64 // since the counting began
	mean       float64
	at         time.Time // of the snapshot that saw an execution last
	seen       time.Time // of the last snapshot that had it
}

// Begin is called before each snapshot. Of the first one nobody knows what is recent.
func (r *RecentMeans) Begin(now time.Time) {
	if r.began = r.known != nil; !r.began {
		r.known = map[string]recentMean{}
	}
	if len(r.known) <= maxRecent {
		return
	}
	for key, m := range r.known {
		if now.Sub(m.seen) > recentFor {
			delete(r.known, key)
		}
	}
	if len(r.known) > maxRecent {
		clear(r.known)
	}
}

// Mean takes what was counted of key up to now. It returns the mean seconds of what
// was executed since the snapshot before, for two minutes after that, and then 0.
func (r *RecentMeans) Mean(key string, n, seconds float64, now time.Time) float64 {
	m, ok := r.known[key]
	if n < m.n || seconds < m.seconds { // the server began anew
		m.n, m.seconds = 0, 0
	}
	if since := n - m.n; since > 0 && (ok || r.began) {
		m.mean, m.at = (seconds-m.seconds)/since, now
	}
	m.n, m.seconds, m.seen = n, seconds, now
	r.known[key] = m
	if m.at.IsZero() || now.Sub(m.at) > recentFor {
		return 0
	}
	return m.mean
}
