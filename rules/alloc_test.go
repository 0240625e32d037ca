//go:build !race

// The race detector makes a sync.Pool forget what it holds.

package rules

import (
	"slices"
	"testing"

	"github.com/webgrip/logkeel/agent"
)

func TestMatchAllocatesNothing(t *testing.T) {
	packs := operations(t)
	mixed := parse(t, `
groups:
  - name: g
    rules:
      - {name: words, match: '\bjob\b', not: 'sess?ion'}
      - {name: numbers, match: '\d+ms|took \d'}
      - {name: fold, match: '(?i)request', source: {service: ""}}
      - {name: pair, match: '(?m)^\[.*(Logger|frame)'}
`)
	formats := parse(t, `
groups:
  - name: g
    rules:
      - {name: access, format: access, where: "status >= 200 and path =~ '^/api' and query =~ 'client[.]contacts' and agent != ''"}
      - {name: json, format: json, where: "invoice_id > 500 and not user == 'x'"}
      - {name: both, format: json, match: 'production[.]INFO', where: "company =~ 'Meyer'"}
      - {name: logfmt, format: logfmt, where: rt > 5}
`)
	for name, s := range map[string]*Set{"pack": packs, "mixed": mixed, "formats": formats} {
		batch := logBatch(64<<10, 1)
		run := func() {
			batch.Findings = batch.Findings[:0]
			s.Match(batch)
		}
		run()
		if len(batch.Findings) == 0 {
			t.Fatal("no findings")
		}
		if n := testing.AllocsPerRun(50, run); n != 0 {
			t.Errorf("%s: %v allocations a batch", name, n)
		}
	}
}

// TestFilterAllocatesNothing wants a look through a block to cost no memory.
func TestFilterAllocatesNothing(t *testing.T) {
	s, src := oneRule(t, "match: ERROR"), &agent.Source{ID: "test"}
	b := batchOf(slices.Repeat([]string{"nothing", "an ERROR"}, 100)...)
	want := make([]uint64, 4)
	f := s.Filter(src)
	if n := testing.AllocsPerRun(100, func() { s.Filter(src); f.Wanted(b, want) }); n > 0.5 {
		t.Errorf("%v allocations a block", n)
	}
}
