package rules

import (
	"slices"
	"strings"
	"time"

	"github.com/webgrip/logkeel/agent"
)

const (
	minAbsent = 10 * time.Second
	maxAbsent = 7 * 24 * time.Hour
	// maxNamed bounds how many keys a rule's source may name.
	maxNamed = 100
)

// onAbsence reads what a rule has that says that something did not come.
func (p *problems) onAbsence(spec *ruleSpec, l *loaded) {
	p.refuse(
		misfit{"threshold", "threshold counts lines that are there", "remove it, or absent"},
		misfit{"spike", "spike counts lines that are there", "remove it, or absent"},
		misfit{"window", "absent says for how long nothing came", "remove it, or absent"},
	)
	if len(spec.Match) > 0 || p.has("format") {
		p.onLines(spec, l)
		l.text = strings.Join(spec.Match, " or ")
		if len(spec.Match) == 0 {
			l.text = spec.Where
		}
	} else {
		const hint = "say under match which lines are waited for"
		p.refuse(misfit{"match", "there is no expression", "remove it to wait for any line"}, misfit{"not", "not needs match", hint}, misfit{"where", "where needs match", hint}, misfit{"metric", "metric needs match", hint}, misfit{"alert", "a rule with absent is there for its alert", "remove it"})
		p.by(spec.By, func(name string) { l.policy.by = append(l.policy.by, keyPart{name: name}) })
	}
	p.within("absent", spec.Absent, minAbsent, maxAbsent)
	l.policy.absent = time.Duration(spec.Absent)
	l.rule.Unmarked = true
	if l.policy.byLog && len(spec.Source.Matchers) > 0 {
		l.policy.byLog = false
		for _, c := range spec.Source.Matchers {
			if part := (keyPart{name: c.Name}); !slices.Contains(l.policy.by, part) {
				l.policy.by = append(l.policy.by, part)
			}
		}
	}
	if l.policy.byLog {
		return
	}
	named, ok := namedKeys(l.policy.by, spec.Source.Exact)
	if !ok {
		p.say("source", "make several rules of it, or name fewer under by", "it names more than %d to be waited for", maxNamed)
	}
	l.policy.named = named
}

// namedKeys are the keys that are known from the values of source alone: none
// where a part of them is not. ok is false where they are too many.
func namedKeys(by []keyPart, values func(name string) []string) (keys [][]agent.Label, ok bool) {
	keys = [][]agent.Label{{}}
	for _, part := range by {
		var next [][]agent.Label
		for _, k := range keys {
			for _, v := range values(part.name) {
				if part.group || v == "" {
					continue
				}
				next = append(next, append(slices.Clone(k), agent.Label{Name: part.name, Value: v}))
			}
			if len(next) > maxNamed {
				return nil, false
			}
		}
		keys = next
	}
	return keys, true
}
