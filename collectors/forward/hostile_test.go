package forward

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tinylib/msgp/msgp"

	"github.com/webgrip/logkeel/agent/spool"

	wire "github.com/webgrip/logkeel/agent/forward"
)

// TestPieceAloneAfterKill: a piece whose line never ends is a record after a kill
// too, though all that came behind it was safe before.
func TestPieceAloneAfterKill(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := newSink()
	r := start(t, config(t), dir, s)
	nc := r.dial()
	for i, rec := range [][]byte{pieceOf("a", 1, false, "stdout", "one"), lineOf("stderr", "between")} {
		send(t, nc, message("t", 1e9, rec, fmt.Sprint(i)))
		readAck(t, nc)
	}
	s.await(t, 1)
	eventually(t, func() bool { return frames(r.Collector) == 1 })
	r.stop()
	for range 2 { // the second time nothing is left
		s.restart()
		r = start(t, config(t), dir, s, func(c *Collector) { c.timing.piece = time.Millisecond })
		if got := bodies(s.await(t, 2)); got != "between one" {
			t.Errorf("got %s", got)
		}
		eventually(t, func() bool { return frames(r.Collector) == 0 })
		r.stop()
	}
}

// TestPieceThatWaitsForAnOutput: how long the pipeline takes does not end a line
// whose next piece is there.
func TestPieceThatWaitsForAnOutput(t *testing.T) {
	t.Parallel()
	s := newSink()
	s.hold = make(chan struct{})
	r := start(t, config(t), t.TempDir(), s, func(c *Collector) { c.timing.piece = time.Millisecond })
	nc := r.dial()
	first := append(entry(1e9, pieceOf("a", 1, false, "stdout", "one ")), entry(1e9, lineOf("stderr", "between"))...)
	send(t, nc, packed("t", first, option("0")))
	readAck(t, nc)
	eventually(t, func() bool { n, _ := r.spool.Unread(); return n == 0 }) // between is held
	send(t, nc, message("t", 2e9, pieceOf("a", 2, true, "stdout", "two"), "1"))
	readAck(t, nc)
	time.Sleep(2 * settleEvery)
	s.mu.Lock()
	close(s.hold)
	s.hold = nil
	s.mu.Unlock()
	if got := bodies(s.await(t, 2)); got != "between one two" {
		t.Errorf("got %s", got)
	}
}

// TestBusyClient: the time that a message may take begins anew with each, also
// where a part of the next one is always there.
func TestBusyClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(config(t), t.TempDir(), slog.New(slog.DiscardHandler))
		c.stopping = make(chan struct{})
		c.store = newStore("in", nil, c.log)
		ours, theirs := net.Pipe()
		cn := newConn(c, ours)
		ended := make(chan error)
		go func() { ended <- cn.read() }()
		var all []byte
		const n = 60
		for _, m := range sequence("t", 0, n, false) {
			all = append(all, m...)
			part := all[:len(all)-3] // the rest comes with the next one
			send(t, theirs, part)
			all = all[len(part):]
			time.Sleep(defaultTiming.idle / 2)
		}
		send(t, theirs, all)
		theirs.Close()
		if err := <-ended; err != io.EOF || c.counts.messages.Load() != n {
			t.Errorf("%v after %d messages", err, c.counts.messages.Load())
		}
	})
}

// TestGivenUpIsNotAcknowledged: where the disk takes nothing until the collector
// stops, a chunk that was sent twice is not acknowledged either.
func TestGivenUpIsNotAcknowledged(t *testing.T) {
	t.Parallel()
	disk := &brittle{}
	sp, err := spool.Open(t.TempDir(), spool.Options{FS: disk})
	if err != nil {
		t.Fatal(err)
	}
	defer sp.Close()
	log := &logged{}
	c := New(config(t), t.TempDir(), slog.New(slog.NewTextHandler(log, nil)))
	c.stopping = make(chan struct{})
	c.store = newStore("in", sp, c.log)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { c.store.run(ctx); close(done) }()
	disk.fail.Store(true)
	var conns []*conn
	put := func() {
		ours, theirs := net.Pipe()
		t.Cleanup(func() { theirs.Close() })
		cn := newConn(c, ours)
		conns = append(conns, cn)
		if err := c.store.put(cn, &wire.Message{Tag: []byte("t"), Chunk: []byte("x")}, []piece{{b: entry(1e9, record("log", "0")), records: 1}}); err != nil {
			t.Error(err)
		}
	}
	put()
	eventually(t, func() bool { return strings.Contains(log.String(), "nothing is acknowledged") })
	put() // the client has lost patience
	cancel()
	c.store.finish()
	<-done
	for i, cn := range conns {
		if cn.acks != nil {
			t.Errorf("%d is acknowledged", i)
		}
	}
}

