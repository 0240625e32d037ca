package demo

import (
	"hash/maphash"
	"strconv"
	"strings"
	"sync"
)

// A tally holds what the containers have written against what the aggregator
// has got. Each line ends in a number of its own, "seq=17"; only lines that have
// not arrived yet take memory.
type tally struct {
	seed maphash.Seed

	mu      sync.Mutex
	logs    map[string]*logTally // by container name
	strange int
	flagged map[string]*ruleTally
}

type logTally struct {
	written int
	waiting map[int]uint64 // hashes of the lines that were written and have not arrived
	arrived int            // each line once
	repeats int
}

// A ruleTally is how many lines arrived that carry the rule, each once.
type ruleTally struct {
	finding
	lines int
}

func newTally() *tally {
	return &tally{seed: maphash.MakeSeed(), logs: map[string]*logTally{}, flagged: map[string]*ruleTally{}}
}

// number makes text the container's next line, which is about to be written.
func (t *tally) number(container, text string) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	l := t.logs[container]
	if l == nil {
		l = &logTally{waiting: map[int]uint64{}}
		t.logs[container] = l
	}
	l.written++
	line := text + " seq=" + strconv.Itoa(l.written)
	l.waiting[l.written] = maphash.String(t.seed, line)
	return line
}

// arrived notes a line that the aggregator got. It is true the first time.
func (t *tally) arrived(e entry) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	_, number, _ := cutLast(e.log, " seq=")
	n, err := strconv.Atoi(number)
	l := t.logs[strings.TrimPrefix(e.container, "/")]
	if err != nil || l == nil || n < 1 || n > l.written {
		t.strange++
		return false
	}
	hash, waits := l.waiting[n]
	switch {
	case !waits:
		l.repeats++
		return false
	case hash != maphash.String(t.seed, e.log):
		t.strange++
		return false
	}
	delete(l.waiting, n)
	l.arrived++
	for _, f := range e.findings {
		r := t.flagged[f.rule]
		if r == nil {
			r = &ruleTally{finding: f}
			t.flagged[f.rule] = r
		}
		r.lines++
	}
	return true
}

// cutLast cuts s around the last sep.
func cutLast(s, sep string) (before, after string, ok bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}

// Counts are of lines.
type counts struct {
	written  int
	arrived  int // each once
	repeated int
	waiting  int // written, and not arrived
	strange  int // arrived otherwise than any was written
}

func (t *tally) counts() (c counts) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, l := range t.logs {
		c.written += l.written
		c.arrived += l.arrived
		c.repeated += l.repeats
		c.waiting += len(l.waiting)
	}
	c.strange = t.strange
	return c
}

// rules returns a copy of what was flagged, by rule.
func (t *tally) rules() map[string]ruleTally {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := make(map[string]ruleTally, len(t.flagged))
	for name, r := range t.flagged {
		all[name] = *r
	}
	return all
}
