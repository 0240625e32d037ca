// Package schema tells what may stand in a configuration, from the Go types that
// it is decoded into: as JSON Schema for editors, and as a reference for people.
// It reads the types' source for their comments, so that it is for tests, which
// write and check the files, and stays out of the program.
package schema

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/webgrip/logkeel/agent/conf"
)

// A Node is what may stand in one place of a file.
type Node struct {
	Kind Kind
	Doc  string // of the type, "" where it has none

	Keys []Key    // of a Section
	Text bool     // of a Section: one text may stand for it
	Of   *Node    // of the elements of a List or a Map
	Own  string   // of a Custom type, its JSON Schema
	Enum []string // of a Text that is one of several

	Min, Max any // of a Whole number; nil where there is none
}

// A Kind is a kind of value.
type Kind int

// The kinds.
const (
	Section Kind = iota // keys and values that are known
	Map                 // keys that are not
	List
	Text
	Whole // a whole number
	Number
	Bool
	Custom // a type that says itself what it is
)

// A Key is one key of a section.
type Key struct {
	Name    string
	Doc     string // one or more sentences; "" where the field has no comment
	Field   string // of which type and field, for errors
	Secret  bool   // Name_file may stand in its place
	Enables bool   // the section is off where the key is not there
	Default any    // as it is written in the file; nil where there is none
	Value   *Node
}

// Of is what may stand in a file that is decoded into what v points to. What v
// holds are the defaults. root is the module's folder, where its source is.
func Of(v any, root string) (*Node, error) {
	w := &walker{root: root, sources: map[string]*source{}}
	return w.node(reflect.ValueOf(v).Elem())
}

type walker struct {
	root    string
	sources map[string]*source // by the package's path
	open    []reflect.Type
}

// node is that of the addressable value.
func (w *walker) node(v reflect.Value) (*Node, error) {
	t := v.Type()
	if t.Kind() == reflect.Pointer {
		return w.node(conf.New(t.Elem()))
	}
	if s, ok := v.Addr().Interface().(conf.Schemer); ok {
		n := &Node{Kind: Custom, Own: s.JSONSchema()}
		if err := json.Unmarshal([]byte(n.Own), new(map[string]any)); err != nil {
			return nil, fmt.Errorf("the schema of %s: %w", t, err)
		}
		return n, nil
	}
	if _, ok := reflect.PointerTo(t).MethodByName("UnmarshalYAML"); ok {
		return nil, fmt.Errorf("%s reads its own form and does not say which: it needs a JSONSchema", t)
	}
	switch t.Kind() {
	case reflect.Struct:
		return w.section(v)
	case reflect.Slice, reflect.Map:
		of, err := w.node(conf.New(t.Elem()))
		kind := List
		if t.Kind() == reflect.Map {
			kind = Map
		}
		return &Node{Kind: kind, Of: of}, err
	case reflect.String:
		return &Node{Kind: Text}, nil
	case reflect.Bool:
		return &Node{Kind: Bool}, nil
	case reflect.Float32, reflect.Float64:
		return &Node{Kind: Number}, nil
	case reflect.Int, reflect.Int64:
		return &Node{Kind: Whole}, nil
	case reflect.Uint, reflect.Uint64:
		return &Node{Kind: Whole, Min: 0}, nil
	case reflect.Uint8, reflect.Uint16, reflect.Uint32:
		return &Node{Kind: Whole, Min: 0, Max: uint64(1)<<t.Bits() - 1}, nil
	case reflect.Int8, reflect.Int16, reflect.Int32:
		most := int64(1)<<(t.Bits()-1) - 1
		return &Node{Kind: Whole, Min: -most - 1, Max: most}, nil
	}
	return nil, fmt.Errorf("%s is of a kind that no configuration has", t)
}

// section is the node of a struct.
func (w *walker) section(v reflect.Value) (*Node, error) {
	t := v.Type()
	if slices.Contains(w.open, t) {
		return nil, fmt.Errorf("%s is inside itself", t)
	}
	w.open = append(w.open, t)
	defer func() { w.open = w.open[:len(w.open)-1] }()
	doc, err := w.typeDoc(t)
	if err != nil {
		return nil, err
	}
	n := &Node{Kind: Section, Doc: doc}
	_, n.Text = v.Addr().Interface().(conf.Shorthand)
	for _, f := range conf.Fields(t) {
		k, err := w.key(v, f)
		if err != nil {
			return nil, err
		}
		n.Keys = append(n.Keys, k)
	}
	return n, nil
}

// key is that of one field of the struct v.
func (w *walker) key(v reflect.Value, f conf.Field) (Key, error) {
	owner := v.Type()
	for _, i := range f.Index[:len(f.Index)-1] {
		owner = owner.Field(i).Type
	}
	field := owner.Field(f.Index[len(f.Index)-1])
	k := Key{Name: f.Key, Field: owner.String() + "." + field.Name, Secret: f.Secret}
	var err error
	if k.Doc, err = w.fieldDoc(owner, field.Name, f.Key); err != nil {
		return k, err
	}
	value := v.FieldByIndex(f.Index)
	k.Enables = field.Type.Kind() == reflect.Pointer && field.Type.Elem().Kind() == reflect.Struct
	if k.Value, err = w.node(value); err != nil {
		return k, fmt.Errorf("%s: %w", k.Field, err)
	}
	for below := k.Value; k.Doc == "" && below != nil; below = below.Of {
		k.Doc = below.Doc
	}
	if of := field.Tag.Get("enum"); of != "" {
		k.Value.Enum = strings.Fields(of)
	}
	k.Default = written(value)
	return k, nil
}

// written is a default as it would stand in a file; nil where it is nothing.
func written(v reflect.Value) any {
	if v.Kind() != reflect.Bool && v.IsZero() || v.Kind() == reflect.Pointer {
		return nil
	}
	if m, ok := v.Interface().(interface{ MarshalYAML() (any, error) }); ok {
		out, err := m.MarshalYAML()
		if err != nil {
			return nil
		}
		return out
	}
	switch v.Kind() {
	case reflect.Bool:
		return v.Bool()
	case reflect.String:
		return v.String()
	case reflect.Struct:
		return nil // its keys have their own
	}
	return v.Interface()
}
