package fluentd

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/testenv"
)

func compressed(c *Config) { c.Compress = gzipped }

// accessLog is a batch of lines as a web server writes them.
func accessLog(src *agent.Source, from, lines int) *agent.Batch {
	rng := rand.New(rand.NewPCG(uint64(from), 1))
	paths := []string{"/", "/login", "/api/v1/orders", "/static/app.4f2a91.js", "/images/logo.png", "/search?q=blue+shoes&page=2"}
	b := &agent.Batch{Source: src, Pos: agent.Position{Epoch: 1, Offset: int64(from + lines)}}
	for n := from; n < from+lines; n++ {
		start := int32(len(b.Buf))
		b.Buf = fmt.Appendf(b.Buf, `%d 203.0.113.%d - - [14/Nov/2023:22:%02d:%02d +0000] "GET %s HTTP/1.1" %d %d "https://shop.example/" "Mozilla/5.0 (X11; Linux x86_64; rv:109.0) Gecko/20100101 Firefox/115.0" rt=0.%03d id=%016x`,
			n, rng.IntN(256), rng.IntN(60), rng.IntN(60), paths[rng.IntN(len(paths))], 200+rng.IntN(3)*100, rng.IntN(50_000), rng.IntN(1000), rng.Uint64())
		b.Records = append(b.Records, agent.Record{
			Time: (1_700_000_000 + int64(n)) * 1e9, End: int64(n + 1), Body: agent.Span{Start: start, End: int32(len(b.Buf))}, Stream: agent.Stdout,
		})
	}
	return b
}

// TestCompressed: all arrives as without, through the spool and in parts as well;
// what compression does not make smaller goes as it is.
func TestCompressed(t *testing.T) {
	var zipped, plain int
	script := func(n int, p *peer) error {
		for p != nil {
			if n == 1 {
				time.Sleep(3 * time.Second) // some goes through the spool
				return nil
			}
			m, err := readMessage(p.r)
			if err != nil {
				return err
			}
			if len(m.events) > 30 {
				return nil
			}
			p.rx.mu.Lock()
			p.rx.events = append(p.rx.events, m.events...)
			if m.gzip {
				zipped++
			} else {
				plain++
			}
			p.rx.mu.Unlock()
			if err := p.ack(m.chunk); err != nil {
				return err
			}
		}
		return nil
	}
	inBubble(t, config(compressed), script, func(r *rig) {
		r.write(9, 100)
		r.settle()
		r.padding = 0
		r.write(3, 1)
		r.settle()
		r.arrived(true)
		if zipped == 0 {
			t.Error("nothing was compressed")
		}
	})
	for text, want := range map[string]bool{"x": false, "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx": true} {
		var z compressor
		c := &chunk{}
		c.reset(&agent.Source{ID: "a"}, "t", time.Time{})
		c.frame = append(c.frame, 0x92, 0xd7, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0x81, 0xa3, 'l', 'o', 'g', 0xd9, byte(len(text)))
		c.frame = append(c.frame, text...)
		c.records = 1
		c.seal()
		b := z.message(c)
		m := message1(t, string(b))
		if m.gzip != want || m.chunk != string(c.id[:]) || m.events[0].record["log"] != text {
			t.Errorf("%+v", m)
		}
	}
}

func TestCompressedOnTheWire(t *testing.T) {
	f := testenv.ForwardReceiver(t, testenv.ForwardOptions{})
	o, _ := newState(t).open(patient(func(c *Config) { c.Address, c.Compress = f.Addr, gzipped }))
	running(t, o)
	src := container("a")
	for n := 0; n < 2000; n += 100 {
		if err := o.Write(t.Context(), accessLog(src, n, 100), 0); err != nil {
			t.Fatal(err)
		}
	}
	f.Await(2000, time.Minute)
	next := 0
	for e := range f.Entries() {
		if n := (event{record: e.Record}).number(); n != next {
			t.Fatalf("%d arrives; want %d", n, next)
		}
		next++
	}
	if n := o.lanes[0].sentBytes.Load(); n == 0 || n > 2000*150 {
		t.Errorf("%d bytes were sent", n)
	}
}

// TestCompressAllocatesNothing in steady state.
func TestCompressAllocatesNothing(t *testing.T) {
	var z compressor
	c := sealedChunk(t)
	run := func() { z.message(c) }
	run()
	if n := testing.AllocsPerRun(50, run); n > 1 { // the tag
		t.Errorf("%v allocations", n)
	}
}

func sealedChunk(t testing.TB) *chunk {
	t.Helper()
	o, _ := newState(t).open(config(nil))
	defer o.Close()
	if err := o.Write(context.Background(), accessLog(container("a"), 0, 1000), 0); err != nil {
		t.Fatal(err)
	}
	o.lanes[0].q.seal(o.lanes[0].q.mem[0])
	return o.lanes[0].q.mem[0]
}

// BenchmarkCompress is what a chunk of 1,000 lines costs beside its encoding.
func BenchmarkCompress(b *testing.B) {
	c := sealedChunk(b)
	var z compressor
	b.SetBytes(int64(len(c.frame)))
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		n = len(z.message(c))
	}
	b.ReportMetric(float64(len(c.frame))/float64(n), "ratio")
}
