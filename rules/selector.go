package rules

import (
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/webgrip/logkeel/agent"
)

// A selector says of which sources a rule is: all of its conditions have to
// hold. Without any it selects every source.
type selector []condition

// A condition is a label and the values that it may have, or, negated, may not
// have.
type condition struct {
	label   string
	values  []string
	re      *regexp.Regexp // of whole values; nil: values has them
	negated bool
}

func (c *condition) holds(value string) bool {
	if c.re != nil {
		return c.re.MatchString(value) != c.negated
	}
	return slices.Contains(c.values, value) != c.negated
}

// String is the condition as a matcher.
func (c *condition) String() string {
	op := [2]string{"=", "!="}
	if c.re != nil {
		op = [2]string{"=~", "!~"}
	}
	var all []string
	for _, v := range c.values {
		all = append(all, strconv.Quote(v))
	}
	if c.re != nil {
		all = append(all, strconv.Quote(strings.TrimSuffix(strings.TrimPrefix(c.re.String(), "^(?s:"), ")$")))
	}
	if c.negated {
		return c.label + op[1] + list(all)
	}
	return c.label + op[0] + list(all)
}

func newSelector[V ~[]string](labels map[string]V) selector {
	var s selector
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		s = append(s, condition{label: name, values: labels[name]})
	}
	return s
}

func (s selector) selects(src *agent.Source) bool {
	return s.holds(func(label string) string { return labelOf(src, label) })
}

// holds judges labels, whoever has them. get gives the label's value, "" where
// there is none.
func (s selector) holds(get func(label string) string) bool {
	for i := range s {
		if !s[i].holds(get(s[i].label)) {
			return false
		}
	}
	return true
}

// labelOf is the source's own label, or else the container's; "" where there is
// none.
func labelOf(src *agent.Source, name string) string {
	if v := src.Label(name); v != "" || src.Container == nil {
		return v
	}
	return src.Container.Labels[name]
}
