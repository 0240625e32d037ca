package email

import (
	"strings"
	"testing"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/notify"
)

// An alert on what did not come says what that is, and has no value.
func TestAnAbsenceHasNoValue(t *testing.T) {
	silent := func(source string) agent.Alert {
		return agent.Alert{
			ID: source, Rule: agent.Rule{Name: "AppSilent", Severity: "critical"}, Source: source,
			Starts: clock(1, 0), Last: clock(11, 0), Seen: clock(11, 0), Condition: "no line for 10m", Absent: true,
		}
	}
	n := &notify.Notice{Alerts: []agent.Alert{silent("app"), silent("worker")}}
	c := newComposer(t)
	text := c.view(n, limits{alerts: 5, rows: 5, lines: 5, text: 200, field: 100}).text()
	if !strings.Contains(text, "Condition no line for 10m") || strings.Contains(text, "Value") {
		t.Error(text)
	}
	if got := c.headline(n); got != "critical: AppSilent on 2 logs" {
		t.Error(got)
	}
}

// Of what labels say the value, 1 of an info metric, is told nowhere.
func TestWhatLabelsSayHasNoValue(t *testing.T) {
	const says = "user is root, was www-data"
	a := agent.Alert{
		ID: "1", Rule: agent.Rule{Name: "ContainerRightsChanged", Severity: "warning"}, Source: "app",
		Starts: clock(1, 0), Last: clock(1, 0), Seen: clock(1, 0), Condition: says, Value: 1, Labelled: true,
	}
	l := limits{alerts: 5, rows: 5, lines: 5, text: 200, field: 100}
	text := newComposer(t).view(&notify.Notice{Alerts: []agent.Alert{a}}, l).text()
	if !strings.Contains(text, "Condition "+says) || strings.Contains(text, "Value") {
		t.Error(text)
	}
	if got := sample(&a, l); got != says {
		t.Error(got)
	}
	if got := extent(&notify.Notice{Alerts: []agent.Alert{a}}); got != "" {
		t.Error(got)
	}
}
