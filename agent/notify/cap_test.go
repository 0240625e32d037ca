package notify

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/webgrip/logkeel/agent"
)

// capped runs f with a cap of so many notices.
func capped(t *testing.T, most int, f func(w *world)) {
	t.Helper()
	inWorld(t, func(w *world) {
		w.c.MaxPerHour = most
		w.restart()
		f(w)
	})
}

// kinds counts what was told since it was last asked.
func (w *world) kinds() map[Kind]int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := map[Kind]int{}
	for _, one := range w.told {
		n[one.Kind]++
	}
	return n
}

func TestCap(t *testing.T) {
	capped(t, 4, func(w *world) {
		var all []agent.Alert
		for i := range 10 {
			all = append(all, w.alert(fmt.Sprintf("rule%d", i), "web", 3))
			w.notify(all[i])
			w.sleep(time.Second)
		}
		w.sleep(time.Minute)
		if got := w.kinds(); got[Firing] != 4 || got[HeldBack] != 1 {
			t.Errorf("told %v", got)
		}
		n := w.last()
		if n.Kind != HeldBack || n.Held == nil || n.ID == "" || n.Route != -1 {
			t.Fatalf("%+v", n)
		}
		// It is told when the fifth is due; the others come later.
		if h := n.Held; h.Cap != 4 || h.Within != time.Hour || h.Groups != 1 || h.Alerts != 1 || h.Findings != 3 || !h.Until.Equal(w.at[0].Add(time.Hour)) {
			t.Errorf("%+v", h)
		}
		if held := w.metric("logkeel_notifications_held"); held != 6 || w.q.Pending() != 6 {
			t.Errorf("%v are held, %d pending", held, w.q.Pending())
		}
		w.take()
		// What happens meanwhile is one notice each when the hour is over, and a
		// restart begins no new one.
		w.notify(w.ended(all[0]), w.ended(all[5]))
		w.sleep(20 * time.Minute)
		w.restart()
		w.notify(w.alert("rule6", "web", 9))
		w.sleep(30 * time.Minute)
		w.expect()
		w.sleep(10 * time.Minute)
		w.expect("firing rule=rule4: rule4/web 3", "resolved at once rule=rule5: rule5/web 3 over", "firing rule=rule6: rule6/web 9", "firing rule=rule7: rule7/web 3", "held back :"+
			" rule8/web 3, rule9/web 3, rule0/web 3 over")
		w.sleep(time.Hour)
		w.expect("firing rule=rule8: rule8/web 3", "firing rule=rule9: rule9/web 3", "resolved rule=rule0: rule0/web 3 over")
		w.sleep(time.Hour)
		w.expect()
		if n := w.metric("logkeel_notifications_held"); n != 0 {
			t.Errorf("%v are held", n)
		}
	})
}

// TestCapCritical: what is critical is told first, and beyond the cap up to a
// reserve.
func TestCapCritical(t *testing.T) {
	capped(t, 4, func(w *world) {
		var all []agent.Alert
		for i := range 8 {
			a := w.alert(fmt.Sprintf("rule%d", i), "web", 1)
			if i >= 5 {
				a.Rule.Severity = "critical"
			}
			all = append(all, a)
		}
		w.notify(all...)
		w.sleep(31 * time.Second)
		// The reserve is one.
		w.expect("firing rule=rule5: rule5/web 1", "firing rule=rule6: rule6/web 1", "firing rule=rule7: rule7/web 1", "firing rule=rule0: rule0/web 1",
			"held back : rule1/web 1, rule2/web 1, rule3/web 1, rule4/web 1")
		late := w.alert("late", "web", 1)
		late.Rule.Severity = "critical"
		later := w.alert("later", "web", 1)
		later.Rule.Severity = "critical"
		w.notify(late, later)
		w.sleep(time.Minute)
		w.expect("firing rule=late: late/web 1")
		w.sleep(59 * time.Minute)
		w.expect("firing rule=later: later/web 1", "firing rule=rule1: rule1/web 1", "firing rule=rule2: rule2/web 1", "held back : rule3/web 1, rule4/web 1")
	})
}

// TestCapSlides never lets through more in any hour, whatever comes.
func TestCapSlides(t *testing.T) {
	capped(t, 5, func(w *world) {
		for i := range 200 {
			w.notify(w.alert(fmt.Sprintf("rule%d", i), "web", 1))
			w.sleep(time.Duration(i*7%11) * time.Minute)
			if i%50 == 49 {
				w.restart()
			}
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		held := 0
		var times []time.Time
		for i, n := range w.told {
			if n.Kind == HeldBack {
				held++
				continue
			}
			times = append(times, w.at[i])
		}
		for i := range times {
			if i >= 5 && times[i].Sub(times[i-5]) < time.Hour {
				t.Errorf("six notices from %s to %s", times[i-5], times[i])
			}
		}
		if hours := int(w.at[len(w.at)-1].Sub(w.at[0]).Hours()); held < 3 || held > hours+1 || len(times) < 4*hours {
			t.Errorf("%d notices and %d that say what is held back, in %d hours", len(times), held, hours)
		}
	})
}

// TestHeldRefused: the notice of what is held back is lost without harm.
func TestHeldRefused(t *testing.T) {
	capped(t, 1, func(w *world) {
		ids := []string{}
		down := true
		w.answers(func(n *Notice) error {
			if n.Kind != HeldBack {
				return nil
			}
			ids = append(ids, n.ID)
			if down {
				down = false
				return errDown
			}
			return Refused(errDown)
		})
		w.notify(w.alert("a", "web", 1), w.alert("b", "web", 1))
		w.sleep(10 * time.Minute)
		w.expect("firing rule=a: a/web 1")
		if len(ids) != 2 || len(slices.Compact(ids)) != 1 {
			t.Errorf("it was tried as %v", ids)
		}
		w.sleep(time.Hour)
		w.expect("firing rule=b: b/web 1")
	})
}
