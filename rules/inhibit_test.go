package rules

import (
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/matchers"
)

// inhibiting is an inhibition of texts of matchers.
func inhibiting(t *testing.T, source, target string, equal ...string) inhibition {
	t.Helper()
	side := func(text string) (s side) {
		var err *matchers.Error
		if s.matchers, err = matchers.Parse(text); err != nil {
			t.Fatal(err)
		}
		return s
	}
	return inhibition{source: side(source), target: side(target), equal: equal}
}

// explanations are the alerts that were handed on, as "rule log<explained by".
func explanations(b *bench) string {
	var all []string
	for _, a := range b.told.list() {
		if a.Firing() {
			all = append(all, a.Rule.Name+" "+a.Source+"<"+a.Inhibited)
		}
	}
	slices.Sort(all)
	return strings.Join(all, ", ")
}

func wantExplanations(t *testing.T, b *bench, when, want string) {
	t.Helper()
	if got := explanations(b); got != want {
		t.Errorf("%s: %q, want %q", when, got, want)
	}
}

func TestInhibited(t *testing.T) {
	both := inhibiting(t, `rule=~"Down|Error"`, `rule=~"Slow|Error"`)
	for _, c := range []struct {
		name string
		in   inhibition
		want string
	}{
		{"equal", inhibiting(t, `rule="Down"`, `rule="Slow"`, "log"), "Down app<, Error web<, Slow app<Down, Slow web<"},
		{"all", inhibiting(t, `rule="Down"`, `class="error", rule!="Down"`), "Down app<, Error web<Down, Slow app<Down, Slow web<Down"},
		{"none has the label", inhibiting(t, `rule="Down"`, `rule="Slow"`, "zone"), "Down app<, Error web<, Slow app<Down, Slow web<Down"},
		{"by source", inhibiting(t, `source="app", rule="Down"`, `source="web"`), "Down app<, Error web<Down, Slow app<, Slow web<Down"},
		{"itself", inhibiting(t, `rule="Slow"`, `rule="Slow"`), "Down app<, Error web<, Slow app<, Slow web<"},
		{"both sides", both, "Down app<, Error web<Down, Slow app<Down, Slow web<Down"},
		{"of both sides only", inhibiting(t, `rule="Error"`, `rule=~"Slow|Error"`), "Down app<, Error web<, Slow app<Error, Slow web<Error"},
		{"nothing", inhibiting(t, `rule="Other"`, `rule="Slow"`), "Down app<, Error web<, Slow app<, Slow web<"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := times(1, time.Minute)
			b := newBench(t, ruleOn("Down", m), ruleOn("Slow", m), ruleOn("Error", m))
			b.set.inhibit([]inhibition{c.in})
			b.log("app", b.wall, "slow", "down")
			b.log("web", b.wall, "slow", "error")
			b.tick()
			wantExplanations(t, b, "at first", c.want)
			b.start() // what is explained is in the file, and it is not explained any more
			b.tick()
			wantExplanations(t, b, "without", "Down app<, Error web<, Slow app<, Slow web<")
		})
	}
}

// An explained alert still explains others.
func TestInhibitionsInARow(t *testing.T) {
	m := times(1, time.Minute)
	b := newBench(t, ruleOn("Host", m), ruleOn("Down", m), ruleOn("Slow", m))
	b.set.inhibit([]inhibition{inhibiting(t, `rule="Host"`, `rule="Down"`), inhibiting(t, `rule="Down"`, `rule="Slow"`)})
	b.log("app", b.wall, "slow", "down", "host")
	b.tick()
	wantExplanations(t, b, "", "Down app<Host, Host app<, Slow app<Down")
}

