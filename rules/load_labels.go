package rules

import (
	"maps"
	"slices"
	"strings"

	"github.com/webgrip/logkeel/agent/conf"
	"go.yaml.in/yaml/v4"
)

// maxLabels bounds how many labels a rule looks at, and how many values each may
// have.
const maxLabels = 20

// changeSpec is what changed has: a word about the value, or labels.
type changeSpec struct {
	value  change
	labels []string
}

// UnmarshalYAML reads true, up or down, or a list of labels.
func (c *changeSpec) UnmarshalYAML(n *yaml.Node) error {
	wrong := &conf.Error{Line: n.Line, Msg: "expected true, up or down, or a list of labels", Hint: "write true for any change of the value, [user] for one of the label user, or remove it"}
	switch n.Kind {
	case yaml.SequenceNode:
		var list conf.Strings
		if err := list.UnmarshalYAML(n); err != nil {
			return wrong
		}
		c.labels = list
		return nil
	case yaml.ScalarNode:
		if v, ok := map[string]change{"true": anyChange, "up": upward, "down": downward}[n.Value]; ok {
			c.value = v
			return nil
		}
	}
	return wrong
}

// JSONSchema is the form that UnmarshalYAML reads.
func (changeSpec) JSONSchema() string {
	return `{"title": "true, up, down or a list of labels", "anyOf": [{"enum": [true, "true", "up", "down"]},
		{"type": "array", "items": {"type": ["string", "number", "boolean"]}}]}`
}

// onLabels reads what a rule on a sample says of labels.
func (p *problems) onLabels(spec *ruleSpec, m *measure) {
	if p.has("changed") && m.changed == 0 {
		p.changedLabels(spec, m)
	}
	if !p.has("expected") {
		return
	}
	p.refuse(
		misfit{"rate", "rate does not go with expected", "make two rules of it"},
		misfit{"delta", "delta does not go with expected", "make two rules of it"},
	)
	if len(spec.Expected) == 0 || len(spec.Expected) > maxLabels {
		p.say("expected", "write a label and the value that it should have, as {maxmemory_policy: allkeys-lru}", "it takes 1 to %d labels", maxLabels)
	}
	for _, name := range slices.Sorted(maps.Keys(spec.Expected)) {
		values := spec.Expected[name]
		switch {
		case !isLabelName(name):
			p.say("expected", "write the name of a label, as maxmemory_policy", "%s is not the name of a label", quote(name))
		case len(values) == 0 || len(values) > maxLabels:
			p.say("expected."+name, "write the value that it should have, or a list; '' is none", "a label has 1 to %d values that it may have", maxLabels)
		}
		m.expected = append(m.expected, expectation{name, values})
	}
}

func (p *problems) changedLabels(spec *ruleSpec, m *measure) {
	p.refuse(
		misfit{"for", "a label changes from one snapshot to the next", "use window, for how long the alert goes on"},
		misfit{"rate", "rate does not go with the change of a label", "make two rules of it"},
		misfit{"delta", "delta does not go with the change of a label", "make two rules of it"},
		misfit{"expected", "expected does not go with the change of a label", "make two rules of it"},
	)
	if len(m.labels) == 0 || len(m.labels) > maxLabels {
		p.say("changed", "write the labels, as [user, privileged]", "it takes 1 to %d labels", maxLabels)
	}
	for i, name := range m.labels {
		switch {
		case !isLabelName(name):
			p.say("changed", "write the name of a label, as user", "%s is not the name of a label", quote(name))
		case slices.Contains(m.labels[:i], name):
			p.say("changed", "remove one of them", "%s is given twice", quote(name))
		case slices.Contains(spec.By, name):
			p.say("by", "count by what stays the same, as target or name", "%s is what may change, and each of its values would be counted apart", quote(name))
		}
	}
}

// isLabelName reports whether s is a label's name as Prometheus has them.
func isLabelName(s string) bool { return isMetric(s) && !strings.Contains(s, ":") }
