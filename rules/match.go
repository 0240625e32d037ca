package rules

import (
	"math/bits"
	"sync/atomic"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/rules/engine"
)

// A scratch is what one Match needs.
type scratch struct {
	candidates engine.Candidates
	each       []uint64 // those expressions of full passes that match a record
	name       []byte   // of fieldCut
	reading    reading
}

// A view is what one source needs of a set.
type view struct {
	set    *Set
	active []uint64 // expressions of rules that select the source
	any    bool     // active is not empty
	always []uint64 // those of them that stand for none, and have nothing to look for
	tries  bool     // always is not empty
	full   bool     // some have to be tried on each record
	each   bool     // a rule may hold for records whatever their text is
}

// viewKey is what views are kept under in a source: one a source, however often
// the rules are loaded.
type viewKey struct{}

func (s *Set) view(src *agent.Source) *view {
	if src == nil {
		return s.newView(&agent.Source{})
	}
	kept := src.Memo(viewKey{}, newHolder).(*atomic.Pointer[view])
	v := kept.Load()
	if v == nil || v.set != s {
		v = s.newView(src)
		kept.Store(v)
	}
	return v
}

func newHolder(*agent.Source) any { return new(atomic.Pointer[view]) }

func (s *Set) newView(src *agent.Source) *view {
	v := &view{set: s, active: make([]uint64, s.words), always: make([]uint64, s.words)}
	for i := range s.rules {
		r := &s.rules[i]
		if !selects(r.source, src) {
			continue
		}
		v.each = v.each || r.measure == nil && r.first == r.end
		for e := r.first; e < r.end; e++ {
			v.active[e>>6] |= 1 << (e & 63)
			v.any = true
			switch {
			case s.exprs[e].Seek() != nil:
			case s.exprs[e].unmatched:
				v.always[e>>6] |= 1 << (e & 63)
				v.tries = true
			default:
				v.full = true
			}
		}
	}
	return v
}

// Match cuts secrets out of the bodies and the fields of b, in place, and appends the findings
// in what is left, ascending by record and, within a record, by rule. A rule is
// found once in a record: where the first of its expressions matches that does.
// Nothing outside the records' bodies counts. A body may become shorter; between
// it and the next there is nothing then that was in it.
func (s *Set) Match(b *agent.Batch) {
	if len(b.Records) == 0 {
		return
	}
	v := s.view(b.Source)
	if !v.any && s.redact == nil {
		return
	}
	x := s.pool.Get().(*scratch)
	defer s.pool.Put(x)
	if s.redact != nil && len(b.Fields) > 0 {
		cut := fieldCut{redactor: s.redact, name: x.name}
		cut.fields(b)
		x.name = cut.name
	}
	c := &x.candidates
	c.Reset(len(b.Records), s.words)
	each, tries := v.always, v.tries // of records that have nothing to look for
	ordered := ascending(b.Records)
	if ordered {
		s.scanner.Scan(b, c)
	} else {
		each, tries = v.active, true
	}
	cut := cutting{redactor: s.redact, b: b, all: !ordered}
	for i := range b.Records {
		row, marked := c.Row(i)
		if !marked && !tries && !v.full && !cut.due(i) {
			continue
		}
		if s.redact != nil && cut.record(i, row) {
			// What was found may be gone, and a marker may be what a rule looks for.
			row = c.Again(s.scanner, b, i)
		}
		some := marked || tries
		if v.full && ordered {
			each = x.each
			some = s.each.Mark(b.Body(i), each) || some
			for w, always := range v.always {
				each[w] |= always
			}
		}
		if some {
			s.judge(b, i, row, v.active, each, &x.reading)
		}
	}
}

// ascending reports whether the bodies follow one another, as the scanner needs
// it.
func ascending(records []agent.Record) bool {
	end := int32(0)
	for i := range records {
		body := &records[i].Body
		if body.Start < end || body.End < body.Start {
			return false
		}
		end = body.End
	}
	return true
}

// judge confirms the candidates of one record.
func (s *Set) judge(b *agent.Batch, record int, row, active, each []uint64, x *reading) {
	body := b.Body(record)
	x.to(b, record)
	done := int32(0) // expressions below belong to rules that are judged
	for w := range row {
		set := (row[w] | each[w]) & active[w]
		for ; set != 0; set &= set - 1 {
			e := int32(w<<6 + bits.TrailingZeros64(set))
			if e < done {
				continue
			}
			r := &s.rules[s.ruleOf[e]]
			start, end, ok := s.holds(r, s.exprs[e], body, x)
			if !ok {
				continue
			}
			done = r.end
			if r.excludes(body, x) {
				continue
			}
			at := b.Records[record].Body.Start
			b.Findings = append(b.Findings, agent.Finding{
				Rule:   r.rule,
				Record: int32(record),
				Match:  agent.Span{Start: at + int32(start), End: at + int32(end)},
			})
		}
	}
}

// excludes reports whether one of the rule's not expressions holds.
func (r *rule) excludes(body []byte, x *reading) bool {
	if len(r.not) == 0 {
		return false
	}
	m := x.memo(r.excluding)
	if m == nil {
		return r.finds(body)
	}
	if m.turn != x.turn {
		m.turn, m.ok = x.turn, r.finds(body)
	}
	return m.ok
}

func (r *rule) finds(body []byte) bool {
	for _, e := range r.not {
		if _, _, ok := e.Find(body); ok {
			return true
		}
	}
	return false
}
