package rules

import (
	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/matchers"
)

// selects reports whether a rule is about the source.
func selects(m matchers.Matchers, src *agent.Source) bool {
	return m.Hold(func(label string) string { return labelOf(src, label) })
}

// labelOf is the source's own label, or else the container's; "" where there is
// none.
func labelOf(src *agent.Source, name string) string {
	if v := src.Label(name); v != "" || src.Container == nil {
		return v
	}
	return src.Container.Labels[name]
}
