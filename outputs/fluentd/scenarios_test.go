package fluentd

import (
	"context"
	"io"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tinylib/msgp/msgp"

	"github.com/webgrip/logkeel/agent/conf"
	"github.com/webgrip/logkeel/agent/tlsconf"
)

const (
	again = "records are acknowledged again"
	// bound is what a queue with the default buffer may hold: the buffer, what
	// is in flight of the spool, what was in flight when it was spilled, spare
	// chunks, and a batch.
	bound = 4<<20 + 4<<20 + 4<<20 + maxSpare*1<<20 + 1<<20
)

func TestReceiverThatWorks(t *testing.T) {
	inBubble(t, config(nil), acks, func(r *rig) {
		r.write(300, 100)
		r.settle()
		time.Sleep(time.Hour)
		r.write(3, 1)
		r.settle()
		r.arrived(true)
		r.said()
		if r.rx.conns != 1 {
			t.Errorf("%d connections", r.rx.conns)
		}
		if f := r.o.lanes[0].spool.Bytes(); f > 0 {
			t.Errorf("%d bytes went through the spool", f)
		}
		for i, src := range r.sources {
			if p := r.o.Consumer().Position(src.ID); p.Offset != int64(r.next[i]) {
				t.Errorf("%s stands at %d; want %d", src.ID, p.Offset, r.next[i])
			}
		}
		r.bounded(bound)
	})
}

// TestReceiverNeverAcks: all goes to the spool, memory stays bounded, and once
// it acknowledges all arrives.
func TestReceiverNeverAcks(t *testing.T) {
	var good atomic.Bool
	script := func(n int, p *peer) error {
		for p != nil {
			m, err := p.read()
			if err != nil {
				return err
			}
			if good.Load() {
				if err := p.ack(m.chunk); err != nil {
					return err
				}
			}
		}
		return nil
	}
	inBubble(t, config(nil), script, func(r *rig) {
		for range 100 {
			r.write(9, 40)
			time.Sleep(time.Second)
		}
		if err := r.o.Drain(r.t.Context()); err != nil {
			t.Fatal(err)
		}
		for i, src := range r.sources {
			if p := r.o.Consumer().Position(src.ID); p.Offset != int64(r.next[i]) {
				t.Errorf("%s is in the spool up to %d; want %d", src.ID, p.Offset, r.next[i])
			}
		}
		if r.o.lanes[0].q.measure().flying == 0 {
			t.Error("nothing is in flight")
		}
		good.Store(true)
		r.settle()
		time.Sleep(2 * time.Second)
		r.arrived(false)
		r.said("no acknowledgement came in time", again)
		r.bounded(bound)
		if r.rx.conns > 8 {
			t.Errorf("%d connections in 100 s", r.rx.conns)
		}
	})
}

// TestFlood: a receiver that reads everything and acknowledges nothing takes no
// more than its share of memory, however much there is.
func TestFlood(t *testing.T) {
	script := func(n int, p *peer) error {
		if p != nil {
			io.Copy(io.Discard, p)
		}
		return nil
	}
	inBubble(t, config(nil), script, func(r *rig) {
		r.padding = 20_000
		for range 16 {
			r.write(6, 20)
			time.Sleep(30 * time.Millisecond)
		}
		if err := r.o.Drain(r.t.Context()); err != nil {
			t.Fatal(err)
		}
		r.bounded(bound)
		if n := r.o.lanes[0].spool.Bytes(); n < 16*6*20*20_000 {
			t.Errorf("the spool has %d bytes", n)
		}
	})
}

func TestAcksOfOthers(t *testing.T) {
	script := func(n int, p *peer) error {
		for p != nil {
			m, err := p.read()
			if err != nil {
				return err
			}
			for _, id := range []string{"nobody's", "", m.chunk, m.chunk} {
				if err := p.ack(id); err != nil {
					return err
				}
			}
		}
		return nil
	}
	inBubble(t, config(nil), script, func(r *rig) {
		r.write(100, 10)
		r.settle()
		r.arrived(true)
		r.said()
		if n := r.o.lanes[0].unknownAcks.Load(); n == 0 || n%3 != 0 {
			t.Errorf("%d unknown acks", n)
		}
	})
}

