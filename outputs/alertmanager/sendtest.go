package alertmanager

import (
	"context"
	"log/slog"
	"time"

	"github.com/webgrip/logkeel/agent"
)

// SendTest sends an alert that says that it is a test to each instance; it ends by
// itself after a minute. It reports of each that it has taken it, or why not.
// Config must have passed Check.
func (c *Config) SendTest(ctx context.Context, report func(to string, err error)) error {
	o, err := newOutput(*c, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	now := time.Now()
	a := agent.Alert{
		Rule: agent.Rule{
			Name: "LogkeelTest", Class: "test", Severity: c.MinSeverity,
			Summary: "This is a test of output " + c.Name + ": nothing has happened",
		},
		Source: "logkeel", Starts: now, Condition: "somebody ran logkeel check --send-test", Absent: true,
	}
	p := payload{Labels: o.render.labelsOf(&a), Annotations: annotationsOf(&a), StartsAt: now, EndsAt: now.Add(time.Minute), GeneratorURL: c.ExternalURL}
	for _, in := range o.instances {
		report(in.host, in.post(ctx, []payload{p}))
		in.client.CloseIdleConnections()
	}
	return nil
}
