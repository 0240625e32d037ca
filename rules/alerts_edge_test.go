package rules

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/webgrip/logkeel/agent"
)

// Of two logs that are counted together one is read hours late: what fires
// because of the other goes on.
func TestALogThatIsBehindEndsNothing(t *testing.T) {
	b := newBench(t, ruleOn("Error", policy{threshold: 1, window: 5 * time.Minute}))
	b.unread = map[string]int64{}
	for i := range 10 {
		b.log("app", b.wall, "error")
		b.pass(2 * time.Second)
		b.log("old", b.wall.Add(-3*time.Hour+time.Duration(i)*time.Minute), "error")
		b.pass(2 * time.Second)
	}
	last := b.wall.Add(-4 * time.Second)
	b.pass(calm)
	a := b.told.one(t)
	if !a.Firing() || a.Count != 20 || a.Last.Before(a.Starts) {
		t.Fatalf("%+v", a)
	}
	b.pass(6 * time.Minute)
	if a = b.told.one(t); a.Firing() || !a.Ended.Equal(last) {
		t.Errorf("ended %v, want %v", a.Ended, last)
	}
}

// Neither hides what the other one has enough of.
func TestALogThatIsBehindHidesNothing(t *testing.T) {
	b := newBench(t, ruleOn("Error", policy{threshold: 3, window: time.Minute}))
	b.unread = map[string]int64{"docker/old": 1, "docker/app": 1}
	old := b.wall.Add(-40 * time.Minute)
	for i := range 3 {
		b.log("app", b.wall, "error")
		b.log("old", old.Add(time.Duration(i)*time.Second), "error")
		if i == 1 {
			b.tick()
			b.start()
		}
	}
	b.tick()
	if a := b.told.one(t); a.Count < 3 {
		t.Errorf("%+v", a)
	}
}

// An output that was added while something fires hears of it.
func TestAnOutputThatIsAddedHearsWhatFires(t *testing.T) {
	for _, c := range []struct {
		name  string
		rule  loaded
		begin func(*bench)
	}{
		{"a log", ruleOn("Error", times(1, time.Hour)), func(b *bench) { b.log("app", b.wall, "error") }},
		{"a sample", ruleOf(measure{sample: "up", equals: number(0)}, eachSeries), func(b *bench) { b.measure(time.Minute, value("up", 0, "target", "main")) }},
		{"a label", rulesOf(t, userRule)[0], func(b *bench) {
			b.measure(30*time.Second, infoOf("a", "x"))
			b.measure(30*time.Second, infoOf("a", "y"))
		}},
		{"what is missing", rulesOf(t, goneRule)[0], func(b *bench) { b.measure(30*time.Second, infoOf("a", "x")); b.measure(11*time.Minute, value("up", 1)) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t, c.rule)
			c.begin(b)
			b.pass(10 * time.Second)
			was := b.told.one(t)
			b.told = told{byID: map[string]agent.Alert{}}
			b.start()
			b.tick()
			if a := b.told.one(t); !a.Firing() || a.ID != was.ID || a.Revision != was.Revision {
				t.Errorf("%+v, was %+v", a, was)
			}
			calls := b.told.calls
			b.pass(30 * time.Second)
			if b.told.calls != calls {
				t.Errorf("handed on %d times more", b.told.calls-calls)
			}
		})
	}
}

// What came after an alert was handed on is told also after a kill.
func TestCountsThatWereNotHandedOnAreAfterAKill(t *testing.T) {
	b := newBench(t, ruleOn("Error", times(1, time.Hour)))
	b.log("app", b.wall, "error")
	b.pass(2 * time.Second)
	b.log("app", b.wall, "error")
	b.pass(time.Second)
	b.start()
	b.pass(10 * time.Second)
	if a := b.told.one(t); a.Count != 2 {
		t.Errorf("%+v", a)
	}
}

// A rule that keeps fewer keys apart than before ends what it cannot keep.
func TestKeysThatAreTooManyAtTheStart(t *testing.T) {
	rule := func(threshold int) loaded {
		r := ruleOn("Error", policy{threshold: threshold, window: 5 * time.Minute, by: []keyPart{{name: "ip", group: true}}})
		r.match[0], _ = compile(`error from (?P<ip>\S+)`)
		return r
	}
	b := newBench(t, rule(1))
	for i := range 100 {
		b.log("app", b.wall, fmt.Sprintf("error from %d", i))
	}
	b.tick()
	b.rules = []loaded{rule(maxThreshold)}
	b.start()
	b.reconcile(t.Context())
	b.pass(10 * time.Minute)
	for _, a := range b.told.byID {
		if a.Firing() {
			t.Fatalf("fires for ever: %+v", a)
		}
	}
	if len(b.outbox) != 0 || b.keys != 0 {
		t.Errorf("%d alerts and %d keys are left", len(b.outbox), b.keys)
	}
}

