package rules

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/webgrip/logkeel/agent"
)

func TestThresholdInWindow(t *testing.T) {
	b := newBench(t, ruleOn("Error", times(3, time.Minute)))
	b.log("app", b.wall, "error 1", "fine", "error 2")
	b.pass(61 * time.Second)
	b.log("app", b.wall, "error 3", "error 4")
	b.tick()
	if len(b.told.byID) != 0 {
		t.Fatalf("fired after two within a minute: %+v", b.told.list())
	}
	b.log("web", b.wall, "error of another log")
	b.log("app", b.wall.Add(time.Second), "error 5")
	b.tick()
	a := b.told.one(t)
	if !a.Firing() || a.Count != 3 || a.Starts != b.wall || a.Source != "app" || linesOf(a.First) != "error 3,error 4,error 5" {
		t.Errorf("%+v", a)
	}
	if want := []agent.Label{{Name: "log", Value: "app"}}; !slices.Equal(a.Key, want) || a.Labels[0].Value != "app" || a.Rule.Name != "Error" {
		t.Errorf("%+v", a)
	}
	for i := range 10 {
		b.log("app", b.wall, fmt.Sprint("error ", i+6))
	}
	b.pass(calm)
	a = b.told.one(t)
	if a.Count != 13 || linesOf(a.First) != "error 3,error 4,error 5" || linesOf(a.Latest) != "error 13,error 14,error 15" {
		t.Errorf("%+v", a)
	}
	last := a.Last
	b.pass(time.Minute)
	if a = b.told.one(t); a.Firing() || a.Ended != last || a.Count != 13 {
		t.Errorf("a minute later: %+v", a)
	}
	b.log("app", b.wall, "error 16", "error 17")
	b.tick()
	b.told.one(t)
	b.log("app", b.wall, "error 18")
	b.tick()
	if list := b.told.list(); len(list) != 2 || !list[1].Firing() || list[1].Count != 3 || linesOf(list[1].First) != "error 16,error 17,error 18" {
		t.Errorf("a second incident: %+v", list)
	}
}

func TestKeys(t *testing.T) {
	for _, c := range []struct {
		name string
		by   []keyPart
		want []string
	}{
		{"all together", nil, []string{""}},
		{"a label", []keyPart{{name: "container"}}, []string{"container=app", "container=web"}},
		{"a group", []keyPart{{name: "ip", group: true}}, []string{"ip=1.1.1.1", "ip=2.2.2.2"}},
		{"both", []keyPart{{name: "ip", group: true}, {name: "log"}}, []string{"ip=1.1.1.1 log=app", "ip=1.1.1.1 log=web", "ip=2.2.2.2 log=app"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := ruleOn("Error", policy{threshold: 1, window: time.Minute, by: c.by})
			r.match[0], _ = compile(`error from (?P<ip>[0-9.]+)`)
			b := newBench(t, r)
			b.log("app", b.wall, "error from 1.1.1.1", "error from 2.2.2.2")
			b.log("web", b.wall, "error from 1.1.1.1")
			b.tick()
			var got []string
			total := uint64(0)
			for _, a := range b.told.list() {
				var key []string
				for _, l := range a.Key {
					key = append(key, l.Name+"="+l.Value)
				}
				got = append(got, strings.Join(key, " "))
				total += a.Count
			}
			slices.Sort(got)
			if !slices.Equal(got, c.want) || total != 3 {
				t.Errorf("got %q with %d findings, want %q with 3", got, total, c.want)
			}
		})
	}
}

