package fluentd

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/tinylib/msgp/msgp"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/spool"
)

const modelSources = 4

// A history is what the model knows of one source.
type history struct {
	sources   [2]*agent.Source // labels change, the ID does not
	read      int              // numbers below were put since the last start
	batch     map[int]int      // number: where the batch begins that it was put with
	delivered int              // numbers below arrived, those without a flag aside
	seen      map[int]bool
	acked     map[int]bool
	excused   map[int]bool // acknowledged, and repeated after a kill all the same
}

func flagged(n int) bool { return n%5 != 0 && (n/50)%4 != 3 }

// A world is a queue among a reader, a receiver and a spiller that do anything
// at any time, in one goroutine.
type world struct {
	t       *testing.T
	rng     *rand.Rand
	state   *state
	disk    *diskFS
	o       *Output
	sources [modelSources]*history

	poison  bool            // the receiver does not take some records
	flying  []string        // chunk ids that were sent and not acknowledged
	unloved map[string]bool // of these: those that it does not take
	done    []string        // acknowledged
	writing *chunk
	written []byte // what writing had to be

	frames  [][]byte // being spilled
	begun   []spool.Frame
	middle  bool   // between Append and endSpill
	first   uint64 // what Append said
	err     error
	partly  [][2]int // source and number of records that were acknowledged by parts
	givenUp int
	undone  map[uint64][][2]int // by seq: source and number of the records in the spool that are not acknowledged
}

func newWorld(t *testing.T, seed uint64) *world {
	w := &world{t: t, rng: rand.New(rand.NewPCG(seed, 7)), state: newState(t), disk: &diskFS{}, undone: map[uint64][][2]int{}, unloved: map[string]bool{}}
	w.poison = seed%2 == 1
	for i := range w.sources {
		id := string(rune('a' + i))
		h := &history{batch: map[int]int{}, seen: map[int]bool{}, acked: map[int]bool{}, excused: map[int]bool{}}
		h.sources = [2]*agent.Source{container(id), container(id)}
		h.sources[1].Container.Image = "app:2"
		w.sources[i] = h
	}
	w.open()
	return w
}

func (w *world) open() {
	c := config(func(c *Config) { c.Records = "flagged" })
	w.o = w.state.openFS(c, w.disk, limits{mem: 6000, chunk: 900, batch: 2000, spill: 2500, window: 3000})
	for _, h := range w.sources {
		h.read = int(w.position(h).Offset)
	}
}

func (w *world) position(h *history) agent.Position {
	return w.o.lanes[0].q.consumer.Position(h.sources[0].ID)
}

func (w *world) put() {
	if w.o.lanes[0].q.memBytes >= w.o.lanes[0].q.limits.mem {
		return
	}
	h := w.sources[w.rng.IntN(modelSources)]
	src := h.sources[0]
	if w.rng.IntN(8) == 0 {
		src = h.sources[1]
	}
	n := 1 + w.rng.IntN(12)
	b := newBatch(src, h.read, h.read+n, w.rng.IntN(40), flagged)
	for i := range n {
		h.batch[h.read+i] = h.read
	}
	h.read += n
	if err := w.o.Write(context.Background(), b, 0); err != nil {
		w.t.Fatal(err)
	}
	poison(b)
}

// whole wants the frame that is being written, and those being spilled, to be
// what they were.
func (w *world) whole() {
	if w.writing != nil && !slices.Equal(w.writing.frame[:len(w.written)], w.written) {
		w.t.Fatal("a frame changed while it was written")
	}
	for i := range w.begun {
		if !slices.Equal(w.begun[i].Payload, w.frames[i]) {
			w.t.Fatal("a frame changed while it was spilled")
		}
	}
}

func (w *world) next() bool {
	w.writing = nil
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	c, err := w.o.lanes[0].q.next(ctx)
	if err != nil {
		if !errors.Is(err, context.Canceled) {
			w.t.Fatal(err)
		}
		return false
	}
	w.writing, w.written = c, slices.Clone(c.frame)
	m, err := readMessage(msgp.NewReader(strings.NewReader(string(c.frame))))
	if err != nil {
		w.t.Fatal(err)
	}
	if m.chunk != string(c.id[:]) || slices.Contains(w.flying, m.chunk) || slices.Contains(w.done, m.chunk) && len(w.excuses()) == 0 {
		w.t.Fatalf("chunk %q is sent again", m.chunk)
	}
	w.flying = append(w.flying, m.chunk)
	w.unloved[m.chunk] = false
	for _, e := range m.events {
		w.deliver(e)
		w.unloved[m.chunk] = w.unloved[m.chunk] || e.number()%23 == 7
	}
	return true
}

