package notify

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/conf"
	"github.com/webgrip/logkeel/agent/matchers"
)

// matching is a match as a configuration has it.
func matching(t testing.TB, text string) (s matchers.Spec) {
	t.Helper()
	parsed, err := matchers.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	s.Matchers = parsed
	return s
}

func minutes(n int) *conf.Duration {
	d := conf.Duration(time.Duration(n) * time.Minute)
	return &d
}

func TestRoutes(t *testing.T) {
	inWorld(t, func(w *world) {
		w.c.Match = matching(t, `rule!="ignored"`)
		w.c.Routes = []Route{
			{Match: matching(t, `container="db"`), GroupWait: minutes(0), RepeatInterval: minutes(30)},
			{Match: matching(t, `service="app", rule=~"a.*"`), GroupBy: conf.Strings{}, GroupInterval: minutes(60)},
		}
		w.restart()
		routes := func() string {
			w.mu.Lock()
			defer w.mu.Unlock()
			var b strings.Builder
			for _, n := range w.told {
				b.WriteByte("-01"[n.Route+1])
			}
			return b.String()
		}
		db := w.alert("a", "db", 1)
		w.notify(db, w.alert("a", "web", 1), w.alert("aa", "web", 1), w.alert("b", "web", 1), w.alert("ignored", "web", 1))
		w.sleep(time.Second)
		if got := routes(); got != "0" {
			t.Errorf("at once: %q", got)
		}
		w.expect("firing rule=a: a/db 1")
		w.sleep(time.Minute)
		if got := routes(); got != "1-" && got != "-1" {
			t.Errorf("routes: %q", got)
		}
		w.expect("firing : a/web 1, aa/web 1", "firing rule=b: b/web 1")
		w.notify(w.alert("ab", "web", 1))
		w.sleep(30 * time.Minute)
		w.expect("update reminder rule=a: a/db 1")
		w.sleep(30 * time.Minute)
		w.expect("update : a/web 1, aa/web 1, ab/web 1", "update reminder rule=a: a/db 1")
	})
}

// TestRoutesChange: what is under way stays where it was told, and nothing is told
// twice or lost, whatever becomes of its route.
func TestRoutesChange(t *testing.T) {
	for name, after := range map[string][]Route{
		"turned round": {{Match: matching(t, `rule=~"a|b"`)}, {Match: matching(t, `rule="a"`)}},
		"gone":         nil,
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.c.Routes = []Route{{Match: matching(t, `rule="a"`)}, {Match: matching(t, `rule=~"a|b"`)}}
				w.restart()
				a, b, waits := w.alert("a", "web", 1), w.alert("b", "web", 1), w.alert("a", "db", 1)
				w.notify(a, b)
				w.sleep(time.Minute)
				threads := map[string]string{}
				for _, n := range w.told {
					threads[n.Alerts[0].ID] = n.Thread
				}
				w.expect("firing rule=a: a/web 1", "firing rule=b: b/web 1")
				w.notify(waits)
				w.c.Routes = after
				w.restart()
				w.notify(a, b, waits)
				w.sleep(10 * time.Minute)
				w.expect("update rule=a: a/db 1, a/web 1")
				w.notify(w.ended(a), w.ended(b), w.ended(waits))
				w.sleep(time.Minute)
				for _, n := range w.told {
					if want, ok := threads[n.Alerts[len(n.Alerts)-1].ID]; ok && n.Thread != want {
						t.Errorf("%s is in another thread", line(n))
					}
					if (n.Route >= 0) != (after != nil) {
						t.Errorf("%s has route %d", line(n), n.Route)
					}
				}
				w.expect("resolved rule=a: a/db 1 over, a/web 1 over", "resolved rule=b: b/web 1 over")
			})
		})
	}
}

func TestRouteKeys(t *testing.T) {
	var c, again struct{ Routes []Route }
	text := `routes: [{match: 'a="1", b="2"'}, {match: {a: 1, b: 2}}, {match: 'a="1"'}, {match: {a: [1, 2, 3, 4, 5, 6, 7, 8, 9]}}, {match: {a: [1, 2, 3, 4, 5, 6, 7, 8, 0]}}, {match: 'a=~"1"'}, {match: 'a!="1"'}]`
	for _, to := range []any{&c, &again} {
		if err := yaml.Unmarshal([]byte(text), to); err != nil {
			t.Fatal(err)
		}
	}
	seen := map[string]int{}
	for i := range c.Routes {
		if first, ok := seen[c.Routes[i].key()]; ok != (i == 1) {
			t.Errorf("route %d has the key of %d", i, first)
		}
		seen[c.Routes[i].key()] = i
	}
	var a Config
	a.Routes = c.Routes
	for i := range a.Routes {
		key, _ := groupOf(&agent.Alert{Labels: []agent.Label{{Name: "a", Value: "1"}}}, &a)
		if route, rest := parseKey(key); i == 2 && (a.routeOf(route) != 2 || rest != "") {
			t.Errorf("%q: route %q, %q", key, route, rest)
		}
	}
	if !reflect.DeepEqual(c, again) {
		t.Error("routes cannot be compared: each reload would restart the output")
	}
}
