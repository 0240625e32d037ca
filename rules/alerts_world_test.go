package rules

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/webgrip/logkeel/agent"
)

// ruleOn is a rule on lines that hold its name in lower case.
func ruleOn(name string, p policy) loaded {
	e, err := compile(strings.ToLower(name))
	if err != nil {
		panic(err)
	}
	return loaded{rule: &agent.Rule{Name: name, Class: "error", Severity: "critical", File: "rules.yaml"}, match: []*expr{e}, policy: p}
}

func times(n int, within time.Duration) policy {
	return policy{threshold: n, window: within, byLog: true}
}

// A bench is Alerts with all that they touch: a clock, a folder, logs that are
// read on where the rules stand, and who is told.
type bench struct {
	t       *testing.T
	dir     string
	rules   []loaded
	wall    time.Time
	elapsed time.Duration
	told    told
	unread  map[string]int64
	written map[string][]agent.Line // by log
	sources map[string]*agent.Source
	*Alerts
}

var noon = time.Date(2026, 1, 15, 12, 0, 0, 0, time.UTC)

func newBench(t *testing.T, rules ...loaded) *bench {
	b := &bench{t: t, dir: t.TempDir(), rules: rules, wall: noon, told: told{byID: map[string]agent.Alert{}}, written: map[string][]agent.Line{}}
	b.start()
	return b
}

// start makes new Alerts of what is on the disk, as after a kill.
func (b *bench) start() {
	b.t.Helper()
	ledger, err := agent.OpenLedger(b.t.TempDir(), slog.New(slog.DiscardHandler))
	if err != nil {
		b.t.Fatal(err)
	}
	begin := b.elapsed
	b.Alerts, err = NewAlerts(newSet(b.rules), AlertOptions{
		Ledger: ledger, Dir: b.dir, Outputs: []agent.AlertOutput{&b.told}, Log: slog.New(slog.DiscardHandler),
		Clock: Clock{Wall: func() time.Time { return b.wall }, Elapsed: func() time.Duration { return b.elapsed - begin }},
	})
	if err != nil {
		b.t.Fatal(err)
	}
	b.grace = 0
	b.sources = map[string]*agent.Source{}
	for source := range b.written {
		b.read(source)
	}
}

// pass lets time go by, with a tick each second.
func (b *bench) pass(d time.Duration) {
	for range int(d / time.Second) {
		b.wall = b.wall.Add(time.Second)
		b.elapsed += time.Second
		b.tick()
	}
}

func (b *bench) tick() {
	b.sweep(b.unread)
	b.flush(b.t.Context(), false)
}

// log writes lines at t, and they are read.
func (b *bench) log(source string, t time.Time, lines ...string) {
	for _, line := range lines {
		b.written[source] = append(b.written[source], agent.Line{Time: t, Text: line})
	}
	b.read(source)
}

// sourceNamed is the log of a container: app-1 is one of the service app.
func sourceNamed(name string) *agent.Source {
	service, _, _ := strings.Cut(name, "-")
	return &agent.Source{ID: "docker/" + name, Collector: "docker", Name: name, Labels: []agent.Label{{Name: "container", Value: name}, {Name: "service", Value: service}}}
}

// sourceNamed is the same one each time, until the next start.
func (b *bench) sourceNamed(name string) *agent.Source {
	if b.sources[name] == nil {
		b.sources[name] = sourceNamed(name)
	}
	return b.sources[name]
}

// read reads what was written after the place where the rules stand.
func (b *bench) read(source string) {
	src := b.sourceNamed(source)
	at := b.Consumer().Position(src.ID).Offset
	batch := &agent.Batch{Source: src, Pos: agent.Position{Epoch: 1, Offset: at}}
	for _, line := range b.written[source][at:] {
		start := int32(len(batch.Buf))
		batch.Buf = append(batch.Buf, line.Text...)
		batch.Pos.Offset++
		batch.Records = append(batch.Records, agent.Record{Time: line.Time.UnixNano(), End: batch.Pos.Offset, Body: agent.Span{Start: start, End: int32(len(batch.Buf))}})
	}
	b.set.Match(batch)
	b.Records(batch, 0)
}

// told is an output that remembers the newest of each alert.
type told struct {
	byID   map[string]agent.Alert
	calls  int
	err    error
	takes  bool            // it does, though it gives err
	firing map[string]bool // as it was reconciled
}

func (o *told) Name() string              { return "told" }
func (o *told) Run(context.Context) error { return nil }

func (o *told) Reconcile(_ context.Context, firing map[string]bool) error {
	o.firing = firing
	return nil
}

func (o *told) Notify(_ context.Context, alerts []agent.Alert) error {
	if o.err != nil && !o.takes {
		return o.err
	}
	for _, a := range alerts {
		o.calls++
		if was, ok := o.byID[a.ID]; !ok || was.Revision < a.Revision {
			o.byID[a.ID] = a
		}
	}
	return o.err
}

// list is what was told, by time.
func (o *told) list() []agent.Alert {
	return slices.SortedFunc(maps.Values(o.byID), func(a, b agent.Alert) int { return a.Starts.Compare(b.Starts) })
}

func (o *told) one(t *testing.T) agent.Alert {
	t.Helper()
	if len(o.byID) != 1 {
		t.Fatalf("%d alerts, want 1: %+v", len(o.byID), o.list())
	}
	return o.list()[0]
}

// linesOf is the lines that were found.
func linesOf(lines []agent.Line) string {
	var s []string
	for _, l := range lines {
		if !l.Context {
			s = append(s, l.Text)
		}
	}
	return strings.Join(s, ",")
}
