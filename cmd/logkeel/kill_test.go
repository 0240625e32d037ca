package main

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/tinylib/msgp/msgp"

	"github.com/webgrip/logkeel/agent/testenv"
)

// A relay passes Forward messages to a receiver and acknowledgements back. It
// notes which lines the agent was told that the receiver has.
type relay struct {
	t    *testing.T
	ln   net.Listener
	to   string
	wg   sync.WaitGroup
	done chan struct{}

	gate   sync.Mutex // held: no acknowledgement is passed on
	life   int        // of the agent, counted; guarded by gate
	mu     sync.Mutex
	chunks map[string][]string // lines by chunk id
	acked  []string            // lines whose acknowledgement was passed to the agent that runs now
	known  map[string]bool     // lines that an agent knew to be safe when it was killed
	wrong  []string            // lines that came again although it knew
}

func newRelay(t *testing.T, to string) *relay {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{t: t, ln: ln, to: to, done: make(chan struct{}), chunks: map[string][]string{}, known: map[string]bool{}}
	r.wg.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			r.wg.Go(func() { r.pass(c) })
		}
	})
	t.Cleanup(func() {
		close(r.done)
		ln.Close()
		r.wg.Wait()
	})
	return r
}

func (r *relay) pass(from net.Conn) {
	defer from.Close()
	to, err := net.Dial("tcp", r.to)
	if err != nil {
		return
	}
	defer to.Close()
	go func() { <-r.done; from.Close() }()
	r.gate.Lock()
	life := r.life
	r.gate.Unlock()
	r.wg.Go(func() { r.acks(to, from, life) })
	// A message is noted before it goes on: it may be acknowledged at once.
	in := msgp.NewReader(from)
	for {
		var raw msgp.Raw
		if err := raw.DecodeMsg(in); err != nil {
			return
		}
		if err := r.message(msgp.NewReader(bytes.NewReader(raw))); err != nil {
			return
		}
		if _, err := to.Write(raw); err != nil {
			return
		}
	}
}

// message reads [tag, entries, {"size": …, "chunk": …}].
func (r *relay) message(in *msgp.Reader) error {
	if _, err := in.ReadArrayHeader(); err != nil {
		return err
	}
	if err := in.Skip(); err != nil {
		return err
	}
	entries, err := in.ReadBytes(nil)
	if err != nil {
		return err
	}
	option := map[string]any{}
	if err := in.ReadMapStrIntf(option); err != nil {
		return err
	}
	var lines []string
	for len(entries) > 0 {
		_, b, err := msgp.ReadArrayHeaderBytes(entries)
		if err == nil {
			b, err = msgp.Skip(b)
		}
		var record map[string]any
		if err == nil {
			record, entries, err = msgp.ReadMapStrIntfBytes(b, nil)
		}
		if err != nil {
			r.t.Errorf("an entry cannot be read: %v", err)
			return err
		}
		lines = append(lines, record["log"].(string))
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.chunks[option["chunk"].(string)] = lines
	for _, l := range lines {
		if r.known[l] {
			r.wrong = append(r.wrong, l)
		}
	}
	return nil
}

func (r *relay) acks(from, to net.Conn, life int) {
	in := msgp.NewReader(from)
	for {
		ack := map[string]any{}
		if err := in.ReadMapStrIntf(ack); err != nil {
			return
		}
		if err := r.passAck(to, ack["ack"].(string), life); err != nil {
			return
		}
	}
}

func (r *relay) passAck(to net.Conn, id string, life int) error {
	r.gate.Lock()
	defer r.gate.Unlock()
	if life != r.life {
		return net.ErrClosed
	}
	out := msgp.AppendString(msgp.AppendString(msgp.AppendMapHeader(nil, 1), "ack"), id)
	if _, err := to.Write(out); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.acked = append(r.acked, r.chunks[id]...)
	delete(r.chunks, id)
	return nil
}

func (r *relay) countAcked() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.acked)
}

// kill kills the agent when it knows of every acknowledgement that was passed on.
func (r *relay) kill(a *agentProcess) {
	r.gate.Lock()
	defer r.gate.Unlock()
	eventually(r.t, "the agent knows what was acknowledged", waitShort, func() bool {
		return int(a.metric("logkeel_output_records_total")) == r.countAcked()
	})
	time.Sleep(100 * time.Millisecond) // for a write to the disk that is under way
	a.kill()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, l := range r.acked {
		r.known[l] = true
	}
	r.acked = nil
	r.life++
}

// The agent is killed 20 times under load.
func TestKilledTwentyTimes(t *testing.T) {
	t.Parallel()
	receiver := testenv.ForwardReceiver(t, testenv.ForwardOptions{})
	relay := newRelay(t, receiver.Addr)
	root := t.TempDir()
	logs := []*containerLog{newContainerLog(t, root, "app", 1), newContainerLog(t, root, "web", 2), newContainerLog(t, root, "db", 3)}
	a := newAgent(t, fmt.Sprintf(outageConfig, root, relay.ln.Addr()))
	a.start()
	stop := sync.OnceValue(writeTo(logs, 500))
	defer stop()
	for i := range 20 {
		n := receiver.Count()
		eventually(t, fmt.Sprintf("lines arrive after kill %d", i), waitLong, func() bool { return receiver.Count() > n+300 })
		time.Sleep(rand.N(300 * time.Millisecond))
		relay.kill(a)
		a.start()
	}
	written, looked := stop(), 0
	eventually(t, "every line has arrived", waitLong, func() bool {
		before := looked
		looked = receiver.Count()
		return looked >= written && looked > before && len(tally(receiver.Entries(), logs).lost) == 0
	})
	a.stop()
	got := tally(receiver.Entries(), logs)
	got.check(t, written)
	if len(relay.wrong) > 0 {
		t.Errorf("%d lines came again that were known to be safe, such as %q", len(relay.wrong), relay.wrong[0])
	}
	if len(relay.known) < 1000 { // how many of all they are is a matter of the machine
		t.Errorf("only %d of %d lines were known to be safe at some kill: the test shows nothing", len(relay.known), written)
	}
}
