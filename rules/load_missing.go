package rules

import (
	"slices"
	"time"

	"github.com/webgrip/logkeel/agent/conf"
)

const (
	// defaultGone is for how long a series that is missing is told to be, unless
	// the rule says otherwise.
	defaultGone = 7 * 24 * time.Hour
	maxGone     = 30 * 24 * time.Hour
)

// onMissing reads what a rule has that says that a series is not there.
func (p *problems) onMissing(spec *ruleSpec, l *loaded) {
	const hint = "make two rules of it"
	p.refuse(
		misfit{"above", "a series that is not there has no value", hint},
		misfit{"below", "a series that is not there has no value", hint},
		misfit{"equals", "a series that is not there has no value", hint},
		misfit{"changed", "a series that is not there has not changed", hint},
		misfit{"expected", "a series that is not there has no labels", hint},
		misfit{"rate", "a series that is not there has no value", hint},
		misfit{"delta", "a series that is not there has no value", hint},
		misfit{"for", "absent says for how long it is not there", "remove it"},
	)
	p.within("absent", spec.Absent, minAbsent, maxAbsent)
	l.measure.absent = time.Duration(spec.Absent)
	if !p.has("window") {
		spec.Window = conf.Duration(defaultGone)
	}
	l.policy.window = time.Duration(spec.Window)
	p.within("window", spec.Window, minWindow, maxGone)
	by, exact := l.policy.by, true
	for _, c := range spec.Source.Matchers {
		named := spec.Source.Exact(c.Name) != nil
		exact = exact && named
		if part := (keyPart{name: c.Name}); named && (l.policy.byLog || c.Name == "target") && !slices.Contains(by, part) {
			by = append(by, part)
		}
	}
	if l.policy.byLog && (len(by) == 0 || !exact) {
		return // each series by itself, and none is known before it was there
	}
	named, ok := namedKeys(by, spec.Source.Exact)
	switch {
	case !ok:
		p.say("source", "make several rules of it, or name fewer under by", "it names more than %d to be waited for", maxNamed)
	case len(named) > 0:
		l.policy.by, l.policy.byLog, l.policy.named = by, false, named
	}
}
