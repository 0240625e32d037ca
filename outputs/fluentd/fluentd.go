// Package fluentd ships records to a Fluentd aggregator, or anything else that
// speaks the Forward protocol, and keeps on the disk what it does not take.
package fluentd

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"sync"
	"sync/atomic"
	"text/template"
	"time"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/spool"
)

// An Output is one connection to one aggregator.
type Output struct {
	c     Config
	log   *slog.Logger
	tag   *template.Template
	dial  func(ctx context.Context, network, address string) (net.Conn, error)
	spool *spool.Spool
	q     *queue
	dead  *deadLetters

	agentID string // with identity only

	// Records that the spool dropped, by source.
	losses losses
	rules  map[*agent.Rule][]byte // guarded by q.mu

	patience atomic.Int64 // how long an acknowledgement may take now, in ns

	sent, acked, resent     atomic.Uint64 // chunks
	sentBytes               atomic.Uint64
	records                 atomic.Uint64 // acknowledged
	connects, disconnects   atomic.Uint64
	unknownAcks, ackTimeout atomic.Uint64
	connected               atomic.Bool
}

var (
	_ agent.RecordOutput = (*Output)(nil)
	_ agent.Meter        = (*Output)(nil)
)

// New opens the output's spool below stateDir. Config must have passed Check.
func New(c Config, ledger *agent.Ledger, stateDir string, log *slog.Logger) (*Output, error) {
	o := &Output{c: c, log: log.With("output", c.Name), dial: (&net.Dialer{}).DialContext, rules: map[*agent.Rule][]byte{}}
	var err error
	if o.tag, err = parseTag(c.Tag); err != nil {
		return nil, err
	}
	if c.Identity {
		if o.agentID, err = agentID(stateDir, o.log); err != nil {
			return nil, fmt.Errorf("output %s: %w", c.Name, err)
		}
	}
	o.spool, err = spool.Open(filepath.Join(stateDir, "spool", c.Name), spool.Options{
		MaxBytes: int64(c.Spool.MaxSize),
		Block:    c.Spool.WhenFull == block,
		OnDrop:   o.losses.add,
		Log:      o.log,
		Labels:   []agent.Label{{Name: "output", Value: c.Name}},
	})
	if err != nil {
		return nil, fmt.Errorf("output %s: open spool: %w", c.Name, err)
	}
	consumer := ledger.Consumer("fluentd/" + c.Name)
	// What is in the spool is safe, also where the ledger did not get to know.
	o.spool.Positions(consumer.Safe)
	o.q = newQueue(consumer, o.spool, limitsFor(&c))
	o.dead = newDeadLetters(stateDir, c.Name, o.log)
	o.patience.Store(int64(c.AckTimeout))
	return o, nil
}

// Name is the output's name.
func (o *Output) Name() string { return o.c.Name }

// Consumer is what the output reports to when records are safe: acknowledged,
// or in the spool.
func (o *Output) Consumer() *agent.Consumer { return o.q.consumer }

// Write encodes the records of b from index from on.
func (o *Output) Write(ctx context.Context, b *agent.Batch, from int) error {
	d := b.Source.Memo(o, o.describe).(*described)
	if err := o.q.lockForPut(ctx); err != nil {
		return err
	}
	defer o.q.mu.Unlock()
	o.encode(b, from, d)
	return nil
}

func (o *Output) encode(b *agent.Batch, from int, d *described) {
	flagged := o.c.Records == "flagged"
	f := 0
	for f < len(b.Findings) && int(b.Findings[f].Record) < from {
		f++
	}
	if flagged && f == len(b.Findings) || from == len(b.Records) {
		o.q.pass(b.Source.ID, b.Pos)
		return
	}
	c := o.q.chunkFor(b.Source, d.tag)
	before := len(c.frame)
	nth := 0
	for i := from; i < len(b.Records); i++ {
		if nth++; i == from || b.Records[i].End != b.Records[i-1].End {
			nth = 0
		}
		first := f
		for f < len(b.Findings) && int(b.Findings[f].Record) == i {
			f++
		}
		if flagged && f == first {
			continue
		}
		if len(c.frame) >= o.q.limits.batch {
			// Only the whole batch moves the source on, for joined records may
			// lie in one another: a kill now may repeat this part.
			o.q.grown(len(c.frame) - before)
			c = o.q.chunkFor(b.Source, d.tag)
			before = len(c.frame)
		}
		c.frame = appendRecord(c.frame, b, i, nth, d, b.Findings[first:f], o.rules)
		c.records++
		c.first, c.last = min(c.first, b.Records[i].Time), max(c.last, b.Records[i].Time)
	}
	c.to = b.Pos
	o.q.grown(len(c.frame) - before)
}