func TestInhibitionBeginsAndEnds(t *testing.T) {
	b := newBench(t, ruleOn("Down", times(1, 10*time.Second)), ruleOn("Slow", times(1, time.Hour)))
	in := []inhibition{inhibiting(t, `rule="Down"`, `rule="Slow"`, "log")}
	b.set.inhibit(in)
	b.log("app", b.wall, "slow")
	b.tick()
	wantExplanations(t, b, "before", "Slow app<")
	revision := b.told.one(t).Revision
	b.log("app", b.wall, "down")
	b.tick()
	wantExplanations(t, b, "both", "Down app<, Slow app<Down")
	states := func() (s [3]float64) {
		b.Meter(func(m agent.Sample) {
			for i, state := range []string{"firing", "inhibited", "pending"} {
				if m.Name == "logkeel_alerts" && m.Labels[0].Value == "Slow" && m.Labels[3].Value == state {
					s[i] = m.Value
				}
			}
		})
		return s
	}
	if s := states(); s != [3]float64{0, 1, 0} {
		t.Errorf("while it is explained: %v", s)
	}
	// A kill: what fires is known, and what it explains.
	b.start()
	b.set.inhibit(in)
	b.tick()
	wantExplanations(t, b, "after a kill", "Down app<, Slow app<Down")
	b.pass(11 * time.Second)
	wantExplanations(t, b, "over", "Slow app<")
	for _, a := range b.told.list() {
		if a.Rule.Name == "Slow" && a.Revision <= revision {
			t.Errorf("no newer revision: %d after %d", a.Revision, revision)
		}
	}
	if s := states(); s != [3]float64{1, 0, 0} {
		t.Errorf("when it is explained no more: %v", s)
	}
	// What begins while the other fires was never anything else.
	b.log("web", b.wall, "down", "slow")
	b.tick()
	for _, a := range b.told.list() {
		if a.Rule.Name == "Slow" && a.Source == "web" && a.Inhibited != "Down" {
			t.Errorf("told as %q", a.Inhibited)
		}
	}
}

// What is over before the next tick is explained as well, and where nothing
// inhibits nothing is looked at.
func TestInhibitedBetweenTicks(t *testing.T) {
	b := newBench(t, ruleOn("Down", times(1, time.Minute)), ruleOn("Slow", times(1, time.Second)))
	b.set.inhibit([]inhibition{inhibiting(t, `rule="Down"`, `rule="Slow"`)})
	b.log("app", b.wall, "down", "slow")
	b.wall, b.elapsed = b.wall.Add(2*time.Second), b.elapsed+2*time.Second
	b.tick()
	for _, a := range b.told.list() {
		if a.Rule.Name == "Slow" && (a.Firing() || a.Inhibited != "Down") {
			t.Errorf("%+v", a)
		}
	}
	if b.pass(time.Second); b.unexplained {
		t.Error("looked for again without a reason")
	}
	quiet := newBench(t, ruleOn("Down", times(1, time.Minute)))
	quiet.tick()
	if quiet.log("app", quiet.wall, "down"); quiet.unexplained {
		t.Error("looked for where nothing inhibits")
	}
}

func TestInhibitDoubts(t *testing.T) {
	s := parse(t, `
groups:
  - name: g
    rules:
      - {name: Down, sample: up, equals: 0}
inhibit:
  - {source: {rule: [Down, Dwon]}, target: 'rule=~"S.*"', equal: target}
  - {source: 'rule="Down"', target: {rule: Down}}
  - {source: 'rule!="Gone"', target: 'rule="Slow"'}
`)
	var got []string
	for _, d := range s.Doubts() {
		got = append(got, d.Rule.Name+" "+d.Msg)
	}
	want := []string{
		`inhibit[0] source names the rule "Dwon", and none that is loaded is called so`,
		`inhibit[1] source and target are the same, and alerts that both select do not explain each other`,
		`inhibit[2] target names the rule "Slow", and none that is loaded is called so`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s", strings.Join(got, "\n"))
	}
}

func TestLateExplainsNothingNew(t *testing.T) {
	m := times(1, time.Hour)
	b := newBench(t, ruleOn("Down", m), ruleOn("Slow", m))
	b.set.inhibit([]inhibition{inhibiting(t, `rule="Down"`, `rule="Slow"`)})
	b.unread = map[string]int64{"docker/old": 1}
	b.log("old", b.wall.Add(-3*time.Hour), "down", "slow")
	b.log("app", b.wall, "slow")
	b.pass(heldBack + time.Second)
	wantExplanations(t, b, "", "Down old<, Slow app<, Slow old<Down")
}

