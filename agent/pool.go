package agent

import (
	"context"
	"sync"
)

// maxKeptBuf is the largest batch memory that is kept for the next batch.
const maxKeptBuf = 4 << 20

// A pool bounds how many batches are in use. The one given back last is the
// next one given out, so that an idle agent touches the memory of one.
type pool struct {
	free chan struct{}

	mu    sync.Mutex
	stack []*Batch
}

func newPool(n int) *pool {
	p := &pool{free: make(chan struct{}, n)}
	for range n {
		p.free <- struct{}{}
	}
	return p
}

func (p *pool) get(ctx context.Context) (*Batch, error) {
	select {
	case <-p.free:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if n := len(p.stack); n > 0 {
		b := p.stack[n-1]
		p.stack = p.stack[:n-1]
		return b, nil
	}
	return &Batch{}, nil
}

func (p *pool) put(b *Batch) {
	b.Reset()
	if cap(b.Buf) > maxKeptBuf {
		b.Buf = nil
	}
	p.mu.Lock()
	p.stack = append(p.stack, b)
	p.mu.Unlock()
	p.free <- struct{}{}
}
