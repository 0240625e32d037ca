package spool

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/webgrip/logkeel/agent"
)

// A world is a source that can be read again from any position, an output with
// a spool and a ledger, and a receiver. Whatever happens to the output, in the
// end the receiver must have every record.
type world struct {
	t   *testing.T
	rng *rand.Rand
	fs  *memFS
	s   *Spool

	read     map[string]int64 // by source: the last record that was read
	ledger   map[string]int64 // and the last one said to be safe
	received map[string]bool
	drops    int

	frames   map[uint64]string // model: on the disk and not done, by seq
	done     map[uint64]bool   // acknowledged since the spool was opened
	flight   []uint64
	last     uint64 // seq that Next returned
	retries  bool   // errors are expected
	misreads int    // injected since a frame was read
}

var sources = []string{"file/a", "docker/b", "file/c"}

const worldDir = "/spool"

func newWorld(t *testing.T, rng *rand.Rand) *world {
	w := &world{
		t: t, rng: rng, fs: newMemFS(),
		read: map[string]int64{}, ledger: map[string]int64{}, received: map[string]bool{},
		frames: map[uint64]string{}, done: map[uint64]bool{},
	}
	w.open()
	return w
}

func payload(source string, n int64) []byte {
	p := fmt.Appendf(nil, "%s %d ", source, n)
	// Bytes that look like a header must not lead anybody astray.
	return append(p, bytes.Repeat(frameMagic[:], int(n*7%23))...)
}

func (w *world) open() {
	w.t.Helper()
	for try := 0; ; try++ {
		s, err := Open(worldDir, Options{MaxBytes: 1 << 20, SegmentBytes: 700, FS: w.fs, OnDrop: func(d Drop) {
			w.drops++
		}})
		if err == nil {
			w.s = s
			break
		}
		if !w.retries || try > 1000 {
			w.t.Fatal(err)
		}
	}
	w.flight, w.last, w.misreads = nil, 0, 0
	for _, source := range sources {
		w.read[source] = w.ledger[source]
	}
	w.s.Positions(func(source string, p agent.Position) {
		w.read[source] = max(w.read[source], p.Offset)
	})
}

func (w *world) append() {
	var frames []Frame
	read := maps.Clone(w.read)
	for range 1 + w.rng.IntN(5) {
		source := sources[w.rng.IntN(len(sources))]
		read[source]++
		n := read[source]
		frames = append(frames, Frame{
			Payload: payload(source, n), Records: 1,
			Ranges: []Range{{Source: source, Records: 1, To: agent.Position{Epoch: 1, Offset: n}}},
		})
	}
	first, err := w.s.Append(frames)
	if err != nil {
		if !w.retries {
			w.t.Fatal(err)
		}
		return
	}
	w.read = read
	for i, f := range frames {
		w.frames[first+uint64(i)] = string(f.Payload)
	}
	for source, n := range read {
		w.ledger[source] = max(w.ledger[source], n)
	}
}

func (w *world) next() bool {
	f, ok, err := w.s.Next(nil)
	if err != nil {
		if !w.retries {
			w.t.Fatal(err)
		}
		return true
	}
	if !ok {
		for seq := range w.frames {
			if !w.done[seq] && !slices.Contains(w.flight, seq) {
				w.t.Fatalf("seq %d was passed over", seq)
			}
		}
		return false
	}
	if f.Seq <= w.last {
		w.t.Fatalf("seq %d after %d", f.Seq, w.last)
	}
	for seq := range w.frames {
		if seq > w.last && seq < f.Seq && !w.done[seq] {
			w.t.Fatalf("seq %d was passed over", seq)
		}
	}
	w.last, w.misreads = f.Seq, 0
	if want, ok := w.frames[f.Seq]; !ok || w.done[f.Seq] || want != string(f.Payload) {
		w.t.Fatalf("seq %d is %q; want %q, done %v", f.Seq, f.Payload, want, w.done[f.Seq])
	}
	w.flight = append(w.flight, f.Seq)
	return true
}

func (w *world) ack() {
	if len(w.flight) == 0 {
		return
	}
	i := w.rng.IntN(len(w.flight))
	seq := w.flight[i]
	w.flight = slices.Delete(w.flight, i, i+1)
	w.received[w.frames[seq]] = true
	w.done[seq] = true
	w.s.Done(seq)
}

func (w *world) rewind() {
	w.s.Rewind()
	w.flight, w.last = nil, 0
}

// stopped forgets what the spool may forget when its process ends.
func (w *world) stopped(committed uint64) {
	for seq := range w.frames {
		if seq < committed || w.done[seq] && !w.retries {
			delete(w.frames, seq)
		}
	}
	clear(w.done)
}