func TestTooManyKeysAreCountedTogether(t *testing.T) {
	r := ruleOn("Error", policy{threshold: 1, window: time.Minute, by: []keyPart{{name: "ip", group: true}}})
	r.match[0], _ = compile(`error from (?P<ip>\S+)`)
	b := newBench(t, r)
	for i := range 3 * maxKeys {
		b.log("app", b.wall, fmt.Sprintf("error from %d", i))
	}
	b.tick()
	total := uint64(0)
	for _, a := range b.told.list() {
		total += a.Count
	}
	if len(b.told.byID) != maxKeys+1 || total != 3*maxKeys {
		t.Errorf("%d alerts with %d findings, want %d with %d", len(b.told.byID), total, maxKeys+1, 3*maxKeys)
	}
	b.pass(3 * time.Minute)
	if b.keys != 0 {
		t.Errorf("%d keys are left when all is over", b.keys)
	}
}

// What is read after an absence is judged by when it was logged.
func TestOldLines(t *testing.T) {
	b := newBench(t, ruleOn("Error", times(1, 5*time.Minute)))
	b.unread = map[string]int64{"docker/app": 1000}
	for _, ago := range []time.Duration{30 * time.Hour, 20 * time.Hour, 2 * time.Hour, 50 * time.Minute, 48 * time.Minute, 20 * time.Minute, 0} {
		b.log("app", b.wall.Add(-ago), fmt.Sprint("error ", ago))
		b.pass(2 * time.Second)
	}
	list := b.told.list()
	if len(list) != 4 {
		t.Fatalf("%d alerts, want 4: %+v", len(list), list)
	}
	if a := list[0]; !a.Late || a.Firing() || a.Count != 3 || a.Ended.Sub(a.Starts).Round(time.Hour) != 28*time.Hour {
		t.Errorf("what is old news: %+v", a)
	}
	if a := list[1]; a.Late || a.Firing() || a.Count != 2 {
		t.Errorf("50 minutes ago: %+v", a)
	}
	if a := list[2]; a.Late || a.Firing() || a.Count != 1 {
		t.Errorf("20 minutes ago: %+v", a)
	}
	if a := list[3]; a.Late || !a.Firing() || a.Count != 1 {
		t.Errorf("now: %+v", a)
	}
}

func TestOldLinesAreToldTogetherOnceTheyAreRead(t *testing.T) {
	b := newBench(t, ruleOn("Error", times(1, 5*time.Minute)))
	b.unread = map[string]int64{"docker/app": 1000}
	for i := range 100 {
		b.log("app", b.wall.Add(-time.Duration(200-i)*time.Hour), "error")
		b.pass(2 * time.Second)
	}
	if len(b.told.byID) != 0 {
		t.Fatalf("told while more was there to read: %+v", b.told.list())
	}
	b.unread = nil
	b.pass(2 * time.Second)
	if a := b.told.one(t); !a.Late || a.Firing() || a.Count != 100 {
		t.Errorf("%+v", a)
	}
}

func TestNothingIsOverWhileTheLogIsNotRead(t *testing.T) {
	b := newBench(t, ruleOn("Error", times(1, time.Minute)))
	b.log("app", b.wall, "error 1")
	b.unread = map[string]int64{"docker/app": 1}
	start := b.wall
	b.pass(10 * time.Minute)
	b.log("app", start.Add(50*time.Second), "error 2")
	b.unread = nil
	b.pass(2 * time.Second)
	if a := b.told.one(t); a.Firing() || a.Count != 2 {
		t.Errorf("%+v", a)
	}
}

// Of many containers one alert is made: what is left to read of each may belong to it.
func TestNothingIsOverWhileOneOfItsLogsIsNotRead(t *testing.T) {
	b := newBench(t, ruleOn("Error", policy{threshold: 1, window: time.Minute}))
	b.log("app-1", b.wall, "error 1")
	b.log("app-2", b.wall, "error 2")
	b.unread = map[string]int64{"docker/app-1": 1}
	start := b.wall
	b.pass(10 * time.Minute)
	b.log("app-1", start.Add(50*time.Second), "error 3")
	b.unread = map[string]int64{"docker/app-3": 1} // which has nothing to do with it
	b.pass(2 * time.Second)
	if a := b.told.one(t); a.Firing() || a.Count != 3 {
		t.Errorf("%+v", a)
	}
}

