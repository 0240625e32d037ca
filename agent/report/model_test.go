package report

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestModel lets things be counted while the agent is stopped, killed and
// reloaded at random, and the server that it measures is started anew. What
// the book has is what was counted, but for the minute before each kill.
func TestModel(t *testing.T) {
	for seed := range uint64(8) {
		r := rand.New(rand.NewPCG(seed, 7))
		w := newWorld(t, "2026-11-24 12:00")
		const restarts = `logkeel_container_restarts_total{project=p,name=app}`
		var own, server, unseen float64
		add := func(name string, sum *float64) {
			n := float64(r.IntN(5))
			w.values[name] += n
			*sum += n
		}
		w.values[restarts] = 100
		w.look()
		for range 150 {
			switch r.IntN(8) {
			case 0: // killed: the file is as it was written last
				own -= unseen
				w.start()
				unseen = 0
			case 1: // stopped
				w.look()
				if err := w.book.Close(); err != nil {
					t.Fatal(err)
				}
				w.start()
				unseen = 0
			case 2: // reloaded
				if err := w.book.Close(); err != nil {
					t.Fatal(err)
				}
				w.open()
				unseen = 0
			case 3: // the server begins anew, and is seen before it has as much as it had
				w.look()
				unseen = 0
				w.values[restarts] = 0
				w.look()
			default:
				before := own
				add(finding, &own)
				unseen += own - before
				add(restarts, &server)
				if r.IntN(2) == 0 {
					w.pass(time.Minute, time.Minute)
					unseen = 0
				}
			}
		}
		w.look()
		if f, s := w.sum("logkeel_findings_total"), w.sum("logkeel_container_restarts_total"); f != own || s != server {
			t.Fatalf("seed %d: %v findings and %v restarts in the book; want %v and %v", seed, f, s, own, server)
		}
	}
}

// A write that is cut short leaves the file that was.
func TestTornWrite(t *testing.T) {
	w := newWorld(t, "2026-11-24 12:00")
	w.values[finding] = 3
	w.pass(time.Minute, time.Minute)
	if err := os.WriteFile(w.path+".tmp", []byte(`{"version":1,"cur`), 0o600); err != nil {
		t.Fatal(err)
	}
	w.start()
	if n := w.sum("logkeel_findings_total"); n != 3 {
		t.Errorf("%v findings", n)
	}
	if all, err := filepath.Glob(w.path + "*"); err != nil || len(all) != 1 {
		t.Errorf("there are %v, %v", all, err)
	}
}
