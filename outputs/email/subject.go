package email

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/notify"
)

// subject is short enough for a phone where names are.
func (r *renderer) subject(n *notify.Notice) string {
	text := headline(n)
	if count := findings(n); count > 0 {
		text += " (" + strconv.FormatUint(count, 10) + ")"
	}
	return headerText(strings.TrimSpace(r.prefix+" "+text), maxSubj)
}

// headline says in one line what happened, and where.
func headline(n *notify.Notice) string {
	return lead(n) + ": " + what(n)
}

func lead(n *notify.Notice) string {
	worst := worst(told(n))
	switch {
	case n.Late:
		return "late, " + worst
	case n.Kind == notify.Resolved && unseen(n):
		return worst + ", no longer watched"
	case n.Kind == notify.Resolved && n.Previous.IsZero():
		return worst + ", over"
	case n.Kind == notify.Resolved:
		return "resolved"
	case n.Reminder:
		return "still " + worst
	}
	return worst
}

// unseen reports whether something ended of which nobody has seen that it is
// well again.
func unseen(n *notify.Notice) bool {
	return slices.ContainsFunc(n.Alerts, func(a agent.Alert) bool { return a.End != "" })
}

// what names the rule and the log or target, where they are the same in all.
func what(n *notify.Notice) string {
	const most = 60
	alerts := told(n)
	rules, sources := map[string]bool{}, map[string]bool{}
	samples := true
	for i := range alerts {
		rules[alerts[i].Rule.Name], sources[alerts[i].Source] = true, true
		samples = samples && alerts[i].Condition != "" && !alerts[i].Absent
	}
	count := number(uint64(len(alerts)+n.More), "alert")
	switch {
	case len(alerts) == 0:
		return count
	case len(rules) > 1 && len(sources) == 1:
		return count + " on " + visible(alerts[0].Source, most)
	case len(rules) > 1:
		return count + " of " + number(uint64(len(rules)), "rule")
	case n.More > 0:
		return visible(alerts[0].Rule.Name, most) + ", " + count
	case len(sources) == 1:
		return title(&alerts[0], most)
	case samples:
		return visible(alerts[0].Rule.Name, most) + " on " + number(uint64(len(sources)), "target")
	}
	return visible(alerts[0].Rule.Name, most) + " on " + number(uint64(len(sources)), "log")
}

// told are the alerts that the notice is about: those that fire, or all where
// none does.
func told(n *notify.Notice) []agent.Alert {
	var firing []agent.Alert
	for i := range n.Alerts {
		if n.Alerts[i].Firing() {
			firing = append(firing, n.Alerts[i])
		}
	}
	if len(firing) == 0 || n.Late {
		return n.Alerts
	}
	return firing
}

func findings(n *notify.Notice) uint64 {
	count := n.MoreFindings
	for _, a := range told(n) {
		count += a.Count
	}
	return count
}

// severities are the names from the worst to the least.
var severities = []string{"critical", "warning", "info"}

// rank orders severities, the worst first. An unknown one is as bad as the
// worst: it must not be made little of.
func rank(severity string) int { return max(0, slices.Index(severities, severity)) }

func worst(alerts []agent.Alert) string {
	if len(alerts) == 0 {
		return "info"
	}
	a := slices.MinFunc(alerts, func(a, b agent.Alert) int { return cmp.Compare(rank(a.Rule.Severity), rank(b.Rule.Severity)) })
	return severity(&a)
}

// severity is one of severities.
func severity(a *agent.Alert) string { return severities[rank(a.Rule.Severity)] }

func alertBadge(a *agent.Alert) string {
	if !a.Firing() {
		return over
	}
	return severity(a)
}

func badge(n *notify.Notice) string {
	if n.Kind == notify.Resolved && !n.Late {
		return over
	}
	return worst(told(n))
}
