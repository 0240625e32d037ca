package rules

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/webgrip/logkeel/agent"
)

const goneRule = `sample: info, absent: 10m, by: [name], window: 1h`

func TestASeriesThatIsGone(t *testing.T) {
	b := newBench(t, rulesOf(t, goneRule)...)
	app, web := infoOf("app", "a"), infoOf("web", "b")
	b.measure(time.Minute, app, web)
	b.measure(10*time.Minute, app)
	b.want(t, "for less than 10 minutes", "")
	b.measure(10*time.Minute-30*time.Second, app, web)
	b.measure(15*time.Second, web)
	b.measure(15*time.Second, infoOf("app", "another user is the same key"), web)
	b.measure(30*time.Second, app, web)
	b.want(t, "it is back", "")
	since := b.wall
	b.measure(10*time.Minute+15*time.Second, app)
	b.want(t, "for 10 minutes", "no info for 10m")
	a := b.told.one(t)
	if a.Starts != since || !a.Absent || a.Source != "web" || a.Label("name") != "web" || a.Label("target") != "engine" {
		t.Errorf("%+v", a)
	}
	b.measure(30*time.Minute, app)
	if a = b.told.one(t); b.wall.Sub(a.Last) > 2*time.Minute || a.Starts != since {
		t.Errorf("it goes on: %+v", a)
	}
	over := b.wall
	b.measure(15*time.Second, app, web)
	if a = b.told.one(t); a.Ended != over || a.End != "" {
		t.Errorf("it is back: %+v", a)
	}
	b.measure(71*time.Minute, app)
	b.want(t, "an hour after it was told", "(no info for 10m) | (no info for 10m)")
	if a = b.told.list()[1]; a.End != "it was not seen for more than 70m" {
		t.Errorf("%+v", a)
	}
	if b.keys != 1 {
		t.Errorf("%d keys are left", b.keys)
	}
	b.measure(3*time.Hour, app)
	if len(b.told.byID) != 2 {
		t.Errorf("%s", b.says())
	}
}

// While nobody knows, because the sampler fails, no alert begins or ends, and the
// time is none in which the series was missing.
func TestMissingWhileTheSamplerFails(t *testing.T) {
	partly := infoOf("app", "a")
	partly.Note = "no right to see the others"
	down := value("up", 0, "target", "main")
	down.Note = "connection refused"
	for name, fails := range map[string]func(b *bench, d time.Duration){
		"down":       func(b *bench, d time.Duration) { b.measure(d, down) },
		"in part":    func(b *bench, d time.Duration) { b.measure(d, partly) },
		"altogether": func(b *bench, d time.Duration) { b.failing("mysql/main", d) },
		"killed again and again": func(b *bench, d time.Duration) {
			for range 5 {
				b.failing("mysql/main", d/5)
				b.start()
			}
		},
		"the agent is away":     func(b *bench, d time.Duration) { b.wall = b.wall.Add(d); b.start() },
		"the machine sleeps":    func(b *bench, d time.Duration) { b.wall = b.wall.Add(d) },
		"the clock is put back": func(b *bench, d time.Duration) { b.wall = b.wall.Add(-d) },
		"a reload":              func(b *bench, d time.Duration) { b.reload() },
	} {
		b := newBench(t, rulesOf(t, goneRule)...)
		app, web := infoOf("app", "a"), infoOf("web", "b")
		b.measure(time.Minute, app, web)
		fails(b, time.Hour)
		b.measure(15*time.Second, app, web)
		b.want(t, name+", and it was there before and after", "")
		b.measure(6*time.Minute, app)
		fails(b, time.Hour)
		b.want(t, name+", before 10 minutes are over", "")
		b.measure(3*time.Minute, app)
		b.want(t, name+", a moment after", "")
		b.measure(2*time.Minute, app)
		b.want(t, name+", and 11 minutes are over", "no info for 10m")
		fails(b, time.Hour)
		b.want(t, name+", while it fires", "no info for 10m")
		b.start()
		b.measure(time.Minute, app)
		b.want(t, name+", and a kill", "no info for 10m")
		b.measure(15*time.Second, app, web)
		b.want(t, name+", and it is back", "(no info for 10m)")
	}
}

// failing is a sampler that yields nothing.
func (b *bench) failing(snapshot string, d time.Duration) {
	for range int(d / (15 * time.Second)) {
		b.Samples(snapshot, nil)
		b.pass(15 * time.Second)
	}
}

// A sampler that is not configured any more takes its alerts along; what it
// knew is known should it come back.
func TestMissingWithoutASampler(t *testing.T) {
	for how, again := range map[string]func(b *bench){"nothing": func(*bench) {}, "kill": (*bench).start, "reload": (*bench).reload} {
		b := newBench(t, rulesOf(t, goneRule)...)
		app, web := infoOf("app", "a"), infoOf("web", "b")
		b.measure(time.Minute, app, web)
		b.measure(20*time.Minute, app)
		b.want(t, how, "no info for 10m")
		again(b)
		b.pass(4 * time.Minute)
		b.want(t, how+", and 4 minutes", "no info for 10m")
		b.pass(2 * time.Minute)
		if a := b.told.one(t); a.End != "it is no longer measured" {
			t.Errorf("%s: %+v", how, a)
		}
		b.measure(30*time.Second, app)
		b.want(t, how+", and it comes back", "(no info for 10m) | no info for 10m")
		b.pass(3 * time.Hour)
		if b.keys != 0 {
			t.Errorf("%s: %d keys are left", how, b.keys)
		}
	}
}

