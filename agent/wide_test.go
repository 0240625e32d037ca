package agent

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// A few wants the lines with these indexes, and all from one on.
type few struct {
	Filter
	lines []int
	all   int
}

func (f *few) Wanted(b *Batch, want []uint64) int {
	for _, i := range f.lines {
		want[i>>6] |= 1 << (i & 63)
	}
	return min(f.all, len(b.Records))
}

func wantedOf(f Filter, n int) (lines []int, all int) {
	want := make([]uint64, (n+63)/64)
	all = f.Wanted(&Batch{Records: make([]Record, n)}, want)
	for i := range 64 * len(want) {
		if want[i>>6]&(1<<(i&63)) != 0 {
			lines = append(lines, i)
		}
	}
	return lines, all
}

func TestAWideFilterWantsWhatStandsBeside(t *testing.T) {
	for seed := range uint64(300) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		n := rnd.IntN(1000) + 1
		f := &few{all: n - rnd.IntN(2)*rnd.IntN(n)}
		var want []int
		for range rnd.IntN(8) {
			f.lines = append(f.lines, rnd.IntN(n))
		}
		for i := range n {
			if slices.ContainsFunc(f.lines, func(l int) bool { return i >= l-3 && i <= l+3 }) {
				want = append(want, i)
			}
		}
		got, all := wantedOf(&wide{f, 3}, n)
		if !slices.Equal(got, want) {
			t.Fatalf("%d lines, wanted are %v: %v, want %v", n, f.lines, got, want)
		}
		if wantAll := max(0, f.all-3); f.all < n && all != wantAll || f.all == n && all != n {
			t.Fatalf("%d lines: from %d on all are wanted, and that becomes %d", n, f.all, all)
		}
	}
}

// Where a storm is on context would cost that each line is decoded.
func TestNothingIsWidenedInAStorm(t *testing.T) {
	f := &few{all: 1000}
	for i := 0; i < 1000; i += 12 {
		f.lines = append(f.lines, i)
	}
	if got, _ := wantedOf(&wide{f, 3}, 1000); !slices.Equal(got, f.lines) {
		t.Errorf("%d lines are wanted, want %d", len(got), len(f.lines))
	}
	f.lines, f.all = []int{1, 13, 25}, 30
	if got, _ := wantedOf(&wide{f, 3}, 30); len(got) != 5+7+7 {
		t.Errorf("of a few lines %v are wanted", got)
	}
}

// An onlooker shows context.
type onlooker struct {
	noAlerts
	lines int
}

func (o *onlooker) ContextLines() int { return o.lines }

func TestTheFilterIsWideWhereAlertsShowContext(t *testing.T) {
	l := openLedger(t, t.TempDir())
	m := &sifting{newWords("bad"), &few{lines: []int{10}, all: 30}}
	alerts := &onlooker{noAlerts{l.Consumer(RulesConsumer)}, 3}
	p := NewPipeline(l, m, alerts, nil)
	f := p.Open(web)
	first := filterOf(f, at(1, 0))
	if got, _ := wantedOf(first, 30); !slices.Equal(got, []int{7, 8, 9, 10, 11, 12, 13}) {
		t.Errorf("%v are wanted", got)
	}
	if filterOf(f, at(1, 0)) != first {
		t.Error("the filter is another one, and nothing has changed")
	}
	if n := testing.AllocsPerRun(100, func() { filterOf(f, at(1, 0)) }); n != 0 {
		t.Errorf("%v allocations a block", n)
	}
	if err := emitPassed(t, f, first, 1, 5, 2); err != nil {
		t.Error(err)
	}
	other := &onlooker{noAlerts{l.Consumer(RulesConsumer)}, 0}
	if err := p.swap(func() (*works, error) { return newWorks(l, m, other, nil), nil }); err != nil {
		t.Fatal(err)
	}
	if err := emitPassed(t, f, first, 6, 9, 7); err == nil {
		t.Error("nobody shows context any more, and what was read with it is taken")
	}
	if got := filterOf(f, at(1, 5)); got != m.filter {
		t.Errorf("the filter is %v, want that of the rules", got)
	}
}
