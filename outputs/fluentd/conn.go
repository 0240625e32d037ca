package fluentd

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"time"

	"github.com/tinylib/msgp/msgp"

	"github.com/webgrip/logkeel/agent/forward"
)

const (
	firstRetry = 100 * time.Millisecond
	lastRetry  = 5 * time.Second
	piece      = 128 << 10        // bytes that have to be written within one timeout
	impatience = 30               // ack_timeouts that an acknowledgement may take at most
	lookAgain  = 10 * time.Second // at least, and up to three times that, between two looks at a better server
	landing    = 3 * time.Second  // how long a stop waits at most for what is in flight, which is in the spool
)

var (
	errAckTimeout = errors.New("no acknowledgement came in time")
	errHungUp     = errors.New("the receiver closed the connection")
	errBetter     = errors.New("a server that goes before this one works again")
	errEmpty      = errors.New("nothing is left to be sent")
)

// send keeps a connection and sends what the queue has, until ctx is done or a
// stray is empty.
func (l *lane) send(ctx context.Context) {
	retry := firstRetry
	for ctx.Err() == nil && !(l.stray && l.q.idle()) {
		k, _ := l.choose()
		s := l.links[k]
		l.last = k
		acked, connects := l.acked.Load(), l.connects.Load()
		err := l.converse(ctx, k)
		leaves := errors.Is(err, errBetter) || errors.Is(err, errEmpty)
		lost, refused := l.q.unsend(ctx.Err() != nil || leaves)
		l.resent.Add(uint64(lost))
		l.giveUp(refused)
		if ctx.Err() != nil {
			if lost > 0 {
				l.log.Info("the output ends before the receiver has acknowledged all that was sent; it is sent again at the next start, and may arrive twice", "chunks", lost)
			}
			return
		}
		worked := l.acked.Load() != acked
		if worked {
			retry = firstRetry
		}
		if leaves {
			continue
		}
		if lost > 0 || !errors.Is(err, errHungUp) { // an idle connection may be closed
			l.disconnects.Add(1)
			s.failed(worked, l.connects.Load() != connects)
			l.complain(s.server, err)
			if next, free := l.choose(); free && next != k {
				continue
			}
		}
		select {
		case <-ctx.Done():
		case <-time.After(retry/2 + rand.N(retry)):
		}
		retry = min(2*retry, lastRetry)
	}
}

// converse makes a connection to server k and uses it until it fails, there is a
// better one, or stop is done. What is in flight then may land.
func (l *lane) converse(stop context.Context, k int) error {
	s := l.links[k]
	conn, r, err := l.connect(stop, s.server)
	if err != nil {
		return err
	}
	l.connects.Add(1)
	l.connected.Store(true)
	defer l.connected.Store(false)

	ctx, cancel := context.WithCancelCause(context.WithoutCancel(stop))
	var wg sync.WaitGroup
	defer wg.Wait()
	defer conn.Close()
	defer cancel(nil)
	context.AfterFunc(ctx, func() { conn.Close() })
	staying, leave := context.WithCancel(ctx)
	defer leave()
	wg.Go(func() { cancel(l.readAcks(s, r)) })
	wg.Go(func() { cancel(l.watch(ctx, s)) })
	wg.Go(func() {
		select {
		case <-ctx.Done():
			return
		case <-stop.Done():
		}
		leave()
		select {
		case <-ctx.Done():
		case <-time.After(l.o.landing()):
			cancel(context.Cause(stop))
		}
	})
	if k > 0 {
		wg.Go(func() {
			if l.findBetter(ctx, k) {
				leave()
			}
		})
	}
	var z compressor
	for {
		c, err := (*chunk)(nil), errBetter
		if staying.Err() == nil || ctx.Err() != nil {
			c, err = l.q.next(staying)
		}
		switch {
		case err == nil:
			err = l.sendChunk(conn, s, c, &z)
		case staying.Err() != nil && ctx.Err() == nil:
			if err = l.q.land(ctx); err == nil {
				return errBetter
			}
		}
		if err != nil {
			if cause := context.Cause(ctx); cause != nil {
				err = cause
			}
			return err
		}
		l.sent.Add(1)
		if !l.c.Ack {
			l.acknowledge(s, string(c.id[:]))
		}
	}
}

// findBetter tries the servers that go before server k, now and then, and reports
// that one can be used again.
func (l *lane) findBetter(ctx context.Context, k int) bool {
	for {
		select {
		case <-ctx.Done():
			return false
		case <-time.After(lookAgain + rand.N(2*lookAgain)):
		}
		for _, s := range l.links[:k] {
			if until, _ := s.resting(); time.Now().Before(until) {
				continue
			}
			conn, _, err := l.connect(ctx, s.server)
			if err == nil {
				conn.Close()
				return true
			}
			if ctx.Err() != nil {
				return false
			}
			l.disconnects.Add(1)
			s.failed(false, false)
			l.complain(s.server, err)
		}
	}
}

func (l *lane) sendChunk(conn net.Conn, s *link, c *chunk, z *compressor) error {
	b := c.frame
	if l.c.Compress == gzipped {
		b = z.message(c)
	}
	return l.write(conn, s, b)
}

