package probe

import (
	"crypto/tls"
	"net/http/httptrace"
	"sync"
	"time"
)

// Times are what curl -w prints: each counts from the start of its request, and
// is summed over redirects. What was not reached, and AppConnect without TLS,
// is 0.
type Times struct {
	NameLookup    time.Duration
	Connect       time.Duration
	AppConnect    time.Duration
	Pretransfer   time.Duration
	Redirect      time.Duration // all requests before the last one
	StartTransfer time.Duration
	Total         time.Duration
}

// Phases are how long each part took, summed over redirects.
type Phases struct {
	Resolve    time.Duration
	Connect    time.Duration
	TLS        time.Duration
	Processing time.Duration // until the first byte of the answer
	Transfer   time.Duration
}

// A hop is when what happened in one request. Hooks may still be called by
// dials that lost the race when the request is over; they change nothing then.
type hop struct {
	mu     sync.Mutex
	sealed bool
	marks
}

type marks struct {
	start, resolving, resolved, unresolved, connecting, connected time.Time
	securing, secured, ready, first, end                          time.Time
	reused                                                        bool
}

func (h *hop) mark(at *time.Time) {
	now := time.Now()
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.sealed && at.IsZero() {
		*at = now
	}
}

func (h *hop) trace() *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		DNSStart: func(httptrace.DNSStartInfo) { h.mark(&h.resolving) },
		DNSDone: func(i httptrace.DNSDoneInfo) {
			if i.Err == nil {
				h.mark(&h.resolved)
			} else {
				h.mark(&h.unresolved)
			}
		},
		ConnectStart: func(string, string) { h.mark(&h.connecting) },
		ConnectDone: func(_, _ string, err error) {
			if err == nil { // of several addresses, the first that answers
				h.mark(&h.connected)
			}
		},
		TLSHandshakeStart: func() { h.mark(&h.securing) },
		TLSHandshakeDone: func(_ tls.ConnectionState, err error) {
			if err == nil {
				h.mark(&h.secured)
			}
		},
		GotConn: func(i httptrace.GotConnInfo) {
			h.mark(&h.ready)
			h.mu.Lock()
			defer h.mu.Unlock()
			h.reused = h.reused || i.Reused && !h.sealed
		},
		GotFirstResponseByte: func() { h.mark(&h.first) },
	}
}

// seal ends the request now.
func (h *hop) seal() marks {
	h.mark(&h.end)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.sealed = true
	return h.marks
}

// doing says what a request that was cut off was about.
func (m *marks) doing() string {
	switch {
	case !m.first.IsZero():
		return "while the answer was read"
	case !m.ready.IsZero():
		return "while waiting for the first byte of the answer"
	case !m.securing.IsZero():
		return "in the TLS handshake"
	case !m.connecting.IsZero():
		return "while connecting"
	case !m.resolving.IsZero():
		return "while resolving the name"
	}
	return "before connecting"
}

// between is 0 where one of the two was not reached.
func between(from, to time.Time) time.Duration {
	if from.IsZero() || to.IsZero() {
		return 0
	}
	return to.Sub(from)
}

func (p *Phases) add(m *marks) {
	p.Resolve += between(m.resolving, m.resolved) + between(m.resolving, m.unresolved)
	p.Connect += between(m.connecting, m.connected)
	p.TLS += between(m.securing, m.secured)
	p.Processing += between(m.ready, m.first)
	p.Transfer += between(m.first, m.end)
}

func (t *Times) add(m *marks, https bool) {
	resolved, connected, secured := m.resolved, m.connected, m.secured
	if resolved.IsZero() {
		resolved = m.connecting // an address, or a name in no need of a resolver
	}
	if m.reused { // as curl does: what was there already is there at once
		resolved, connected = m.ready, m.ready
		if https {
			secured = m.ready
		}
	}
	t.NameLookup += between(m.start, resolved)
	t.Connect += between(m.start, connected)
	t.AppConnect += between(m.start, secured)
	t.Pretransfer += between(m.start, m.ready)
	t.StartTransfer += between(m.start, m.first)
}
