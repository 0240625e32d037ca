package notify

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/conf"
)

// TestDayOfFailure has a receiver that is away for a day, and an agent that is
// killed again and again meanwhile.
func TestDayOfFailure(t *testing.T) {
	inWorld(t, func(w *world) {
		w.answers(func(*Notice) error { return errDown })
		for i := range 24 {
			for j := range uint64(6) {
				w.notify(w.alert("errors", "web", uint64(i)*6+j+1), w.alert("slow", "db", 2*(uint64(i)*6+j+1)))
				if i == 3 && j == 1 {
					a := w.alert("errors", "gone", 1)
					w.notify(a)
					w.sleep(time.Minute)
					w.notify(w.ended(a))
				}
				w.sleep(10 * time.Minute)
			}
			if i%3 == 1 {
				w.restart()
			}
		}
		if tries := w.tried(); tries < 200 || tries > 600 {
			t.Errorf("%d tries in a day", tries)
		}
		if age := w.metric("logkeel_notification_pending_seconds"); age < 86000 {
			t.Errorf("pending for %v s", age)
		}
		w.answers(nil)
		w.sleep(5 * time.Minute)
		w.expect(
			"firing rule=errors: errors/web 144, errors/gone 1 over",
			"firing rule=slow: slow/db 288",
		)
		w.sleep(time.Hour)
		w.expect()
		for _, said := range []string{"alerts cannot be told", "alerts are told again"} {
			// Each of the nine processes may say it once.
			if n := strings.Count(w.said(), said); n < 1 || n > 9 {
				t.Errorf("%q is said %d times", said, n)
			}
		}
	})
}

// TestBackoff wants one receiver that is down to be tried as seldom for many
// groups as for one, and one bad notice not to be in the way of the others.
func TestBackoff(t *testing.T) {
	inWorld(t, func(w *world) {
		w.answers(func(*Notice) error { return errDown })
		for i := range 20 {
			w.notify(w.alert(fmt.Sprintf("rule%02d", i), "web", 1))
		}
		w.sleep(30*time.Second + 70*time.Second)
		if n := w.tried(); n < 3 || n > 4 { // at 0, about 10, 30 and 70 s
			t.Errorf("%d tries", n)
		}
		w.sleep(10 * time.Minute)
		w.answers(func(n *Notice) error {
			if n.Group[0].Value == "rule07" {
				return errDown
			}
			return nil
		})
		w.sleep(10 * time.Minute)
		if got := w.take(); len(got) != 19 {
			t.Errorf("%d notices are told beside a bad one", len(got))
		}
		w.answers(nil)
		w.sleep(5 * time.Minute)
		w.expect("firing rule=rule07: rule07/web 1")
	})
}

func TestToldIsNotToldAgain(t *testing.T) {
	inWorld(t, func(w *world) {
		w.c.RepeatInterval = conf.Duration(24 * time.Hour)
		w.restart()
		old := w.alert("errors", "web", 1)
		a := w.alert("errors", "web", 3)
		over := w.ended(a)
		firing := w.alert("slow", "db", 3)
		w.notify(old, a, firing)
		w.sleep(time.Minute)
		w.expect("firing rule=errors: errors/web 3", "firing rule=slow: slow/db 3")
		w.notify(over)
		w.sleep(time.Minute)
		w.expect("resolved rule=errors: errors/web 3 over")
		again := func() {
			t.Helper()
			w.notify(old, a, over, firing)
			w.sleep(20 * time.Minute)
			w.expect()
		}
		again()
		w.restart()
		again()
		// The agent is away for hours, and then finds again what it had found.
		w.kill()
		w.sleep(3 * time.Hour)
		w.restart()
		again()
		// It may even find it in what it takes for newer.
		w.version += 10
		w.notify(w.alert("errors", "web", 2))
		w.sleep(10 * time.Second)
		w.notify(w.ended(w.alert("errors", "web", 3)))
		w.restart()
		w.sleep(20 * time.Minute)
		w.expect()
		// But one that goes on after all is told.
		w.notify(w.alert("errors", "web", 4))
		w.sleep(time.Minute)
		w.expect("firing rule=errors: errors/web 4")
	})
}

// TestKillBeforeNoted kills between the receiver's answer and the journal.
func TestKillBeforeNoted(t *testing.T) {
	inWorld(t, func(w *world) {
		copied := ""
		w.answers(func(*Notice) error {
			copied = w.copied()
			return nil
		})
		a := w.alert("errors", "web", 3)
		ids := map[string]int{}
		told := func(times int) {
			t.Helper()
			w.sleep(time.Minute)
			ids[w.last().ID]++
			if n := ids[w.last().ID]; n != times {
				t.Errorf("%s is told %d times, want %d", w.last().ID, n, times)
			}
			if thread := w.last().Thread; ids[thread] != 2 {
				t.Errorf("the thread is %s, and that was told %d times", thread, ids[thread])
			}
			w.take()
		}
		back := func() {
			w.kill()
			w.dir = copied
			w.open()
			w.start()
		}
		w.notify(a)
		w.sleep(time.Minute)
		ids[w.last().ID]++
		back()
		told(2)
		w.notify(w.ended(a))
		told(1)
		back()
		told(2)
		w.sleep(time.Hour)
		w.expect()
	})
}

