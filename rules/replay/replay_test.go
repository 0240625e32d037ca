package replay

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/conf"
	"github.com/webgrip/logkeel/agent/notify"
	"github.com/webgrip/logkeel/rules"
)

var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func load(t testing.TB, text string) *rules.Set {
	t.Helper()
	path := filepath.Join(t.TempDir(), "rules.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	set, err := rules.Load(rules.Config{Files: []string{path}}, "")
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// A log is one source that is written line by line.
type log struct {
	src *agent.Source
	end int64
}

func newLog(name string) *log {
	return &log{src: &agent.Source{ID: "file/" + name, Collector: "files", Name: name}}
}

// batch has lines, given as offset and text by turns.
func (l *log) batch(set *rules.Set, lines ...any) *agent.Batch {
	b := &agent.Batch{Source: l.src, Pos: agent.Position{Epoch: 1}}
	for i := 0; i < len(lines); i += 2 {
		from := int32(len(b.Buf))
		b.Buf = append(b.Buf, lines[i+1].(string)...)
		l.end += int64(len(b.Buf)) - int64(from) + 1
		b.Records = append(b.Records, agent.Record{
			Time: start.Add(lines[i].(time.Duration)).UnixNano(), End: l.end, Body: agent.Span{Start: from, End: int32(len(b.Buf))},
		})
	}
	b.Pos.Offset = l.end
	set.Match(b)
	return b
}

// A diary notes what happens.
type diary struct{ lines []string }

func (d *diary) note(at time.Time, format string, args ...any) {
	d.lines = append(d.lines, conf.Duration(at.Sub(start)).String()+" "+fmt.Sprintf(format, args...))
}

func (d *diary) options(set *rules.Set, c ...notify.Config) Options {
	return Options{
		Set: set, Notify: c,
		Began: func(a agent.Alert) { d.note(a.Seen, "began %s %s", a.Rule.Name, a.Source) },
		Ended: func(at time.Time, a agent.Alert) {
			d.note(at, "ended %s %s: %d, %s", a.Rule.Name, a.Source, a.Count, a.End)
		},
		Told: func(i int, at time.Time, n *notify.Notice) {
			d.note(at, "told %d %v of %d reminder=%v", i, n.Kind, len(n.Alerts), n.Reminder)
		},
	}
}

func (d *diary) check(t *testing.T, want ...string) {
	t.Helper()
	if !slices.Equal(d.lines, want) {
		t.Errorf("got:\n%s\nwant:\n%s", strings.Join(d.lines, "\n"), strings.Join(want, "\n"))
	}
}

func defaults() notify.Config {
	var c notify.Config
	c.SetDefaults()
	return c
}

func must(t testing.TB, o Options) *Replay {
	t.Helper()
	r, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

const ruleText = `
groups:
  - name: g
    rules:
      - {name: Error, match: ERROR}
      - {name: Burst, match: declined, threshold: 3, window: 1m, severity: critical}
      - {name: Down, sample: up, equals: 0, for: 30s}
      - {name: Many, match: 'user=(?P<user>\w+)', threshold: 2, window: 10s, by: user}
      - {name: Restarts, sample: restarts, changed: up, window: 2m}
`

func TestAlertsAndNotices(t *testing.T) {
	set := load(t, ruleText)
	var d diary
	quick := defaults()
	quick.MinSeverity, quick.GroupWait = "critical", 0
	r := must(t, d.options(set, defaults(), quick))
	app, web := newLog("app"), newLog("web")
	const s, m = time.Second, time.Minute
	r.Records(app.batch(set, 0*s, "ERROR 1", 10*s, "fine", 4*m, "ERROR 2"))
	r.Records(web.batch(set, 4*m, "declined", 4*m+1500*time.Millisecond, "declined", 4*m+20*s, "declined"))
	for i := range 5 {
		r.Samples(start.Add(5*m+time.Duration(i)*15*s), "x", []agent.Sample{{Name: "up", Value: float64(i / 4), Labels: []agent.Label{{Name: "target", Value: "db"}}}})
	}
	r.Settle(24 * time.Hour)
	d.check(t,
		"0s began Error app",
		"31s told 0 firing of 1 reminder=false",
		"4m20s began Burst web",
		"4m21s told 1 firing of 1 reminder=false",
		"4m51s told 0 firing of 1 reminder=false",
		"5m20s ended Burst web: 3, ",
		"5m20s told 1 resolved of 1 reminder=false",
		"5m30s began Down db",
		"5m50s told 0 resolved of 1 reminder=false",
		"6m ended Down db: 0, ",
		"6m1s told 0 resolved of 1 reminder=false",
		"9m ended Error app: 2, ",
		"9m30s told 0 resolved of 1 reminder=false",
	)
}

// What is skipped are ticks at which nothing happens: with one each second it
// is the same.
func TestNothingIsSkippedThatMatters(t *testing.T) {
	set := load(t, ruleText+`
      - {name: Silent, absent: 4m, source: {container: [app, db]}}
      - {name: NoUser, absent: 7m, match: 'user='}
      - {name: Surge, match: declined, threshold: 2, spike: 2, window: 2m}
      - {name: Faster, sample: up, delta: 30s, above: 0}
      - {name: User, sample: info, changed: [user], by: [name], window: 3m}
      - {name: NotRoot, sample: info, expected: {user: app}, by: [name], for: 20s}
      - {name: Gone, sample: info, absent: 1m, by: [name], window: 20m}
      - {name: Never, sample: info, absent: 2m, source: {name: [a, z]}}
inhibit:
  - {source: {rule: Down}, target: {rule: [Error, Silent]}}
  - {source: 'rule="Many", user="anna"', target: {rule: Burst}, equal: log}
  - {source: {rule: Burst}, target: {rule: Error}, equal: log}
`)
	for seed := range uint64(40) {
		var want []string
		for _, skip := range []bool{false, true} {
			var d diary
			short := defaults()
			short.GroupBy, short.GroupInterval, short.RepeatInterval = conf.Strings{"severity"}, conf.Duration(time.Minute), conf.Duration(3*time.Minute)
			r := must(t, d.options(set, defaults(), short))
			if !skip {
				r.ask = func() (time.Duration, bool) { return r.now.Sub(r.epoch) + 1, true }
			}
			random(r, set, rand.New(rand.NewPCG(seed, 1)))
			slices.Sort(d.lines) // what happens at once has no order
			if !skip {
				want = d.lines
				continue
			}
			if len(want) < 5 {
				t.Errorf("seed %d: nothing happens: %v", seed, want)
			}
			d.check(t, want...)
		}
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

// random is a few hours of two logs and a sampler.
func random(r *Replay, set *rules.Set, rnd *rand.Rand) {
	logs := []*log{newLog("app"), newLog("web")}
	at := time.Duration(0)
	lines := []string{"ERROR", "fine", "declined", "user=anna", "user=bert", "user=anna ERROR"}
	value := [2]float64{1, 0}
	for range 150 {
		switch rnd.IntN(8) {
		case 0:
			at += time.Duration(rnd.IntN(20)) * time.Minute
		case 1, 2, 3:
			at += time.Duration(rnd.IntN(30_000)) * time.Millisecond
		case 4:
			at += time.Duration(rnd.IntN(30)) * time.Second
		}
		if rnd.IntN(4) > 0 {
			r.Records(logs[rnd.IntN(2)].batch(set, at, lines[rnd.IntN(len(lines))]))
			continue
		}
		if rnd.IntN(8) == 0 {
			r.Samples(start.Add(at), "x", nil)
			continue
		}
		value[rnd.IntN(2)] = float64(rnd.IntN(2))
		samples := []agent.Sample{{Name: "up", Value: value[0]}, {Name: "restarts", Value: value[1]}}
		for _, name := range []string{"a", "b"} {
			if user := []string{"", "app", "app", "app", "root"}[rnd.IntN(5)]; user != "" {
				samples = append(samples, agent.Sample{Name: "info", Value: 1, Labels: []agent.Label{{Name: "name", Value: name}, {Name: "user", Value: user}}})
			}
		}
		r.Samples(start.Add(at), "x", samples)
	}
	r.Settle(2 * time.Hour) // something goes on for ever
}

func TestMerge(t *testing.T) {
	set := load(t, ruleText)
	for _, step := range []time.Duration{0, time.Second} {
		var d diary
		o := d.options(set)
		o.Step = step
		r := must(t, o)
		const h = time.Hour
		one, two := newLog("one"), newLog("two")
		if err := r.Merge(
			input(one.batch(set, 0*h, "ERROR", 2*h, "ERROR"), one.batch(set), one.batch(set, 4*h, "ERROR")),
			input(),
			input(two.batch(set, 1*h, "ERROR", 3*h, "fine", 5*h, "ERROR", 6*h, "ERROR")),
		); err != nil {
			t.Fatal(err)
		}
		r.Settle(h)
		var began []string
		for _, l := range d.lines {
			if strings.Contains(l, "began") {
				began = append(began, l)
			}
		}
		if want := "0s began Error one,1h began Error two,2h began Error one,4h began Error one,5h began Error two,6h began Error two"; strings.Join(began, ",") != want {
			t.Errorf("got %s", strings.Join(began, "\n"))
		}
		if len(d.lines) != 2*len(began) {
			t.Errorf("not all is over: %v", d.lines)
		}
	}
}

func input(list ...*agent.Batch) Input {
	return func() (*agent.Batch, error) {
		if len(list) == 0 {
			return nil, nil
		}
		b := list[0]
		list = list[1:]
		return b, nil
	}
}

// Times of which one is wrong, or years apart, are gone through all the same.
func TestTimesFarApart(t *testing.T) {
	set := load(t, ruleText)
	var d diary
	r := must(t, d.options(set, defaults()))
	app := newLog("app")
	for i, year := range []int{1970, 1999, 2026, 2261, 2026} {
		b := app.batch(set, time.Duration(i), "ERROR")
		b.Records[0].Time = time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC).UnixNano()
		r.Records(b)
	}
	r.Settle(48 * time.Hour)
	if n := strings.Count(strings.Join(d.lines, "\n"), "began"); n != 4 || len(d.lines) < 2*n {
		t.Errorf("%q", d.lines)
	}
}

func BenchmarkMillionFindings(b *testing.B) {
	set := load(b, ruleText)
	for _, keys := range []int{1, 900} {
		for _, step := range []time.Duration{0, time.Second} {
			b.Run(fmt.Sprintf("keys=%d/step=%s", keys, step), func(b *testing.B) {
				app := newLog("app")
				var batches []*agent.Batch
				for i := range 1000 { // a day
					var lines []any
					for j := range 1000 {
						n := i*1000 + j
						lines = append(lines, time.Duration(n)*86400*time.Microsecond, fmt.Sprintf("user=u%d did it", n%keys))
					}
					batches = append(batches, app.batch(set, lines...))
				}
				for b.Loop() {
					r := must(b, Options{Set: set, Notify: []notify.Config{defaults()}, Step: step})
					for _, batch := range batches {
						r.Records(batch)
					}
					r.Settle(time.Hour)
				}
			})
		}
	}
}
