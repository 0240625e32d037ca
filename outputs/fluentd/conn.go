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

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/forward"
)

const (
	firstRetry = 100 * time.Millisecond
	lastRetry  = 5 * time.Second
	piece      = 128 << 10 // bytes that have to be written within one timeout
	impatience = 30        // ack_timeouts that an acknowledgement may take at most
)

var (
	errAckTimeout = errors.New("no acknowledgement came in time")
	errHungUp     = errors.New("the receiver closed the connection")
)

// send keeps a connection and sends what the queue has, until ctx is done.
func (o *Output) send(ctx context.Context) {
	trouble := agent.NewTrouble(o.log)
	retry := firstRetry
	for ctx.Err() == nil {
		acked := o.acked.Load()
		err := o.converse(ctx, trouble)
		lost, refused := o.q.unsend(ctx.Err() != nil)
		o.resent.Add(uint64(lost))
		o.giveUp(refused)
		if ctx.Err() != nil {
			return
		}
		if o.acked.Load() != acked {
			retry = firstRetry
		}
		if lost > 0 || !errors.Is(err, errHungUp) { // an idle connection may be closed
			o.disconnects.Add(1)
			trouble.Fail(err, "records are not acknowledged; they wait in the spool", "address", o.c.Address)
		}
		select {
		case <-ctx.Done():
		case <-time.After(retry/2 + rand.N(retry)):
		}
		retry = min(2*retry, lastRetry)
	}
}

// converse makes a connection and uses it until it fails.
func (o *Output) converse(ctx context.Context, trouble *agent.Trouble) error {
	conn, r, err := o.connect(ctx)
	if err != nil {
		return err
	}
	o.connects.Add(1)
	o.connected.Store(true)
	defer o.connected.Store(false)

	ctx, cancel := context.WithCancelCause(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer conn.Close()
	defer cancel(nil)
	context.AfterFunc(ctx, func() { conn.Close() })
	wg.Go(func() { cancel(o.readAcks(r)) })
	wg.Go(func() { cancel(o.watch(ctx, trouble)) })
	var z compressor
	for {
		c, err := o.q.next(ctx)
		if err == nil {
			err = o.sendChunk(conn, c, &z)
		}
		if err != nil {
			if cause := context.Cause(ctx); cause != nil {
				err = cause
			}
			return err
		}
		o.sent.Add(1)
		if !o.c.Ack {
			o.acknowledge(string(c.id[:]))
		}
	}
}

func (o *Output) sendChunk(conn net.Conn, c *chunk, z *compressor) (err error) {
	b := c.frame
	if o.c.Compress == gzipped {
		if b, err = z.message(c); err != nil {
			return fmt.Errorf("compress: %w", err)
		}
	}
	return o.write(conn, b)
}

// write writes piece by piece: a receiver that reads slowly is not one that
// hangs.
func (o *Output) write(conn net.Conn, b []byte) error {
	for len(b) > 0 {
		if err := conn.SetWriteDeadline(time.Now().Add(time.Duration(o.patience.Load()))); err != nil {
			return fmt.Errorf("send: %w", err)
		}
		n, err := conn.Write(b[:min(len(b), piece)])
		o.sentBytes.Add(uint64(n))
		if errors.Is(err, os.ErrDeadlineExceeded) {
			o.waitLonger()
		}
		if err != nil {
			return fmt.Errorf("send: %w", err)
		}
		b = b[n:]
	}
	return nil
}

// connect dials, secures and, where there is a shared key, shakes hands.
func (o *Output) connect(ctx context.Context) (_ net.Conn, _ *msgp.Reader, err error) {
	parent := ctx
	ctx, cancel := context.WithTimeout(ctx, time.Duration(o.c.ConnectTimeout))
	defer cancel()
	network, address, err := splitAddress(o.c.Address)
	if err != nil {
		return nil, nil, err
	}
	conn, err := o.dial(ctx, network, address)
	if err != nil {
		return nil, nil, fmt.Errorf("connect: %w", err)
	}
	defer func() {
		if err != nil {
			conn.Close()
		}
	}()
	host, _, _ := net.SplitHostPort(address)
	secure, err := o.c.TLS.Client(host)
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
	if o.c.SharedKey.IsZero() {
		return conn, r, nil
	}
	stop := context.AfterFunc(parent, func() { conn.Close() })
	defer stop()
	return conn, r, o.shakeHands(ctx, conn, r)
}

func (o *Output) shakeHands(ctx context.Context, conn net.Conn, r *msgp.Reader) error {
	deadline, _ := ctx.Deadline()
	if err := conn.SetDeadline(deadline); err != nil {
		return err
	}
	hostname, _ := os.Hostname()
	err := forward.Handshake(conn, r, forward.Credentials{
		Hostname: hostname, SharedKey: o.c.SharedKey.Value(), Username: o.c.Username, Password: o.c.Password.Value(),
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
func (o *Output) readAcks(r *msgp.Reader) error {
	for {
		id, err := forward.ReadAck(r)
		switch {
		case errors.Is(err, io.EOF):
			return errHungUp
		case err != nil:
			return err
		case o.c.Ack && !o.acknowledge(id):
			o.unknownAcks.Add(1)
		}
	}
}

func (o *Output) acknowledge(id string) bool {
	records, took, ok := o.q.ack(id)
	if ok {
		o.acked.Add(1)
		o.records.Add(uint64(records))
		o.adapt(took)
	}
	return ok
}

// adapt sets how long the next acknowledgement may take after one took so long:
// a receiver that is slow and gets along is left alone.
func (o *Output) adapt(took time.Duration) {
	was := time.Duration(o.patience.Load())
	o.setPatience(max(4*took, was-was/8))
}

// waitLonger lets acknowledgements take longer, after one took too long: nothing
// would ever get through to a receiver that needs longer than the timeout.
func (o *Output) waitLonger() { o.setPatience(2 * time.Duration(o.patience.Load())) }

func (o *Output) setPatience(d time.Duration) {
	timeout := time.Duration(o.c.AckTimeout)
	o.patience.Store(int64(min(max(d, timeout), impatience*timeout)))
}

// watch ends with an error when an acknowledgement is overdue. It is also what
// says that all is well again, once that has lasted for a moment.
func (o *Output) watch(ctx context.Context, trouble *agent.Trouble) error {
	acked := o.acked.Load()
	tick := time.NewTicker(min(time.Duration(o.c.AckTimeout)/4, time.Second))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
		if o.acked.Load() != acked && !o.q.held() || o.q.idle() {
			trouble.Clear("records are acknowledged again", "address", o.c.Address)
		}
		limit := time.Duration(o.patience.Load())
		if since, overtaken, ok := o.q.awaited(); ok && time.Since(since) > limit {
			o.ackTimeout.Add(1)
			if !overtaken { // the receiver is not slow
				o.waitLonger()
			}
			return errAckTimeout
		}
	}
}
