package email

import (
	"strings"
	"unicode/utf8"
)

// text renders the view as plain text.
func (v *view) text() string {
	var b strings.Builder
	line := func(parts ...string) {
		for _, p := range parts {
			b.WriteString(p)
		}
		b.WriteByte('\n')
	}
	line(v.Heading)
	if v.Intro != "" {
		line(v.Intro)
	}
	for i := range v.Alerts {
		if a := &v.Alerts[i]; a.Number != "" || a.Summary != "" {
			line()
		}
		v.Alerts[i].text(line)
	}
	if len(v.Table) > 0 {
		line()
	}
	for _, r := range v.Table {
		line("- ", r.Badge, ": ", join(r.What, r.Count))
		line("  ", r.When)
		if r.Line != "" {
			line("  | ", r.Line)
		}
	}
	if v.More != "" {
		line()
		line(v.More)
	}
	line()
	line("-- ") // mail readers know what follows as a signature
	for _, f := range v.Foot {
		line(f)
	}
	return b.String()
}

func (a *alertView) text(line func(...string)) {
	if a.Number != "" {
		title := a.Number + a.Badge + ": " + a.Title
		line(title)
		line(strings.Repeat("-", min(utf8.RuneCountInString(title), 72)))
	}
	if a.Summary != "" {
		line(a.Summary)
	}
	line()
	for _, f := range a.Facts {
		line(f.Name, strings.Repeat(" ", max(1, 10-len(f.Name))), f.Value)
	}
	for _, g := range a.Lines {
		line()
		line(g.Title, ":")
		for _, l := range g.Lines {
			line("  ", l.When, " | ", l.Text)
		}
	}
	if len(a.Runbook) > 0 {
		line()
		line("What to do:")
		for _, r := range a.Runbook {
			line("  ", r)
		}
	}
}

func join(parts ...string) string {
	var all []string
	for _, p := range parts {
		if p != "" {
			all = append(all, p)
		}
	}
	return strings.Join(all, ", ")
}
