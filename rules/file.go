package rules

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/conf"
	"github.com/webgrip/logkeel/agent/matchers"
	"github.com/webgrip/logkeel/rules/engine"
	"github.com/webgrip/logkeel/rules/fields"
)

// A ruleFile is what stands in a file of rules.
type ruleFile struct {
	Groups  []groupSpec   `yaml:"groups"`  // groups of rules that belong together
	Inhibit []inhibitSpec `yaml:"inhibit"` // alerts that explain others, which are then not told
	Tests   []Test        `yaml:"tests"`   // tests of the file's rules, which logkeel test runs
}

// Format is a pointer to what a file of rules is decoded into, for a schema of it.
func Format() any { return new(ruleFile) }

// A groupSpec is rules that belong together.
type groupSpec struct {
	Name  string     `yaml:"name"`  // name of the group: letters, digits, _ and -, 100 at most
	Rules []ruleSpec `yaml:"rules"` // rules of the group
}

type ruleSpec struct {
	Name     string `yaml:"name"`                                                         // name of the rule, which no other rule has: letters, digits, _ and -, 100 at most; needed
	Class    string `yaml:"class" enum:"error security slow database availability other"` // kind of what the rule finds
	Severity string `yaml:"severity" enum:"critical warning info"`                        // how bad what the rule finds is

	Format string       `yaml:"format" enum:"access json logfmt record"` // how a record is read, so that it has fields for where; one in another format is not found
	Match  conf.Strings `yaml:"match"`                                   // expressions (RE2) of which one has to match the record; none: every record
	Not    conf.Strings `yaml:"not"`                                     // expressions (RE2) of which none may match the record
	Where  string       `yaml:"where"`                                   // condition on fields and on what named groups found, as status >= 500; needed without match

	Sample string `yaml:"sample"` // name of the metric that the rule is on, in place of match
	Above  *level `yaml:"above"`  // finds a greater value; together with below, one between the two
	Below  *level `yaml:"below"`  // finds a lesser value; together with above, one between the two
	Equals *level `yaml:"equals"` // finds exactly this value; not together with above or below
	// finds a value that is another than in the snapshot before (true), or more (up) or less
	// (down); or labels that have changed
	Changed changeSpec    `yaml:"changed"`
	For     conf.Duration `yaml:"for"`   // how long the condition on the sample has to hold, up to 1d
	Rate    conf.Duration `yaml:"rate"`  // compares the increase of a counter per second over this time, 10s to 1d
	Delta   conf.Duration `yaml:"delta"` // compares the change of a gauge over this time, 10s to 1d

	Expected map[string]conf.Strings `yaml:"expected"` // finds a series of which a label has none of the values that stand here for it

	Absent conf.Duration `yaml:"absent"` // finds that there was no such line, or series, for this time, 10s to 7d

	Source    matchers.Spec `yaml:"source"`    // labels, or matchers, of the logs or series that the rule is for; none: all
	Threshold int           `yaml:"threshold"` // how many findings within window make an alert, 1 to 10000
	Window    conf.Duration `yaml:"window"`    // time in which findings are counted, 1s to 1d; of an absent series the time, up to 30d, after which its alert is given up
	// makes an alert only where findings are so many times those of the window before, more
	// than 1 and up to 1000
	Spike    float64       `yaml:"spike"`
	By       conf.Strings  `yaml:"by"`       // labels, fields or named groups; findings are counted, and alerts made, for each of their values apart
	Cooldown conf.Duration `yaml:"cooldown"` // for how long after an alert was told no new one with the same values of by is told, up to 7d

	Metric *metricSpec `yaml:"metric"` // metric for Prometheus that is made of the findings
	Alert  bool        `yaml:"alert"`  // makes alerts; false: findings are counted and marked only

	Summary string `yaml:"summary"` // what it means, in a few words, which the alert says
	Runbook string `yaml:"runbook"` // what to do about it, as text or a URL
}

// SetDefaults makes conf fill in what a rule need not say.
func (r *ruleSpec) SetDefaults() {
	r.Class, r.Severity, r.Alert = "other", "warning", true
	r.Threshold, r.Window = 1, conf.Duration(defaultWindow)
}

func classes() []string {
	return []string{"error", "security", "slow", "database", "availability", "other"}
}

func severities() []string { return []string{"critical", "warning", "info"} }

// A loaded is a rule that was read, and is right.
type loaded struct {
	rule       *agent.Rule
	match, not []*expr
	format     fields.Format
	where      *where
	measure    *measure
	policy     policy
	source     matchers.Matchers
	text       string
	metric     *metricUse
}

// An expr is one expression of a rule. In one that has none the empty expression
// stands in for them.
type expr struct {
	*engine.Expr
	slots     []int            // by index in the groups of the rule's where: the group here, or -1
	unmatched bool             // it stands in for the rule's expressions
	literals  []engine.Literal // of an unmatched one, what Seek gives

	finding int32 // the memo of what it finds; -1 where no other rule looks for the same
	holding int32 // and of whether the rule's condition holds as well
}

// Seek is the literals of which each record has one that the rule holds of; nil
// where nothing is worth looking for.
func (e *expr) Seek() []engine.Literal {
	if e.unmatched {
		return e.literals
	}
	return e.Expr.Seek()
}

// A place is where something stands.
type place struct {
	file string
	line int
}

func (p place) String() string { return fmt.Sprintf("%s:%d", p.file, p.line) }

