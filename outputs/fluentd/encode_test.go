package fluentd

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unsafe"

	"github.com/tinylib/msgp/msgp"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/conf"
	"github.com/webgrip/logkeel/agent/forward"
	"github.com/webgrip/logkeel/agent/spool"
)

// roundTrip sends and acknowledges what the queue has, on this goroutine.
func roundTrip(t testing.TB, o *Output) (frames []string) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for {
		c, err := o.lanes[0].q.next(ctx)
		if err != nil {
			return frames
		}
		frames = append(frames, string(c.frame))
		o.lanes[0].q.ack(string(c.id[:]))
	}
}

func message1(t *testing.T, frame string) message {
	t.Helper()
	r := msgp.NewReader(strings.NewReader(frame))
	m, err := readMessage(r)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.NextType(); err != io.EOF {
		t.Fatalf("more follows: %v", err)
	}
	return m
}

// TestWriteAllocatesNothing in steady state, with the ledger and all.
func TestWriteAllocatesNothing(t *testing.T) {
	for _, records := range []int{1, 1000} {
		for _, flag := range []bool{false, true} {
			t.Run(fmt.Sprint(records, flag), func(t *testing.T) {
				o, _ := newState(t).open(config(func(c *Config) { c.Identity = flag }))
				defer o.Close()
				var flagged func(int) bool
				if flag {
					flagged = func(n int) bool { return n%10 == 0 }
				}
				b := newBatch(container("a"), 0, records, 200, flagged)
				ctx, done := context.WithCancel(t.Context())
				done()
				run := func() {
					if err := o.Write(t.Context(), b, 0); err != nil {
						t.Fatal(err)
					}
					b.Pos.Offset++
					c, err := o.lanes[0].q.next(ctx)
					if err != nil {
						t.Fatal(err)
					}
					o.lanes[0].q.ack(unsafe.String(&c.id[0], len(c.id)))
				}
				for range 20 {
					run()
				}
				if n := testing.AllocsPerRun(500, run); n != 0 {
					t.Errorf("%v allocations", n)
				}
			})
		}
	}
}

// TestWriteKeepsNothing: what was written is not what the batch holds later.
func TestWriteKeepsNothing(t *testing.T) {
	o, _ := newState(t).open(config(nil))
	defer o.Close()
	src := container("a")
	for n := 0; n < 1000; n += 10 {
		b := newBatch(src, n, n+10, 50, flagged)
		if err := o.Write(t.Context(), b, 0); err != nil {
			t.Fatal(err)
		}
		poison(b)
	}
	n := 0
	for _, f := range roundTrip(t, o) {
		for _, e := range message1(t, f).events {
			if e.number() != n || !strings.HasSuffix(e.record["log"].(string), strings.Repeat("x", 50)) || (e.record["findings"] != nil) != flagged(n) {
				t.Fatalf("%d is %v", n, e.record)
			}
			n++
		}
	}
	if n != 1000 {
		t.Errorf("%d records", n)
	}
}

