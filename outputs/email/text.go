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
	if len(v.Facts) > 0 {
		line()
		facts(line, v.Facts)
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
	for _, c := range v.Classes {
		line()
		line(c.Title)
		for _, r := range c.Rows {
			line(right(r.Count, 7), "  ", r.Badge, ": ", r.What)
			line("         ", r.When)
			if r.Line != "" {
				line("         | ", r.Line)
			}
		}
	}
	if v.More != "" {
		line()
		line(v.More)
	}
	if len(v.Commands) > 0 {
		line()
		line(strings.Repeat("-", 40))
	}
	for _, c := range v.Commands {
		line(c.Say)
		line("  ", c.Run)
	}
	if v.Hint != "" {
		line(v.Hint)
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
	facts(line, a.Facts)
	if p := a.Plot; p != nil {
		line()
		line(p.Title, ":")
		line("  ", p.From, " ", p.Text, " ", p.To)
	}
	if len(a.Shapes) > 0 {
		line()
		line("Messages:")
	}
	for _, s := range a.Shapes {
		line(right(s.Count, 7), "  ", s.Text)
	}
	for _, g := range a.Lines {
		line()
		line(g.Title, ":")
		for _, l := range g.Lines {
			gutter := "  > "
			if l.Context {
				gutter = "    "
			}
			line(gutter, l.When, " | ", l.Text)
		}
	}
	if len(a.Around) > 0 {
		line()
		line("Measured when it began:")
	}
	for _, f := range a.Around {
		line("  ", f.Name, ": ", f.Value)
	}
	if len(a.Runbook) > 0 {
		line()
		line("What to do:")
		for _, r := range a.Runbook {
			line("  ", r)
		}
	}
}

func facts(line func(...string), all []fact) {
	for _, f := range all {
		line(f.Name, strings.Repeat(" ", max(1, 10-len(f.Name))), f.Value)
	}
}

// right is s at the right end of so many columns.
func right(s string, columns int) string {
	return strings.Repeat(" ", max(0, columns-len(s))) + s
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
