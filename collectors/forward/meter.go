package forward

import (
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/webgrip/logkeel/agent"
)

// counts are what was received.
type counts struct {
	records, messages, bytes atomic.Uint64

	mu     sync.Mutex
	errors map[string]uint64 // by reason
}

// reasons are those of errors. They are exported as 0 before there is one, for
// Prometheus's increase does not see a counter's first value.
func reasons() []string {
	return []string{"handshake", "malformed", "too_large", "timeout", "connection", "too_many", "accept", "damaged"}
}

func (c *counts) add(reason string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.errors == nil {
		c.errors = map[string]uint64{}
	}
	c.errors[reason]++
}

const (
	maxSaid  = 1000 // peers and what was wrong with them
	sayAgain = time.Hour
)

// said is what was complained of lately.
type said struct {
	mu   sync.Mutex
	when map[string]time.Time
}

func (s *said) new(key string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if t, ok := s.when[key]; ok && now.Sub(t) < sayAgain {
		return false
	}
	if len(s.when) >= maxSaid || s.when == nil {
		if len(s.when) >= maxSaid {
			for k, t := range s.when {
				if now.Sub(t) >= sayAgain {
					delete(s.when, k)
				}
			}
			if len(s.when) >= maxSaid {
				return false
			}
		} else {
			s.when = map[string]time.Time{}
		}
	}
	s.when[key] = now
	return true
}

// complain counts what was wrong with a client, whose connection is closed, and
// says it once an hour.
func (c *Collector) complain(peer, reason string, err error) {
	c.counts.add(reason)
	if c.said.new(peer + " " + reason) {
		c.log.Warn("a connection was ended; what of it was not acknowledged is the client's to send again", "peer", peer, "reason", reason, "error", strings.ToValidUTF8(err.Error(), "?"))
	}
}

// Meter reports the clients and what they have sent.
func (c *Collector) Meter(yield func(agent.Sample)) {
	labels := []agent.Label{{Name: "source", Value: c.config.Name}}
	c.mu.Lock()
	conns, sp := len(c.conns), c.spool
	c.mu.Unlock()
	yield(agent.Sample{Name: "logkeel_forward_connections", Help: "Clients that are connected.", Labels: labels, Value: float64(conns)})
	counter := func(name, help string, n uint64, more ...agent.Label) {
		yield(agent.Sample{Name: name, Help: help, Type: agent.Counter, Labels: append(labels[:1:1], more...), Value: float64(n)})
	}
	counter("logkeel_forward_records_total", "Records received, those that a client sent again and were known included.", c.counts.records.Load())
	counter("logkeel_forward_messages_total", "Messages received.", c.counts.messages.Load())
	counter("logkeel_forward_bytes_total", "Bytes of those messages, as they were on the wire, TLS aside.", c.counts.bytes.Load())
	c.counts.mu.Lock()
	errs := make([]uint64, len(reasons()))
	for i, r := range reasons() {
		errs[i] = c.counts.errors[r]
	}
	c.counts.mu.Unlock()
	for i, r := range reasons() {
		counter("logkeel_forward_errors_total", "Connections that were refused or ended for a reason.", errs[i], agent.Label{Name: "reason", Value: r})
	}
	if sp != nil {
		sp.Meter(yield)
	}
}