func (w *world) excuses() (all []int) {
	for _, h := range w.sources {
		for n := range h.excused {
			all = append(all, n)
		}
	}
	return all
}

func (w *world) deliver(e event) {
	h, n := w.sources[e.source()[0]-'a'], e.number()
	if h.acked[n] && !h.excused[n] {
		w.t.Fatalf("%s %d was acknowledged and is sent again", e.source(), n)
	}
	if h.seen[n] {
		return
	}
	for !flagged(h.delivered) {
		h.delivered++
	}
	if n != h.delivered {
		w.t.Fatalf("%s %d arrives, and %d did not", e.source(), n, h.delivered)
	}
	h.seen[n] = true
	h.delivered++
}

// records lists the source and number of each record in a chunk, sealed or not.
func records(t *testing.T, c *chunk) (all [][2]int) {
	b := c.frame[c.entries:]
	if c.sealed {
		m, err := readMessage(msgp.NewReader(strings.NewReader(string(c.frame))))
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range m.events {
			all = append(all, [2]int{int(e.source()[0] - 'a'), e.number()})
		}
		return all
	}
	events, err := readEntries("", b)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range events {
		all = append(all, [2]int{int(e.source()[0] - 'a'), e.number()})
	}
	return all
}

func (w *world) ack() {
	if len(w.flying) == 0 {
		return
	}
	i := 0
	if w.rng.IntN(2) == 0 {
		i = w.rng.IntN(len(w.flying))
	}
	id := w.flying[i]
	if w.poison && w.unloved[id] {
		return
	}
	w.flying = slices.Delete(w.flying, i, i+1)
	w.done = append(w.done, id)
	is := func(c *chunk) bool { return string(c.id[:]) == id && !c.acked }
	onDisk := slices.IndexFunc(w.o.lanes[0].q.disk, is)
	var c *chunk
	if onDisk >= 0 {
		c = w.o.lanes[0].q.disk[onDisk]
	} else {
		c = w.o.lanes[0].q.mem[slices.IndexFunc(w.o.lanes[0].q.mem, is)]
	}
	w.over(c, onDisk >= 0)
	if n, _, ok := w.o.lanes[0].q.ack(id); !ok || n == 0 {
		w.t.Fatalf("chunk %q is not in flight", id)
	}
	for _, id := range []string{id, "nobody's", ""} {
		if _, _, ok := w.o.lanes[0].q.ack(id); ok {
			w.t.Fatalf("acknowledged %q twice", id)
		}
	}
}

// over notes that the records of c need not be sent again.
func (w *world) over(c *chunk, onDisk bool) {
	rs := records(w.t, c)
	for _, r := range rs {
		w.sources[r[0]].acked[r[1]] = true
	}
	if !onDisk {
		return
	}
	w.undone[c.seq] = slices.DeleteFunc(w.undone[c.seq], func(r [2]int) bool { return slices.Contains(rs, r) })
	if len(w.undone[c.seq]) == 0 {
		delete(w.undone, c.seq)
	} else {
		w.partly = append(w.partly, rs...)
	}
}

func (w *world) unsend() {
	w.writing = nil
	n, refused := w.o.lanes[0].q.unsend(w.rng.IntN(8) == 0)
	if n != len(w.flying) {
		w.t.Fatalf("%d chunks were in flight; want %d", n, len(w.flying))
	}
	w.flying = nil
	stored := w.rng.IntN(3) > 0
	for _, c := range refused {
		if c.records != 1 {
			w.t.Fatalf("%d records are given up at once", c.records)
		}
		if stored {
			w.givenUp++
			w.over(c, true)
		}
	}
	w.o.lanes[0].q.giveBack(refused, stored)
}

