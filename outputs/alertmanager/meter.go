package alertmanager

import (
	"time"

	"github.com/webgrip/logkeel/agent"
)

// Meter reports what was sent, and what is kept.
func (o *Output) Meter(yield func(agent.Sample)) {
	labels := func(more ...agent.Label) []agent.Label {
		return append([]agent.Label{{Name: "output", Value: o.c.Name}}, more...)
	}
	stalled, why := time.Duration(-1), ""
	for _, in := range o.instances {
		count := func(name, help string, n uint64) {
			yield(agent.Sample{Name: name, Help: help, Type: agent.Counter, Labels: labels(agent.Label{Name: "instance", Value: in.host}), Value: float64(n)})
		}
		count("logkeel_alertmanager_sent_total", "Alerts that the instance has taken; what fires is sent again and again.", in.sent.Load())
		count("logkeel_alertmanager_failed_total", "Alerts that the instance has not taken; they are sent again.", in.failed.Load())
		count("logkeel_alertmanager_refused_total", "Alerts that the instance will not take; they are put aside.", in.refused.Load())
		// Who has one instance that works has told.
		if d, last := in.trouble.State(); stalled < 0 || d < stalled {
			stalled, why = d, last
		}
	}
	o.mu.Lock()
	kept, dropped, expired := len(o.store.byID), o.dropped, o.expired
	o.mu.Unlock()
	yield(agent.Sample{
		Name: "logkeel_alertmanager_alerts", Help: "Alerts that fire, or that are over and some instance does not know it.",
		Type: agent.Gauge, Labels: labels(), Value: float64(kept),
	})
	for _, d := range []struct {
		reason string
		n      uint64
	}{{"full", dropped}, {"expired", expired}} {
		yield(agent.Sample{
			Name: "logkeel_alertmanager_dropped_total", Help: "Alerts that are not sent: more than may be kept, or over for a day that some instance was away.",
			Type: agent.Counter, Labels: labels(agent.Label{Name: "reason", Value: d.reason}), Value: float64(d.n),
		})
	}
	yield(agent.Stalled(o.c.Name, "alerts", max(0, stalled), why))
	yield(agent.Unwritten("alertmanager/"+o.c.Name, o.unwritten))
}
