package notify

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/conf"
)

// A rehearsal tells what the queue tells, at the same times.
func TestRehearsalIsLikeTheQueue(t *testing.T) {
	for seed := range uint64(8) {
		inWorld(t, func(w *world) {
			w.kill()
			w.c.GroupBy, w.c.RepeatInterval = conf.Strings{"rule"}, conf.Duration(10*time.Minute)
			if seed >= 4 {
				w.c.MaxPerHour, w.c.Digest = int(seed), DigestConfig{"info", hourly}
				w.c.Routes = []Route{{Match: matching(t, `severity="critical"`), GroupWait: minutes(0)}}
			}
			w.open()
			w.start()
			r := NewRehearsal(w.c, time.Now())
			var got []string
			tell := func(until time.Time) {
				for {
					at, ok := r.Next()
					if !ok || at.After(until) {
						return
					}
					for _, n := range r.Tell(at) {
						got = append(got, at.UTC().Format(time.RFC3339Nano)+" "+line(n))
					}
				}
			}
			rnd := rand.New(rand.NewPCG(seed, 2))
			firing := map[string]agent.Alert{}
			for i := range 120 {
				w.sleep(time.Duration(rnd.IntN(100_000)+1) * time.Millisecond)
				if rnd.IntN(10) == 0 {
					w.sleep(time.Duration(rnd.IntN(30)) * time.Minute)
				}
				now := time.Now()
				tell(now.Add(-1))
				key := fmt.Sprint("k", rnd.IntN(5))
				rule := string(rune('a' + rnd.IntN(3)))
				a, known := firing[rule+key]
				switch id := a.ID; {
				case !known:
					a = w.alert(rule, key, 1)
					a.ID += fmt.Sprint(".", i) // each incident has its own
					a.Rule.Severity = severities[rnd.IntN(3)]
					firing[rule+key] = a
				case rnd.IntN(2) == 0:
					a = w.ended(a)
					delete(firing, rule+key)
				default:
					a = w.alert(rule, key, a.Count+1)
					a.ID, a.Rule.Severity = id, firing[rule+key].Rule.Severity
					firing[rule+key] = a
				}
				r.Notify(now, list(a))
				w.notify(a)
				tell(now)
			}
			w.sleep(2 * time.Hour)
			tell(time.Now())
			var want []string
			w.mu.Lock()
			for i, n := range w.told {
				want = append(want, w.at[i].UTC().Format(time.RFC3339Nano)+" "+line(n))
			}
			w.mu.Unlock()
			slices.Sort(got) // those of one moment have no order
			slices.Sort(want)
			if !slices.Equal(got, want) || len(want) < 20 {
				t.Errorf("seed %d: got\n%s\nwant\n%s", seed, strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
		})
	}
}