// What a rule names is missed also where it never was.
func TestASeriesThatNeverCame(t *testing.T) {
	for _, c := range []struct{ keys, missing string }{
		{`source: {target: main}`, "main"},
		{`source: {target: [main, other]}`, "main|other"},
		{`source: {target: main, name: [app, web]}`, "main app|main web"},
		{`source: {name: [app, web]}, by: [name]`, "app|web"},
		{`by: []`, "info"},
		{`source: 'target=~"m.*"'`, ""},
		{`source: {target: main}, by: [name]`, ""},
		{``, ""},
	} {
		b := newBench(t, rulesOf(t, strings.TrimSuffix("sample: info, absent: 2m, "+c.keys, ", "))...)
		b.measure(2*time.Minute, value("other", 1))
		b.want(t, c.keys, "")
		b.measure(30*time.Second, value("other", 1))
		var got []string
		for _, a := range b.told.list() {
			got = append(got, strings.TrimSpace(a.Label("target")+" "+a.Label("name")))
			if a.Source == "info" {
				got = []string{"info"}
			}
		}
		slices.Sort(got)
		if got := strings.Join(got, "|"); got != c.missing {
			t.Errorf("%s: %q, want %q", c.keys, got, c.missing)
		}
		b.measure(5*time.Minute, value("other", 1))
		b.start()
		b.measure(30*time.Second, value("other", 1))
		for _, a := range b.told.list() {
			if !a.Firing() {
				t.Errorf("%s: %+v", c.keys, a)
			}
		}
		b.measure(15*time.Second, value("info", 1, "target", "main", "name", "app", "more", "x"), value("info", 1, "target", "main", "name", "web"), value("info", 1, "target", "other"))
		for _, a := range b.told.list() {
			if a.Firing() || a.End != "" {
				t.Errorf("%s: it came: %+v", c.keys, a)
			}
		}
	}
}

// While a sampler fails that may have it, nobody knows whether what never came
// is there.
func TestANamedSeriesWhileASamplerFails(t *testing.T) {
	for snapshot, want := range map[string]string{"mysql/main": "", "redis/other": "no info for 10m"} {
		b := newBench(t, rulesOf(t, `sample: info, absent: 10m, source: {target: main}`)...)
		b.beside(time.Hour, func() { b.Samples(snapshot, nil) })
		b.want(t, snapshot+" fails", want)
	}
	b := newBench(t, rulesOf(t, `sample: info, absent: 10m, source: {target: main}`)...)
	b.beside(time.Minute, func() { b.Samples("mysql/main", []agent.Sample{value("info", 1, "target", "main")}) })
	b.beside(time.Hour, func() { b.Samples("mysql/main", nil) })
	b.want(t, "it was there, and nobody knows", "")
	b.beside(14*time.Minute, func() {})
	b.want(t, "the sampler is not configured any more", "")
	b.beside(2*time.Minute, func() {})
	b.want(t, "and it is waited for", "no info for 10m")
	b.start()
	b.beside(20*time.Minute, func() {})
	b.want(t, "for ever", "no info for 10m")
	b.beside(15*time.Second, func() { b.Samples("mysql/main", []agent.Sample{value("info", 1, "target", "main")}) })
	b.want(t, "until it comes", "(no info for 10m)")
}

// beside lets time pass in which the agent measures itself, and what else does.
func (b *bench) beside(d time.Duration, what func()) {
	for range int(d / (15 * time.Second)) {
		what()
		b.Samples(agent.Self, []agent.Sample{value("other", 1)})
		b.pass(15 * time.Second)
	}
}

