package rules

import (
	_ "embed"
	"fmt"
	"slices"
	"strings"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/matchers"
)

// ordinary are lines as programs write them all day, for no reason to look at
// them.
//
//go:embed ordinary.txt
var ordinary string

// A Doubt is about a rule that is right, and hardly what its author meant.
type Doubt struct {
	Rule *agent.Rule // of what is under inhibit the name, the file and the line alone
	Msg  string      // what is odd
	Hint string      // what to do
}

// Doubts are what is odd about the rules, in their order: those that never hold,
// hold for nearly each line, find what another one finds, or cost much.
func (s *Set) Doubts() []Doubt {
	var all []Doubt
	most := s.common()
	for i := range s.rules {
		r := &s.rules[i]
		add := func(hint, format string, args ...any) {
			all = append(all, Doubt{r.rule, fmt.Sprintf(format, args...), hint})
		}
		if r.measure != nil {
			r.sampleDoubts(add)
		}
		if r.first == r.end {
			continue
		}
		never := s.never(r, add)
		if n := most[i]; n > 0 && r.policy.threshold == 1 && r.policy.absent == 0 && !r.policy.quiet && !never {
			add("write more of what such a line has, or a threshold", "it holds for most lines whatever they say: for %d of %d ordinary ones", n, strings.Count(ordinary, "\n"))
		}
		for j := range i {
			if why := s.repeats(&s.rules[j], r); why != "" {
				add("remove one of them, or give it what makes it another one", "%s %s, at %s:%d", why, s.rules[j].rule.Name, s.rules[j].rule.File, s.rules[j].rule.Line)
				break
			}
		}
		for _, e := range s.exprs[r.first:r.end] {
			if !e.unmatched && e.Seek() == nil && !never {
				add(`write a word that it has to have, as 'status=\d{3}'`, "%s has no literal to look for; it is tried on every line", e.quoted())
				break
			}
		}
	}
	return append(all, s.inhibitDoubts()...)
}

// common counts, by rule, the ordinary lines for which it holds, where these are
// more than half of them.
func (s *Set) common() map[int]int {
	// Whatever log they are of.
	everywhere := &Set{rules: slices.Clone(s.rules), meta: s.meta, exprs: s.exprs, ruleOf: s.ruleOf, scanner: s.scanner, each: s.each, wanted: s.wanted, words: s.words, memos: s.memos, amongs: s.amongs}
	for i := range everywhere.rules {
		everywhere.rules[i].source = nil
	}
	everywhere.pool.New = everywhere.newScratch
	b := &agent.Batch{Buf: []byte(ordinary), Source: &agent.Source{}}
	at := int32(0)
	for line := range strings.Lines(ordinary) {
		end := at + int32(len(line))
		b.Records = append(b.Records, agent.Record{Body: agent.Span{Start: at, End: end - 1}})
		at = end
	}
	everywhere.Match(b)
	count := map[int]int{}
	for i := range b.Findings {
		count[b.Findings[i].Rule.Index]++
	}
	for i, n := range count {
		if 2*n <= len(b.Records) {
			delete(count, i)
		}
	}
	return count
}

// never says why the rule cannot hold for any line.
func (s *Set) never(r *rule, add func(hint, format string, args ...any)) bool {
	dead := 0
	list := s.exprs[r.first:r.end]
	for _, e := range list {
		if e.unmatched {
			continue
		}
		if e.Impossible() {
			dead++
			add("$ and ^ are the end and the start of a line: put a backslash before them where they stand for themselves", "no line can match %s", e.quoted())
			continue
		}
		for _, n := range r.not {
			if n.Follows(e.Expr) {
				dead++
				add("narrow one of them", "each line that matches %s is left out by not %s", e.quoted(), n.quoted())
				break
			}
		}
	}
	if dead == len(list) {
		return true
	}
	for _, c := range r.source {
		if c.Name == "container" && !c.Negated && len(c.Values) > 0 && !slices.ContainsFunc(c.Values, func(v string) bool { return !strings.HasPrefix(v, "/") }) {
			add("write it without the slash", "source selects no log: no container is called %s here", quote(c.Values[0]))
			return true
		}
	}
	return dead > 0 // of which more is not to be said
}

// repeats says in what way each finding of b is one of a, and the other way
// round; "" where that is not so, or they differ in what comes of it.
func (s *Set) repeats(a, b *rule) string {
	if a.first == a.end || a.format != b.format || !equalPolicies(a, b) || !slices.Equal(s.written(a.not), s.written(b.not)) || !sameWhere(a.where, b.where) || !slices.EqualFunc(a.source, b.source, sameCondition) {
		return ""
	}
	mine, others := s.written(s.exprs[b.first:b.end]), s.written(s.exprs[a.first:a.end])
	within := func(x, y []string) bool {
		return !slices.ContainsFunc(x, func(e string) bool { return !slices.Contains(y, e) })
	}
	switch {
	case within(mine, others) && within(others, mine):
		return "it finds the same as"
	case within(mine, others):
		return "all that it finds is found by"
	case within(others, mine):
		return "it finds all that is found by"
	}
	return ""
}

func equalPolicies(a, b *rule) bool {
	p, q := &a.policy, &b.policy
	return a.rule.Severity == b.rule.Severity && a.rule.Class == b.rule.Class && p.threshold == q.threshold && p.window == q.window && p.byLog == q.byLog && slices.Equal(p.by, q.by) &&
		p.absent == q.absent && p.spike == q.spike && p.quiet == q.quiet && a.metric == nil && b.metric == nil
}

func sameWhere(a, b *where) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.spell(&a.root) == b.spell(&b.root)
}

func sameCondition(a, b matchers.Matcher) bool {
	return a.String() == b.String()
}

// written are the expressions as they were written, sorted.
func (s *Set) written(list []*expr) []string {
	var all []string
	for _, e := range list {
		if !e.unmatched {
			all = append(all, e.Source())
		}
	}
	slices.Sort(all)
	return all
}

// sampleDoubts are what is odd about a rule on a sample.
func (r *rule) sampleDoubts(add func(hint, format string, args ...any)) {
	for _, name := range r.measure.labels {
		if v := r.source.Exact(name); len(v) == 1 {
			add("leave it out of source", "source leaves one value of %s, so that it never changes", quote(name))
		}
	}
	for _, e := range r.measure.expected {
		v := r.source.Exact(e.label)
		if len(v) > 0 && len(r.measure.expected) == 1 && !slices.ContainsFunc(v, func(v string) bool { return !slices.Contains(e.values, v) }) {
			add("leave it out of source", "it never holds: source leaves only series whose %s is as expected", quote(e.label))
		}
	}
}
