package rules

import (
	"math/bits"
	"sync/atomic"

	"github.com/webgrip/logkeel/agent"
)

// A candidates is where one Match notes which expressions may match which
// records. Only records that have something get a row: one bit an expression.
type candidates struct {
	words int     // of a row
	row   []int32 // by record: where its row is in rows, in words; 0 where it has none
	rows  []uint64
	one   *candidates // of a single record
	name  []byte      // scratch of fieldCut
}

// again looks through one record once more.
func (c *candidates) again(s *scanner, b *agent.Batch, record, words int) (row []uint64) {
	if c.one == nil {
		c.one = &candidates{}
	}
	c.one.reset(1, words)
	s.scan(&agent.Batch{Buf: b.Buf, Records: b.Records[record : record+1]}, c.one)
	at := c.one.row[0]
	return c.one.rows[at : int(at)+words]
}

func (c *candidates) reset(records, words int) {
	if cap(c.row) < records {
		c.row = make([]int32, records)
	}
	c.row = c.row[:records]
	clear(c.row)
	c.words = words
	if cap(c.rows) < words {
		c.rows = make([]uint64, words)
	}
	c.rows = c.rows[:words] // the first one is that of records which have none: it stays empty
	clear(c.rows)
}

func (c *candidates) mark(record int, exprs []int32) {
	at := c.row[record]
	if at == 0 {
		at = int32(len(c.rows))
		c.row[record] = at
		for range c.words {
			c.rows = append(c.rows, 0)
		}
	}
	for _, e := range exprs {
		c.rows[int(at)+int(e>>6)] |= 1 << (e & 63)
	}
}

// A view is what one source needs of a set.
type view struct {
	set    *Set
	active []uint64 // expressions of rules that select the source
	always []uint64 // those of them that have to be tried on each record
	any    bool     // active is not empty
	full   bool     // always is not empty
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
		if !r.source.selects(src) {
			continue
		}
		for e := r.first; e < r.end; e++ {
			v.active[e>>6] |= 1 << (e & 63)
			v.any = true
			if s.exprs[e].seek == nil {
				v.always[e>>6] |= 1 << (e & 63)
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
	c := s.pool.Get().(*candidates)
	defer s.pool.Put(c)
	if s.redact != nil && len(b.Fields) > 0 {
		cut := fieldCut{redactor: s.redact, name: c.name}
		cut.fields(b)
		c.name = cut.name
	}
	c.reset(len(b.Records), s.words)
	always, full := v.always, v.full
	ordered := ascending(b.Records)
	if ordered {
		s.scanner.scan(b, c)
	} else {
		always, full = v.active, true
	}
	cut := cutting{redactor: s.redact, b: b, all: !ordered}
	for i, at := range c.row {
		if at == 0 && !full && !cut.due(i) {
			continue
		}
		row := c.rows[at : int(at)+s.words]
		if s.redact != nil && cut.record(i, row) {
			// What was found may be gone, and a marker may be what a rule looks for.
			row = c.again(s.scanner, b, i, s.words)
		}
		s.judge(b, i, row, v.active, always)
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
func (s *Set) judge(b *agent.Batch, record int, row, active, always []uint64) {
	body := b.Body(record)
	done := int32(0) // expressions below belong to rules that are judged
	for w := range row {
		set := (row[w] | always[w]) & active[w]
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
	i := m.e.re.SubexpIndex(name)
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
		if text, at := e.groups(body, start, end); at != nil {
			return submatch{e, text, at}
		}
	}
	return m
}

// excludes reports whether one of the rule's not expressions holds.
func (r *rule) excludes(body []byte) bool {
	for _, e := range r.not {
		if _, _, ok := e.find(body); ok {
			return true
		}
	}
	return false
}
