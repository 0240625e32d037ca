package docker

import (
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/conf"
)

// A Selector matches containers: each of its keys has to be one of its values.
// The keys are container, image, service and project, or that of any label. In
// a value * stands for any text and ? for any byte.
type Selector map[string]conf.Strings

// Selectors are the selectors of a list, of which one has to match.
type Selectors []Selector

// UnmarshalYAML reads a list of sections, as in [{service: app}, {image: ["php:*", nginx]}].
func (s *Selectors) UnmarshalYAML(n *yaml.Node) error {
	const hint = `write "- service: app"`
	if n.Kind != yaml.SequenceNode {
		return &conf.Error{Line: n.Line, Msg: "expected a list of sections", Hint: hint}
	}
	list := make(Selectors, 0, len(n.Content))
	var errs []error
	for i, item := range n.Content {
		field := "[" + strconv.Itoa(i) + "]"
		if item.Kind != yaml.MappingNode || len(item.Content) == 0 {
			errs = append(errs, &conf.Error{Line: item.Line, Field: field, Msg: "expected a section with at least one key", Hint: hint})
			continue
		}
		one := Selector{}
		for j := 0; j+1 < len(item.Content); j += 2 {
			key, value := item.Content[j], item.Content[j+1]
			var values conf.Strings
			if err := values.UnmarshalYAML(value); err != nil || len(values) == 0 || slices.Contains(values, "") {
				errs = append(errs, &conf.Error{Line: key.Line, Field: field + "." + key.Value, Msg: "expected a text or a list of texts, none of them empty", Hint: `write "*" for any`})
				continue
			}
			one[key.Value] = values
		}
		list = append(list, one)
	}
	*s = list
	return conf.Join(errs...)
}

// JSONSchema is the form that UnmarshalYAML reads.
func (Selectors) JSONSchema() string {
	return `{"title": "list of selectors", "type": ["array", "null"], "items": ` + SelectorSchema() + `}`
}

// SelectorSchema is JSON Schema of one Selector; more are the keys that it has as
// well, as members of a JSON object.
func SelectorSchema(more ...string) string {
	const values = `{"type": ["string", "number", "boolean", "array"], "minLength": 1, "minItems": 1, "items": {"type": ["string", "number", "boolean"], "minLength": 1}`
	keys := append([]string{
		`"container": ` + values + `, "description": "The container's name."}`,
		`"image": ` + values + `, "description": "The image's name."}`,
		`"service": ` + values + `, "description": "The service of Compose."}`,
		`"project": ` + values + `, "description": "The project of Compose."}`,
	}, more...)
	return `{"type": "object", "minProperties": 1, "properties": {` + strings.Join(keys, ", ") + `}, "additionalProperties": ` + values + `}}`
}

func (s Selectors) match(c *agent.Container) bool {
	for _, one := range s {
		if one.Match(c) {
			return true
		}
	}
	return false
}

// Match reports whether each key matches. What a container does not have
// matches nothing, not even *.
func (s Selector) Match(c *agent.Container) bool {
	for key, values := range s {
		var have string
		switch key {
		case "container":
			have = c.Name
		case "image":
			have = c.Image
		case "service":
			have = c.Service
		case "project":
			have = c.Project
		default:
			have = c.Labels[key]
		}
		if have == "" || !slices.ContainsFunc(values, func(pattern string) bool { return glob(pattern, have) }) {
			return false
		}
	}
	return len(s) > 0
}

// glob matches all of s. It differs from path.Match in that * takes slashes,
// too, which images have, and that no pattern is wrong.
func glob(pattern, s string) bool {
	// Where to go on when it does not fit: after the last star, one character on.
	star, from := -1, 0
	p, i := 0, 0
	for i < len(s) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, from = p, i
			p++
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == s[i]):
			p, i = p+1, i+1
		case star >= 0:
			from++
			p, i = star+1, from
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}
