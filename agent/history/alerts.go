package history

import (
	"slices"
	"sync"

	"github.com/webgrip/logkeel/agent"
)

// maxEnded bounds how many alerts that are over are kept.
const maxEnded = 50

// Alerts are those that were over last, in memory.
type Alerts struct {
	mu    sync.Mutex
	ended []agent.Alert // the oldest first
}

// Take keeps those that are over, without their lines.
func (a *Alerts) Take(alerts []agent.Alert) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, alert := range alerts {
		if alert.Firing() {
			continue
		}
		alert.First, alert.Latest, alert.Shapes, alert.Timeline = nil, nil, nil, nil
		alert.Around = slices.Clone(alert.Around)
		if i := slices.IndexFunc(a.ended, func(e agent.Alert) bool { return e.ID == alert.ID }); i >= 0 {
			a.ended[i] = alert // it was handed on once more
			continue
		}
		a.ended = append(a.ended, alert)
	}
	if n := len(a.ended) - maxEnded; n > 0 {
		a.ended = slices.Delete(a.ended, 0, n)
	}
}

// Ended are the alerts that are over, the newest first.
func (a *Alerts) Ended() []agent.Alert {
	a.mu.Lock()
	defer a.mu.Unlock()
	all := slices.Clone(a.ended)
	slices.SortStableFunc(all, func(x, y agent.Alert) int { return y.Ended.Compare(x.Ended) })
	return all
}
