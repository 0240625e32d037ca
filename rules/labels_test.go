package rules

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/webgrip/logkeel/agent"
)

const userRule = `sample: info, changed: [user, privileged], by: [name], window: 10m`

func infoOf(name, user string, more ...string) agent.Sample {
	return value("info", 1, append([]string{"target", "engine", "name", name, "user", user, "privileged", "false"}, more...)...)
}

// says are the conditions of the alerts, in the order in which they began; what
// is over in brackets.
func (b *bench) says() string {
	var all []string
	for _, a := range b.told.list() {
		s := a.Condition
		if !a.Firing() {
			s = "(" + s + ")"
		}
		all = append(all, s)
	}
	return strings.Join(all, " | ")
}

func (b *bench) want(t *testing.T, when, want string) {
	t.Helper()
	if got := b.says(); got != want {
		t.Fatalf("%s: got %q, want %q", when, got, want)
	}
}

func TestALabelThatChanges(t *testing.T) {
	b := newBench(t, rulesOf(t, userRule)...)
	app, web := infoOf("app", "www-data"), infoOf("web", "1000")
	b.measure(time.Minute, app, web)
	b.want(t, "the first sight of a key is no change", "")
	at := b.wall
	b.measure(time.Minute, infoOf("app", "root"), web)
	b.want(t, "one is another", "user is root, was www-data")
	a := b.told.one(t)
	if a.Measured() { // 1 says nothing
		t.Errorf("it has a value: %+v", a)
	}
	if a.Starts != at || a.Source != "app" || a.Label("user") != "root" || !slices.Equal(a.Key, []agent.Label{{Name: "target", Value: "engine"}, {Name: "name", Value: "app"}}) {
		t.Errorf("%+v", a)
	}
	privileged := infoOf("app", "root")
	privileged.Labels[3].Value = "true"
	b.measure(8*time.Minute, privileged, web)
	b.want(t, "and changes again", "privileged is true, was false")
	b.measure(2*time.Minute-15*time.Second, privileged, web)
	if a = b.told.one(t); !a.Firing() || a.Label("privileged") != "true" {
		t.Fatalf("10 minutes from the last change on are not over: %+v", a)
	}
	b.pass(30 * time.Second) // it ends by itself, measured or not
	b.want(t, "later", "(privileged is true, was false)")
	if a = b.told.one(t); a.End != "" || a.Ended.Sub(at) != 11*time.Minute {
		t.Errorf("ended %v after, %q", a.Ended.Sub(at), a.End)
	}
	b.measure(10*time.Minute, privileged, web, infoOf("new", "root"))
	b.want(t, "what is new did not change", "(privileged is true, was false)")
}

// TestLabelsInOneSnapshot: each letter is the user of one series of the key, each
// word a snapshot. A key is what all of its series are together.
func TestLabelsInOneSnapshot(t *testing.T) {
	for _, c := range []struct {
		name, snapshots, want string
		changes               int
	}{
		{"nothing", "a a a", "", 0},
		{"one follows another", "a b b", "user is b, was a", 1},
		{"there and back", "a b a a", "user is a, was b", 2},
		{"both for a while", "a ab ab b b", "user is b, was a", 1},
		{"both, and the old one stays", "a ab ab a a", "user is a and b, was a", 1},
		{"a rolling update", "aaa aab abb bbb", "user is b, was a", 1},
		{"one of two is made anew", "ab a ab b ab", "", 0},
		{"one of two is gone", "ab a a a", "", 0},
		{"two that go on to a third", "ab ab c c", "user is c, was a and b", 1},
		{"one more", "ab abc abc", "user is a and b and c, was a and b", 1},
		{"it is gone, and back", "a - - a a", "", 0},
		{"it is gone, and back as another one", "a - - b b", "user is b, was a", 1},
		{"a part is missing where it is not whole", "ab a! ab b! ab", "", 0},
		{"not whole, and another one", "a b! b b", "user is b, was a", 1},
		{"no label at all", "a _ _", `user is "", was a`, 1},
		{"very many", "a abcdefghij abcdefghij", "user is a and b and c and d and e and 5 more, was a", 1},
	} {
		b := newBench(t, rulesOf(t, `sample: info, changed: [user], by: [name], window: 1d`)...)
		deadline, changes := time.Duration(0), 0
		for word := range strings.FieldsSeq(c.snapshots) {
			all := []agent.Sample{value("other", 1)}
			letters, part := strings.CutSuffix(word, "!")
			for i, r := range strings.Trim(letters, "-") {
				all = append(all, infoOf("app", strings.Trim(string(r), "_"), "id", fmt.Sprint(i)))
			}
			for i := range all {
				if part {
					all[i].Note = "no right"
				}
			}
			b.measure(15*time.Second, all...)
			for _, k := range b.Alerts.rules[0].keys {
				if k.deadline > deadline {
					deadline = k.deadline
					changes++
				}
			}
		}
		if got := b.says(); c.changes > 0 && got != c.want || c.changes == 0 && got != "" || changes != c.changes {
			t.Errorf("%s: got %q and %d changes, want %q and %d", c.name, got, changes, c.want, c.changes)
		}
	}
}

