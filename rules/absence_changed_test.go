package rules

import (
	"testing"
	"time"
)

// An alert on absence fires and was told; then the rule is changed. However that
// comes to the agent, by a kill and a start or a reload, what people were told of
// ends, with a reason where nothing came, or goes on as the alert that it was.
func TestARuleOnAbsenceIsChanged(t *testing.T) {
	t.Parallel()
	const was = `absent: 10m, source: {service: app}`
	for _, c := range []struct {
		name, now string
		goes      bool // the alert goes on
		fires     int  // alerts that fire half an hour later
	}{
		{"nothing", was, true, 1},
		{"longer, and that has passed", `absent: 20m, source: {service: app}`, true, 1},
		{"longer, and that has not passed", `absent: 3h, source: {service: app}`, true, 1},
		{"shorter", `absent: 1m, source: {service: app}`, true, 1},
		{"with another severity", `absent: 10m, source: {service: app}, severity: critical`, true, 1},
		{"about another log", `absent: 10m, source: {service: worker}`, false, 1},
		{"with a key of its own", `absent: 10m, source: {service: app}, by: [project, service]`, false, 1},
		{"that waits for a certain line", `absent: 10m, match: done, source: {service: app}`, true, 1},
		{"an ordinary one", `match: boom, by: [service], source: {service: app}`, false, 0},
	} {
		for how, again := range map[string]func(b *bench){"kill": (*bench).start, "reload": (*bench).reload} {
			b := newBench(t, rulesOf(t, was)...)
			b.Opened(sourceNamed("app-1"))
			b.log("app-1", b.wall, "hello")
			b.pass(30 * time.Minute)
			first := b.told.one(t)
			if !first.Firing() {
				t.Fatalf("%s: nothing fires", c.name)
			}
			b.rules = rulesOf(t, c.now)
			again(b)
			b.Opened(b.sourceNamed("app-1"))
			b.pass(31 * time.Minute)
			now := b.told.byID[first.ID]
			fires := 0
			for _, a := range b.told.list() {
				if a.Firing() {
					fires++
				}
			}
			switch {
			case now.Firing() != c.goes:
				t.Errorf("%s, %s: the alert fires: %v; it ended for %q", c.name, how, now.Firing(), now.End)
			case !now.Firing() && now.End == "":
				t.Errorf("%s, %s: it ended, and nobody is told that nothing came", c.name, how)
			case fires != c.fires:
				t.Errorf("%s, %s: %d alerts fire, want %d: %+v", c.name, how, fires, c.fires, b.told.list())
			}
		}
	}
}

// A rule that is removed or has another name takes its alert along.
func TestARuleOnAbsenceIsGone(t *testing.T) {
	for how, again := range map[string]func(b *bench){"kill": (*bench).start, "reload": (*bench).reload} {
		for _, left := range [][]string{nil, {`match: x`}} {
			b := newBench(t, append(rulesOf(t, `match: y`), named("Silent", rulesOf(t, `absent: 10m, source: {service: app}`)[0]))...)
			b.Opened(sourceNamed("app-1"))
			b.log("app-1", b.wall, "hello")
			b.pass(30 * time.Minute)
			first := b.told.one(t)
			b.rules = rulesOf(t, left...)
			again(b)
			b.pass(time.Minute)
			if a := b.told.byID[first.ID]; a.Firing() || a.End == "" {
				t.Errorf("%s: the rule is gone, and its alert: fires %v, ended for %q", how, a.Firing(), a.End)
			}
		}
	}
}

func named(name string, l loaded) loaded {
	r := *l.rule
	r.Name = name
	l.rule = &r
	return l
}
