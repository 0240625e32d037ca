package agent

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// words is a Matcher that finds the records that hold a rule's name.
type words []*Rule

func newWords(names ...string) (w words) {
	for i, n := range names {
		w = append(w, &Rule{Name: n, Class: "error", Severity: "warning", Index: i})
	}
	return w
}

func (w words) Rules() []*Rule { return w }

func (w words) Match(b *Batch) {
	for i := range b.Records {
		for _, r := range w {
			if strings.Contains(string(b.Body(i)), r.Name) {
				b.Findings = append(b.Findings, Finding{Rule: r, Record: int32(i)})
			}
		}
	}
}

// recorder is a RecordOutput that keeps texts, and says what is safe when told.
type recorder struct {
	name     string
	consumer *Consumer
	lines    []string
	err      error
	pending  []func()
}

func newRecorder(l *Ledger, name string) *recorder {
	return &recorder{name: name, consumer: l.Consumer(name)}
}

func (r *recorder) Name() string                { return r.name }
func (r *recorder) Run(context.Context) error   { return nil }
func (r *recorder) Drain(context.Context) error { return nil }
func (r *recorder) Consumer() *Consumer         { return r.consumer }

func (r *recorder) Write(_ context.Context, b *Batch, from int) error {
	if r.err != nil {
		return r.err
	}
	for i := from; i < len(b.Records); i++ {
		r.lines = append(r.lines, string(b.Body(i)))
	}
	id, pos := b.Source.ID, b.Pos
	r.pending = append(r.pending, func() { r.consumer.Safe(id, pos) })
	return nil
}

func (r *recorder) ack() {
	for _, f := range r.pending {
		f()
	}
	r.pending = nil
}

var web = &Source{ID: "docker/web", Collector: "docker", Labels: []Label{{"container", "web-1"}, {"project", "shop"}, {"service", "web"}}}

