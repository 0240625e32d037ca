package notify

import (
	"testing"
	"time"

	"github.com/webgrip/logkeel/agent"
)

func TestBurstIsOneNotice(t *testing.T) {
	inWorld(t, func(w *world) {
		for i := range uint64(29) {
			w.notify(w.alert("errors", "web", i+1), w.alert("errors", "db", 2*i+1))
			w.sleep(time.Second)
		}
		w.expect()
		w.sleep(time.Second)
		w.expect("firing rule=errors: errors/db 57, errors/web 29")
		w.notify(w.alert("errors", "web", 99)) // it goes on
		w.sleep(time.Hour)
		w.expect()
		if n := w.metric("logkeel_notifications_total", "told"); n != 1 {
			t.Errorf("%v told", n)
		}
	})
}

func TestGroups(t *testing.T) {
	inWorld(t, func(w *world) {
		w.kill()
		w.c.GroupBy = []string{"service", "container", "class", "severity", "source"}
		w.open()
		w.start()
		a, b := w.alert("slow", "web", 1), w.alert("errors", "web", 1)
		b.Labels = []agent.Label{{Name: "container", Value: "hidden by the key"}, {Name: "service", Value: "app"}}
		w.notify(a, b, w.alert("errors", "db", 1))
		a = w.alert("slow", "web", 2)
		a.Source = "it stays in its group"
		w.notify(a)
		w.sleep(30 * time.Second)
		w.expect(
			"firing service=app container=db class=error severity=warning source=app-web-1: errors/db 1",
			"firing service=app container=web class=error severity=warning source=app-web-1: slow/web 2, errors/web 1",
		)
	})
}

func TestResolvedInItsThread(t *testing.T) {
	inWorld(t, func(w *world) {
		a, b := w.alert("errors", "web", 3), w.alert("errors", "db", 2)
		w.notify(a, b)
		w.sleep(time.Minute)
		first := w.last()
		if first.ID == "" || first.Thread != first.ID || !first.Previous.IsZero() {
			t.Errorf("first: %+v", first)
		}
		w.expect("firing rule=errors: errors/web 3, errors/db 2")
		w.notify(w.ended(b))
		w.sleep(time.Hour)
		w.expect() // the other one goes on
		a.Count = 7
		w.notify(w.ended(a))
		w.sleep(29 * time.Second)
		w.expect()
		w.sleep(2 * time.Second)
		n := w.last()
		if n.Thread != first.ID || n.ID == first.ID || n.Previous.IsZero() {
			t.Errorf("resolved: %+v", n)
		}
		w.expect("resolved rule=errors: errors/web 7 over, errors/db 2 over")
		w.sleep(24 * time.Hour)
		w.expect()

		w.notify(w.alert("errors", "web2", 1))
		w.sleep(time.Minute)
		if n := w.last(); n.Thread != n.ID || n.ID == first.ID || !n.Previous.IsZero() {
			t.Errorf("a new incident: %+v", n)
		}
		w.expect("firing rule=errors: errors/web2 1")
	})
}

func TestFiredAndEndedBeforeTold(t *testing.T) {
	inWorld(t, func(w *world) {
		a := w.alert("errors", "web", 3)
		w.notify(a)
		w.sleep(10 * time.Second)
		w.notify(w.ended(a))
		w.sleep(time.Hour)
		w.expect("resolved at once rule=errors: errors/web 3 over")
		if pending := w.metric("logkeel_notifications_pending"); pending != 0 {
			t.Errorf("%v pending", pending)
		}
	})
}

func TestFlapping(t *testing.T) {
	inWorld(t, func(w *world) {
		a := w.alert("errors", "web", 1)
		w.notify(a)
		w.sleep(time.Minute)
		w.notify(w.ended(a))
		w.sleep(time.Minute)
		w.expect("firing rule=errors: errors/web 1", "resolved rule=errors: errors/web 1 over")
		for _, key := range []string{"web1", "web2", "web3"} { // it was told at 0:30, until 15:30 it is known
			a := w.alert("errors", key, 5)
			w.notify(a)
			w.sleep(2 * time.Minute)
			w.notify(w.ended(a))
			w.sleep(2 * time.Minute)
			w.restart()
		}
		w.expect()
		if age := w.metric("logkeel_notification_pending_seconds"); age != 720 {
			t.Errorf("pending for %v s", age)
		}
		w.sleep(5 * time.Minute)
		w.expect("resolved at once rule=errors: errors/web1 5 over, errors/web2 5 over, errors/web3 5 over")
		w.notify(w.alert("errors", "db", 1)) // known by no cooldown
		w.sleep(time.Minute)
		w.expect("firing rule=errors: errors/db 1")
	})
}

// TestFlapGoesOn has a flap that is still there when the cooldown is over.
func TestFlapGoesOn(t *testing.T) {
	inWorld(t, func(w *world) {
		with := func(a agent.Alert) agent.Alert {
			a.Rule.Cooldown = 2 * time.Minute
			return a
		}
		a := with(w.alert("errors", "web", 1))
		w.notify(a)
		w.sleep(31 * time.Second)
		w.notify(w.ended(a))
		w.sleep(31 * time.Second)
		w.take()
		w.notify(with(w.alert("errors", "web1", 4)))
		w.sleep(87 * time.Second)
		w.expect()
		w.sleep(2 * time.Second)
		w.expect("firing rule=errors: errors/web1 4")
	})
}

