package notify

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/webgrip/logkeel/agent"
)

var errNoMailbox = errors.New("550 no such mailbox")

func TestRefused(t *testing.T) {
	if Refused(nil) != nil || !errors.Is(Refused(errNoMailbox), errNoMailbox) || Refused(errNoMailbox).Error() != errNoMailbox.Error() {
		t.Error("the receiver's answer is lost")
	}
	inWorld(t, func(w *world) {
		w.answers(func(n *Notice) error {
			if n.Group[0].Value == "errors" {
				return Refused(errNoMailbox)
			}
			return nil
		})
		tries := func(want int) {
			t.Helper()
			if n := int(w.metric("logkeel_notifications_total", "refused")); n != want {
				t.Errorf("%d tries, want %d", n, want)
			}
		}
		a := w.alert("errors", "web", 1)
		w.notify(a, w.alert("slow", "db", 1))
		w.sleep(31 * time.Second)
		w.expect("firing rule=slow: slow/db 1") // is not in its way
		tries(1)
		if said := w.said(); !strings.Contains(said, "level=ERROR") || !strings.Contains(said, errNoMailbox.Error()) || !strings.Contains(said, "rule=errors") {
			t.Errorf("said %s", said)
		}
		a.Count, a.Revision = 5, 100
		w.notify(a) // a count alone is no reason
		w.sleep(59 * time.Minute)
		tries(1)
		w.sleep(time.Minute)
		tries(2)
		w.sleep(10 * time.Minute)
		w.version = 200
		w.notify(w.alert("errors", "db", 1)) // an alert is
		w.sleep(31 * time.Second)
		tries(3)
		w.restart()
		w.sleep(time.Second)
		tries(1) // of this process
		w.answers(nil)
		w.notify(w.ended(a))
		w.sleep(5 * time.Minute)
		w.expect("firing rule=errors: errors/db 1, errors/web 5 over")
	})
}

func TestRefusedForADay(t *testing.T) {
	inWorld(t, func(w *world) {
		w.answers(func(*Notice) error { return Refused(errNoMailbox) })
		a := w.alert("errors", "web", 7)
		w.notify(a)
		w.sleep(48 * time.Hour) // what fires is kept
		w.notify(w.ended(a))
		w.sleep(12 * time.Hour)
		w.restart()
		w.sleep(11 * time.Hour)
		if n := w.metric("logkeel_notifications_pending"); n != 1 {
			t.Errorf("%v pending", n)
		}
		w.sleep(90 * time.Minute)
		if n := w.metric("logkeel_notifications_total", "dropped"); n != 1 {
			t.Errorf("%v dropped", n)
		}
		if n := w.metric("logkeel_notifications_pending"); n != 0 {
			t.Errorf("%v pending", n)
		}
		if !strings.Contains(w.said(), "nobody was told") || !strings.Contains(w.said(), "findings=7") {
			t.Errorf("said %s", w.said())
		}
		w.answers(nil)
		w.restart()
		w.notify(a) // again, after a crash
		w.sleep(time.Hour)
		w.expect()
		w.notify(w.alert("errors", "web2", 1)) // nobody knows of the key: there is no cooldown
		w.sleep(time.Minute)
		w.expect("firing rule=errors: errors/web2 1")
	})
}

// TestStalled: for how long nobody is told, whether the receiver is away or
// refuses; what waits because it is not due is none of it.
func TestStalled(t *testing.T) {
	const name = "logkeel_output_stalled_seconds"
	for _, answer := range []error{errors.New("connection refused"), Refused(errNoMailbox)} {
		inWorld(t, func(w *world) {
			stalled := func(least, most float64) {
				t.Helper()
				w.q.Meter(func(s agent.Sample) {
					if s.Name == name && (s.Value < least || s.Value > most || most > 0 != strings.Contains(s.Note, answer.Error())) {
						t.Errorf("stalled for %v, want %v to %v: %s", s.Value, least, most, s.Note)
					}
				})
			}
			w.notify(w.alert("errors", "web", 1))
			w.sleep(29 * time.Second)
			stalled(0, 0) // it waits for what belongs to it
			w.answers(func(*Notice) error { return answer })
			w.sleep(2 * time.Second)
			for range 8 * 60 { // the receiver is asked again meanwhile
				w.sleep(15 * time.Second)
				w.q.Meter(func(agent.Sample) {})
			}
			stalled(7100, 7205)
			w.answers(nil)
			w.sleep(time.Hour + time.Second)
			w.expect("firing rule=errors: errors/web 1")
			stalled(0, 0)
		})
	}
}
