package email

import (
	_ "embed"
	"html/template"
	"strings"
	"unicode/utf8"

	"github.com/webgrip/logkeel/agent/report"
)

//go:embed report.html
var reportHTML string

// A reportView is what a report shows, in the order in which it shows it. As in
// a view, all text in it is safe for one line of text.
type reportView struct {
	Heading  string
	Badge    string
	Intro    []string
	Sections []reportSection
	Foot     []string
}

type reportSection struct {
	Title, Note string
	Items       []reportItem
}

type reportItem struct{ Mark, Name, Value, Change, Detail string }

// reportLimits bound what a report shows.
type reportLimits struct {
	top  int // of a list; some have several times that
	name int // runes
}

// reportShrinking is what a report shows, less and less of it until it is small
// enough. The last one is, whatever was measured.
var reportShrinking = []reportLimits{{5, 160}, {5, 80}, {3, 60}, {1, 40}, {1, 20}}

// Marks of what somebody has to look at, and of what is worse than before.
const (
	markBad   = "!!"
	markWorse = "!"
)

func mark(t report.Trend) string {
	switch t {
	case report.Bad:
		return markBad
	case report.Worse:
		return markWorse
	}
	return ""
}

func (r *renderer) reportView(s *report.Summary, l reportLimits, foot []string) *reportView {
	v := &reportView{Heading: headerText(s.Title+": "+s.Headline, 2*maxSubj), Badge: reportBadge(s.Level), Foot: foot}
	for _, says := range s.Intro {
		v.Intro = append(v.Intro, oneLine(says, 300))
	}
	if len(s.Worse) > 0 {
		v.Sections = append(v.Sections, r.reportSection(report.Section{Title: "What to look at", Items: s.Worse}, reportLimits{name: min(l.name, 70)}))
	}
	for _, one := range s.Sections {
		v.Sections = append(v.Sections, r.reportSection(one, l))
	}
	return v
}

func reportBadge(t report.Trend) string {
	switch t {
	case report.Bad:
		return "critical"
	case report.Worse:
		return "warning"
	}
	return over
}

func (r *renderer) reportSection(s report.Section, l reportLimits) reportSection {
	v := reportSection{Title: oneLine(s.Title, 80), Note: oneLine(s.Note, 200)}
	for _, it := range s.Items {
		v.Items = append(v.Items, reportItem{
			Mark: mark(it.Trend), Name: oneLine(it.Name, l.name), Value: oneLine(it.Value, 80),
			Change: oneLine(it.Change, 60), Detail: oneLine(it.Detail, 2*l.name),
		})
	}
	return v
}

// parseReportHTML reads the template of reports; it is a part of the program.
func parseReportHTML() (*template.Template, error) {
	return template.New("report").Funcs(template.FuncMap{"color": color, "markColor": markColor}).Parse(reportHTML)
}

// markColor can be read on a light and on a dark page.
func markColor(mark string) string {
	if mark == markBad {
		return "#d32f2f"
	}
	return "#b45309"
}

func (v *reportView) html(t *template.Template) (string, error) {
	var b strings.Builder
	if err := t.Execute(&b, v); err != nil {
		return "", err
	}
	return b.String(), nil
}

// text renders the report as plain text.
func (v *reportView) text() string {
	var b strings.Builder
	line := func(parts ...string) {
		b.WriteString(strings.TrimRight(strings.Join(parts, ""), " "))
		b.WriteByte('\n')
	}
	line(v.Heading)
	for _, says := range v.Intro {
		line(says)
	}
	for _, s := range v.Sections {
		line()
		line(s.Title)
		line(strings.Repeat("-", utf8.RuneCountInString(s.Title)))
		if s.Note != "" {
			line(s.Note)
		}
		s.text(line)
	}
	if len(v.Foot) > 0 {
		line()
		b.WriteString("-- \n") // mail readers know what follows as a signature
		for _, f := range v.Foot {
			line(f)
		}
	}
	return b.String()
}

// text has names in one column, where they are not too long for that.
func (s *reportSection) text(line func(...string)) {
	const most = 36
	names, values := 0, 0
	for _, it := range s.Items {
		if n := utf8.RuneCountInString(it.Name); n <= most {
			names = max(names, n)
		}
		values = max(values, utf8.RuneCountInString(it.Value))
	}
	pad := func(t string, to int) string { return t + strings.Repeat(" ", max(0, to-utf8.RuneCountInString(t))) }
	for _, it := range s.Items {
		mark, name := pad(it.Mark, 3), it.Name
		if utf8.RuneCountInString(name) > most {
			line(mark, name)
			mark, name = "   ", ""
		}
		line(mark, pad(name, names), "  ", pad(it.Value, values), "  ", it.Change)
		if it.Detail != "" {
			line("     ", it.Detail)
		}
	}
}
