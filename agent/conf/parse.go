package conf

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
)

const (
	maxDepth   = 64      // of sections and lists in one another
	maxAliased = 100_000 // nodes that aliases may add to a document
)

// parse reads the one document of a file; nil when it is empty.
func parse(file string, data []byte) (root *yaml.Node, err error) {
	defer func() {
		// The library panics where it meets a bug of its own.
		if r := recover(); r != nil {
			root, err = nil, Errors{{File: file, Msg: "this is not readable as YAML", Hint: "check the indentation, and comments in odd places"}}
		}
	}()
	l, err := yaml.NewLoader(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	var first, second yaml.Node
	switch err := l.Load(&first); {
	case err == io.EOF:
		return nil, nil
	case err != nil:
		return nil, Errors{syntaxError(file, data, err)}
	}
	switch err := l.Load(&second); {
	case err == io.EOF:
	case err != nil:
		return nil, Errors{syntaxError(file, data, err)}
	default:
		return nil, Errors{{File: file, Line: second.Line, Msg: "a second document starts here", Hint: "remove the line --- or put the rest into a file of its own"}}
	}
	if len(first.Content) != 1 || isNull(first.Content[0]) {
		return nil, nil
	}
	return first.Content[0], nil
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" }

// syntaxError says in one line what the library said. The text of the file
// stays out of it, for it may be a secret.
func syntaxError(file string, data []byte, err error) *Error {
	e := &Error{File: file, Msg: "this is not readable as YAML", Hint: "check the indentation, and put quotes round values with special characters"}
	var le *yaml.LoadError
	if !errors.As(err, &le) {
		return e
	}
	e.Line = le.Mark.Line
	switch le.Stage {
	case yaml.ReaderStage:
		e.Msg, e.Hint = "the file has a character that YAML does not allow", "save it as plain UTF-8 text"
		if i := bytes.IndexFunc(data, forbidden); i >= 0 {
			e.Line = 1 + bytes.Count(data[:i], []byte("\n"))
		}
	case yaml.ScannerStage, yaml.ParserStage:
		e.Msg = "not YAML: " + le.Message
		if strings.Contains(le.Message, "end of stream") && le.ContextMark.Line > 0 {
			e.Line = le.ContextMark.Line // where the quote was opened
		}
		if h := syntaxHint(le.Message, line(data, e.Line)); h != "" {
			e.Hint = h
		}
	case yaml.ComposerStage:
		if strings.HasPrefix(le.Message, "unknown anchor") {
			e.Msg, e.Hint = "a value that starts with * is an alias, and its anchor is not in the file above", "put quotes round the value if it is plain text"
		}
	case yaml.ResolverStage, yaml.ConstructorStage:
		e.Msg, e.Hint = "a value does not fit the tag (!) before it", "put quotes round the value, or remove the tag"
	}
	return e
}

// forbidden finds control characters and bytes that are no UTF-8.
func forbidden(r rune) bool {
	return r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == 0x7f || r == utf8.RuneError
}

func syntaxHint(msg, text string) string {
	switch {
	case strings.HasPrefix(strings.TrimLeft(text, " "), "\t"):
		return "indent with spaces, not with a tab"
	case strings.Contains(msg, "mapping values are not allowed"):
		return `put quotes round a value that has ": " in it, or check the indentation`
	case strings.Contains(msg, "cannot start any token"):
		return "put quotes round a value that starts with @, % or `"
	case strings.Contains(msg, "end of stream"):
		return "close the quote or bracket that was opened"
	}
	return ""
}

// line is the n-th line of data, from 1.
func line(data []byte, n int) string {
	for ; n > 1; n-- {
		_, rest, ok := bytes.Cut(data, []byte("\n"))
		if !ok {
			return ""
		}
		data = rest
	}
	first, _, _ := bytes.Cut(data, []byte("\n"))
	return string(first)
}

// A resolver copies a tree without its aliases and merge keys.
type resolver struct {
	*decoder
	open    map[*yaml.Node]bool // anchors that are being copied
	aliased int                 // nodes copied so far on behalf of an alias
	tooMany bool                // that was said
}

// resolve returns a copy of the tree in which each node stands for itself: no
// aliases, no merge keys, no key twice, no tags but those of plain values. What
// is wrong is in d.errs; the copy is of no use then.
func (d *decoder) resolve(n *yaml.Node) *yaml.Node {
	r := &resolver{decoder: d, open: map[*yaml.Node]bool{}}
	return r.copy(n, 0, false)
}

func (r *resolver) copy(n *yaml.Node, depth int, aliased bool) *yaml.Node {
	if aliased {
		r.aliased++
	}
	switch {
	case depth > maxDepth:
		r.fail(n.Line, nil, "nesting goes too deep", fmt.Sprintf("use at most %d levels", maxDepth))
		return nil
	case r.aliased > maxAliased:
		if !r.tooMany {
			r.fail(n.Line, nil, "aliases make this file too large", "write out what they stand for")
		}
		r.tooMany = true
		return nil
	}
	if n.Kind == yaml.AliasNode {
		if r.open[n.Alias] {
			r.fail(n.Line, nil, "an alias stands inside its own anchor", "write out what it stands for")
			return nil
		}
		r.open[n.Alias] = true
		defer delete(r.open, n.Alias)
		return r.copy(n.Alias, depth, true)
	}
	c := &yaml.Node{Kind: n.Kind, Style: n.Style, Tag: n.ShortTag(), Value: n.Value, Line: n.Line, Column: n.Column}
	switch c.Tag {
	case "!!null", "!!bool", "!!str", "!!int", "!!float", "!!seq", "!!map":
	case "!!timestamp", "!!merge": // a date, or <<, as a value
		c.Tag = "!!str"
	default:
		if r.lenient {
			break
		}
		r.fail(n.Line, nil, "a value has a tag (!) that is not known here", "put quotes round the value if it is plain text, or remove the tag")
		return nil
	}
	switch n.Kind {
	case yaml.MappingNode:
		r.mapping(n, c, depth, aliased)
	case yaml.SequenceNode:
		for _, item := range n.Content {
			if i := r.copy(item, depth+1, aliased); i != nil {
				c.Content = append(c.Content, i)
			}
		}
	}
	return c
}

// mapping copies the pairs of n to c; merged ones come last and give way.
func (r *resolver) mapping(n, c *yaml.Node, depth int, aliased bool) {
	lines := make(map[string]int, len(n.Content)/2)
	var merges []*yaml.Node
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		if key.ShortTag() == "!!merge" {
			merges = append(merges, n.Content[i+1])
			continue
		}
		key = r.copy(key, depth+1, aliased)
		if key == nil {
			continue
		}
		if key.Kind != yaml.ScalarNode || isNull(key) {
			r.fail(key.Line, nil, "a key has to be plain text", "check the brackets, braces and indentation")
			continue
		}
		if first, ok := lines[key.Value]; ok {
			r.fail(n.Content[i].Line, nil, fmt.Sprintf("key %q is given twice, first on line %d", key.Value, first), "remove one of them")
			continue
		}
		key.Line = n.Content[i].Line
		lines[key.Value] = key.Line
		if v := r.copy(n.Content[i+1], depth+1, aliased); v != nil {
			c.Content = append(c.Content, key, v)
		}
	}
	for _, m := range merges {
		r.merge(m, c, lines, depth)
	}
}

// merge adds what <<: names to c, where c does not have it.
func (r *resolver) merge(m, c *yaml.Node, have map[string]int, depth int) {
	from := r.copy(m, depth+1, true)
	if from == nil {
		return
	}
	sections := []*yaml.Node{from}
	if from.Kind == yaml.SequenceNode {
		sections = from.Content
	}
	for _, s := range sections {
		if s.Kind != yaml.MappingNode {
			r.fail(m.Line, nil, "<< takes an alias of a section, or a list of such", "write <<: *name, with &name at that section")
			return
		}
		for i := 0; i+1 < len(s.Content); i += 2 {
			key := s.Content[i]
			if _, ok := have[key.Value]; !ok {
				have[key.Value] = key.Line
				c.Content = append(c.Content, key, s.Content[i+1])
			}
		}
	}
}
