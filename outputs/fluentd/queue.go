package fluentd

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/spool"
)

const (
	maxSpare   = 8       // chunks whose memory is kept for the next ones
	keptMemory = 2 << 20 // the largest chunk whose memory is kept
)

// limits bound a queue, in bytes.
type limits struct {
	mem    int // from which on put waits
	chunk  int // from which on a chunk takes no further batch
	batch  int // from which on what is left of a batch goes into another chunk
	spill  int // from which on one spill takes no further chunk
	window int // from which on nothing goes out, in flight beside what is in mem

	overdue time.Duration // how long any chunk may stay unacknowledged
}

// limitsFor is those of one lane of several: together they hold hardly more than
// one alone would. What is spilled at once is small enough for the spool to keep
// the memory in which it encodes: half of what the agent takes while it spools.
func limitsFor(c *Config) limits {
	share := 4 << 20 / c.active()
	return limits{
		mem: int(c.Buffer) / c.active(), chunk: 512 << 10, batch: 4 << 20, spill: max(1<<20, share/2), window: max(1<<20, share),
		overdue: time.Duration(c.AckTimeout),
	}
}

// A queue holds the chunks that are not safe yet, oldest first: those that are
// on the disk, then those in memory. Chunks in flight are the first of both.
//
//	disk: in flight, and in the spool               (the spool has the rest,
//	                                                 and cutting a part of one)
//	mem:  [in flight | waiting], safe once acknowledged or spilled to the spool
//
// What always holds, so that each source arrives in order and nothing that was
// acknowledged goes out again:
//
//   - A chunk of mem goes out only when all of the spool has gone out. While
//     the spool has frames that have not, nothing of mem is in flight.
//   - A source's chunks lie in mem in the order of its records; only the newest
//     one is open. A source moves on with a chunk that is safe once all of its
//     chunks before that one are.
//   - While chunks in flight are being spilled nothing goes out: the spool
//     already has them, and nobody has told it yet that they are on their way.
//   - Nobody changes the frame of a sealed chunk. Its memory is used again only
//     when it is safe, not being spilled, and its write has returned.
//
// One goroutine calls next and unsend; one calls ack, between a next and the
// unsend after it; one calls spill. Any number put.
type queue struct {
	consumer *agent.Consumer
	spool    *spool.Spool
	limits   limits

	ready   chan struct{} // for next: there may be something to send
	wakeups chan struct{} // for the spiller: mem was empty, or is full

	mu        sync.Mutex
	mem       []*chunk
	memBytes  int
	last      map[string]*chunk // by source ID: its newest chunk that is not safe
	fullSince time.Time         // since when put waits again and again; zero: it does not
	draining  bool
	sent      int // how many of mem are in flight, or acknowledged behind one that is not
	disk      []*chunk
	diskSent  int // bytes
	cutting   dissection
	suspects  map[chunkID]*suspect
	waiting   *chunk // until its probe is acknowledged
	probed    uint64 // the frame that was its probe, of this connection; or 0
	acks      int    // of this connection
	ended     int    // connections
	halved    uint64 // chunks
	urgent    bool   // the spool is to have what is in flight
	spilling  int    // how many of mem are being written to the spool
	hold      bool   // and some of them are in flight
	writing   *chunk
	orphan    bool      // writing is acknowledged already
	moved     time.Time // when the oldest chunk in flight was acknowledged
	spare     []*chunk
	waiters   int
	changed   chan struct{} // closed and replaced when waiters may go on
}

func newQueue(c *agent.Consumer, s *spool.Spool, l limits) *queue {
	return &queue{
		consumer: c, spool: s, limits: l,
		ready: make(chan struct{}, 1), wakeups: make(chan struct{}, 1),
		changed: make(chan struct{}), last: map[string]*chunk{}, suspects: map[chunkID]*suspect{},
	}
}

func signal(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}

// notify lets everybody look again who waits for a change. The caller holds mu.
func (q *queue) notify() {
	signal(q.ready)
	if q.waiters > 0 {
		q.waiters = 0
		close(q.changed)
		q.changed = make(chan struct{})
	}
}

