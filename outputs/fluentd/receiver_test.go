package fluentd

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tinylib/msgp/msgp"

	"github.com/webgrip/logkeel/agent"
)

// A receiver is the other end of an output's connections, and does with each
// what its script says. Connections count from 1.
type receiver struct {
	t      testing.TB
	script func(conn int, p *peer) error
	wg     sync.WaitGroup

	mu     sync.Mutex
	conns  int
	events []event
	errs   []error // of messages that were not as they should be
}

// A peer is one connection as the receiver has it.
type peer struct {
	net.Conn
	r  *msgp.Reader
	rx *receiver
}

// errRefuse makes the receiver refuse a connection. Only the first call of a
// script, with a nil peer, may return it.
var errRefuse error = syscall.ECONNREFUSED

// dial is the dialer of an output that has only this receiver to talk to.
func (rx *receiver) dial(context.Context, string, string) (net.Conn, error) {
	rx.mu.Lock()
	rx.conns++
	n := rx.conns
	rx.mu.Unlock()
	if err := rx.script(n, nil); err == errRefuse {
		return nil, err
	}
	client, server := net.Pipe()
	rx.wg.Go(func() {
		defer server.Close()
		rx.script(n, &peer{Conn: server, r: msgp.NewReader(server), rx: rx})
	})
	return client, nil
}

// read reads a whole message and takes it.
func (p *peer) read() (message, error) {
	m, err := readMessage(p.r)
	if err != nil {
		if !isClosed(err) {
			p.rx.mu.Lock()
			p.rx.errs = append(p.rx.errs, err)
			p.rx.mu.Unlock()
		}
		return m, err
	}
	p.rx.mu.Lock()
	p.rx.events = append(p.rx.events, m.events...)
	p.rx.mu.Unlock()
	return m, nil
}

// isClosed reports whether the client has gone, in the middle of a message or not.
func isClosed(err error) bool {
	var broken net.Error
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.ErrClosedPipe) || errors.As(err, &broken)
}

func (p *peer) ack(id string) error {
	b := msgp.AppendMapHeader(nil, 1)
	b = msgp.AppendString(msgp.AppendString(b, "ack"), id)
	_, err := p.Write(b)
	return err
}

// acks is the script of a receiver that does all that it should.
func acks(_ int, p *peer) error {
	for p != nil {
		m, err := p.read()
		if err != nil {
			return err
		}
		if err := p.ack(m.chunk); err != nil {
			return err
		}
	}
	return nil
}

// A rig is an output with its receiver and its readers, in a bubble.
type rig struct {
	t       *testing.T
	state   *state
	o       *Output
	rx      *receiver
	sources [3]*agent.Source
	next    [3]int
	peak    atomic.Int64 // bytes in memory
	abandon func()       // as a kill does
	stop    func() error
	padding int
}

// inBubble runs f with an output that talks to the script.
func inBubble(t *testing.T, c Config, script func(int, *peer) error, f func(*rig)) {
	t.Helper()
	inBubbleAt(t, newState(t), c, script, f)
}

func inBubbleAt(t *testing.T, st *state, c Config, script func(int, *peer) error, f func(*rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := &rig{t: t, state: st, padding: 200}
		for i := range r.sources {
			r.sources[i] = container(string(rune('a' + i)))
		}
		r.rx = &receiver{t: t, script: script}
		r.o, _ = r.state.open(c)
		r.o.dial = r.rx.dial
		r.start()
		f(r)
		if r.stop != nil {
			if err := r.stop(); err != nil {
				t.Error(err)
			}
		}
		r.rx.wg.Wait()
		for _, err := range r.rx.errs {
			t.Errorf("the receiver got something wrong: %v", err)
		}
	})
}

