package notify

import (
	"fmt"
	"testing"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/webgrip/logkeel/agent"
)

func TestDigestForms(t *testing.T) {
	for text, want := range map[string]DigestConfig{
		"daily":                            {"info", "08:00"},
		"hourly":                           {"info", "hourly"},
		`"07:30"`:                          {"info", "07:30"},
		"07:30":                            {"info", "07:30"},
		"off":                              {},
		"false":                            {},
		"{severity: warning}":              {"warning", "08:00"},
		"{severity: warning, at: hourly}":  {"warning", "hourly"},
		`{at: "23:59"}`:                    {"info", "23:59"},
		"{severity: warning, at: 'daily'}": {"warning", "08:00"},
	} {
		var got DigestConfig
		if err := yaml.Unmarshal([]byte(text), &got); err != nil || got != want {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
	}
}

// TestDigestTimes has the days on which clocks are put forward and back.
func TestDigestTimes(t *testing.T) {
	zone := func(name string) *time.Location {
		z, err := time.LoadLocation(name)
		if err != nil {
			t.Fatal(err)
		}
		return z
	}
	for _, c := range []struct{ zone, at, from, want string }{
		{"Europe/Berlin", "08:00", "2026-11-28T06:59:59Z", "2026-11-28T07:00:00Z"},
		{"Europe/Berlin", "08:00", "2026-11-28T07:00:00Z", "2026-11-29T07:00:00Z"},
		{"Europe/Berlin", "08:00", "2026-03-28T08:00:00Z", "2026-03-29T06:00:00Z"}, // 23 hours
		{"Europe/Berlin", "08:00", "2026-10-24T06:00:00Z", "2026-10-25T07:00:00Z"}, // 25 hours
		{"America/New_York", "23:00", "2026-12-31T12:00:00Z", "2027-01-01T04:00:00Z"},
		{"Asia/Kolkata", "hourly", "2026-11-28T06:10:00Z", "2026-11-28T06:30:00Z"},
		{"UTC", "hourly", "2026-11-28T06:00:00Z", "2026-11-28T07:00:00Z"},
	} {
		from, err := time.Parse(time.RFC3339, c.from)
		if err != nil {
			t.Fatal(err)
		}
		if got := (&DigestConfig{"info", c.at}).after(from, zone(c.zone)).UTC().Format(time.RFC3339); got != c.want {
			t.Errorf("%s in %s after %s: %s, want %s", c.at, c.zone, c.from, got, c.want)
		}
	}
	// A time that a day does not have, or has twice, is once a day.
	twice, berlin := &DigestConfig{"info", "02:30"}, zone("Europe/Berlin")
	for _, day := range []time.Time{time.Date(2026, 3, 29, 0, 0, 0, 0, berlin), time.Date(2026, 10, 25, 0, 0, 0, 0, berlin)} {
		first := twice.after(day, berlin)
		if second := twice.after(first, berlin); first.Day() != day.Day() || second.Day() == day.Day() {
			t.Errorf("%s, then %s", first, second)
		}
	}
}

// info is an alert that is not urgent.
func (w *world) info(rule, key string, count uint64) agent.Alert {
	a := w.alert(rule, key, count)
	a.Rule.Severity = "info"
	return a
}

// untilDigest is just before the next digest.
func (w *world) untilDigest() time.Duration {
	return time.Until(w.c.Digest.after(time.Now(), time.Local)) - time.Minute
}

func TestDigest(t *testing.T) {
	inWorld(t, func(w *world) {
		w.c.Digest = DigestConfig{"info", "08:00"}
		w.restart()
		gone, stays, urgent := w.info("deploys", "web", 2), w.info("logins", "db", 5), w.alert("errors", "web", 1)
		w.notify(gone, stays, urgent)
		w.sleep(time.Minute)
		w.expect("firing rule=errors: errors/web 1") // though min_severity is warning, the others wait
		w.notify(w.ended(gone), w.ended(urgent))
		w.sleep(w.untilDigest())
		w.take()
		if n := w.q.Pending(); n != 0 {
			t.Errorf("%d pending before its time", n)
		}
		w.restart()
		w.sleep(2 * time.Minute)
		first := w.last()
		w.expect("digest : logins/db 5, deploys/web 2 over")
		w.sleep(w.untilDigest())
		w.take()
		w.sleep(2 * time.Minute)
		w.expect() // there is nothing
		more := w.info("logins", "db", 9)
		w.notify(more)
		w.sleep(time.Hour)
		w.expect() // it went on, and waits
		job := w.info("jobs", "web", 1)
		w.notify(job)
		w.notify(w.ended(job))
		w.sleep(w.untilDigest())
		w.take()
		// The agent is away when it is time, and tells it when it is back.
		w.kill()
		w.sleep(3 * time.Hour)
		w.restart()
		w.sleep(time.Second)
		if n := w.last(); n.Kind != Digest || n.Thread == first.Thread || n.ID != n.Thread {
			t.Errorf("%s is of thread %s", line(n), n.Thread)
		}
		w.expect("digest : logins/db 9, jobs/web 1 over")
		w.notify(w.ended(more))
		w.sleep(24 * time.Hour)
		w.mu.Lock()
		told := fmt.Sprint(line(w.told[len(w.told)-1]))
		w.mu.Unlock()
		if told != "digest : logins/db 9 over" || len(w.q.state.groups) != 0 {
			t.Errorf("told %s; %d groups", told, len(w.q.state.groups))
		}
	})
}

// TestDigestOfRoute: a route's digest goes before the notifier's, and one that is
// no more leaves nothing untold.
func TestDigestOfRoute(t *testing.T) {
	inWorld(t, func(w *world) {
		w.c.Digest = DigestConfig{"info", "08:00"}
		w.c.Routes = []Route{{Match: matching(t, `container="db"`), Digest: &DigestConfig{"warning", hourly}}, {Match: matching(t, `container="web"`), Digest: &DigestConfig{}}}
		w.restart()
		critical := w.alert("down", "db", 1)
		critical.Rule.Severity = "critical"
		w.notify(w.alert("slow", "db", 1), w.info("logins", "web", 1), w.info("logins", "app", 1), critical)
		w.sleep(time.Minute)
		w.expect("firing rule=down: down/db 1")
		w.sleep(time.Hour)
		w.expect("digest : slow/db 1")
		w.c.Digest = DigestConfig{}
		w.restart()
		w.sleep(time.Second)
		w.expect("digest : logins/app 1")
	})
}
