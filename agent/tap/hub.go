// Package tap shows people what goes through an agent that runs, while it does:
// records after redaction, what rules find in them, alerts. They connect to a
// socket in state_dir and say what they want in one line of JSON; the agent answers
// with lines of JSON until they go. It never waits for them: what does not fit in
// the memory that each has is left out, and counted.
package tap

import (
	"context"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/webgrip/logkeel/agent"
)

// MaxClients bounds how many may look at a time.
const MaxClients = 8

// retry is how long it takes until a socket is tried again that could not be made.
const retry = 30 * time.Second

// A Hub is the agent's side.
type Hub struct {
	o      Options
	agent  Tapped
	work   sync.Mutex // held while messages are made: all clients together get half a processor
	filled atomic.Pointer[[]*client]

	endWithin time.Duration

	mu       sync.Mutex
	clients  []*client // replaced, never changed
	talks    int       // connections, with those that have not said what they want
	stopping context.Context
	talking  sync.WaitGroup
}

// Options are what a Hub needs.
type Options struct {
	Dir     string // state_dir, locked
	Version string // of the agent
	Log     *slog.Logger
	Rules   func() []*agent.Rule // those that there are now
}

// Tapped is what can be looked at: an Agent, or a Pipeline.
type Tapped interface{ SetTap(t agent.Tap) }

var (
	_ agent.Tap   = (*Hub)(nil)
	_ agent.Meter = (*Hub)(nil)
)

// NewHub returns a Hub on which nobody looks yet.
func NewHub(o Options) *Hub {
	h := &Hub{o: o, endWithin: endWithin}
	h.filled.Store(&[]*client{})
	return h
}

// Wants reports whether someone wants records of the source without findings.
func (h *Hub) Wants(src *agent.Source) bool {
	return slices.ContainsFunc(*h.filled.Load(), func(c *client) bool { return c.wants(src) })
}

// Records shows the records of b from index from on to those who want them.
func (h *Hub) Records(b *agent.Batch, from int) {
	for _, c := range *h.filled.Load() {
		c.records(b, from)
	}
}

// Alerts shows alerts as they stand now.
func (h *Hub) Alerts(all []agent.Alert) {
	for _, c := range *h.filled.Load() {
		c.alerts(all)
	}
}

// Meter reports how many look.
func (h *Hub) Meter(yield func(agent.Sample)) {
	yield(agent.Sample{Name: "logkeel_tap_clients", Help: "Who looks by logkeel tap now.", Value: float64(len(*h.filled.Load()))})
}

// add lets the client see what comes; false: there are too many.
func (h *Hub) add(c *client) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.clients) >= MaxClients {
		return false
	}
	h.set(append(slices.Clip(h.clients), c))
	return true
}

func (h *Hub) remove(c *client) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.set(slices.DeleteFunc(slices.Clone(h.clients), func(o *client) bool { return o == c }))
}

// set replaces the clients. The caller holds mu.
func (h *Hub) set(to []*client) {
	h.clients = to
	h.filled.Store(&to)
	if len(to) == 0 {
		h.agent.SetTap(nil)
	} else {
		h.agent.SetTap(h)
	}
}

// Run listens until ctx is done, and says then that it ends. Where the socket
// cannot be made that is said, and tried again: the agent does without.
func (h *Hub) Run(ctx context.Context, of Tapped) {
	h.agent, h.stopping = of, ctx
	trouble := agent.NewTrouble(h.o.Log)
	defer h.talking.Wait()
	for {
		err := h.serve(ctx, trouble)
		if ctx.Err() != nil {
			return
		}
		trouble.Fail(err, "logkeel tap cannot be used: its socket cannot be had", "socket", filepath.Join(h.o.Dir, Socket))
		select {
		case <-ctx.Done():
			return
		case <-time.After(retry):
		}
	}
}

func (h *Hub) serve(ctx context.Context, trouble *agent.Trouble) error {
	ln, err := listen(ctx, h.o.Dir)
	if err != nil {
		return err
	}
	trouble.Clear("logkeel tap can be used again")
	stop := context.AfterFunc(ctx, func() { ln.Close() })
	defer stop()
	defer ln.Close()
	defer os.Remove(filepath.Join(h.o.Dir, Socket))
	for {
		conn, err := ln.Accept()
		if err != nil {
			return err
		}
		h.accept(conn)
	}
}

// accept answers in a goroutine of its own, where there are not too many.
func (h *Hub) accept(conn net.Conn) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.talks >= 2*MaxClients {
		conn.Close()
		return
	}
	h.talks++
	h.talking.Go(func() {
		h.talk(conn)
		h.mu.Lock()
		defer h.mu.Unlock()
		h.talks--
	})
}
