package rules

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/webgrip/logkeel/agent"
)

func number(v float64) *float64 { return &v }

// ruleOf is a rule on a sample.
func ruleOf(m measure, p policy) loaded {
	return loaded{rule: &agent.Rule{Name: "Sampled", Class: "database", Severity: "critical", File: "rules.yaml"}, measure: &m, policy: p}
}

var eachSeries = policy{threshold: 1, window: defaultWindow, byLog: true}

func value(name string, v float64, labels ...string) agent.Sample {
	s := agent.Sample{Name: name, Value: v}
	for i := 0; i < len(labels); i += 2 {
		s.Labels = append(s.Labels, agent.Label{Name: labels[i], Value: labels[i+1]})
	}
	return s
}

// measure gives the snapshot again and again, every 15 s for as long as d.
func (b *bench) measure(d time.Duration, samples ...agent.Sample) {
	for range int(d / (15 * time.Second)) {
		b.Samples("mysql/main", samples)
		b.pass(15 * time.Second)
	}
}

func TestASampleOutOfBounds(t *testing.T) {
	b := newBench(t, ruleOf(measure{sample: "avg", above: number(1.5), hold: 3 * time.Minute}, eachSeries))
	slow, fine := value("avg", 2, "target", "main", "digest", "d1"), value("avg", 1.5, "target", "main", "digest", "d2")
	b.measure(2*time.Minute, slow, fine)
	b.measure(15*time.Second, fine, value("avg", 1, "target", "main", "digest", "d1"))
	since := b.wall
	b.measure(3*time.Minute, slow, fine)
	if len(b.told.byID) != 0 {
		t.Fatalf("fired before it held for 3 minutes in a row: %+v", b.told.list())
	}
	b.measure(time.Minute, slow, fine)
	a := b.told.one(t)
	if !a.Firing() || a.Starts != since || a.Value != 2 || a.Condition != "avg > 1.5 for 3m" || a.Source != "main" || a.Count != 0 {
		t.Errorf("%+v", a)
	}
	if !slices.Equal(a.Key, slow.Labels) {
		t.Errorf("key %v", a.Key)
	}
	slow.Value = 7
	b.measure(time.Minute, slow, fine)
	if a = b.told.one(t); a.Value != 7 {
		t.Errorf("%+v", a)
	}
	over := b.wall
	b.measure(15*time.Second, fine, value("avg", 1, "target", "main", "digest", "d1"))
	if a = b.told.one(t); a.Ended != over || a.Last.After(over) {
		t.Errorf("%+v", a)
	}
}

// While the server is down only up remains: what fires stays, for a while.
func TestASeriesThatIsMissing(t *testing.T) {
	b := newBench(t, ruleOf(measure{sample: "avg", above: number(1)}, eachSeries))
	b.measure(time.Minute, value("avg", 2, "target", "main"))
	b.measure(4*time.Minute, value("up", 0, "target", "main"))
	if a := b.told.one(t); !a.Firing() {
		t.Fatalf("%+v", a)
	}
	b.measure(time.Minute, value("avg", 2, "target", "main"))
	b.measure(6*time.Minute, value("up", 0, "target", "main"))
	if a := b.told.one(t); a.Firing() || a.End == "" {
		t.Errorf("%+v", a)
	}
	if b.keys != 0 {
		t.Errorf("%d keys left", b.keys)
	}
}

func TestASnapshotThatIsRareIsWaitedFor(t *testing.T) {
	b := newBench(t, ruleOf(measure{sample: "up", equals: number(0)}, eachSeries))
	for range 3 {
		b.Samples("http/page", []agent.Sample{value("up", 0, "target", "page")})
		b.pass(time.Hour)
	}
	if a := b.told.one(t); !a.Firing() {
		t.Errorf("%+v", a)
	}
}