// TestLateAcks: acknowledgements that come after the chunks were spilled, and
// in any order.
func TestLateAcks(t *testing.T) {
	script := func(n int, p *peer) error {
		if p == nil {
			return nil
		}
		ids := make(chan string, 100_000)
		go func() {
			for id := range ids {
				time.Sleep(700 * time.Millisecond)
				late := []string{id}
				for len(ids) > 0 {
					late = append(late, <-ids)
				}
				rand.Shuffle(len(late), func(i, j int) { late[i], late[j] = late[j], late[i] })
				for _, id := range late {
					p.ack(id)
				}
			}
		}()
		defer close(ids)
		for {
			m, err := p.read()
			if err != nil {
				return err
			}
			ids <- m.chunk
		}
	}
	inBubble(t, config(nil), script, func(r *rig) {
		for range 30 {
			r.write(20, 50)
			time.Sleep(150 * time.Millisecond)
		}
		r.settle()
		r.arrived(true)
		r.said()
		r.bounded(bound)
	})
}

// TestSlowAcks: many chunks in flight, and one acknowledgement every now and
// then. None is overdue as long as the oldest is not.
func TestSlowAcks(t *testing.T) {
	script := func(n int, p *peer) error {
		if p == nil {
			return nil
		}
		ids := make(chan string, 100_000)
		defer close(ids)
		go func() {
			for id := range ids {
				time.Sleep(3 * time.Second)
				p.ack(id)
			}
		}()
		for {
			m, err := p.read()
			if err != nil {
				return err
			}
			ids <- m.chunk
		}
	}
	inBubble(t, config(nil), script, func(r *rig) {
		r.write(30, 10)
		r.settle()
		r.arrived(true)
		r.said()
		if d := time.Duration(r.o.lanes[0].links[0].patience.Load()); d > 15*time.Second {
			t.Errorf("an acknowledgement may now take %v", d) // counted from when its turn came
		}
	})
}

// TestTrickle: a receiver that needs longer for a chunk than an acknowledgement
// may take. It gets all the same.
func TestTrickle(t *testing.T) {
	script := func(n int, p *peer) error {
		if p == nil {
			return nil
		}
		p.r = msgp.NewReader(slowly{p})
		return acks(n, p)
	}
	inBubble(t, config(func(c *Config) { c.AckTimeout = conf.Duration(2 * time.Second) }), script, func(r *rig) {
		r.write(1, 4000)
		r.write(9, 1000)
		r.settle()
		r.arrived(true) // what was broken off was never whole
		if r.rx.conns > 10 {
			t.Errorf("%d connections", r.rx.conns)
		}
	})
}

// slowly reads 16 KB a second.
type slowly struct{ p *peer }

func (s slowly) Read(b []byte) (int, error) {
	time.Sleep(time.Second / 4)
	return s.p.Read(b[:min(len(b), 4<<10)])
}

// TestHugeAck: an acknowledgement of a gigabyte costs no memory.
func TestHugeAck(t *testing.T) {
	script := func(n int, p *peer) error {
		if p != nil && n == 1 {
			go func() {
				b := append(msgp.AppendMapHeader(nil, 1), "\xa3ack\xdb\x40\x00\x00\x00"...)
				for {
					if _, err := p.Write(b); err != nil {
						return
					}
					b = []byte(strings.Repeat("A", 1<<10))
				}
			}()
			time.Sleep(time.Second)
			return nil
		}
		return acks(n, p)
	}
	inBubble(t, config(nil), script, func(r *rig) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		r.write(3, 1)
		r.settle()
		runtime.ReadMemStats(&after)
		if n := after.TotalAlloc - before.TotalAlloc; n > 64<<20 {
			t.Errorf("%d bytes were allocated", n)
		}
		r.arrived(true)
		time.Sleep(2 * time.Second)
		r.said("is it a Forward server?", again)
	})
}

