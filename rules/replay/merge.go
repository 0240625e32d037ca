package replay

import (
	"container/heap"
	"math"
	"slices"

	"github.com/webgrip/logkeel/agent"
)

// An Input gives the next batch of one source, nil at its end. The batch before
// is of no use any more then: it may be the same one.
type Input func() (*agent.Batch, error)

// Merge judges all records of all inputs, in the order of their times.
func (r *Replay) Merge(inputs ...Input) error {
	var q queue
	for i, in := range inputs {
		c := &cursor{input: in, order: i}
		ok, err := c.fill()
		if err != nil {
			return err
		}
		if ok {
			q = append(q, c)
		}
	}
	heap.Init(&q)
	for len(q) > 0 {
		c := q[0]
		from := c.at
		until := q.second() + int64(r.o.Step)
		for c.at++; c.at < len(c.batch.Records) && c.time() <= until; c.at++ {
		}
		r.records(c.batch, from, c.at)
		ok, err := c.fill()
		if err != nil {
			return err
		}
		if ok {
			heap.Fix(&q, 0)
		} else {
			heap.Pop(&q)
		}
	}
	return nil
}

// A cursor is where an input stands.
type cursor struct {
	input Input
	order int
	batch *agent.Batch
	at    int
}

// fill gets the next batch where the one at hand is used up; ok is false at the
// end.
func (c *cursor) fill() (ok bool, err error) {
	for c.batch == nil || c.at == len(c.batch.Records) {
		if c.batch, err = c.input(); c.batch == nil || err != nil {
			return false, err
		}
		c.at = 0
	}
	return true, nil
}

func (c *cursor) time() int64 { return c.batch.Records[c.at].Time }

func (c *cursor) before(d *cursor) bool {
	return c.time() < d.time() || c.time() == d.time() && c.order < d.order
}

// A queue is a heap of cursors, by time.
type queue []*cursor

// second is the time of the one after the first.
func (q queue) second() int64 {
	at := int64(math.MaxInt64 / 2)
	for _, c := range q[1:min(len(q), 3)] {
		at = min(at, c.time())
	}
	return at
}

func (q queue) Len() int           { return len(q) }
func (q queue) Less(i, j int) bool { return q[i].before(q[j]) }
func (q queue) Swap(i, j int)      { q[i], q[j] = q[j], q[i] }
func (q *queue) Push(x any)        { *q = append(*q, x.(*cursor)) }

func (q *queue) Pop() any {
	last := (*q)[len(*q)-1]
	*q = (*q)[:len(*q)-1]
	return last
}

// after is the findings in the records from index from on.
func after(findings []agent.Finding, from int) []agent.Finding {
	i, _ := slices.BinarySearchFunc(findings, from, func(f agent.Finding, from int) int { return int(f.Record) - from })
	return findings[i:]
}
