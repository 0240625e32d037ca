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
	fired = "logkeel_alerts_fired_total"
	found = "logkeel_findings_total"
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
	for _, rule := range top(rules, s.Top) {
		it := s.item(rule, rules[rule], was[rule], 1, count)
		it.Trend = Same // its severity has said so
		items = append(items, it)
	}
	for key, a := range s.p.of("logkeel_alerts") {
		if a.Last > 0 && a.Seen.Equal(s.newest("logkeel_alerts")) {
			items = append(items, Item{Name: labels(key)[byRule], Value: "fires still", Detail: labels(key)[bySeverity], Trend: Worse})
		}
	}
	note := ""
	if total == 0 {
		note = "No alert fired."
	}
	s.section("Incidents", note, sortedTail(items, "fires still"))
	if len(items) == 0 {
		s.sections = append(s.sections, Section{Title: "Incidents", Note: note})
	}
}

// sortedTail brings the items of one value, which come in no order, into one.
func sortedTail(items []Item, value string) []Item {
	i := slices.IndexFunc(items, func(it Item) bool { return it.Value == value })
	if i >= 0 {
		slices.SortFunc(items[i:], func(a, b Item) int { return strings.Compare(a.Name, b.Name) })
	}
	return items
}

// findings are counted by class and by rule.
func (s *summarizer) findings() {
	if !s.p.has(found) {
		return
	}
	var items []Item
	add := func(label, most int, least float64) {
		now, was := grouped(s.p, found, label), grouped(s.before, found, label)
		for name := range was { // what there is no more is worth knowing as well
			if _, ok := now[name]; !ok {
				now[name] = 0
			}
		}
		names := top(now, most)
		for _, name := range names {
			if now[name] == 0 && was[name] == 0 {
				continue
			}
			items = append(items, s.item(name, now[name], was[name], least, count))
		}
	}
	add(byClass, 10, 20)
	classes := len(items)
	for i := range items {
		items[i].Detail = "class"
	}
	add(byRule, 2*s.Top, 20)
	for i := range items[classes:] {
		items[classes+i].Trend = Same
	}
	s.section("Findings", of(s.p.sum(found, nil), "finding")+s.ofLines(), items)
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
	if s.before != nil {
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
