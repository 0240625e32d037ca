package collectors

import (
	"fmt"
	"log/slog"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/conf"
	"github.com/webgrip/logkeel/agent/multiline"
	"github.com/webgrip/logkeel/collectors/docker"
)

const (
	byImage        = "auto"
	noFormat       = "none"
	multilineLabel = "logkeel.multiline"
)

// A ContainerFormat says which lines of containers' logs belong together: auto,
// none, the name of a format, or a list of exceptions to auto. Zero is auto. A
// container's own label is above it.
type ContainerFormat struct {
	name       string // "": auto
	exceptions []formatException
}

type formatException struct {
	docker.Selector
	name string
}

// UnmarshalYAML reads a name, or a list as in [{image: "shop-*", format: laravel}].
func (f *ContainerFormat) UnmarshalYAML(n *yaml.Node) error {
	*f = ContainerFormat{}
	if n.Kind != yaml.SequenceNode {
		name, err := formatName(n, byImage, noFormat)
		f.name = name
		return err
	}
	var errs []error
	rest := *n
	rest.Content = nil
	for i, item := range n.Content {
		at := fmt.Sprintf("[%d].format", i)
		var e formatException
		selector := *item
		selector.Content = nil
		found := false
		for j := 0; item.Kind == yaml.MappingNode && j+1 < len(item.Content); j += 2 {
			key, value := item.Content[j], item.Content[j+1]
			if key.Value != "format" {
				selector.Content = append(selector.Content, key, value)
				continue
			}
			found = true
			var err error
			if e.name, err = formatName(value, byImage, noFormat); err != nil {
				errs = append(errs, &conf.Error{Line: key.Line, Field: at, Msg: err.(*conf.Error).Msg, Hint: err.(*conf.Error).Hint})
			}
		}
		if item.Kind == yaml.MappingNode && !found {
			errs = append(errs, &conf.Error{Line: item.Line, Field: at, Msg: "it is missing", Hint: formatHint(byImage, noFormat)})
		}
		rest.Content = append(rest.Content, &selector)
		f.exceptions = append(f.exceptions, e)
	}
	var selectors docker.Selectors
	if err := selectors.UnmarshalYAML(&rest); err != nil {
		errs = append(errs, err)
	}
	if len(errs) > 0 {
		return conf.Join(errs...)
	}
	for i := range f.exceptions {
		f.exceptions[i].Selector = selectors[i]
	}
	return nil
}

// formatName reads the name of a format, or one of others.
func formatName(n *yaml.Node, others ...string) (string, error) {
	if n.Kind != yaml.ScalarNode {
		return "", &conf.Error{Line: n.Line, Msg: "expected the name of a format", Hint: formatHint(others...)}
	}
	if _, ok := multiline.Preset(n.Value); ok {
		return n.Value, nil
	}
	for _, o := range others {
		if n.Value == o {
			return o, nil
		}
	}
	return "", &conf.Error{Line: n.Line, Msg: fmt.Sprintf("there is no format %q", n.Value), Hint: formatHint(others...)}
}

func formatHint(others ...string) string {
	return "write one of " + strings.Join(append(others, multiline.Names()...), ", ")
}

// JSONSchema is the form that UnmarshalYAML reads.
func (ContainerFormat) JSONSchema() string {
	names := nameSchema(byImage, noFormat)
	one := docker.SelectorSchema(`"format": {` + names + `, "description": "The format of the containers' logs."}`)
	return `{"title": "format, or list of exceptions", "anyOf": [{` + names + `}, {"type": "array", "items": {"allOf": [` + one + `, {"required": ["format"], "minProperties": 2}]}}]}`
}

// nameSchema is JSON Schema of what formatName reads, without braces.
func nameSchema(others ...string) string {
	return `"enum": ["` + strings.Join(append(others, multiline.Names()...), `", "`) + `"]`
}

// formats is what the tailer asks for the format of a container's log.
func (f *ContainerFormat) formats(log *slog.Logger) func(*agent.Source) *multiline.Format {
	return func(s *agent.Source) *multiline.Format {
		c := s.Container
		if c == nil {
			return nil
		}
		name := f.name
		for _, e := range f.exceptions {
			if e.Match(c) {
				name = e.name
				break
			}
		}
		if label := c.Labels[multilineLabel]; label != "" {
			if _, ok := multiline.Preset(label); ok || label == noFormat || label == byImage {
				name = label
			} else {
				log.Warn("a container's label names no format and is not regarded", "container", c.Name, "label", multilineLabel, "value", label, "hint", formatHint(byImage, noFormat))
			}
		}
		switch name {
		case "", byImage:
			return multiline.ForImage(c.Image)
		case noFormat:
			return nil
		}
		format, _ := multiline.Preset(name)
		return format
	}
}

// A FileFormat says which lines of text files belong together: none, the name of
// a format, or an expression. Zero is none. It holds the words and not what is
// made of them, so that a reload can see whether they are the same.
type FileFormat struct{ name, start, cont string }

// UnmarshalYAML reads a name, or one of {start: EXPRESSION} and {continue: EXPRESSION}.
func (f *FileFormat) UnmarshalYAML(n *yaml.Node) error {
	*f = FileFormat{}
	if n.Kind != yaml.MappingNode {
		name, err := formatName(n, noFormat)
		f.name = name
		return err
	}
	const hint = `write {start: '^\['} for what begins a record, or {continue: '^\s'} for what goes on one`
	if len(n.Content) != 2 {
		return &conf.Error{Line: n.Line, Msg: "expected one of start and continue", Hint: hint}
	}
	key, value := n.Content[0], n.Content[1]
	bad := func(msg, hint string) error {
		return &conf.Error{Line: key.Line, Field: key.Value, Msg: msg, Hint: hint}
	}
	switch {
	case value.Kind != yaml.ScalarNode || value.Value == "":
		return bad("expected an expression", hint)
	case key.Value == "start":
		f.start = value.Value
	case key.Value == "continue":
		f.cont = value.Value
	default:
		return bad(fmt.Sprintf("unknown key %q", key.Value), hint)
	}
	if _, err := multiline.Custom(f.start, f.cont); err != nil {
		return bad(err.Error(), "close it, or put a backslash before it where it stands for itself")
	}
	return nil
}

// JSONSchema is the form that UnmarshalYAML reads.
func (FileFormat) JSONSchema() string {
	return `{"title": "format, or an expression", "anyOf": [{` + nameSchema(noFormat) + `}, {"type": "object", "minProperties": 1, "maxProperties": 1, "additionalProperties": false, "properties": {
		"start": {"type": ["string", "number"], "minLength": 1, "description": "An expression for the line that begins a record."},
		"continue": {"type": ["string", "number"], "minLength": 1, "description": "An expression for lines that go on one."}}}]}`
}

// formats is what the tailer asks for the format of a file.
func (f *FileFormat) formats() func(*agent.Source) *multiline.Format {
	format, _ := multiline.Preset(f.name)
	if f.start != "" || f.cont != "" {
		format, _ = multiline.Custom(f.start, f.cont) // it was read with the configuration
	}
	return func(*agent.Source) *multiline.Format { return format }
}
