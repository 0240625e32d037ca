package email

import (
	"time"

	"github.com/webgrip/logkeel/agent"
)

type lineGroup struct {
	Title string
	Lines []lineView
}

type lineView struct {
	When, Text string
	Context    bool // it was not found: it stands near one that was
}

// lines are the first and the newest lines that were found, with those near them.
func (r *renderer) lines(a *agent.Alert, l limits) []lineGroup {
	var all []lineGroup
	add := func(title string, lines []agent.Line) {
		if len(lines) == 0 {
			return
		}
		g := lineGroup{Title: title}
		for i := range lines {
			g.Lines = append(g.Lines, r.line(a, &lines[i], l))
		}
		all = append(all, g)
	}
	add("First", shownLines(a.First, l, false))
	add("Latest", shownLines(a.Latest, l, true))
	return all
}

func (r *renderer) line(a *agent.Alert, line *agent.Line, l limits) lineView {
	t := line.Time.In(r.zone)
	v := lineView{When: t.Format(time.DateTime), Text: visible(traced(line.Text), l.text), Context: line.Context}
	if t.Format(time.DateOnly) == a.Starts.In(r.zone).Format(time.DateOnly) {
		v.When = t.Format(time.TimeOnly)
	}
	if line.Source != a.Source {
		v.When += " " + visible(line.Source, l.field)
	}
	return v
}

// shownLines are at most l.lines that were found, the first or the last of them,
// and at most l.context on each side of one. Lines without any that was found
// are all there is to show.
func shownLines(lines []agent.Line, l limits, last bool) []agent.Line {
	show := make([]bool, len(lines))
	found, none := 0, true
	for n := range lines {
		i := n
		if last {
			i = len(lines) - 1 - n
		}
		if lines[i].Context {
			continue
		}
		none = false
		if found++; found > l.lines {
			break
		}
		show[i] = true
		for d := 1; d <= l.context; d++ {
			for _, near := range [...]int{i - d, i + d} {
				if near >= 0 && near < len(lines) && lines[near].Context {
					show[near] = true
				}
			}
		}
	}
	if none {
		return lines[:min(len(lines), l.lines)]
	}
	var all []agent.Line
	for i, ok := range show {
		if ok {
			all = append(all, lines[i])
		}
	}
	return all
}

// shownShapes are the most frequent of a's shapes. That one line is of one shape
// is not worth saying.
func shownShapes(a *agent.Alert, l limits) (all []shapeView) {
	if a.Count < 2 {
		return nil
	}
	for _, s := range a.Shapes {
		if len(all) == l.shapes {
			rest := uint64(0)
			for _, s := range a.Shapes[len(all):] {
				rest = added(rest, s.Count)
			}
			return append(all, shapeView{exactly(rest), "others, not shown here"})
		}
		all = append(all, shapeView{exactly(s.Count), visible(traced(s.Text), l.text)})
	}
	return all
}

type shapeView struct{ Count, Text string }
