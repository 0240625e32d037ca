package fluentd

import (
	"context"
	"slices"
	"time"

	"github.com/webgrip/logkeel/agent/forward"
)

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

// land waits until nothing is in flight any more. The chunk before it has been
// written, and next is not called again.
func (q *queue) land(ctx context.Context) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.written()
	for q.oldest() != nil {
		if err := q.wait(ctx); err != nil {
			return err
		}
	}
	return nil
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
	if q.waiting != nil {
		return q.takeWaiting(), nil
	}
	for {
		c, more, err := q.takeSpooled()
		if c != nil && q.hides(c) {
			c, err = q.probe(c)
		}
		if c != nil {
			q.fly(c)
		}
		if c != nil || err != nil {
			return c, err
		}
		if !more {
			break
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

// fly counts c, which is in the spool, as in flight.
func (q *queue) fly(c *chunk) {
	q.disk = append(q.disk, c)
	q.diskSent += len(c.frame)
}

// takeSpooled returns what is next of the spool; without a chunk, more says
// whether to look again. It releases mu while it reads.
func (q *queue) takeSpooled() (c *chunk, more bool, err error) {
	if q.cutting.c != nil {
		return q.takePart(), true, nil
	}
	if frames, _ := q.spool.Unread(); frames == 0 {
		return nil, false, nil
	}
	c, err = q.readFrame()
	switch {
	case c == nil || err != nil:
		return nil, true, err
	case c.seq == q.probed:
		q.recycle(c)
		return nil, true, nil
	case q.dissect(c):
		return nil, true, nil
	}
	return c, true, nil
}

// readFrame releases mu while it reads. It returns nothing where there was
// nothing to read after all.
func (q *queue) readFrame() (*chunk, error) {
	c := q.blank()
	q.mu.Unlock()
	f, ok, err := q.spool.Next(c.frame[:0])
	q.mu.Lock()
	if err != nil || !ok {
		q.recycle(c)
		return nil, err
	}
	*c = chunk{frame: f.Payload, records: f.Records, seq: f.Seq, sealed: true}
	if len(f.Ranges) > 0 {
		c.source = f.Ranges[0].Source
	}
	if len(c.frame) <= forward.ChunkIDLen { // no message, and nobody would acknowledge it
		q.spool.Done(c.seq)
		q.recycle(c)
		return nil, nil
	}
	copy(c.id[:], c.frame[len(c.frame)-forward.ChunkIDLen:]) // where seal put it
	return c, nil
}

// unsend takes back what is in flight: the connection is lost, or ended because
// the output stops. It returns how many chunks the receiver had not acknowledged,
// and those of one record that it does not take: these go to giveBack.
func (q *queue) unsend(stopping bool) (n int, refused []*chunk) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !stopping {
		refused = q.judge()
	}
	q.written()
	for c := range q.flight() {
		c.overtaken = false
		n++
	}
	for _, c := range q.disk {
		if !slices.Contains(refused, c) {
			q.recycle(c)
		}
	}
	q.endCutting()
	q.endProbe()
	q.disk, q.diskSent, q.sent = slices.Delete(q.disk, 0, len(q.disk)), 0, 0
	q.spool.Rewind()
	if q.urgent {
		signal(q.wakeups)
	}
	q.notify()
	return n, refused
}

// giveBack returns what unsend gave; done says that it need not be sent again.
func (q *queue) giveBack(refused []*chunk, done bool) {
	for _, c := range refused {
		q.mu.Lock()
		seq := uint64(0)
		if done {
			seq = q.finished(c)
		}
		q.recycle(c)
		q.notify()
		q.mu.Unlock()
		if seq > 0 {
			q.spool.Done(seq)
		}
	}
}
