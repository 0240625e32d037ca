package fluentd

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/testenv"
)

func withIdentity(c *Config) { c.Identity = true }

// ids writes the batches and returns the records' ids, in order.
func ids(t *testing.T, st *state, batches ...*agent.Batch) (all []string) {
	t.Helper()
	o, _ := st.open(config(withIdentity))
	defer o.Close()
	for _, b := range batches {
		if err := o.Write(t.Context(), b, 0); err != nil {
			t.Fatal(err)
		}
	}
	for _, f := range roundTrip(t, o) {
		for _, e := range message1(t, f).events {
			id, ok := e.record["logkeel_id"].(string)
			if !ok || len(id) < 20 || len(id) > 60 {
				t.Fatalf("a record has the id %v", e.record["logkeel_id"])
			}
			all = append(all, id)
		}
	}
	return all
}

// TestIdentity: a record has the same id whenever and among whichever others it
// is read, and no two records have the same.
func TestIdentity(t *testing.T) {
	st := newState(t)
	src := container("a")
	want := ids(t, st, newBatch(src, 0, 90, 10, nil))
	if err := os.Remove(filepath.Join(st.dir, "positions.jsonl")); err != nil {
		t.Fatal(err)
	}
	var parts []*agent.Batch
	for n := 0; n < 90; n += 9 {
		parts = append(parts, newBatch(src, n, n+9, 10, nil))
	}
	if got := ids(t, st, parts...); !slices.Equal(got, want) {
		t.Errorf("%q; want %q", got[:3], want[:3])
	}
	seen := map[string]string{}
	note := func(what string, all []string) {
		t.Helper()
		for i, id := range all {
			if was, ok := seen[id]; ok {
				t.Errorf("%s %d has the id of %s", what, i, was)
			}
			seen[id] = fmt.Sprint(what, i)
		}
	}
	note("record", want)
	note("another source", ids(t, st, newBatch(container("b"), 0, 90, 10, nil)))
	note("another agent", ids(t, newState(t), newBatch(src, 0, 90, 10, nil)))
	renumbered := newBatch(src, 0, 90, 10, nil) // after a kill, when files before it are gone
	renumbered.Pos.Epoch++
	if got := ids(t, newStateLike(t, st), renumbered); !slices.Equal(got, want) {
		t.Errorf("in a file that has got another number: %q; want %q", got[:3], want[:3])
	}
	later := newBatch(src, 0, 90, 10, nil)
	for i := range later.Records {
		later.Records[i].Time += 1e9
	}
	note("another file", ids(t, newStateLike(t, st), later))
	file := &agent.Source{ID: "file/f:/log", Collector: "f", Name: "/log"} // without times of its own
	note("record of a file", ids(t, newStateLike(t, st), newBatch(file, 0, 90, 10, nil)))
	second := newBatch(file, 0, 90, 10, nil)
	second.Pos.Epoch++
	note("record of a second file", ids(t, newStateLike(t, st), second))
	note("another text in the same place", ids(t, newStateLike(t, st), newBatch(src, 0, 90, 11, nil)))
	pieces := newBatch(src, 200, 203, 10, nil) // of one line: they end at the same place
	for i := range pieces.Records {
		pieces.Records[i].End, pieces.Records[i].Body = 203, pieces.Records[0].Body
	}
	note("piece", ids(t, newStateLike(t, st), pieces))
}

// newStateLike is a state of the same agent, without its positions.
func newStateLike(t *testing.T, st *state) *state {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(st.dir, agentIDFile))
	if err != nil {
		t.Fatal(err)
	}
	again := newState(t)
	if err := os.WriteFile(filepath.Join(again.dir, agentIDFile), b, 0o600); err != nil {
		t.Fatal(err)
	}
	return again
}

