package heartbeat

import (
	"context"
	"time"

	"github.com/webgrip/logkeel/agent"
)

// Diagnose connects to the service and sends it nothing: a ping would say that an
// agent is alive.
func Diagnose(ctx context.Context, c Config, report func(agent.Diagnosis)) {
	u, err := parseURL(c.URL.Value())
	if err != nil {
		report(agent.Explained(agent.Failed, "configuration", "it cannot be made", err))
		return
	}
	secure, err := c.TLS.Client("")
	if err != nil {
		report(agent.Explained(agent.Failed, "configuration", "it cannot be made", err))
		return
	}
	report(agent.DiagnoseURL(ctx, u, secure, time.Duration(c.Timeout)))
}