func TestPendingIsCounted(t *testing.T) {
	b := newBench(t, rulesOf(t, `sample: up, equals: 0, for: 30s`)...)
	state := func() (names string) {
		b.Meter(func(m agent.Sample) {
			if m.Name == "logkeel_alerts" && m.Value == 1 {
				names += m.Labels[3].Value
			}
		})
		return names
	}
	for i, want := range []string{"", "pending", "pending", "firing", ""} {
		value := 0.0
		if i == 0 || i == 4 {
			value = 1
		}
		b.Samples("db", []agent.Sample{{Name: "up", Value: value}})
		if got := state(); got != want {
			t.Errorf("%d: %q, want %q", i, got, want)
		}
		b.pass(15 * time.Second)
	}
}

// BenchmarkExplain is a storm: as many alerts as there may be, and all of them
// changed.
func BenchmarkExplain(b *testing.B) {
	a := &Alerts{set: newSet(nil), outbox: map[string]*outgoing{}}
	for i := range 20 {
		r := ruleOn("R"+string(rune('a'+i)), times(1, time.Hour))
		r.rule.Index = i
		a.set.meta = append(a.set.meta, r.rule)
		a.set.rules = append(a.set.rules, rule{rule: r.rule})
	}
	var list []inhibition
	for i := range 10 {
		source, _ := matchers.Parse(`rule="` + a.set.meta[i].Name + `"`)
		target, _ := matchers.Parse(`rule=~"R.", service=~"shop-.*"`)
		list = append(list, inhibition{source: side{matchers: source}, target: side{matchers: target}, equal: []string{"target"}})
	}
	a.set.inhibit(list)
	for i := range maxAllKeys {
		id := strconv.Itoa(i)
		a.outbox[id] = &outgoing{alert: &agent.Alert{
			ID: id, Rule: *a.set.meta[i%20],
			Key: []agent.Label{{Name: "target", Value: strconv.Itoa(i / 20)}}, Labels: []agent.Label{{Name: "service", Value: "shop-" + id}},
		}}
	}
	b.ReportAllocs()
	for b.Loop() {
		a.unexplained = true
		a.explain()
	}
}

// What an alert is of may change while it fires: the next tick looks at it,
// though nothing is to be handed on yet.
func TestExplainedByWhatChanges(t *testing.T) {
	m := times(1, time.Hour)
	together := m
	together.byLog = false
	b := newBench(t, ruleOn("Down", together), ruleOn("Slow", m))
	b.set.inhibit([]inhibition{inhibiting(t, `rule="Down", source="web"`, `rule="Slow"`)})
	b.log("app", b.wall, "down", "slow")
	b.tick()
	wantExplanations(t, b, "of app", "Down app<, Slow app<")
	if at, ok := b.NextTick(); !ok || at <= b.clock.Elapsed() {
		t.Errorf("a tick at %s, with nothing to do", at)
	}
	b.log("web", b.wall, "down")
	if at, ok := b.NextTick(); !ok || at != b.clock.Elapsed() {
		t.Errorf("no tick before %s", at)
	}
	b.tick()
	for _, a := range b.told.list() {
		if a.Rule.Name == "Slow" && a.Inhibited != "Down" {
			t.Errorf("of web: %q", a.Inhibited)
		}
	}
}

// What a pack's inhibitions name is in some pack.
func TestInhibitionsOfPacksNameRules(t *testing.T) {
	s, err := Load(Config{Packs: Packs()}, "")
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, r := range s.meta {
		names[r.Name] = true
	}
	for _, in := range s.inhibits {
		for _, name := range append(in.source.matchers.Exact("rule"), in.target.matchers.Exact("rule")...) {
			if !names[name] {
				t.Errorf("%s of %s names %s, which is in no pack", in.name, in.place.file, name)
			}
		}
	}
}