func TestGroupInterval(t *testing.T) {
	inWorld(t, func(w *world) {
		w.notify(w.alert("errors", "web", 1))
		w.sleep(time.Minute)
		first := w.last()
		w.take()
		b := w.alert("errors", "db", 2)
		w.notify(b)
		w.sleep(time.Minute)
		w.notify(w.ended(b)) // it joined and is over: that is news as well
		w.notify(w.alert("errors", "mq", 1))
		w.sleep(3*time.Minute + 29*time.Second)
		w.expect()
		w.sleep(2 * time.Second)
		if n := w.last(); n.Thread != first.ID || n.Previous.IsZero() {
			t.Errorf("update: %+v", n)
		}
		w.expect("update rule=errors: errors/web 1, errors/mq 1, errors/db 2 over")
		w.sleep(time.Hour)
		w.notify(w.alert("errors", "dns", 1))
		w.sleep(29 * time.Second)
		w.expect()
		w.sleep(2 * time.Second)
		w.expect("update rule=errors: errors/web 1, errors/mq 1, errors/dns 1")
	})
}

func TestReminder(t *testing.T) {
	for _, c := range []struct {
		name     string
		cooldown time.Duration
		after    time.Duration
	}{
		{"repeat_interval", 0, 4 * time.Hour},
		{"the rule's cooldown", time.Hour, time.Hour},
	} {
		t.Run(c.name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				a := w.alert("errors", "web", 1)
				a.Rule.Cooldown = c.cooldown
				w.notify(a)
				w.sleep(30 * time.Second)
				w.take()
				w.sleep(c.after / 2)
				a.Count = 8
				a.Revision++
				w.version++
				w.notify(a)
				w.restart()
				w.sleep(c.after/2 - time.Second)
				w.expect()
				w.sleep(2 * time.Second)
				w.expect("update reminder rule=errors: errors/web 8")
				w.sleep(c.after)
				w.expect("update reminder rule=errors: errors/web 8")
				w.notify(w.ended(a))
				w.sleep(time.Minute)
				w.expect("resolved rule=errors: errors/web 8 over")
				w.sleep(24 * time.Hour)
				w.expect()
			})
		})
	}
}

func TestLateAlertsAreOneNotice(t *testing.T) {
	inWorld(t, func(w *world) {
		for i := range uint64(20) {
			a, b := w.alert("errors", "web", 10*i+1), w.alert("slow", "db", i+1)
			a.Late, b.Late = true, true
			a.ID += string(rune('a' + i))
			w.notify(w.ended(a), b, w.ended(b))
			w.sleep(10 * time.Second)
		}
		w.notify(w.alert("errors", "now", 1)) // is no late news, and does not wait
		w.sleep(30 * time.Second)
		n := w.last()
		w.mu.Lock()
		late := w.told[0]
		w.mu.Unlock()
		if len(w.take()) != 2 || n.Late || !late.Late || len(late.Alerts) != 21 || late.Kind != Resolved {
			t.Fatalf("told %s and %s", line(late), line(n))
		}
		w.sleep(3 * time.Hour)
		w.expect()
	})
}

// TestLateDoesNotWaitForEver has old logs that are read for hours.
func TestLateDoesNotWaitForEver(t *testing.T) {
	inWorld(t, func(w *world) {
		for range 150 {
			w.sleep(time.Minute / 3)
			a := w.alert("errors", "web", w.version)
			a.Late = true
			a.ID += time.Now().String()
			w.notify(w.ended(a))
		}
		w.sleep(11 * time.Minute)
		if got := w.take(); len(got) != 1 {
			t.Errorf("%d notices in an hour: %q", len(got), got)
		}
	})
}

func TestMinSeverity(t *testing.T) {
	inWorld(t, func(w *world) {
		info, unknown := w.alert("info", "web", 1), w.alert("new", "web", 1)
		info.Rule.Severity, unknown.Rule.Severity = "info", "fatal"
		w.notify(info, unknown)
		w.sleep(time.Hour)
		w.expect("firing rule=new: new/web 1")
	})
}

func TestOrderAndMore(t *testing.T) {
	inWorld(t, func(w *world) {
		w.kill()
		w.c.GroupBy = nil
		w.open()
		w.start()
		over := w.alert("over", "x", 1000)
		critical := w.alert("critical", "x", 1)
		critical.Rule.Severity = "critical"
		w.notify(over, w.ended(over), w.alert("few", "x", 2), w.alert("many", "x", 3), critical)
		w.sleep(time.Minute)
		w.expect("firing : critical/x 1, many/x 3, few/x 2, over/x 1000 over")
		for i := range uint64(60) {
			w.notify(w.alert("more", string(rune('a'+i)), 10))
		}
		w.sleep(time.Hour)
		n := w.last()
		if len(n.Alerts) != 50 || n.More != 13 || n.MoreFindings != 11*10+3+2 {
			t.Errorf("%d alerts, %d more with %d", len(n.Alerts), n.More, n.MoreFindings)
		}
	})
}
