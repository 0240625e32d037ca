package rules

import "time"

const (
	// spikeSteps is into how many steps a window is divided where findings are
	// counted over two of them.
	spikeSteps = 60
	maxSpike   = 1000
)

// A tally counts findings by step: those of the newest two windows.
type tally struct {
	newest int64 // step, from 1970 on; 0: there is none
	n      [2*spikeSteps + 1]uint32
}

func (c *tally) slot(step int64) *uint32 { return &c.n[step%int64(len(c.n))] }

// add counts a finding. One that is older than what is kept begins anew.
func (c *tally) add(step int64) {
	switch {
	case c.newest == 0 || step > c.newest+2*spikeSteps || step < c.newest-2*spikeSteps:
		*c = tally{newest: step}
	default:
		for c.newest < step {
			c.newest++
			*c.slot(c.newest) = 0
		}
	}
	*c.slot(step)++
}

// sum is how many there were in the steps after from up to to, and the first step
// with any.
func (c *tally) sum(from, to int64) (n uint64, first int64) {
	for s := to; s > max(from, c.newest-int64(len(c.n))); s-- {
		if v := *c.slot(s); v > 0 {
			n += uint64(v)
			first = s
		}
	}
	return n, first
}

// A surge is what a key of a rule with spike has counted.
type surge struct {
	now    tally
	behind tally // of logs that are far behind the others
}

func (p *policy) step() int64 { return int64(p.window) / spikeSteps }

// remembers is how many numbers a key of the rule takes.
func (p *policy) remembers() int {
	if p.spike > 0 {
		return len(tally{}.n)
	}
	return max(1, p.threshold)
}

// counted counts a finding at t, and reports whether there are enough; n were
// counted, since oldest.
func (a *Alerts) counted(k *key, t, now int64) (holds bool, oldest int64, n uint64) {
	p := &k.rule.policy
	if p.spike > 0 {
		return a.surges(k, t, now)
	}
	times := k.timesFor(t, now)
	holds = times.add(t, p.threshold, p.window)
	return holds, times.oldest(), uint64(times.len())
}

// surges is counted for a rule with spike. The window before has to have been
// watched as a whole. So in the first time after that the newer one is shorter.
func (a *Alerts) surges(k *key, t, now int64) (holds bool, oldest int64, n uint64) {
	p, rs := &k.rule.policy, &a.rules[k.rule.rule.Index]
	if rs.watched > now { // the clock was put back
		rs.watched = now
	}
	if k.surge == nil {
		k.surge = &surge{}
	}
	c := k.surge.tallyFor(t, now, p)
	c.add(t / p.step())
	since := a.surgedSince(k, c)
	if since >= c.newest {
		return false, t, 0
	}
	n, first := c.sum(since, c.newest)
	before, _ := c.sum(since-spikeSteps, since)
	holds = n >= uint64(p.threshold) && float64(n) >= p.spike*float64(before)
	return holds, min(first*p.step(), t), n
}

// tallyFor is the one in which a finding at t counts.
func (s *surge) tallyFor(t, now int64, p *policy) *tally {
	if newest := s.now.newest; newest > 0 && newest*p.step() <= now && t/p.step() < newest-2*spikeSteps {
		return &s.behind
	}
	return &s.now
}

// surgedSince is the step after which the newer of the two windows begins.
func (a *Alerts) surgedSince(k *key, c *tally) int64 {
	p := &k.rule.policy
	return max(c.newest-spikeSteps, (a.rules[k.rule.rule.Index].watched+int64(p.window))/p.step())
}

// A savedTally is a tally in the file, from its first step on.
type savedTally struct {
	Step   int64    `json:"step"` // ns
	Newest int64    `json:"newest"`
	N      []uint32 `json:"n"` // up to the newest
}

func (c *tally) save(step int64) *savedTally {
	if c.newest == 0 {
		return nil
	}
	_, first := c.sum(0, c.newest)
	s := &savedTally{Step: step, Newest: c.newest}
	for i := first; i > 0 && i <= c.newest; i++ {
		s.N = append(s.N, *c.slot(i))
	}
	return s
}

// restore takes up what was saved. ok is false where the window was another one.
func (c *tally) restore(s *savedTally, step int64) (ok bool) {
	if s == nil {
		return true
	}
	if s.Step != step || s.Newest <= int64(len(c.n)) || len(s.N) > len(c.n) {
		return false
	}
	c.newest = s.Newest
	for i, n := range s.N {
		*c.slot(s.Newest - int64(len(s.N)-1-i)) = n
	}
	return true
}

// restoreSurge takes up what a key had counted. Where the window has changed
// nobody knows what was in the one before.
func (a *Alerts) restoreSurge(k *key, s *savedKey, wall time.Time) {
	p := &k.rule.policy
	k.surge = &surge{}
	if !k.surge.now.restore(s.Counts, p.step()) || !k.surge.behind.restore(s.CountsBehind, p.step()) {
		k.surge = nil
		a.rules[k.rule.rule.Index].watched = wall.UnixNano()
	}
}