// What a key was outlives the agent, however it ends, and times in which nothing
// is known of the server.
func TestALabelThatChangesMeanwhile(t *testing.T) {
	for name, gap := range map[string]func(b *bench){
		"a kill":                  (*bench).start,
		"a reload":                (*bench).reload,
		"the server is down":      func(b *bench) { b.measure(time.Hour, value("up", 0)) },
		"it says nothing":         func(b *bench) { b.measure(3 * time.Hour) },
		"the agent was away":      func(b *bench) { b.wall = b.wall.Add(30 * 24 * time.Hour); b.start() },
		"the machine slept":       func(b *bench) { b.wall = b.wall.Add(30 * 24 * time.Hour) },
		"the clock was put back":  func(b *bench) { b.wall = b.wall.Add(-26 * time.Hour) },
		"back, and then a kill":   func(b *bench) { b.wall = b.wall.Add(-26 * time.Hour); b.start() },
		"down, and then a kill":   func(b *bench) { b.measure(time.Hour, value("up", 0)); b.start() },
		"a kill, and then down":   func(b *bench) { b.start(); b.measure(time.Hour, value("up", 0)) },
		"not there for five days": func(b *bench) { b.wall, b.elapsed = b.wall.Add(5*24*time.Hour), b.elapsed+5*24*time.Hour; b.tick() },
	} {
		b := newBench(t, rulesOf(t, userRule)...)
		b.measure(time.Minute, infoOf("app", "www-data"))
		gap(b)
		b.measure(15*time.Second, infoOf("app", "www-data"))
		b.want(t, name+", and it is as before", "")
		gap(b)
		b.measure(15*time.Second, infoOf("app", "root"))
		b.want(t, name, "user is root, was www-data")
		b.measure(15*time.Second, infoOf("app", "root"), infoOf("app", "www-data"))
		b.start()
		b.measure(9*time.Minute, infoOf("app", "root"))
		b.want(t, name+", and a kill", "user is root, was www-data")
		b.measure(time.Minute, infoOf("app", "root"))
		b.want(t, name+", later", "(user is root, was www-data)")
	}
}

func TestALabelIsForgotten(t *testing.T) {
	b := newBench(t, rulesOf(t, userRule)...)
	b.measure(time.Minute, infoOf("app", "www-data"))
	b.elapsed += rememberFor / 2
	b.start()
	b.elapsed += rememberFor + time.Minute
	b.tick()
	if b.keys != 0 || len(b.Alerts.rules[0].series) != 0 {
		t.Errorf("%d keys, %d series are left", b.keys, len(b.Alerts.rules[0].series))
	}
	b.measure(time.Minute, infoOf("app", "root"))
	b.want(t, "after a week", "")
}

// A rule whose labels or kind is changed knows nothing of before, and what it
// told ends.
func TestARuleOnLabelsIsChanged(t *testing.T) {
	for _, c := range []struct{ now, want string }{
		{userRule, "user is root, was www-data"},
		{`sample: info, changed: [user], by: [name], window: 10m`, "(user is root, was www-data)"},
		{`sample: info, expected: {user: www-data}, by: [name]`, "(user is root, was www-data) | user is root, expected www-data"},
		{`sample: info, above: 5, by: [name]`, "(user is root, was www-data)"},
		{`match: error, by: [name]`, "(user is root, was www-data)"},
	} {
		for how, again := range map[string]func(b *bench){"kill": (*bench).start, "reload": (*bench).reload} {
			b := newBench(t, rulesOf(t, userRule)...)
			b.measure(time.Minute, infoOf("app", "www-data"))
			b.measure(time.Minute, infoOf("app", "root"))
			b.rules = rulesOf(t, c.now)
			again(b)
			b.measure(time.Minute, infoOf("app", "root"))
			got := b.says()
			if c.now == `sample: info, changed: [user], by: [name], window: 10m` {
				b.measure(10*time.Minute, infoOf("app", "root"))
				got = b.says()
			}
			if got != c.want {
				t.Errorf("%s, %s: got %q, want %q", c.now, how, got, c.want)
			}
		}
	}
}

// A file that an older agent wrote knows no traits: the first snapshot is the
// first sight.
func TestLabelsAfterAnOlderAgent(t *testing.T) {
	b := newBench(t, rulesOf(t, `sample: info, above: 0, by: [name]`)...)
	b.measure(time.Minute, infoOf("app", "www-data"))
	b.rules = rulesOf(t, userRule)
	b.start()
	b.measure(time.Minute, infoOf("app", "root"))
	b.want(t, "at first", "(info > 0)")
	for _, traits := range []string{`{}`, `{"labels":["user","privileged"],"values":[["x"]],"unseen":-5}`, `{"labels":["user"],"values":[["x"]],"unseen":9223372036854775807}`, `null`} {
		b.edit(t, "traits", traits)
		b.start()
		b.measure(time.Minute, infoOf("app", traits))
		b.want(t, traits, "(info > 0)")
	}
}

// edit writes something else into the file under the key, wherever it stands.
func (b *bench) edit(t *testing.T, key, value string) {
	t.Helper()
	path := filepath.Join(b.dir, stateName)
	b.flush(t.Context(), true)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	was := regexp.MustCompile(`"` + key + `":\{[^}]*\}`)
	if !was.Match(text) {
		t.Fatalf("no %s in %s", key, text)
	}
	if err := os.WriteFile(path, was.ReplaceAllLiteral(text, []byte(`"`+key+`":`+value)), 0o600); err != nil {
		t.Fatal(err)
	}
}
