package forward

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/webgrip/logkeel/agent/forward"
)

// timing are the times that a client is given.
type timing struct {
	handshake time.Duration
	idle      time.Duration // within a message, for the next byte
	message   time.Duration // for one message
	write     time.Duration // for an acknowledgement
	piece     time.Duration // for the next piece of a line
}

var defaultTiming = timing{handshake: 10 * time.Second, idle: 30 * time.Second, message: 5 * time.Minute, write: 30 * time.Second, piece: 5 * time.Second}

// maxAcks is how many acknowledgements a client may be owed before no more is
// read of it: one that does not take them may not send either.
const maxAcks = 4096

// lastWrite is for those that are sent when the collector stops.
const lastWrite = time.Second

// A conn is one client. One goroutine reads from it, another one writes
// acknowledgements.
type conn struct {
	c      *Collector
	raw    net.Conn
	net    net.Conn // raw, or TLS over it
	peer   string
	r      *forward.Receiver
	large  bool // it has one of the collector's places for large messages
	pieces []piece

	owed atomic.Int64  // acknowledgements of what was put
	wake chan struct{} // for write
	paid chan struct{} // for read: less is owed

	began time.Time // the reader's: when the first byte of the message came; zero: between messages

	mu      sync.Mutex
	acks    []string
	stopped bool // nothing more is to be read
	ended   bool // nothing more will be
}

var errSlow = errors.New("a message was begun and did not go on")

func newConn(c *Collector, nc net.Conn) *conn {
	cn := &conn{c: c, raw: nc, net: nc, peer: peerOf(nc), wake: make(chan struct{}, 1), paid: make(chan struct{}, 1)}
	cn.r = forward.NewReceiver(reader{cn}, int(c.config.MaxMessage), cn.grow)
	return cn
}

// peerOf names a client without its port, which is another one each time.
func peerOf(nc net.Conn) string {
	if a, ok := nc.RemoteAddr().(*net.TCPAddr); ok {
		return a.IP.String()
	}
	return nc.LocalAddr().String()
}

// reader is what the Receiver reads from: it sets deadlines.
type reader struct{ c *conn }

func (r reader) Read(b []byte) (int, error) {
	c := r.c
	c.mu.Lock()
	if c.stopped {
		c.mu.Unlock()
		return 0, errOver
	}
	var deadline time.Time
	if c.r.Partial() {
		now := time.Now()
		if c.began.IsZero() {
			c.began = now
		}
		if deadline = now.Add(c.c.timing.idle); deadline.After(c.began.Add(c.c.timing.message)) {
			deadline = c.began.Add(c.c.timing.message)
		}
	} else {
		c.began = time.Time{}
	}
	c.net.SetReadDeadline(deadline)
	c.mu.Unlock()
	n, err := c.net.Read(b)
	if n == 0 && errors.Is(err, os.ErrDeadlineExceeded) {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.stopped {
			return 0, errOver
		}
		return 0, errSlow
	}
	return n, err
}

// stop ends reading.
func (c *conn) stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stopped = true
	c.net.SetReadDeadline(time.Unix(1, 0))
}

// grow waits for a place among those who send large messages.
func (c *conn) grow() error {
	wait := time.NewTimer(c.c.timing.message)
	defer wait.Stop()
	select {
	case c.c.large <- struct{}{}:
		c.large = true
		return nil
	case <-c.c.stopping:
		return errOver
	case <-wait.C:
		return errSlow
	}
}

func (c *conn) shrink() {
	if c.large {
		<-c.c.large
		c.large = false
	}
}

// open does the handshakes.
func (c *conn) open(ctx context.Context, secure *tls.Config, gate *forward.Gate) error {
	if secure == nil && gate == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, c.c.timing.handshake)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { c.raw.Close() })
	defer stop()
	if secure != nil {
		t := tls.Server(c.raw, secure)
		if err := t.HandshakeContext(ctx); err != nil {
			return fmt.Errorf("handshake: TLS: %w", err)
		}
		c.mu.Lock()
		c.net = t
		c.mu.Unlock()
	}
	if gate != nil {
		c.net.SetDeadline(time.Now().Add(c.c.timing.handshake))
		if err := gate.Admit(c.net, c.r); err != nil {
			return err
		}
	}
	if !stop() {
		return ctx.Err()
	}
	return nil
}

// read puts what the client sends until that ends.
func (c *conn) read() error {
	defer c.shrink()
	for {
		for c.owed.Load() >= maxAcks {
			select {
			case <-c.paid:
			case <-c.c.stopping:
				return errOver
			}
		}
		m, err := c.r.Next()
		if err != nil {
			return err
		}
		c.began = time.Time{} // what was read beyond is another message
		if c.pieces, err = split(c.pieces[:0], m.Entries); err != nil {
			return err
		}
		records := 0
		for i := range c.pieces {
			records += c.pieces[i].records
		}
		if err := c.c.store.put(c, &m, c.pieces); err != nil {
			return err
		}
		c.c.counts.messages.Add(1)
		c.c.counts.bytes.Add(uint64(m.Size))
		c.c.counts.records.Add(uint64(records))
		clear(c.pieces)
		if c.r.Shrink() {
			c.shrink()
			c.pieces = nil
		}
	}
}

// finish gives the client a moment for what it is owed.
func (c *conn) finish() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.net.SetWriteDeadline(time.Now().Add(lastWrite))
}

func (c *conn) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.net.Close()
}

// end says that nothing more is read: write ends when nothing is owed.
func (c *conn) end() {
	c.mu.Lock()
	c.ended = true
	c.mu.Unlock()
	signal(c.wake)
}

// acknowledge has write send one acknowledgement.
func (c *conn) acknowledge(id string) {
	c.mu.Lock()
	c.acks = append(c.acks, id)
	c.mu.Unlock()
	signal(c.wake)
}

// abandon closes the connection: what is owed cannot be kept.
func (c *conn) abandon() {
	c.raw.Close()
	c.owed.Store(0)
	signal(c.wake)
	signal(c.paid)
}

// write sends acknowledgements until all are sent and nothing more is read.
func (c *conn) write() {
	var acks []string
	var buf []byte
	failed := false
	for range c.wake {
		c.mu.Lock()
		acks, c.acks = c.acks, acks[:0]
		ended, nc, wait := c.ended, c.net, c.c.timing.write
		if c.stopped {
			wait = lastWrite
		}
		c.mu.Unlock()
		buf = buf[:0]
		for _, id := range acks {
			buf = forward.AppendAck(buf, id)
		}
		if len(buf) > 0 && !failed {
			nc.SetWriteDeadline(time.Now().Add(wait))
			if _, err := nc.Write(buf); err != nil {
				c.raw.Close() // the reader says why
				failed = true
			}
		}
		left := c.owed.Add(-int64(len(acks)))
		signal(c.paid)
		if left <= 0 && ended {
			return
		}
	}
}

// reason is what an error that ended a connection counts as; said is false for
// what is no fault.
func reason(err error) (name string, said bool) {
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, errOver), errors.Is(err, context.Canceled):
		return "", false
	case errors.Is(err, forward.ErrTooLarge):
		return "too_large", true
	case errors.Is(err, forward.ErrMalformed):
		return "malformed", true
	case errors.Is(err, errSlow):
		return "timeout", true
	}
	return "connection", false
}