func TestASampleThatChanges(t *testing.T) {
	b := newBench(t, ruleOf(measure{sample: "restarts", changed: upward}, policy{threshold: 1, window: 2 * time.Minute, byLog: true}))
	at := func(n float64) agent.Sample { return value("restarts", n, "name", "app") }
	b.measure(time.Minute, at(3))
	if len(b.told.byID) != 0 {
		t.Fatal("the first value is no change")
	}
	b.start()
	b.measure(15*time.Second, at(4))
	if a := b.told.one(t); !a.Firing() || a.Source != "app" || a.Value != 4 {
		t.Fatalf("changed while the agent was away: %+v", a)
	}
	b.measure(time.Minute, at(4))
	b.measure(time.Minute, at(5))
	b.measure(45*time.Second, at(5))
	if a := b.told.one(t); !a.Firing() || a.Value != 5 {
		t.Fatalf("two minutes from the last change on are not over: %+v", a)
	}
	b.measure(time.Minute, at(0))
	if a := b.told.one(t); a.Firing() {
		t.Errorf("%+v", a)
	}
}

func TestASampleThroughAKill(t *testing.T) {
	b := newBench(t, ruleOf(measure{sample: "up", equals: number(0), hold: time.Minute}, eachSeries))
	down := value("up", 0, "target", "main")
	since := b.wall
	b.measure(45*time.Second, down)
	b.start()
	b.measure(30*time.Second, down)
	if a := b.told.one(t); a.Starts != since {
		t.Fatalf("%+v", a)
	}
	b.start()
	b.measure(time.Minute, down)
	b.told.one(t)
	// A long absence: nobody knows what was in between.
	c := newBench(t, ruleOf(measure{sample: "up", equals: number(0), hold: time.Minute}, eachSeries))
	c.measure(45*time.Second, down)
	c.wall = c.wall.Add(time.Hour)
	c.start()
	c.measure(30*time.Second, down)
	if len(c.told.byID) != 0 {
		t.Errorf("what was not measured is counted: %+v", c.told.list())
	}
}

func TestSamplesByLabel(t *testing.T) {
	b := newBench(t, ruleOf(measure{sample: "health", equals: number(1)}, policy{threshold: 1, window: time.Minute, by: []keyPart{{name: "service"}}}))
	one := func(service, name string, v float64) agent.Sample {
		return value("health", v, "target", "engine", "service", service, "name", name)
	}
	b.measure(time.Minute, one("app", "app-1", 1), one("app", "app-2", 1), one("db", "db-1", 0))
	if a := b.told.one(t); !slices.Equal(a.Key, []agent.Label{{Name: "target", Value: "engine"}, {Name: "service", Value: "app"}}) {
		t.Errorf("%+v", a)
	}
	b.measure(time.Minute, one("app", "app-1", 0), one("app", "app-2", 1))
	if a := b.told.one(t); !a.Firing() {
		t.Errorf("one of them is still so: %+v", a)
	}
	b.measure(time.Minute, one("app", "app-1", 0), one("app", "app-2", 0))
	if a := b.told.one(t); a.Firing() {
		t.Errorf("%+v", a)
	}
}

func TestValuesThatAreNoNumber(t *testing.T) {
	b := newBench(t, ruleOf(measure{sample: "avg", above: number(1)}, eachSeries))
	b.measure(time.Minute, value("avg", math.NaN()), value("avg", math.Inf(1), "target", "x"))
	b.start()
	b.measure(time.Minute, value("avg", 2, "target", "x"))
	b.told.one(t)
}

func TestAClockThatJumpsBetweenSamples(t *testing.T) {
	for _, jump := range []time.Duration{-26 * time.Hour, 26 * time.Hour} {
		b := newBench(t, ruleOf(measure{sample: "up", equals: number(0), hold: 2 * time.Minute}, eachSeries))
		down := value("up", 0, "target", "main")
		b.measure(time.Minute, down)
		b.wall = b.wall.Add(jump)
		b.measure(45*time.Second, down)
		if len(b.told.byID) != 0 {
			t.Errorf("%v: fired after less than two minutes", jump)
		}
		b.measure(2*time.Minute, down) // what was while the machine slept is not known: it begins anew
		if a := b.told.one(t); !a.Firing() {
			t.Errorf("%v: %+v", jump, a)
		}
	}
}
