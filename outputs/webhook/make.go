package webhook

import (
	"strings"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/notify"
)

// limits are what a body has at most: bytes of a text, and lines, shapes and
// facts of an alert.
type limits struct{ text, items int }

// shrinking are the limits in the order in which they are tried, until the
// body is small enough.
var shrinking = [...]limits{{16 << 10, 100}, {1 << 10, 20}, {200, 5}, {100, 0}}

// makePayload is the notice within l.
func makePayload(n *notify.Notice, receiver, host string, l limits) *payload {
	p := &payload{
		Version: version, Kind: kindOf(n.Kind), ID: cut(n.ID, l.text), Thread: cut(n.Thread, l.text),
		Receiver: receiver, Host: cut(host, l.text), Late: n.Late, Reminder: n.Reminder,
		GroupLabels: labelsOf(n.Group, l.text), Alerts: make([]alert, 0, len(n.Alerts)),
		TruncatedAlerts: n.More, TruncatedFindings: n.MoreFindings,
		Previous: dateOrNil(n.Previous),
	}
	ended := n.Kind == notify.Resolved
	if n.Kind == notify.Digest {
		ended = true
	}
	worst := len(severities)
	for i := range n.Alerts {
		a := makeAlert(&n.Alerts[i], l)
		ended = ended && a.Status == resolved
		if r := rank(a.Severity); r < worst {
			worst, p.Severity = r, a.Severity
		}
		p.Alerts = append(p.Alerts, a)
	}
	p.Status = statusOf(ended)
	if h := n.Held; h != nil {
		p.Held = &held{h.Cap, h.Within.Seconds(), date(h.Until), h.Groups, h.Alerts, h.Findings}
	}
	if p.Severity == "" {
		p.Severity = "info"
		if n.Kind == notify.HeldBack {
			p.Severity = "warning"
		}
	}
	p.Title = title(p, n)
	return p
}

var severities = [...]string{"critical", "warning", "info"}

// rank orders severities, the worst first.
func rank(severity string) int {
	for i, s := range severities {
		if s == severity {
			return i
		}
	}
	return 0
}

func makeAlert(a *agent.Alert, l limits) alert {
	text := func(s string) string { return cut(s, l.text) }
	v := alert{
		ID: text(a.ID), Handle: a.Handle(), Status: statusOf(!a.Firing()),
		Rule: text(a.Rule.Name), Class: text(a.Rule.Class), Severity: text(a.Rule.Severity),
		Summary: text(a.Rule.Summary), Runbook: text(strings.TrimSpace(a.Rule.Runbook)), Source: text(a.Source),
		Key: labelsOf(a.Key, l.text), Labels: labelsOf(a.Labels, l.text),
		StartsAt: date(a.Starts), LastAt: date(a.Last), EndsAt: dateOrNil(a.Ended), End: text(a.End), Late: a.Late,
		Count: a.Count, Condition: text(a.Condition), Absent: a.Absent, Inhibited: text(a.Inhibited),
		First: makeLines(a.First, l), Latest: makeLines(a.Latest, l), Shapes: []shape{}, Around: []fact{},
	}
	if a.Measured() {
		number := value(a.Value)
		v.Value = &number
	}
	for _, s := range a.Shapes[:min(len(a.Shapes), l.items)] {
		v.Shapes = append(v.Shapes, shape{text(s.Text), s.Count})
	}
	if t := a.Timeline; t != nil {
		counts := append([]uint64{}, t.Counts[:min(len(t.Counts), 60)]...)
		v.Timeline = &timeline{date(t.Start), t.Step.Seconds(), counts}
	}
	for _, f := range a.Around[:min(len(a.Around), l.items)] {
		v.Around = append(v.Around, fact{text(f.Name), text(f.Value)})
	}
	return v
}

func makeLines(list []agent.Line, l limits) []line {
	all := make([]line, 0, min(len(list), l.items))
	for _, x := range list[:min(len(list), l.items)] {
		all = append(all, line{date(x.Time), cut(x.Source, l.text), cut(x.Text, l.text), x.Context})
	}
	return all
}
