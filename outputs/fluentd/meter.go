package fluentd

import (
	"slices"
	"time"

	"github.com/webgrip/logkeel/agent"
)

// Meter reports the connections, the queues and the spools: each of its samples
// is of all lanes together, but for those of a server.
func (o *Output) Meter(yield func(agent.Sample)) {
	all := o.all()
	labels := []agent.Label{{Name: "output", Value: o.c.Name}}
	counter := func(name, help string, of func(*lane) uint64) {
		total := uint64(0)
		for _, l := range all {
			total += of(l)
		}
		yield(agent.Sample{Name: name, Help: help, Type: agent.Counter, Labels: labels, Value: float64(total)})
	}
	gauge := func(name, help string, v float64) {
		yield(agent.Sample{Name: name, Help: help, Labels: labels, Value: v})
	}
	m := measures{}
	connected, stalled, why := 1.0, time.Duration(0), ""
	var acked int64
	for _, l := range all {
		m.add(l.q.measure())
		acked = max(acked, l.ackedAt.Load())
		if d := l.stall.Look(!l.removed.Load() && !l.q.idle(), l.acked.Load()); d > stalled {
			stalled, why = d, l.why()
		}
		if !l.connected.Load() && !l.removed.Load() {
			connected = 0
		}
	}
	counter("logkeel_output_records_total", "Records that the receiver has acknowledged.", func(l *lane) uint64 { return l.records.Load() })
	counter("logkeel_output_chunks_sent_total", "Chunks sent, those sent again included.", func(l *lane) uint64 { return l.sent.Load() })
	counter("logkeel_output_sent_bytes_total", "Bytes sent, as they were on the wire, TLS aside.", func(l *lane) uint64 { return l.sentBytes.Load() })
	counter("logkeel_output_chunks_acknowledged_total", "Chunks that the receiver has acknowledged.", func(l *lane) uint64 { return l.acked.Load() })
	counter("logkeel_output_chunks_unacknowledged_total", "Chunks in flight when a connection ended; they are sent again.", func(l *lane) uint64 { return l.resent.Load() })
	counter("logkeel_output_acks_unknown_total", "Acknowledgements of chunks that are not in flight.", func(l *lane) uint64 { return l.unknownAcks.Load() })
	counter("logkeel_output_ack_timeouts_total", "Connections ended because an acknowledgement did not come.", func(l *lane) uint64 { return l.ackTimeout.Load() })
	counter("logkeel_output_connections_total", "Connections made.", func(l *lane) uint64 { return l.connects.Load() })
	counter("logkeel_output_errors_total", "Connections that could not be made or failed.", func(l *lane) uint64 { return l.disconnects.Load() })
	yield(agent.Sample{
		Name: "logkeel_output_dead_letter_records_total", Help: "Records that the receiver does not take while it takes others; they are in the dead-letter file.",
		Type: agent.Counter, Labels: labels, Value: float64(o.dead.count.Load()),
	})
	gauge("logkeel_output_connected", "Whether there is a connection now, for each server's share of the sources.", connected)
	yield(agent.Sample{
		Name: "logkeel_output_chunks_halved_total", Help: "Chunks, or parts of them, that were not acknowledged and are sent in halves.",
		Type: agent.Counter, Labels: labels, Value: float64(m.halved),
	})
	gauge("logkeel_output_last_acknowledged_timestamp_seconds", "When the receiver last acknowledged something; 0 where it has not since the start.", float64(acked))
	gauge("logkeel_output_queue_bytes", "Bytes in memory that are not safe yet.", float64(m.bytes))
	gauge("logkeel_output_queue_chunks", "Chunks in memory that are not safe yet.", float64(m.chunks))
	gauge("logkeel_output_inflight_chunks", "Chunks sent and not acknowledged.", float64(m.flying))
	gauge("logkeel_output_lag_seconds", "Age of the oldest record in memory that is not safe yet.", m.lag.Seconds())
	yield(agent.Stalled(o.c.Name, "records", stalled, why))
	o.meterServers(yield)
	o.losses.meter(o.c.Name, yield)
	meterSpools(all, yield)
}

// why is what was wrong last with a server that the lane has.
func (l *lane) why() string {
	for _, s := range l.links {
		if _, last := s.trouble.State(); last != "" {
			return s.Address + ": " + last
		}
	}
	return "the receiver acknowledges nothing"
}

func (o *Output) meterServers(yield func(agent.Sample)) {
	for _, s := range o.servers {
		labels := []agent.Label{{Name: "output", Value: o.c.Name}, {Name: "server", Value: s.Address}}
		up := 0.0
		if _, ok := s.resting(); ok {
			up = 1
		}
		yield(agent.Sample{Name: "logkeel_output_server_up", Help: "0 from a failure of the server until it works again.", Labels: labels, Value: up})
		yield(agent.Sample{
			Name: "logkeel_output_server_records_total", Help: "Records that the server has acknowledged.",
			Type: agent.Counter, Labels: labels, Value: float64(s.records.Load()),
		})
	}
}

// meterSpools adds up what the spools say of themselves. Of one that is removed
// only what it has counted is left, and of one that is only emptied there is no
// size that it may have.
func meterSpools(lanes []*lane, yield func(agent.Sample)) {
	var sums []agent.Sample
	for _, l := range lanes {
		l.spool.Meter(func(s agent.Sample) {
			if s.Type != agent.Counter && l.removed.Load() || l.stray && (s.Name == "logkeel_spool_max_bytes" || s.Name == "logkeel_spool_used_ratio") {
				return
			}
			i := slices.IndexFunc(sums, func(t agent.Sample) bool { return t.Name == s.Name && slices.Equal(t.Labels, s.Labels) })
			switch {
			case i < 0:
				sums = append(sums, s)
			case s.Name == "logkeel_spool_used_ratio":
				sums[i].Value = max(sums[i].Value, s.Value)
			default:
				sums[i].Value += s.Value
			}
		})
	}
	for _, s := range sums {
		yield(s)
	}
}

type measures struct {
	bytes, chunks, flying int
	halved                uint64
	lag                   time.Duration
}

// add makes m what it is of both, the greater lag included.
func (m *measures) add(n measures) {
	m.bytes += n.bytes
	m.chunks += n.chunks
	m.flying += n.flying
	m.halved += n.halved
	m.lag = max(m.lag, n.lag)
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
