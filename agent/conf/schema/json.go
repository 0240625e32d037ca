package schema

import (
	"bytes"
	"encoding/json"
	"slices"
)

// draft is what editors' language servers for YAML know best.
const draft = "http://json-schema.org/draft-07/schema#"

// variable is the form of a text with a variable in it.
const variable = `\$\{`

// A File is what a schema says of a whole file.
type File struct {
	ID        string // a URL
	Title     string
	Variables bool // ${NAME} may stand in values
}

// JSON is the schema of a file as JSON, indented, with a line's end.
func (n *Node) JSON(f File) ([]byte, error) {
	s := n.schema()
	if f.Variables {
		withVariables(s)
	}
	s["$schema"], s["$id"], s["title"] = draft, f.ID, f.Title
	s["type"] = []any{"object", "null"}
	s["patternProperties"] = map[string]any{"^x-": true}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", " ")
	err := e.Encode(s)
	return b.Bytes(), err
}

// plain are the types of a scalar that can be read as text.
func plain() []any { return []any{"string", "number", "boolean"} }

func (n *Node) schema() map[string]any {
	switch n.Kind {
	case Section:
		return n.section()
	case Map:
		return map[string]any{"type": []any{"object", "null"}, "additionalProperties": n.Of.schema()}
	case List:
		return map[string]any{"type": []any{"array", "null"}, "items": n.Of.schema()}
	case Custom:
		return n.own()
	case Bool:
		return map[string]any{"type": "boolean"}
	case Number:
		return map[string]any{"type": "number"}
	case Whole:
		s := map[string]any{"type": "integer"}
		if n.Min != nil {
			s["minimum"] = n.Min
		}
		if n.Max != nil {
			s["maximum"] = n.Max
		}
		return s
	}
	if n.Enum != nil {
		list := make([]any, 0, len(n.Enum))
		for _, e := range n.Enum {
			list = append(list, e)
			if json.Valid([]byte(e)) { // without quotes YAML has a number
				list = append(list, json.Number(e))
			}
		}
		return map[string]any{"enum": list}
	}
	return map[string]any{"type": plain()}
}

// own is a Custom node's schema; Of has seen that it is one.
func (n *Node) own() (s map[string]any) {
	_ = json.Unmarshal([]byte(n.Own), &s)
	return s
}

func (n *Node) section() map[string]any {
	keys := map[string]any{}
	var apart []any
	for _, k := range n.Keys {
		s := k.Value.schema()
		s["description"] = k.Doc
		if k.Default != nil {
			s["default"] = k.Default
		}
		keys[k.Name] = s
		if k.Secret {
			file := k.Name + "_file"
			keys[file] = map[string]any{"type": "string", "minLength": 1, "description": "The path of a file that has " + k.Name + " in it, in its place."}
			apart = append(apart, map[string]any{"not": map[string]any{"required": []any{k.Name, file}}})
		}
	}
	s := map[string]any{"type": []any{"object", "null"}, "properties": keys, "additionalProperties": false}
	if n.Text {
		s["type"] = append(plain(), "object", "null")
	}
	if apart != nil {
		s["allOf"] = apart
	}
	return s
}

// withVariables lets ${NAME} stand wherever a value is bound to a form.
func withVariables(s map[string]any) {
	for name, below := range s {
		switch name {
		case "properties", "patternProperties":
			for _, v := range below.(map[string]any) {
				if v, ok := v.(map[string]any); ok {
					withVariables(v)
				}
			}
		case "items", "additionalProperties":
			if v, ok := below.(map[string]any); ok {
				withVariables(v)
			}
		case "anyOf", "oneOf", "allOf":
			for _, v := range below.([]any) {
				withVariables(v.(map[string]any))
			}
		}
	}
	if list, ok := s["enum"]; ok {
		delete(s, "enum")
		s["anyOf"] = []any{map[string]any{"enum": list}, map[string]any{"type": "string", "pattern": variable}}
		return
	}
	var types []any
	switch t := s["type"].(type) {
	case string:
		types = []any{t}
	case []any:
		types = t
	}
	scalar := slices.Contains(types, "integer") || slices.Contains(types, "number") || slices.Contains(types, "boolean")
	switch p, ok := s["pattern"].(string); {
	case ok:
		s["pattern"] = p + "|" + variable
	case scalar && !slices.Contains(types, "string"):
		s["pattern"] = variable
	default:
		return
	}
	if !slices.Contains(types, "string") {
		s["type"] = append(types, "string")
	}
}