// Run sends and spools until ctx is done.
func (o *Output) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	wg.Go(func() { o.spillLate(ctx) })
	o.send(ctx)
	return nil
}

// spillLate moves what stays unacknowledged for too long, or becomes too much,
// from memory to the spool.
func (o *Output) spillLate(ctx context.Context) {
	trouble := agent.NewTrouble(o.log)
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		in, ok := o.q.due(time.Duration(o.c.Spool.After))
		if ok && in <= 0 {
			if err := o.q.spill(); err != nil {
				say := "spool cannot be written; reading waits, the logs keep what is there; free space in state_dir or make it writable"
				if o.c.Spool.WhenFull == block && errors.Is(err, spool.ErrFull) {
					say = "spool is full; reading waits until the receiver takes something, and what is not read raises no alerts (spool.when_full: block)"
				}
				trouble.Fail(err, say)
				in = time.Second
			} else {
				trouble.Clear("spool is written again")
				continue
			}
		}
		if !ok {
			trouble.Clear("nothing waits for the spool any more")
		}
		wake := o.q.wakeups
		if ok {
			timer.Reset(in)
			if trouble.Active() {
				wake = nil // a full queue asks again and again
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-wake:
		}
	}
}

// Drain waits until what was written is acknowledged or in the spool.
func (o *Output) Drain(ctx context.Context) error { return o.q.drain(ctx) }

// Close closes the spool, after Run has ended.
func (o *Output) Close() error { return o.spool.Close() }

// Meter reports the connection, the queue and the spool.
func (o *Output) Meter(yield func(agent.Sample)) {
	labels := []agent.Label{{Name: "output", Value: o.c.Name}}
	counter := func(name, help string, v uint64) {
		yield(agent.Sample{Name: name, Help: help, Type: agent.Counter, Labels: labels, Value: float64(v)})
	}
	gauge := func(name, help string, v float64) {
		yield(agent.Sample{Name: name, Help: help, Labels: labels, Value: v})
	}
	counter("logkeel_output_records_total", "Records that the receiver has acknowledged.", o.records.Load())
	counter("logkeel_output_chunks_sent_total", "Chunks sent, those sent again included.", o.sent.Load())
	counter("logkeel_output_sent_bytes_total", "Bytes sent, as they were on the wire, TLS aside.", o.sentBytes.Load())
	counter("logkeel_output_chunks_acknowledged_total", "Chunks that the receiver has acknowledged.", o.acked.Load())
	counter("logkeel_output_chunks_unacknowledged_total", "Chunks in flight when a connection ended; they are sent again.", o.resent.Load())
	counter("logkeel_output_acks_unknown_total", "Acknowledgements of chunks that are not in flight.", o.unknownAcks.Load())
	counter("logkeel_output_ack_timeouts_total", "Connections ended because an acknowledgement did not come.", o.ackTimeout.Load())
	counter("logkeel_output_connections_total", "Connections made.", o.connects.Load())
	counter("logkeel_output_errors_total", "Connections that could not be made or failed.", o.disconnects.Load())
	counter("logkeel_output_dead_letter_records_total", "Records that the receiver does not take while it takes others; they are in the dead-letter file.", o.dead.count.Load())
	connected := 0.0
	if o.connected.Load() {
		connected = 1
	}
	gauge("logkeel_output_connected", "Whether there is a connection now.", connected)
	m := o.q.measure()
	counter("logkeel_output_chunks_halved_total", "Chunks, or parts of them, that were not acknowledged and are sent in halves.", m.halved)
	gauge("logkeel_output_queue_bytes", "Bytes in memory that are not safe yet.", float64(m.bytes))
	gauge("logkeel_output_queue_chunks", "Chunks in memory that are not safe yet.", float64(m.chunks))
	gauge("logkeel_output_inflight_chunks", "Chunks sent and not acknowledged.", float64(m.flying))
	gauge("logkeel_output_lag_seconds", "Age of the oldest record in memory that is not safe yet.", m.lag.Seconds())
	o.losses.meter(o.c.Name, yield)
	o.spool.Meter(yield)
}

type measures struct {
	bytes, chunks, flying int
	halved                uint64
	lag                   time.Duration
}

func (q *queue) measure() (m measures) {
	q.mu.Lock()
	defer q.mu.Unlock()
	m.bytes, m.chunks, m.halved = q.memBytes, len(q.mem), q.halved
	for range q.flight() {
		m.flying++
	}
	if len(q.mem) > 0 {
		m.lag = time.Since(q.mem[0].born)
	}
	return m
}