func (r *rig) start() {
	ctx, cancel := context.WithCancel(r.t.Context())
	var wg sync.WaitGroup
	o := r.o
	var conns connections
	o.dial = conns.of(o.dial)
	wg.Go(func() {
		if err := o.Run(ctx); err != nil {
			r.t.Errorf("run: %v", err)
		}
	})
	wg.Go(func() {
		for ctx.Err() == nil {
			n := 0
			for _, l := range o.all() {
				n += footprint(l.q)
			}
			r.peak.Store(max(r.peak.Load(), int64(n)))
			time.Sleep(50 * time.Millisecond)
		}
	})
	r.abandon = func() {
		cancel()
		conns.cut()
		wg.Wait()
	}
	r.stop = func() error {
		cancel()
		wg.Wait()
		r.stop = nil
		return o.Close()
	}
}

// connections are those of one output.
type connections struct {
	mu  sync.Mutex
	all []net.Conn
}

func (cs *connections) of(dial dialFunc) dialFunc {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err == nil {
			cs.mu.Lock()
			defer cs.mu.Unlock()
			cs.all = append(cs.all, conn)
		}
		return conn, err
	}
}

func (cs *connections) cut() {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	for _, conn := range cs.all {
		conn.Close()
	}
}

// footprint is what the queue holds in memory, in bytes.
func footprint(q *queue) int {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := q.memBytes
	for _, c := range q.disk {
		n += cap(c.frame)
	}
	for _, c := range q.spare {
		n += cap(c.frame)
	}
	return n
}

// write writes n batches of records, one source after the other.
func (r *rig) write(batches, each int) {
	r.t.Helper()
	for i := range batches {
		k := i % len(r.sources)
		b := newBatch(r.sources[k], r.next[k], r.next[k]+each, r.padding, nil)
		if err := r.o.Write(r.t.Context(), b, 0); err != nil {
			r.t.Fatal(err)
		}
		r.next[k] += each
		poison(b)
	}
}

// settle waits until all is acknowledged.
func (r *rig) settle() {
	r.t.Helper()
	if err := r.o.Drain(r.t.Context()); err != nil {
		r.t.Fatal(err)
	}
	for range 100_000 {
		left := false
		for _, l := range r.o.all() {
			m := l.q.measure()
			left = left || m.chunks+m.flying > 0 || !l.spool.Empty()
		}
		if !left {
			synctest.Wait()
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	for _, l := range r.o.all() {
		r.t.Logf("%s: %+v, spool %d", l.dir, l.q.measure(), l.spool.Frames())
	}
	r.t.Fatalf("not all is acknowledged\n%s", r.state.log)
}

// arrived wants each record, first arrivals in order; exactly once if so said.
func (r *rig) arrived(exactly bool) (repeats int) {
	r.t.Helper()
	r.rx.mu.Lock()
	defer r.rx.mu.Unlock()
	var next [3]int
	for _, e := range r.rx.events {
		i, n := int(e.source()[0]-'a'), e.number()
		switch {
		case n == next[i]:
			next[i]++
		case n > next[i] || n < 0:
			r.t.Fatalf("source %d: %d arrives, and %d did not", i, n, next[i])
		default:
			repeats++
		}
	}
	if next != r.next {
		r.t.Fatalf("of %v records %v arrived", r.next, next)
	}
	if exactly && repeats > 0 {
		r.t.Errorf("%d records arrived again", repeats)
	}
	return repeats
}

// said wants the log to say each text once, and no other warning.
func (r *rig) said(texts ...string) {
	r.t.Helper()
	for _, text := range texts {
		if n := r.state.log.count(text); n != 1 {
			r.t.Errorf("said %d times: %s\n%s", n, text, r.state.log)
		}
	}
	if n := r.state.log.count("level=WARN"); n > len(texts) {
		r.t.Errorf("%d warnings; want %d at most\n%s", n, len(texts), r.state.log)
	}
}

func (r *rig) bounded(limit int) {
	r.t.Helper()
	if n := r.peak.Load(); n > int64(limit) {
		r.t.Errorf("%d bytes were in memory; want %d at most", n, limit)
	}
}
