package fluentd

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/webgrip/logkeel/agent/conf"
)

// Of the sources docker/a, /b and /c each of these servers has one at least.
const (
	one = "one:1"
	two = "two:1"
	off = "off:1"
)

const (
	unusable = "msg=\"a server cannot be used"
	usable   = "msg=\"the server takes records again\""
)

// keepOn writes a batch a second.
func (r *rig) keepOn(d time.Duration) {
	r.t.Helper()
	for range d / time.Second {
		r.write(3, 5)
		time.Sleep(time.Second)
	}
}

// TestEachHasItsShare: while all is well each server gets its sources, and the
// standby nothing.
func TestEachHasItsShare(t *testing.T) {
	c := several(one, two, "/", off)
	all := of(c)
	inFleet(t, newState(t), c, all, func(r *rig) {
		r.keepOn(time.Minute)
		r.settle()
		r.arrived(true)
		r.said()
		if all[one].events.Load() == 0 || all[two].events.Load() == 0 || all[off].conns.Load() != 0 {
			t.Errorf("%d, %d; %d connections to the standby", all[one].events.Load(), all[two].events.Load(), all[off].conns.Load())
		}
		for i, src := range r.sources {
			if p := r.o.Consumer().Position(src.ID); p.Offset != int64(r.next[i]) {
				t.Errorf("%s stands at %d; want %d", src.ID, p.Offset, r.next[i])
			}
		}
		r.bounded(bound)
	})
}

// TestFailover: what was for a server that is away goes to another one at once,
// and to itself again once it is back. That costs repeats only of what was in
// flight when it went.
func TestFailover(t *testing.T) {
	c := several(one, two, "/", off)
	c.Spool.After = conf.Duration(time.Second)
	all := of(c)
	inFleet(t, newState(t), c, all, func(r *rig) {
		r.keepOn(10 * time.Second)
		all[two].turn(refuses)
		synctest.Wait()
		before := all[two].events.Load()
		r.keepOn(5 * time.Second)
		synctest.Wait()
		if n := len(r.rx.events); n != 15*15 {
			t.Errorf("%d records have arrived; want %d", n, 15*15)
		}
		if n := r.o.lanes[1].spool.Bytes(); n > 0 {
			t.Errorf("%d bytes went through the spool", n)
		}
		r.keepOn(5 * time.Minute)
		if n := all[two].events.Load(); n != before {
			t.Errorf("%d records went to what is away", n-before)
		}
		all[two].turn(works)
		r.keepOn(2 * time.Minute) // it was left alone for a minute, and half a minute may go by until somebody looks
		if all[two].events.Load() == before {
			t.Error("nothing went to what is back")
		}
		r.settle()
		r.arrived(true)
		if n := all[off].conns.Load(); n > 0 {
			t.Errorf("%d connections to the standby", n)
		}
		r.said(unusable+"; its records go to another one\"", usable)
		if r.state.log.count("server="+two+" to="+one) != 1 {
			t.Errorf("where they go is not in\n%s", r.state.log)
		}
	})
}

// TestReturn: going back to a server costs no repeats, although something is in
// flight all the time, and nothing has to be spooled.
func TestReturn(t *testing.T) {
	c := several(one, two)
	c.Spool.After = conf.Duration(2 * time.Second)
	all := of(c)
	for _, a := range all {
		a.delay = 700 * time.Millisecond
	}
	all[one].turn(refuses)
	inFleet(t, newState(t), c, all, func(r *rig) {
		r.keepOn(5 * time.Second)
		all[one].turn(works)
		for range 900 {
			r.write(3, 5)
			time.Sleep(100 * time.Millisecond)
		}
		if all[one].events.Load() == 0 {
			t.Error("nobody has gone back")
		}
		r.settle()
		r.arrived(true)
		for _, l := range r.o.lanes {
			if n := l.resent.Load(); n > 0 {
				t.Errorf("%d chunks were in flight", n)
			}
			if n := l.spool.Bytes(); n > 0 {
				t.Errorf("%d bytes went through the spool", n)
			}
		}
	})
}

// TestStandby: one on standby is used while all others are away, and no longer.
func TestStandby(t *testing.T) {
	c := several(one, two, "/", off)
	all := of(c)
	inFleet(t, newState(t), c, all, func(r *rig) {
		r.keepOn(10 * time.Second)
		all.turn(refuses, one, two)
		r.keepOn(time.Minute)
		synctest.Wait()
		got := all[off].events.Load()
		if got < 55*15 {
			t.Errorf("the standby got %d of some %d", got, 60*15)
		}
		all[one].turn(works)
		r.keepOn(2 * time.Minute)
		got = all[off].events.Load()
		first, second := all[one].events.Load(), all[two].events.Load()
		r.keepOn(time.Minute)
		if n := all[off].events.Load(); n != got {
			t.Errorf("the standby got %d more with another one back", n-got)
		}
		if all[one].events.Load()-first < 50*15 || all[two].events.Load() != second {
			t.Error("one did not get the records of both")
		}
		all[two].turn(works)
		r.keepOn(2 * time.Minute)
		if all[two].events.Load() == second {
			t.Error("nothing went to what is back")
		}
		r.settle()
		r.arrived(true)
	})
}

