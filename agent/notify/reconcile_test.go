package notify

import (
	"fmt"
	"testing"
	"time"
)

// What the agent knows nothing of any more is told to be over, once.
func TestReconcile(t *testing.T) {
	inWorld(t, func(w *world) {
		a, b := w.alert("errors", "web", 3), w.alert("slow", "db", 2)
		w.notify(a, b)
		w.sleep(time.Minute)
		w.expect("firing rule=errors: errors/web 3", "firing rule=slow: slow/db 2")
		w.restart()
		if err := w.q.Reconcile(t.Context(), map[string]bool{b.ID: true}); err != nil {
			t.Fatal(err)
		}
		w.sleep(time.Hour)
		if n := w.last(); n == nil || n.Alerts[0].End != lostTrack {
			t.Errorf("%+v", n)
		}
		w.expect("resolved rule=errors: errors/web 3 over")
		w.sleep(24 * time.Hour)
		for _, l := range w.take() {
			if l != "update reminder rule=slow: slow/db 2" {
				t.Errorf("told %q", l)
			}
		}
	})
}

// Also of those that were too many to be told apart.
func TestReconcileFolded(t *testing.T) {
	inWorld(t, func(w *world) {
		for i := range maxAlerts + 5 {
			w.notify(w.alert("errors", fmt.Sprint(i), 1))
		}
		w.sleep(time.Minute)
		w.take()
		if err := w.q.Reconcile(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		w.sleep(time.Hour)
		if n := w.last(); n == nil || n.Kind != Resolved {
			t.Errorf("%+v", n)
		}
	})
}

// Who raises min_severity is still told the end of what was told.
func TestMinSeverityRaised(t *testing.T) {
	inWorld(t, func(w *world) {
		a := w.alert("errors", "web", 3)
		w.notify(a)
		w.sleep(time.Minute)
		w.expect("firing rule=errors: errors/web 3")
		w.kill()
		w.c.MinSeverity = "critical"
		w.open()
		w.start()
		w.notify(w.ended(a), w.alert("errors", "db", 1))
		w.sleep(time.Hour)
		w.expect("resolved rule=errors: errors/web 3 over")
	})
}
