package demo

import (
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"syscall"
	"time"

	"github.com/tinylib/msgp/msgp"
)

// An aggregator stands in for Fluentd: it speaks the Forward protocol and
// acknowledges each chunk once its entries are taken. It can be taken away and
// brought back on the same port.
type aggregator struct {
	take func([]entry) // is called by one goroutine at a time

	addr string // host:port, from the first start on
	wg   sync.WaitGroup

	mu     sync.Mutex
	ln     net.Listener // nil while it is away
	conns  map[net.Conn]bool
	chunks int // that were acknowledged
	wrong  int // messages that were not as they should be
}

func newAggregator(take func([]entry)) *aggregator {
	return &aggregator{take: take, addr: "127.0.0.1:0", conns: map[net.Conn]bool{}}
}

// start listens. It does nothing where that is done already.
func (a *aggregator) start() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.ln != nil {
		return nil
	}
	ln, err := net.Listen("tcp", a.addr)
	// Some other program's connection may have the port for a moment.
	for range 20 {
		if !errors.Is(err, syscall.EADDRINUSE) {
			break
		}
		time.Sleep(50 * time.Millisecond)
		ln, err = net.Listen("tcp", a.addr)
	}
	if err != nil {
		return fmt.Errorf("the stand-in for the aggregator: %w", err)
	}
	a.ln, a.addr = ln, ln.Addr().String()
	a.wg.Go(func() { a.accept(ln) })
	return nil
}

// stop breaks all connections, whatever is on its way, and frees the port.
func (a *aggregator) stop() {
	a.mu.Lock()
	if a.ln != nil {
		a.ln.Close()
		a.ln = nil
	}
	for c := range a.conns {
		c.Close()
	}
	a.mu.Unlock()
	a.wg.Wait()
}

func (a *aggregator) accept(ln net.Listener) {
	for {
		c, err := ln.Accept()
		if err != nil {
			return
		}
		a.mu.Lock()
		if a.ln != ln {
			a.mu.Unlock()
			c.Close()
			return
		}
		a.conns[c] = true
		a.wg.Go(func() { a.serve(c) })
		a.mu.Unlock()
	}
}

func (a *aggregator) serve(c net.Conn) {
	defer func() {
		c.Close()
		a.mu.Lock()
		delete(a.conns, c)
		a.mu.Unlock()
	}()
	r := newReader(c)
	for {
		m, err := readMessage(r)
		if err != nil {
			if broken := net.Error(nil); !errors.As(err, &broken) && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
				a.mu.Lock()
				a.wrong++
				a.mu.Unlock()
			}
			return
		}
		if !a.store(c, m) {
			return
		}
	}
}

// store takes the entries and acknowledges them. It does neither once the
// connection is to be broken.
func (a *aggregator) store(c net.Conn, m message) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.ln == nil {
		return false
	}
	a.take(m.entries)
	if m.chunk == "" {
		return true
	}
	b := msgp.AppendMapHeader(nil, 1)
	b = msgp.AppendString(msgp.AppendString(b, "ack"), m.chunk)
	// A sender that does not read must not hold up stop.
	c.SetWriteDeadline(time.Now().Add(time.Second))
	if _, err := c.Write(b); err != nil {
		return false
	}
	a.chunks++
	return true
}

func (a *aggregator) counts() (chunks, wrong int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.chunks, a.wrong
}
