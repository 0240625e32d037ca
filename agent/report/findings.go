package report

import (
	"cmp"
	"maps"
	"slices"
	"strings"
)

// The labels of findings and alerts, in the table's order.
const (
	byClass = iota
	bySeverity
	byRule
)

const (
	fired    = "logkeel_alerts_fired_total"
	found    = "logkeel_findings_total"
	firesNow = "logkeel_alerts"
)

// severities are the names from the worst to the least.
var severities = [...]string{"critical", "warning", "info"}

// incidents are the alerts, by severity, and the rules that have most.
func (s *summarizer) incidents() {
	if !s.p.has(fired) && !s.p.has(found) {
		return
	}
	var items []Item
	all := grouped(s.p, fired, bySeverity)
	before := grouped(s.before, fired, bySeverity)
	total := 0.0
	for _, severity := range severities {
		n := all[severity]
		total += n
		if n == 0 && before[severity] == 0 {
			continue
		}
		it := s.item(severity, n, before[severity], 1, count)
		if severity == "critical" && n > 0 {
			it.Trend = Bad
		}
		items = append(items, it)
	}
	if total == 0 {
		s.head = append(s.head, "no incidents")
	} else {
		s.head = append(s.head, of(total, "incident"))
	}
	rules := grouped(s.p, fired, byRule)
	was := grouped(s.before, fired, byRule)
	still := s.firing()
	for _, rule := range top(rules, s.Top) {
		it := s.item(rule, rules[rule], was[rule], 1, count)
		if it.Trend = Same; still[rule] { // its severity has said that it is more
			it.Value, it.Trend = it.Value+", "+firesStill, Worse
			delete(still, rule)
		}
		items = append(items, it)
	}
	for i, rule := range slices.Sorted(maps.Keys(still)) {
		if i == s.Top {
			items = append(items, Item{Name: of(float64(len(still)-i), "more rule"), Value: firesStill, Trend: Worse})
			break
		}
		items = append(items, Item{Name: rule, Value: firesStill, Trend: Worse})
	}
	note := ""
	if total == 0 {
		note = "No alert fired."
	}
	s.sections = append(s.sections, Section{Title: "Incidents", Note: note, Items: items})
}

const firesStill = "fires still"

// firing are the rules that have alerts now.
func (s *summarizer) firing() map[string]bool {
	all := map[string]bool{}
	newest := s.newest(firesNow)
	for key, one := range s.p.of(firesNow) {
		if one.Last > 0 && one.Seen.Equal(newest) {
			all[labels(key)[byRule]] = true
		}
	}
	return all
}

// findings are counted by class and by rule.
func (s *summarizer) findings() {
	if !s.p.has(found) {
		return
	}
	list := func(label, most int) (items []Item) {
		now, was := grouped(s.p, found, label), grouped(s.before, found, label)
		for name := range was { // what there is no more is worth knowing as well
			now[name] += 0
		}
		for _, name := range top(now, most) {
			items = append(items, s.item(name, now[name], was[name], 20, count))
		}
		return items
	}
	s.sections = append(s.sections, Section{Title: "Findings, by class", Note: of(s.p.sum(found, nil), "finding") + s.ofLines(), Items: list(byClass, 10)})
	rules := list(byRule, 2*s.Top)
	for i := range rules {
		rules[i].Trend = Same // its class has said so
	}
	s.section("Findings, by rule", "", rules)
}

// ofLines says in how many lines that was.
func (s *summarizer) ofLines() string {
	if n := s.p.sum(sourceLines, nil); n > 0 {
		return " in " + of(n, "line") + "."
	}
	return "."
}

// item compares a number with the one before.
func (s *summarizer) item(name string, now, before, least float64, show func(float64) string) Item {
	it := Item{Name: name, Value: show(now)}
	switch {
	case s.partial:
		it.Change = "before: " + show(before)
	case s.before != nil:
		it.Change = change(now, before, show)
		if grew(now, before, least) {
			it.Trend = Worse
		}
	}
	return it
}

// grouped adds up a metric by one of its labels.
func grouped(p *Period, metric string, label int) map[string]float64 {
	sums := map[string]float64{}
	for key, one := range p.of(metric) {
		if one.Sum > 0 {
			sums[labels(key)[label]] += one.Sum
		}
	}
	return sums
}

// top are the names with the most, at most so many.
func top(sums map[string]float64, most int) []string {
	names := slices.SortedFunc(maps.Keys(sums), func(a, b string) int {
		return cmp.Or(cmp.Compare(sums[b], sums[a]), strings.Compare(a, b))
	})
	return names[:min(len(names), most)]
}
