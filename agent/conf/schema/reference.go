package schema

import (
	"fmt"
	"strings"
)

// Reference is a chapter in Markdown of what may stand below path: a table of
// the section's keys, and of those that are in sections of it.
func (n *Node) Reference(title, path string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "## %s\n\n", title)
	if n.Doc != "" {
		b.WriteString(cell(n.Doc) + "\n\n")
	}
	b.WriteString("| key | type | default | |\n|---|---|---|---|\n")
	n.rows(&b, path)
	return b.String()
}

func (n *Node) rows(b *strings.Builder, path string) {
	for _, k := range n.Keys {
		name, value := path+k.Name, ""
		if k.Default != nil {
			value = "`" + cell(fmt.Sprint(k.Default)) + "`"
		}
		fmt.Fprintf(b, "| `%s` | %s | %s | %s |\n", name, k.Value.typeName(), value, cell(k.Doc))
		switch below := k.Value; {
		case below.Kind == Section:
			below.rows(b, name+".")
		case below.Kind == List && below.Of.Kind == Section:
			below.Of.rows(b, name+"[].")
		case below.Kind == Map && below.Of.Kind == Section:
			below.Of.rows(b, name+".*.")
		}
	}
}

// typeName is what people call the type.
func (n *Node) typeName() string {
	switch n.Kind {
	case Section:
		if n.Text {
			return "section, or text"
		}
		return "section"
	case Map:
		return "section of names, each with: " + n.Of.typeName()
	case List:
		return "list, each: " + n.Of.typeName()
	case Whole:
		return "whole number"
	case Number:
		return "number"
	case Bool:
		return "true or false"
	case Custom:
		title, _ := n.own()["title"].(string)
		return title
	}
	if n.Enum != nil {
		return "`" + strings.Join(n.Enum, "`, `") + "`"
	}
	return "text"
}

// cell is a text that may stand in a table.
func cell(s string) string {
	return strings.NewReplacer("|", `\|`, "\n", " ", "<", "&lt;").Replace(s)
}

// Get is what stands under a key; nil where there is none.
func (n *Node) Get(key string) *Node {
	for _, k := range n.Keys {
		if k.Name == key {
			return k.Value
		}
	}
	return nil
}