// spill goes one step on: begin, append, end.
func (w *world) spill() {
	q := w.o.lanes[0].q
	switch {
	case w.begun == nil && !w.middle:
		if len(q.mem) == 0 {
			return
		}
		w.begun = q.beginSpill()
		w.frames = nil
		for i := range w.begun {
			w.frames = append(w.frames, slices.Clone(w.begun[i].Payload))
		}
		if len(w.begun) == 0 {
			q.endSpill(0, nil)
			w.begun = nil
		}
	case !w.middle:
		if w.rng.IntN(4) == 0 {
			full := error(syscall.ENOSPC)
			w.disk.fail.Store(&full)
		}
		w.whole()
		w.first, w.err = w.o.lanes[0].spool.Append(w.begun)
		w.disk.fail.Store(nil)
		w.middle = true
		if w.err == nil {
			for _, c := range q.mem[:q.spilling] {
				if c.seq > 0 {
					w.undone[w.first+c.seq-1] = records(w.t, c)
				}
			}
		}
	default:
		w.begun, w.middle = nil, false
		for _, c := range q.mem[:q.spilling] {
			if w.err == nil && c.acked && c.seq > 0 {
				delete(w.undone, w.first+c.seq-1)
			}
		}
		q.endSpill(w.first, w.err)
	}
}

// unsafe is the first number of the source that a restart has to read again.
func (w *world) unsafe(i int) int {
	h, q := w.sources[i], w.o.lanes[0].q
	first := -1
	for k, c := range q.mem {
		stored := w.middle && w.err == nil && k < q.spilling
		if c.source == h.sources[0].ID && !c.acked && !stored {
			first = records(w.t, c)[0][1]
			break
		}
	}
	if first < 0 {
		return h.read
	}
	return h.batch[first]
}

// check wants positions to be as far as they may, and no further. While the
// queue was not told yet what the spool has, they may lag.
func (w *world) check() {
	w.whole()
	bytes := 0
	for _, c := range w.o.lanes[0].q.mem {
		bytes += len(c.frame)
	}
	if bytes != w.o.lanes[0].q.memBytes {
		w.t.Fatalf("%d bytes are counted and %d are there", w.o.lanes[0].q.memBytes, bytes)
	}
	for i, h := range w.sources {
		got, want := int(w.position(h).Offset), w.unsafe(i)
		if got > want || got < want && !w.middle {
			w.t.Fatalf("source %d stands at %d; want %d", i, got, want)
		}
	}
}

// kill starts again from what is on the disk.
func (w *world) kill() {
	var want [modelSources]int
	for i, h := range w.sources {
		want[i] = w.unsafe(i)
		for n := range h.acked { // behind one of its source that was not
			h.excused[n] = h.excused[n] || n >= want[i]
		}
	}
	for _, rs := range w.undone { // the first part of a large batch
		for _, r := range rs {
			h := w.sources[r[0]]
			if r[1] >= want[r[0]] || h.acked[r[1]] { // or acknowledged while it was spilled
				h.excused[r[1]] = true
			}
		}
	}
	for _, r := range w.partly { // the spool only knows frames as a whole
		w.sources[r[0]].excused[r[1]] = true
	}
	middle := w.middle
	w.flying, w.writing, w.begun, w.frames, w.middle = nil, nil, nil, nil, false
	w.open()
	for i, h := range w.sources {
		got := int(w.position(h).Offset)
		for n := got; middle && got < want[i] && !flagged(n); n++ {
			got = n + 1 // it had nothing to send, and nobody said so in time
		}
		if got != want[i] {
			w.t.Fatalf("after a kill source %d stands at %d; want %d", i, got, want[i])
		}
	}
}

func (w *world) finish() {
	w.poison = false
	if w.begun != nil {
		w.spill()
		if w.begun != nil {
			w.spill()
		}
	}
	for w.next() || len(w.flying) > 0 {
		w.ack()
		w.check()
	}
	q := w.o.lanes[0].q
	q.written()
	if q.memBytes != 0 || len(q.mem) != 0 || q.sent != 0 || q.diskSent != 0 || len(q.disk) != 0 || len(q.last) != 0 || !q.spool.Empty() || q.spilling != 0 || q.hold {
		w.t.Fatalf("not empty at the end: %+v", q)
	}
	for i, h := range w.sources {
		for ; h.delivered < h.read; h.delivered++ {
			if flagged(h.delivered) {
				w.t.Fatalf("source %d: %d of %d arrived", i, h.delivered, h.read)
			}
		}
	}
	if err := w.o.Close(); err != nil {
		w.t.Fatal(err)
	}
}
