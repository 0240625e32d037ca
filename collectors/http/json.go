package probe

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/webgrip/logkeel/agent/conf"
)

// maxParts bounds a path.
const maxParts = 32

// An Assertion is what one place of a JSON document has to be: one of want,
// each of them a string, float64, int64, bool or nil.
type Assertion struct {
	path  string
	parts []part
	want  []any
}

// Assertions stand in the file as a section: a path, and a value or a list of
// values of which it has to be one. A path is names of members with dots
// between them; a number is an element of an array, from 0, and * is each member
// or element, of which there must be at least one. \ takes the next character
// as it is.
type Assertions []Assertion

// A part is one step of a path.
type part struct {
	name string
	all  bool
}

// UnmarshalYAML reads a section.
func (a *Assertions) UnmarshalYAML(n *yaml.Node) error {
	const hint = "write it as services.database: healthy"
	if n.Kind != yaml.MappingNode {
		return &conf.Error{Line: n.Line, Msg: "expected a section of paths and values", Hint: hint}
	}
	var list Assertions
	var errs []error
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		parts, err := parsePath(key.Value)
		if err != nil {
			errs = append(errs, &conf.Error{Line: key.Line, Field: key.Value, Msg: err.Error(), Hint: hint})
			continue
		}
		nodes := []*yaml.Node{value}
		if value.Kind == yaml.SequenceNode {
			nodes = value.Content
		}
		one := Assertion{path: key.Value, parts: parts}
		for _, node := range nodes {
			v, ok := scalar(node)
			if !ok {
				errs = append(errs, &conf.Error{Line: node.Line, Field: key.Value, Msg: "expected a text, number, true, false, null, or a list of such", Hint: hint})
			}
			one.want = append(one.want, v)
		}
		if len(nodes) == 0 {
			errs = append(errs, &conf.Error{Line: key.Line, Field: key.Value, Msg: "the list of values is empty", Hint: hint})
		}
		list = append(list, one)
	}
	*a = list
	return conf.Join(errs...)
}

// scalar is a value of the file as JSON would have it.
func scalar(n *yaml.Node) (any, bool) {
	if n.Kind != yaml.ScalarNode {
		return nil, false
	}
	switch n.ShortTag() {
	case "!!null":
		return nil, true
	case "!!bool":
		var b bool
		err := n.Load(&b)
		return b, err == nil
	case "!!int":
		var i int64
		err := n.Load(&i)
		return i, err == nil
	case "!!float":
		var f float64
		err := n.Load(&f)
		return f, err == nil
	}
	return n.Value, true // a text, or what only YAML takes for something else, as a date
}

func parsePath(s string) ([]part, error) {
	var parts []part
	var name []byte
	escaped := false
	end := func() error {
		if len(name) == 0 {
			return fmt.Errorf("the path %q has an empty part", s)
		}
		parts = append(parts, part{name: string(name), all: string(name) == "*" && !escaped})
		name, escaped = name[:0], false
		if len(parts) > maxParts {
			return fmt.Errorf("the path has more than %d parts", maxParts)
		}
		return nil
	}
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\':
			if i++; i == len(s) {
				return nil, fmt.Errorf("the path %q ends in a \\", s)
			}
			name, escaped = append(name, s[i]), true
		case s[i] == '.':
			if err := end(); err != nil {
				return nil, err
			}
		default:
			name = append(name, s[i])
		}
	}
	return parts, end()
}

// parseJSON reads exactly one value. Numbers are json.Number.
func parseJSON(body []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
			err = errors.New("it ends too early")
		}
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows it")
	}
	return v, nil
}

// check says what does not hold, "" where all does. Each place that fails is
// told up to most.
func (a Assertions) check(doc any, most int) []string {
	var failed []string
	for i := range a {
		a[i].walk(doc, nil, a[i].parts, func(text string) bool {
			if len(failed) < most {
				failed = append(failed, text)
			}
			return len(failed) < most
		})
	}
	return failed
}

// walk goes down the rest of the path from v, which is at at. It ends when fail
// returns false.
func (a *Assertion) walk(v any, at []string, rest []part, fail func(string) bool) bool {
	if len(rest) == 0 {
		if slices.ContainsFunc(a.want, func(want any) bool { return equal(v, want) }) {
			return true
		}
		return fail(fmt.Sprintf("%s is %s, want %s", place(at), show(v), a.wanted()))
	}
	p, rest := rest[0], rest[1:]
	down := func(name string, child any) bool {
		return a.walk(child, append(slices.Clip(at), name), rest, fail)
	}
	switch v := v.(type) {
	case map[string]any:
		if p.all && len(v) > 0 {
			for _, name := range slices.Sorted(maps.Keys(v)) {
				if !down(name, v[name]) {
					return false
				}
			}
			return true
		}
		if child, ok := v[p.name]; ok && !p.all {
			return down(p.name, child)
		}
	case []any:
		if p.all && len(v) > 0 {
			for i := range v {
				if !down(strconv.Itoa(i), v[i]) {
					return false
				}
			}
			return true
		}
		if i, err := strconv.ParseUint(p.name, 10, 31); err == nil && int(i) < len(v) && !p.all {
			return down(p.name, v[i])
		}
	}
	return fail(fmt.Sprintf("%s is not there (%s), want %s", place(append(slices.Clip(at), p.name)), holder(at, v), a.wanted()))
}

// holder says what stands where a member was looked for.
func holder(at []string, v any) string {
	switch v := v.(type) {
	case map[string]any:
		if len(v) == 0 {
			return place(at) + " is empty"
		}
		return place(at) + " has " + shorten(strings.Join(slices.Sorted(maps.Keys(v)), ", "), 80)
	case []any:
		return fmt.Sprintf("%s has %d elements", place(at), len(v))
	}
	return place(at) + " is " + show(v)
}

// place is a path for people.
func place(at []string) string {
	if len(at) == 0 {
		return "the document"
	}
	return shorten(strings.Join(at, "."), 120)
}

func (a *Assertion) wanted() string {
	texts := make([]string, len(a.want))
	for i, w := range a.want {
		texts[i] = show(w)
	}
	return strings.Join(texts, " or ")
}

// show is a value as JSON, shortened and without anything that a screen would
// take for a command.
func show(v any) string {
	switch v := v.(type) {
	case map[string]any:
		return fmt.Sprintf("an object of %d members", len(v))
	case []any:
		return fmt.Sprintf("an array of %d elements", len(v))
	case string:
		return quote(v)
	case nil:
		return "null"
	}
	return shorten(fmt.Sprint(v), 80)
}

// equal compares a value of the document with one of the file. Text is never
// equal to a number, and an object or array to nothing.
func equal(have, want any) bool {
	switch have := have.(type) {
	case nil, string, bool:
		return have == want
	case json.Number:
		switch want := want.(type) {
		case int64:
			if i, err := have.Int64(); err == nil {
				return i == want
			}
			f, err := have.Float64()
			return err == nil && f == float64(want)
		case float64:
			f, err := have.Float64()
			return err == nil && f == want
		}
	}
	return false
}
