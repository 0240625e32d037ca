package forward

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/webgrip/logkeel/agent"
	wire "github.com/webgrip/logkeel/agent/forward"
	"github.com/webgrip/logkeel/agent/spool"
)

// A world is a collector's disk and two consumers, of which each has its own
// positions, as the pipeline has them.
type world struct {
	t         *testing.T
	r         *rand.Rand
	dir       string
	consumers [2]consumer
	c         *Collector
	d         *dispatcher
	sp        *spool.Spool
	sent      int
	lines     []int // those of sent that are no pieces
	history   []string
}

type consumer struct {
	taken, safe map[string]agent.Position
	got         map[int]bool
	order       map[string][]int // lines, by source
}

func (w *world) say(format string, args ...any) {
	w.history = append(w.history, fmt.Sprintf(format, args...))
}

// start is a start of the agent after a kill: what was taken and is not safe is
// not known.
func (w *world) start() {
	w.say("start")
	for i := range w.consumers {
		c := &w.consumers[i]
		c.taken = map[string]agent.Position{}
		for k, p := range c.safe {
			c.taken[k] = p
		}
	}
	sp, err := spool.Open(w.dir, spool.Options{FS: &brittle{lazy: true}, SegmentBytes: 1 << 10})
	if err != nil {
		w.t.Fatal(err)
	}
	w.sp = sp
	w.c.store = newStore("in", sp, w.c.log)
	w.d = w.c.dispatcher(w, sp, 1)
	w.d.maxLine = 20
}

// send puts a message of some records on the disk.
func (w *world) send() {
	var entries []byte
	for range 1 + w.r.IntN(3) {
		text := fmt.Sprint(w.sent, ";")
		rec := record("log", text, "container_id", fmt.Sprint(w.r.IntN(2)))
		if w.r.IntN(2) == 0 {
			rec = record("log", text, "container_id", fmt.Sprint(w.r.IntN(2)), "partial_id", fmt.Sprint(w.r.IntN(3)), "partial_last", fmt.Sprint(w.r.IntN(3) == 0))
		} else {
			w.lines = append(w.lines, w.sent)
		}
		w.say("send %s", rec)
		entries = append(entries, entry(1e9, rec)...)
		w.sent++
	}
	pieces, err := split(nil, entries)
	if err == nil {
		err = w.c.store.put(nil, &wire.Message{Tag: []byte("t")}, pieces)
	}
	if err == nil {
		_, err = w.sp.Append(w.c.store.group.encode(nil))
	}
	if err != nil {
		w.t.Fatal(err)
	}
	w.c.store.group.reset()
}