// wait releases mu until something has changed, and takes it again.
func (q *queue) wait(ctx context.Context) error {
	ch := q.changed
	q.waiters++
	q.mu.Unlock()
	defer q.mu.Lock()
	select {
	case <-ch:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// lockForPut waits until there is room and returns with mu held. After an error
// it is not.
func (q *queue) lockForPut(ctx context.Context) error {
	q.mu.Lock()
	for q.memBytes >= q.limits.mem {
		if q.fullSince.IsZero() {
			q.fullSince = time.Now()
		}
		signal(q.wakeups)
		if err := q.wait(ctx); err != nil {
			q.mu.Unlock()
			return err
		}
	}
	return nil
}

// chunkFor returns the chunk that takes what comes next of src. The caller
// holds mu, and calls grown afterwards.
func (q *queue) chunkFor(src *agent.Source, tag string) *chunk {
	prev := q.last[src.ID]
	if prev != nil && !prev.sealed {
		if prev.src == src && len(prev.frame) < q.limits.chunk {
			return prev
		}
		q.seal(prev)
	}
	c := q.blank()
	c.reset(src, tag, time.Now())
	if c.prev = prev; prev != nil {
		prev.next = c
	}
	if len(q.mem) == 0 {
		signal(q.wakeups)
	}
	q.mem = append(q.mem, c)
	q.memBytes += len(c.frame)
	q.last[src.ID] = c
	return c
}

func (q *queue) blank() *chunk {
	n := len(q.spare)
	if n == 0 {
		return &chunk{}
	}
	c := q.spare[n-1]
	q.spare = q.spare[:n-1]
	return c
}

// grown counts n bytes that were added to a chunk. The caller holds mu.
func (q *queue) grown(n int) {
	q.memBytes += n
	signal(q.ready)
}

// pass moves a source on that had nothing to send: at once where nothing of it
// waits, otherwise with its newest chunk. The caller holds mu.
func (q *queue) pass(source string, p agent.Position) {
	if c := q.last[source]; c != nil {
		c.to = p
		return
	}
	q.consumer.Safe(source, p)
}

func (q *queue) seal(c *chunk) {
	if !c.sealed {
		n := len(c.frame)
		c.seal()
		q.memBytes += len(c.frame) - n
	}
}

// ack notes that the receiver has the chunk with that id. It returns the records
// of the chunk and how long it was the oldest in flight; ok is false where no
// such chunk is in flight.
func (q *queue) ack(id string) (records int, took time.Duration, ok bool) {
	q.mu.Lock()
	is := func(c *chunk) bool { return !c.acked && string(c.id[:]) == id }
	oldest := q.oldest()
	i := slices.IndexFunc(q.disk, is)
	var c *chunk
	if i >= 0 {
		c = q.disk[i]
	} else if j := slices.IndexFunc(q.mem[:q.sent], is); j >= 0 {
		c = q.mem[j]
	} else {
		q.mu.Unlock()
		return 0, 0, false
	}
	records = c.records
	if c == oldest {
		if c != q.writing {
			took = time.Since(q.since(c))
		}
		q.moved = time.Now()
	}
	q.acks++
	q.overtake(c)
	seq := uint64(0)
	if i >= 0 {
		q.disk = slices.Delete(q.disk, i, i+1)
		q.diskSent -= len(c.frame)
		seq = q.finished(c)
		q.recycle(c)
	} else {
		delete(q.suspects, c.id)
		c.acked, c.safe = true, true
		q.settle(c)
		q.pop()
	}
	q.notify()
	q.mu.Unlock()
	if seq > 0 {
		q.spool.Done(seq) // may wait for the disk
	}
	return records, took, true
}

// oldest is the chunk that waits longest for its acknowledgement, or nil.
func (q *queue) oldest() *chunk {
	for c := range q.flight() {
		return c
	}
	return nil
}

// since is when c, the oldest in flight, was written or became the oldest.
func (q *queue) since(c *chunk) time.Time {
	if c.sent.Before(q.moved) {
		return q.moved
	}
	return c.sent
}

// awaited is since when the receiver owes the acknowledgement of the oldest
// chunk in flight, and whether it has given that of a later one; ok is false
// where it owes none.
func (q *queue) awaited() (since time.Time, overtaken, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	c := q.oldest()
	if c == nil || c == q.writing {
		return time.Time{}, false, false
	}
	return q.since(c), c.overtaken, true
}

// idle says that nothing is left that the receiver has not acknowledged.
func (q *queue) idle() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.mem) == 0 && len(q.disk) == 0 && q.spool.Empty()
}

// settle moves c's source on: to c where that is safe and nothing of the source
// before it is not, and to what is safe behind it.
func (q *queue) settle(c *chunk) {
	for c != nil && c.safe && c.prev == nil {
		q.consumer.Safe(c.source, c.to)
		n := c.next
		if n != nil {
			n.prev, c.next = nil, nil
		} else if q.last[c.source] == c {
			delete(q.last, c.source)
		}
		c = n
	}
}

// pop takes off what is acknowledged at the head of mem.
func (q *queue) pop() {
	if q.spilling > 0 {
		return
	}
	n := 0
	for n < len(q.mem) && q.mem[n].acked {
		q.shrunk(len(q.mem[n].frame))
		q.recycle(q.mem[n])
		n++
	}
	q.mem = slices.Delete(q.mem, 0, n)
	q.sent = max(0, q.sent-n)
}

func (q *queue) shrunk(n int) {
	if q.memBytes -= n; q.memBytes < q.limits.mem/2 {
		q.fullSince = time.Time{}
	}
}

// recycle keeps c's memory for another chunk. A chunk may be acknowledged while
// the call that writes it has not returned yet.
func (q *queue) recycle(c *chunk) {
	if c == q.writing {
		q.orphan = true
		return
	}
	if len(q.spare) < maxSpare && cap(c.frame) <= keptMemory {
		q.spare = append(q.spare, c)
	}
}
