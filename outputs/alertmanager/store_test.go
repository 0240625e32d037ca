package alertmanager

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/webgrip/logkeel/agent"
)

// checkFile wants the file, written now, to have what is known, however much of its text was
// made before.
func checkFile(t *testing.T, o *Output) {
	t.Helper()
	o.mu.Lock()
	defer o.mu.Unlock()
	if err := o.store.save(); err != nil {
		t.Fatal(err)
	}
	f := saved{Version: 1, Alerts: o.store.all()}
	for _, id := range o.store.done {
		f.Done = append(f.Done, done{id, o.store.gone[id]})
	}
	if f.Alerts == nil {
		f.Alerts = []*entry{}
	}
	want, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(o.store.path); err != nil || string(got) != string(want) {
		n := 0
		for n < min(len(got), len(want)) && got[n] == want[n] {
			n++
		}
		t.Fatalf("after %q the file has %q, want %q", want[max(0, n-100):n], got[n:min(n+200, len(got))], want[n:min(n+200, len(want))])
	}
}

// TestFileIsTrue lets alerts come, change, go and come again, and instances take
// them, refuse them or be away.
func TestFileIsTrue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(1, 2))
		theirs := rand.New(rand.NewPCG(3, 4)) // of the goroutine that asks
		peers := []*peer{{}, {answer: func(batch []payload) (int, string) {
			return []int{200, 500, 400}[theirs.IntN(3)], ""
		}}}
		o, stop := bench(t, t.TempDir(), io.Discard, peers...)
		defer stop()
		firing := map[string]agent.Alert{}
		for i := range 150 {
			key := fmt.Sprint(rng.IntN(12))
			a, ok := firing[key]
			switch {
			case !ok:
				a = incident("Fire", key, uint64(i+1))
				a.ID += fmt.Sprint("/", i)
			case rng.IntN(2) == 0:
				a = over(a)
			}
			a.Revision, a.Count = uint64(i+1), a.Count+1
			a.Inhibited = []string{"", "Other"}[rng.IntN(2)]
			notify(t, o, a)
			if firing[key] = a; !a.Firing() && rng.IntN(4) > 0 {
				delete(firing, key)
			}
			checkFile(t, o)
			pass(time.Duration(rng.ExpFloat64() * float64(30*time.Second)))
			checkFile(t, o)
			if i%30 == 29 {
				if err := o.Reconcile(t.Context(), map[string]bool{a.ID: true}); err != nil {
					t.Fatal(err)
				}
				checkFile(t, o)
			}
		}
	})
}

// TestTextIsNotWrittenAtOnce: what a kill may lose is written each five seconds.
func TestTextIsNotWrittenAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, stop := bench(t, t.TempDir(), io.Discard, &peer{})
		defer stop()
		a := incident("Fire", "1", 1)
		notify(t, o, a)
		pass(10 * time.Second)
		before, _ := os.ReadFile(o.store.path)
		for range 3 {
			a.Revision, a.Count = a.Revision+1, a.Count+1
			notify(t, o, a)
		}
		if now, _ := os.ReadFile(o.store.path); string(now) != string(before) {
			t.Error("mere text is written at once")
		}
		pass(6 * time.Second)
		if now, _ := os.ReadFile(o.store.path); !strings.Contains(string(now), `"rev":4`) {
			t.Errorf("it is not written at all:\n%s", now)
		}
	})
}

// TestFullDisk sends from memory, and says until it is written that it is not.
func TestFullDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &peer{}
		o, stop := bench(t, t.TempDir(), io.Discard, p)
		good := o.store.path
		o.store.path = filepath.Join(filepath.Dir(good), "gone", "alerts.json")
		a := incident("Fire", "1", 1)
		for range 2 {
			if err := o.Notify(t.Context(), []agent.Alert{a}); !errors.Is(err, agent.ErrInMemory) {
				t.Errorf("got %v", err)
			}
			pass(10 * time.Second)
		}
		if len(p.taken()) != 1 {
			t.Error("it is not sent")
		}
		o.store.path = good
		notify(t, o, a)
		checkFile(t, o)
		stop()
	})
}
