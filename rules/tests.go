package rules

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/webgrip/logkeel/agent/conf"
	"go.yaml.in/yaml/v4"
)

const (
	maxTestTime   = 30 * 24 * time.Hour
	maxTestRepeat = 100_000
)

// A Test tries rules of the same file: one rule on lines by themselves, with finds or
// ignores, or what comes of lines and samples through time, with input and expect.
type Test struct {
	Name    string            `yaml:"name"`    // title of the test, for messages
	Rule    string            `yaml:"rule"`    // rule on lines, of the same file, that finds and ignores are about
	Source  map[string]string `yaml:"source"`  // labels of the log that the lines are in; none: those that the rule's source asks for
	Finds   conf.Strings      `yaml:"finds"`   // lines, each of which the rule has to find
	Ignores conf.Strings      `yaml:"ignores"` // lines, none of which the rule may find
	Input   []TestInput       `yaml:"input"`   // lines and samples in the order of time, for a test through time
	Expect  TestExpect        `yaml:"expect"`  // what has to come of input

	doc  *conf.Doc
	path string
}

// A TestInput is a line that is logged, or a sample that is measured, once or
// several times.
type TestInput struct {
	At     *conf.Duration    `yaml:"at"`                          // time since the test began, up to 30d; none: that of the input before
	Line   string            `yaml:"line"`                        // line that is logged
	Source map[string]string `yaml:"source"`                      // labels of the log that the line is in; none: those of the test
	Stream string            `yaml:"stream" enum:"stdout stderr"` // stream that the line was written to
	Sample string            `yaml:"sample"`                      // name of the metric that is measured, in place of line
	Labels map[string]string `yaml:"labels"`                      // labels of the sample
	Value  *testValue        `yaml:"value"`                       // value of the sample; none: the snapshot does not have it
	Repeat int               `yaml:"repeat"`                      // how often the input comes in all, 1 to 100000
	Every  conf.Duration     `yaml:"every"`                       // time from one repetition to the next
}

// SetDefaults makes conf fill in what an input need not say.
func (i *TestInput) SetDefaults() { i.Repeat = 1 }

// SetText makes a line by itself an input.
func (i *TestInput) SetText(text string) { i.Line = text }

// Number is the sample's value. ok is false where there is no such sample, in a
// snapshot that was taken in full.
func (i *TestInput) Number() (v float64, ok bool) {
	if i.Value == nil || i.Value.none {
		return 0, false
	}
	return float64(i.Value.level), true
}

// A testValue is a sample's value, or none.
type testValue struct {
	level level
	none  bool
}

// UnmarshalYAML reads a level, or none.
func (v *testValue) UnmarshalYAML(n *yaml.Node) error {
	if v.none = n.Kind == yaml.ScalarNode && n.Value == "none"; v.none {
		return nil
	}
	return v.level.UnmarshalYAML(n)
}

// JSONSchema is the form that UnmarshalYAML reads.
func (testValue) JSONSchema() string {
	return `{"title": "number, duration, size or none", "anyOf": [{"enum": ["none"]}, ` + level(0).JSONSchema() + `]}`
}

// A TestExpect is what has to come of a test's input.
type TestExpect struct {
	Findings map[string]int `yaml:"findings"` // how often each rule finds something, by its name; rules that are not named must find nothing
	Alerts   []TestAlert    `yaml:"alerts"`   // all alerts that there have to be, and no others; [] is none
}

// A TestAlert is an alert that has to be. What is nil is not asked.
type TestAlert struct {
	Rule  string            `yaml:"rule"`  // rule that makes the alert; needed
	At    *conf.Duration    `yaml:"at"`    // time since the test began at which it begins to fire; none: not asked
	Ends  *conf.Duration    `yaml:"ends"`  // time since the test began at which it is over; none: not asked
	Count *int              `yaml:"count"` // how many findings it has; none: not asked
	Key   map[string]string `yaml:"key"`   // labels of the alert, by what the rule counts; none: not asked
}

// ThroughTime reports whether the test is one of its Input.
func (t *Test) ThroughTime() bool { return t.Rule == "" }

// AsksAlerts reports whether the test says which alerts have to be.
func (t *Test) AsksAlerts() bool { return t.doc.Has(t.path + ".expect.alerts") }

// File is the path of the rule file, or pack:NAME.
func (t *Test) File() string { return t.doc.File }

// Line is where the field stands, as finds[0]; "" is the test itself.
func (t *Test) Line(field string) int {
	if field == "" {
		return t.doc.Line(t.path)
	}
	return t.doc.Line(t.path + "." + field)
}

// WithTests makes the Set keep the tests of its files.
func WithTests() Option { return func(l *loader) { l.keepTests = true } }

// Tests are those of the set's files, where it was loaded WithTests.
func (s *Set) Tests() []Test { return s.tests }

// check judges the tests of one file, whose rules are fresh.
func (l *loader) check(doc *conf.Doc, tests []Test, fresh []loaded) {
	known := map[string]*loaded{}
	for i := range fresh {
		known[fresh[i].rule.Name] = &fresh[i]
	}
	for i := range tests {
		t := &tests[i]
		t.doc, t.path = doc, fmt.Sprintf("tests[%d]", i)
		p := problems{l, doc, t.path}
		if t.Rule != "" || len(t.Finds)+len(t.Ignores) > 0 {
			p.testLines(t, known)
		} else {
			p.testInput(t, known)
		}
	}
	if l.keepTests {
		l.tests = append(l.tests, tests...)
	}
}

