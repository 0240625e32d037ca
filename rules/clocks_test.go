package rules

import (
	"testing"
	"time"

	"github.com/webgrip/logkeel/agent"
)

// jumps are what happens to the wall's clock while the other one goes on, or
// stands still: a machine sleeps for 8 h, a clock is set, an early clock is set by
// NTP.
func jumps() map[string]time.Duration {
	return map[string]time.Duration{
		"sleeps": 8 * time.Hour, "put on": 26 * time.Hour, "put back": -26 * time.Hour, "from 1970": 56 * 365 * 24 * time.Hour, "by a minute": time.Minute,
	}
}

// TestSleepTellsNobody: a network that goes before the machine sleeps and comes
// some seconds after it wakes makes no page be down.
func TestSleepTellsNobody(t *testing.T) {
	l := &loader{names: map[string]place{}}
	l.pack("samples", "packs[0]")
	up, down := value("probe_success", 1, "target", "shop"), value("probe_success", 0, "target", "shop")
	for name, jump := range jumps() {
		b := newBench(t, l.rules...)
		b.measure(5*time.Minute, up)
		b.measure(30*time.Second, down)
		b.wall = b.wall.Add(jump)
		if jump < 0 {
			b.measure(5*time.Minute, up) // a clock that is put back takes no network away
		} else {
			b.measure(15*time.Second, down)
		}
		b.measure(5*time.Minute, up)
		if list := b.told.list(); len(list) != 0 {
			t.Errorf("%s: %s since %s", name, list[0].Rule.Name, list[0].Starts)
		}
		b.measure(time.Minute, down)
		if a := b.told.one(t); a.Rule.Name != "PageDown" || b.wall.Sub(a.Starts) > time.Minute {
			t.Errorf("%s: %s since %s, and it is %s", name, a.Rule.Name, a.Starts, b.wall)
		}
	}
}

// TestAHoldThroughAClockAndARestart: what has been so for seconds was not so for
// hours because the clock was put on before the agent was restarted.
func TestAHoldThroughAClockAndARestart(t *testing.T) {
	for name, jump := range jumps() {
		b := newBench(t, ruleOf(measure{sample: "up", equals: number(0), hold: 30 * time.Minute}, eachSeries))
		down := value("up", 0, "target", "main")
		b.measure(5*time.Minute, down)
		b.wall = b.wall.Add(jump)
		b.pass(2 * time.Second) // no snapshot sees it
		b.flush(t.Context(), true)
		b.pass(2 * time.Second)
		b.start()
		b.measure(20*time.Minute, down)
		if list := b.told.list(); len(list) != 0 {
			t.Errorf("%s: told since %s, and it is %s", name, list[0].Starts, b.wall)
		}
		b.measure(15*time.Minute, down)
		b.told.one(t)
	}
}

// TestSelfThroughClocks: an agent that is well has nothing to say of itself when
// its machine has slept, or a clock was set; and afterwards says what is wrong.
func TestSelfThroughClocks(t *testing.T) {
	t.Parallel()
	l := &loader{names: map[string]place{}}
	l.pack(selfPack, "self")
	var well []agent.Sample
	for _, r := range l.rules {
		v := 0.0
		if r.measure.equals != nil {
			v = 1
		}
		well = append(well, value(r.measure.sample, v, "output", "main", "kind", "records", "source", "docker"))
	}
	for name, jump := range jumps() {
		b := newBench(t, l.rules...)
		b.measure(40*time.Minute, well...)
		b.wall = b.wall.Add(jump)
		b.measure(40*time.Minute, well...)
		if list := b.told.list(); len(list) != 0 {
			t.Errorf("%s: %s", name, list[0].Rule.Name)
		}
		stalled := agent.Stalled("main", "records", 301*time.Second, "connection refused")
		b.measure(time.Minute, append([]agent.Sample{stalled}, well[:1]...)...)
		a := b.told.one(t)
		if a.Rule.Name != "OutputStalled" || a.Source != "main" || len(a.Around) != 1 || a.Around[0] != (agent.Fact{Name: "last error", Value: "connection refused"}) {
			t.Errorf("%s: %+v", name, a)
		}
	}
}

// TestSilenceSinceAnEarlyClock: what is silent since a clock showed 1970 is not
// silent since 1970.
func TestSilenceSinceAnEarlyClock(t *testing.T) {
	b := newBench(t, rulesOf(t, `absent: 10m, source: {service: app}`)...)
	b.wall = time.Unix(3, 0).UTC()
	b.start()
	b.pass(5 * time.Minute)
	b.wall = noon
	b.pass(4*time.Minute + 50*time.Second)
	if len(b.told.byID) != 0 {
		t.Fatalf("%+v", b.told.list())
	}
	b.pass(20 * time.Second)
	if a := b.told.one(t); b.wall.Sub(a.Starts) > 11*time.Minute {
		t.Errorf("silent since %s, and it is %s", a.Starts, b.wall)
	}
}

// TestTheReasonIsTold: an alert on a sample says the last error beside it, the
// newest one while it goes on, and what was told before stays as it was.
func TestTheReasonIsTold(t *testing.T) {
	b := newBench(t, ruleOf(measure{sample: "up", equals: number(0)}, eachSeries))
	down := value("up", 0, "target", "main")
	down.Note = "connection refused"
	b.measure(30*time.Second, down)
	first := b.told.one(t)
	down.Note = "no route to host"
	b.measure(30*time.Second, down)
	second := b.told.one(t)
	b.measure(30*time.Second, value("up", 1, "target", "main"))
	last := b.told.one(t)
	for _, c := range []struct {
		a    agent.Alert
		want string
	}{{first, "connection refused"}, {second, "no route to host"}, {last, "no route to host"}} {
		if len(c.a.Around) != 1 || c.a.Around[0].Value != c.want {
			t.Errorf("%+v; want %s", c.a.Around, c.want)
		}
	}
}

// TestTheReasonAmongOthers: what else was measured stands beside the reason, in
// whichever order both come.
func TestTheReasonAmongOthers(t *testing.T) {
	b := newBench(t, ruleOf(measure{sample: "up", equals: number(0)}, eachSeries))
	cpu := value("logkeel_container_cpu_percent", 198, "name", "shop-db-1")
	down := value("up", 0, "target", "main")
	down.Note = "connection refused"
	b.Samples("docker", []agent.Sample{cpu})
	b.Samples("mysql/main", []agent.Sample{down})
	b.pass(5 * time.Second)
	cpu.Value = 77
	b.Samples("docker", []agent.Sample{cpu})
	b.pass(10 * time.Second)
	a := b.told.one(t)
	if len(a.Around) < 2 || a.Around[0] != (agent.Fact{Name: lastError, Value: "connection refused"}) || a.Around[1].Name == lastError {
		t.Errorf("%+v", a.Around)
	}
}
