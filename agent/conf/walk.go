package conf

import (
	"encoding"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"time"

	"go.yaml.in/yaml/v4"
)

// maxErrors bounds how many problems of one file are told.
const maxErrors = 100

// A decoder fills one value from one document.
type decoder struct {
	doc      *Doc
	opts     Options
	errs     Errors
	sources  map[*yaml.Node]string // what expanded scalars were in the file
	expanded int                   // bytes that variables made so far
	lenient  bool                  // tags are passed over
}

// A path is where the walk is. It becomes text only where something is wrong.
type path struct {
	parent *path
	key    string // of a section; "" in a list
	index  int
	line   int
}

func (p *path) child(key string, line int) *path { return &path{parent: p, key: key, line: line} }
func (p *path) item(i, line int) *path           { return &path{parent: p, index: i, line: line} }

func (p *path) String() string {
	switch {
	case p == nil || p.parent == nil:
		return ""
	case p.key == "":
		return p.parent.String() + "[" + strconv.Itoa(p.index) + "]"
	case p.parent.parent == nil:
		return p.key
	}
	return p.parent.String() + "." + p.key
}

// fail notes a problem.
func (d *decoder) fail(line int, p *path, msg, hint string) {
	d.add(&Error{File: d.doc.File, Line: line, Field: p.String(), Msg: msg, Hint: hint})
}

func (d *decoder) add(e *Error) {
	if len(d.errs) < maxErrors {
		d.errs = append(d.errs, e)
	}
}

// wrong notes a value of the wrong kind.
func (d *decoder) wrong(n *yaml.Node, p *path, want, hint string, secret bool) {
	d.fail(p.line, p, "expected "+want+", found "+d.show(n, secret), hint)
}

// noSection notes a value where a section has to be.
func (d *decoder) noSection(n *yaml.Node, p *path) {
	hint := `write "key: value" lines below it, indented`
	if p.parent == nil {
		hint = `write it as "key: value" lines`
	}
	d.wrong(n, p, "a section (keys and values)", hint, true)
}

// show says what a value is, as it stands in the file: never what a variable
// held, nor what may be a secret.
func (d *decoder) show(n *yaml.Node, secret bool) string {
	source, expanded := d.sources[n]
	switch {
	case n.Kind == yaml.SequenceNode:
		return "a list"
	case n.Kind == yaml.MappingNode:
		return "a section (keys and values)"
	case isNull(n):
		return "nothing"
	case secret:
		return "a value"
	case !expanded && n.ShortTag() != "!!str":
		return shorten(n.Value)
	case !expanded:
		return strconv.Quote(shorten(n.Value))
	case n.Value == "":
		return strconv.Quote(shorten(source)) + ", which is empty"
	}
	return strconv.Quote(shorten(source))
}

func shorten(s string) string {
	const most = 60
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + "..."
	}
	return s
}

// value fills v, which is addressable, from n.
func (d *decoder) value(n *yaml.Node, v reflect.Value, p *path) {
	if v.Kind() == reflect.Pointer {
		if isNull(n) && v.Type().Elem().Kind() != reflect.Struct {
			d.wrong(n, p, "a value", "give it one, or remove the line", false)
			return
		}
		if v.IsNil() {
			v.Set(New(v.Type().Elem()).Addr())
		}
		d.value(n, v.Elem(), p)
		return
	}
	target := v.Addr().Interface()
	if raw, ok := target.(*yaml.Node); ok {
		if d.expandAll(n, p) {
			*raw = *n
		}
		return
	}
	u, custom := target.(yaml.Unmarshaler)
	text, fromText := target.(encoding.TextUnmarshaler)
	switch {
	case isNull(n):
		d.empty(n, v, p, custom || fromText)
	case custom:
		if d.expandAll(n, p) {
			d.result(n, p, u.UnmarshalYAML(n))
			d.noteSecret(target)
		}
	case fromText:
		switch {
		case n.Kind != yaml.ScalarNode:
			d.wrong(n, p, "text", "write one value", false)
		case d.expand(n, p):
			d.result(n, p, text.UnmarshalText([]byte(n.Value)))
		}
	default:
		d.byKind(n, v, p)
	}
}

// New is an addressable value of the type as Decode makes one: with its defaults.
func New(t reflect.Type) reflect.Value {
	v := reflect.New(t)
	if def, ok := v.Interface().(Defaulter); ok {
		def.SetDefaults()
	}
	return v.Elem()
}

// empty judges a key with nothing after it.
func (d *decoder) empty(n *yaml.Node, v reflect.Value, p *path, custom bool) {
	switch v.Kind() {
	case reflect.Slice, reflect.Map, reflect.Interface:
		return
	case reflect.Struct:
		if !custom {
			return
		}
	}
	d.wrong(n, p, "a value", "give it one, or remove the line", false)
}

