package fluentd

import (
	"cmp"
	"context"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tinylib/msgp/msgp"

	"github.com/webgrip/logkeel/agent"
)

// A mood is what an aggregator does with what it is sent.
type mood int32

const (
	works   mood = iota
	refuses      // connections
	hangs        // takes everything, and acknowledges nothing
	drops        // the connection, with the first message on it
)

// An aggregator is one of several that an output talks to.
type aggregator struct {
	mood   atomic.Int32
	conns  atomic.Int64
	events atomic.Int64 // that it has taken
	hates  func(message) bool
	delay  time.Duration // of acknowledgements

	mu    sync.Mutex
	peers []net.Conn
}

// turn changes what it does. One that refuses loses the connections that it has.
func (a *aggregator) turn(m mood) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.mood.Store(int32(m))
	if m == refuses {
		for _, p := range a.peers {
			p.Close()
		}
		a.peers = nil
	}
}

func (a *aggregator) is(m mood) bool { return a.mood.Load() == int32(m) }

// serve is its side of a connection. Once that hangs it does so until its end: who
// takes a later message has taken those before it.
func (a *aggregator) serve(p *peer) {
	hung := false
	for {
		m, err := readMessage(p.r)
		if err != nil {
			if !isClosed(err) {
				p.rx.mu.Lock()
				p.rx.errs = append(p.rx.errs, err)
				p.rx.mu.Unlock()
			}
			return
		}
		switch hung = hung || a.is(hangs); {
		case hung:
			continue
		case a.is(drops) || a.hates != nil && a.hates(m):
			return
		}
		p.rx.mu.Lock()
		p.rx.events = append(p.rx.events, m.events...)
		p.rx.mu.Unlock()
		if a.delay > 0 {
			p.rx.wg.Go(func() {
				time.Sleep(a.delay)
				p.ack(m.chunk)
			})
		} else if p.ack(m.chunk) != nil {
			return
		}
		a.events.Add(int64(len(m.events)))
	}
}

// A fleet is the aggregators by address.
type fleet map[string]*aggregator

// of makes a fleet of those that the output is configured with.
func of(c Config) fleet {
	f := fleet{}
	for _, s := range c.servers() {
		f[s.Address] = &aggregator{}
	}
	return f
}

func (f fleet) turn(m mood, addresses ...string) {
	for _, a := range addresses {
		f[a].turn(m)
	}
}

// dialer is that of the output; what arrives anywhere is told to rx, in order.
func (f fleet) dialer(rx *receiver) func(context.Context, string, string) (net.Conn, error) {
	return func(_ context.Context, _, address string) (net.Conn, error) {
		a := f[address]
		a.mu.Lock()
		defer a.mu.Unlock()
		if a.is(refuses) {
			return nil, errRefuse
		}
		a.conns.Add(1)
		client, server := net.Pipe()
		a.peers = append(a.peers, server)
		rx.wg.Go(func() {
			defer server.Close()
			a.serve(&peer{Conn: server, r: msgp.NewReader(server), rx: rx})
		})
		return client, nil
	}
}

// inFleet runs f with an output that talks to the fleet, in a bubble. The first
// two of its sources belong to different servers, where it has two.
func inFleet(t *testing.T, st *state, c Config, all fleet, f func(*rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := &rig{t: t, state: st, padding: 200, rx: &receiver{t: t}}
		r.sources = [3]*agent.Source{container("a"), container("b"), container("c")}
		r.open(c, all)
		f(r)
		if r.stop != nil {
			if err := r.stop(); err != nil {
				t.Error(err)
			}
		}
		all.turn(refuses, addresses(c)...)
		r.rx.wg.Wait()
		for _, err := range r.rx.errs {
			t.Errorf("a server got something wrong: %v", err)
		}
	})
}

// open starts the output on what the state has.
func (r *rig) open(c Config, all fleet) {
	r.o, _ = r.state.open(c)
	r.o.dial = all.dialer(r.rx)
	r.start()
}

func addresses(c Config) (all []string) {
	for _, s := range c.servers() {
		all = append(all, s.Address)
	}
	return all
}

// several is a configuration with these servers. Those after "/" are on standby.
func several(addresses ...string) Config {
	return config(func(c *Config) {
		c.Address = ""
		standby := false
		for _, a := range addresses {
			if a == "/" {
				standby = true
				continue
			}
			c.Servers = append(c.Servers, Server{Address: a, Weight: standardWeight, Standby: standby})
		}
	})
}

// sortByNumber undoes that sources arrive by two ways.
func sortByNumber(events []event) {
	slices.SortStableFunc(events, func(a, b event) int { return cmp.Compare(a.number(), b.number()) })
}
