package rules

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/matchers"
	"github.com/webgrip/logkeel/rules/fields"
)

// A Verdict is what a rule says of a line, and why.
type Verdict struct {
	Rule  *agent.Rule
	Holds bool
	Near  bool   // it does not hold, but something of what it asks for is there
	Why   string // the first thing that it asks for and that is not so; "" where it holds

	Line       string // as the rule sees it: without secrets
	Redacted   bool   // Line is not what was given
	Text       string // what matched, "" where nothing did
	Start, End int    // where that is in Line
}

// Explain says whether the rule, which is one on lines, holds for a line of the
// log, and why not.
func (s *Set) Explain(src *agent.Source, line string, r *agent.Rule) Verdict {
	b := s.judgeLine(src, line)
	return s.verdict(src, line, b, r)
}

// ExplainAll says it of each rule on lines, in the order of Rules.
func (s *Set) ExplainAll(src *agent.Source, line string) []Verdict {
	b := s.judgeLine(src, line)
	var all []Verdict
	for _, r := range s.meta {
		if s.OnLines(r) {
			all = append(all, s.verdict(src, line, b, r))
		}
	}
	return all
}

// OnLines reports whether the rule looks for lines, and not at a sample.
func (s *Set) OnLines(r *agent.Rule) bool { return s.rules[r.Index].end > s.rules[r.Index].first }

func (s *Set) judgeLine(src *agent.Source, line string) *agent.Batch {
	b := &agent.Batch{Source: src, Buf: []byte(line), Records: []agent.Record{{Body: agent.Span{End: int32(len(line))}}}}
	s.Match(b)
	return b
}

func (s *Set) verdict(src *agent.Source, line string, b *agent.Batch, r *agent.Rule) Verdict {
	body := b.Body(0)
	v := Verdict{Rule: r, Line: string(body), Redacted: string(body) != line}
	for i := range b.Findings {
		if f := &b.Findings[i]; f.Rule == r {
			v.Holds = true
			v.matched(int(f.Match.Start), int(f.Match.End))
			return v
		}
	}
	rule := &s.rules[r.Index]
	s.whyNot(rule, b, &v)
	if why := whyNotSource(rule.source, func(label string) string { return labelOf(src, label) }); why != "" {
		v.Near = v.Why == "" // all but that
		v.Why = why
	}
	return v
}

func (v *Verdict) matched(start, end int) {
	v.Text, v.Start, v.End = v.Line[start:end], start, end
}

// whyNot says why the rule does not hold for the record of b, whatever log it is
// in; it leaves Why empty where it would.
func (s *Set) whyNot(r *rule, b *agent.Batch, v *Verdict) {
	body := b.Body(0)
	var x reading
	x.to(b, 0)
	for _, e := range s.exprs[r.first:r.end] {
		f := found{slots: e.slots, numbers: r.numbers}
		start, end, ok := s.find(r, e, body, &x, &f)
		if !ok {
			continue
		}
		if v.Text == "" {
			v.matched(start, end)
		}
		v.Near = true
		if r.where != nil && !r.where.holds(&f) {
			if v.Why == "" {
				v.Why = "where does not hold: " + r.where.whyNot(&r.where.root, &f)
			}
			continue
		}
		v.Why = ""
		v.matched(start, end)
		for _, n := range r.not {
			if start, end, ok := n.Find(body); ok {
				v.Why = fmt.Sprintf("not %s holds: it matches %s at byte %d", n.quoted(), strconv.Quote(string(body[start:end])), start)
				break
			}
		}
		return
	}
	if v.Why == "" {
		v.Why, v.Near = s.noMatch(r, body, &x)
	}
}

// noMatch says what of the text that each match must have is missing.
func (s *Set) noMatch(r *rule, body []byte, x *reading) (why string, near bool) {
	if r.format != fields.None && x.fields(s, r.format) == nil {
		return "it is not in the format " + r.format.String(), false
	}
	var missing []string
	for _, e := range s.exprs[r.first:r.end] {
		if e.unmatched {
			continue
		}
		for _, b := range e.Branches(body) {
			switch had := len(b.Had); {
			case b.Lacks == nil && had > 0:
				return fmt.Sprintf("has %s, but does not match %s", b.Had[had-1], e.quoted()), true
			case b.Lacks == nil:
				return "does not match " + e.quoted(), false
			case had > 0 && !near:
				near = true
				texts := slices.Clone(b.Lacks)
				slices.Sort(texts)
				why = fmt.Sprintf("has %s, but not %s after it", b.Had[had-1], list(slices.Compact(texts)))
			}
			for _, t := range b.Lacks {
				if !slices.Contains(missing, t) {
					missing = append(missing, t)
				}
			}
		}
	}
	if near {
		return why, true
	}
	if len(missing) == 1 {
		return "does not have " + missing[0], false
	}
	return "has none of " + list(missing), false
}

// list joins what there may be too much of.
func list(all []string) string {
	const most = 8
	if len(all) > most {
		return strings.Join(all[:most], ", ") + fmt.Sprintf(" and %d others", len(all)-most)
	}
	return strings.Join(all, ", ")
}

// quoted is the expression as it was written.
func (e *expr) quoted() string { return quote(e.Source()) }

// whyNot says which condition does not hold, "" where all do.
func whyNotSource(s matchers.Matchers, get func(label string) string) string {
	for i := range s {
		c := &s[i]
		v := get(c.Name)
		if c.Holds(v) {
			continue
		}
		if v == "" {
			return fmt.Sprintf("the log has no label %s, and source asks for %s", c.Name, c)
		}
		return fmt.Sprintf("the log's %s is %s, and source asks for %s", c.Name, strconv.Quote(v), c)
	}
	return ""
}

// whyNot says which comparison of t decides that it does not hold, and what the
// group found.
func (w *where) whyNot(t *term, f *found) string {
	switch t.join {
	case allHold:
		for i := range t.terms {
			if !t.terms[i].holds(f) {
				return w.whyNot(&t.terms[i], f)
			}
		}
	case oneHolds:
		var all []string
		for i := range t.terms {
			all = append(all, w.whyNot(&t.terms[i], f))
		}
		return strings.Join(all, "; ")
	case negates:
		return "not (" + w.spell(&t.terms[0]) + "), and " + w.values(&t.terms[0], f)
	}
	return w.spell(t) + ", and " + w.values(t, f)
}

// spell writes a term as in the file.
func (w *where) spell(t *term) string {
	switch t.join {
	case compares:
		literal := t.literal
		if t.isText || t.re != nil {
			literal = strconv.Quote(literal)
		}
		return w.groups[t.group] + " " + string(t.op) + " " + literal
	case negates:
		return "not (" + w.spell(&t.terms[0]) + ")"
	}
	word := " and "
	if t.join == oneHolds {
		word = " or "
	}
	var all []string
	for i := range t.terms {
		all = append(all, w.spell(&t.terms[i]))
	}
	return "(" + strings.Join(all, word) + ")"
}

// values says what the groups of a term found.
func (w *where) values(t *term, f *found) string {
	var all []string
	for _, g := range t.asked(nil) {
		text, ok := f.group(g)
		if !ok {
			all = append(all, w.groups[g]+" found nothing")
			continue
		}
		all = append(all, w.groups[g]+" is "+strconv.Quote(string(text)))
	}
	return strings.Join(all, ", ")
}

// asked adds the groups that the term compares.
func (t *term) asked(groups []int) []int {
	if t.join == compares && !slices.Contains(groups, t.group) {
		groups = append(groups, t.group)
	}
	for i := range t.terms {
		groups = t.terms[i].asked(groups)
	}
	return groups
}
