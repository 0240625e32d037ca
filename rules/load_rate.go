package rules

import "time"

const (
	minOver = 10 * time.Second
	maxOver = 24 * time.Hour
)

// overTime reads over which time a sample's change is compared.
func (p *problems) overTime(spec *ruleSpec, m *measure) {
	m.rate, m.delta = time.Duration(spec.Rate), time.Duration(spec.Delta)
	if p.has("rate") {
		p.within("rate", spec.Rate, minOver, maxOver)
		p.refuse(misfit{"delta", "delta does not go with rate", "use rate for a counter, delta for a gauge"})
	}
	if p.has("delta") {
		p.within("delta", spec.Delta, minOver, maxOver)
	}
	if m.overTime() && m.changed != 0 {
		p.say("changed", "use above, below or equals", "changed does not go with rate and delta")
	}
}
