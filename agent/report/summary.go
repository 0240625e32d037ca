package report

import (
	"strings"
	"time"
)

// A Summary is what there is to say of a period. All names in it are as they
// were measured: whoever shows them has to escape them.
type Summary struct {
	Title    string // "week of 23 Nov"
	Headline string // "3 incidents, 2 restarts, disk +4 %"
	Level    Trend  // the worst of all
	Intro    []string
	Worse    []Item // what got worse, the worst first, at most 10
	Sections []Section
}

// A Section is what is said of one matter.
type Section struct {
	Title string
	Note  string // "" is none
	Items []Item
}

// An Item is one thing that was measured.
type Item struct {
	Name   string
	Value  string
	Change string // since the period before; "" where there is nothing to compare with
	Detail string
	Trend  Trend
}

// A Trend says what an Item means for who reads it.
type Trend int

// The trends, the best first. Bad is what somebody has to look at, whatever was
// before.
const (
	Same Trend = iota
	Worse
	Bad
)

// A View says how a Summary is to be made.
type View struct {
	Unit Unit
	Zone *time.Location
	Now  time.Time
	Top  int // items of a list that is cut; at least 1
}

// A summarizer makes a Summary.
type summarizer struct {
	View
	p, before *Period // before is nil where it cannot be compared with
	partial   bool    // p goes on: before is shown, and nothing is judged by it
	head      []string
	sections  []Section
}

// Summarize says what p comes to, and what became of it since before, which may
// be nil.
func Summarize(p, before *Period, v View) *Summary {
	s := &summarizer{View: v, p: p, before: before}
	out := &Summary{Title: s.title()}
	says := s.comparison()
	for _, part := range []func(){
		s.incidents, s.findings, s.containers, s.disks, s.pages, s.statements, s.servers, s.backups, s.silent, s.mails, s.agent,
	} {
		part()
	}
	out.Sections = s.sections
	out.Worse = s.worse()
	for _, it := range out.Worse {
		out.Level = max(out.Level, it.Trend)
	}
	out.Headline = strings.Join(s.head, ", ")
	if out.Headline == "" {
		out.Headline = "nothing happened"
	}
	out.Intro = append(out.Intro, s.verdict(out.Level), s.when())
	if says != "" {
		out.Intro = append(out.Intro, says)
	}
	return out
}

// comparison settles what is compared, and says it where it is not all.
func (s *summarizer) comparison() string {
	if s.before == nil {
		return "It is the first; the next one is compared with it."
	}
	length, before := s.p.length(s.Now), s.before.length(s.Now)
	unit := s.Unit.String()
	switch {
	case alike(length, before):
		return ""
	case s.p.End.IsZero():
		s.partial = true
		return "The " + unit + " before, of " + span(before) + ", is beside it; nothing is judged by it before this one is over."
	}
	s.before = nil
	return "Nothing is compared: the " + unit + " before was measured for " + span(before) + ", this one for " + span(length) + "."
}

// worse are the items of all sections that somebody has to look at, each once,
// without the details.
func (s *summarizer) worse() (all []Item) {
	const most = 10
	had := map[string]bool{}
	for _, want := range []Trend{Bad, Worse} {
		for _, sec := range s.sections {
			about, _, _ := strings.Cut(sec.Title, ",")
			for _, it := range sec.Items {
				it.Name, it.Detail = about+": "+it.Name, ""
				if it.Trend == want && !had[it.Name] && len(all) < most {
					had[it.Name] = true
					all = append(all, it)
				}
			}
		}
	}
	return all
}

// alike periods have nearly the same length.
func alike(a, b time.Duration) bool {
	return a > 0 && b > 0 && float64(min(a, b)) >= 0.8*float64(max(a, b))
}

func (s *summarizer) title() string {
	start := s.p.Start.In(s.Zone)
	t := "week of " + start.Format("2 Jan")
	switch s.Unit {
	case Day:
		t = "day of " + start.Format("Mon 2 Jan")
	case Month:
		t = "month from " + start.Format("2 Jan")
	}
	if s.p.End.IsZero() {
		t += ", so far"
	}
	return t
}

func (s *summarizer) verdict(level Trend) string {
	switch level {
	case Bad:
		return "Not all was right: see what is marked."
	case Worse:
		return "Nothing alarming, but some things got worse."
	}
	return "All was right, as far as the agent can see."
}

// unnoticed is for how long an agent may be away without it being said: it looks
// once a minute, and may be started again.
const unnoticed = 5 * time.Minute

// when says what was measured, and for how much of it the agent was there.
func (s *summarizer) when() string {
	const stamp = "Mon 2 Jan 15:04"
	end := s.p.End
	if end.IsZero() {
		end = s.Now
	}
	text := s.p.Start.In(s.Zone).Format(stamp) + " to " + end.In(s.Zone).Format(stamp) + "."
	length := s.p.length(s.Now)
	if missed := length - s.p.Observed; missed > unnoticed {
		text += " The agent was not there for " + span(missed) + " of it."
	}
	return text
}

func (s *summarizer) section(title, note string, items []Item) {
	if len(items) > 0 {
		s.sections = append(s.sections, Section{Title: title, Note: note, Items: items})
	}
}
