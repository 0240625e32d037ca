package rules

import (
	"cmp"
	"slices"

	"github.com/webgrip/logkeel/agent"
)

// Firing are alerts that fire now, at most so many of them, without their lines:
// first those that no other one explains, the gravest and then the newest. all is
// how many there are.
func (a *Alerts) Firing(most int) (alerts []agent.Alert, all int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	var firing []*agent.Alert
	for i := range a.rules {
		for _, k := range a.rules[i].keys {
			if k.alert != nil {
				firing = append(firing, k.alert)
			}
		}
	}
	grades := severities()
	slices.SortFunc(firing, func(x, y *agent.Alert) int {
		return cmp.Or(explained(x)-explained(y), slices.Index(grades, x.Rule.Severity)-slices.Index(grades, y.Rule.Severity), y.Starts.Compare(x.Starts), cmp.Compare(x.ID, y.ID))
	})
	for _, alert := range firing[:min(most, len(firing))] {
		c := *alert
		c.First, c.Latest, c.Shapes, c.Timeline, c.Around = nil, nil, nil, nil, slices.Clone(alert.Around)
		alerts = append(alerts, c)
	}
	return alerts, len(firing)
}

func explained(a *agent.Alert) int {
	if a.Inhibited != "" {
		return 1
	}
	return 0
}
