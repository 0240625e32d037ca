package fluentd

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/spool"
)

// A lane is what is meant for one server: a queue with its spool, and the
// connection on which it goes out. Each source belongs to one lane, so that it
// arrives in order, wherever the lane is connected to.
type lane struct {
	o     *Output
	c     *Config
	log   *slog.Logger
	dir   string // of the spool
	spool *spool.Spool
	q     *queue
	rules map[*agent.Rule][]byte // guarded by q.mu
	links []*link                // the lane's own server first, then those that stand in for it
	last  int                    // the one that was used last
	stray bool                   // it has no server of its own and no sources, and ends when its spool is empty

	sent, acked, resent     atomic.Uint64 // chunks
	sentBytes               atomic.Uint64
	records                 atomic.Uint64 // acknowledged
	ackedAt                 atomic.Int64  // unix seconds; 0: never
	connects, disconnects   atomic.Uint64
	unknownAcks, ackTimeout atomic.Uint64
	connected, removed      atomic.Bool
	stall                   agent.Stall
}

// run sends and spools until ctx is done, or a stray is empty.
func (l *lane) run(ctx context.Context) {
	var wg sync.WaitGroup
	defer wg.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	wg.Go(func() { l.spillLate(ctx) })
	l.send(ctx)
}

func (l *lane) encode(b *agent.Batch, from int, d *described) {
	only := l.c.Records == onlyFlagged
	f := 0
	for f < len(b.Findings) && int(b.Findings[f].Record) < from {
		f++
	}
	if only && f == len(b.Findings) || from == len(b.Records) {
		l.q.pass(b.Source.ID, b.Pos)
		return
	}
	c := l.q.chunkFor(b.Source, d.tag)
	before := len(c.frame)
	if !only {
		c.frame = slices.Grow(c.frame, min(d.room(b, from), l.q.limits.batch))
	}
	nth := 0
	for i := from; i < len(b.Records); i++ {
		if nth++; i == from || b.Records[i].End != b.Records[i-1].End {
			nth = 0
		}
		first := f
		for f < len(b.Findings) && int(b.Findings[f].Record) == i {
			f++
		}
		if only && f == first {
			continue
		}
		if len(c.frame) >= l.q.limits.batch {
			// Only the whole batch moves the source on, for joined records may
			// lie in one another: a kill now may repeat this part.
			l.q.grown(len(c.frame) - before)
			c = l.q.chunkFor(b.Source, d.tag)
			before = len(c.frame)
		}
		c.frame = appendRecord(c.frame, b, i, nth, d, b.Findings[first:f], l.rules)
		c.records++
		c.first, c.last = min(c.first, b.Records[i].Time), max(c.last, b.Records[i].Time)
	}
	c.to = b.Pos
	l.q.grown(len(c.frame) - before)
}

// spillLate moves what stays unacknowledged for too long, or becomes too much,
// from memory to the spool.
func (l *lane) spillLate(ctx context.Context) {
	trouble := agent.NewTrouble(l.log)
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		in, ok := l.q.due(time.Duration(l.c.Spool.After))
		if ok && in <= 0 {
			if err := l.q.spill(); err != nil {
				say := "spool cannot be written; reading waits, the logs keep what is there; free space in state_dir or make it writable"
				if l.c.Spool.WhenFull == block && errors.Is(err, spool.ErrFull) {
					say = "spool is full; reading waits until the receiver takes something, and what is not read raises no alerts (spool.when_full: block)"
				}
				trouble.Fail(err, say)
				in = time.Second
			} else {
				trouble.Clear("spool is written again")
				continue
			}
		}
		if !ok {
			trouble.Clear("nothing waits for the spool any more")
		}
		wake := l.q.wakeups
		if ok {
			timer.Reset(in)
			if trouble.Active() {
				wake = nil // a full queue asks again and again
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-wake:
		}
	}
}
