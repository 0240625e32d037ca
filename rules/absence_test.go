package rules

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/webgrip/logkeel/agent"
)

// rulesOf loads rules as they stand in a file, each a line of keys.
func rulesOf(t *testing.T, lines ...string) []loaded {
	t.Helper()
	l := &loader{names: map[string]place{}}
	text := "groups:\n  - name: g\n    rules:\n"
	for i, keys := range lines {
		text += fmt.Sprintf("      - {name: R%d, %s}\n", i, keys)
	}
	l.data("rules.yaml", []byte(text))
	if len(l.errs) > 0 {
		t.Fatal(l.errs)
	}
	return l.rules
}

// firing is what fires, as the values of its key, sorted.
func (o *told) firingKeys() string {
	var list []string
	for _, a := range o.byID {
		if !a.Firing() {
			continue
		}
		var key []string
		for _, l := range a.Key {
			key = append(key, l.Value)
		}
		list = append(list, strings.Join(key, "/"))
	}
	slices.Sort(list)
	return strings.Join(list, " ")
}

func TestALogThatIsSilent(t *testing.T) {
	b := newBench(t, rulesOf(t, `absent: 10m, severity: critical`)...)
	b.log("app", b.wall, "hello")
	last := b.wall
	b.pass(9*time.Minute + 59*time.Second)
	if len(b.told.byID) != 0 {
		t.Fatalf("fired too early: %+v", b.told.list())
	}
	b.pass(2 * time.Second)
	a := b.told.one(t)
	if !a.Firing() || !a.Absent || a.Starts != last || a.Condition != "no line for 10m" || a.Source != "app" || a.Count != 0 {
		t.Fatalf("%+v", a)
	}
	b.pass(time.Hour)
	if a = b.told.one(t); b.wall.Sub(a.Last) > 2*time.Minute {
		t.Errorf("it goes on, and was last told to do so %v ago", b.wall.Sub(a.Last))
	}
	b.log("app", b.wall, "here I am")
	b.tick()
	if a = b.told.one(t); a.Firing() || a.Ended != b.wall || a.End != "" {
		t.Errorf("%+v", a)
	}
	b.pass(10*time.Minute + time.Second)
	if list := b.told.list(); len(list) != 2 || !list[1].Firing() {
		t.Errorf("silent again: %+v", list)
	}
}

func TestALineThatDoesNotCome(t *testing.T) {
	b := newBench(t, rulesOf(t, `match: 'backup of (?P<db>\w+) completed in (?P<n>\d+)', where: n > 0, not: dry run, absent: 26h, by: [db]`)...)
	pass := func(d time.Duration) {
		for range int(d / time.Minute) {
			b.wall, b.elapsed = b.wall.Add(time.Minute), b.elapsed+time.Minute
			b.tick()
		}
	}
	b.log("cron", b.wall, "backup of shop completed in 5 s", "backup of crm completed in 7 s")
	for i := range 26 {
		pass(time.Hour)
		b.log("cron", b.wall, "nothing to do", "backup of crm completed in 0 s", "backup of crm completed in 9 s, dry run")
		if i == 20 {
			b.log("cron", b.wall, "backup of shop completed in 6 s")
		}
	}
	if got := b.told.firingKeys(); got != "crm" {
		t.Errorf("%q fires, want crm", got)
	}
	if a := b.told.one(t); a.Condition != `no line with "backup of (?P<db>\w+) completed in (?P<n>\d+)" for 26h` {
		t.Errorf("%s", a.Condition)
	}
}

// What source names is waited for also where it never was, and after its
// container is gone.
func TestWhatSourceNames(t *testing.T) {
	b := newBench(t, rulesOf(t, `absent: 1m, source: {service: [app, worker]}`)...)
	b.Opened(sourceNamed("app-1"))
	b.Opened(sourceNamed("other-1"))
	b.log("app-1", b.wall, "hello")
	b.pass(30 * time.Second)
	b.flush(t.Context(), true)
	b.start() // since the agent first started
	b.pass(31 * time.Second)
	if got := b.told.firingKeys(); got != "app worker" {
		t.Fatalf("%q fires", got)
	}
	b.log("app-2", b.wall, "hello")
	b.tick()
	if got := b.told.firingKeys(); got != "worker" {
		t.Fatalf("%q fires", got)
	}
	b.Closed(sourceNamed("app-2"), true)
	b.Closed(sourceNamed("app-1"), true)
	b.pass(time.Minute)
	if got := b.told.firingKeys(); got != "app worker" {
		t.Fatalf("%q fires when the containers are gone", got)
	}
}

