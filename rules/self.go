package rules

import (
	"slices"
	"time"

	"github.com/webgrip/logkeel/agent"
)

var (
	_ agent.SelfMeter = (*Alerts)(nil)
	_ agent.Chooser   = (*Alerts)(nil)
)

// selfPack is the pack of rules on the agent itself.
const selfPack = agent.Self

// Wants reports whether some rule is on the sample.
func (a *Alerts) Wants(sample string) bool { return len(a.set.samples[sample]) > 0 }

// MeterSelf reports how the alerts do, and nothing of what fires: a rule that
// looked at that would look at itself.
func (a *Alerts) MeterSelf(yield func(agent.Sample)) {
	a.mu.Lock()
	failures, dropped, ticked := a.failures, a.dropped, max(a.ticked, a.begun)
	a.mu.Unlock()
	yield(agent.Sample{Name: "logkeel_alerts_write_errors_total", Help: "Failed writes of what the rules have counted.", Type: agent.Counter, Value: float64(failures)})
	yield(agent.Sample{Name: "logkeel_alerts_dropped_total", Help: "Alerts that were over and that no output took for so long that they became too many.", Type: agent.Counter, Value: float64(dropped)})
	yield(agent.Sample{
		Name: "logkeel_alerts_tick_seconds", Help: "How long ago alerts were last handed on, and what was counted written: a second, and as long as that takes.",
		Value: max(0, a.clock.Elapsed()-ticked).Round(time.Millisecond).Seconds(),
	})
	yield(agent.Unwritten("rules", a.trouble))
}

// lastError is the fact that says why a sample is as it is.
const lastError = "last error"

// because makes note the first of what an alert on a sample says beside it. What
// was handed on has the facts before, which stay as they are.
func because(facts []agent.Fact, note string) []agent.Fact {
	was := reasonOf(facts)
	switch {
	case note == "" || was == note:
		return facts
	case was != "":
		facts = facts[1:]
	}
	return slices.Insert(slices.Clone(facts), 0, agent.Fact{Name: lastError, Value: note})
}

// redacted is the note without secrets: it may be the end of what a program wrote.
func (s *Set) redacted(note string) string {
	if s.redact == nil || note == "" {
		return note
	}
	b := &agent.Batch{Buf: []byte(note), Records: []agent.Record{{Body: agent.Span{End: int32(len(note))}}}}
	cut := cutting{redactor: s.redact, b: b, all: true}
	if !cut.record(0, make([]uint64, s.words)) {
		return note
	}
	return string(b.Body(0))
}

// reasonOf is the note among the facts; "" is none.
func reasonOf(facts []agent.Fact) string {
	if len(facts) > 0 && facts[0].Name == lastError {
		return facts[0].Value
	}
	return ""
}
