package heartbeat

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/webgrip/logkeel/agent"
)

const (
	// firstAfter is how long after the start it is said first that the agent is
	// alive: one that crashes again and again must not say so each time.
	firstAfter = 30 * time.Second
	retryAfter = 15 * time.Second
)

// An Output is one heartbeat.
type Output struct {
	c       Config
	log     *slog.Logger
	meter   func(yield func(agent.Sample))
	url     *url.URL
	fail    *url.URL // nil: silence
	client  *http.Client
	pieces  []string       // of URLs, that nobody may see
	unwell  *agent.Trouble // of the agent
	unheard *agent.Trouble // of the service

	mu     sync.Mutex
	why    string // the agent is not well; "" where it is
	alive  uint64 // pings that were taken
	failed uint64 // likewise, to fail_url
	errors uint64 // those that were not
	last   time.Time
}

var (
	_ agent.Output = (*Output)(nil)
	_ agent.Meter  = (*Output)(nil)
)

// New makes the heartbeat. meter says how the agent's parts do. Config must have
// passed Check.
func New(c Config, meter func(yield func(agent.Sample)), log *slog.Logger) (*Output, error) {
	log = log.With("output", c.Name)
	o := &Output{c: c, log: log, meter: meter, unwell: agent.NewTrouble(log), unheard: agent.NewTrouble(log)}
	var err error
	if o.url, err = parseURL(c.URL.Value()); err == nil {
		o.fail, err = c.failURL()
	}
	if err == nil {
		o.client, err = newClient(&c)
	}
	if err != nil {
		return nil, fmt.Errorf("output %s: %w", c.Name, err)
	}
	o.pieces = secrets(o.url, o.fail)
	return o, nil
}

// Name is the output's name.
func (o *Output) Name() string { return o.c.Name }

// Run says again and again that the agent is alive, as long as it is well, until
// ctx is done.
func (o *Output) Run(ctx context.Context) error {
	every := time.Duration(o.c.Every)
	timer := time.NewTimer(min(every, firstAfter))
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		}
		begun := time.Now()
		wait := every
		if !o.beat(ctx) {
			wait = min(every, retryAfter)
		}
		timer.Reset(max(0, wait-time.Since(begun)))
	}
}

// beat says once how the agent does. heard is false where the service did not
// take that.
func (o *Output) beat(ctx context.Context) (heard bool) {
	v := judge(o.meter, time.Duration(o.c.Patience))
	well := len(v.why) == 0
	o.mu.Lock()
	o.why = ""
	if !well {
		o.why = v.say()
	}
	o.mu.Unlock()
	to := o.url
	if well {
		o.unwell.Clear("the agent is well again, and the heartbeat goes on")
	} else {
		to = o.fail
		say := "the agent is not well: the heartbeat says so"
		if to == nil {
			say = "the agent is not well: there is no heartbeat until it is"
		}
		o.unwell.Fail(errors.New(v.say()), say)
	}
	if to == nil {
		return true
	}
	err := o.ping(ctx, to, v.say())
	if ctx.Err() != nil {
		return true
	}
	o.mu.Lock()
	switch {
	case err != nil:
		o.errors++
	case well:
		o.alive++
	default:
		o.failed++
	}
	if err == nil {
		o.last = time.Now()
	}
	o.mu.Unlock()
	if err != nil {
		o.unheard.Fail(err, "the heartbeat is not taken, and tried again", "host", to.Host)
		return false
	}
	o.unheard.Clear("the heartbeat is taken again", "host", to.Host)
	return true
}

// Meter reports what was said, and how the agent did.
func (o *Output) Meter(yield func(agent.Sample)) {
	o.mu.Lock()
	alive, failed, errs, last, why := o.alive, o.failed, o.errors, o.last, o.why
	o.mu.Unlock()
	output := agent.Label{Name: "output", Value: o.c.Name}
	sample := func(t agent.SampleType, name, help string, v float64, more ...agent.Label) {
		yield(agent.Sample{Name: name, Help: help, Type: t, Labels: append([]agent.Label{output}, more...), Value: v, Note: why})
	}
	const sent = "Heartbeats that the service has taken, by what they said of the agent."
	sample(agent.Counter, "logkeel_heartbeat_sent_total", sent, float64(alive), agent.Label{Name: "says", Value: "alive"})
	sample(agent.Counter, "logkeel_heartbeat_sent_total", sent, float64(failed), agent.Label{Name: "says", Value: "failing"})
	sample(agent.Counter, "logkeel_heartbeat_failed_total", "Heartbeats that the service did not take.", float64(errs))
	at := 0.0
	if !last.IsZero() {
		at = float64(last.Unix())
	}
	sample(agent.Gauge, "logkeel_heartbeat_last_success_timestamp_seconds", "When the service took the last one; 0 where it took none yet.", at)
	well := 1.0
	if why != "" {
		well = 0
	}
	sample(agent.Gauge, "logkeel_heartbeat_alive", "Whether the agent was well when the last one was due.", well)
	d, text := o.unheard.State()
	yield(agent.Stalled(o.c.Name, "heartbeat", d, text))
}