func TestAllLogsTogether(t *testing.T) {
	b := newBench(t, rulesOf(t, `absent: 1m, by: []`)...)
	for i := range 10 {
		b.log([]string{"app", "web"}[i%2], b.wall, "hello")
		b.pass(50 * time.Second)
	}
	if len(b.told.byID) != 0 {
		t.Fatalf("%+v", b.told.list())
	}
	b.pass(11 * time.Second)
	if a := b.told.one(t); a.Source != "all logs" {
		t.Errorf("%+v", a)
	}
}

// A log that is removed is not silent: it is gone. One that is only not read for a
// while may be silent.
func TestALogThatIsGone(t *testing.T) {
	b := newBench(t, rulesOf(t, `absent: 1m`)...)
	for _, name := range []string{"app", "web", "db"} { // none has a line
		b.Opened(sourceNamed(name))
	}
	b.pass(61 * time.Second)
	if got := b.told.firingKeys(); got != "app db web" {
		t.Fatalf("%q fires", got)
	}
	b.Closed(sourceNamed("app"), true)
	b.Closed(sourceNamed("db"), false)
	b.pass(5 * time.Minute)
	if got := b.told.firingKeys(); got != "db web" {
		t.Fatalf("%q fires", got)
	}
	for _, a := range b.told.byID {
		if !a.Firing() && (a.Source != "app" || a.End != "its log is gone") {
			t.Errorf("%+v", a)
		}
	}
	b.start()
	b.Opened(sourceNamed("web"))
	b.pass(unopenedAfter)
	if got := b.told.firingKeys(); got != "web" {
		t.Errorf("%q fires an hour after a start", got)
	}
}

func TestNothingIsAbsentThatIsNotRead(t *testing.T) {
	b := newBench(t, rulesOf(t, `absent: 1m, by: [service]`, `match: 'job (?P<n>\d)', absent: 1m, by: [n]`)...)
	b.log("app-1", b.wall, "job 1")
	b.log("app-2", b.wall, "job 2")
	b.unread = map[string]int64{"docker/app-1": 0, "docker/app-2": 1}
	b.pass(time.Hour)
	if len(b.told.byID) != 0 {
		t.Fatalf("%+v", b.told.list())
	}
	b.unread["docker/app-2"] = 0
	b.log("app-2", b.wall.Add(-30*time.Second), "job 2")
	b.pass(time.Second)
	if got := b.told.firingKeys(); got != "1" {
		t.Errorf("%q fires", got)
	}
	b.pass(30 * time.Second)
	if got := b.told.firingKeys(); got != "1 2 app" {
		t.Errorf("%q fires", got)
	}
}

func TestNothingIsAbsentInTheStartGrace(t *testing.T) {
	b := newBench(t, rulesOf(t, `absent: 10s, source: {service: app}`)...)
	b.grace = b.elapsed + startGrace
	b.pass(29 * time.Second)
	if len(b.told.byID) != 0 {
		t.Fatalf("%+v", b.told.list())
	}
	b.pass(2 * time.Second)
	b.told.one(t)
}

// The time in which no agent ran is no silence; lines of that time count by their own
// time.
func TestAbsenceWhileTheAgentWasAway(t *testing.T) {
	for _, c := range []struct {
		name  string
		line  time.Duration // before the start, was written meanwhile; 0: none was
		fires time.Duration // after the start
	}{
		{"nothing", 0, 6 * time.Minute},
		{"long ago", 2 * time.Hour, 6 * time.Minute},
		{"a minute ago", time.Minute, 9 * time.Minute},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t, rulesOf(t, `absent: 10m`)...)
			b.log("app", b.wall, "hello")
			b.pass(4 * time.Minute)
			b.flush(t.Context(), true) // the file may be as old as the last line
			b.wall = b.wall.Add(3 * time.Hour)
			if c.line > 0 {
				b.written["app"] = append(b.written["app"], agent.Line{Time: b.wall.Add(-c.line), Text: "meanwhile"})
			}
			b.start()
			b.Opened(sourceNamed("app"))
			b.pass(c.fires - time.Second)
			if len(b.told.byID) != 0 {
				t.Fatalf("fired too early: %+v", b.told.list())
			}
			b.pass(2 * time.Second)
			b.told.one(t)
		})
	}
}