// emit emits lines from..to of a log in which line n ends at offset n.
func emit(t *testing.T, f Feed, from, to int64, text string) {
	t.Helper()
	b, err := f.Batch(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for n := from; n <= to; n++ {
		start := int32(len(b.Buf))
		b.Buf = fmt.Appendf(b.Buf, "%s%d", text, n)
		b.Records = append(b.Records, Record{End: n, Body: Span{start, int32(len(b.Buf))}})
	}
	b.Pos = at(1, to)
	if err := f.Emit(t.Context(), b); err != nil {
		t.Fatal(err)
	}
}

func count(p Meter, name string, labels ...string) (sum float64) {
	p.Meter(func(s Sample) {
		if s.Name != name {
			return
		}
		for _, l := range labels {
			k, v, _ := strings.Cut(l, "=")
			if !slices.Contains(s.Labels, Label{k, v}) {
				return
			}
		}
		sum += s.Value
	})
	return sum
}

func TestEachConsumerGetsWhatItLacks(t *testing.T) {
	dir := t.TempDir()
	l := openLedger(t, dir)
	fast, dead := newRecorder(l, "fast"), newRecorder(l, "dead")
	p := NewPipeline(l, newWords("bad"), nil, []RecordOutput{fast, dead})
	f := p.Open(web)
	if len(f.Resume()) != 0 {
		t.Fatal("a new source has a place to resume at")
	}
	emit(t, f, 1, 3, "bad")
	fast.ack()
	dead.ack()
	emit(t, f, 4, 6, "bad")
	fast.ack() // and dead does not
	f.Close(false)

	// killed, and started again
	l = openLedger(t, dir)
	fast, dead = newRecorder(l, "fast"), newRecorder(l, "dead")
	p = NewPipeline(l, newWords("bad"), nil, []RecordOutput{fast, dead})
	f = p.Open(web)
	if all := f.Resume(); !slices.Equal(all, []Position{at(1, 3), at(1, 6)}) {
		t.Fatalf("resumes at %+v; want the places of the one that lags and of the others", all)
	}
	emit(t, f, 4, 8, "bad")
	if want := []string{"bad7", "bad8"}; !slices.Equal(fast.lines, want) {
		t.Errorf("the other output got %q, want %q", fast.lines, want)
	}
	if want := []string{"bad4", "bad5", "bad6", "bad7", "bad8"}; !slices.Equal(dead.lines, want) {
		t.Errorf("the output that lagged got %q, want %q", dead.lines, want)
	}
	if n := count(p, "logkeel_findings_total", "rule=bad"); n != 2 {
		t.Errorf("%v findings are counted, want 2: the others were before", n)
	}
}

func TestARestartedCollectorRepeatsNothing(t *testing.T) {
	l := openLedger(t, t.TempDir())
	out := newRecorder(l, "out")
	p := NewPipeline(l, newWords(), nil, []RecordOutput{out})
	f := p.Open(web)
	emit(t, f, 1, 5, "x")
	f.Close(false) // nothing was acknowledged
	f = p.Open(web)
	if all := f.Resume(); !slices.Equal(all, []Position{at(1, 5)}) {
		t.Errorf("resumes at %+v, but the output has all of it", all)
	}
}

func TestANewOutputStartsNow(t *testing.T) {
	dir := t.TempDir()
	l := openLedger(t, dir)
	old := newRecorder(l, "old")
	f := NewPipeline(l, newWords(), nil, []RecordOutput{old}).Open(web)
	emit(t, f, 1, 5, "x")
	old.ack()

	l = openLedger(t, dir)
	old, added := newRecorder(l, "old"), newRecorder(l, "added")
	f = NewPipeline(l, newWords(), nil, []RecordOutput{old, added}).Open(web)
	if all := f.Resume(); !slices.Equal(all, []Position{at(1, 5)}) {
		t.Fatalf("resumes at %+v", all)
	}
	emit(t, f, 6, 7, "x")
	if want := []string{"x6", "x7"}; !slices.Equal(added.lines, want) {
		t.Errorf("the new output got %q, want %q", added.lines, want)
	}
}

func TestAnOutputThatDoesNotTakeABatchGetsItAgain(t *testing.T) {
	l := openLedger(t, t.TempDir())
	first, second := newRecorder(l, "first"), newRecorder(l, "second")
	p := NewPipeline(l, newWords(), nil, []RecordOutput{first, second})
	f := p.Open(web)
	second.err = errors.New("stopping")
	b, _ := f.Batch(t.Context())
	b.Buf = append(b.Buf, "x1"...)
	b.Records = append(b.Records, Record{End: 1, Body: Span{0, 2}})
	b.Pos = at(1, 1)
	if err := f.Emit(t.Context(), b); !errors.Is(err, second.err) {
		t.Fatalf("emit: %v", err)
	}
	if len(f.Resume()) == 0 {
		t.Fatal("the first output's place is unknown")
	}
	second.err = nil
	emit(t, f, 1, 2, "x")
	if !slices.Equal(first.lines, []string{"x1", "x2"}) || !slices.Equal(second.lines, []string{"x1", "x2"}) {
		t.Errorf("first %q, second %q", first.lines, second.lines)
	}
}

func TestFirstAfter(t *testing.T) {
	b := &Batch{Pos: at(2, 40), Records: []Record{{End: 10}, {End: 20}, {End: 40}}}
	for _, c := range []struct {
		p  Position
		i  int
		ok bool
	}{
		{Position{}, 0, true},
		{at(1, 999), 0, true},
		{at(2, 0), 0, true},
		{at(2, 10), 1, true},
		{at(2, 15), 1, true},
		{at(2, 39), 2, true},
		{at(2, 40), 3, false},
		{at(3, 0), 3, false},
	} {
		if i, ok := firstAfter(b, c.p); i != c.i || ok != c.ok {
			t.Errorf("after %+v: %d, %v; want %d, %v", c.p, i, ok, c.i, c.ok)
		}
	}
	// only the position moves
	if i, ok := firstAfter(&Batch{Pos: at(1, 5)}, at(1, 4)); i != 0 || !ok {
		t.Errorf("a batch without records: %d, %v", i, ok)
	}
}

func TestBatchesAreBounded(t *testing.T) {
	l := openLedger(t, t.TempDir())
	p := NewPipeline(l, newWords(), nil, nil)
	f := p.Open(web)
	var held []*Batch
	for range cap(p.pool.free) {
		b, err := f.Batch(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		held = append(held, b)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := f.Batch(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("one batch too many: %v", err)
	}
	last := held[len(held)-1]
	last.Buf = make([]byte, maxKeptBuf+1)
	f.Release(last)
	b, err := f.Batch(t.Context())
	if err != nil || b != last || cap(b.Buf) != 0 || b.Source != web {
		t.Errorf("got %p with %d bytes of %v, %v; want %p, its huge buffer dropped", b, cap(b.Buf), b.Source, err, last)
	}
}

func TestSeriesAreBounded(t *testing.T) {
	st := newStats(newWords("a"))
	source := func(name string) *Source {
		return &Source{ID: name, Collector: "docker", Labels: []Label{{"container", name}}}
	}
	first := st.open(source("c0"))
	for i := 1; i < maxSeries; i++ {
		st.open(source(fmt.Sprint("c", i)))
	}
	if s := st.open(source("c0")); s != first {
		t.Error("a container's successor of the same name has other counters")
	}
	if s := st.open(source("late")); s.key.container != overflow {
		t.Errorf("source %d has a series of its own: %+v", maxSeries+1, s.key)
	}
	f := &feed{series: st.series[keyOf(source("c5"))]}
	st.addFeed(f)
	st.removeFeed(f)
	st.removeFeed(f) // twice is once
	if s := st.open(source("later")); s.key.container != "later" {
		t.Errorf("the place of a container that is gone was not given on: %+v", s.key)
	}
}

func TestRulesThatFoundNothingAreExportedAsZero(t *testing.T) {
	l := openLedger(t, t.TempDir())
	p := NewPipeline(l, newWords("bad"), nil, nil)
	p.Open(web)
	n := 0
	p.Meter(func(s Sample) {
		if s.Name == "logkeel_findings_total" && s.Value == 0 {
			n++
		}
	})
	if n != 1 {
		t.Errorf("%d zero series, want 1: without it increase() misses the first finding", n)
	}
}

func TestEmitAllocatesNothing(t *testing.T) {
	l := openLedger(t, t.TempDir())
	f := NewPipeline(l, newWords(), nil, nil).Open(web)
	ctx := t.Context()
	n := int64(0)
	if got := testing.AllocsPerRun(100, func() {
		b, _ := f.Batch(ctx)
		b.Buf = append(b.Buf, "line"...)
		for range 100 {
			n++
			b.Records = append(b.Records, Record{End: n, Body: Span{0, 4}})
		}
		b.Pos = at(1, n)
		f.Emit(ctx, b)
	}); got > 0 {
		t.Errorf("%v allocations a batch, want 0", got)
	}
}

// What a source's sender may forget is what every consumer has on its disk.
func TestSafe(t *testing.T) {
	l := openLedger(t, t.TempDir())
	fast, slow := newRecorder(l, "fast"), newRecorder(l, "slow")
	f := NewPipeline(l, newWords(), nil, []RecordOutput{fast, slow}).Open(web)
	if p := f.Safe(); !p.IsZero() {
		t.Errorf("%+v is safe of a source of which nobody has anything", p)
	}
	emit(t, f, 1, 3, "x")
	fast.ack()
	if p := f.Safe(); p.Offset != 0 {
		t.Errorf("%+v is safe while an output has not acknowledged", p)
	}
	slow.ack()
	emit(t, f, 4, 5, "x")
	fast.ack()
	if p := f.Safe(); p != at(1, 3) {
		t.Errorf("%+v is safe, want %+v", p, at(1, 3))
	}
}

// Whoever waits for an output that was added while nothing comes of the source,
// waits for nothing: it begins where the others are.
func TestSafeWithANewOutput(t *testing.T) {
	l := openLedger(t, t.TempDir())
	old, added := newRecorder(l, "old"), newRecorder(l, "added")
	p := NewPipeline(l, newWords(), nil, []RecordOutput{old})
	f := p.Open(web)
	emit(t, f, 1, 3, "x")
	if err := p.swap(func() (*works, error) {
		return newWorks(l, newWords(), nil, []RecordOutput{old, added}), nil
	}); err != nil {
		t.Fatal(err)
	}
	if p := f.Safe(); p.Offset != 0 {
		t.Errorf("%+v is safe while an output has not acknowledged", p)
	}
	old.ack()
	if p := f.Safe(); p != at(1, 3) {
		t.Errorf("%+v is safe, want %+v", p, at(1, 3))
	}
	if err := p.swap(func() (*works, error) {
		l.drop(old.consumer)
		return newWorks(l, newWords(), nil, []RecordOutput{added}), nil
	}); err != nil {
		t.Fatal(err)
	}
	if p := f.Safe(); p != at(1, 3) {
		t.Errorf("%+v is safe without the first output, want %+v", p, at(1, 3))
	}
}
