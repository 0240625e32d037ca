package alertmanager

import (
	"context"
	"log/slog"
	"strings"

	"github.com/webgrip/logkeel/agent"
)

// Diagnose sends each instance a list of no alerts, by which it says that it takes
// some, and nobody is told anything.
func Diagnose(ctx context.Context, c Config, report func(agent.Diagnosis)) {
	o, err := newOutput(c, slog.New(slog.DiscardHandler))
	if err != nil {
		report(agent.Explained(agent.Failed, "configuration", "it cannot be made", err))
		return
	}
	for _, in := range o.instances {
		err := in.post(ctx, []payload{})
		in.client.CloseIdleConnections()
		if err == nil {
			report(agent.Diagnosis{What: in.host + " takes alerts; none was sent"})
			continue
		}
		d := agent.Diagnosis{
			Health: agent.Failed, Cause: "alertmanager_no_connection", What: in.host + " takes no alerts", Why: err.Error(),
			Do: "is Alertmanager started, and does it listen there (--web.listen-address)? Compare urls, with its --web.route-prefix",
		}
		switch {
		case strings.Contains(d.Why, "answers 401"), strings.Contains(d.Why, "answers 403"):
			d.Cause, d.Do = "alertmanager_login", "compare username and password, or bearer_token, with the web configuration there"
		case strings.Contains(d.Why, "it answers"):
			d.Cause, d.Do = "alertmanager_refuses", "is that an Alertmanager with API v2? Compare urls, with its --web.route-prefix"
		}
		report(d)
	}
}
