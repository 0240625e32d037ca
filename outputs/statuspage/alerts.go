package statuspage

import (
	"strings"
	"time"

	"github.com/webgrip/logkeel/agent"
)

type alertRow struct {
	Severity  string
	Rule      string
	Class     string
	Source    string
	Key       []fact
	Handle    string
	Starts    string
	For       string
	What      string // how often, or the condition and the value
	Inhibited string // by which rule
	End       string
	Error     string
}

// alerts are those that fire, and those that ended last.
func (b *builder) alerts() {
	firing, all := b.o.Firing(maxAlerts)
	p := b.page
	for i := range firing {
		p.Firing = append(p.Firing, b.alert(&firing[i]))
	}
	p.FiringAll, p.FiringMore = all, max(0, all-len(firing))
	ended, more := cut(b.o.Ended(), maxEnded)
	for i := range ended {
		p.Ended = append(p.Ended, b.alert(&ended[i]))
	}
	p.EndedMore, p.EndedOpen = more, len(ended) <= maxOpen || all == 0
}

func (b *builder) alert(a *agent.Alert) alertRow {
	row := alertRow{
		Severity: severity(a.Rule.Severity), Rule: name(a.Rule.Name), Class: name(a.Rule.Class), Source: name(a.Source), Handle: a.Handle(),
		Starts: b.moment(a.Starts), Inhibited: name(a.Inhibited), End: text(a.End, 100),
	}
	for i, l := range a.Key {
		if i == maxKey {
			row.Key = append(row.Key, fact{"…", ""})
			break
		}
		row.Key = append(row.Key, fact{name(l.Name), text(l.Value, 60)})
	}
	switch {
	case a.Measured() && a.Firing():
		row.What = text(a.Condition, 200) + " (now " + count(a.Value) + ")"
	case a.Condition != "":
		row.What = text(a.Condition, 200)
	default:
		row.What = of(int(min(a.Count, 1<<53)), "finding")
	}
	for _, f := range a.Around {
		if f.Name == "last error" {
			row.Error = text(f.Value, 300)
		}
	}
	if a.Firing() {
		row.For = seconds(max(0, b.at.Sub(a.Starts).Seconds()))
	} else {
		row.For = seconds(max(0, a.Ended.Sub(a.Starts).Seconds()))
		row.End = strings.TrimSpace(b.moment(a.Ended) + " " + row.End)
	}
	return row
}

// severity is one that the page has a colour for.
func severity(s string) string {
	for _, known := range severities {
		if s == known {
			return s
		}
	}
	return "info"
}

// moment is a time as short as it can be told from others.
func (b *builder) moment(t time.Time) string {
	t = t.In(b.at.Location())
	if t.Format(time.DateOnly) == b.at.Format(time.DateOnly) {
		return t.Format("15:04:05")
	}
	return t.Format("2006-01-02 15:04")
}
