package rules

import "github.com/webgrip/logkeel/agent"

// labelsOf is what the finding is counted by.
func (a *Alerts) labelsOf(r *rule, b *agent.Batch, f *agent.Finding) []agent.Label {
	if r.policy.byLog {
		return []agent.Label{{Name: "log", Value: b.Source.Name}}
	}
	labels := make([]agent.Label, 0, len(r.policy.by))
	var found submatch
	if r.captures {
		found = a.set.submatch(b, f, new(reading))
	}
	for _, p := range r.policy.by {
		v := ""
		if p.group && p.name == fingerprint {
			v = shapeText(b.Body(int(f.Record)))
		} else if p.group {
			v = string(shorten(found.group(p.name)))
		} else {
			v = logLabel(b.Source, p.name)
		}
		labels = append(labels, agent.Label{Name: p.name, Value: v})
	}
	return labels
}

// groupedKeys is keyText of the findings whose rules count by what a group
// found, one after another. That is worked out before others are made to wait.
type groupedKeys struct {
	text    []byte
	ends    []int
	at      int // that is next
	reading reading

	shape    shape
	values   []byte        // of labels, each ended by a 0
	observed []observation // of the findings whose rules have a metric
}

func (g *groupedKeys) next() []byte {
	start := 0
	if g.at > 0 {
		start = g.ends[g.at-1]
	}
	g.at++
	return g.text[start:g.ends[g.at-1]]
}

func (a *Alerts) groupedKeys(b *agent.Batch, findings []agent.Finding) (g *groupedKeys) {
	g = a.grouped.Get().(*groupedKeys)
	g.text, g.ends, g.at, g.values, g.observed = g.text[:0], g.ends[:0], 0, g.values[:0], g.observed[:0]
	for i := range findings {
		f := &findings[i]
		r := &a.set.rules[f.Rule.Index]
		if !r.grouped && r.metric == nil {
			continue
		}
		var found submatch
		if r.captures || r.metric.captures() {
			found = a.set.submatch(b, f, &g.reading)
		}
		if r.metric != nil {
			g.observe(r.metric, b.Source, &found)
		}
		if !r.grouped {
			continue
		}
		for _, p := range r.policy.by {
			g.text = append(append(g.text, p.name...), 0)
			if p.group && p.name == fingerprint {
				g.shape.of(b.Body(int(f.Record)))
				g.text = g.shape.append(g.text)
			} else if p.group {
				g.text = append(g.text, shorten(found.group(p.name))...)
			} else {
				g.text = append(g.text, logLabel(b.Source, p.name)...)
			}
			g.text = append(g.text, 0)
		}
		g.ends = append(g.ends, len(g.text))
	}
	return g
}
