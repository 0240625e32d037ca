package alertmanager

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/printable"
)

const (
	maxValue  = 200 // bytes of a label's value
	maxName   = 64  // and of its name
	maxLabels = 40
	maxText   = 2 << 10 // bytes of a description
)

// A payload is an alert as Alertmanager takes it (postableAlert of its API v2).
type payload struct {
	Labels       map[string]string `json:"labels"`
	Annotations  map[string]string `json:"annotations"`
	StartsAt     time.Time         `json:"startsAt"`
	EndsAt       time.Time         `json:"endsAt"`
	GeneratorURL string            `json:"generatorURL,omitempty"`
}

// A renderer makes labels and annotations of alerts.
type renderer struct {
	host   string
	labels []agent.Label // of the configuration
}

// labelsOf are what Alertmanager knows the alert by: they have to stay the same
// as long as it goes on. Of two that come to the same name the first counts.
func (r *renderer) labelsOf(a *agent.Alert) map[string]string {
	set := map[string]string{}
	add := func(l agent.Label) {
		name, value := labelName(l.Name), clip(oneLine(l.Value), maxValue)
		if _, taken := set[name]; !taken && value != "" && len(set) < maxLabels {
			set[name] = value
		}
	}
	add(agent.Label{Name: "alertname", Value: a.Rule.Name})
	add(agent.Label{Name: "severity", Value: a.Rule.Severity})
	add(agent.Label{Name: "class", Value: a.Rule.Class})
	add(agent.Label{Name: "source", Value: a.Source})
	add(agent.Label{Name: "handle", Value: a.Handle()})
	for _, all := range [][]agent.Label{r.labels, {{Name: "instance", Value: r.host}}, a.Key, a.Labels} {
		for _, l := range all {
			add(l)
		}
	}
	return set
}

// labelName makes a name that Alertmanager takes of any text.
func labelName(s string) string {
	var b strings.Builder
	for i, c := range []byte(s[:min(len(s), maxName)]) {
		switch {
		case 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '_':
			b.WriteByte(c)
		case '0' <= c && c <= '9':
			if i == 0 {
				b.WriteByte('_')
			}
			b.WriteByte(c)
		default:
			b.WriteByte('_')
		}
	}
	if b.Len() == 0 {
		return "_"
	}
	return b.String()
}

// oneLine keeps what a label's value shows on one line.
func oneLine(s string) string {
	return printable.Line(s[:min(len(s), maxValue+utf8.UTFMax)]) // clip cuts what that splits
}

// clip makes printable, valid UTF-8 of at most n bytes of any text. It looks at no more of
// that than it needs.
func clip(s string, n int) string {
	const more = "…"
	cut := len(s) > n
	if cut {
		at := n
		for back := 0; back < utf8.UTFMax && at > 0 && !utf8.RuneStart(s[at]); back++ {
			at--
		}
		s = s[:at]
	}
	s = printable.Text(s)
	if !cut && len(s) <= n {
		return s
	}
	at := min(len(s), n-len(more))
	for at > 0 && at < len(s) && !utf8.RuneStart(s[at]) {
		at--
	}
	return s[:at] + more
}

// annotationsOf are the texts, as the alert stands now.
func annotationsOf(a *agent.Alert) map[string]string {
	set := map[string]string{}
	add := func(name, value string) {
		if value = clip(value, maxText); value != "" {
			set[name] = value
		}
	}
	summary := a.Rule.Summary
	if summary == "" {
		summary = a.Rule.Name + " of " + a.Source
	}
	add("summary", summary)
	add("description", description(a))
	add("runbook", a.Rule.Runbook)
	add("inhibited_by", a.Inhibited)
	return set
}

// description says what there is in one text: how often, what held, and the line
// with which it began.
func description(a *agent.Alert) string {
	var says []string
	if a.Count > 0 {
		says = append(says, fmt.Sprintf("found %d times since %s", a.Count, a.Starts.UTC().Format(time.RFC3339)))
	}
	if a.Condition != "" {
		text := clip(a.Condition, maxText/4)
		if a.Measured() {
			text += fmt.Sprintf(" (now %g)", a.Value)
		}
		says = append(says, text)
	}
	if a.End != "" {
		says = append(says, "ended: "+clip(a.End, maxText/8))
	}
	for _, l := range a.First {
		if !l.Context {
			says = append(says, clip(l.Text, maxText))
			break
		}
	}
	return strings.Join(says, "\n")
}