// adopt takes over what the spool has, which is at least what it must have:
// nothing is missing but what was done up to seq.
func (w *world) adopt(done uint64) {
	w.t.Helper()
	retries, fail := w.retries, w.fs.fail
	w.retries, w.fs.fail = false, nil
	found := map[uint64]string{}
	for {
		f, ok, err := w.s.Next(nil)
		if err != nil {
			w.t.Fatal(err)
		}
		if !ok {
			break
		}
		found[f.Seq] = string(f.Payload)
	}
	for seq, p := range w.frames {
		if found[seq] != p && (seq >= done && !(retries && w.received[p]) || found[seq] != "") {
			w.t.Fatalf("seq %d is %q after a restart; want %q", seq, found[seq], p)
		}
	}
	if len(found) > len(w.frames) && !retries {
		w.t.Fatalf("%d frames after a restart; want %d", len(found), len(w.frames))
	}
	w.frames, w.retries, w.fs.fail = found, retries, fail
	w.rewind()
}

// committed is the first frame that was not acknowledged.
func (w *world) committed() uint64 {
	if w.retries {
		return w.s.commit.seq // as far as it could be written
	}
	seq := w.s.next
	for s := range w.frames {
		if !w.done[s] {
			seq = min(seq, s)
		}
	}
	return seq
}

func (w *world) kill() {
	done := w.s.done
	w.stopped(w.committed())
	w.open()
	w.adopt(done)
}

func (w *world) reopen() {
	if err := w.s.Close(); err != nil && !w.retries {
		w.t.Fatal(err)
	}
	w.kill()
}

// powerCut takes the ledger's latest lines too. What the spool has then is
// anybody's guess; that nothing is missing shows in the end.
func (w *world) powerCut() {
	w.fs.powerCut(w.rng)
	for source := range w.ledger {
		if w.rng.IntN(2) == 0 {
			w.ledger[source] = 0
		}
	}
	w.open()
	clear(w.frames)
	clear(w.done)
	retries := w.retries
	w.retries = true // more than the model knows is no surprise
	w.adopt(1)
	w.retries = retries
}

// check compares the spool's figures with the model.
func (w *world) check() {
	w.t.Helper()
	undone := 0
	for seq := range w.frames {
		if !w.done[seq] {
			undone++
		}
	}
	if got := w.s.Frames(); got != undone || w.s.Empty() != (undone == 0) {
		w.t.Fatalf("%d frames, empty %v; want %d", got, w.s.Empty(), undone)
	}
	if got, _ := w.s.Unread(); got > undone {
		w.t.Fatalf("%d unread of %d", got, undone)
	}
}

// finish drains the spool and says whether the receiver has all.
func (w *world) finish() {
	w.t.Helper()
	failed := w.retries
	w.fs.fail, w.retries = nil, false
	w.rewind()
	// What was read again after a crash is appended again by then.
	top := map[string]int64{}
	for p := range w.received {
		var source string
		var n int64
		fmt.Sscan(p, &source, &n)
		top[source] = max(top[source], n)
	}
	for _, source := range sources {
		for w.read[source] < top[source] {
			w.append()
		}
	}
	for w.next() {
	}
	for len(w.flight) > 0 {
		w.ack()
	}
	w.check()
	for _, source := range sources {
		for n := int64(1); n <= w.read[source]; n++ {
			if !w.received[string(payload(source, n))] {
				w.t.Fatalf("%s: record %d of %d is lost", source, n, w.read[source])
			}
		}
	}
	if err := w.s.Close(); err != nil {
		w.t.Fatal(err)
	}
	for name := range w.fs.names {
		if segmentName.MatchString(name[len(worldDir)+1:]) && !failed {
			w.t.Errorf("%s is left after all was done", name)
		}
	}
}

func (w *world) step(power bool) {
	switch n := w.rng.IntN(100); {
	case n < 25:
		w.append()
	case n < 60:
		w.next()
	case n < 88:
		w.ack()
	case n < 92:
		w.rewind()
	case n < 95:
		w.reopen()
	case n < 98 || !power:
		w.kill()
	default:
		w.powerCut()
	}
	w.check()
}

func runWorlds(t *testing.T, seeds int, setup func(*world), power bool) {
	if testing.Short() {
		seeds /= 10
	}
	for seed := range seeds {
		ok := t.Run(fmt.Sprint("seed", seed), func(t *testing.T) {
			w := newWorld(t, rand.New(rand.NewPCG(uint64(seed), 7)))
			if setup != nil {
				setup(w)
			}
			for range 250 {
				w.step(power)
			}
			w.finish()
			if !power && w.drops > 0 {
				t.Fatalf("%d drops on a sound disk", w.drops)
			}
		})
		if !ok {
			return
		}
	}
}

func TestModel(t *testing.T) { runWorlds(t, 20, nil, false) }

func TestModelWithPowerCuts(t *testing.T) { runWorlds(t, 30, nil, true) }

var errInjected = errors.New("injected")

// injectSome lets about one call in eighty fail, but not the same frame thrice.
func injectSome(w *world) {
	w.retries = true
	w.fs.fail = func(_ int, op, _ string) error {
		if w.rng.IntN(80) > 0 {
			return nil
		}
		if op == "read" {
			if w.misreads++; w.misreads >= readTries {
				return nil
			}
		}
		return errInjected
	}
}

func TestModelWithErrors(t *testing.T) { runWorlds(t, 20, injectSome, false) }

func TestModelWithErrorsAndPowerCuts(t *testing.T) { runWorlds(t, 40, injectSome, true) }
