package matchers

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Matchers select whatever has labels: all of them have to hold. Without any they
// select everything.
type Matchers []Matcher

// A Matcher is a label and the values that it may have, or, negated, may not
// have.
type Matcher struct {
	Name    string
	Values  []string
	Re      *regexp.Regexp // of whole values; nil: Values has them
	Negated bool
}

// Holds judges a value.
func (c *Matcher) Holds(value string) bool {
	if c.Re != nil {
		return c.Re.MatchString(value) != c.Negated
	}
	return slices.Contains(c.Values, value) != c.Negated
}

// String is the matcher as it is written; several values stand beside each other.
func (c *Matcher) String() string {
	op := [2]string{"=", "!="}
	if c.Re != nil {
		op = [2]string{"=~", "!~"}
	}
	var all []string
	for _, v := range c.Values {
		all = append(all, strconv.Quote(v))
	}
	if c.Re != nil {
		all = append(all, strconv.Quote(strings.TrimSuffix(strings.TrimPrefix(c.Re.String(), "^(?s:"), ")$")))
	}
	if c.Negated {
		return c.Name + op[1] + list(all)
	}
	return c.Name + op[0] + list(all)
}

// Of makes matchers of labels and the values that each may have.
func Of[V ~[]string](labels map[string]V) Matchers {
	var s Matchers
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		s = append(s, Matcher{Name: name, Values: labels[name]})
	}
	return s
}

// Hold judges labels, whoever has them. get gives the label's value, "" where
// there is none.
func (s Matchers) Hold(get func(label string) string) bool {
	for i := range s {
		if !s[i].Holds(get(s[i].Name)) {
			return false
		}
	}
	return true
}

// list joins what there may be too much of.
func list(all []string) string {
	const most = 8
	if len(all) > most {
		return strings.Join(all[:most], ", ") + fmt.Sprintf(" and %d others", len(all)-most)
	}
	return strings.Join(all, ", ")
}
