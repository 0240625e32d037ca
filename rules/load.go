package rules

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/webgrip/logkeel/agent/conf"
	"github.com/webgrip/logkeel/rules/fields"
	"go.yaml.in/yaml/v4"
)

const (
	minWindow   = time.Second
	maxWindow   = 24 * time.Hour
	maxHold     = 24 * time.Hour
	maxCooldown = 7 * 24 * time.Hour
)

// A level is what a sample is compared with. In the file it may have a unit of
// time, which stands for seconds, or of size, which stands for bytes.
type level float64

// UnmarshalYAML reads a level.
func (l *level) UnmarshalYAML(n *yaml.Node) error {
	const hint = "write 0.5, 1.5s or 512MiB"
	if n.Kind != yaml.ScalarNode {
		return &conf.Error{Line: n.Line, Msg: "expected a number", Hint: hint}
	}
	v, _, ok := parseQuantity(strings.TrimSpace(n.Value))
	if !ok || len(n.Value) > maxNumber {
		return &conf.Error{Line: n.Line, Msg: "expected a number, found " + quote(n.Value), Hint: hint}
	}
	*l = level(v)
	return nil
}

// JSONSchema is the form that UnmarshalYAML reads.
func (level) JSONSchema() string {
	return `{"title": "number, duration or size", "type": ["number", "string"],
		"pattern": "^\\s*[-+]?([0-9]+\\.?[0-9]*|\\.[0-9]+)([eE][-+]?[0-9]+)?( *[a-zA-Zµμ]+)?(([0-9]+\\.?[0-9]*|\\.[0-9]+) *[a-zA-Zµμ]+)*\\s*$"}`
}

// A misfit is a key that a rule of one kind has no use for.
type misfit struct{ key, msg, hint string }

// refuse tells of those that are there.
func (p *problems) refuse(list ...misfit) {
	for _, m := range list {
		if p.has(m.key) {
			p.say(m.key, m.hint, "%s", m.msg)
		}
	}
}

func (p *problems) within(field string, d conf.Duration, least, most time.Duration) {
	if time.Duration(d) < least || time.Duration(d) > most {
		p.say(field, fmt.Sprintf("use %s to %s", conf.Duration(least), conf.Duration(most)), "%s is out of range", d)
	}
}

// onLines reads what a rule on lines has.
func (p *problems) onLines(spec *ruleSpec, l *loaded) {
	const limits = "compare what a named group found under where, or name a sample"
	p.refuse(
		misfit{"above", "above compares a sample", limits},
		misfit{"below", "below compares a sample", limits},
		misfit{"equals", "equals compares a sample", limits},
		misfit{"changed", "changed is about a sample", "remove it, or name a sample"},
		misfit{"rate", "rate is about a sample", "use threshold and window"},
		misfit{"delta", "delta is about a sample", "remove it, or name a sample"},
		misfit{"expected", "expected is about a sample", "compare what a named group found under where, or name a sample"},
		misfit{"for", "for says how long a sample is to be so", "use threshold and window"},
	)
	l.format = p.format(spec)
	switch {
	case len(spec.Match) > 0:
	case l.format != fields.None && !p.has("where"):
		p.say("format", "say what fields are to be under where, or what the record has under match", "a rule needs something to look for")
	case !p.has("format"):
		p.say("match", "write an expression, a list of which one has to match, or the name of a sample", "a rule needs something to look for")
	}
	l.match, l.not = p.exprs("match", spec.Match), p.exprs("not", spec.Not)
	whole := len(l.match) == len(spec.Match) // else a group may be missing for that
	l.where = p.where(spec, l, whole)
	l.policy.threshold = spec.Threshold
	if spec.Threshold < 1 || spec.Threshold > maxThreshold {
		p.say("threshold", fmt.Sprintf("use 1 to %d", maxThreshold), "%d is out of range", spec.Threshold)
	}
	if spec.Threshold > 1 && !p.has("window") {
		p.say("threshold", "say within which time, as window: 5m", "a threshold above 1 needs a window")
	}
	p.within("window", spec.Window, minWindow, maxWindow)
	p.spike(spec, l)
	p.by(spec.By, func(name string) {
		n := 0
		for _, e := range l.match {
			if e.Regexp().SubexpIndex(name) >= 0 {
				n++
			}
		}
		if name == fingerprint {
			if n > 0 {
				p.say("by", "give the group another name", "%s is the shape of the message, and a named group under match as well", quote(name))
			}
			l.policy.by = append(l.policy.by, keyPart{name: name, group: true})
			return
		}
		if whole && n > 0 && n < len(l.match) {
			p.say("by", "give each expression that group, or make two rules of it", "%s is a named group of some expressions under match, but not of all", quote(name))
		}
		l.policy.by = append(l.policy.by, keyPart{name: name, group: n > 0 || countsByField(name, l.format)})
	})
	p.metric(spec, l)
	if len(spec.Match) == 0 && l.format != fields.None {
		p.unmatched(l)
	}
}

