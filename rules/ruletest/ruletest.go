// Package ruletest runs the tests that stand in rule files.
package ruletest

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/rules"
)

// A Result is what came of one test.
type Result struct {
	Test     *rules.Test
	Failures []Failure // none: it is as it has to be
}

// A Failure is one thing that is not as it has to be.
type Failure struct {
	Field string // of the test, as finds[0]
	Want  string
	Got   string
}

// Run runs all tests of the set, which was loaded with rules.WithTests.
func Run(set *rules.Set) ([]Result, error) {
	tests := set.Tests()
	results := make([]Result, len(tests))
	for i := range tests {
		t := &tests[i]
		results[i].Test = t
		if !t.ThroughTime() {
			results[i].Failures = lines(set, t)
			continue
		}
		var err error
		if results[i].Failures, err = throughTime(set, t); err != nil {
			return nil, err
		}
	}
	return results, nil
}

// Untested are the rules that no test is about: none names them, and none that
// goes through time expects something of them.
func Untested(set *rules.Set) []*agent.Rule {
	named := map[string]bool{}
	tests := set.Tests()
	for i := range tests {
		t := &tests[i]
		named[t.Rule] = true
		for name := range t.Expect.Findings {
			named[name] = true
		}
		for _, a := range t.Expect.Alerts {
			named[a.Rule] = true
		}
	}
	var list []*agent.Rule
	for _, r := range set.Rules() {
		if !named[r.Name] {
			list = append(list, r)
		}
	}
	return list
}

// lines judges lines by themselves.
func lines(set *rules.Set, t *rules.Test) (failures []Failure) {
	rule := ruleOf(set, t.Rule)
	labels := t.Source
	if labels == nil {
		labels = set.Labels(rule)
	}
	src := rules.NewSource(labels)
	judge := func(field string, list []string, want bool) {
		for i, text := range list {
			v := set.Explain(src, trim(text), rule)
			if v.Holds == want {
				continue
			}
			f := Failure{Field: field + "[" + strconv.Itoa(i) + "]", Want: rule.Name + " finds it", Got: v.Why}
			if !want {
				f.Want, f.Got = rule.Name+" ignores it", "finds "+strconv.Quote(v.Text)
			}
			f.Got += fmt.Sprintf(", in %s", strconv.Quote(shorten(v.Line)))
			failures = append(failures, f)
		}
	}
	judge("finds", t.Finds, true)
	judge("ignores", t.Ignores, false)
	return failures
}

func ruleOf(set *rules.Set, name string) *agent.Rule {
	for _, r := range set.Rules() {
		if r.Name == name {
			return r
		}
	}
	return nil // rules.Load sees to it that there is one
}

// trim is a line of the file as it would be logged: a block has a line end more.
func trim(text string) string { return strings.TrimRight(text, "\n") }

// shorten cuts a line that is shown.
func shorten(s string) string {
	const most = 200
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + "..."
	}
	return s
}
