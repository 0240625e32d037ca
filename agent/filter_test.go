package agent

import (
	"errors"
	"slices"
	"testing"
)

// sifting is a Prefilter whose filter is replaced as a whole.
type sifting struct {
	words
	filter Filter
}

func (s *sifting) Filter(*Source) Filter { return s.filter }

// A none wants nothing.
type none struct{ Filter }

func (*none) Opens([]byte) bool { return false }

// A selectiveRecorder is a recorder of flagged records, or of all.
type selectiveRecorder struct {
	*recorder
	all bool
}

func (r *selectiveRecorder) FlaggedOnly() bool { return !r.all }

// emitPassed emits a batch of which the first lines were passed over by f.
func emitPassed(t *testing.T, feed Feed, f Filter, from, to int64, records ...int64) error {
	t.Helper()
	b, err := feed.Batch(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range records {
		b.Records = append(b.Records, Record{End: n, Time: n})
	}
	lines := int(to-from) + 1 - len(records)
	b.Passed = Passed{Filter: f, Lines: lines, Bytes: 10 * lines, Time: to, End: to}
	b.Pos = at(1, to)
	return feed.Emit(t.Context(), b)
}

func filterOf(f Feed, from Position) Filter { return f.(Sifter).Filter(from) }

func TestFilterIsForWhatNobodyHasHad(t *testing.T) {
	l := openLedger(t, t.TempDir())
	m := &sifting{newWords("bad"), &none{}}
	one, other := &selectiveRecorder{recorder: newRecorder(l, "one")}, &selectiveRecorder{recorder: newRecorder(l, "other")}
	p := NewPipeline(l, m, nil, []RecordOutput{one, other})
	f := p.Open(web)
	if got := filterOf(f, at(1, 0)); got != m.filter {
		t.Fatalf("the filter is %v, want that of the rules", got)
	}
	if err := emitPassed(t, f, m.filter, 1, 5, 2); err != nil {
		t.Fatal(err)
	}
	if lines, bytes := count(p, "logkeel_source_lines_total"), count(p, "logkeel_source_bytes_total"); lines != 5 || bytes != 40 {
		t.Errorf("%v lines of %v bytes are counted, want 5 of 40", lines, bytes)
	}
	for _, r := range []*selectiveRecorder{one, other} {
		if !slices.Equal(r.lines, []string{""}) {
			t.Errorf("%s got %q, want one record", r.name, r.lines)
		}
	}
	other.err = errors.New("full")
	if err := emitPassed(t, f, m.filter, 6, 9); !errors.Is(err, other.err) {
		t.Fatal(err)
	}
	other.err = nil
	if got := filterOf(f, at(1, 5)); got != nil {
		t.Error("there is a filter for lines that one of the outputs has had")
	}
	emit(t, f, 6, 9, "x")
	if n := count(p, "logkeel_source_lines_total"); n != 9 {
		t.Errorf("%v lines are counted, want 9: the rules had the last ones once", n)
	}
	if got := filterOf(f, at(1, 9)); got != m.filter {
		t.Error("there is no filter for what nobody has had")
	}
}

func TestNoFilterWhereAllIsWanted(t *testing.T) {
	l := openLedger(t, t.TempDir())
	m := &sifting{newWords("bad"), &none{}}
	flagged, all := &selectiveRecorder{recorder: newRecorder(l, "flagged")}, &selectiveRecorder{recorder: newRecorder(l, "all"), all: true}
	for _, tt := range []struct {
		matcher Matcher
		outputs []RecordOutput
		want    bool
	}{
		{m, nil, true}, // the rules are all that there is
		{m, []RecordOutput{flagged}, true},
		{m, []RecordOutput{flagged, all}, false},
		{m, []RecordOutput{newRecorder(l, "any")}, false},
		{m.words, []RecordOutput{flagged}, false},
	} {
		f := NewPipeline(l, tt.matcher, nil, tt.outputs).Open(web)
		if got := filterOf(f, at(1, 0)) != nil; got != tt.want {
			t.Errorf("%d outputs: there is a filter: %v", len(tt.outputs), got)
		}
		f.Close(false)
	}
}

// What was passed over is read again where it is wanted after a reload.
func TestReloadOutdatesWhatWasPassedOver(t *testing.T) {
	l := openLedger(t, t.TempDir())
	m := &sifting{newWords("bad"), &none{}}
	out := &selectiveRecorder{recorder: newRecorder(l, "out")}
	p := NewPipeline(l, m, nil, []RecordOutput{out})
	f := p.Open(web)
	if err := emitPassed(t, f, m.filter, 1, 5, 2); err != nil {
		t.Fatal(err)
	}
	before := filterOf(f, at(1, 5))
	swap := func(m Matcher, outputs ...RecordOutput) {
		t.Helper()
		if err := p.swap(func() (*works, error) { return newWorks(l, m, nil, outputs), nil }); err != nil {
			t.Fatal(err)
		}
	}
	swap(m, out)
	if err := emitPassed(t, f, before, 6, 7); err != nil {
		t.Errorf("the filter is the same, and it is an error: %v", err)
	}
	other := &sifting{m.words, &none{Filter: before}}
	swap(other, out)
	if err := emitPassed(t, f, before, 8, 9); !errors.Is(err, ErrOutdated) {
		t.Errorf("other rules: %v, want ErrOutdated", err)
	}
	out.all = true
	swap(m, out)
	if err := emitPassed(t, f, before, 8, 9); !errors.Is(err, ErrOutdated) {
		t.Errorf("an output that wants all: %v, want ErrOutdated", err)
	}
	emit(t, f, 8, 9, "x")
	if want := []string{"", "x8", "x9"}; !slices.Equal(out.lines, want) {
		t.Errorf("it got %q, want %q", out.lines, want)
	}
	if n := count(p, "logkeel_source_lines_total"); n != 9 {
		t.Errorf("%v lines are counted, want 9", n)
	}
}

func TestCatchUpCountsWhatWasPassedOver(t *testing.T) {
	l := openLedger(t, t.TempDir())
	m := &sifting{newWords("bad"), &none{}}
	out := &selectiveRecorder{recorder: newRecorder(l, "out")}
	p := NewPipeline(l, m, nil, []RecordOutput{out})
	f := p.Open(web)
	if err := emitPassed(t, f, m.filter, 1, 100, 2); err != nil {
		t.Fatal(err)
	}
	if err := emitPassed(t, f, m.filter, 1, 100, 2); err != nil { // all have had it
		t.Fatal(err)
	}
	if lines, bytes, _ := p.caught.end(); lines != 100 || bytes != 990 {
		t.Errorf("%d lines of %d bytes, want 100 of 990", lines, bytes)
	}
}

func TestLastTime(t *testing.T) {
	for _, tt := range []struct {
		records []Record
		passed  Passed
		want    int64
	}{
		{nil, Passed{}, 0},
		{[]Record{{Time: 7, End: 3}}, Passed{}, 7},
		{[]Record{{Time: 7, End: 3}}, Passed{Time: 8, End: 2}, 7},
		{[]Record{{Time: 7, End: 3}}, Passed{Time: 6, End: 4}, 6},
		{nil, Passed{Time: 6, End: 4}, 6},
	} {
		if got := (&Batch{Records: tt.records, Passed: tt.passed}).LastTime(); got != tt.want {
			t.Errorf("%+v, %+v: %d", tt.records, tt.passed, got)
		}
	}
}
