package conf

import (
	"crypto/sha256"
	"strings"

	"go.yaml.in/yaml/v4"
)

// A Tree is YAML of which nothing is known beforehand, as another program's file.
// A nil one is what is not there. Aliases and merge keys are resolved in it.
type Tree struct {
	Line   int
	Text   string // of a scalar; "" of all else, and of null
	Quoted bool   // the scalar stood in quotes, or in a block
	Tag    string // of the file's own, as !reset; "" for none

	keys  []string // of a section, in the order of the file
	items []*Tree  // of a section, as keys, or of a list
}

// ParseTree reads one YAML document without an opinion on what is in it. Tags that
// are not known are passed over. What is no YAML, a key that is given twice, and
// what is nested too deeply or grows too large by its aliases is an error with its
// line. An empty file is nil.
func ParseTree(file string, data []byte) (*Tree, error) {
	root, err := parse(file, data)
	if err != nil || root == nil {
		return nil, err
	}
	d := &decoder{doc: &Doc{File: file, Sum: sha256.Sum256(data)}, lenient: true}
	resolved := d.resolve(root)
	if err := d.errs.orNil(); err != nil {
		return nil, err
	}
	return treeOf(resolved), nil
}

func treeOf(n *yaml.Node) *Tree {
	t := &Tree{Line: n.Line}
	if !strings.HasPrefix(n.Tag, "!!") {
		t.Tag = n.Tag
	}
	switch n.Kind {
	case yaml.ScalarNode:
		if !isNull(n) && (t.Tag == "" || n.Value != "null") {
			t.Text = n.Value
		}
		t.Quoted = n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle) != 0
	case yaml.SequenceNode:
		for _, c := range n.Content {
			t.items = append(t.items, treeOf(c))
		}
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			item := treeOf(n.Content[i+1])
			item.Line = n.Content[i].Line // a value may begin below its key
			t.keys = append(t.keys, n.Content[i].Value)
			t.items = append(t.items, item)
		}
	}
	return t
}

// Get is what stands under a key; nil where t is no section, or has no such key.
func (t *Tree) Get(key string) *Tree {
	for i, k := range t.Keys() {
		if k == key {
			return t.items[i]
		}
	}
	return nil
}

// Keys are those of a section, in the order of the file.
func (t *Tree) Keys() []string {
	if t == nil {
		return nil
	}
	return t.keys
}

// List are the elements of a list; a text by itself is a list of one.
func (t *Tree) List() []*Tree {
	switch {
	case t == nil || t.IsSection():
		return nil
	case t.items == nil && t.Text != "":
		return []*Tree{t}
	}
	return t.items
}

// IsSection says that there are keys.
func (t *Tree) IsSection() bool { return t != nil && len(t.keys) > 0 }

// String is the text of a scalar, or "".
func (t *Tree) String() string {
	if t == nil {
		return ""
	}
	return t.Text
}

// Without is t, but for those parts whose place in other has something of which drop
// says that they are to go. What stays is not copied.
func (t *Tree) Without(other *Tree, drop func(*Tree) bool) *Tree {
	switch {
	case t == nil || other != nil && drop(other):
		return nil
	case !t.IsSection() || !other.IsSection():
		return t
	}
	left := &Tree{Line: t.Line, Tag: t.Tag}
	for i, k := range t.keys {
		if item := t.items[i].Without(other.Get(k), drop); item != nil {
			left.keys, left.items = append(left.keys, k), append(left.items, item)
		}
	}
	return left
}
