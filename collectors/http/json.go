package probe

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/webgrip/logkeel/agent/conf"
)

// An Assertion is what one place of a JSON document has to be: one of want,
// each of them a string, float64, int64, bool or nil, or a number that is in.
type Assertion struct {
	path
	want []any
	in   *limits // in place of want: a number between these
}

// Assertions stand in the file as a section: a path, and a value, a list of
// values of which it has to be one, or a section of below and above.
type Assertions []Assertion

const hintAssertion = "write it as services.database: healthy"

// UnmarshalYAML reads a section.
func (a *Assertions) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind != yaml.MappingNode {
		return &conf.Error{Line: n.Line, Msg: "expected a section of paths and values", Hint: hintAssertion}
	}
	var list Assertions
	var errs []error
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		p, err := parsePath(key.Value)
		if err != nil {
			errs = append(errs, &conf.Error{Line: key.Line, Field: key.Value, Msg: err.Error(), Hint: hintAssertion})
			continue
		}
		one := Assertion{path: p}
		errs = append(errs, one.read(key, value))
		list = append(list, one)
	}
	*a = list
	return conf.Join(errs...)
}

// JSONSchema is the form that UnmarshalYAML reads.
func (Assertions) JSONSchema() string {
	return `{"title": "section of paths and values", "type": ["object", "null"], "additionalProperties": {
		"type": ["string", "number", "boolean", "null", "array", "object"], "minItems": 1,
		"items": {"type": ["string", "number", "boolean", "null"]},
		"properties": {"above": {"type": "number", "description": "The number has to be above it."}, "below": {"type": "number", "description": "The number has to be below it."}},
		"additionalProperties": false}}`
}

func (a *Assertion) read(key, value *yaml.Node) error {
	var errs []error
	wrong := func(n *yaml.Node, hint, msg string) {
		errs = append(errs, &conf.Error{Line: n.Line, Field: key.Value, Msg: msg, Hint: hint})
	}
	nodes := []*yaml.Node{value}
	switch value.Kind {
	case yaml.SequenceNode:
		nodes = value.Content
	case yaml.MappingNode:
		in, msg := readLimits(value)
		if a.in = in; msg != "" {
			wrong(value, "write it as queue_data.pending: {below: 100}", msg)
		}
		return conf.Join(errs...)
	}
	for _, node := range nodes {
		v, ok := scalar(node)
		if !ok {
			wrong(node, hintAssertion, "expected a text, number, true, false, null, or a list of such")
		}
		a.want = append(a.want, v)
	}
	if len(nodes) == 0 {
		wrong(key, hintAssertion, "the list of values is empty")
	}
	return conf.Join(errs...)
}

// readLimits also says what is wrong.
func readLimits(n *yaml.Node) (*limits, string) {
	l := new(limits)
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i].Value, n.Content[i+1]
		var limit **float64
		switch key {
		case "below":
			limit = &l.below
		case "above":
			limit = &l.above
		default:
			return l, quote(key) + " is neither below nor above"
		}
		number := value.ShortTag() == "!!int" || value.ShortTag() == "!!float"
		if *limit = new(float64); !number || value.Load(*limit) != nil || math.IsNaN(**limit) {
			return l, key + " needs a number"
		}
	}
	switch {
	case l.below == nil && l.above == nil:
		return l, "neither below nor above is there"
	case l.below != nil && l.above != nil && *l.below <= *l.above:
		return l, "no number is above one and below the other"
	}
	return l, ""
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

// check says what does not hold, nothing where all does, up to most places.
func (a *Assertion) check(doc any, most int) (failed []string) {
	fail := func(text string) bool {
		failed = append(failed, text)
		return len(failed) < most
	}
	a.walk(doc, func(at []string, v any) bool {
		return a.holds(v) || fail(fmt.Sprintf("%s is %s, want %s", place(at), show(v), a.wanted()))
	}, func(text string) bool { return fail(text + ", want " + a.wanted()) })
	return failed
}

func (a *Assertion) holds(v any) bool {
	if a.in != nil {
		f, ok := numeric(v)
		return ok && a.in.hold(f)
	}
	return slices.ContainsFunc(a.want, func(want any) bool { return equal(v, want) })
}

// limits are what a number has to be between. Each may be nil.
type limits struct{ below, above *float64 }

func (l *limits) hold(f float64) bool {
	return (l.below == nil || f < *l.below) && (l.above == nil || f > *l.above)
}

func (l *limits) String() string {
	var parts []string
	if l.above != nil {
		parts = append(parts, "above "+show(*l.above))
	}
	if l.below != nil {
		parts = append(parts, "below "+show(*l.below))
	}
	return "a number " + strings.Join(parts, " and ")
}

// numeric is a value of a document as a number.
func numeric(v any) (float64, bool) {
	n, ok := v.(json.Number)
	if !ok {
		return 0, false
	}
	f, err := n.Float64()
	return f, err == nil
}

func (a *Assertion) wanted() string {
	if a.in != nil {
		return a.in.String()
	}
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
