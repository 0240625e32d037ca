package docker

import (
	"io"
	"sync"
)

const (
	idleRead = 4 << 10   // bytes asked for while little comes
	bulkRead = 64 << 10  // and while much does
	bulkRoom = 256 << 10 // bytes that wait to be parsed
)

// A pump reads a stream while what it read before is worked on, so that batches
// are as large as much has come. It holds little while nothing comes.
type pump struct {
	ready chan struct{} // something came, or the stream ended
	space chan struct{} // something was taken
	done  chan struct{}

	mu   sync.Mutex
	data []byte
	err  error
}

func newPump() *pump {
	return &pump{ready: make(chan struct{}, 1), space: make(chan struct{}, 1), done: make(chan struct{})}
}

// run reads until the stream ends or stop is called; whoever calls that closes
// the stream, too.
func (p *pump) run(from io.Reader) {
	buf := make([]byte, idleRead)
	for {
		n, err := from.Read(buf)
		p.mu.Lock()
		p.data = append(p.data, buf[:n]...)
		p.err = err
		full := len(p.data) >= bulkRoom
		p.mu.Unlock()
		signal(p.ready)
		if err != nil {
			return
		}
		switch {
		case n == len(buf) && n < bulkRead:
			buf = make([]byte, 2*n)
		case n < idleRead && len(buf) > idleRead:
			buf = make([]byte, idleRead)
		}
		for full {
			select {
			case <-p.done:
				return
			case <-p.space:
			}
			p.mu.Lock()
			full = len(p.data) >= bulkRoom
			p.mu.Unlock()
		}
	}
}

func (p *pump) stop() { close(p.done) }

// take appends what has come to in. err is that of the stream, after its data.
func (p *pump) take(in []byte) (_ []byte, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	in = append(in, p.data...)
	if p.data = p.data[:0]; cap(p.data) > idleRead && len(in) < idleRead {
		p.data = nil
	}
	signal(p.space)
	return in, p.err
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
