package notify

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/conf"
)

// TestDue has the states of a group, at minutes since the queue was opened.
func TestDue(t *testing.T) {
	const m = time.Minute
	times := &Config{GroupWait: conf.Duration(m), GroupInterval: conf.Duration(10 * m), RepeatInterval: conf.Duration(100 * m)}
	at := func(minutes int) stamp { return stamp{at: time.Duration(minutes) * m} }
	fires := func(since int) *entry { return &entry{since: at(since), changed: at(since).at, key: "k"} }
	over := func(e *entry, at stamp) *entry {
		e.alert.Ended, e.over = time.Unix(1, 0), at
		return e
	}
	told := func(e *entry) *entry {
		e.told = &mark{Over: !e.alert.Firing()}
		return e
	}
	again := func(e *entry) *entry {
		e.told, e.alert.Revision = &mark{Over: true}, 1
		return e
	}
	ruled := func(e *entry, cooldown time.Duration) *entry {
		e.alert.Rule.Cooldown = cooldown
		return e
	}
	type entries []*entry
	for _, c := range []struct {
		name    string
		group   group
		entries entries
		cool    int // when the key was told; 0: never
		want    time.Duration
	}{
		{"empty", group{}, nil, 0, never},
		{"the first alert decides", group{}, entries{fires(3), fires(2), fires(9)}, 0, 3 * m},
		{"over before it was told", group{}, entries{over(fires(3), at(8))}, 0, 4 * m},
		{"cooldown", group{}, entries{fires(12)}, 10, 25 * m},
		{"the rule's cooldown", group{}, entries{ruled(fires(12), 5*m)}, 10, 15 * m},
		{"cooldown is over", group{}, entries{fires(30)}, 10, 31 * m},
		{"nothing new", group{told: 1, toldAt: at(5)}, entries{told(fires(2))}, 5, 105 * m},
		{"reminder by the rule", group{told: 1, toldAt: at(5)}, entries{told(fires(2)), told(ruled(fires(2), 20*m))}, 5, 25 * m},
		{"hardly a cooldown", group{told: 1, toldAt: at(5)}, entries{told(ruled(fires(2), 1))}, 5, 5*m + time.Second},
		{"one joins", group{told: 1, toldAt: at(5)}, entries{told(fires(2)), fires(6)}, 0, 15 * m},
		{"one joins late", group{told: 1, toldAt: at(5)}, entries{told(fires(2)), fires(60)}, 0, 61 * m},
		{"one joins and ends", group{told: 1, toldAt: at(5)}, entries{told(fires(2)), over(fires(60), at(61))}, 0, 61 * m},
		{"one comes again", group{told: 1, toldAt: at(5)}, entries{told(fires(2)), again(fires(60))}, 0, 61 * m},
		{"one ends", group{told: 1, toldAt: at(5)}, entries{told(fires(2)), over(told(fires(2)), at(6))}, 5, 105 * m},
		{"all end", group{told: 1, toldAt: at(5)}, entries{over(told(fires(2)), at(7)), over(told(fires(2)), at(6))}, 5, 8 * m},
		{"all end, one untold", group{told: 1, toldAt: at(5)}, entries{over(told(fires(2)), at(7)), over(fires(6), at(8))}, 5, 9 * m},
		{"late", group{late: true}, entries{over(fires(3), at(3)), over(fires(9), at(9))}, 3, 10 * m},
		{"late for ever", group{late: true}, entries{fires(3), fires(70)}, 3, 63 * m},
		{"refused", group{refused: true, refusedAt: 4 * m, turned: 3 * m}, entries{fires(3)}, 0, 64 * m},
		{"refused and changed", group{refused: true, refusedAt: 4 * m, turned: 5 * m}, entries{fires(3)}, 0, 14 * m},
		{"refused and changed later", group{refused: true, refusedAt: 4 * m, turned: 20 * m}, entries{fires(3)}, 0, 21 * m},
		{"refused long ago", group{refused: true, refusedAt: -70 * m, told: 1, toldAt: at(-200)}, entries{told(fires(-200))}, 0, -10 * m},
	} {
		g, cools := c.group, map[string]*cool{}
		g.entries = map[string]*entry{}
		for i, e := range c.entries {
			g.entries[fmt.Sprint(i)] = e
		}
		if c.cool != 0 {
			cools["k"] = &cool{At: at(c.cool)}
		}
		if got := g.due(&terms{config: times, cools: cools, mute: inhibited}); got != c.want {
			t.Errorf("%s: due at %v, want %v", c.name, got, c.want)
		}
	}
}

func TestGroupKeys(t *testing.T) {
	seen := map[string]bool{}
	for _, values := range [][2]string{{"a", "bc"}, {"ab", "c"}, {"a\"\"b", "c"}, {"a", "\"b\"c"}, {"", ""}, {"late", ""}} {
		a := agent.Alert{Key: []agent.Label{{Name: "x", Value: values[0]}, {Name: "y", Value: values[1]}}}
		key, _ := groupOf(&a, &Config{GroupBy: []string{"x", "y"}})
		if seen[key] || key == lateKey {
			t.Errorf("%q has the key of another", values)
		}
		seen[key] = true
	}
}

func TestPause(t *testing.T) {
	var p pause
	want := firstPause
	for range 20 {
		p.fail(time.Hour)
		if d := p.until - time.Hour; d > want || d < want*8/10 {
			t.Errorf("%v, want %v at most", d, want)
		}
		want = min(2*want, longPause)
	}
	if newGroup("", nil, "").tried != math.MinInt64 {
		t.Error("a group that was never tried is not the first")
	}
}
