package forward

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/webgrip/logkeel/agent"
)

// pieceOf is what Docker's driver makes of a piece of a line.
func pieceOf(id string, ordinal int, last bool, stream, text string) []byte {
	return record("log", text, "container_id", "0123", "container_name", "/web", "source", stream,
		"partial_message", "true", "partial_id", id, "partial_ordinal", fmt.Sprint(ordinal), "partial_last", fmt.Sprint(last))
}

func lineOf(stream, text string) []byte {
	return record("log", text, "container_id", "0123", "container_name", "/web", "source", stream)
}

// TestPieces: a line in pieces is one record, with the time of its first piece,
// whatever lies between them.
func TestPieces(t *testing.T) {
	t.Parallel()
	s := newSink()
	r := start(t, config(t), t.TempDir(), s)
	nc := r.dial()
	for i, rec := range [][]byte{
		pieceOf("a", 1, false, "stdout", "one "),
		lineOf("stderr", "between"),
		pieceOf("b", 1, false, "stderr", "uno "),
		pieceOf("a", 2, false, "stdout", "two "),
		pieceOf("b", 2, true, "stderr", "due"),
		pieceOf("a", 3, true, "stdout", "three"),
		lineOf("stdout", "behind"),
	} {
		send(t, nc, message("t", int64(i+1)*1e9, rec, fmt.Sprint(i))) // a frame each
		readAck(t, nc)
	}
	all := s.await(t, 4)
	if got := bodies(all); got != "between uno due one two three behind" {
		t.Errorf("got %s", got)
	}
	if g := all[2]; g.time != 1e9 || g.stream != agent.Stdout || g.cut || len(g.fields) != 3 || g.fields["partial_id"] != nil {
		t.Errorf("%+v", g)
	}
	eventually(t, func() bool { return frames(r.Collector) == 0 })
}

// TestPiecesAfterKill: the pieces of a line that had not ended are there after a
// kill, though all that lies behind them was safe.
func TestPiecesAfterKill(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := newSink()
	r := start(t, config(t), dir, s)
	nc := r.dial()
	for i, rec := range [][]byte{lineOf("stdout", "before"), pieceOf("a", 1, false, "stdout", "one "), lineOf("stderr", "between")} {
		send(t, nc, message("t", 1e9, rec, fmt.Sprint(i)))
		readAck(t, nc)
	}
	s.await(t, 2)
	eventually(t, func() bool { return frames(r.Collector) == 1 })
	r.stop()
	s.restart()
	r = start(t, config(t), dir, s)
	nc = r.dial()
	send(t, nc, message("t", 2e9, pieceOf("a", 2, true, "stdout", "two"), ""))
	if got := bodies(s.await(t, 3)); got != "before between one two" {
		t.Errorf("got %s", got)
	}
	eventually(t, func() bool { return frames(r.Collector) == 0 })
}

// TestLongLine: a line that is longer than one may be becomes several records.
func TestLongLine(t *testing.T) {
	t.Parallel()
	s := newSink()
	r := start(t, config(t, func(c *Config) { c.MaxLine = 1 << 10 }), t.TempDir(), s)
	nc := r.dial()
	text := strings.Repeat("x", 400)
	for i := range 6 {
		send(t, nc, message("t", 1e9, pieceOf("a", i+1, i == 5, "stdout", text), fmt.Sprint(i)))
		readAck(t, nc)
	}
	for _, g := range s.await(t, 2) {
		if len(g.body) != 1200 || !g.cut {
			t.Errorf("%d bytes, cut %v", len(g.body), g.cut)
		}
	}
	// It ends right where it was cut.
	for i := range 4 {
		text := text
		if i == 3 {
			text = ""
		}
		send(t, nc, message("t", 1e9, pieceOf("b", i+1, i == 3, "stdout", text), fmt.Sprint("b", i)))
		readAck(t, nc)
	}
	s.await(t, 3)
	eventually(t, func() bool { return frames(r.Collector) == 0 })
}

// TestLinesThatDoNotEnd: what never ends becomes a record, at once where there
// is too much of it and else in time, and keeps no memory and no frame.
func TestLinesThatDoNotEnd(t *testing.T) {
	t.Parallel()
	for _, wait := range []time.Duration{time.Hour, 50 * time.Millisecond} {
		s := newSink()
		r := start(t, config(t), t.TempDir(), s, func(c *Collector) { c.timing.piece = wait })
		nc := r.dial()
		const n = maxOpen + 3
		for i := range n {
			send(t, nc, message("t", 1e9, pieceOf(fmt.Sprint(i), 1, false, "stdout", fmt.Sprint(i)), fmt.Sprint(i)))
			readAck(t, nc)
		}
		if wait == time.Hour {
			numbers(t, s.await(t, 3), 3)
			continue
		}
		numbers(t, s.await(t, n), n)
		for _, g := range s.all() {
			if !g.cut {
				t.Errorf("%+v", g)
			}
		}
		eventually(t, func() bool { return frames(r.Collector) == 0 })
		send(t, nc, message("t", 1e9, lineOf("stdout", "behind"), ""))
		s.await(t, n+1)
	}
}