// TestAllAway: with nobody there all goes to the spools, and out of them again.
func TestAllAway(t *testing.T) {
	c := several(one, two)
	all := of(c)
	inFleet(t, newState(t), c, all, func(r *rig) {
		all.turn(refuses, one, two)
		r.keepOn(10 * time.Minute)
		for _, l := range r.o.lanes {
			if l.spool.Empty() {
				t.Errorf("nothing is in %s", l.dir)
			}
		}
		all.turn(works, two)
		start := time.Now()
		r.settle()
		if d := time.Since(start); d > 20*time.Second { // both are tried in turn, every 5 s or so
			t.Errorf("it took %v until somebody noticed", d)
		}
		r.arrived(true)
		if n := r.state.log.count("neither can the others; records wait in the spool"); n < 1 {
			t.Errorf("nobody said that they wait\n%s", r.state.log)
		}
		said := map[string]bool{} // which lane sees what first is not promised; that nothing is said twice is
		for line := range strings.Lines(r.state.log.String()) {
			if !strings.Contains(line, "level=WARN") {
				continue
			}
			_, server, _ := strings.Cut(line, "server=")
			server, _, _ = strings.Cut(server, " ")
			_, why, _ := strings.Cut(line, "error=")
			if said[server+why] {
				t.Errorf("said again: %s", line)
			}
			said[server+why] = true
		}
		if len(said) > 6 { // of each server: it closed the connection, it cannot be written to, it refuses connections
			t.Errorf("%d warnings\n%s", len(said), r.state.log)
		}
		r.bounded(bound)
	})
}

// TestSilentServer: a server that takes connections and nothing else is no
// reason to suspect a record, and is tried less and less often.
func TestSilentServer(t *testing.T) {
	for name, m := range map[string]mood{"hangs": hangs, "drops": drops} {
		t.Run(name, func(t *testing.T) {
			c := several(one, two)
			all := of(c)
			inFleet(t, newState(t), c, all, func(r *rig) {
				all[one].turn(m)
				r.keepOn(time.Hour)
				r.settle()
				r.arrived(true)
				for _, l := range r.o.lanes {
					if n := l.q.measure().halved; n > 0 {
						t.Errorf("%d chunks were halved", n)
					}
					if n := len(l.q.suspects); n > 0 {
						t.Errorf("%d chunks are suspected", n)
					}
				}
				if n := r.o.dead.count.Load(); n > 0 {
					t.Errorf("%d records were given up", n)
				}
				if n := all[one].conns.Load(); n < 4 || n > 60 { // each of them is tried twice: does it connect, and does it acknowledge
					t.Errorf("%d connections in an hour", n)
				}
				if n := r.state.log.count(unusable); n > 2 || r.state.log.count(usable) > 0 {
					t.Errorf("%d warnings\n%s", n, r.state.log)
				}
				all[one].turn(works)
				r.keepOn(15 * time.Minute)
				if all[one].events.Load() == 0 || r.state.log.count(usable) != 1 {
					t.Errorf("it was not noticed that it works\n%s", r.state.log)
				}
			})
		})
	}
}

// TestRefusedByOne: a record that one server does not take goes to another one;
// a record that none takes is given up.
func TestRefusedByOne(t *testing.T) {
	for _, everybody := range []bool{false, true} {
		t.Run(fmt.Sprint(everybody), func(t *testing.T) {
			c := several(one, two)
			all := of(c)
			hates := func(m message) bool {
				for _, e := range m.events {
					if e.source() == "a" && e.number() == 77 {
						return true
					}
				}
				return false
			}
			inFleet(t, newState(t), c, all, func(r *rig) {
				own := r.o.laneFor(r.sources[0].ID).links[0].Address
				for a := range all {
					if everybody || a == own {
						all[a].hates = hates
					}
				}
				r.keepOn(20 * time.Minute)
				r.settle()
				want := uint64(0)
				if everybody {
					want = 1
					r.rx.events = append(r.rx.events, event{record: map[string]any{"compose_service": "a", "log": "77 "}})
					sortByNumber(r.rx.events)
				}
				if n := r.o.dead.count.Load(); n != want {
					t.Errorf("%d records were given up; want %d\n%s", n, want, r.state.log)
				}
				r.arrived(!everybody)
			})
		})
	}
}

// TestServersComeAndGo: servers do anything at any time, and the agent is killed
// now and then: each source arrives in order, and nothing is missing.
func TestServersComeAndGo(t *testing.T) {
	for seed := range uint64(4) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			c := several(one, two, "/", off)
			c.Buffer = conf.Size(128 << 10)
			all := of(c)
			inFleet(t, newState(t), c, all, func(r *rig) {
				rng := rand.New(rand.NewPCG(seed, 11))
				for range 6 {
					var wg sync.WaitGroup
					for k := range r.sources {
						wg.Go(func() { r.feed(k, rand.New(rand.NewPCG(seed, uint64(r.next[k])))) })
					}
					for range 30 {
						time.Sleep(time.Duration(rng.IntN(20_000)) * time.Millisecond)
						a := addresses(c)[rng.IntN(3)]
						all[a].turn(mood(rng.IntN(4)))
					}
					wg.Wait()
					if err := r.o.Drain(r.t.Context()); err != nil {
						t.Fatal(err)
					}
					r.abandon()
					r.open(c, all)
				}
				all.turn(works, addresses(c)...)
				r.settle()
				r.arrived(false)
				if n := r.o.dead.count.Load(); n > 0 {
					t.Errorf("%d records were given up", n)
				}
			})
		})
	}
}
