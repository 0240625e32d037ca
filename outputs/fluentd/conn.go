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
)

var errAckTimeout = errors.New("no acknowledgement came in time")

// send keeps a connection and sends what the queue has, until ctx is done.
func (o *Output) send(ctx context.Context) {
	trouble := agent.NewTrouble(o.log)
	retry := firstRetry
	for ctx.Err() == nil {
		acked := o.acked.Load()
		err := o.converse(ctx, trouble)
		if n := o.q.measure().flying; n > 0 {
			o.resent.Add(uint64(n))
		}
		o.q.unsend()
		if ctx.Err() != nil {
			return
		}
		if o.acked.Load() != acked {
			retry = firstRetry
		}
		o.disconnects.Add(1)
		trouble.Fail(err, "records are not acknowledged; they wait in the spool", "address", o.c.Address)
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
	wg.Go(func() { cancel(o.readAcks(r, trouble)) })
	if o.c.Ack {
		wg.Go(func() { cancel(o.watchAcks(ctx)) })
	}
	for {
		c, err := o.q.next(ctx)
		if err == nil {
			err = o.write(conn, c)
		}
		if err != nil {
			if cause := context.Cause(ctx); cause != nil {
				err = cause
			}
			return err
		}
		if !o.c.Ack {
			o.acknowledge(string(c.id[:]))
			trouble.Clear("records are sent again", "address", o.c.Address)
		}
	}
}

func (o *Output) write(conn net.Conn, c *chunk) error {
	if err := conn.SetWriteDeadline(time.Now().Add(time.Duration(o.c.AckTimeout))); err != nil {
		return err
	}
	if _, err := conn.Write(c.frame); err != nil {
		return fmt.Errorf("send: %w", err)
	}
	o.sent.Add(1)
	return nil
}

// connect dials, secures and, where there is a shared key, shakes hands.
func (o *Output) connect(ctx context.Context) (net.Conn, *msgp.Reader, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(o.c.ConnectTimeout))
	defer cancel()
	network, address, err := splitAddress(o.c.Address)
	if err != nil {
		return nil, nil, err
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
	if err != nil {
		return nil, nil, fmt.Errorf("connect: %w", err)
	}
	host, _, _ := net.SplitHostPort(address)
	secure, err := o.c.TLS.config(host)
	if err == nil && secure != nil {
		t := tls.Client(conn, secure)
		err = t.HandshakeContext(ctx)
		conn = t
	}
	if err != nil {
		conn.Close()
		return nil, nil, fmt.Errorf("tls: %w", err)
	}
	r := msgp.NewReaderSize(conn, 4<<10)
	if o.c.SharedKey.IsZero() {
		return conn, r, nil
	}
	deadline, _ := ctx.Deadline()
	conn.SetDeadline(deadline)
	hostname, _ := os.Hostname()
	err = forward.Handshake(conn, r, forward.Credentials{
		Hostname: hostname, SharedKey: o.c.SharedKey.Value(), Username: o.c.Username, Password: o.c.Password.Value(),
	})
	if err != nil {
		conn.Close()
		return nil, nil, err
	}
	return conn, r, conn.SetDeadline(time.Time{})
}

// readAcks reads acknowledgements until the connection ends.
func (o *Output) readAcks(r *msgp.Reader, trouble *agent.Trouble) error {
	for {
		id, err := forward.ReadAck(r)
		if errors.Is(err, io.EOF) {
			return errors.New("the receiver closed the connection")
		}
		if err != nil {
			return err
		}
		if !o.acknowledge(id) {
			o.unknownAcks.Add(1)
			continue
		}
		trouble.Clear("records are acknowledged again", "address", o.c.Address)
	}
}

func (o *Output) acknowledge(id string) bool {
	records, ok := o.q.ack(id)
	if ok {
		o.acked.Add(1)
		o.records.Add(uint64(records))
	}
	return ok
}

// watchAcks ends with an error when an acknowledgement is overdue.
func (o *Output) watchAcks(ctx context.Context) error {
	limit := time.Duration(o.c.AckTimeout)
	tick := time.NewTicker(limit / 4)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
		if at, ok := o.q.oldestSent(); ok && time.Since(at) > limit {
			o.ackTimeout.Add(1)
			return errAckTimeout
		}
	}
}
