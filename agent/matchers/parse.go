// Package matchers selects by labels, as Prometheus and Alertmanager do:
// service=~"shop-.*", project!="test".
package matchers

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/webgrip/logkeel/agent/conf"
	"go.yaml.in/yaml/v4"
)

// MaxLength bounds the text of matchers, in bytes.
const MaxLength = 2000

// Hint is an example, for whoever wrote none.
const Hint = `write it as service=~"shop-.*", project!="test"`

// A Spec is matchers as YAML has them: a text, or labels and their values. What is
// wrong with them is kept, to be told with the rest of the section.
type Spec struct {
	Matchers
	Faults []Fault
}

// Exact are the values that the label may have, where they are named and no
// matcher excludes some.
func (s Matchers) Exact(label string) (values []string) {
	for _, c := range s {
		if c.Name != label {
			continue
		}
		if c.Re != nil || c.Negated || values != nil {
			return nil
		}
		values = c.Values
	}
	return values
}

// A Fault is what is wrong with a Spec, or with the value of one of its labels.
type Fault struct {
	Label string // "": the whole
	Msg   string
	Hint  string
}

// UnmarshalYAML reads labels and values, or a text.
func (s *Spec) UnmarshalYAML(n *yaml.Node) error {
	switch n.Kind {
	case yaml.ScalarNode:
		parsed, err := Parse(n.Value)
		if err != nil {
			s.Faults = append(s.Faults, Fault{Msg: err.Error(), Hint: err.Hint})
		}
		s.Matchers = parsed
	case yaml.MappingNode:
		s.labels(n)
	default:
		s.Faults = append(s.Faults, Fault{"", "expected labels and values, or a text of matchers, found a list", `write {service: shop}, or 'service=~"shop-.*"'`})
	}
	return nil
}

// JSONSchema is the form that UnmarshalYAML reads.
func (Spec) JSONSchema() string {
	return `{"title": "matchers", "type": ["string", "object"], "additionalProperties": {
		"type": ["string", "number", "boolean", "array"], "minItems": 1, "items": {"type": ["string", "number", "boolean"]}}}`
}

// labels reads a section of labels.
func (s *Spec) labels(n *yaml.Node) {
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
			s.Faults = append(s.Faults, Fault{name, msg, "give it one, or a list"})
		}
		labels[name] = values
	}
	s.Matchers = Of(labels)
}

// An Error is what is wrong with a text of matchers.
type Error struct {
	Column int // from 1
	Msg    string
	Hint   string
}

func (e *Error) Error() string { return fmt.Sprintf("column %d: %s", e.Column, e.Msg) }

// A parser reads matchers.
//
//	matchers = [ "{" ] [ matcher { "," matcher } [ "," ] ] [ "}" ]
//	matcher  = label ( "=" | "!=" | "=~" | "!~" ) value
type parser struct {
	text string
	pos  int
}

// Parse reads what all have to hold.
func Parse(text string) (Matchers, *Error) {
	p := &parser{text: text}
	if len(text) > MaxLength {
		return nil, p.at(0, "make several rules of it", "it is longer than %d bytes", MaxLength)
	}
	p.space()
	braces := p.take("{")
	end := ""
	if braces {
		end = "}"
	}
	var s Matchers
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
		return nil, p.at(0, Hint+", or remove it", "it has no matchers")
	}
	return s, nil
}

// done reports whether the matchers end here: with end, or with the text.
func (p *parser) done(end string) bool {
	rest := p.text[p.pos:]
	return strings.Trim(rest, " \t\r\n") == "" || end != "" && strings.HasPrefix(rest, end)
}

func (p *parser) space() {
	for p.pos < len(p.text) && strings.IndexByte(" \t\r\n", p.text[p.pos]) >= 0 {
		p.pos++
	}
}

// take passes over s, if that is what follows.
func (p *parser) take(s string) bool {
	if s == "" || !strings.HasPrefix(p.text[p.pos:], s) {
		return false
	}
	p.pos += len(s)
	return true
}

func (p *parser) at(at int, hint, format string, args ...any) *Error {
	return &Error{utf8.RuneCountInString(p.text[:at]) + 1, fmt.Sprintf(format, args...), hint}
}

// unexpected says that something else than what follows has to stand here.
func (p *parser) unexpected(want string) *Error {
	rest := p.text[p.pos:]
	if rest == "" {
		return p.at(p.pos, Hint, "expected %s, found the end", want)
	}
	_, n := utf8.DecodeRuneInString(rest)
	return p.at(p.pos, Hint, "expected %s, found %s", want, conf.Quote(rest[:n]))
}

func (p *parser) matcher() (c Matcher, err *Error) {
	if c.Name, err = p.label(); err != nil {
		return c, err
	}
	p.space()
	start := p.pos
	expression := false
	switch {
	case p.take("=="):
		return c, p.at(start, "write = for equal", "%s is no operator", conf.Quote("=="))
	case p.take("=~"):
		expression = true
	case p.take("!~"):
		expression, c.Negated = true, true
	case p.take("!="):
		c.Negated = true
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
		c.Values = []string{value}
		return c, nil
	}
	if _, err := regexp.Compile(value); err != nil {
		msg, hint := conf.ExplainRegexp(err)
		return c, p.at(at, hint, "%s", msg)
	}
	re, fault := regexp.Compile("^(?s:" + value + ")$")
	if fault != nil {
		msg, hint := conf.ExplainRegexp(fault)
		return c, p.at(at, hint, "%s", msg)
	}
	c.Re = re
	return c, nil
}

// label reads a label's name: as in Prometheus, or with what containers' labels
// have as well, or in quotes.
func (p *parser) label() (string, *Error) {
	start := p.pos
	if strings.HasPrefix(p.text[p.pos:], `"`) {
		name, err := p.quoted("a label")
		if err == nil && name == "" {
			return "", p.at(start, "write the label's name", "the label's name is empty")
		}
		return name, err
	}
	for p.pos < len(p.text) && inName(p.text[p.pos]) {
		p.pos++
	}
	if p.pos == start {
		return "", p.unexpected("a label")
	}
	return p.text[start:p.pos], nil
}

// quoted reads a text in double quotes, with escapes as in Prometheus.
func (p *parser) quoted(want string) (string, *Error) {
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
		return "", p.at(start, `write \\ for a backslash, as in "shop\\.example"`, "%s has an escape that is none", conf.Quote(p.text[start:p.pos]))
	}
	return value, nil
}

func inName(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("_.-/", c) >= 0
}
