package outputs

import (
	"context"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/outputs/alertmanager"
	"github.com/webgrip/logkeel/outputs/email"
	"github.com/webgrip/logkeel/outputs/fluentd"
	"github.com/webgrip/logkeel/outputs/heartbeat"
	"github.com/webgrip/logkeel/outputs/webhook"
)

// Checkups are the outputs, each with what it says of itself. None of them tells
// anybody anything. running says that an agent with this configuration runs.
func Checkups(c Config, running bool) []agent.Checkup {
	var all []agent.Checkup
	add := func(kind, name string, look func(ctx context.Context, report func(agent.Diagnosis))) {
		all = append(all, agent.Checkup{Part: "output", Kind: kind, Name: name, Look: look})
	}
	for _, fc := range c.Fluentd {
		add("fluentd", fc.Name, func(ctx context.Context, report func(agent.Diagnosis)) { fluentd.Diagnose(ctx, fc, report) })
	}
	if p := c.Prometheus; p != nil {
		add("prometheus", "", func(ctx context.Context, report func(agent.Diagnosis)) {
			report(agent.DiagnoseListen(ctx, p.Listen, running))
		})
	}
	for _, ec := range c.Email {
		add("email", ec.Name, func(ctx context.Context, report func(agent.Diagnosis)) { email.Diagnose(ctx, ec, report) })
	}
	for _, wc := range c.Webhook {
		add("webhook", wc.Name, func(ctx context.Context, report func(agent.Diagnosis)) { webhook.Diagnose(ctx, wc, report) })
	}
	for _, ac := range c.Alertmanager {
		add("alertmanager", ac.Name, func(ctx context.Context, report func(agent.Diagnosis)) { alertmanager.Diagnose(ctx, ac, report) })
	}
	for _, hc := range c.Heartbeat {
		add("heartbeat", hc.Name, func(ctx context.Context, report func(agent.Diagnosis)) { heartbeat.Diagnose(ctx, hc, report) })
	}
	return all
}