// by reads the names that a rule counts by.
func (p *problems) by(names []string, add func(name string)) {
	for i, name := range names {
		switch {
		case strings.TrimSpace(name) == "":
			p.say("by", "write labels or named groups; by: [] counts all together", "a name is empty")
		case slices.Contains(names[:i], name):
			p.say("by", "remove one of them", "%s is given twice", quote(name))
		default:
			add(name)
		}
	}
}

// where reads the condition, nil where there is none. Unless the expressions
// are whole it may ask for groups that are not there.
func (p *problems) where(spec *ruleSpec, l *loaded, whole bool) *where {
	if !p.has("where") {
		return nil
	}
	w, err := parseWhere(spec.Where, func(name string) *whereError {
		if !whole {
			return nil
		}
		return p.unknown(name, l)
	})
	if err != nil {
		p.say("where", err.hint, "column %d: %s", err.column, err.msg)
		return nil
	}
	for _, e := range l.match {
		w.bind(e)
	}
	return w
}

// noGroup says which groups there are.
func noGroup(name string, match []*expr) *whereError {
	var groups []string
	for _, e := range match {
		for _, g := range e.Regexp().SubexpNames() {
			if g != "" && !slices.Contains(groups, g) {
				groups = append(groups, g)
			}
		}
	}
	e := &whereError{msg: "no expression under match has the named group " + quote(name)}
	if len(groups) == 0 {
		e.hint = "name a group in match, as in (?P<" + name + `>\d+)`
	} else {
		e.hint = "groups here: " + strings.Join(groups, ", ")
	}
	e.hint += "; to compare fields of the record, add format: json, logfmt, access or record"
	return e
}

// onSample reads what a rule on a sample has.
func (p *problems) onSample(spec *ruleSpec, l *loaded) {
	const limits = "use above, below, equals, changed, expected or absent"
	p.refuse(
		misfit{"format", "format is about lines", "remove it, or look for lines with match or where"},
		misfit{"not", "not is about lines", "leave series out with source"},
		misfit{"where", "where is about lines", limits},
		misfit{"threshold", "threshold counts lines", "use for"},
		misfit{"spike", "spike counts lines", "use rate or delta"},
		misfit{"metric", "metric is about lines", "a sample is one already"},
		misfit{"alert", "alert is about lines", "remove the rule"},
	)
	m := &measure{
		sample: spec.Sample, changed: spec.Changed.value, labels: spec.Changed.labels, hold: time.Duration(spec.For),
		above: spec.Above.number(), below: spec.Below.number(), equals: spec.Equals.number(),
	}
	l.measure = m
	switch {
	case !isMetric(spec.Sample):
		p.say("sample", "write its name alone, as redis_up, and labels under source", "%s is not the name of a metric", quote(spec.Sample))
	case m.above == nil && m.below == nil && m.equals == nil && !p.has("changed") && !p.has("expected") && !p.has("absent"):
		p.say("sample", limits, "the rule does not say what of the sample is wrong")
	}
	switch {
	case m.equals != nil && (m.above != nil || m.below != nil):
		p.say("equals", "use one or the other", "equals does not go with above and below")
	case m.above != nil && m.below != nil && *m.above >= *m.below:
		p.say("above", "make two rules of it to have either", "no number is above %s and below %s", formatNumber(*m.above), formatNumber(*m.below))
	}
	if !p.has("absent") {
		p.overTime(spec, m)
		p.onLabels(spec, m)
		p.within("for", spec.For, 0, maxHold)
		p.within("window", spec.Window, minWindow, maxWindow)
		if !p.has("changed") {
			p.refuse(misfit{"window", "window says how long a change keeps firing", "use for, or changed"})
		}
	}
	p.by(spec.By, func(name string) {
		if name == "log" {
			p.say("by", "use its labels, as target", "a sample has no log")
			return
		}
		l.policy.by = append(l.policy.by, keyPart{name: name})
	})
	if p.has("absent") {
		p.onMissing(spec, l)
	}
}

// isMetric reports whether s is a metric's name as Prometheus has them.
func isMetric(s string) bool {
	for i := range len(s) {
		if c := s[i]; !isLetter(c) && c != '_' && c != ':' && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return s != ""
}

func (l *level) number() *float64 {
	if l == nil {
		return nil
	}
	v := float64(*l)
	return &v
}
