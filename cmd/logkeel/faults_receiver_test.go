package main

import (
	"io"
	"iter"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/tinylib/msgp/msgp"

	"github.com/webgrip/logkeel/agent/testenv"
)

// A faultyReceiver takes Forward messages and acknowledges them, and does it as
// badly as it is told to.
type faultyReceiver struct {
	t    *testing.T
	addr string
	wg   sync.WaitGroup

	mu       sync.Mutex
	ln       net.Listener // nil while it is away
	conns    map[net.Conn]bool
	withhold bool // acknowledgements are not sent
	cutAfter int  // > 0: the connection that reads is cut after so many bytes
	entries  []testenv.Entry
}

func newFaultyReceiver(t *testing.T) *faultyReceiver {
	r := &faultyReceiver{t: t, addr: testenv.Addr(t), conns: map[net.Conn]bool{}}
	r.listen()
	t.Cleanup(func() {
		r.away()
		r.wg.Wait()
	})
	return r
}

func (r *faultyReceiver) listen() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ln != nil {
		return
	}
	ln, err := net.Listen("tcp", r.addr)
	if err != nil {
		r.t.Error(err)
		return
	}
	r.ln = ln
	r.wg.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			r.mu.Lock()
			r.conns[c] = true
			r.mu.Unlock()
			r.wg.Go(func() { r.serve(c) })
		}
	})
}

// away closes the port and all connections.
func (r *faultyReceiver) away() {
	r.mu.Lock()
	if r.ln != nil {
		r.ln.Close()
		r.ln = nil
	}
	r.mu.Unlock()
	r.cut()
}

func (r *faultyReceiver) cut() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for c := range r.conns {
		c.Close()
	}
}

func (r *faultyReceiver) set(withhold bool, cutAfter int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.withhold, r.cutAfter = withhold, cutAfter
}

// Read reads from a connection, which may be cut in the middle of a chunk.
type faultyConn struct {
	net.Conn
	r *faultyReceiver
}

func (c faultyConn) Read(b []byte) (int, error) {
	c.r.mu.Lock()
	if left := c.r.cutAfter; left > 0 && len(b) > left {
		b = b[:left]
	}
	c.r.mu.Unlock()
	n, err := c.Conn.Read(b)
	c.r.mu.Lock()
	defer c.r.mu.Unlock()
	if c.r.cutAfter > 0 {
		if c.r.cutAfter -= n; c.r.cutAfter <= 0 {
			c.Close()
			return 0, io.ErrUnexpectedEOF
		}
	}
	return n, err
}

func (r *faultyReceiver) serve(c net.Conn) {
	defer func() {
		c.Close()
		r.mu.Lock()
		delete(r.conns, c)
		r.mu.Unlock()
	}()
	in := msgp.NewReader(faultyConn{c, r})
	for {
		chunk, entries, err := readMessage(in)
		if err != nil {
			return
		}
		r.mu.Lock()
		r.entries = append(r.entries, entries...)
		withhold := r.withhold
		r.mu.Unlock()
		if withhold {
			continue
		}
		ack := msgp.AppendString(msgp.AppendString(msgp.AppendMapHeader(nil, 1), "ack"), chunk)
		if _, err := c.Write(ack); err != nil {
			return
		}
	}
}

// readMessage reads [tag, entries, {"size": …, "chunk": …}].
func readMessage(in *msgp.Reader) (chunk string, entries []testenv.Entry, err error) {
	if _, err = in.ReadArrayHeader(); err != nil {
		return "", nil, err
	}
	tag, err := in.ReadString()
	if err != nil {
		return "", nil, err
	}
	packed, err := in.ReadBytes(nil)
	if err != nil {
		return "", nil, err
	}
	option := map[string]any{}
	if err := in.ReadMapStrIntf(option); err != nil {
		return "", nil, err
	}
	for len(packed) > 0 {
		_, b, err := msgp.ReadArrayHeaderBytes(packed)
		if err == nil {
			b, err = msgp.Skip(b)
		}
		e := testenv.Entry{Tag: tag}
		if err == nil {
			e.Record, packed, err = msgp.ReadMapStrIntfBytes(b, nil)
		}
		if err != nil {
			return "", nil, err
		}
		entries = append(entries, e)
	}
	chunk, _ = option["chunk"].(string)
	return chunk, entries, nil
}

// all is what has arrived so far.
func (r *faultyReceiver) all() iter.Seq[testenv.Entry] {
	r.mu.Lock()
	entries := r.entries[:len(r.entries):len(r.entries)]
	r.mu.Unlock()
	return func(yield func(testenv.Entry) bool) {
		for _, e := range entries {
			if !yield(e) {
				return
			}
		}
	}
}

func (r *faultyReceiver) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.entries)
}

// between is a random time.
func between(rnd *rand.Rand, least, most time.Duration) time.Duration {
	return least + time.Duration(rnd.Int64N(int64(most-least)))
}
