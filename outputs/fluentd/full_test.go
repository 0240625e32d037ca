package fluentd

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/spool"
)

// small is a spool of a few batches.
func small(whenFull string) Config {
	return config(func(c *Config) {
		c.Buffer, c.Spool.MaxSize, c.Spool.WhenFull = 64<<10, 2<<20, whenFull
	})
}

// away refuses connections until up is set.
func away(up *atomic.Bool) func(int, *peer) error {
	return func(n int, p *peer) error {
		if !up.Load() {
			return errRefuse
		}
		return acks(n, p)
	}
}

// TestFullBlocks: with when_full: block nothing is lost. Write waits with a
// bounded memory until the receiver takes something.
func TestFullBlocks(t *testing.T) {
	var up atomic.Bool
	inBubble(t, small(block), away(&up), func(r *rig) {
		var wg sync.WaitGroup
		var done atomic.Bool
		wg.Go(func() {
			r.write(900, 20)
			done.Store(true)
		})
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if done.Load() {
			t.Fatal("all of it was taken")
		}
		if n := r.o.lanes[0].spool.Bytes(); n > 2<<20 || n < 2<<20/5*4 {
			t.Errorf("the spool has %d bytes", n)
		}
		ctx, cancel := context.WithTimeout(r.t.Context(), time.Second)
		defer cancel()
		if err := r.o.Write(ctx, newBatch(r.sources[0], 100_000, 100_001, 10, nil), 0); err == nil {
			t.Error("Write took what nobody can store")
		}
		up.Store(true)
		wg.Wait()
		r.settle()
		r.arrived(true)
		time.Sleep(2 * time.Second)
		for _, text := range []string{"the spool is nearly full", "spool is full; reading waits", "nothing waits for the spool any more"} {
			if n := r.state.log.count(text); n != 1 {
				t.Errorf("said %d times: %s\n%s", n, text, r.state.log)
			}
		}
		r.bounded(64<<10 + 4<<20 + 4<<20 + maxSpare*1<<20)
	})
}

// TestFullDrops: otherwise the oldest records are lost, counted by source and
// said; all others arrive.
func TestFullDrops(t *testing.T) {
	var up atomic.Bool
	st := newState(t)
	inBubbleAt(t, st, small(dropOldest), away(&up), func(r *rig) {
		for range 300 {
			r.write(3, 20)
			time.Sleep(20 * time.Millisecond)
		}
		if err := r.o.Drain(r.t.Context()); err != nil {
			t.Fatal(err)
		}
		lost := map[string]int{}
		r.o.Meter(func(s agent.Sample) {
			if s.Name != "logkeel_output_dropped_records_total" {
				return
			}
			l := map[string]string{}
			for _, label := range s.Labels {
				l[label.Name] = label.Value
			}
			if l["reason"] != "full" || l["source"] != "docker" || l["output"] != "main" {
				t.Errorf("%+v", s)
			}
			lost[l["container"]] += int(s.Value)
		})
		up.Store(true)
		time.Sleep(5 * time.Minute)
		r.write(3, 1)
		r.settle()
		for i, src := range r.sources {
			id := src.Container.Service
			arrived, next := 0, lost[id] // the oldest are lost, and only they
			for _, e := range r.rx.events {
				if e.source() == id {
					if e.number() != next {
						t.Fatalf("%s: %d arrives; want %d", id, e.number(), next)
					}
					next++
					arrived++
				}
			}
			if lost[id] == 0 || arrived+lost[id] != r.next[i] {
				t.Errorf("%s: %d arrived, %d are counted as lost, of %d", id, arrived, lost[id], r.next[i])
			}
		}
		if !strings.Contains(st.log.String(), " of docker/a from 2023-11-14T22:13:20.000Z to 2023-11-14T22:") {
			t.Errorf("what was lost is not in\n%s", st.log)
		}
	})
}

// TestLossesBounded: neither labels nor series grow without bound.
func TestLossesBounded(t *testing.T) {
	var l losses
	for n := range 3 * maxNamed {
		src := container(string(rune('a' + n%20)))
		src.ID = "docker/" + time.Duration(n).String()
		src.Labels = []agent.Label{{Name: "container", Value: src.ID}}
		l.name(src)
		l.add(dropOf(src.ID))
	}
	l.add(dropOf("file/gone:/x"))
	if len(l.named) > maxNamed || len(l.records) > maxLost+1 {
		t.Errorf("%d names, %d series", len(l.named), len(l.records))
	}
	total := 0.0
	l.meter("main", func(s agent.Sample) { total += s.Value })
	if total != 3*maxNamed+1 {
		t.Errorf("%v records", total)
	}
}

func dropOf(source string) spool.Drop {
	return spool.Drop{Source: source, Records: 1, Reason: spool.Full}
}

// TestStalled: while the receiver is away, what waits is not brought away, which
// is measured, with the reason; and no longer once it takes something, though a
// part of it still waits.
func TestStalled(t *testing.T) {
	var up atomic.Bool
	inBubble(t, small(block), away(&up), func(r *rig) {
		stalled := func() (s agent.Sample) {
			r.o.Meter(func(m agent.Sample) {
				if m.Name == "logkeel_output_stalled_seconds" {
					s = m
				}
			})
			return s
		}
		for range 10 {
			if s := stalled(); s.Value != 0 || s.Note != "" {
				t.Fatalf("nothing waits, and it is stalled for %v: %s", s.Value, s.Note)
			}
			time.Sleep(15 * time.Second)
		}
		r.write(3, 5)
		for i := range 20 {
			if s := stalled(); s.Value != float64(15*i) {
				t.Errorf("stalled for %v, want %d", s.Value, 15*i)
			}
			time.Sleep(15 * time.Second)
		}
		if s := stalled(); !strings.Contains(s.Note, errRefuse.Error()) || !strings.HasPrefix(s.Note, r.o.c.Address+": ") {
			t.Errorf("the reason is %q", s.Note)
		}
		up.Store(true)
		time.Sleep(15 * time.Second)
		if s := stalled(); s.Value != 0 || s.Note != "" {
			t.Errorf("stalled for %v: %s", s.Value, s.Note)
		}
		r.settle()
	})
}
