package email

import (
	"cmp"
	"path"
	"slices"
	"strings"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/notify"
)

// subject says how bad, how often, what and where, in this order: a phone shows
// some 40 runes. What changes while the incident goes on stands in brackets,
// for Gmail, which threads mails only while their subjects are the same, leaves
// those out.
func (r *renderer) subject(n *notify.Notice) string {
	status := lead(n)
	if extent := extent(n); extent != "" {
		status += " " + extent
	}
	text := "[" + status + "] "
	what, where := what(n)
	switch {
	case n.Kind == notify.HeldBack:
		text = "[held back] " + r.heldTitle(n)
	case n.Kind == notify.Digest:
		text += digestTitle(n)
	case where != "":
		text += what + " [" + where + "]"
	default:
		text += what
	}
	return headerText(strings.TrimSpace(r.prefix+" "+text), maxSubj)
}

// extent is how often it was found, or the value of what is measured.
func extent(n *notify.Notice) string {
	if count := findings(n); count > 0 {
		return times(count)
	}
	if alerts := told(n); len(alerts) == 1 && alerts[0].Firing() && alerts[0].Measured() && unitOf(alerts[0].Condition) != "" {
		return quantity(alerts[0].Value, unitOf(alerts[0].Condition))
	}
	return ""
}

// headline says in one line what happened, and where.
func (r *renderer) headline(n *notify.Notice) string {
	switch n.Kind {
	case notify.HeldBack:
		return "held back: " + r.heldTitle(n)
	case notify.Digest:
		return "digest: " + digestTitle(n)
	}
	what, where := what(n)
	switch {
	case where != "" && n.More > 0: // it is how many
		what += ", " + where
	case where != "":
		what += " on " + where
	}
	return lead(n) + ": " + what
}

func lead(n *notify.Notice) string {
	worst := worst(told(n))
	switch {
	case n.Kind == notify.Digest:
		return "digest"
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

// what names the rule, and where the log or target, where they are the same in
// all.
func what(n *notify.Notice) (what, where string) {
	const most = 60
	alerts := told(n)
	rules, sources := map[string]bool{}, map[string]bool{}
	samples := true
	for i := range alerts {
		rules[alerts[i].Rule.Name], sources[alerts[i].Source] = true, true
		samples = samples && alerts[i].Condition != "" && !alerts[i].Absent
	}
	count := number(uint64(len(alerts)+n.More), "alert")
	if len(alerts) == 0 {
		return count, ""
	}
	first := &alerts[0]
	switch {
	case len(rules) > 1 && len(sources) == 1:
		return count, visible(placeOf(first), most)
	case len(rules) > 1:
		return count + " of " + number(uint64(len(rules)), "rule"), ""
	case n.More > 0:
		return visible(first.Rule.Name, most), count
	case len(sources) == 1:
		return visible(first.Rule.Name, most), visible(placeOf(first), most)
	case samples:
		return visible(first.Rule.Name, most), number(uint64(len(sources)), "target")
	}
	return visible(first.Rule.Name, most), number(uint64(len(sources)), "log")
}

// placeOf is where it was found, short enough for a phone: of a log file its name,
// after the service that its labels name, or the folder.
func placeOf(a *agent.Alert) string {
	if !path.IsAbs(a.Source) {
		return a.Source
	}
	folder, file := path.Split(a.Source)
	for _, l := range a.Labels {
		if l.Name == "service" && l.Value != "" {
			return l.Value + " " + file
		}
	}
	return path.Join(path.Base(folder), file)
}

// told are the alerts that the notice is about: those that fire and that no
// other one explains, those that fire where there is none, or else all.
func told(n *notify.Notice) []agent.Alert {
	var firing, news []agent.Alert
	for i := range n.Alerts {
		if n.Alerts[i].Firing() {
			firing = append(firing, n.Alerts[i])
			if n.Alerts[i].Inhibited == "" {
				news = append(news, n.Alerts[i])
			}
		}
	}
	switch {
	case len(firing) == 0 || n.Late || n.Kind == notify.Digest:
		return n.Alerts
	case len(news) == 0:
		return firing
	}
	return news
}

func findings(n *notify.Notice) uint64 {
	count := n.MoreFindings
	for _, a := range told(n) {
		count = added(count, a.Count)
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
	if n.Kind == notify.HeldBack {
		return held
	}
	if n.Kind == notify.Resolved && !n.Late {
		return over
	}
	return worst(told(n))
}
