package webhook

import (
	"context"
	"time"

	"github.com/webgrip/logkeel/agent"
)

// Diagnose connects to the receiver and sends it nothing.
func Diagnose(ctx context.Context, c Config, report func(agent.Diagnosis)) {
	u, err := parseURL(c.URL)
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