// TestManyLongTags: what is taken while the disk is busy fits into the smallest
// spool, whatever its tags are.
func TestManyLongTags(t *testing.T) {
	t.Parallel()
	sp, err := spool.Open(t.TempDir(), spool.Options{MaxBytes: int64(minSpool)})
	if err != nil {
		t.Fatal(err)
	}
	defer sp.Close()
	st := newStore("in", sp, slog.New(slog.DiscardHandler))
	rec := []piece{{b: entry(1e9, record()), records: 1}}
	for i := 0; st.group.bytes < maxGroup; i++ {
		tag := fmt.Appendf(nil, "%01000d", i)
		if err := st.put(nil, &wire.Message{Tag: tag}, rec); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := sp.Append(st.group.encode(nil)); err != nil {
		t.Errorf("%d frames: %v", len(st.group.frames), err)
	}
	if taken := sp.Bytes(); taken > maxGroup {
		t.Errorf("%d bytes are %d on the disk", st.group.bytes, taken)
	}
}

// TestTinyRecords: what takes three bytes on the wire takes far more in memory,
// so a window is bounded by records too, and its memory is not kept a source.
func TestTinyRecords(t *testing.T) {
	t.Parallel()
	sp, err := spool.Open(t.TempDir(), spool.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer sp.Close()
	c := New(config(t), t.TempDir(), slog.New(slog.DiscardHandler))
	c.store = newStore("in", sp, c.log)
	s := newSink()
	d := c.dispatcher(s, sp, 1)
	entries := bytes.Repeat([]byte{0x92, 0x01, 0x80}, 60_000)
	const tags = 3
	for i := range tags {
		pieces, err := split(nil, entries)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.store.put(nil, &wire.Message{Tag: fmt.Append(nil, i)}, pieces); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := sp.Append(c.store.group.encode(nil)); err != nil {
		t.Fatal(err)
	}
	for more, was := true, 0; more; {
		if more, err = d.step(t.Context()); err != nil {
			t.Fatal(err)
		}
		n := len(s.all())
		if n-was > 2*maxRecords {
			t.Fatalf("%d records at once", n-was)
		}
		was = n
	}
	if n := len(s.all()); n != tags*60_000 {
		t.Errorf("%d records", n)
	}
	kept := 0
	for _, s := range d.sources {
		kept += cap(s.items)
	}
	if kept > 0 {
		t.Errorf("sources keep room for %d records", kept)
	}
}

// TestWindowMemory: many windows in which a large frame stands elsewhere do not
// leave a large buffer for each place.
func TestWindowMemory(t *testing.T) {
	t.Parallel()
	sp, err := spool.Open(t.TempDir(), spool.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer sp.Close()
	c := New(config(t), t.TempDir(), slog.New(slog.DiscardHandler))
	c.store = newStore("in", sp, c.log)
	s := newSink()
	d := c.dispatcher(s, sp, 1)
	payload := func(text string) []byte {
		return append(msgp.AppendString(nil, "t"), entry(1e9, record("log", text))...)
	}
	small, large := payload("x"), payload(strings.Repeat("x", maxFrame))
	for at := range 10 {
		var fs []spool.Frame
		for range at {
			fs = append(fs, spool.Frame{Payload: small})
		}
		if _, err := sp.Append(append(fs, spool.Frame{Payload: large})); err != nil {
			t.Fatal(err)
		}
		if _, err := d.step(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	kept := 0
	for _, b := range d.bufs {
		kept += cap(b)
	}
	if len(s.all()) != 55 || kept > 2*keptWindow {
		t.Errorf("%d bytes are kept after %d records", kept, len(s.all()))
	}
}

// TestSpoolRemovedAndFilled: the new spool has more frames than the one before
// had when a source is opened whose old positions are there.
func TestSpoolRemovedAndFilled(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := newSink()
	r := start(t, config(t), dir, s)
	nc := r.dial()
	for _, m := range sequence("a", 0, 10, true) { // a frame each
		send(t, nc, m)
		readAck(t, nc)
	}
	s.await(t, 10)
	r.stop()
	in := filepath.Join(dir, "forward", "in")
	os.RemoveAll(in)
	os.MkdirAll(in, 0o700)
	if err := os.WriteFile(filepath.Join(in, "epoch"), []byte("1\n"), 0o600); err != nil { // the clock went back
		t.Fatal(err)
	}
	s.hold, s.got = make(chan struct{}), nil
	for source, p := range s.pos {
		p.Epoch = 1
		s.pos[source] = p
	}
	r = start(t, config(t), dir, s)
	nc = r.dial()
	send(t, nc, message("b", 1e9, record("log", "held"), "held"))
	readAck(t, nc)
	eventually(t, func() bool { n, _ := r.spool.Unread(); return n == 0 })
	for _, m := range sequence("a", 0, 30, true) {
		send(t, nc, m)
		readAck(t, nc)
	}
	close(s.hold)
	numbers(t, s.await(t, 31)[1:], 30)
}

// TestTimeless: a record without a time has the one at which it was received,
// whenever it is emitted.
func TestTimeless(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := newSink()
	s.lazy = true
	r := start(t, config(t), dir, s)
	entries := slices.Concat([]byte{0x92, 0xc0}, record("log", "0"), []byte{0x92, 0x00}, record("log", "1"), entry(5e9, record("log", "2")))
	before := time.Now().UnixNano()
	send(t, r.dial(), packed("t", entries, option("")))
	first := s.await(t, 3)
	r.stop()
	s.restart()
	s.got = nil
	start(t, config(t), dir, s)
	for i, g := range s.await(t, 3) {
		if g.time != first[i].time || (g.time < before) != (i == 2) {
			t.Errorf("%d: %d, then %d", i, first[i].time, g.time)
		}
	}
}