func TestAClockThatJumps(t *testing.T) {
	for _, jump := range []time.Duration{-26 * time.Hour, -time.Hour, 3 * time.Hour, 400 * 24 * time.Hour} {
		t.Run(jump.String(), func(t *testing.T) {
			b := newBench(t, ruleOn("Error", times(2, time.Minute)))
			for range 3 {
				b.log("app", b.wall, "error")
				b.pass(10 * time.Second)
			}
			b.wall = b.wall.Add(jump)
			for range 3 {
				b.log("app", b.wall, "error")
				b.pass(10 * time.Second)
			}
			if a := b.told.one(t); !a.Firing() || a.Count != 6 {
				t.Fatalf("%+v", a)
			}
			b.pass(time.Minute)
			if a := b.told.one(t); a.Firing() {
				t.Fatalf("not over a minute after the last: %+v", a)
			}
			b.log("app", b.wall, "error", "error")
			b.tick()
			if len(b.told.byID) != 2 {
				t.Errorf("nothing is found after the jump: %+v", b.told.list())
			}
		})
	}
}

func TestAnOutputThatTakesNothing(t *testing.T) {
	b := newBench(t, ruleOn("Error", times(1, time.Minute)))
	b.told.err = errors.New("no space left on device")
	b.log("app", b.wall, "error")
	b.pass(2 * time.Minute)
	b.start()
	b.tick()
	b.told.err = nil
	b.tick()
	if a := b.told.one(t); a.Firing() || a.Count != 1 {
		t.Errorf("%+v", a)
	}
	calls := b.told.calls
	b.pass(time.Minute)
	if b.told.calls != calls {
		t.Errorf("handed on %d times more", b.told.calls-calls)
	}
}

func TestTheStateFileCannotBeWritten(t *testing.T) {
	b := newBench(t, ruleOn("Error", times(1, time.Minute)))
	if err := os.Mkdir(filepath.Join(b.dir, stateName+".tmp"), 0o700); err != nil {
		t.Fatal(err)
	}
	b.log("app", b.wall, "error")
	b.tick()
	b.told.one(t)
	if b.failures == 0 || !b.trouble.Active() {
		t.Error("not counted, or not said")
	}
	os.Remove(filepath.Join(b.dir, stateName+".tmp"))
	b.tick()
	if b.trouble.Active() || b.dirty {
		t.Error("not written when it could be")
	}
}

func TestAFileThatCannotBeUnderstoodIsPutAside(t *testing.T) {
	for _, content := range []string{"", "{", `{"version":99}`, `[]`} {
		b := newBench(t, ruleOn("Error", times(1, time.Minute)))
		path := filepath.Join(b.dir, stateName)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		b.start()
		if got, err := os.ReadFile(path + ".bad"); err != nil || string(got) != content {
			t.Errorf("%q: %q, %v", content, got, err)
		}
	}
}

func TestARuleThatIsRemovedFiresNoMore(t *testing.T) {
	b := newBench(t, ruleOn("Error", times(1, time.Minute)), ruleOn("Other", times(1, time.Minute)))
	b.log("app", b.wall, "error")
	b.tick()
	b.rules = b.rules[1:]
	b.start()
	b.tick()
	if a := b.told.one(t); a.Firing() || a.End == "" {
		t.Errorf("%+v", a)
	}
}

// At each start the outputs hear which alerts fire.
func TestWhatFiresIsToldAtTheStart(t *testing.T) {
	b := newBench(t, ruleOn("Error", times(1, time.Minute)))
	b.log("app", b.wall, "error")
	b.tick()
	id := b.told.one(t).ID
	b.start()
	b.reconcile(t.Context())
	if want := map[string]bool{id: true}; !maps.Equal(b.told.firing, want) {
		t.Errorf("%v fires, want %v", b.told.firing, want)
	}
	if err := os.Remove(filepath.Join(b.dir, stateName)); err != nil {
		t.Fatal(err)
	}
	b.written = nil
	b.start()
	b.reconcile(t.Context())
	if b.told.firing == nil || len(b.told.firing) != 0 {
		t.Errorf("%v fires, of which nothing is known", b.told.firing)
	}
}

