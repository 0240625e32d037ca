package notify

import (
	"testing"
	"time"

	"github.com/webgrip/logkeel/agent/conf"
	"github.com/webgrip/logkeel/agent/silence"
)

// TestSilence has what a silence meets: what begins in it, goes on after it, ends
// in it, and what was told before.
func TestSilence(t *testing.T) {
	inWorld(t, func(w *world) {
		w.c.RepeatInterval = conf.Duration(time.Hour)
		w.restart()
		before := w.alert("errors", "web", 1)
		w.notify(before)
		w.sleep(time.Minute)
		w.expect("firing rule=errors: errors/web 1")

		w.silence(`rule="slow"`, 3*time.Hour)
		short, long := w.alert("slow", "db", 1), w.alert("slow", "cache", 2)
		w.notify(short, long)
		w.sleep(time.Hour)
		w.expect("update reminder rule=errors: errors/web 1") // which is not silenced
		if n := w.metric("logkeel_alerts_muted"); n != 2 || w.q.Pending() != 0 {
			t.Errorf("%v are muted, %d pending", n, w.q.Pending())
		}
		w.restart()
		w.notify(w.ended(short))
		if n := w.metric("logkeel_alerts_muted_total"); n != 1 {
			t.Errorf("%v are counted", n)
		}
		w.restart()
		w.notify(short, w.ended(short)) // as after a crash
		w.silence(`container="web"`, 90*time.Minute)
		w.sleep(80 * time.Minute)
		w.expect() // no reminder either
		w.notify(w.ended(before))
		w.sleep(time.Minute)
		w.expect("resolved rule=errors: errors/web 1 over")

		w.sleep(time.Hour)
		w.expect("firing rule=slow: slow/cache 2")
		w.notify(w.ended(long))
		w.sleep(time.Hour)
		w.expect("resolved rule=slow: slow/cache 2 over")
		if len(w.q.state.entries) != 0 {
			t.Errorf("%d alerts are left", len(w.q.state.entries))
		}
	})
}

// TestSilenceInGroup: what is silenced is not told with what is not, and is not in
// the way of its end.
func TestSilenceInGroup(t *testing.T) {
	inWorld(t, func(w *world) {
		loud, quiet := w.alert("errors", "web", 1), w.alert("errors", "db", 1)
		w.silence(`handle="`+quiet.Handle()+`"`, 2*time.Hour)
		w.notify(loud, quiet)
		w.sleep(time.Minute)
		w.expect("firing rule=errors: errors/web 1")
		first := w.q
		w.notify(w.ended(loud))
		w.sleep(time.Hour)
		w.expect("resolved rule=errors: errors/web 1 over")
		w.restart()
		if w.q == first {
			t.Fatal("no restart")
		}
		if _, err := silence.Open(w.book).End(time.Now(), func(*silence.Silence) bool { return true }); err != nil {
			t.Fatal(err)
		}
		w.sleep(silence.Poll)
		w.expect("firing rule=errors: errors/db 1") // at once: it has waited
	})
}

// TestSilenceWhileDown ends, by its time, before the receiver is there again.
func TestSilenceWhileDown(t *testing.T) {
	inWorld(t, func(w *world) {
		w.answers(func(*Notice) error { return errDown })
		w.notify(w.alert("errors", "web", 1))
		w.silence(`rule="slow"`, time.Minute)
		a, b := w.alert("slow", "db", 1), w.alert("slow", "cache", 1)
		w.notify(a, b)
		w.notify(w.ended(a))
		w.sleep(time.Hour)
		w.answers(nil)
		w.sleep(10 * time.Minute)
		w.expect("firing rule=errors: errors/web 1", "firing rule=slow: slow/cache 1")
	})
}

// TestInhibited: what another alert explains is no news until it does no more.
func TestInhibited(t *testing.T) {
	inWorld(t, func(w *world) {
		a, b := w.alert("slow", "db", 1), w.alert("slow", "cache", 1)
		a.Inhibited, b.Inhibited = "Down", "Down"
		w.notify(a, b)
		w.sleep(time.Hour)
		w.notify(w.ended(a))
		free := w.alert("slow", "cache", 3)
		w.notify(free)
		w.sleep(time.Minute)
		w.expect("firing rule=slow: slow/cache 3")
	})
}
