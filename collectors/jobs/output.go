package jobs

import (
	"bytes"
	"context"
	"sync"

	"github.com/webgrip/logkeel/agent"
)

const (
	maxLine    = 64 << 10 // of a line of output
	maxWaiting = 1 << 20  // of what a job has written, and the agent's outputs have not taken
	maxBatch   = 256 << 10
)

// A line of a job's output.
type line struct {
	at     int64 // nanoseconds since 1970
	text   []byte
	stream agent.Stream
	cut    bool
}

// An output is what a job has written and is not a record yet. It never makes
// a job wait.
type output struct {
	mu      sync.Mutex
	lines   []line
	bytes   int
	dropped uint64
	more    chan struct{} // has a value where lines has grown
}

func newOutput() *output { return &output{more: make(chan struct{}, 1)} }

// add takes text that is whole lines, but for the end of the last one.
func (o *output) add(at int64, stream agent.Stream, text []byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for len(text) > 0 {
		one, rest, _ := bytes.Cut(text, []byte("\n"))
		text = rest
		if one = bytes.TrimSuffix(one, []byte("\r")); len(one) == 0 {
			continue
		}
		cut := len(one) > maxLine
		if cut {
			one = one[:maxLine]
		}
		if o.bytes+len(one) > maxWaiting {
			o.dropped++
			continue
		}
		o.lines = append(o.lines, line{at, bytes.Clone(one), stream, cut})
		o.bytes += len(one)
	}
	select {
	case o.more <- struct{}{}:
	default:
	}
}

// take takes some lines away.
func (o *output) take() (some []line) {
	o.mu.Lock()
	defer o.mu.Unlock()
	n, size := 0, 0
	for n < len(o.lines) && (n == 0 || size+len(o.lines[n].text) <= maxBatch) {
		size += len(o.lines[n].text)
		n++
	}
	some = o.lines[:n:n]
	o.bytes -= size
	if o.lines = o.lines[n:]; len(o.lines) == 0 {
		o.lines = nil
	}
	return some
}

// again puts back what was not taken.
func (o *output) again(some []line) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.lines = append(some, o.lines...)
	for i := range some {
		o.bytes += len(some[i].text)
	}
}

func (o *output) lost() uint64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.dropped
}

// emit makes records of what is written until ctx is done. What was not emitted
// then is lost: it cannot be read again.
func (o *output) emit(ctx context.Context, sink agent.Sink, src *agent.Source) error {
	feed := sink.Open(src)
	defer feed.Close(false)
	// Each run begins beyond all that a consumer has had of earlier ones.
	pos := agent.Position{Epoch: 1}
	if had := feed.Resume(); len(had) > 0 {
		pos.Epoch = had[len(had)-1].Epoch + 1
	}
	feed.Behind(0)
	for {
		some := o.take()
		if len(some) == 0 {
			select {
			case <-ctx.Done():
				return nil
			case <-o.more:
			}
			continue
		}
		if err := send(ctx, feed, &pos, some); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			o.again(some)
			return err
		}
	}
}

func send(ctx context.Context, feed agent.Feed, pos *agent.Position, some []line) error {
	b, err := feed.Batch(ctx)
	if err != nil {
		return err
	}
	for _, l := range some {
		pos.Offset++
		start := int32(len(b.Buf))
		b.Buf = append(b.Buf, l.text...)
		r := agent.Record{Time: l.at, End: pos.Offset, Body: agent.Span{Start: start, End: int32(len(b.Buf))}, Stream: l.stream}
		if l.cut {
			r.Flags = agent.Cut
		}
		b.Records = append(b.Records, r)
		pos.Time = l.at
	}
	b.Pos = *pos
	return feed.Emit(ctx, b)
}

// size is how many bytes wait.
func (o *output) size() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.bytes
}