func TestAgentID(t *testing.T) {
	st := newState(t)
	path := filepath.Join(st.dir, agentIDFile)
	first, err := agentID(st.dir, st.log.logger())
	if err != nil {
		t.Fatal(err)
	}
	if again, err := agentID(st.dir, st.log.logger()); err != nil || again != first {
		t.Errorf("%q, %v; want %q", again, err, first)
	}
	if n := st.log.count("WARN"); n > 0 {
		t.Errorf("said:\n%s", st.log)
	}
	if err := os.WriteFile(path, []byte("damaged"), 0o600); err != nil {
		t.Fatal(err)
	}
	if again, err := agentID(st.dir, st.log.logger()); err != nil || again == first || len(again) != 32 {
		t.Errorf("%q, %v", again, err)
	}
	if n := st.log.count("the agent's id is damaged"); n != 1 {
		t.Errorf("said %d times:\n%s", n, st.log)
	}
	if _, err := agentID(filepath.Join(st.dir, "none"), st.log.logger()); err == nil {
		t.Error("an id without a place for it")
	}
}

// TestRepeatsAreRecognised: after connections that break and kills, what comes
// twice has the same id, and nothing else has. Chunks that are sent again, also
// from the spool of a process before, have the same chunk id.
func TestRepeatsAreRecognised(t *testing.T) {
	var good atomic.Bool
	chunks := map[string]string{} // the records of each
	script := func(n int, p *peer) error {
		for i := 0; p != nil; i++ {
			m, err := p.read()
			if err != nil {
				return err
			}
			p.rx.mu.Lock()
			what := fmt.Sprint(m.events)
			if was, ok := chunks[m.chunk]; ok && was != what {
				p.rx.errs = append(p.rx.errs, fmt.Errorf("chunk %s has other records", m.chunk))
			}
			chunks[m.chunk] = what
			p.rx.mu.Unlock()
			if !good.Load() && i == 5 {
				return nil
			}
			if good.Load() || i%2 == 0 {
				if err := p.ack(m.chunk); err != nil {
					return err
				}
			}
		}
		return nil
	}
	c := config(withIdentity)
	inBubble(t, c, script, func(r *rig) {
		for range 8 {
			for range 6 {
				r.write(3, 7)
				time.Sleep(150 * time.Millisecond)
			}
			r.abandon()
			r.stop = nil
			r.o, _ = r.state.open(c)
			r.o.dial = r.rx.dial
			r.start()
			for i, src := range r.sources { // what was not safe is read again
				from := int(r.o.Consumer().Position(src.ID).Offset)
				if from == r.next[i] {
					continue
				}
				if err := r.o.Write(r.t.Context(), newBatch(src, from, r.next[i], r.padding, nil), 0); err != nil {
					t.Fatal(err)
				}
			}
			synctest.Wait()
		}
		good.Store(true)
		r.settle()
		if n := r.arrived(false); n == 0 {
			t.Error("nothing came twice")
		}
		byID := map[string]string{}
		for _, e := range r.rx.events {
			id, what := e.record["logkeel_id"].(string), fmt.Sprint(e.source(), e.number())
			if was, ok := byID[id]; ok && was != what {
				t.Fatalf("%s and %s have the same id", was, what)
			}
			byID[id] = what
		}
		if n := r.next[0] + r.next[1] + r.next[2]; len(byID) != n {
			t.Errorf("%d ids for %d records", len(byID), n)
		}
		if len(chunks) >= len(r.rx.events)/7 {
			t.Errorf("%d chunk ids: none was used again", len(chunks))
		}
	})
}

func TestIdentityOnTheWire(t *testing.T) {
	f := testenv.ForwardReceiver(t, testenv.ForwardOptions{})
	o, _ := newState(t).open(patient(func(c *Config) { c.Address, c.Identity = f.Addr, true }))
	running(t, o)
	if err := o.Write(t.Context(), newBatch(container("a"), 0, 200, 10, nil), 0); err != nil {
		t.Fatal(err)
	}
	f.Await(200, time.Minute)
	seen := map[any]bool{}
	for e := range f.Entries() {
		seen[e.Record["logkeel_id"]] = true
	}
	if len(seen) != 200 || seen[nil] {
		t.Errorf("%d ids", len(seen))
	}
}
