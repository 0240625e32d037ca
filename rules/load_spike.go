package rules

import "fmt"

// spike reads how many times more than before is an alert.
func (p *problems) spike(spec *ruleSpec, l *loaded) {
	if !p.has("spike") {
		return
	}
	if !(spec.Spike > 1) || spec.Spike > maxSpike {
		p.say("spike", fmt.Sprintf("use more than 1, and %d at most", maxSpike), "%s is out of range", formatNumber(spec.Spike))
	}
	if !p.has("window") {
		p.say("spike", "say which times are compared, as window: 5m", "spike needs a window")
	}
	l.policy.spike = spec.Spike
}
