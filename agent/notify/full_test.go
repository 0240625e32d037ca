package notify

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/webgrip/logkeel/agent"
)

// inMemory hands alerts over, which the disk must not have.
func (w *world) inMemory(alerts ...agent.Alert) {
	w.t.Helper()
	err := w.q.Notify(w.t.Context(), alerts)
	if !errors.Is(err, agent.ErrInMemory) || !strings.Contains(err.Error(), "no space left") {
		w.t.Fatalf("got %v", err)
	}
}

// TestFullDisk tells from memory, with waits and threads as ever, and forgets
// nothing of it once there is room.
func TestFullDisk(t *testing.T) {
	inWorld(t, func(w *world) {
		a, b := w.alert("errors", "web", 3), w.alert("slow", "db", 1)
		w.notify(a)
		w.sleep(time.Minute)
		first := w.last().ID
		w.expect("firing rule=errors: errors/web 3")
		w.disk.full.Store(true)
		over := w.ended(a)
		w.inMemory(b, over)
		w.sleep(29 * time.Second)
		w.expect()
		w.sleep(2 * time.Second)
		w.expect("resolved rule=errors: errors/web 3 over", "firing rule=slow: slow/db 1")
		w.inMemory(b, over) // the rules hand it over until it is kept
		w.sleep(time.Hour)
		w.expect()
		if n := strings.Count(w.said(), "told from memory"); n != 1 {
			t.Errorf("said %d times:\n%s", n, w.said())
		}
		w.disk.full.Store(false)
		w.sleep(10 * time.Second)
		if !strings.Contains(w.said(), "is noted again") {
			t.Errorf("not said:\n%s", w.said())
		}
		w.notify(b, over)
		w.restart()
		w.notify(a, b, over)
		w.sleep(time.Minute)
		w.expect()
		w.notify(w.ended(b))
		w.sleep(time.Minute)
		if n := w.last(); n.Thread == first || n.ID == n.Thread || n.Previous.IsZero() {
			t.Errorf("the end is no part of its thread: %+v", n)
		}
		w.expect("resolved rule=slow: slow/db 1 over")
	})
}

// TestFullDiskAndKilled: what was not told is given again, and told.
func TestFullDiskAndKilled(t *testing.T) {
	inWorld(t, func(w *world) {
		w.disk.full.Store(true)
		told, untold := w.alert("errors", "web", 3), w.alert("slow", "db", 1)
		w.inMemory(told)
		w.sleep(31 * time.Second)
		w.inMemory(untold)
		w.expect("firing rule=errors: errors/web 3")
		w.kill()
		w.disk.full.Store(false)
		w.restart()
		w.notify(told, untold)
		w.sleep(time.Minute)
		w.expect("firing rule=errors: errors/web 3", "firing rule=slow: slow/db 1")
	})
}

// TestFullDiskCap counts what is told from memory for the cap, also after a
// restart.
func TestFullDiskCap(t *testing.T) {
	inWorld(t, func(w *world) {
		w.c.MaxPerHour = 3
		w.restart()
		w.disk.full.Store(true)
		for i := range 6 {
			w.inMemory(w.alert(fmt.Sprint("rule", i), "web", 1))
		}
		w.sleep(time.Minute)
		if got := w.take(); len(got) != 4 { // and that the others are held back
			t.Errorf("told %q", got)
		}
		w.disk.full.Store(false)
		w.sleep(10 * time.Second)
		w.restart()
		w.sleep(10 * time.Minute)
		w.expect()
		w.sleep(time.Hour)
		if got := w.take(); len(got) != 3 {
			t.Errorf("told %q", got)
		}
	})
}

// TestFullDiskIsBounded: nothing grows while ever new alerts come and go and none
// of it can be written.
func TestFullDiskIsBounded(t *testing.T) {
	inWorld(t, func(w *world) {
		w.c.GroupBy = []string{"rule", "container", "source"}
		w.restart()
		w.disk.full.Store(true)
		for i := range 300 {
			a := w.alert(fmt.Sprint("rule", i), "web", 1)
			a.Rule.Cooldown = time.Second
			w.inMemory(a)
			w.q.Notify(t.Context(), list(w.ended(a)))
			w.sleep(2 * time.Second)
		}
		w.sleep(3 * time.Hour)
		w.take()
		d := w.q.dirty
		w.inMemory(w.alert("errors", "web", 1))
		for what, n := range map[string]int{
			"alerts": len(d.alerts), "fresh": len(d.fresh), "groups": len(d.groups), "marks": len(d.marks), "cools": len(d.cools), "folds": len(d.folds), "closed": len(d.closed), "gone": len(d.gone),
		} {
			if n > 10 {
				t.Errorf("%d %s wait for the journal", n, what)
			}
		}
	})
}

// TestFullDiskFolds counts each alert that is too many once, however often it is
// given again.
func TestFullDiskFolds(t *testing.T) {
	inWorld(t, func(w *world) {
		var all []agent.Alert
		for i := range maxAlerts + maxFolds + 50 {
			all = append(all, w.ended(w.alert("errors", fmt.Sprint("web", i), 2)))
		}
		w.disk.full.Store(true)
		for range 3 {
			w.inMemory(all...)
		}
		w.disk.full.Store(false)
		w.sleep(10 * time.Second)
		w.notify(all...)
		w.sleep(time.Minute)
		n := w.last()
		sum := n.MoreFindings
		for i := range n.Alerts {
			sum += n.Alerts[i].Count
		}
		if want := uint64(2 * len(all)); sum != want {
			t.Errorf("told of %d findings, want %d", sum, want)
		}
	})
}

// TestFullDiskAtTheEnd closes an incident that the journal does not get to know
// of until the queue is closed.
func TestFullDiskAtTheEnd(t *testing.T) {
	inWorld(t, func(w *world) {
		a := w.alert("errors", "web", 3)
		over := w.ended(a)
		w.notify(a, over)
		w.disk.full.Store(true)
		w.sleep(31 * time.Second)
		w.expect("resolved at once rule=errors: errors/web 3 over")
		w.disk.full.Store(false)
		w.kill()
		if err := w.q.Close(); err != nil {
			t.Fatal(err)
		}
		w.restart()
		w.notify(a, over)
		w.sleep(time.Hour)
		w.expect()
	})
}
