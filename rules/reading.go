package rules

import (
	"slices"
	"unicode/utf8"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/rules/fields"
)

// maxShown bounds what a finding shows of a record, in bytes, where the rule
// does not say which part of it is meant.
const maxShown = 200

// A reading gives the fields of one record after another. A record is read when
// a field is asked for, and once for all rules. The zero value is ready.
type reading struct {
	batch  *agent.Batch
	record int
	values [fields.Count]fields.Values
	state  [fields.Count]readState
	turn   uint64 // a number of its own for each record
	memos  []memo // nil where there is nothing to keep
	marks  []marks
}

type readState uint8

const (
	notRead readState = iota
	isRead
	notInFormat
)

// to goes to a record.
func (x *reading) to(b *agent.Batch, record int) {
	x.batch, x.record = b, record
	x.state = [fields.Count]readState{}
	x.turn++
}

// fields are those of the record, nil where it is not in the format. They are
// valid until the next record.
func (x *reading) fields(s *Set, f fields.Format) *fields.Values {
	if x.state[f] == notRead {
		x.state[f] = notInFormat
		b := x.batch
		in := fields.Input{Body: b.Body(x.record), Stream: b.Records[x.record].Stream.String()}
		if x.record < len(b.Fields) {
			own := &b.Fields[x.record]
			in.Map, in.Key = b.Buf[own.Map.Start:own.Map.End], b.Buf[own.Key.Start:own.Key.End]
		}
		if x.values[f].Read(s.wanted[f], &in) {
			x.state[f] = isRead
		}
	}
	if x.state[f] == notInFormat {
		return nil
	}
	return &x.values[f]
}

// holds finds the expression in the record that x is at, and judges what the rule
// wants beside it.
func (s *Set) holds(r *rule, e *expr, body []byte, x *reading) (start, end int, ok bool) {
	m := x.memo(e.holding)
	if m == nil {
		return s.judged(r, e, body, x)
	}
	if m.turn != x.turn {
		m.turn = x.turn
		m.start, m.end, m.ok = s.judged(r, e, body, x)
	}
	return m.start, m.end, m.ok
}

// judged is holds, whatever is known already.
func (s *Set) judged(r *rule, e *expr, body []byte, x *reading) (start, end int, ok bool) {
	f := found{slots: e.slots, numbers: r.numbers, reading: x}
	if r.byFields { // which are read once for all rules, and tell most records apart
		if f.fields = x.fields(s, r.format); f.fields == nil || !r.where.holds(&f) {
			return 0, 0, false
		}
		return s.find(r, e, body, x, &f)
	}
	start, end, ok = s.find(r, e, body, x, &f)
	return start, end, ok && (r.where == nil || r.where.holds(&f))
}

// find is holds without the rule's condition, for which it fills f.
func (s *Set) find(r *rule, e *expr, body []byte, x *reading, f *found) (start, end int, ok bool) {
	if !e.unmatched {
		if start, end, ok = e.found(body, x); !ok {
			return 0, 0, false
		}
	}
	if r.format != fields.None {
		if f.fields = x.fields(s, r.format); f.fields == nil {
			return 0, 0, false
		}
	}
	if e.unmatched {
		start, end = r.shown(f.fields, body)
	} else if r.where != nil && !r.byFields {
		if f.body, f.at = e.Groups(body, start, end); f.at == nil {
			return 0, 0, false
		}
	}
	return start, end, true
}

// found is what the expression finds in the record that x is at.
func (e *expr) found(body []byte, x *reading) (start, end int, ok bool) {
	m := x.memo(e.finding)
	if m == nil {
		return e.Find(body)
	}
	if m.turn != x.turn {
		m.turn = x.turn
		m.start, m.end, m.ok = e.Find(body)
	}
	return m.start, m.end, m.ok
}

// shown is what a finding shows of a record where there is nothing to match: the
// first of the fields that are compared, if it is in the body.
func (r *rule) shown(v *fields.Values, body []byte) (start, end int) {
	for _, number := range r.numbers {
		if start, end, ok := v.Span(number); ok {
			return start, end
		}
	}
	end = min(len(body), maxShown)
	for end < len(body) && end > maxShown-utf8.UTFMax && !utf8.RuneStart(body[end]) {
		end--
	}
	return 0, end
}

// want makes the fields ready that the rule compares, counts by and exports.
func (s *Set) want(r *rule) {
	if r.format == fields.None {
		return
	}
	if s.wanted[r.format] == nil {
		s.wanted[r.format] = fields.NewWanted(r.format)
	}
	if r.where != nil {
		for _, name := range r.where.groups {
			r.numbers = append(r.numbers, s.wantField(r, name))
		}
		r.byFields = !slices.Contains(r.numbers, -1)
	}
	counted := r.policy.by
	if r.metric != nil {
		counted = append(slices.Clone(counted), r.metric.labels...)
		if r.metric.value != "" {
			counted = append(counted, keyPart{name: r.metric.value, group: true})
		}
	}
	for _, p := range counted {
		if p.group && p.name != fingerprint {
			s.wantField(r, p.name)
		}
	}
}

// wantField asks for a field of the rule's records, so that submatch has it. It
// returns its number, -1 where the name is that of a group.
func (s *Set) wantField(r *rule, name string) int {
	if hasGroup(s.exprs[r.first:r.end], name) {
		return -1
	}
	return s.wanted[r.format].Add(name)
}

// hasGroup reports whether one of the expressions has the named group. Then it
// is no field, whatever a record says.
func hasGroup(list []*expr, name string) bool {
	for _, e := range list {
		if e.Regexp().SubexpIndex(name) >= 0 {
			return true
		}
	}
	return false
}

// A submatch is what the groups of an expression found, and the fields that
// rules ask for.
type submatch struct {
	e    *expr
	text []byte
	at   []int // in text, as of regexp's FindSubmatchIndex

	set     *Set
	format  fields.Format
	reading *reading
}

// group is what the group of that name found, or else what the field says; nil
// where that is nothing.
func (m *submatch) group(name string) []byte {
	if m.e != nil {
		if i := m.e.Regexp().SubexpIndex(name); i >= 0 {
			if m.at[2*i] < 0 {
				return nil
			}
			return m.text[m.at[2*i]:m.at[2*i+1]]
		}
	}
	if m.format == fields.None {
		return nil
	}
	v := m.reading.fields(m.set, m.format)
	number := m.set.wanted[m.format].Index(name)
	if v == nil || number < 0 {
		return nil
	}
	text, _ := v.Get(number)
	return text
}

// submatch is what the groups found in the first expression of the finding's
// rule that the rule holds for, and the fields of its record, until x is used
// again.
func (s *Set) submatch(b *agent.Batch, f *agent.Finding, x *reading) (m submatch) {
	r, body := &s.rules[f.Rule.Index], b.Body(int(f.Record))
	m = submatch{set: s, format: r.format, reading: x}
	x.to(b, int(f.Record))
	for _, e := range s.exprs[r.first:r.end] {
		if e.unmatched {
			return m
		}
		at := b.Records[f.Record].Body.Start
		start, end, ok := int(f.Match.Start-at), int(f.Match.End-at), true
		if r.end-r.first > 1 { // it may be that of another one
			start, end, ok = s.holds(r, e, body, x)
		}
		if !ok {
			continue
		}
		if text, at := e.Groups(body, start, end); at != nil {
			m.e, m.text, m.at = e, text, at
			return m
		}
	}
	return m
}
