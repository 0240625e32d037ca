package fluentd

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestLeftAlone: a server that fails is left alone for longer each time, up to a
// bound, and until it has shown that it works.
func TestLeftAlone(t *testing.T) {
	for _, silent := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			s := &server{}
			rest := func() time.Duration {
				until, _ := s.resting()
				return max(0, time.Until(until))
			}
			longest := map[bool]time.Duration{false: time.Minute, true: 10 * time.Minute}[silent]
			want := time.Second
			for range 80 {
				s.failed(false, silent)
				s.failed(false, silent) // another lane, at the same time
				got := rest()
				if got > want || got < want/4*3 {
					t.Fatalf("it is left alone for %v; want some %v", got, want)
				}
				want = min(2*want, longest)
				time.Sleep(got)
			}
			if s.works(false) == silent {
				t.Errorf("silent: %v, and that there is a connection is believed: %v", silent, !silent)
			}
			if !s.works(true) || rest() > 0 {
				t.Error("that it acknowledges is not believed")
			}
			if _, up := s.resting(); !up {
				t.Error("it is not up")
			}
			s.failed(false, false)
			time.Sleep(rest())
			s.failed(true, true) // it has worked in between
			if got := rest(); got > time.Second {
				t.Errorf("it is left alone for %v", got)
			}
		})
	}
}

// TestIdleConnectionProvesNothing: while a lane has an idle connection to a server
// that takes no new ones, another lane's failures are said once, and not again
// and again.
func TestIdleConnectionProvesNothing(t *testing.T) {
	c := several(one, two)
	all := of(c)
	inFleet(t, newState(t), c, all, func(r *rig) {
		r.write(3, 5)
		r.settle()
		all[two].turn(refuses)
		r.write(30, 5)
		r.settle()
		time.Sleep(time.Minute)
		all[one].mood.Store(int32(refuses)) // those that are there stay
		all[one].mu.Lock()
		all[one].peers[0].Close() // of the lane that belongs there: the other one came later
		all[one].mu.Unlock()
		k := 0
		for r.o.laneFor(r.sources[k].ID) != r.o.lanes[0] {
			k++
		}
		for range 600 {
			if err := r.o.Write(r.t.Context(), newBatch(r.sources[k], r.next[k], r.next[k]+1, 10, nil), 0); err != nil {
				t.Fatal(err)
			}
			r.next[k]++
			time.Sleep(time.Second)
		}
		if r.o.lanes[0].spool.Empty() || !r.o.lanes[1].connected.Load() {
			t.Fatal("not what was to be tested")
		}
		if n := r.state.log.count(usable); n > 0 {
			t.Errorf("said %d times that it is over\n%s", n, r.state.log)
		}
		all.turn(works, one, two)
		r.settle()
		r.arrived(true)
	})
}

// TestOneKnowsForAll: a lane does not try a server that has just failed for
// another one.
func TestOneKnowsForAll(t *testing.T) {
	c := several(one, two, "/", off)
	all := of(c)
	inFleet(t, newState(t), c, all, func(r *rig) {
		s := r.o.servers[0]
		for range 10 {
			s.failed(false, true)
			until, _ := s.resting()
			time.Sleep(time.Until(until))
		}
		s.failed(false, true)
		for _, l := range r.o.lanes {
			if k, free := l.choose(); l.links[k].Address == one || !free {
				t.Errorf("%s is chosen", l.links[k].Address)
			}
		}
		r.o.servers[1].failed(false, false)
		for _, l := range r.o.lanes {
			if k, free := l.choose(); l.links[k].Address != off || !free {
				t.Errorf("%s is chosen", l.links[k].Address)
			}
		}
	})
}
