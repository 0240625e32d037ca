package email

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/notify"
)

// A classView is a part of a digest.
type classView struct {
	Title string
	Rows  []rowView
}

// classes are the alerts of a digest by class, those with the most findings
// first, in at most l.rows rows. What is left over is returned too.
func (r *renderer) classes(alerts []agent.Alert, l limits) (all []classView, rest []agent.Alert) {
	alerts, rest = alerts[:min(len(alerts), l.rows)], alerts[min(len(alerts), l.rows):]
	type class struct {
		name     string
		findings uint64
		alerts   []*agent.Alert
	}
	byName := map[string]*class{}
	var list []*class
	for i := range alerts {
		a := &alerts[i]
		c := byName[a.Rule.Class]
		if c == nil {
			c = &class{name: a.Rule.Class}
			byName[a.Rule.Class] = c
			list = append(list, c)
		}
		c.findings = added(c.findings, a.Count)
		c.alerts = append(c.alerts, a)
	}
	slices.SortStableFunc(list, func(a, b *class) int { return cmp.Compare(b.findings, a.findings) })
	for _, c := range list {
		name := c.name
		if name == "" {
			name = "without a class"
		}
		v := classView{Title: visible(name, l.field) + ": " + counted(len(c.alerts), c.findings)}
		slices.SortStableFunc(c.alerts, func(a, b *agent.Alert) int { return cmp.Compare(b.Count, a.Count) })
		for _, a := range c.alerts {
			row := r.row(a, false, l)
			row.Count, row.Line = "", sample(a, l)
			if a.Count > 0 {
				row.Count = exactly(a.Count)
			}
			v.Rows = append(v.Rows, row)
		}
		all = append(all, v)
	}
	return all, rest
}

// sample is what most of an alert's lines look like, or what was measured.
func sample(a *agent.Alert, l limits) string {
	if l.lines == 0 {
		return ""
	}
	if len(a.Shapes) > 0 {
		return visible(traced(a.Shapes[0].Text), l.text/2)
	}
	if line := foundLine(a); line != nil {
		return visible(traced(line.Text), l.text/2)
	}
	if !a.Measured() {
		return visible(a.Condition, l.field)
	}
	return visible(a.Condition, l.field) + ": " + measured(a)
}

// counted is how many alerts there are, and what they have of findings.
func counted(alerts int, findings uint64) string {
	s := number(uint64(alerts), "alert")
	if findings > 0 {
		s += ", " + number(findings, "finding")
	}
	return s
}

// byInterest are the alerts as those of other notices come: the worst first.
func byInterest(alerts []agent.Alert) []agent.Alert {
	alerts = slices.Clone(alerts)
	slices.SortStableFunc(alerts, func(a, b agent.Alert) int {
		return cmp.Or(cmp.Compare(rank(a.Rule.Severity), rank(b.Rule.Severity)), cmp.Compare(b.Count, a.Count), a.Starts.Compare(b.Starts), cmp.Compare(a.ID, b.ID))
	})
	return alerts
}

// heldBack says what is not told, until when, and where to see it.
func (r *renderer) heldBack(v *view, n *notify.Notice) {
	h := n.Held
	if h == nil {
		h = &notify.Held{}
	}
	add := func(name, value string) {
		if value != "" {
			v.Facts = append(v.Facts, fact{name, value})
		}
	}
	v.Intro = "The limit on mails is reached. What begins and is critical may still come; all else is counted, and told then in as few mails as it takes."
	if h.Cap > 0 && h.Within > 0 {
		add("Limit", fmt.Sprintf("%s within %s (max_per_hour)", number(uint64(h.Cap), "mail"), span(h.Within)))
	}
	add("Until", r.when(h.Until))
	if h.Groups > 0 || h.Alerts > 0 {
		add("Waiting", fmt.Sprintf("%s in %s", counted(max(0, h.Alerts), h.Findings), number(uint64(max(0, h.Groups)), "group")))
	}
	add("See it", "the metric logkeel_notifications_pending, by output")
}

// digestTitle is what a digest is about.
func digestTitle(n *notify.Notice) string {
	classes := map[string]bool{}
	for i := range n.Alerts {
		classes[n.Alerts[i].Rule.Class] = true
	}
	s := number(uint64(len(n.Alerts)+n.More), "alert")
	if len(classes) > 0 {
		s += " in " + strconv.Itoa(len(classes)) + " class"
		if len(classes) > 1 {
			s += "es"
		}
	}
	return s
}

func (r *renderer) heldTitle(n *notify.Notice) string {
	if n.Held == nil || n.Held.Until.IsZero() {
		return "no more mail for a while"
	}
	return "no more mail until " + n.Held.Until.In(r.zone).Format("15:04")
}
