package tap

import (
	"slices"
	"sync"
	"sync/atomic"

	"github.com/webgrip/logkeel/agent"
)

// A client is somebody who looks. Whoever reads logs fills one chunk while the
// other one is sent.
type client struct {
	all    bool        // it wants lines without findings
	behind atomic.Bool // there is no room: what comes now it does not get
	wake   chan struct{}

	mu     sync.Mutex
	filter *filter
	chunk  *chunk
}

func newClient(f *filter) *client {
	return &client{all: f.all(), wake: make(chan struct{}, 1), filter: f, chunk: &chunk{}}
}

// wants reports whether the client would be shown lines without findings. One that
// is behind is not: then they need not be decoded, either.
func (c *client) wants(src *agent.Source) bool {
	if !c.all || c.behind.Load() {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.filter.source(src)
}

// records takes what the client wants of b.
func (c *client) records(b *agent.Batch, from int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.filter.NoLines || !c.filter.source(b.Source) {
		return
	}
	was := c.chunk.empty()
	if c.filter.flagged {
		c.takeFlagged(b, from)
	} else {
		c.takeAll(b, from)
	}
	c.taken(was)
}

func (c *client) taken(wasEmpty bool) {
	if c.chunk.full() {
		c.behind.Store(true)
	}
	if wasEmpty && !c.chunk.empty() {
		select {
		case c.wake <- struct{}{}:
		default:
		}
	}
}

func (c *client) takeAll(b *agent.Batch, from int) {
	next := firstOf(b, from)
	for i := from; i < len(b.Records); i++ {
		first := next
		for next < len(b.Findings) && b.Findings[next].Record == int32(i) {
			next++
		}
		if !c.stream(b.Records[i].Stream) {
			continue
		}
		if c.chunk.full() {
			c.chunk.dropped += len(b.Records) - i
			break
		}
		c.chunk.record(b, i, b.Findings[first:next])
	}
	c.chunk.dropped += b.Passed.Lines
}

func (c *client) takeFlagged(b *agent.Batch, from int) {
	for next := firstOf(b, from); next < len(b.Findings); {
		first, i := next, int(b.Findings[next].Record)
		wanted := false
		for ; next < len(b.Findings) && int(b.Findings[next].Record) == i; next++ {
			wanted = wanted || c.filter.rule(b.Findings[next].Rule)
		}
		switch {
		case !wanted || !c.stream(b.Records[i].Stream):
		case c.chunk.full():
			c.chunk.dropped++
		default:
			c.chunk.record(b, i, b.Findings[first:next])
		}
	}
}

// firstOf is the first finding in a record from index from on.
func firstOf(b *agent.Batch, from int) int {
	i, _ := slices.BinarySearchFunc(b.Findings, int32(from), func(f agent.Finding, r int32) int { return int(f.Record - r) })
	return i
}

func (c *client) stream(s agent.Stream) bool {
	return len(c.filter.Streams) == 0 || among(c.filter.Streams, s.String)
}

// alerts takes those that the client wants.
func (c *client) alerts(all []agent.Alert) {
	c.mu.Lock()
	defer c.mu.Unlock()
	was := c.chunk.empty()
	for i := range all {
		if !c.filter.alert(&all[i]) {
			continue
		}
		if c.chunk.full() {
			c.chunk.dropped++
			continue
		}
		from := int32(len(c.chunk.text))
		c.chunk.text = appendAlert(c.chunk.text, &all[i])
		c.chunk.items = append(c.chunk.items, item{text: agent.Span{Start: from, End: int32(len(c.chunk.text))}})
	}
	c.taken(was)
}

// swap returns what there is, and takes what was sent for what comes.
func (c *client) swap(sent *chunk) *chunk {
	sent.reset()
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.chunk
	c.chunk = sent
	c.behind.Store(false)
	return now
}