// A loader gathers rules and what is wrong with them.
type loader struct {
	rules  []loaded
	names  map[string]place
	errs   []error
	redact Redact
	sums   []fileSum

	tests     []Test
	keepTests bool
	metrics   map[string]*metric // by name
	inhibits  []inhibition
}

// A fileSum tells what a file held.
type fileSum struct {
	name string
	sum  [sha256.Size]byte
}

func (l *loader) fail(err error) { l.errs = append(l.errs, err) }

func (l *loader) file(path string) {
	var f ruleFile
	doc, err := conf.Load(path, &f, conf.Options{})
	l.add(doc, &f, err)
}

func (l *loader) data(name string, data []byte) {
	var f ruleFile
	doc, err := conf.Decode(name, data, &f, conf.Options{})
	l.add(doc, &f, err)
}

func (l *loader) add(doc *conf.Doc, f *ruleFile, err error) {
	l.sums = append(l.sums, fileSum{doc.File, doc.Sum})
	if err != nil {
		l.fail(err)
		return
	}
	groups, before := map[string]place{}, len(l.rules)
	for i := range f.Groups {
		g := &f.Groups[i]
		p := problems{l, doc, fmt.Sprintf("groups[%d]", i)}
		p.name("group", g.Name, groups)
		for j := range g.Rules {
			p := problems{l, doc, fmt.Sprintf("groups[%d].rules[%d]", i, j)}
			l.rules = append(l.rules, p.rule(g.Name, &g.Rules[j]))
		}
	}
	l.inhibitions(doc, f.Inhibit)
	l.check(doc, f.Tests, l.rules[before:])
}

// problems judges the section at path of one file.
type problems struct {
	*loader
	doc  *conf.Doc
	path string
}

func (p *problems) say(field, hint, format string, args ...any) {
	p.fail(p.doc.Errorf(p.path+"."+field, hint, format, args...))
}

// has reports whether the file gives the rule the key.
func (p *problems) has(field string) bool { return p.doc.Has(p.path + "." + field) }

func (p *problems) rule(group string, spec *ruleSpec) loaded {
	p.name("rule", spec.Name, p.names)
	p.oneOf("class", spec.Class, classes())
	p.oneOf("severity", spec.Severity, severities())
	for _, f := range spec.Source.Faults {
		p.say(strings.TrimSuffix("source."+f.Label, "."), f.Hint, "%s", f.Msg)
	}
	p.within("cooldown", spec.Cooldown, 0, maxCooldown)
	l := loaded{
		rule: &agent.Rule{
			Name: spec.Name, Group: group, Class: spec.Class, Severity: spec.Severity,
			Summary: strings.TrimSpace(spec.Summary), Runbook: strings.TrimSpace(spec.Runbook),
			File: p.doc.File, Line: p.doc.Line(p.path), Cooldown: time.Duration(spec.Cooldown),
		},
		source: spec.Source.Matchers,
		policy: policy{threshold: 1, window: time.Duration(spec.Window), byLog: spec.By == nil},
	}
	switch {
	case p.has("match") && p.has("sample"):
		p.say("sample", "make two rules of it", "a rule looks for lines or at a sample, not both")
	case p.has("sample"):
		p.onSample(spec, &l)
	case p.has("absent"):
		p.onAbsence(spec, &l)
	default:
		p.onLines(spec, &l)
	}
	l.rule.OnSample = l.measure != nil
	return l
}

// name judges a name and keeps it in taken.
func (p *problems) name(what, name string, taken map[string]place) {
	const allowed = "use letters, digits, _ and -, 100 at most"
	at := place{p.doc.File, p.doc.Line(p.path)}
	first, twice := taken[name]
	switch {
	case name == "":
		p.say("name", allowed, "a %s needs a name", what)
	case !isName(name):
		p.say("name", allowed, "%s is not a name", quote(name))
	case twice:
		p.say("name", "give one of them another name", "there is a %s %q already, at %s", what, name, first)
	default:
		taken[name] = at
	}
}

// maxName bounds the length of a name, for it is a metric's label.
const maxName = 100

func isName(s string) bool {
	for i := range len(s) {
		if c := s[i]; !isLetter(c) && (c < '0' || c > '9') && c != '_' && c != '-' {
			return false
		}
	}
	return len(s) <= maxName
}

func (p *problems) oneOf(field, value string, allowed []string) {
	if !slices.Contains(allowed, value) {
		p.say(field, "use one of "+strings.Join(allowed, ", "), "%q is not a %s", value, field)
	}
}

// exprs compiles a list of expressions.
func (p *problems) exprs(field string, list []string) []*expr {
	var out []*expr
	for i, s := range list {
		at := fmt.Sprintf("%s[%d]", field, i)
		if !p.doc.Has(p.path + "." + at) {
			at = field // a single one, without a list
		}
		x, err := engine.Compile(s)
		switch {
		case err != nil:
			msg, hint := conf.ExplainRegexp(err)
			p.say(at, hint, "%s", msg)
		case x.MatchesAll():
			p.say(at, everything(field), "%s matches every line", quote(s))
		default:
			out = append(out, &expr{Expr: x})
		}
	}
	return out
}

func everything(field string) string {
	if field == "not" {
		return "write what a line must not have, or remove it"
	}
	return `write what a line must have; '.' stands for every line that is not empty`
}

// quote is conf.Quote.
func quote(s string) string { return conf.Quote(s) }
