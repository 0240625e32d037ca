package agent

import (
	"errors"
	"fmt"
	"slices"
	"testing"
)

// A peek is a Tap that keeps texts.
type peek struct {
	all   bool
	lines []string
	found []string
}

func (p *peek) Wants(*Source) bool { return p.all }

func (p *peek) Records(b *Batch, from int) {
	for i := from; i < len(b.Records); i++ {
		p.lines = append(p.lines, string(b.Body(i)))
	}
	for _, f := range b.Findings {
		p.found = append(p.found, fmt.Sprintf("%s in %s", f.Rule.Name, b.Body(int(f.Record))))
	}
}

// Who looks sees each line once, whatever the outputs do, and what outputs see of
// findings; and sees nothing after that.
func TestTapSeesEachLineOnce(t *testing.T) {
	l := openLedger(t, t.TempDir())
	out := newRecorder(l, "out")
	rules := newWords("bad", "good")
	rules[1].Unmarked = true
	p := NewPipeline(l, rules, nil, []RecordOutput{out})
	f := p.Open(web)
	emit(t, f, 1, 2, "before")
	look := &peek{}
	p.SetTap(look)
	out.err = errors.New("full")
	for range 2 {
		b, err := f.Batch(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		b.Buf = append(b.Buf, "bad and good"...)
		b.Records, b.Pos = append(b.Records, Record{End: 3, Body: Span{0, 12}}), at(1, 3)
		if err := f.Emit(t.Context(), b); !errors.Is(err, out.err) {
			t.Fatal(err)
		}
	}
	out.err = nil
	emit(t, f, 3, 5, "more")
	if want := []string{"bad and good", "more4", "more5"}; !slices.Equal(look.lines, want) {
		t.Errorf("it saw %q, want %q", look.lines, want)
	}
	if want := []string{"bad in bad and good"}; !slices.Equal(look.found, want) {
		t.Errorf("it saw the findings %q, want %q", look.found, want)
	}
	if err := p.swap(func() (*works, error) { return newWorks(l, newWords("other"), nil, []RecordOutput{out}), nil }); err != nil {
		t.Fatal(err)
	}
	emit(t, f, 6, 6, "other")
	p.SetTap(nil)
	emit(t, f, 7, 7, "after")
	if got := look.lines[3:]; !slices.Equal(got, []string{"other6"}) || look.found[1] != "other in other6" {
		t.Errorf("after a reload it saw %q and %q", got, look.found)
	}
}

// Lines that nobody else wants are decoded while somebody looks at them.
func TestTapWantsLinesWithoutFindings(t *testing.T) {
	l := openLedger(t, t.TempDir())
	m := &sifting{newWords("bad"), &none{}}
	p := NewPipeline(l, m, nil, nil)
	f := p.Open(web)
	for _, tt := range []struct {
		name string
		tap  Tap
		want Filter
	}{
		{"nobody", nil, m.filter}, {"findings only", &peek{}, m.filter}, {"all", &peek{all: true}, nil}, {"nobody any more", nil, m.filter},
	} {
		p.SetTap(tt.tap)
		if got := filterOf(f, at(1, 0)); got != tt.want {
			t.Errorf("%s: the filter is %v, want %v", tt.name, got, tt.want)
		}
	}
	p.SetTap(&peek{all: true}) // and what was passed over before it came is not read again
	if err := emitPassed(t, f, m.filter, 1, 5, 2); err != nil {
		t.Error(err)
	}
}

// A blind Tap wants nothing.
type blind struct{ records int }

func (*blind) Wants(*Source) bool        { return false }
func (t *blind) Records(b *Batch, _ int) { t.records += len(b.Records) }

// BenchmarkTapNobody is what a batch of one line, where it weighs most, and one of
// a thousand cost in the pipeline: where nobody looks, and where somebody does who
// keeps nothing. None allocates.
func BenchmarkTapNobody(b *testing.B) {
	for _, lines := range []int{1, 1000} {
		for _, look := range []Tap{nil, &blind{}} {
			b.Run(fmt.Sprintf("lines=%d/looks=%v", lines, look != nil), func(b *testing.B) {
				l := openLedger(b, b.TempDir())
				p := NewPipeline(l, silent{}, noAlerts{l.Detached(RulesConsumer, nil)}, nil) // which writes nothing
				p.SetTap(look)
				f, ctx, end := p.Open(web), b.Context(), int64(0)
				text := make([]byte, 100)
				b.ReportAllocs()
				for b.Loop() {
					batch, err := f.Batch(ctx)
					if err != nil {
						b.Fatal(err)
					}
					for range lines {
						end++
						start := int32(len(batch.Buf))
						batch.Buf = append(batch.Buf, text...)
						batch.Records = append(batch.Records, Record{End: end, Body: Span{start, start + 100}})
					}
					batch.Pos = at(1, end)
					if err := f.Emit(ctx, batch); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// silent finds nothing.
type silent struct{}

func (silent) Match(*Batch)   {}
func (silent) Rules() []*Rule { return nil }
