// Package webhook tells people, or programs, of alerts by HTTP: one request a
// notice, to one URL, and what could not be sent waits on the disk.
package webhook

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/notify"
	"github.com/webgrip/logkeel/agent/silence"
)

// An Output sends notices to one URL.
type Output struct {
	name     string
	queue    *notify.Queue
	renderer *renderer
	sender   *sender
	sent     atomic.Uint64
}

var (
	_ agent.AlertOutput = (*Output)(nil)
	_ agent.Keeper      = (*Output)(nil)
	_ agent.Meter       = (*Output)(nil)
)

// New opens the output's queue below stateDir. Config must have passed Check.
// silences may be nil.
func New(c Config, stateDir string, silences *silence.Watch, log *slog.Logger) (*Output, error) {
	o, err := configured(&c)
	if err != nil {
		return nil, fmt.Errorf("output %s: %w", c.Name, err)
	}
	o.queue, err = notify.Open(notify.Options{
		Config: c.Config,
		Name:   c.Name,
		Dir:    filepath.Join(stateDir, "spool", "webhook-"+c.Name),
		Log:    log.With("output", c.Name),
		Labels: o.labels(),

		Silences: silences,
	})
	if err != nil {
		return nil, fmt.Errorf("output %s: %w", c.Name, err)
	}
	return o, nil
}

// configured is the output without its queue.
func configured(c *Config) (*Output, error) {
	host, err := os.Hostname()
	if err != nil {
		host = "localhost"
	}
	o := &Output{name: c.Name}
	if o.renderer, err = c.renderer(host); err != nil {
		return nil, err
	}
	if o.sender, err = newSender(c); err != nil {
		return nil, err
	}
	return o, nil
}

func (o *Output) labels() []agent.Label { return []agent.Label{{Name: "output", Value: o.name}} }

// Name is the output's name.
func (o *Output) Name() string { return o.name }

// Notify takes alerts as they stand now; they are on the disk when it returns.
func (o *Output) Notify(ctx context.Context, alerts []agent.Alert) error {
	return o.queue.Notify(ctx, alerts)
}

// Reconcile ends the alerts that are not among those that fire.
func (o *Output) Reconcile(ctx context.Context, firing map[string]bool) error {
	return o.queue.Reconcile(ctx, firing)
}

// Run sends notices until ctx is done.
func (o *Output) Run(ctx context.Context) error { return o.queue.Run(ctx, o.tell) }

// Close closes the queue, after Run has ended.
func (o *Output) Close() error {
	o.sender.client.CloseIdleConnections()
	return o.queue.Close()
}

// Kept says what was not told yet.
func (o *Output) Kept() string {
	if n := o.queue.Pending(); n > 0 {
		return fmt.Sprintf("%d groups of alerts", n)
	}
	return ""
}

// Meter reports the requests and the queue.
func (o *Output) Meter(yield func(agent.Sample)) {
	yield(agent.Sample{
		Name: "logkeel_webhook_sent_total", Help: "Notices that the receiver has taken.",
		Type: agent.Counter, Labels: o.labels(), Value: float64(o.sent.Load()),
	})
	o.queue.Meter(yield)
}

// tell sends the notice.
func (o *Output) tell(ctx context.Context, n *notify.Notice) error {
	body, err := o.renderer.render(n)
	if err != nil {
		return notify.Refused(fmt.Errorf("make the body: %w", err))
	}
	if err := o.sender.send(ctx, n.ID, body); err != nil {
		return err
	}
	o.sent.Add(1)
	return nil
}

// SendTest sends what says that it is a test, as the output would, but past its
// queue: that belongs to an agent that may run. It reports that the receiver has
// taken it, or why not. Config must have passed Check.
func (c *Config) SendTest(ctx context.Context, report func(receiver string, err error)) error {
	o, err := configured(c)
	if err != nil {
		return err
	}
	defer o.sender.client.CloseIdleConnections()
	p := testPayload(o.name, o.renderer.host, time.Now())
	body, err := o.renderer.execute(p)
	if err != nil {
		return fmt.Errorf("make the body: %w", err)
	}
	report(c.Where(), o.sender.send(ctx, p.ID, body))
	return nil
}
