package agent

import (
	"context"
	"sync"
	"time"
)

// caughtUpPoll is how often collectors are asked whether they have caught up.
const caughtUpPoll = 100 * time.Millisecond

// A catchUp counts what the sources had when the agent started: of each what is
// read until its end is reached for the first time. Lines that some consumer had
// from an earlier run are not counted.
type catchUp struct {
	mu      sync.Mutex
	over    bool
	reached map[string]bool // sources that were at their end, by ID
	lines   uint64
	bytes   uint64
	gaps    uint64
}

// begin reports whether the source has to be counted.
func (c *catchUp) begin(source string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.over && !c.reached[source]
}

// reach says that the source was at its end.
func (c *catchUp) reach(source string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over {
		return
	}
	if c.reached == nil {
		c.reached = map[string]bool{}
	}
	c.reached[source] = true
}

func (c *catchUp) gap() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.gaps++
}

// count counts the records of b from index from on, and what was passed over.
func (c *catchUp) count(b *Batch, from int) {
	bytes := b.Passed.Bytes
	for i := from; i < len(b.Records); i++ {
		bytes += b.Records[i].Body.Len()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lines += uint64(len(b.Records) - from + b.Passed.Lines)
	c.bytes += uint64(bytes)
}

// end ends counting, and returns what was counted.
func (c *catchUp) end() (lines, bytes, gaps uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.over, c.reached = true, nil
	return c.lines, c.bytes, c.gaps
}

// countNew counts those records that no consumer has had.
func (f *feed) countNew(w *works, b *Batch) {
	newest, lacked := 0, true
	w.each(func(c *Consumer) {
		from, ok := firstAfter(b, c.taken(f.src.ID))
		newest, lacked = max(newest, from), lacked && ok
	})
	if lacked {
		f.p.caught.count(b, newest)
	}
}

// sayCaughtUp waits until all collectors have read what was there when they
// started, and says how much that was and how long nobody had read it.
func (a *Agent) sayCaughtUp(ctx context.Context) {
	tick := time.NewTicker(caughtUpPoll)
	defer tick.Stop()
	for {
		follow, done := a.caughtUp()
		if !follow { // what a reload brings was not there at the start
			a.pipeline.caught.end()
			return
		}
		if done {
			break
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
	lines, bytes, gaps := a.pipeline.caught.end()
	said := []any{"read_lines", lines, "read_bytes", bytes, "gaps", gaps}
	if away, ok := a.ledger.Away(); ok {
		said = append([]any{"away", away.Round(time.Second).String()}, said...)
	}
	a.log.Info("caught up", said...)
}

// caughtUp reports whether there is a collector that follows logs, and whether
// all of them have caught up.
func (a *Agent) caughtUp() (follow, done bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	done = true
	for _, u := range a.collectors {
		for _, c := range u.followers() {
			follow, done = true, done && c.CaughtUp()
		}
	}
	return follow, done
}
