package alertmanager

import (
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/webgrip/logkeel/agent"
)

// BenchmarkNotify takes one more alert beside 5,000: what has to be on the disk
// then, and what need not be.
func BenchmarkNotify(b *testing.B) {
	for _, kind := range []string{"end and begin", "text"} {
		b.Run(kind, func(b *testing.B) {
			c := Config{Name: "am", URLs: []string{"http://127.0.0.1:1"}, MinSeverity: "warning"}
			o, err := New(c, b.TempDir(), slog.New(slog.DiscardHandler))
			if err != nil {
				b.Fatal(err)
			}
			now := time.Now()
			var all []agent.Alert
			for i := range maxAlerts {
				all = append(all, agent.Alert{
					ID: fmt.Sprint("alert", i), Revision: 1, Rule: agent.Rule{Name: "ApplicationError", Class: "error", Severity: "critical"},
					Key:    []agent.Label{{Name: "container", Value: fmt.Sprint("shop-app-", i)}},
					Labels: []agent.Label{{Name: "service", Value: "app"}, {Name: "project", Value: "shop"}},
					Source: "shop-app-1", Starts: now, Last: now, Seen: now, Count: 3,
					First: []agent.Line{{Time: now, Source: "shop-app-1", Text: "production.ERROR: SQLSTATE[HY000] [2002] Connection refused"}},
				})
			}
			if err := o.Notify(b.Context(), all); err != nil {
				b.Fatal(err)
			}
			i := 0
			for b.Loop() {
				i++
				a := all[0]
				a.Revision += uint64(i)
				a.Count += uint64(i)
				if kind != "text" && i%2 == 1 {
					a.Ended = now
				}
				if err := o.Notify(b.Context(), []agent.Alert{a}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
