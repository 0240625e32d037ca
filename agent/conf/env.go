package conf

import (
	"fmt"
	"strings"

	"go.yaml.in/yaml/v4"
)

// maxExpanded bounds what variables may add to a document, in bytes.
const maxExpanded = 16 << 20

// expandAll expands the scalars of a whole tree, keys left out.
func (d *decoder) expandAll(n *yaml.Node, p *path) bool {
	if d.opts.Env == nil {
		return true
	}
	ok := true
	switch n.Kind {
	case yaml.ScalarNode:
		return d.expand(n, p)
	case yaml.SequenceNode:
		for i, c := range n.Content {
			ok = d.expandAll(c, p.item(i, c.Line)) && ok
		}
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			k := n.Content[i]
			ok = d.expandAll(n.Content[i+1], p.child(k.Value, k.Line)) && ok
		}
	}
	return ok
}

// expand puts the variables' values into a scalar. A plain one gets the type
// that it would have had if it had been written so; never null, and never more
// than a scalar.
func (d *decoder) expand(n *yaml.Node, p *path) bool {
	if d.opts.Env == nil || !strings.Contains(n.Value, "$") {
		return true
	}
	if _, done := d.sources[n]; done {
		return true
	}
	if d.expanded > maxExpanded {
		return false // that was said
	}
	text, problem, hint := d.substitute(n.Value)
	if problem != "" {
		d.fail(p.line, p, problem, hint)
		return false
	}
	if text == n.Value {
		return true
	}
	d.sources[n] = n.Value
	const quoted = yaml.SingleQuotedStyle | yaml.DoubleQuotedStyle | yaml.LiteralStyle | yaml.FoldedStyle | yaml.TaggedStyle
	n.Value = text
	if n.Style&quoted == 0 {
		n.Tag = plainTag(text)
	}
	return true
}

// plainTag is the tag that the library gives to text as an unquoted scalar.
func plainTag(text string) string {
	var v any
	probe := yaml.Node{Kind: yaml.ScalarNode, Value: text}
	if probe.Load(&v) == nil {
		switch v.(type) {
		case bool:
			return "!!bool"
		case int, int64, uint64:
			return "!!int"
		case float64:
			return "!!float"
		}
	}
	return "!!str"
}

// substitute replaces ${NAME} and ${NAME:-default} in s, and $$ by $. Any other
// $ stays what it is.
func (d *decoder) substitute(s string) (text, problem, hint string) {
	var b strings.Builder
	for {
		before, after, found := strings.Cut(s, "$")
		b.WriteString(before)
		switch {
		case !found:
			return b.String(), "", ""
		case strings.HasPrefix(after, "$"):
			b.WriteByte('$')
			s = after[1:]
			continue
		case !strings.HasPrefix(after, "{"):
			b.WriteByte('$')
			s = after
			continue
		}
		inner, rest, closed := strings.Cut(after[1:], "}")
		name, fallback, hasFallback := strings.Cut(inner, ":-")
		if !closed || !isName(name) {
			return "", "a ${ does not start a variable here", "write ${NAME} or ${NAME:-default}, and $$ for a plain $"
		}
		value, set := d.opts.Env(name)
		if hasFallback && value == "" {
			value, set = fallback, true
		}
		if !set {
			return "", fmt.Sprintf("the environment variable %s is not set", name),
				fmt.Sprintf("set it, or give a default as ${%s:-value}", name)
		}
		b.WriteString(value)
		if d.expanded += len(value); d.expanded > maxExpanded {
			return "", "variables make this file too large", "use shorter values"
		}
		s = rest
	}
}

func isName(s string) bool {
	for i := range len(s) {
		c := s[i]
		letter := c == '_' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return s != ""
}
