package fluentd

import (
	"context"
	"slices"
	"time"

	"github.com/webgrip/logkeel/agent/spool"
)

const (
	// saturated is how many times longer than one chunk may wait, the queue may
	// stay full before it counts as lagging. Until then the log itself is the
	// buffer: a receiver that is merely slower than the disk costs no second copy.
	saturated = 2
	// hurry is how long a chunk may stay in memory while the agent stops.
	hurry = time.Second
)

// due says how long memory may still hold what it holds; ok is false when that
// is nothing. A chunk may stay for as long as after. Where the receiver lags
// already a full memory is due at once.
func (q *queue) due(after time.Duration) (in time.Duration, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.mem) == 0 {
		q.urgent = false
		return 0, false
	}
	if q.urgent {
		return 0, true
	}
	if q.draining {
		after = min(after, hurry)
	}
	in = after - time.Since(q.mem[0].born)
	if !q.fullSince.IsZero() {
		if q.memBytes >= q.limits.mem && !q.spool.Empty() {
			return 0, true
		}
		in = min(in, saturated*after-time.Since(q.fullSince))
	}
	return max(0, in), true
}

// spill moves the oldest chunks in memory to the spool. Those in flight stay so.
func (q *queue) spill() error {
	frames := q.beginSpill()
	first, err := uint64(0), error(nil)
	if len(frames) > 0 {
		first, err = q.spool.Append(frames)
	}
	q.endSpill(first, err)
	return err
}

func (q *queue) beginSpill() (frames []spool.Frame) {
	q.mu.Lock()
	defer q.mu.Unlock()
	size := 0
	for _, c := range q.mem {
		if size >= q.limits.spill {
			break
		}
		q.spilling++
		c.seq = 0
		if c.acked {
			continue
		}
		q.seal(c)
		frames = append(frames, frame(c))
		c.seq = uint64(len(frames)) // from the first frame's, for now
		size += len(c.frame)
	}
	q.hold = q.spilling > 0 && q.sent > 0
	return frames
}

// frame is what the spool keeps of c. Once c is safe, so is what was
// acknowledged right behind it.
func frame(c *chunk) spool.Frame {
	to := c.to
	for n := c.next; n != nil && n.acked; n = n.next {
		if to.Before(n.to) {
			to = n.to
		}
	}
	return spool.Frame{Payload: c.frame, Ranges: []spool.Range{{Source: c.source, To: to, Records: c.records, First: c.first, Last: c.last}}, Records: c.records}
}

func (q *queue) endSpill(first uint64, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := q.spilling
	q.spilling, q.hold = 0, false
	if err == nil {
		q.urgent = false
		q.spilled(n, first)
	} else {
		for _, c := range q.mem[:n] {
			c.seq = 0
		}
	}
	q.pop()
	q.notify()
}

// spilled takes the first n of mem off, which the spool has from seq first on.
func (q *queue) spilled(n int, first uint64) {
	flying := min(n, q.sent)
	for i, c := range q.mem[:n] {
		c.safe = true
		q.settle(c)
		q.shrunk(len(c.frame))
		inSpool := c.seq > 0
		c.seq += first - 1
		switch {
		case !inSpool:
			q.recycle(c)
		case c.acked: // meanwhile
			q.spool.Done(c.seq)
			q.recycle(c)
		case i < flying:
			q.disk = append(q.disk, c)
			q.diskSent += len(c.frame)
			q.spool.SkipTo(c.seq + 1)
		default:
			q.recycle(c)
		}
	}
	q.mem = slices.Delete(q.mem, 0, n)
	q.sent -= flying
}

// hasten lets nothing stay in memory for long from now on.
func (q *queue) hasten() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.draining = true
	signal(q.wakeups)
}

// drain waits until nothing is in memory any more. Nothing is put meanwhile, and
// hasten was called.
func (q *queue) drain(ctx context.Context) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	defer func() { q.draining = false }()
	for len(q.mem) > 0 {
		if err := q.wait(ctx); err != nil {
			return err
		}
	}
	return nil
}