// write writes piece by piece: a receiver that reads slowly is not one that
// hangs.
func (l *lane) write(conn net.Conn, s *link, b []byte) error {
	for len(b) > 0 {
		if err := conn.SetWriteDeadline(time.Now().Add(time.Duration(s.patience.Load()))); err != nil {
			return fmt.Errorf("send: %w", err)
		}
		n, err := conn.Write(b[:min(len(b), piece)])
		l.sentBytes.Add(uint64(n))
		if errors.Is(err, os.ErrDeadlineExceeded) {
			l.waitLonger(s)
		}
		if err != nil {
			return fmt.Errorf("send: %w", err)
		}
		b = b[n:]
	}
	return nil
}

type dialFunc func(ctx context.Context, network, address string) (net.Conn, error)

func (l *lane) connect(ctx context.Context, s *server) (net.Conn, *msgp.Reader, error) {
	return s.connect(ctx, time.Duration(l.c.ConnectTimeout), l.o.dial)
}

// connect dials, secures and, where there is a shared key, shakes hands.
func (s *server) connect(ctx context.Context, timeout time.Duration, dial dialFunc) (_ net.Conn, _ *msgp.Reader, err error) {
	parent := ctx
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	conn, err := dial(ctx, s.network, s.dial)
	if err != nil {
		return nil, nil, fmt.Errorf("connect: %w", err)
	}
	defer func() {
		if err != nil {
			conn.Close()
		}
	}()
	host, _, _ := net.SplitHostPort(s.dial)
	secure, err := s.tls.Client(host)
	if err != nil {
		return nil, nil, fmt.Errorf("tls: %w", err)
	}
	if secure != nil {
		t := tls.Client(conn, secure)
		if err := t.HandshakeContext(ctx); err != nil {
			return nil, nil, fmt.Errorf("secure the connection: %w", err)
		}
		conn = t
	}
	r := forward.NewReader(conn)
	if s.SharedKey.IsZero() {
		return conn, r, nil
	}
	stop := context.AfterFunc(parent, func() { conn.Close() })
	defer stop()
	return conn, r, s.shakeHands(ctx, conn, r)
}

func (s *server) shakeHands(ctx context.Context, conn net.Conn, r *msgp.Reader) error {
	deadline, _ := ctx.Deadline()
	if err := conn.SetDeadline(deadline); err != nil {
		return err
	}
	hostname, _ := os.Hostname()
	err := forward.Handshake(conn, r, forward.Credentials{
		Hostname: hostname, SharedKey: s.SharedKey.Value(), Username: s.Username, Password: s.Password.Value(),
	})
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return fmt.Errorf("%w; has the server a shared_key, and is TLS the same on both sides?", err)
	}
	if err != nil {
		return err
	}
	return conn.SetDeadline(time.Time{})
}

// readAcks reads acknowledgements until the connection ends.
func (l *lane) readAcks(s *link, r *msgp.Reader) error {
	for {
		id, err := forward.ReadAck(r)
		switch {
		case errors.Is(err, io.EOF):
			return errHungUp
		case err != nil:
			return err
		case l.c.Ack && !l.acknowledge(s, id):
			l.unknownAcks.Add(1)
		}
	}
}

func (l *lane) acknowledge(s *link, id string) bool {
	records, took, ok := l.q.ack(id)
	if ok {
		l.acked.Add(1)
		l.ackedAt.Store(time.Now().Unix())
		l.records.Add(uint64(records))
		s.records.Add(uint64(records))
		l.adapt(s, took)
	}
	return ok
}

// adapt sets how long the next acknowledgement may take after one took so long:
// a receiver that is slow and gets along is left alone.
func (l *lane) adapt(s *link, took time.Duration) {
	was := time.Duration(s.patience.Load())
	l.setPatience(s, max(4*took, was-was/8))
}

// waitLonger lets acknowledgements take longer, after one took too long: nothing
// would ever get through to a receiver that needs longer than the timeout.
func (l *lane) waitLonger(s *link) { l.setPatience(s, 2*time.Duration(s.patience.Load())) }

func (l *lane) setPatience(s *link, d time.Duration) {
	timeout := time.Duration(l.c.AckTimeout)
	s.patience.Store(int64(min(max(d, timeout), impatience*timeout)))
}

// watch ends with an error when an acknowledgement is overdue. It is also what
// says that all is well again, once that has lasted for a moment.
func (l *lane) watch(ctx context.Context, s *link) error {
	last, acked, news := l.acked.Load(), false, true
	tick := time.NewTicker(min(time.Duration(l.c.AckTimeout)/4, time.Second))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
		if n := l.acked.Load(); n != last {
			last, acked, news = n, true, true
			l.trust(s)
		}
		if news && (acked && !l.q.held() || l.q.idle()) {
			news = false // what it did long ago says nothing against what another lane sees now
			if s.works(acked || len(l.links) == 1) {
				l.commend(s.server)
			}
		}
		if l.stray && l.q.idle() {
			return errEmpty
		}
		limit := time.Duration(s.patience.Load())
		if since, overtaken, ok := l.q.awaited(); ok && time.Since(since) > limit {
			l.ackTimeout.Add(1)
			if !overtaken { // the receiver is not slow
				l.waitLonger(s)
			}
			return errAckTimeout
		}
	}
}

// trust has no more patience with the other servers than ack_timeout says, while
// this one takes what they did not.
func (l *lane) trust(s *link) {
	for _, other := range l.links {
		if other != s {
			l.setPatience(other, 0)
		}
	}
}
