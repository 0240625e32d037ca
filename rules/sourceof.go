package rules

import (
	"slices"

	"github.com/webgrip/logkeel/agent"
)

// Labels returns labels of a log, or of a sample, that the rule is about: those
// that its source asks for, the first value of each.
func (s *Set) Labels(r *agent.Rule) map[string]string {
	labels := map[string]string{}
	for _, c := range s.rules[r.Index].source {
		if !c.Negated && len(c.Values) > 0 && c.Values[0] != "" {
			labels[c.Name] = c.Values[0]
		}
	}
	return labels
}

// NewSource makes a log of labels, for trying rules out. The two that every log
// has, log and source, are its name and its collector.
func NewSource(labels map[string]string) *agent.Source {
	src := &agent.Source{Collector: "docker", Name: labels["container"]}
	for name, value := range labels {
		switch name {
		case "log":
			src.Name = value
		case "source":
			src.Collector = value
		default:
			src.Labels = append(src.Labels, agent.Label{Name: name, Value: value})
		}
	}
	slices.SortFunc(src.Labels, func(a, b agent.Label) int {
		if a.Name < b.Name {
			return -1
		}
		return 1
	})
	if src.Name == "" {
		src.Name = "test"
		if v := src.Label("service"); v != "" {
			src.Name = v
		}
	}
	src.ID = src.Collector + "/" + keyText(src.Labels) + src.Name
	return src
}
