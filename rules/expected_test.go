package rules

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/webgrip/logkeel/agent"
)

func instance(policy, role string) agent.Sample {
	return value("redis_instance_info", 1, "target", "cache", "maxmemory_policy", policy, "role", role)
}

func TestALabelThatIsNotAsExpected(t *testing.T) {
	b := newBench(t, rulesOf(t, `sample: redis_instance_info, for: 30s, expected: {maxmemory_policy: [allkeys-lru, allkeys-lfu], role: master}`)...)
	b.measure(time.Minute, instance("allkeys-lfu", "master"))
	b.want(t, "as expected", "")
	at := b.wall
	b.measure(30*time.Second, instance("noeviction", "master"))
	b.want(t, "for less than 30 s", "")
	b.measure(10*time.Minute, instance("noeviction", "master"))
	b.want(t, "for longer", "maxmemory_policy is noeviction, expected allkeys-lru or allkeys-lfu for 30s")
	if a := b.told.one(t); a.Starts != at || a.Source != "cache" || a.Value != 1 || !slices.Equal(a.Key, []agent.Label{{Name: "target", Value: "cache"}}) {
		t.Errorf("%+v", a)
	}
	b.measure(15*time.Second, instance("", "slave"))
	b.pass(calm)
	b.want(t, "otherwise", `maxmemory_policy is "", expected allkeys-lru or allkeys-lfu; role is slave, expected master for 30s`)
	b.start()
	b.measure(15*time.Second, instance("noeviction", "master"))
	b.pass(calm)
	b.want(t, "after a kill", "maxmemory_policy is noeviction, expected allkeys-lru or allkeys-lfu for 30s")
	b.measure(2*time.Minute, value("redis_up", 0, "target", "cache"))
	b.want(t, "down", "maxmemory_policy is noeviction, expected allkeys-lru or allkeys-lfu for 30s")
	over := b.wall
	b.measure(15*time.Second, instance("allkeys-lru", "master"))
	if a := b.told.one(t); a.Ended != over || a.End != "" {
		t.Errorf("over with the first that is as expected: %+v", a)
	}
}

// One series of a key is enough, and what else the rule asks for has to hold.
func TestExpectedTogether(t *testing.T) {
	b := newBench(t, rulesOf(t, `sample: info, equals: 1, by: [service], expected: {user: ['', app]}`)...)
	one := func(name, user string, v float64) agent.Sample {
		return value("info", v, "target", "engine", "service", "shop", "name", name, "user", user)
	}
	b.measure(time.Minute, one("a", "app", 1), one("b", "", 1), one("c", "root", 0))
	b.want(t, "all are well", "")
	b.measure(time.Minute, one("a", "app", 1), one("c", "root", 1), one("d", "toor", 1))
	b.want(t, "one is not", `user is root, expected "" or app`)
	if a := b.told.one(t); a.Source != "c" {
		t.Errorf("%+v", a)
	}
	b.measure(time.Minute, one("a", "app", 1))
	if a := b.told.one(t); a.Firing() {
		t.Errorf("%+v", a)
	}
}

func TestLabelConditions(t *testing.T) {
	for keys, want := range map[string]string{
		`sample: i, changed: [user]`:                               "i: user changed",
		`sample: i, changed: [user, image], above: 0`:              "i > 0 and user or image changed",
		`sample: i, expected: {b: x, a: [y, '']}`:                  `i: a is not y or "" or b is not x`,
		`sample: i, expected: {a: true}, equals: 1, for: 1h`:       "i == 1 and a is not true for 1h",
		`sample: i, expected: {a: 5}, changed: up`:                 "i went up and a is not 5",
		`sample: i, expected: {a: "é\x00"}, source: {target: [a]}`: "i: a is not é\x00",
	} {
		if got := oneRule(t, keys).rules[0].measure.String(); got != want {
			t.Errorf("%s: got %q, want %q", keys, got, want)
		}
	}
}

// Beyond its bounds a rule forgets what is not there, and judges no more than it
// can remember: nothing is told that is not so.
func TestLabelsAreBounded(t *testing.T) {
	b := newBench(t, rulesOf(t, `sample: info, changed: [user], by: [name]`)...)
	several := func(from, n int, user string) []agent.Sample {
		var all []agent.Sample
		for i := range n {
			all = append(all, infoOf(fmt.Sprint("c", from+i), user))
		}
		return all
	}
	b.measure(30*time.Second, several(0, maxKeys, "a")...)
	b.measure(10*time.Minute, several(0, 10, "a")...)
	b.measure(30*time.Second, several(0, 500, "a")...)
	b.measure(30*time.Second, several(5000, 900, "a")...)
	b.want(t, "as ever", "")
	if b.keys > maxKeys {
		t.Errorf("%d keys", b.keys)
	}
	b.measure(30*time.Second, several(5000, 1, "b")...)
	b.want(t, "what was there last is known", "user is b, was a")

	c := newBench(t, rulesOf(t, `sample: info, changed: [user], by: [name]`)...)
	for i := range 20 {
		var all []agent.Sample
		for n := range 2 * maxTraits {
			all = append(all, infoOf("app", fmt.Sprint((n+i)%(2*maxTraits)), "id", fmt.Sprint(n)))
		}
		c.measure(15*time.Second, all...)
	}
	c.want(t, "more values than are remembered", "")
}
