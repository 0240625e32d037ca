package conf

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"
)

const day = 24 * time.Hour

// A Duration is a length of time, written as 250ms, 1m30s, 12h or 7d.
type Duration time.Duration

// String gives what UnmarshalYAML reads, in the largest units that fit.
func (d Duration) String() string {
	t := time.Duration(d)
	switch {
	case t >= day && t%day == 0:
		return strconv.FormatInt(int64(t/day), 10) + "d"
	case t >= time.Hour && t%time.Hour == 0:
		return strconv.FormatInt(int64(t/time.Hour), 10) + "h"
	case t >= time.Minute && t%time.Minute == 0:
		return strconv.FormatInt(int64(t/time.Minute), 10) + "m"
	}
	return t.String()
}

// MarshalYAML gives String.
func (d Duration) MarshalYAML() (any, error) { return d.String(), nil }

// UnmarshalYAML reads a duration. It takes no plain number but 0, and nothing
// negative.
func (d *Duration) UnmarshalYAML(n *yaml.Node) error {
	wrong := &Error{want: "a duration", Hint: "write 250ms, 30s, 5m, 12h or 7d"}
	if n.Kind != yaml.ScalarNode {
		return wrong
	}
	text := strings.TrimSpace(n.Value)
	if _, err := strconv.ParseFloat(text, 64); err == nil && text != "0" {
		wrong.want, wrong.Hint = "a duration with its unit", "write 30s"
		return wrong
	}
	t, ok := parseDuration(text)
	switch {
	case !ok:
		return wrong
	case t < 0:
		wrong.want = "a duration that is not negative"
		return wrong
	}
	*d = Duration(t)
	return nil
}

// ParseDuration reads what a Duration reads, from elsewhere than a configuration.
func ParseDuration(s string) (time.Duration, error) {
	t, ok := parseDuration(strings.TrimSpace(s))
	if !ok || t < 0 {
		return 0, fmt.Errorf("%q is no duration; write 30m, 4h or 2d", s)
	}
	return t, nil
}

// parseDuration is time.ParseDuration with days in front, as in 7d or 1d12h.
func parseDuration(s string) (time.Duration, bool) {
	head, rest, found := strings.Cut(s, "d")
	if !found {
		t, err := time.ParseDuration(s)
		return t, err == nil
	}
	days, err := strconv.ParseUint(head, 10, 31)
	if err != nil || days > uint64(math.MaxInt64/int64(day)) {
		return 0, false
	}
	t := time.Duration(days) * day
	if rest == "" {
		return t, true
	}
	more, err := time.ParseDuration(rest)
	if err != nil || more < 0 || more > math.MaxInt64-t {
		return 0, false
	}
	return t + more, true
}

// JSONSchema is the form that UnmarshalYAML reads.
func (Duration) JSONSchema() string {
	return `{"title": "duration", "type": ["string", "integer"], "maximum": 0, "minimum": 0,
		"pattern": "^\\s*(\\+?0|[0-9]+d|([0-9]+d)?\\+?(([0-9]+\\.?[0-9]*|\\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))+)\\s*$"}`
}

// A Size is a number of bytes, written as 64MiB, 10MB, 512KiB or 4096.
type Size int64

type unit struct {
	name  string
	bytes int64
}

// units has the binary ones first, largest first: String takes these.
func units() []unit {
	return []unit{
		{"TiB", 1 << 40},
		{"GiB", 1 << 30},
		{"MiB", 1 << 20},
		{"KiB", 1 << 10},
		{"TB", 1e12},
		{"GB", 1e9},
		{"MB", 1e6},
		{"kB", 1e3},
		{"KB", 1e3},
		{"B", 1},
	}
}

// String gives the size in the largest binary unit that divides it.
func (s Size) String() string {
	for _, u := range units()[:4] {
		if int64(s) >= u.bytes && int64(s)%u.bytes == 0 {
			return strconv.FormatInt(int64(s)/u.bytes, 10) + u.name
		}
	}
	return strconv.FormatInt(int64(s), 10) + "B"
}

// MarshalYAML gives String.
func (s Size) MarshalYAML() (any, error) { return s.String(), nil }

// UnmarshalYAML reads a size: a number of bytes, or a number and its unit.
func (s *Size) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.ScalarNode {
		if size, ok := parseSize(strings.TrimSpace(n.Value)); ok {
			*s = size
			return nil
		}
	}
	return &Error{want: "a size", Hint: "write 512KiB, 64MiB, 1GiB or a number of bytes"}
}

// JSONSchema is the form that UnmarshalYAML reads.
func (Size) JSONSchema() string {
	return `{"title": "size", "type": ["string", "integer"], "minimum": 0,
		"pattern": "^\\s*([0-9]+|[0-9]*\\.?[0-9]+\\s*(TiB|GiB|MiB|KiB|TB|GB|MB|kB|KB|B))\\s*$"}`
}

func parseSize(text string) (Size, bool) {
	factor := int64(1)
	for _, u := range units() {
		if rest, ok := strings.CutSuffix(text, u.name); ok {
			text, factor = strings.TrimSpace(rest), u.bytes
			break
		}
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		if n < 0 || n > math.MaxInt64/factor {
			return 0, false
		}
		return Size(n * factor), true
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || factor == 1 || !(f >= 0) || f*float64(factor) >= math.MaxInt64 {
		return 0, false
	}
	return Size(f * float64(factor)), true
}

// Strings is a list of texts; in the file a single one may stand for the list.
type Strings []string

// UnmarshalYAML reads one text, or a list of them.
func (s *Strings) UnmarshalYAML(n *yaml.Node) error {
	wrong := &Error{want: "text or a list of texts", Hint: `write one text, or a list as ["a", "b"]`}
	switch n.Kind {
	case yaml.ScalarNode:
		*s = Strings{n.Value}
		return nil
	case yaml.SequenceNode:
		list := make(Strings, len(n.Content))
		for i, c := range n.Content {
			if c.Kind != yaml.ScalarNode || isNull(c) {
				wrong.Line = c.Line
				return wrong
			}
			list[i] = c.Value
		}
		*s = list
		return nil
	}
	return wrong
}

// JSONSchema is the form that UnmarshalYAML reads.
func (Strings) JSONSchema() string {
	return `{"title": "text or list of texts", "type": ["string", "number", "boolean", "array", "null"],
		"items": {"type": ["string", "number", "boolean"]}}`
}
