package fluentd

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/forward"
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
}

func limitsFor(mem int) limits {
	return limits{mem: mem, chunk: 512 << 10, batch: 4 << 20, spill: 4 << 20, window: 4 << 20}
}

// A queue holds the chunks that are not safe yet, oldest first: those that are
// on the disk, then those in memory. Chunks in flight are the first of both.
//
//	disk: in flight, and in the spool               (the spool has the rest)
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
	diskSent  int  // bytes
	spilling  int  // how many of mem are being written to the spool
	hold      bool // and some of them are in flight
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
		changed: make(chan struct{}), last: map[string]*chunk{},
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

// next waits for the chunk that is to be sent next and counts it as in flight.
// The chunk before it has been written.
func (q *queue) next(ctx context.Context) (*chunk, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.written()
	for {
		c, err := q.take()
		if c != nil || err != nil {
			q.writing = c
			return c, err
		}
		q.mu.Unlock()
		select {
		case <-q.ready:
		case <-ctx.Done():
			err = ctx.Err()
		}
		q.mu.Lock()
		if err != nil {
			return nil, err
		}
	}
}

// written says that the chunk that next gave last is written, or will not be.
func (q *queue) written() {
	c, orphan := q.writing, q.orphan
	q.writing, q.orphan = nil, false
	switch {
	case orphan:
		q.recycle(c)
	case c != nil:
		c.sent = time.Now()
	}
}

func (q *queue) take() (*chunk, error) {
	if q.hold || q.diskSent >= q.limits.window {
		return nil, nil
	}
	for {
		if frames, _ := q.spool.Unread(); frames == 0 {
			break
		}
		if c, err := q.takeSpooled(); c != nil || err != nil {
			return c, err
		}
	}
	if q.spilling > 0 { // it is about to be in the spool
		return nil, nil
	}
	for q.sent < len(q.mem) {
		c := q.mem[q.sent]
		q.sent++
		if !c.acked {
			q.seal(c)
			return c, nil
		}
	}
	return nil, nil
}

// takeSpooled releases mu while it reads. It returns nothing where there was
// nothing to read after all.
func (q *queue) takeSpooled() (*chunk, error) {
	c := q.blank()
	q.mu.Unlock()
	f, ok, err := q.spool.Next(c.frame[:0])
	q.mu.Lock()
	if err != nil || !ok {
		q.recycle(c)
		return nil, err
	}
	*c = chunk{frame: f.Payload, records: f.Records, seq: f.Seq, sealed: true}
	if len(c.frame) <= forward.ChunkIDLen { // no message, and nobody would acknowledge it
		q.spool.Done(c.seq)
		q.recycle(c)
		return nil, nil
	}
	copy(c.id[:], c.frame[len(c.frame)-forward.ChunkIDLen:]) // where seal put it
	q.disk = append(q.disk, c)
	q.diskSent += len(c.frame)
	return c, nil
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
	seq := c.seq
	if i >= 0 {
		q.disk = slices.Delete(q.disk, i, i+1)
		q.diskSent -= len(c.frame)
		q.recycle(c)
	} else {
		c.acked, c.safe = true, true
		q.settle(c)
		q.pop()
	}
	q.notify()
	q.mu.Unlock()
	if i >= 0 {
		q.spool.Done(seq) // may wait for the disk
	}
	return records, took, true
}

// oldest is the chunk that waits longest for its acknowledgement, or nil.
func (q *queue) oldest() *chunk {
	if len(q.disk) > 0 {
		return q.disk[0]
	}
	for _, c := range q.mem[:q.sent] {
		if !c.acked {
			return c
		}
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
// chunk in flight; ok is false where it owes none.
func (q *queue) awaited() (since time.Time, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	c := q.oldest()
	if c == nil || c == q.writing {
		return time.Time{}, false
	}
	return q.since(c), true
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

// unsend takes back what is in flight: the connection is lost. It returns how
// many chunks the receiver had not acknowledged.
func (q *queue) unsend() (n int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.written()
	n = len(q.disk)
	for _, c := range q.mem[:q.sent] {
		if !c.acked {
			n++
		}
	}
	for _, c := range q.disk {
		q.recycle(c)
	}
	q.disk, q.diskSent, q.sent = slices.Delete(q.disk, 0, len(q.disk)), 0, 0
	q.spool.Rewind()
	q.notify()
	return n
}
