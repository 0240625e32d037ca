package scan

import (
	"container/heap"
	"context"
	"errors"
	"time"
)

// A head is where a lane stands.
type head struct {
	lane  *lane
	chunk *chunk
	at    int // in its matches
	order int
}

// time is that of the next match, or up to which there is none.
func (h *head) time() int64 {
	if h.at < len(h.chunk.matches) {
		return h.chunk.matches[h.at].record.Time
	}
	return h.chunk.upto
}

// heads are a heap, the earliest on top.
type heads []*head

func (h heads) Len() int { return len(h) }
func (h heads) Less(i, j int) bool {
	a, b := h[i].time(), h[j].time()
	return a < b || a == b && h[i].order < h[j].order
}
func (h heads) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *heads) Push(x any)   { *h = append(*h, x.(*head)) }
func (h *heads) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}

var errInterrupted = errors.New("interrupted; what was read until then is above")

// merge reports the matches of all lanes in the order of their time, which is that of
// each lane.
func (s *scan) merge(ctx context.Context, r *report) error {
	if s.Progress != nil {
		defer s.Progress(s.far)()
	}
	var h heads
	for i, l := range s.lanes {
		if c := r.wait(ctx, l); c != nil {
			h = append(h, &head{lane: l, chunk: c, order: i})
		}
	}
	heap.Init(&h)
	for len(h) > 0 && ctx.Err() == nil {
		top := h[0]
		if top.at < len(top.chunk.matches) {
			if err := r.match(top.chunk, &top.chunk.matches[top.at]); err != nil {
				return err
			}
			top.at++
			heap.Fix(&h, 0)
			continue
		}
		var next *chunk
		if !top.chunk.end {
			next = r.wait(ctx, top.lane)
		}
		if next == nil {
			heap.Pop(&h)
			continue
		}
		top.chunk, top.at = next, 0
		heap.Fix(&h, 0)
	}
	if ctx.Err() != nil {
		return errors.Join(r.end(), errInterrupted)
	}
	return nil
}

// wait takes the lane's next chunk; nil: there is none. What was printed is seen
// before it waits.
func (r *report) wait(ctx context.Context, l *lane) *chunk {
	select {
	case c := <-l.chunks:
		r.count(c)
		return c
	default:
	}
	r.flush()
	select {
	case c := <-l.chunks:
		r.count(c)
		return c
	case <-ctx.Done():
		return nil
	}
}

// far says how much was read, and how long the rest will take.
func (s *scan) far(took time.Duration) string {
	read, rate := s.read.Load(), 0.0
	if took > 0 {
		rate = float64(read) / took.Seconds()
	}
	text := size(read)
	if s.size > 0 {
		text += " of " + size(max(read, s.size))
	}
	text += ", " + size(int64(rate)) + "/s"
	if read < s.size && rate > 0 {
		if left := time.Duration(float64(s.size-read) / rate * float64(time.Second)); left < 100*time.Hour {
			text += ", " + left.Round(time.Second).String() + " left"
		}
	}
	return text
}