// Series that come and go take no place for ever, also where they share a key.
func TestSeriesThatAreGoneMakeRoom(t *testing.T) {
	b := newBench(t, ruleOf(measure{sample: "restarts", changed: upward}, policy{threshold: 1, window: time.Minute, by: []keyPart{{name: "service"}}}))
	one := func(i int, v float64) agent.Sample {
		return value("restarts", v, "service", "app", "name", fmt.Sprint("app-", i))
	}
	for i := range 3 {
		var all []agent.Sample
		for n := range maxRuleSeries {
			all = append(all, one(i*maxRuleSeries+n, 1))
		}
		b.measure(time.Minute, all...)
		b.measure(10*time.Minute, one(-1, 1))
	}
	b.measure(time.Minute, one(-2, 1))
	b.measure(15*time.Second, one(-2, 2))
	b.told.one(t)
	if n := len(b.Alerts.rules[0].series); n > 2 {
		t.Errorf("%d series are remembered", n)
	}
}

func TestTooManySeriesAreSaid(t *testing.T) {
	var said bytes.Buffer
	b := newBench(t, ruleOf(measure{sample: "x", above: number(1)}, eachSeries))
	b.Alerts.log = slog.New(slog.NewTextHandler(&said, nil))
	var all []agent.Sample
	for i := range maxRuleSeries + 5 {
		all = append(all, value("x", 0, "name", fmt.Sprint(i)))
	}
	b.measure(time.Minute, all...)
	if n := strings.Count(said.String(), "more series"); n != 1 {
		t.Errorf("said %d times: %s", n, said.String())
	}
}

// While nobody takes alerts, those that are over do not fill the memory.
func TestAlertsThatNobodyTakesAreBounded(t *testing.T) {
	r := ruleOn("Error", policy{threshold: 1, window: time.Second, by: []keyPart{{name: "ip", group: true}}})
	r.match[0], _ = compile(`error from (?P<ip>\S+)`)
	b := newBench(t, r)
	b.pass(time.Second)
	b.log("app", b.wall, "error from first")
	b.tick()
	b.told.err = errors.New("no space left on device")
	for range maxEnded/900 + 2 {
		var lines []string
		for i := range 900 {
			lines = append(lines, fmt.Sprintf("error from %d", i))
		}
		b.log("app", b.wall, lines...)
		b.wall, b.elapsed = b.wall.Add(3*time.Second), b.elapsed+3*time.Second
		b.tick()
	}
	if n := len(b.outbox); n > maxEnded {
		t.Fatalf("%d alerts are kept", n)
	}
	b.told.err = nil
	b.tick()
	if n := len(b.told.byID); n < maxEnded/2 {
		t.Errorf("%d alerts were told", n)
	}
	for _, a := range b.told.byID {
		if a.Firing() && a.Key[0].Value == "first" {
			t.Fatalf("its end was dropped: %+v", a)
		}
	}
}

// An output that takes nothing is said once, whatever is written meanwhile.
func TestAnOutputThatTakesNothingIsSaidOnce(t *testing.T) {
	var said bytes.Buffer
	b := newBench(t, ruleOn("Error", times(1, time.Hour)))
	log := slog.New(slog.NewTextHandler(&said, nil))
	b.trouble, b.handing = agent.NewTrouble(log), agent.NewTrouble(log)
	b.told.err = errors.New("no space left on device")
	for range 30 {
		b.log("app", b.wall, "error")
		b.pass(time.Second)
	}
	b.told.err = nil
	b.log("app", b.wall, "error")
	b.pass(10 * time.Second)
	if lines := strings.Count(said.String(), "\n"); lines != 2 || !strings.Contains(said.String(), "handed on again") {
		t.Errorf("%s", said.String())
	}
}

// An alert of several series shows one that is out of bounds now, and when it
// last was.
func TestAnAlertOfSeveralSeriesShowsOneThatIsSo(t *testing.T) {
	b := newBench(t, ruleOf(measure{sample: "health", equals: number(1)}, policy{threshold: 1, window: time.Minute, by: []keyPart{{name: "service"}}}))
	one := func(name string, v float64) agent.Sample {
		return value("health", v, "target", "engine", "service", "app", "name", name)
	}
	b.measure(time.Minute, one("app-1", 1), one("app-2", 0))
	b.measure(time.Minute, one("app-1", 0), one("app-2", 1))
	a := b.told.one(t)
	if a.Source != "app-2" || a.Labels[2].Value != "app-2" {
		t.Errorf("%+v", a)
	}
	b.measure(4*time.Hour, one("app-1", 0), one("app-2", 1))
	if a = b.told.one(t); b.wall.Sub(a.Last) > 2*time.Minute {
		t.Errorf("it is still so, and was last told to be %v ago", b.wall.Sub(a.Last))
	}
}
