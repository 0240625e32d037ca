package conf

import (
	"fmt"
	"io"
	"log/slog"

	"go.yaml.in/yaml/v4"
)

// A Secret is text that is never shown: whatever prints it gets <secret>, or
// nothing where it is unset. Only Value gives it away.
type Secret struct {
	// A pointer, so that fmt prints an address even where a Secret lies in an
	// unexported field and its methods are out of reach; and so that
	// reflect.DeepEqual compares the text.
	text *string
}

const hidden = "<secret>"

// NewSecret returns a Secret that holds value; an empty one is unset.
func NewSecret(value string) Secret {
	if value == "" {
		return Secret{}
	}
	return Secret{text: &value}
}

// Value is the secret itself, "" where it is unset.
func (s Secret) Value() string {
	if s.text == nil {
		return ""
	}
	return *s.text
}

// IsZero reports whether the secret is unset.
func (s Secret) IsZero() bool { return s.text == nil }

func (s Secret) String() string {
	if s.text == nil {
		return ""
	}
	return hidden
}

// GoString is String: %#v shows nothing more.
func (s Secret) GoString() string { return s.String() }

// Format writes String, whatever the verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// MarshalJSON gives String as JSON.
func (s Secret) MarshalJSON() ([]byte, error) {
	if s.text == nil {
		return []byte(`""`), nil
	}
	return []byte(`"` + hidden + `"`), nil
}

// MarshalYAML gives String.
func (s Secret) MarshalYAML() (any, error) { return s.String(), nil }

// LogValue gives String.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// UnmarshalYAML reads the secret from a scalar.
func (s *Secret) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind != yaml.ScalarNode {
		return &Error{want: "text", Hint: "put it in quotes"}
	}
	*s = NewSecret(n.Value)
	return nil
}

// JSONSchema is the form that UnmarshalYAML reads.
func (Secret) JSONSchema() string {
	return `{"title": "secret", "type": ["string", "number", "boolean"]}`
}
