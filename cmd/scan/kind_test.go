package scan

import (
	"testing"
	"time"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/notify"
)

func TestKindOf(t *testing.T) {
	fires, over := agent.Alert{}, agent.Alert{Ended: time.Unix(1e9, 0)}
	for want, n := range map[string]*notify.Notice{
		"alert":     {Alerts: []agent.Alert{fires}},
		"update":    {Kind: notify.Update, Alerts: []agent.Alert{fires, over}, Previous: time.Unix(1e9, 0)},
		"reminder":  {Kind: notify.Update, Reminder: true, Alerts: []agent.Alert{fires}, Previous: time.Unix(1e9, 0)},
		"over":      {Kind: notify.Resolved, Alerts: []agent.Alert{over}},
		"digest":    {Kind: notify.Digest, Alerts: []agent.Alert{over}},
		"held back": {Kind: notify.HeldBack, Held: &notify.Held{}},
	} {
		if got := kindOf(n); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