func (d *decoder) byKind(n *yaml.Node, v reflect.Value, p *path) {
	switch v.Kind() {
	case reflect.Struct:
		d.section(n, v, p)
	case reflect.Map:
		d.mapping(n, v, p)
	case reflect.Slice:
		d.list(n, v, p)
	default:
		if v.Kind() != reflect.Interface && n.Kind != yaml.ScalarNode {
			want, hint := wanted(v.Type())
			d.wrong(n, p, want, hint, false)
			return
		}
		if !d.expandAll(n, p) {
			return
		}
		d.plain(n, v, p)
	}
}

// plain fills a number, a text, true or false, or an any.
func (d *decoder) plain(n *yaml.Node, v reflect.Value, p *path) {
	_, expanded := d.sources[n]
	if expanded && v.Kind() != reflect.Interface {
		n.Tag = plainTag(n.Value) // in quotes too: {port: "${PORT}"} has to have them
	}
	if n.Load(v.Addr().Interface()) == nil {
		return
	}
	want, hint := wanted(v.Type())
	if !expanded && n.ShortTag() == "!!str" && plainTag(n.Value) != "!!str" {
		hint = "write it without quotes"
	}
	d.wrong(n, p, want, hint, false)
}

// wanted says what a plain Go type expects, for people.
func wanted(t reflect.Type) (want, hint string) {
	switch t.Kind() {
	case reflect.Bool:
		return "true or false", "write true or false"
	case reflect.Float32, reflect.Float64:
		return "a number", "write it as 0.5"
	case reflect.Int64:
		if t == reflect.TypeFor[time.Duration]() {
			return "a duration", "write 250ms, 30s or 5m"
		}
		return "a whole number", "write it as 10"
	case reflect.Int8, reflect.Int16, reflect.Int32:
		most := int64(1)<<(t.Bits()-1) - 1
		return fmt.Sprintf("a whole number from %d to %d", -most-1, most), "write it as 10"
	case reflect.Uint8, reflect.Uint16, reflect.Uint32:
		return fmt.Sprintf("a whole number from 0 to %d", uint64(1)<<t.Bits()-1), "write it as 10"
	case reflect.Uint, reflect.Uint64:
		return "a whole number, not negative", "write it as 10"
	case reflect.Int:
		return "a whole number", "write it as 10"
	case reflect.String:
		return "text", "write one value, in quotes where it has special characters"
	}
	return "a plain value", "write one value"
}

// list replaces the slice v.
func (d *decoder) list(n *yaml.Node, v reflect.Value, p *path) {
	if n.Kind != yaml.SequenceNode {
		d.wrong(n, p, "a list", `put "- " before each item, or write [a, b]`, n.Kind == yaml.ScalarNode)
		return
	}
	out := reflect.MakeSlice(v.Type(), 0, len(n.Content))
	for i, c := range n.Content {
		item := New(v.Type().Elem())
		d.value(c, item, p.item(i, c.Line))
		out = reflect.Append(out, item)
	}
	v.Set(out)
}

// mapping adds to the map v, or replaces values of it.
func (d *decoder) mapping(n *yaml.Node, v reflect.Value, p *path) {
	if n.Kind != yaml.MappingNode {
		d.noSection(n, p)
		return
	}
	t := v.Type()
	if v.IsNil() {
		v.Set(reflect.MakeMap(t))
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k := n.Content[i]
		at := p.child(k.Value, k.Line)
		key := reflect.New(t.Key())
		if k.Load(key.Interface()) != nil {
			want, hint := wanted(t.Key())
			d.fail(k.Line, at, "expected "+want+" as the key", hint)
			continue
		}
		item := New(t.Elem())
		if old := v.MapIndex(key.Elem()); old.IsValid() {
			item.Set(old)
		}
		d.value(n.Content[i+1], item, at)
		v.SetMapIndex(key.Elem(), item)
	}
}

// result notes what an unmarshaler found wrong.
func (d *decoder) result(n *yaml.Node, p *path, err error) {
	if err == nil {
		return
	}
	var le *yaml.LoadError
	for _, err := range Join(err).(Errors) {
		e := *err
		e.File = d.doc.File
		if e.Line == 0 {
			e.Line = p.line
		}
		switch {
		case e.Msg == "" && e.want != "":
			e.Msg = "expected " + e.want + ", found " + d.show(n, false)
		case errors.As(e.cause, &le):
			e.Line, e.Msg, e.Hint = le.Mark.Line, "expected another kind of value", "check what may stand here"
		case d.variable(n):
			// The message may quote any part of what a variable holds.
			e.Msg, e.Hint, e.cause = "the value is not right once its variables are filled in", "check what they hold", nil
		}
		switch field := p.String(); {
		case e.Field == "" || field == "":
			e.Field += field
		case e.Field[0] == '[':
			e.Field = field + e.Field
		default:
			e.Field = field + "." + e.Field
		}
		d.add(&e)
	}
}

// variable reports whether a variable is in the tree.
func (d *decoder) variable(n *yaml.Node) bool {
	if _, ok := d.sources[n]; ok {
		return true
	}
	return slices.ContainsFunc(n.Content, d.variable)
}
