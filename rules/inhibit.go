package rules

import (
	"fmt"
	"slices"
	"strings"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/conf"
	"github.com/webgrip/logkeel/agent/matchers"
)

// An inhibitSpec says which alerts explain others: while the first fire, the others
// are not told.
type inhibitSpec struct {
	Source matchers.Spec `yaml:"source"` // matchers of the alerts that explain others while they fire, as {rule: DatabaseDown}; needed
	Target matchers.Spec `yaml:"target"` // matchers of the alerts that are then not told; needed
	Equal  conf.Strings  `yaml:"equal"`  // labels of which both alerts must have the same values
}

// An inhibition says which alerts explain which others, as Alertmanager's
// inhibit_rules do: while source fires, target is no news.
type inhibition struct {
	source, target side
	equal          []string // labels of which both have the same values
	name           string   // for people: inhibit[0]
	place          place
}

// A side selects the alerts of one side.
type side struct {
	matchers matchers.Matchers
	rules    []bool // by Rule.Index: what is known of the rule does not rule it out
}

// selects reports whether the alert is of this side.
func (s *side) selects(a *agent.Alert) bool {
	return s.rules[a.Rule.Index] && s.matchers.Hold(a.Label)
}

// inhibitions reads what a file says of them.
func (l *loader) inhibitions(doc *conf.Doc, specs []inhibitSpec) {
	for i := range specs {
		spec := &specs[i]
		p := problems{l, doc, fmt.Sprintf("inhibit[%d]", i)}
		p.side("source", &spec.Source, "say which alerts explain others, as {rule: DatabaseDown}")
		p.side("target", &spec.Target, "say which alerts are explained, as {rule: SlowStatements}")
		for j, name := range spec.Equal {
			switch {
			case strings.TrimSpace(name) == "":
				p.say("equal", "write the labels that both have, as [target]", "a label is empty")
			case slices.Contains(spec.Equal[:j], name):
				p.say("equal", "remove one of them", "%s is given twice", quote(name))
			}
		}
		l.inhibits = append(l.inhibits, inhibition{
			source: side{matchers: spec.Source.Matchers}, target: side{matchers: spec.Target.Matchers},
			equal: spec.Equal, name: p.path, place: place{doc.File, doc.Line(p.path)},
		})
	}
}

func (p *problems) side(field string, spec *matchers.Spec, hint string) {
	for _, f := range spec.Faults {
		p.say(strings.TrimSuffix(field+"."+f.Label, "."), f.Hint, "%s", f.Msg)
	}
	if len(spec.Faults) == 0 && len(spec.Matchers) == 0 {
		p.say(field, hint, "inhibit needs a %s", field)
	}
}

// inhibit gives the set its inhibitions, after its rules.
func (s *Set) inhibit(list []inhibition) {
	for i := range list {
		for _, side := range []*side{&list[i].source, &list[i].target} {
			side.rules = make([]bool, len(s.rules))
			for j, r := range s.meta {
				of := agent.Alert{Rule: *r}
				side.rules[j] = !slices.ContainsFunc(side.matchers, func(m matchers.Matcher) bool {
					return slices.Contains([]string{"rule", "class", "severity"}, m.Name) && !m.Holds(of.Label(m.Name))
				})
			}
		}
	}
	s.inhibits = list
}

// inhibitDoubts are what is odd about inhibitions.
func (s *Set) inhibitDoubts() []Doubt {
	var all []Doubt
	for i := range s.inhibits {
		in := &s.inhibits[i]
		add := func(hint, format string, args ...any) {
			all = append(all, Doubt{&agent.Rule{Name: in.name, File: in.place.file, Line: in.place.line}, fmt.Sprintf(format, args...), hint})
		}
		for _, side := range []struct {
			field string
			matchers.Matchers
		}{{"source", in.source.matchers}, {"target", in.target.matchers}} {
			for _, name := range side.Exact("rule") {
				if strings.HasPrefix(in.place.file, packPrefix) { // it may be of a pack that is not wanted here
					continue
				}
				if !slices.ContainsFunc(s.meta, func(r *agent.Rule) bool { return r.Name == name }) {
					add("load the file that has it, or mend the name", "%s names the rule %s, and none that is loaded is called so", side.field, quote(name))
				}
			}
		}
		if slices.EqualFunc(in.source.matchers, in.target.matchers, sameCondition) {
			add("make one of them narrower", "source and target are the same, and alerts that both select do not explain each other")
		}
	}
	return all
}