// testLines judges a test of lines by themselves.
func (p *problems) testLines(t *Test, known map[string]*loaded) {
	r := known[t.Rule]
	switch {
	case t.Rule == "":
		p.say("rule", "name the rule that has to find them, or not", "finds and ignores are about one rule")
	case r == nil:
		p.unknownRule("rule", t.Rule, known)
	case len(r.match) == 0 && r.measure != nil:
		p.say("rule", "test it through time, with input and expect", "%s is a rule on a sample, and finds no lines", quote(t.Rule))
	}
	if len(t.Finds)+len(t.Ignores) == 0 {
		p.say("finds", "write lines that the rule has to find under finds, and others under ignores", "the test has no lines")
	}
	p.refuse(
		misfit{"input", "finds and ignores are about lines by themselves", "make a test of its own of input and expect, without rule"},
		misfit{"expect", "finds and ignores are about lines by themselves", "make a test of its own of input and expect, without rule"},
	)
}

func (p *problems) unknownRule(field, name string, known map[string]*loaded) {
	p.say(field, oneOfNames(slices.Sorted(maps.Keys(known))), "there is no rule %s in this file", quote(name))
}

// oneOfNames is a hint that stays short.
func oneOfNames(names []string) string {
	const most = 10
	if len(names) > most {
		return "rules here: " + strings.Join(names[:most], ", ") + ", ..."
	}
	return "rules here: " + strings.Join(names, ", ")
}

// testInput judges a test through time.
func (p *problems) testInput(t *Test, known map[string]*loaded) {
	if len(t.Input) == 0 {
		p.say("input", "write lines and samples under input, or name a rule and lines that it finds or ignores", "the test has nothing to judge")
	}
	if t.Expect.Findings == nil && !t.AsksAlerts() {
		p.say("expect", "write findings, alerts or both; alerts: [] says that there are none", "the test does not say what has to come of it")
	}
	for _, name := range slices.Sorted(maps.Keys(t.Expect.Findings)) {
		switch {
		case known[name] == nil:
			p.unknownRule("expect.findings."+name, name, known)
		case t.Expect.Findings[name] < 0:
			p.say("expect.findings."+name, "write how often the rule finds something", "%d is out of range", t.Expect.Findings[name])
		}
	}
	for i := range t.Expect.Alerts {
		a, at := &t.Expect.Alerts[i], fmt.Sprintf("expect.alerts[%d]", i)
		switch {
		case a.Rule == "":
			p.say(at+".rule", "name its rule", "an alert is one of a rule")
		case known[a.Rule] == nil:
			p.unknownRule(at+".rule", a.Rule, known)
		}
	}
	for i := range t.Input {
		p := problems{p.loader, p.doc, fmt.Sprintf("%s.input[%d]", p.path, i)}
		p.input(&t.Input[i])
	}
}

func (p *problems) input(in *TestInput) {
	sample := p.has("sample")
	switch {
	case sample && p.has("line"):
		p.say("sample", "make two inputs of it", "an input is a line or a sample, not both")
	case sample:
		p.refuse(
			misfit{"source", "source is about lines", "write the sample's labels under labels"},
			misfit{"stream", "stream is about lines", "remove it"},
		)
		if !isMetric(in.Sample) {
			p.say("sample", "write its name alone, as redis_up, and labels under labels", "%s is not the name of a metric", quote(in.Sample))
		}
		if in.Value == nil {
			p.say("value", "write value: 0, or value: none for a snapshot without it", "the sample has no value")
		} else if _, ok := in.Number(); !ok {
			p.refuse(misfit{"labels", "a sample that is not there has no labels", "remove them, or give it a value"})
		}
	default:
		p.refuse(
			misfit{"labels", "labels are about a sample", "write the log's labels under source"},
			misfit{"value", "value is about a sample", "remove it, or name a sample"},
		)
		if in.Line == "" && in.At != nil && !p.has("line") {
			p.say("line", "write line or sample", "the input says nothing")
		}
	}
	if in.Stream != "" {
		p.oneOf("stream", in.Stream, []string{"stdout", "stderr"})
	}
	if in.At != nil {
		p.within("at", *in.At, 0, maxTestTime)
	}
	p.within("every", in.Every, 0, maxTestTime)
	switch {
	case in.Repeat < 1 || in.Repeat > maxTestRepeat:
		p.say("repeat", fmt.Sprintf("use 1 to %d", maxTestRepeat), "%d is out of range", in.Repeat)
	case time.Duration(in.Every) > maxTestTime/time.Duration(in.Repeat):
		p.say("every", fmt.Sprintf("a test goes on for %s at most", conf.Duration(maxTestTime)), "so many take too long")
	}
}

// Title says which test it is, for people.
func (t *Test) Title() string {
	switch {
	case t.Name != "":
		return t.Name
	case t.Rule != "":
		return t.Rule
	}
	return "a test through time"
}