func (w *world) settle(wait time.Duration) {
	w.d.now = time.Now()
	w.d.pieceWait = wait
	w.say("settle %v", wait)
	for _, n := range w.d.needs {
		if n.p != nil && n.p.end != math.MaxInt64 && n.p.text != nil {
			w.t.Error("what was given takes memory until it is safe")
		}
	}
	if err := w.d.settle(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) step() bool {
	more, err := w.d.step(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	w.say("step to %d", w.d.read)
	return more
}

// acknowledge has some of what a consumer took safe.
func (w *world) acknowledge(c *consumer) {
	for k, p := range c.taken {
		if w.r.IntN(2) == 0 {
			w.say("%s is safe to %d", k, p.Offset)
			c.safe[k] = p
		}
	}
}

// The world is the dispatcher's sink.
func (w *world) Snapshot(string, []agent.Sample)   {}
func (w *world) Known(string) bool                 { return false }
func (w *world) Remember(string)                   {}
func (w *world) Open(src *agent.Source) agent.Feed { return &worldFeed{w, src.ID} }

type worldFeed struct {
	w  *world
	id string
}

func (f *worldFeed) Resume() (all []agent.Position) {
	for i := range f.w.consumers {
		if p, ok := f.w.consumers[i].taken[f.id]; ok {
			all = append(all, p)
		}
	}
	slices.SortFunc(all, func(a, b agent.Position) int { return int(a.Offset - b.Offset) })
	return all
}

func (f *worldFeed) Safe() agent.Position {
	a, b := f.w.consumers[0].safe[f.id], f.w.consumers[1].safe[f.id]
	if a.Before(b) {
		return a
	}
	return b
}

func (f *worldFeed) Batch(context.Context) (*agent.Batch, error) { return &agent.Batch{}, nil }
func (f *worldFeed) Release(*agent.Batch)                        {}
func (f *worldFeed) Behind(int64)                                {}
func (f *worldFeed) Gap()                                        {}
func (f *worldFeed) Close(bool)                                  {}

func (f *worldFeed) Emit(_ context.Context, b *agent.Batch) error {
	for i := range f.w.consumers {
		c := &f.w.consumers[i]
		was := c.taken[f.id]
		if !was.Before(b.Pos) {
			continue
		}
		end := int64(0)
		for n, r := range b.Records {
			if r.End < end {
				f.w.t.Errorf("a record ends at %d, behind one that ends at %d", r.End, end)
			}
			end = r.End
			if was.Epoch == b.Pos.Epoch && r.End <= was.Offset {
				continue
			}
			f.w.say("%d gets %s to %d", i, b.Body(n), r.End)
			parts := strings.Split(strings.TrimSuffix(string(b.Body(n)), ";"), ";")
			for _, p := range parts {
				n, err := strconv.Atoi(p)
				if err != nil {
					f.w.t.Errorf("%q", b.Body(n))
				}
				if !c.got[n] && len(parts) == 1 && slices.Contains(f.w.lines, n) {
					c.order[f.id] = append(c.order[f.id], n)
				}
				c.got[n] = true
			}
		}
		c.taken[f.id] = b.Pos
	}
	return nil
}

// TestModel: whatever comes in pieces, whenever consumers have it, and whenever
// the agent is killed: each consumer gets all, lines of a source in order, and
// nothing is kept in the end.
func TestModel(t *testing.T) {
	t.Parallel()
	for seed := uint64(400); seed < 850; seed++ { // among them are those that found something
		w := &world{t: t, r: rand.New(rand.NewPCG(seed, 1)), dir: t.TempDir(), c: New(config(t), t.TempDir(), slog.New(slog.DiscardHandler))}
		for i := range w.consumers {
			w.consumers[i] = consumer{safe: map[string]agent.Position{}, got: map[int]bool{}, order: map[string][]int{}}
		}
		w.start()
		for range 60 {
			switch w.r.IntN(8) {
			case 0, 1, 2:
				w.send()
			case 3, 4:
				w.step()
				w.settle(time.Hour)
			case 5:
				w.settle(0)
			case 6:
				w.acknowledge(&w.consumers[w.r.IntN(2)])
				if w.r.IntN(2) == 0 {
					w.acknowledge(&w.consumers[0])
					w.acknowledge(&w.consumers[1])
					w.settle(time.Hour)
				}
			case 7:
				if w.r.IntN(3) == 0 {
					w.start()
				}
			}
		}
		w.start()
		for w.step() {
		}
		for range 2 { // what is overdue is given, and then given up
			w.settle(0)
			for i := range w.consumers {
				w.consumers[i].safe = w.consumers[i].taken
			}
		}
		w.settle(0)
		for i := range w.consumers {
			c := &w.consumers[i]
			for n := range w.sent {
				if !c.got[n] {
					t.Errorf("seed %d: consumer %d never gets %d", seed, i, n)
				}
			}
			for _, all := range c.order {
				if !slices.IsSorted(all) {
					t.Errorf("seed %d: consumer %d gets %d", seed, i, all)
				}
			}
		}
		if n := w.sp.Frames(); n > 0 {
			t.Errorf("seed %d: %d frames are kept", seed, n)
		}
		if t.Failed() {
			t.Fatal(strings.Join(w.history, "\n"))
		}
	}
}
