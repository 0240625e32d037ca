package fluentd

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/webgrip/logkeel/agent"
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
		if n := r.state.log.count("neither can the others; records wait in the spool"); n < 1 || n > 2 {
			t.Errorf("said %d times\n%s", n, r.state.log)
		}
		if n := r.state.log.count("level=WARN"); n > 4 {
			t.Errorf("%d warnings\n%s", n, r.state.log)
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

// TestShares: sources are shared out by weight, and stay where they are while
// other servers come and go.
func TestShares(t *testing.T) {
	weights := []int{60, 60, 30, 100, 1}
	make := func(weights []int) *Output {
		o := &Output{}
		for i, w := range weights {
			o.lanes = append(o.lanes, &lane{links: []*link{{server: &server{Server: Server{Address: fmt.Sprintf("10.0.0.%d:24224", i), Weight: w}}}}})
		}
		return o
	}
	o, fewer := make(weights), make(weights[:4])
	const sources = 50_000
	got := map[string]int{}
	for i := range sources {
		id := fmt.Sprintf("docker/%064x", i)
		a := o.laneFor(id).links[0].Address
		got[a]++
		if b := fewer.laneFor(id).links[0].Address; b != a && a != "10.0.0.4:24224" {
			t.Fatalf("%s moved from %s to %s", id, a, b)
		}
	}
	for i, w := range weights {
		want := float64(sources*w) / 251
		if n := float64(got[fmt.Sprintf("10.0.0.%d:24224", i)]); math.Abs(n-want) > 5*math.Sqrt(want) {
			t.Errorf("weight %d: %v sources; want some %.0f", w, n, want)
		}
	}
}

// TestServersChange: what is in the spools arrives, whichever servers there are
// after a restart or a kill, and each source goes on from where it was.
func TestServersChange(t *testing.T) {
	tests := []struct {
		name          string
		before, after Config
		kill          bool
		strays        int
		mixed         bool // some source has moved
	}{
		{"the same", several(one, two), several(one, two), true, 0, false},
		{"one fewer", several(one, two), several(one), false, 1, true},
		{"the first one fewer", several(one, two), several(two), false, 1, true},
		{"one alone", several(one, two), config(func(c *Config) { c.Address = one }), true, 1, true},
		{"one more", config(func(c *Config) { c.Address = one }), several(one, two), false, 0, true},
		{"others", several(one, two), several("three:1", "four:1"), true, 1, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			all := of(tt.before)
			for a, s := range of(tt.after) {
				all[a] = s
			}
			st := newState(t)
			inFleet(t, st, tt.before, all, func(r *rig) {
				for a := range all {
					all[a].turn(refuses)
				}
				r.keepOn(30 * time.Second)
				if err := r.o.Drain(r.t.Context()); err != nil {
					t.Fatal(err)
				}
				if tt.kill {
					r.abandon()
				} else if err := r.stop(); err != nil {
					t.Fatal(err)
				}
				for a := range all {
					all[a].turn(works)
				}
				r.open(tt.after, all)
				if n := len(r.o.strays); n != tt.strays {
					t.Errorf("%d strays; want %d", n, tt.strays)
				}
				for i, src := range r.sources {
					if p := r.o.Consumer().Position(src.ID); p.Offset != int64(r.next[i]) {
						t.Errorf("%s stands at %d; want %d", src.ID, p.Offset, r.next[i])
					}
				}
				samples(t, r.o)
				r.keepOn(30 * time.Second)
				r.settle()
				if tt.mixed {
					sortByNumber(r.rx.events)
				}
				r.arrived(true)
				samples(t, r.o)
				time.Sleep(time.Minute)
				for _, l := range r.o.strays {
					if _, err := os.Stat(l.dir); !os.IsNotExist(err) {
						t.Errorf("%s is still there: %v", l.dir, err)
					}
				}
				left, _ := filepath.Glob(filepath.Join(st.dir, "spool", "main@*"))
				if len(left) != len(r.o.lanes)-1 {
					t.Errorf("%q are there", left)
				}
			})
		})
	}
}

// samples wants no series twice, and returns them by name and further labels.
func samples(t *testing.T, o *Output) map[string]float64 {
	t.Helper()
	all := map[string]float64{}
	o.Meter(func(s agent.Sample) {
		key := s.Name
		for _, l := range s.Labels {
			if l.Name != "output" {
				key += " " + l.Name + "=" + l.Value
			}
		}
		if _, ok := all[key]; ok {
			t.Errorf("%s is there twice", key)
		}
		all[key] = s.Value
	})
	return all
}

func TestMetersOfSeveral(t *testing.T) {
	c := several(one, two)
	all := of(c)
	inFleet(t, newState(t), c, all, func(r *rig) {
		all[two].turn(refuses)
		r.keepOn(time.Minute)
		r.settle()
		m := samples(t, r.o)
		for name, want := range map[string]float64{
			"logkeel_output_records_total":                      60 * 15,
			"logkeel_output_server_records_total server=" + one: 60 * 15,
			"logkeel_output_server_records_total server=" + two: 0,
			"logkeel_output_server_up server=" + one:            1,
			"logkeel_output_server_up server=" + two:            0,
			"logkeel_output_connected":                          1,
			"logkeel_spool_max_bytes":                           1 << 30,
			"logkeel_output_queue_bytes":                        0,
		} {
			if m[name] != want {
				t.Errorf("%s is %v; want %v", name, m[name], want)
			}
		}
		all.turn(refuses, one)
		r.write(3, 1)
		time.Sleep(time.Minute)
		if m := samples(t, r.o); m["logkeel_output_connected"] != 0 || m["logkeel_output_server_up server="+one] != 0 || m["logkeel_spool_frames"] == 0 {
			t.Errorf("with nobody there: %v", m)
		}
		all.turn(works, one, two)
		r.settle()
		time.Sleep(2 * time.Minute)
		if m := samples(t, r.o); m["logkeel_output_server_up server="+two] != 1 {
			t.Errorf("it is back: %v", m)
		}
	})
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