// A killed agent tells what one tells that was never killed: the same alerts,
// by the same IDs, with the same counts.
func TestKilledAtAnyTime(t *testing.T) {
	t.Parallel()
	type step struct {
		source string
		lines  []string
		pass   time.Duration
		early  bool // killed before what was read is on the disk
		kill   bool
		fails  bool
	}
	rules := func() []loaded {
		return []loaded{ruleOn("Error", times(1, 20*time.Second)), ruleOn("Slow", times(4, 10*time.Second)), ruleOn("Attack", times(2, time.Minute)), ruleOn("Fine", policy{threshold: 2, window: 30 * time.Second, spike: 2, byLog: true})}
	}
	run := func(steps []step, kills bool) map[string]string {
		b := newBench(t, rules()...)
		for _, s := range steps {
			b.log(s.source, b.wall, s.lines...)
			b.told.err = nil
			if s.fails && kills {
				b.told.err = errors.New("disk full")
			}
			if s.early && kills {
				b.start()
			}
			b.pass(s.pass)
			if s.kill && kills {
				b.start()
			}
		}
		b.told.err = nil
		b.pass(5 * time.Minute)
		got := map[string]string{}
		for id, a := range b.told.byID {
			got[id] = fmt.Sprintf("%s %v %d firing=%v %s", a.Rule.Name, a.Key, a.Count, a.Firing(), linesOf(a.First))
		}
		return got
	}
	for seed := range uint64(12) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		var steps []step
		for range 60 {
			s := step{source: []string{"app", "web"}[rnd.IntN(2)], pass: time.Duration(rnd.IntN(12)) * time.Second, early: rnd.IntN(4) == 0, kill: rnd.IntN(4) == 0, fails: rnd.IntN(3) == 0}
			for range rnd.IntN(4) {
				s.lines = append(s.lines, []string{"error", "slow", "attack", "fine", "slow error"}[rnd.IntN(5)])
			}
			steps = append(steps, s)
		}
		want, got := run(steps, false), run(steps, true)
		if !maps.Equal(got, want) {
			t.Fatalf("seed %d: %s", seed, difference(got, want))
		}
	}
}

func difference(got, want map[string]string) string {
	var s strings.Builder
	for id, w := range want {
		if got[id] != w {
			fmt.Fprintf(&s, "\n%s: got %q, want %q", id, got[id], w)
		}
	}
	for id, g := range got {
		if want[id] == "" {
			fmt.Fprintf(&s, "\n%s: got %q, want none", id, g)
		}
	}
	return s.String()
}

// In a storm the lines that nobody will see cost no memory.
func TestAStormAllocatesByBatchNotByLine(t *testing.T) {
	b := newBench(t, ruleOn("Error", times(5, time.Minute)))
	batch := &agent.Batch{Source: &agent.Source{ID: "docker/app", Name: "app"}, Buf: []byte("an error")}
	for range 1000 {
		batch.Records = append(batch.Records, agent.Record{Time: b.wall.UnixNano(), Body: agent.Span{End: 8}})
	}
	b.set.Match(batch)
	if len(batch.Findings) != 1000 {
		t.Fatalf("%d findings", len(batch.Findings))
	}
	n := testing.AllocsPerRun(100, func() {
		batch.Pos = agent.Position{Epoch: 1, Offset: batch.Pos.Offset + 1}
		b.Records(batch, 0)
	})
	if n > 10 {
		t.Errorf("%v allocations for a batch of 1000 findings", n)
	}
}