// TestWriteFrom: records before from were taken already; findings of theirs too.
func TestWriteFrom(t *testing.T) {
	for _, only := range []string{"all", "flagged"} {
		o, _ := newState(t).open(config(func(c *Config) { c.Records = only }))
		b := newBatch(container("a"), 0, 20, 0, flagged)
		var want, got []int
		for n := 7; n < 20; n++ {
			if only == "all" || flagged(n) {
				want = append(want, n)
			}
		}
		if err := o.Write(t.Context(), b, 7); err != nil {
			t.Fatal(err)
		}
		for _, f := range roundTrip(t, o) {
			for _, e := range message1(t, f).events {
				got = append(got, e.number())
				if (e.record["findings"] != nil) != flagged(e.number()) {
					t.Errorf("%d has findings %v", e.number(), e.record["findings"])
				}
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v; want %v", only, got, want)
		}
		b.Pos.Offset = 50
		if err := o.Write(t.Context(), b, 20); err != nil { // nothing but a position
			t.Fatal(err)
		}
		if p := o.Consumer().Position(b.Source.ID); p.Offset != 50 || len(roundTrip(t, o)) > 0 {
			t.Errorf("%s: stands at %+v", only, p)
		}
		o.Close()
	}
}

// TestLabelsChange: a source whose tag changes goes on in order, in a chunk of
// its own, and so does one that changes back.
func TestLabelsChange(t *testing.T) {
	o, _ := newState(t).open(config(func(c *Config) { c.Tag = "t.{{.ImageName}}" }))
	defer o.Close()
	was, is := container("a"), container("a")
	is.Container.Image = "app:2"
	for n, src := range []*agent.Source{was, was, is, was, is} {
		if err := o.Write(t.Context(), newBatch(src, n, n+1, 0, nil), 0); err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	for _, f := range roundTrip(t, o) {
		m := message1(t, f)
		for _, e := range m.events {
			got = append(got, fmt.Sprint(m.tag, e.number()))
			if image := "t." + e.record["container_image"].(string); image != m.tag {
				t.Errorf("a record of %s is tagged %s", image, m.tag)
			}
		}
	}
	if want := []string{"t.app:10", "t.app:11", "t.app:22", "t.app:13", "t.app:24"}; !slices.Equal(got, want) {
		t.Errorf("%v; want %v", got, want)
	}
}

// TestLargeBatch: a batch that is large once encoded becomes several chunks,
// none larger than the spool takes.
func TestLargeBatch(t *testing.T) {
	o, _ := newState(t).open(config(nil))
	defer o.Close()
	const records = 100_000 // empty lines, and 250 bytes each on the wire
	b := &agent.Batch{Source: container("a"), Records: make([]agent.Record, records), Pos: agent.Position{Epoch: 1, Offset: records}}
	if err := o.Write(t.Context(), b, 0); err != nil {
		t.Fatal(err)
	}
	chunks := len(o.lanes[0].q.mem)
	if chunks < 4 {
		t.Errorf("%d chunks", chunks)
	}
	total := 0
	for _, f := range roundTrip(t, o) {
		if len(f) > 5<<20 {
			t.Errorf("a chunk of %d bytes", len(f))
		}
		total += len(message1(t, f).events)
	}
	if total != records {
		t.Errorf("%d records", total)
	}
	if p := o.Consumer().Position(b.Source.ID); p.Offset != records {
		t.Errorf("stands at %+v", p)
	}
}

// TestForeignFrames: frames that were there at the start go first, in order;
// one without a message holds up nobody.
func TestForeignFrames(t *testing.T) {
	st := newState(t)
	o, _ := st.open(config(nil))
	for n := range 5 {
		if err := o.Write(t.Context(), newBatch(container("a"), n, n+1, 0, nil), 0); err != nil {
			t.Fatal(err)
		}
		if err := o.lanes[0].q.spill(); err != nil {
			t.Fatal(err)
		}
		if n%2 == 0 {
			if _, err := o.lanes[0].spool.Append([]spool.Frame{{}, {Payload: []byte("short")}}); err != nil {
				t.Fatal(err)
			}
		}
	}
	o.Close()
	if err := os.Remove(filepath.Join(st.dir, "positions.jsonl")); err != nil { // the spool knows as well
		t.Fatal(err)
	}
	o, _ = st.open(config(nil))
	defer o.Close()
	if p := o.Consumer().Position("docker/a"); p.Offset != 5 {
		t.Errorf("stands at %+v", p)
	}
	if err := o.Write(t.Context(), newBatch(container("a"), 5, 6, 0, nil), 0); err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, f := range roundTrip(t, o) {
		if got := message1(t, f).events[0].number(); got != n {
			t.Errorf("%d comes as number %d", got, n)
		}
		n++
	}
	if n != 6 || !o.lanes[0].spool.Empty() {
		t.Errorf("%d came, %d are left", n, o.lanes[0].spool.Frames())
	}
}

// bench is a batch of lines as a web server writes them, of 240 bytes.
func bench(src *agent.Source) *agent.Batch { return newBatch(src, 0, 1000, 236, nil) }

// BenchmarkWrite encodes into the queue, which is emptied without sending.
func BenchmarkWrite(b *testing.B) {
	o, _ := newState(b).open(config(func(c *Config) { c.Buffer = 64 << 20 }))
	defer o.Close()
	batch := bench(container("a"))
	b.SetBytes(int64(len(batch.Buf)))
	b.ReportAllocs()
	ctx, cancel := context.WithCancel(b.Context())
	cancel()
	for b.Loop() {
		if err := o.Write(b.Context(), batch, 0); err != nil {
			b.Fatal(err)
		}
		c, err := o.lanes[0].q.next(ctx)
		if err != nil {
			b.Fatal(err)
		}
		o.lanes[0].q.ack(unsafe.String(&c.id[0], len(c.id)))
	}
}

// BenchmarkOutput goes over a socket to a receiver that reads, acknowledges and
// does nothing else.
func BenchmarkOutput(b *testing.B) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		discard(c)
	})
	st := newState(b)
	o, _ := st.open(config(func(c *Config) {
		c.Address, c.Spool.After = l.Addr().String(), conf.Duration(time.Minute)
	}))
	ctx, cancel := context.WithCancel(b.Context())
	wg.Go(func() { o.Run(ctx) })
	batches := []*agent.Batch{bench(container("a")), bench(container("b")), bench(container("c"))}
	b.SetBytes(int64(len(batches[0].Buf)))
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		batches[i%3].Pos.Offset++
		if err := o.Write(ctx, batches[i%3], 0); err != nil {
			b.Fatal(err)
		}
		i++
	}
	if err := o.Drain(ctx); err != nil {
		b.Fatal(err)
	}
	b.StopTimer()
	if n := o.lanes[0].records.Load(); n != uint64(i*1000) {
		b.Errorf("%d records acknowledged; want %d\n%s", n, i*1000, st.log)
	}
	cancel()
	l.Close()
	wg.Wait()
	o.Close()
}

// discard acknowledges messages without a look at their entries.
func discard(c net.Conn) {
	r := msgp.NewReaderSize(c, 64<<10)
	var ack []byte
	for {
		if _, err := r.ReadArrayHeader(); err != nil {
			return
		}
		for range 2 { // tag and entries
			if err := r.Skip(); err != nil {
				return
			}
		}
		if _, err := r.ReadMapHeader(); err != nil {
			return
		}
		for range 3 { // size and its value, chunk
			if err := r.Skip(); err != nil {
				return
			}
		}
		id, err := r.ReadStringAsBytes(nil)
		if err != nil || len(id) != forward.ChunkIDLen {
			return
		}
		ack = msgp.AppendStringFromBytes(append(ack[:0], "\x81\xa3ack"...), id)
		if _, err := c.Write(ack); err != nil {
			return
		}
	}
}