// TestKillBeforeNotedAlone kills likewise at what is held back, and at a digest.
func TestKillBeforeNotedAlone(t *testing.T) {
	inWorld(t, func(w *world) {
		w.c.MaxPerHour, w.c.Digest = 1, DigestConfig{"info", hourly}
		w.restart()
		copied := map[Kind]string{}
		ids := map[string]int{}
		w.answers(func(n *Notice) error {
			if copied[n.Kind] == "" {
				copied[n.Kind] = w.copied()
			}
			ids[n.ID]++
			return nil
		})
		again := func(kind Kind) {
			t.Helper()
			w.kill()
			w.dir = copied[kind]
			if w.dir == "" {
				t.Fatalf("no notice is %s", kind)
			}
			w.open()
			w.start()
			w.sleep(time.Minute)
		}
		w.notify(w.info("logins", "db", 1), w.alert("errors", "web", 1), w.alert("slow", "web", 1))
		w.sleep(time.Minute)
		again(HeldBack)
		w.expect("firing rule=errors: errors/web 1", "held back : slow/web 1", "held back : slow/web 1")
		w.sleep(3 * time.Hour)
		w.take()
		again(Digest)
		w.expect("digest : logins/db 1")
		twice := 0
		for _, n := range ids {
			if n == 2 {
				twice++
			}
		}
		if twice < 2 {
			t.Errorf("they have other IDs when they come again: %v", ids)
		}
	})
}

// TestNewsWhileSending has what comes while a notice is under way.
func TestNewsWhileSending(t *testing.T) {
	for _, restart := range []bool{false, true} {
		inWorld(t, func(w *world) {
			a, b := w.alert("errors", "web", 3), w.alert("errors", "db", 1)
			during := func(alert agent.Alert) {
				w.answers(func(*Notice) error {
					w.answer = nil
					return w.q.Notify(w.t.Context(), list(alert))
				})
			}
			during(w.ended(a))
			w.notify(a)
			w.sleep(31 * time.Second)
			first := w.last()
			w.expect("firing rule=errors: errors/web 3")
			during(b)
			w.sleep(30 * time.Second)
			w.expect("resolved rule=errors: errors/web 3 over")
			if restart {
				w.restart()
			}
			w.sleep(31 * time.Second)
			if n := w.last(); n.Thread == first.Thread || n.Thread != n.ID {
				t.Errorf("the end was told, but its thread goes on: %+v", n)
			}
			w.expect("firing rule=errors: errors/db 1")
		})
	}
}

// TestComesAgainWhileSending ends, while it is under way, what after a crash
// came again and was not told so yet.
func TestComesAgainWhileSending(t *testing.T) {
	for _, taken := range []bool{false, true} {
		inWorld(t, func(w *world) {
			a := w.alert("errors", "web", 3)
			w.notify(a, w.ended(a))
			w.sleep(31 * time.Second)
			w.expect("resolved at once rule=errors: errors/web 3 over")
			w.answers(func(*Notice) error {
				w.answer = nil
				if err := w.q.Notify(w.t.Context(), list(w.ended(a))); err != nil || taken {
					return err
				}
				return errDown
			})
			w.notify(w.alert("errors", "web", 3))
			w.sleep(time.Hour)
			if taken {
				w.expect("firing rule=errors: errors/web 3", "resolved rule=errors: errors/web 3 over")
			} else {
				w.expect()
			}
			if n := w.metric("logkeel_notifications_pending"); n != 0 || len(w.q.state.entries) != 0 {
				t.Errorf("%v pending, %d alerts", n, len(w.q.state.entries))
			}
		})
	}
}

// TestTornEnd has lost, of a notice that told the end of an incident, all but
// the frame that says so.
func TestTornEnd(t *testing.T) {
	r := newRestorer(time.Unix(1e9, 0))
	for _, id := range []string{"a", "b"} {
		r.frame(&frame{Alert: &savedAlert{Alert: agent.Alert{ID: id, Revision: 1}, Key: "k", Incident: "i"}})
	}
	r.frame(&frame{Groups: []savedGroup{{Key: "k", Incident: "i", Told: 1}}, Told: []mark{{ID: "a"}}})
	r.frame(&frame{Groups: []savedGroup{{Key: "k", Incident: "i", Closed: true}}, Told: []mark{{ID: "a", Revision: 2, Over: true}}})
	s, dirty, _ := r.finish()
	g := s.groups["k"]
	if len(g.entries) != 1 || g.told != 0 || g.incident != incidentAfter("i") || !dirty.alerts["b"] {
		t.Errorf("%+v", g)
	}
}
