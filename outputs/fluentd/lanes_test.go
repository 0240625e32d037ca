package fluentd

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/webgrip/logkeel/agent"
)

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

// TestOrderOfServers: a lane's own server goes first, and those on standby last,
// in their order; in between each server has its share of the lanes.
func TestOrderOfServers(t *testing.T) {
	var all []*server
	for i := range 8 {
		all = append(all, &server{Server: Server{Address: fmt.Sprintf("10.0.0.%d:24224", i), Weight: standardWeight, Standby: i%3 == 1}})
	}
	seconds := map[string]int{}
	for i := range 500 {
		links := linksFor(all, all[2], fmt.Sprint(i), time.Second)
		if links[0].server != all[2] || links[5].server != all[1] || links[6].server != all[4] || links[7].server != all[7] {
			t.Fatalf("%d: the order is %v", i, links)
		}
		seconds[links[1].Address]++
	}
	if len(seconds) != 4 {
		t.Errorf("these come next: %v", seconds)
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
				if err := os.Remove(filepath.Join(st.dir, "positions.jsonl")); err != nil { // the spools know
					t.Fatal(err)
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
