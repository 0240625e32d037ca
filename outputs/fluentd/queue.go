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
	chunkSize  = 512 << 10 // a chunk takes no further batch from this size on
	maxSpare   = 8         // chunks whose memory is kept for the next ones
	window     = 4 << 20   // bytes in flight that came from the spool
	keptMemory = 2 << 20   // the largest chunk whose memory is kept
)

// A queue holds the chunks that are not safe yet, oldest first: those that are
// on the disk, then those in memory. Chunks in flight are the first of both.
//
//	disk: read from the spool, and in flight        (the spool has the rest)
//	mem:  [in flight | waiting], safe once acknowledged or spilled to the spool
//
// A chunk in memory goes out only when everything in the spool has gone out, so
// that each source arrives in order.
type queue struct {
	consumer *agent.Consumer
	spool    *spool.Spool
	limit    int // bytes in mem from which on put waits

	ready   chan struct{} // for next: there may be something to send
	wakeups chan struct{} // for the spiller: mem was empty, or is full

	mu        sync.Mutex
	mem       []*chunk
	memBytes  int
	fullSince time.Time // since when put waits again and again; zero: it does not
	sent      int       // how many of mem are in flight, or acknowledged behind one that is not
	disk      []*chunk
	diskSent  int // bytes
	spilling  int // how many of mem are being written to the spool
	open      map[*agent.Source]*chunk
	writing   *chunk // being written to the connection
	orphan    bool   // and acknowledged already
	spare     []*chunk
	waiters   int
	changed   chan struct{} // closed and replaced when waiters may go on
}

