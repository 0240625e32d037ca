package webhook

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/webgrip/logkeel/agent/notify"
	"github.com/webgrip/logkeel/agent/printable"
)

// cut is s as one may show it, of which at most most bytes are taken, with an
// ellipsis where it was cut.
func cut(s string, most int) string {
	const ellipsis = "…"
	if len(s) > most {
		end := max(0, most-len(ellipsis))
		for end > 0 && !utf8.RuneStart(s[end]) {
			end--
		}
		s = s[:end] + ellipsis
	}
	return printable.Text(s)
}

// truncate is s in at most most characters, with an ellipsis where it was cut.
func truncate(most int, s string) string {
	if most < 1 {
		return ""
	}
	n := 0
	for i := range s {
		if n++; n == most && utf8.RuneCountInString(s[i:]) > 1 {
			return s[:i] + "…"
		}
	}
	return s
}

// oneLine is untrusted text on one line; blanks and line ends are a space.
func oneLine(s string) string {
	return printable.Line(strings.Join(strings.Fields(strings.ToValidUTF8(s, "\uFFFD")), " "))
}

// maxTitle bounds a title, in characters.
const maxTitle = 200

// title says what the notice is about.
func title(p *payload, n *notify.Notice) string {
	var findings uint64
	sources := map[string]bool{}
	for i := range n.Alerts {
		findings += n.Alerts[i].Count
		sources[n.Alerts[i].Source] = true
	}
	findings += n.MoreFindings
	total := len(n.Alerts) + n.More
	how := ""
	if findings > 0 {
		how = " " + strconv.FormatUint(findings, 10) + "x"
	}
	switch {
	case n.Kind == notify.HeldBack:
		s := "[held back] nothing more is told for a while"
		if n.Held != nil && !n.Held.Until.IsZero() {
			s = "[held back] nothing more is told until " + n.Held.Until.Local().Format("15:04")
		}
		return s
	case n.Kind == notify.Digest:
		return fmt.Sprintf("[digest%s] %s", how, number(total, "alert"))
	}
	state := p.Severity
	switch {
	case n.Kind == notify.Resolved:
		state = resolved
	case n.Reminder:
		state = "still " + state
	}
	if n.Late {
		state = "late, " + state
	}
	what, where := "alerts", number(total, "alert")
	if len(p.Alerts) > 0 {
		what = p.Alerts[0].Rule
	}
	if len(sources) == 1 && n.More == 0 {
		where = p.Alerts[0].Source
	}
	return truncate(maxTitle, oneLine(fmt.Sprintf("[%s%s] %s [%s]", state, how, truncate(80, what), truncate(80, where))))
}

func number(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return strconv.Itoa(n) + " " + what + "s"
}