// A killed agent does not forget how long it was silent, though nothing was written since.
func TestSilenceThroughAKill(t *testing.T) {
	b := newBench(t, rulesOf(t, `absent: 10m`)...)
	b.log("app", b.wall, "hello")
	b.pass(8 * time.Minute)
	b.start()
	b.Opened(sourceNamed("app"))
	k := b.Alerts.rules[0].keys["log\x00app\x00"]
	b.restoreAway(k, b.wall.Add(-9*time.Minute), time.Minute)
	b.pass(119 * time.Second)
	if len(b.told.byID) != 0 {
		t.Fatalf("%+v", b.told.list())
	}
	b.pass(2 * time.Second)
	id := b.told.one(t).ID
	b.start()
	b.Opened(sourceNamed("app"))
	b.pass(2 * time.Minute)
	if a := b.told.one(t); a.ID != id || !a.Firing() {
		t.Errorf("%+v", a)
	}
}

// restoreAway restores what the file would have after an absence of so long.
func (b *bench) restoreAway(k *key, heard time.Time, away time.Duration) {
	b.away = away
	b.restoreSilence(k, heard, heard, b.wall, b.clock.Elapsed())
	k.silence.opened = true
}

// Neither a clock that is set nor a machine that slept makes anything silent: for
// both the wall's clock jumps and the other one does not.
func TestAbsenceAndClocks(t *testing.T) {
	for _, jump := range []time.Duration{-26 * time.Hour, -time.Minute, 8 * time.Hour, 400 * 24 * time.Hour} {
		t.Run(jump.String(), func(t *testing.T) {
			b := newBench(t, rulesOf(t, `absent: 10m`)...)
			b.unread = map[string]int64{"docker/app": 0}
			b.log("app", b.wall, "hello")
			b.pass(9*time.Minute + 50*time.Second)
			b.written["app"] = append(b.written["app"], agent.Line{Time: b.wall, Text: "written just before"})
			b.wall = b.wall.Add(jump)
			b.read("app")
			b.pass(9*time.Minute + 50*time.Second)
			if len(b.told.byID) != 0 {
				t.Fatalf("%+v", b.told.list())
			}
			b.pass(20 * time.Second)
			if a := b.told.one(t); !a.Firing() || a.Starts.After(a.Last) {
				t.Errorf("%+v", a)
			}
			b.log("app", b.wall, "hello")
			b.tick()
			if a := b.told.one(t); a.Firing() || a.Ended.Before(a.Starts) {
				t.Errorf("%+v", a)
			}
		})
	}
}

// What nobody has heard of for long, and nobody names, is not waited for for ever.
func TestWhatIsAbsentForWeeksIsForgotten(t *testing.T) {
	b := newBench(t, rulesOf(t, `match: 'from (?P<host>\w+)', absent: 1h, by: [host]`)...)
	b.log("app", b.wall, "from a")
	for range 24 * 9 {
		b.wall, b.elapsed = b.wall.Add(time.Hour), b.elapsed+time.Hour
		b.tick()
	}
	if a := b.told.one(t); a.Firing() || a.End == "" || b.keys != 0 {
		t.Errorf("%d keys, %+v", b.keys, a)
	}
}

func TestAnAbsenceThatIsNoneAnyMore(t *testing.T) {
	b := newBench(t, rulesOf(t, `match: error, absent: 1m`)...)
	b.Opened(sourceNamed("app"))
	b.pass(61 * time.Second)
	b.rules = rulesOf(t, `match: error`)
	b.start()
	b.pass(2 * time.Second)
	if a := b.told.one(t); a.Firing() || a.End == "" {
		t.Errorf("%+v", a)
	}
	b.rules = rulesOf(t, `match: error, absent: 1m`)
	b.log("app", b.wall, "error")
	b.tick()
	b.start()
	b.pass(2 * time.Second)
	if got := b.told.firingKeys(); got != "" {
		t.Errorf("%q fires", got)
	}
}

// A rule on any line costs nothing a line, and makes no findings.
func TestAbsenceOfAnyLineIsJudgedByBatch(t *testing.T) {
	b := newBench(t, rulesOf(t, `absent: 10m`)...)
	batch := &agent.Batch{Source: sourceNamed("app"), Buf: []byte("a line")}
	for range 1000 {
		batch.Records = append(batch.Records, agent.Record{Time: b.wall.UnixNano(), Body: agent.Span{End: 6}})
	}
	b.Opened(batch.Source)
	n := testing.AllocsPerRun(100, func() {
		batch.Pos = agent.Position{Epoch: 1, Offset: batch.Pos.Offset + 1}
		b.set.Match(batch)
		b.Records(batch, 0)
	})
	if n > 0 || len(batch.Findings) != 0 {
		t.Errorf("%v allocations and %d findings", n, len(batch.Findings))
	}
}