// A rule that is changed misses nothing that it does not count any more.
func TestARuleOnMissingSeriesIsChanged(t *testing.T) {
	const was = `sample: info, absent: 2m, by: [name], window: 1h`
	for _, c := range []struct{ now, want string }{
		{was, "no info for 2m"},
		{`sample: info, absent: 5m, by: [name]`, "no info for 2m"},
		{`sample: info, absent: 2m, by: [user]`, "(no info for 2m)"},
		{`sample: info, absent: 2m`, "(no info for 2m)"},
		{`sample: info, absent: 2m, by: [name], source: {name: app}`, "(no info for 2m)"},
		{`sample: info, absent: 2m, by: [name], source: 'name!="web"'`, "(no info for 2m)"},
		{`sample: info, absent: 2m, by: [name], source: {target: engine}`, "no info for 2m"},
		{`sample: info, changed: [user], by: [name]`, "(no info for 2m)"},
		{`sample: info, above: 5, by: [name]`, "(no info for 2m)"},
		{`absent: 2m, by: [name]`, "(no info for 2m)"},
	} {
		for how, again := range map[string]func(b *bench){"kill": (*bench).start, "reload": (*bench).reload} {
			b := newBench(t, rulesOf(t, was)...)
			app, web := infoOf("app", "a"), infoOf("web", "b")
			b.measure(time.Minute, app, web)
			b.measure(150*time.Second, app)
			b.rules = rulesOf(t, c.now)
			again(b)
			b.measure(90*time.Second, app)
			if got := b.says(); got != c.want {
				t.Errorf("%s, %s: got %q, want %q", c.now, how, got, c.want)
			}
			for _, a := range b.told.list() {
				if !a.Firing() && a.End == "" {
					t.Errorf("%s, %s: nobody says that it is not back", c.now, how)
				}
			}
		}
	}
}

// Whatever is in the file, a start goes on.
func TestMissingOfAnyFile(t *testing.T) {
	for _, saved := range []string{`{"run":-5,"unseen":-7}`, `{"run":9223372036854775807,"unseen":9223372036854775807}`, `{}`, `null`} {
		b := newBench(t, rulesOf(t, goneRule)...)
		b.measure(time.Minute, infoOf("app", "a"), infoOf("web", "a"))
		b.measure(time.Minute, infoOf("app", "a"))
		b.edit(t, "missing", saved)
		b.start()
		b.measure(11*time.Minute, infoOf("app", "a"))
		if got := b.says(); !strings.Contains(got, "no info for 10m") && saved != "null" {
			t.Errorf("%s: %q", saved, got)
		}
		b.measure(time.Minute, infoOf("app", "a"), infoOf("web", "a"))
		if got := b.says(); got != "(no info for 10m)" && saved != "null" {
			t.Errorf("%s, and it is back: %q", saved, got)
		}
	}
}

// Beyond its bounds a rule misses nothing that is there, and not what it waits for less.
func TestMissingIsBounded(t *testing.T) {
	b := newBench(t, rulesOf(t, `sample: info, absent: 10m, by: [name]`, `sample: info, absent: 10m, source: {name: waited}`)...)
	several := func(from, n, id int) []agent.Sample {
		var all []agent.Sample
		for i := range n {
			all = append(all, value("info", math.NaN(), "name", fmt.Sprint(from+i), "id", fmt.Sprint(id)))
		}
		return all
	}
	for i := range 45 { // each is another series of the same key, and more than there is room for
		b.measure(15*time.Second, several(0, maxRuleSeries+100, i)...)
	}
	b.want(t, "all are there, but for one", "no info for 10m")
	if b.keys > maxKeys+1 {
		t.Errorf("%d keys", b.keys)
	}
	b.measure(6*time.Minute, several(0, 10, 0)...)
	b.measure(30*time.Second, several(5000, 900, 0)...)
	if b.keys > maxKeys+1 || len(b.told.byID) != 1 {
		t.Errorf("%d keys, %s", b.keys, b.says())
	}
	b.measure(11*time.Minute, several(5000, 899, 0)...)
	if a := b.told.list()[1:]; !slices.ContainsFunc(a, func(a agent.Alert) bool { return a.Source == "5899" && a.Firing() }) {
		t.Errorf("what came last is missed: %d alerts", len(a))
	}
}

// flawed yields some samples, and says that there are more.
type flawed struct {
	err  error
	sent []agent.Sample
}

func (f *flawed) Sample(_ context.Context, yield func(agent.Sample)) error {
	yield(value("a", 1))
	yield(value("b", 1))
	return f.err
}
func (f *flawed) Close() error { return nil }

// snapshots is a sink that takes one.
type snapshots struct {
	agent.Sink
	f    *flawed
	stop func()
}

func (s *snapshots) Snapshot(_ string, samples []agent.Sample) {
	if samples != nil {
		s.f.sent = samples
	}
	s.stop()
}

// A snapshot of agent.Sampled that was not taken in full is known as such.
func TestWhole(t *testing.T) {
	for _, err := range []error{nil, errors.New("no right")} {
		f := &flawed{err: err}
		ctx, stop := context.WithCancel(t.Context())
		c := agent.Sampled(f, agent.Sampling{Kind: "x", Target: "main", Interval: time.Hour, Timeout: time.Hour, Log: slog.New(slog.DiscardHandler)})
		if err := c.Run(ctx, &snapshots{f: f, stop: stop}); err != nil {
			t.Fatal(err)
		}
		if got := whole(c.Name(), f.sent); got != (err == nil) || len(f.sent) != 2 {
			t.Errorf("%v: %v", err, f.sent)
		}
	}
	one := value("a", 1)
	one.Note = "of this one"
	if !whole(agent.Self, []agent.Sample{one}) || !whole("x/main", []agent.Sample{one, value("b", 1)}) || !whole("x/main", nil) {
		t.Error("the reason of one sample is none of the snapshot")
	}
}
