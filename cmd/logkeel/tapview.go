package main

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/webgrip/logkeel/agent/printable"
	"github.com/webgrip/logkeel/agent/tap"
)

const (
	tapWide   = 2000 // bytes of a line that are shown
	tapBefore = 500  // of them, before a match that lies further on
)

// text is the message for people.
func (v *tapView) text(m *tap.Message) string {
	switch {
	case m.Dropped > 0:
		return v.style.warn("… " + thousands(m.Dropped) + unit(m.Dropped) + " not shown")
	case m.Alert != nil:
		return v.alert(m.Alert)
	}
	var b strings.Builder
	b.WriteString(v.style.paint("2", v.clock(m.Time)))
	b.WriteString(" " + v.name(m.Source) + " ")
	for i, f := range m.Findings {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(v.severity(f.Severity, shown(f.Rule)+"("+shown(f.Severity)+")"))
	}
	if len(m.Findings) > 0 {
		b.WriteByte(' ')
	}
	b.WriteString(v.line(m.Line, m.Findings))
	if m.Left > 0 {
		b.WriteString(" (" + thousands(m.Left) + " bytes more)")
	}
	return b.String()
}

// clock is the time of day here, with the date where that is not today's.
func (v *tapView) clock(stamp string) string {
	t, err := time.Parse(time.RFC3339Nano, stamp)
	if err != nil {
		return "-"
	}
	return v.timeOf(t)
}

func (v *tapView) timeOf(t time.Time) string {
	t = t.Local()
	if t.Format(time.DateOnly) == v.now().Local().Format(time.DateOnly) {
		return t.Format("15:04:05.000")
	}
	return t.Format("2006-01-02 15:04:05.000")
}

// name is that of a log, each in a colour of its own.
func (v *tapView) name(name string) string {
	colors := []string{"36", "32", "34", "35", "96", "92", "94", "95"} // neither red nor yellow
	h := fnv.New32a()
	h.Write([]byte(name))
	return v.style.paint(colors[h.Sum32()%uint32(len(colors))], shown(name))
}

func (v *tapView) severity(severity, text string) string {
	switch severity {
	case "critical":
		return v.style.paint("1;31", text)
	case "warning":
		return v.style.paint("1;33", text)
	}
	return v.style.paint("1", text)
}

// line is the record, with what matched in colour. Of a long one it is what is
// around the first match.
func (v *tapView) line(line string, findings []tap.Finding) string {
	type span struct{ from, to int }
	var spans []span
	for _, f := range findings {
		if at := strings.Index(line, f.Match); at >= 0 && f.Match != "" {
			spans = append(spans, span{at, at + len(f.Match)})
		}
	}
	slices.SortFunc(spans, func(x, y span) int { return cmp.Compare(x.from, y.from) })
	at, end := 0, len(line)
	var b strings.Builder
	if len(line) > tapWide {
		if len(spans) > 0 && spans[0].from > tapWide-tapBefore {
			at = startOfRune(line, spans[0].from-tapBefore)
			b.WriteString("…")
		}
		end = startOfRune(line, min(end, at+tapWide))
	}
	for _, s := range spans {
		from, to := max(s.from, at), min(s.to, end)
		if from >= to {
			continue
		}
		b.WriteString(shown(line[at:from]) + v.style.bad(shown(line[from:to])))
		at = to
	}
	if at < end {
		b.WriteString(shown(line[at:end]))
	}
	if end < len(line) {
		b.WriteString("…")
	}
	return b.String()
}

func startOfRune(s string, at int) int {
	for at > 0 && at < len(s) && !utf8.RuneStart(s[at]) {
		at--
	}
	return at
}

// thousands writes a count with its thousands apart.
func thousands(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

func unit(lines int) string {
	if lines == 1 {
		return " line"
	}
	return " lines"
}

// lineBreaks of a record of several lines are a sign, and tabs are spaces.
var lineBreaks = strings.NewReplacer("\n", " ↵ ", "\t", " ")

// shown is untrusted text as a terminal may have it.
func shown(s string) string { return printable.Line(lineBreaks.Replace(s)) }

func (v *tapView) alert(a *tap.Alert) string {
	at, what := a.Starts, v.severity(a.Severity, "ALERT "+shown(a.Rule)+"("+shown(a.Severity)+")")
	state := "fires"
	if a.State != "firing" {
		at, state = a.Ended, v.style.good("is over")
	}
	text := v.style.paint("2", v.timeOf(at)) + " " + v.name(a.Source) + " " + what + " " + state
	for _, name := range slices.Sorted(maps.Keys(a.Key)) {
		text += " " + shown(name) + "=" + shown(a.Key[name])
	}
	switch {
	case a.Condition != "":
		text += ": " + shown(a.Condition)
		if a.Measured {
			text += ", now " + strconv.FormatFloat(a.Value, 'g', 4, 64)
		}
	case a.Count > 0:
		text += fmt.Sprintf(": %s found", thousands(int(a.Count)))
	}
	if a.Inhibited != "" {
		text += ", because of " + shown(a.Inhibited)
	}
	return text + " " + v.style.paint("2", "["+shown(a.Handle)+"]")
}