func newQueue(c *agent.Consumer, s *spool.Spool, limit int) *queue {
	return &queue{
		consumer: c, spool: s, limit: limit,
		ready: make(chan struct{}, 1), wakeups: make(chan struct{}, 1),
		changed: make(chan struct{}), open: map[*agent.Source]*chunk{},
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
	for q.memBytes >= q.limit {
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
	if c := q.open[src]; c != nil {
		if len(c.frame) < chunkSize {
			return c
		}
		q.seal(c)
	}
	var c *chunk
	if n := len(q.spare); n > 0 {
		c, q.spare = q.spare[n-1], q.spare[:n-1]
	} else {
		c = &chunk{}
	}
	c.reset(src, tag, time.Now())
	if len(q.mem) == 0 {
		signal(q.wakeups)
	}
	q.mem = append(q.mem, c)
	q.memBytes += len(c.frame)
	q.open[src] = c
	return c
}

// grown counts n bytes that were added to a chunk. The caller holds mu.
func (q *queue) grown(n int) {
	q.memBytes += n
	signal(q.ready)
}

// pass moves a source on that had nothing to send: at once where nothing waits,
// otherwise with the last chunk. The caller holds mu.
func (q *queue) pass(source string, p agent.Position) {
	if n := len(q.mem); n > 0 {
		q.mem[n-1].cover(source, p, 0)
		return
	}
	q.consumer.Safe(source, p)
}

// next waits for the chunk that is to be sent next and counts it as in flight.
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
	if orphan {
		q.recycle(c)
	}
}

func (q *queue) take() (*chunk, error) {
	if frames, _ := q.spool.Unread(); frames > 0 {
		if q.diskSent >= window {
			return nil, nil
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
		if c.acked {
			continue
		}
		q.seal(c)
		c.sent = time.Now()
		return c, nil
	}
	return nil, nil
}

func (q *queue) takeSpooled() (*chunk, error) {
	c := &chunk{}
	if n := len(q.spare); n > 0 {
		c, q.spare = q.spare[n-1], q.spare[:n-1]
	}
	f, ok, err := q.spool.Next(c.frame[:cap(c.frame)])
	if err != nil || !ok {
		q.recycle(c)
		return nil, err
	}
	*c = chunk{frame: f.Payload, records: f.Records, ranges: c.ranges[:0], seq: f.Seq, sealed: true, sent: time.Now()}
	copy(c.id[:], f.Payload[max(0, len(f.Payload)-len(c.id)):]) // where seal put it
	q.disk = append(q.disk, c)
	q.diskSent += len(c.frame)
	return c, nil
}

func (q *queue) seal(c *chunk) {
	if !c.sealed {
		n := len(c.frame)
		c.seal()
		q.memBytes += len(c.frame) - n
		delete(q.open, c.src)
		c.src = nil
	}
}

// ack notes that the receiver has the chunk with that id. It returns the records
// of the chunk; ok is false where no such chunk is in flight.
func (q *queue) ack(id string) (records int, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	is := func(c *chunk) bool { return string(c.id[:]) == id }
	if i := slices.IndexFunc(q.disk, is); i >= 0 {
		c := q.disk[i]
		q.spool.Done(c.seq)
		q.disk = slices.Delete(q.disk, i, i+1)
		q.diskSent -= len(c.frame)
		records = c.records
		q.recycle(c)
		q.notify()
		return records, true
	}
	i := slices.IndexFunc(q.mem[:q.sent], is)
	if i < 0 || q.mem[i].acked {
		return 0, false
	}
	records = q.mem[i].records
	q.mem[i].acked = true
	q.pop()
	q.notify()
	return records, true
}

// pop takes off what is acknowledged at the head of mem: it is safe.
func (q *queue) pop() {
	if q.spilling > 0 {
		return
	}
	n := 0
	for n < q.sent && q.mem[n].acked {
		q.retire(q.mem[n])
		n++
	}
	q.mem = slices.Delete(q.mem, 0, n)
	q.sent -= n
}

// retire ends a chunk of mem that is safe.
func (q *queue) retire(c *chunk) {
	for _, r := range c.ranges {
		q.consumer.Safe(r.Source, r.To)
	}
	q.shrunk(len(c.frame))
	q.recycle(c)
}

func (q *queue) shrunk(n int) {
	if q.memBytes -= n; q.memBytes < q.limit/2 {
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

// unsend takes back what is in flight: the connection is lost.
func (q *queue) unsend() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.written()
	for _, c := range q.disk {
		q.recycle(c)
	}
	q.disk, q.diskSent, q.sent = q.disk[:0], 0, 0
	q.spool.Rewind()
	q.pop()
	q.notify()
}

// oldestSent is when the chunk was sent that waits longest for its
// acknowledgement; ok is false where none is in flight.
func (q *queue) oldestSent() (at time.Time, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	note := func(c *chunk) {
		if !c.acked && (!ok || c.sent.Before(at)) {
			at, ok = c.sent, true
		}
	}
	for _, c := range q.disk {
		note(c)
	}
	for _, c := range q.mem[:q.sent] {
		note(c)
	}
	return at, ok
}

// saturated is how many times longer than one chunk may wait, the queue may stay
// full before it counts as lagging. Until then the log itself is the buffer: a
// receiver that is merely slower than the disk costs no second copy.
const saturated = 5

// due says how long memory may still hold what it holds; ok is false when that
// is nothing. A chunk may stay for as long as after. Where the receiver lags
// already a full memory is due at once.
func (q *queue) due(after time.Duration) (in time.Duration, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.mem) == 0 {
		return 0, false
	}
	in = after - time.Since(q.mem[0].born)
	if !q.fullSince.IsZero() {
		if !q.spool.Empty() && q.memBytes >= q.limit {
			return 0, true
		}
		in = min(in, saturated*after-time.Since(q.fullSince))
	}
	return max(0, in), true
}

// spill moves everything in memory to the spool. What was in flight stays so.
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
	q.spilling = len(q.mem)
	for _, c := range q.mem {
		if c.acked {
			c.seq = 0
			continue
		}
		q.seal(c)
		c.seq = uint64(len(frames) + 1) // from the first frame's, for now
		frames = append(frames, spool.Frame{Payload: c.frame, Ranges: slices.Clone(c.ranges), Records: c.records})
	}
	return frames
}

func (q *queue) endSpill(first uint64, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := q.spilling
	q.spilling = 0
	defer q.notify()
	if err != nil {
		for _, c := range q.mem[:n] {
			c.seq = 0
		}
		q.pop()
		return
	}
	flying := min(n, q.sent)
	for i, c := range q.mem[:n] {
		for _, r := range c.ranges {
			q.consumer.Safe(r.Source, r.To)
		}
		q.shrunk(len(c.frame))
		if c.seq == 0 {
			q.recycle(c)
			continue
		}
		c.seq += first - 1
		switch {
		case c.acked:
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

// drained waits until nothing is in memory any more.
func (q *queue) drained(ctx context.Context) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.mem) > 0 {
		if err := q.wait(ctx); err != nil {
			return err
		}
	}
	return nil
}
