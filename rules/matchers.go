package rules

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/webgrip/logkeel/agent/conf"
	"go.yaml.in/yaml/v4"
)

// maxMatchers bounds the length of matchers, in bytes.
const maxMatchers = 2000

const matchersHint = `write it as service=~"shop-.*", project!="test"`

// A sourceSpec is what a rule says of its sources.
type sourceSpec struct {
	selector
	faults []fault
}

// exact are the values that the label may have, where they are named and no
// matcher excludes some.
func (s *sourceSpec) exact(label string) (values []string) {
	for _, c := range s.selector {
		if c.label != label {
			continue
		}
		if c.re != nil || c.negated || values != nil {
			return nil
		}
		values = c.values
	}
	return values
}

// A fault is what is wrong with a field.
type fault struct{ field, msg, hint string }

// UnmarshalYAML reads labels and values, or a text of matchers as Prometheus and
// Alertmanager have them. What is wrong with them is told with the rest of the
// rule.
func (s *sourceSpec) UnmarshalYAML(n *yaml.Node) error {
	switch n.Kind {
	case yaml.ScalarNode:
		parsed, err := parseMatchers(n.Value)
		if err != nil {
			s.faults = append(s.faults, fault{"source", fmt.Sprintf("column %d: %s", err.column, err.msg), err.hint})
		}
		s.selector = parsed
	case yaml.MappingNode:
		s.labels(n)
	default:
		s.faults = append(s.faults, fault{"source", "expected labels and values, or a text of matchers, found a list", `write {service: shop}, or 'service=~"shop-.*"'`})
	}
	return nil
}

// labels reads a section of labels.
func (s *sourceSpec) labels(n *yaml.Node) {
	labels := map[string]conf.Strings{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		name, value := n.Content[i].Value, n.Content[i+1]
		var values conf.Strings
		msg := ""
		if value.ShortTag() != "!!null" && values.UnmarshalYAML(value) != nil {
			msg = "expected a value or a list of values"
		} else if len(values) == 0 {
			msg = "the label has no value"
		}
		if msg != "" {
			s.faults = append(s.faults, fault{"source." + name, msg, "give it one, or a list"})
		}
		labels[name] = values
	}
	s.selector = newSelector(labels)
}

// A matcherParser reads matchers.
//
//	matchers = [ "{" ] [ matcher { "," matcher } [ "," ] ] [ "}" ]
//	matcher  = label ( "=" | "!=" | "=~" | "!~" ) value
type matcherParser struct {
	text string
	pos  int
}

// parseMatchers reads what all have to hold.
func parseMatchers(text string) (selector, *whereError) {
	p := &matcherParser{text: text}
	if len(text) > maxMatchers {
		return nil, p.at(0, "make several rules of it", "it is longer than %d bytes", maxMatchers)
	}
	p.space()
	braces := p.take("{")
	end := ""
	if braces {
		end = "}"
	}
	var s selector
	for p.space(); !p.done(end); p.space() {
		c, err := p.matcher()
		if err != nil {
			return nil, err
		}
		s = append(s, c)
		p.space()
		if !p.take(",") && !p.done(end) {
			return nil, p.unexpected(`a comma or the end`)
		}
	}
	if p.take(end); !p.done("") {
		return nil, p.unexpected("the end")
	}
	if braces && !strings.HasSuffix(p.text[:p.pos], "}") {
		return nil, p.at(strings.IndexByte(text, '{'), "write } at the end, or remove it", "the brace is not closed")
	}
	if len(s) == 0 {
		return nil, p.at(0, matchersHint+", or remove it", "it has no matchers")
	}
	return s, nil
}

// done reports whether the matchers end here: with end, or with the text.
func (p *matcherParser) done(end string) bool {
	rest := p.text[p.pos:]
	return strings.Trim(rest, " \t\r\n") == "" || end != "" && strings.HasPrefix(rest, end)
}

func (p *matcherParser) space() {
	for p.pos < len(p.text) && strings.IndexByte(" \t\r\n", p.text[p.pos]) >= 0 {
		p.pos++
	}
}

// take passes over s, if that is what follows.
func (p *matcherParser) take(s string) bool {
	if s == "" || !strings.HasPrefix(p.text[p.pos:], s) {
		return false
	}
	p.pos += len(s)
	return true
}

func (p *matcherParser) at(at int, hint, format string, args ...any) *whereError {
	return &whereError{utf8.RuneCountInString(p.text[:at]) + 1, fmt.Sprintf(format, args...), hint}
}

// unexpected says that something else than what follows has to stand here.
func (p *matcherParser) unexpected(want string) *whereError {
	rest := p.text[p.pos:]
	if rest == "" {
		return p.at(p.pos, matchersHint, "expected %s, found the end", want)
	}
	_, n := utf8.DecodeRuneInString(rest)
	return p.at(p.pos, matchersHint, "expected %s, found %s", want, quote(rest[:n]))
}

func (p *matcherParser) matcher() (c condition, err *whereError) {
	if c.label, err = p.label(); err != nil {
		return c, err
	}
	p.space()
	start := p.pos
	expression := false
	switch {
	case p.take("=="):
		return c, p.at(start, "write = for equal", "%s is no operator", quote("=="))
	case p.take("=~"):
		expression = true
	case p.take("!~"):
		expression, c.negated = true, true
	case p.take("!="):
		c.negated = true
	case !p.take("="):
		return c, p.unexpected("=, !=, =~ or !~")
	}
	p.space()
	at := p.pos
	value, err := p.quoted("a value in double quotes")
	if err != nil {
		return c, err
	}
	if !expression {
		c.values = []string{value}
		return c, nil
	}
	if _, err := regexp.Compile(value); err != nil {
		msg, hint := explain(err)
		return c, p.at(at, hint, "%s", msg)
	}
	re, fault := regexp.Compile("^(?s:" + value + ")$")
	if fault != nil {
		msg, hint := explain(fault)
		return c, p.at(at, hint, "%s", msg)
	}
	c.re = re
	return c, nil
}

// label reads a label's name: as in Prometheus, or with what containers' labels
// have as well, or in quotes.
func (p *matcherParser) label() (string, *whereError) {
	start := p.pos
	if strings.HasPrefix(p.text[p.pos:], `"`) {
		name, err := p.quoted("a label")
		if err == nil && name == "" {
			return "", p.at(start, "write the label's name", "the label's name is empty")
		}
		return name, err
	}
	for p.pos < len(p.text) && (isWordByte(p.text[p.pos]) || isOneOf(p.text[p.pos], ".-/")) {
		p.pos++
	}
	if p.pos == start {
		return "", p.unexpected("a label")
	}
	return p.text[start:p.pos], nil
}

// quoted reads a text in double quotes, with escapes as in Prometheus.
func (p *matcherParser) quoted(want string) (string, *whereError) {
	start := p.pos
	if !p.take(`"`) {
		return "", p.unexpected(want)
	}
	for p.pos < len(p.text) && p.text[p.pos] != '"' {
		if p.text[p.pos] == '\\' {
			p.pos++
		}
		p.pos++
	}
	if p.pos >= len(p.text) {
		p.pos = len(p.text)
		return "", p.at(start, `close it; a quote in it is written as \"`, "the quote is not closed")
	}
	p.pos++
	value, err := strconv.Unquote(strings.ReplaceAll(p.text[start:p.pos], "\n", `\n`))
	if err != nil {
		return "", p.at(start, `write \\ for a backslash, as in "shop\\.example"`, "%s has an escape that is none", quote(p.text[start:p.pos]))
	}
	return value, nil
}
