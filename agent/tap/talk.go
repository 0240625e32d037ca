package tap

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/webgrip/logkeel/agent"
)

const (
	askWithin  = 10 * time.Second       // for what a client has to say
	idleAtMost = 10 * time.Minute       // for one that reads nothing
	endWithin  = 500 * time.Millisecond // for the last words
	pieceSize  = 64 << 10               // bytes that are looked at, or made, at once
)

// A talk is with one client that was let in.
type talk struct {
	h     *Hub
	c     *client
	conn  net.Conn
	enc   encoder
	out   []byte
	sent  int // lines
	lost  int
	since time.Time
}

// talk serves one connection until it is closed, or the agent stops.
func (h *Hub) talk(conn net.Conn) {
	defer conn.Close()
	stop := context.AfterFunc(h.stopping, func() {
		conn.SetReadDeadline(time.Now())
		conn.SetWriteDeadline(time.Now().Add(h.endWithin))
	})
	defer stop()
	conn.SetDeadline(time.Now().Add(askWithin))
	if h.stopping.Err() != nil { // the deadlines of which are these no more
		return
	}
	wanted, err := ask(conn)
	if err != nil {
		refuse(conn, err)
		return
	}
	f, err := wanted.compile()
	if err != nil {
		refuse(conn, err)
		return
	}
	t := &talk{h: h, c: newClient(f), conn: conn, since: time.Now()}
	if !h.add(t.c) {
		refuse(conn, fmt.Errorf("%d others look already; end one of them", MaxClients))
		return
	}
	defer h.remove(t.c)
	h.o.Log.Info("somebody looks at what goes through the agent", "by", "logkeel tap")
	why := t.run(wanted)
	h.o.Log.Info("nobody looks any more", "by", "logkeel tap", "for", time.Since(t.since).Round(time.Second).String(), "lines", t.sent, "not_shown", t.lost, "reason", why)
}

// ask reads what a client wants.
func ask(conn net.Conn) (*Filter, error) {
	line, err := bufio.NewReader(io.LimitReader(conn, maxRequest+1)).ReadBytes('\n')
	switch {
	case len(line) > maxRequest:
		return nil, fmt.Errorf("what is asked for is longer than %d bytes", maxRequest)
	case err != nil:
		return nil, fmt.Errorf("nothing was asked for: %w", err)
	}
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	f := &Filter{}
	if err := d.Decode(f); err != nil {
		return nil, fmt.Errorf("the agent does not know what is asked for; is it of another version? %w", err)
	}
	return f, nil
}

func refuse(conn net.Conn, err error) {
	conn.Write(appendMessage(nil, struct {
		Error string `json:"error"`
	}{err.Error()}))
}

// run shows what comes, and says why it ended.
func (t *talk) run(wanted *Filter) (why string) {
	t.conn.SetReadDeadline(time.Time{})
	if t.h.stopping.Err() != nil { // the deadline for the end may be gone by that
		return stops
	}
	hello := Hello{Version: t.h.o.Version, Notes: wanted.notes(t.h.o.Rules())}
	if err := t.write(appendMessage(nil, struct {
		Hello Hello `json:"hello"`
	}{hello})); err != nil {
		return t.said(err)
	}
	gone, leave := context.WithCancel(t.h.stopping)
	defer leave()
	listening := make(chan struct{})
	defer func() { t.conn.Close(); <-listening }()
	go func() {
		defer close(listening)
		defer leave()
		io.Copy(io.Discard, t.conn) // which ends when the client goes, or the agent stops
	}()
	chunk := &chunk{}
	for {
		select {
		case <-gone.Done():
			if t.h.stopping.Err() == nil {
				return "it went"
			}
			return t.end(t.c.swap(chunk))
		case <-t.c.wake:
		}
		chunk = t.c.swap(chunk)
		if err := t.send(gone, chunk); err != nil {
			return t.said(err)
		}
	}
}

// said tells a client that went from one that is stuck.
func (t *talk) said(err error) string {
	var timeout net.Error
	switch {
	case t.h.stopping.Err() != nil:
		return stops
	case errors.As(err, &timeout) && timeout.Timeout():
		return fmt.Sprintf("it read nothing for %s", idleAtMost)
	}
	return "it went"
}

const stops = "the agent stops"

// end sends the rest, while there is time, and says that it is over.
func (t *talk) end(rest *chunk) string {
	if t.send(context.Background(), rest) == nil {
		t.conn.Write(appendMessage(nil, struct {
			End string `json:"end"`
		}{stops}))
	}
	return stops
}

// send makes messages of the chunk, a piece at a time, and sends them.
func (t *talk) send(ctx context.Context, c *chunk) error {
	for at := 0; at < len(c.items); {
		at = t.make(ctx, c, at)
		if err := t.write(t.out); err != nil {
			return err
		}
	}
	if c.dropped == 0 {
		return nil
	}
	t.lost += c.dropped
	return t.write(appendMessage(t.out[:0], struct {
		Dropped int `json:"dropped"`
	}{c.dropped}))
}

// make fills out with a piece of the chunk from an item on. However many clients
// there are, whatever they look for: only one of these is made at a time, and then
// there is a rest as long as it took. The agent has the remaining processors.
func (t *talk) make(ctx context.Context, c *chunk, at int) (next int) {
	t.h.work.Lock()
	defer t.h.work.Unlock()
	start := time.Now()
	t.out = t.out[:0]
	for read := 0; at < len(c.items) && len(t.out) < pieceSize && read < pieceSize; at++ {
		it := &c.items[at]
		text := c.text[it.text.Start:it.text.End]
		read += len(text)
		switch grep := t.c.filter.grep; {
		case it.source == nil:
			t.out = append(t.out, text...)
		case grep == nil || grep.Match(text):
			t.out = t.enc.record(t.out, c, it)
			t.sent++
		}
	}
	rest := time.NewTimer(time.Since(start))
	defer rest.Stop()
	select {
	case <-rest.C:
	case <-ctx.Done():
	}
	return at
}

func (t *talk) write(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	if t.h.stopping.Err() == nil {
		t.conn.SetWriteDeadline(time.Now().Add(idleAtMost))
		if t.h.stopping.Err() != nil { // which has set a shorter one meanwhile
			t.conn.SetWriteDeadline(time.Now().Add(t.h.endWithin))
		}
	}
	_, err := t.conn.Write(b)
	return err
}

// notes say what may not be meant so.
func (f *Filter) notes(rules []*agent.Rule) (notes []string) {
	for _, name := range f.Rules {
		known := false
		for _, r := range rules {
			known = known || among([]string{name}, func() string { return r.Name })
		}
		if !known {
			notes = append(notes, fmt.Sprintf("no rule is named %q now", name))
		}
	}
	for _, class := range f.Class {
		known := false
		for _, r := range rules {
			known = known || among([]string{class}, func() string { return r.Class })
		}
		if !known {
			notes = append(notes, fmt.Sprintf("no rule has the class %q now", class))
		}
	}
	return notes
}
