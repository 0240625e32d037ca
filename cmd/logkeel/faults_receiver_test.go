package main

import (
	"io"
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

	mu      sync.Mutex
	ln      net.Listener // nil while it is away
	conns   map[net.Conn]bool
	silent  bool // acknowledgements are not sent
	cutIn   int  // > 0: a connection is cut when so many bytes more were read
	dies    bool // and all the others with it, and the port is closed
	entries []testenv.Entry
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
	for end := time.Now().Add(waitLong); err != nil && time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		ln, err = net.Listen("tcp", r.addr) // somebody else may have had the port
	}
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

// away closes the port and all connections, as if the process had been killed.
func (r *faultyReceiver) away() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.awayLocked()
}

func (r *faultyReceiver) awayLocked() {
	if r.ln != nil {
		r.ln.Close()
		r.ln = nil
	}
	r.cutLocked()
}

func (r *faultyReceiver) cut() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cutLocked()
}

// cutLocked resets all connections: what is on its way is lost, in both directions.
func (r *faultyReceiver) cutLocked() {
	for c := range r.conns {
		c.(*net.TCPConn).SetLinger(0)
		c.Close()
	}
}

// withhold sends no acknowledgements any more.
func (r *faultyReceiver) withhold() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.silent = true
}

// cutAfter cuts a connection after so many bytes; or else the whole receiver dies.
func (r *faultyReceiver) cutAfter(bytes int, dies bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cutIn, r.dies = bytes, dies
}

// mend ends what withhold and cutAfter began.
func (r *faultyReceiver) mend() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.silent, r.cutIn, r.dies = false, 0, false
}

// Read reads from a connection, which may be cut in the middle of a chunk.
type faultyConn struct {
	net.Conn
	r *faultyReceiver
}

func (c faultyConn) Read(b []byte) (int, error) {
	c.r.mu.Lock()
	if left := c.r.cutIn; left > 0 && len(b) > left {
		b = b[:left]
	}
	c.r.mu.Unlock()
	n, err := c.Conn.Read(b)
	c.r.mu.Lock()
	defer c.r.mu.Unlock()
	if c.r.cutIn > 0 {
		if c.r.cutIn -= n; c.r.cutIn <= 0 {
			if c.r.dies {
				c.r.awayLocked()
			}
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
		silent := r.silent
		r.mu.Unlock()
		if silent {
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
		e := testenv.Entry{Tag: tag, Time: time.Now().UnixNano()} // of its arrival
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
func (r *faultyReceiver) all() []testenv.Entry {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.entries[:len(r.entries):len(r.entries)]
}

// between is a random time.
func between(rnd *rand.Rand, least, most time.Duration) time.Duration {
	return least + time.Duration(rnd.Int64N(int64(most-least)))
}
