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
}

// A view is what one source needs of a set.
type view struct {
	set    *Set
	active []uint64 // expressions of rules that select the source
	any    bool     // active is not empty
	full   bool     // some of them have to be tried on each record
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
	v := &view{set: s, active: make([]uint64, s.words)}
	for i := range s.rules {
		r := &s.rules[i]
		if !r.source.selects(src) {
			continue
		}
		for e := r.first; e < r.end; e++ {
			v.active[e>>6] |= 1 << (e & 63)
			v.any = true
			v.full = v.full || s.exprs[e].Seek() == nil
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
	each, full := x.each, v.full
	clear(each)
	ordered := ascending(b.Records)
	if ordered {
		s.scanner.Scan(b, c)
	} else {
		each, full = v.active, true
	}
	cut := cutting{redactor: s.redact, b: b, all: !ordered}
	for i := range b.Records {
		row, marked := c.Row(i)
		if !marked && !full && !cut.due(i) {
			continue
		}
		if s.redact != nil && cut.record(i, row) {
			// What was found may be gone, and a marker may be what a rule looks for.
			row = c.Again(s.scanner, b, i)
		}
		if full && ordered && !s.each.Mark(b.Body(i), each) && !marked {
			continue
		}
		s.judge(b, i, row, v.active, each)
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
func (s *Set) judge(b *agent.Batch, record int, row, active, each []uint64) {
	body := b.Body(record)
	done := int32(0) // expressions below belong to rules that are judged
	for w := range row {
		set := (row[w] | each[w]) & active[w]
		for ; set != 0; set &= set - 1 {
			e := int32(w<<6 + bits.TrailingZeros64(set))
			if e < done {
				continue
			}
			r := &s.rules[s.ruleOf[e]]
			start, end, ok := r.where.find(s.exprs[e], body)
			if !ok {
				continue
			}
			done = r.end
			if r.excludes(body) {
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

// A submatch is what the groups of an expression found.
type submatch struct {
	e    *expr
	text []byte
	at   []int // in text, as of regexp's FindSubmatchIndex
}

// group is what the group of that name found, nil where that is nothing.
func (m *submatch) group(name string) []byte {
	if m.e == nil {
		return nil
	}
	i := m.e.Regexp().SubexpIndex(name)
	if i < 0 || m.at[2*i] < 0 {
		return nil
	}
	return m.text[m.at[2*i]:m.at[2*i+1]]
}

// submatch is what the groups found in the first expression of the finding's
// rule that the rule holds for.
func (s *Set) submatch(b *agent.Batch, f *agent.Finding) (m submatch) {
	r, body := &s.rules[f.Rule.Index], b.Body(int(f.Record))
	for _, e := range s.exprs[r.first:r.end] {
		at := b.Records[f.Record].Body.Start
		start, end, ok := int(f.Match.Start-at), int(f.Match.End-at), true
		if r.end-r.first > 1 { // it may be that of another one
			start, end, ok = r.where.find(e, body)
		}
		if !ok {
			continue
		}
		if text, at := e.Groups(body, start, end); at != nil {
			return submatch{e, text, at}
		}
	}
	return m
}

// excludes reports whether one of the rule's not expressions holds.
func (r *rule) excludes(body []byte) bool {
	for _, e := range r.not {
		if _, _, ok := e.Find(body); ok {
			return true
		}
	}
	return false
}