// TestIdleConnectionClosed: closing a connection on which nothing waits is no
// failure.
func TestIdleConnectionClosed(t *testing.T) {
	script := func(n int, p *peer) error {
		if p != nil {
			p.SetReadDeadline(time.Now().Add(time.Minute))
		}
		return acks(n, p)
	}
	inBubble(t, config(nil), script, func(r *rig) {
		for range 10 {
			r.write(3, 1)
			r.settle()
			time.Sleep(5 * time.Minute)
		}
		r.arrived(true)
		r.said()
		if r.rx.conns < 10 {
			t.Errorf("%d connections", r.rx.conns)
		}
	})
}

// TestWithoutAcks: what is written counts as arrived. That there are acks all
// the same harms nobody.
func TestWithoutAcks(t *testing.T) {
	for _, script := range []func(int, *peer) error{acks, func(_ int, p *peer) error {
		for p != nil {
			if _, err := p.read(); err != nil {
				return err
			}
		}
		return nil
	}} {
		inBubble(t, config(func(c *Config) { c.Ack = false }), script, func(r *rig) {
			r.write(100, 20)
			r.settle()
			r.arrived(true)
			r.said()
			if n := r.o.lanes[0].unknownAcks.Load(); n > 0 {
				t.Errorf("%d unknown acks", n)
			}
		})
	}
}

// TestLands: what is in flight when Run is to end arrives once, where the
// receiver acknowledges in time. Otherwise it is said that it may arrive twice.
func TestLands(t *testing.T) {
	for name, tt := range map[string]struct {
		after time.Duration // for an acknowledgement
		once  bool
	}{"in time": {landing - time.Second, true}, "too late": {landing + time.Second, false}} {
		t.Run(name, func(t *testing.T) {
			st, c := newState(t), config(func(c *Config) { c.AckTimeout = conf.Duration(time.Minute) })
			var up atomic.Bool
			script := func(n int, p *peer) error {
				if p == nil && !up.Load() {
					return errRefuse
				}
				for p != nil {
					m, err := p.read()
					if err != nil {
						return err
					}
					p.rx.wg.Go(func() {
						time.Sleep(tt.after)
						p.ack(m.chunk)
					})
				}
				return nil
			}
			inBubbleAt(t, st, c, script, func(r *rig) {
				r.padding = 20_000
				r.write(25, 20) // 10 MB, more than what may be in flight
				if err := r.o.Drain(r.t.Context()); err != nil {
					t.Fatal(err)
				}
				up.Store(true)
				l := r.o.lanes[0]
				for n := l.sent.Load(); l.sent.Load() == n; time.Sleep(10 * time.Millisecond) { // until one has just been sent
				}
				if frames, _ := l.spool.Unread(); frames == 0 {
					t.Fatal("all has been sent")
				}
				if err := r.stop(); err != nil {
					t.Fatal(err)
				}
				says := 1
				if tt.once {
					says = 0
				}
				if n := st.log.count("may arrive twice"); n != says {
					t.Errorf("said %d times that it may arrive twice; want %d\n%s", n, says, st.log)
				}
				r.o, _ = st.open(c)
				r.o.dial = r.rx.dial
				r.start()
				r.settle()
				if repeats := r.arrived(tt.once); repeats == 0 && !tt.once {
					t.Error("nothing arrived twice")
				}
			})
		})
	}
}

// TestStopsInTime: wherever a connection hangs, Run ends by when Drain had to.
func TestStopsInTime(t *testing.T) {
	silent := func(_ int, p *peer) error {
		if p != nil {
			time.Sleep(time.Hour)
		}
		return nil
	}
	for name, c := range map[string]Config{
		"write":     config(nil),
		"handshake": config(func(c *Config) { c.SharedKey = conf.NewSecret("key") }),
		"tls":       config(func(c *Config) { c.TLS = &tlsconf.Config{ServerName: "x"} }),
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, c, silent, func(r *rig) {
				r.write(3, 1000)
				time.Sleep(time.Second)
				ctx, cancel := context.WithTimeout(r.t.Context(), 2*time.Second)
				defer cancel()
				start := time.Now()
				if err := r.o.Drain(ctx); err != nil {
					t.Error(err)
				}
				if err := r.stop(); err != nil {
					t.Error(err)
				}
				if d := time.Since(start); d > 2*time.Second {
					t.Errorf("it took %v", d)
				}
			})
		})
	}
}
