package probe

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// maxParts bounds a path.
const maxParts = 32

// A path says which places of a JSON document are meant: names of members with
// dots between them; a number is an element of an array, from 0, and * is each
// member or element, of which there must be at least one. \ takes the next
// character as it is.
type path struct {
	text  string
	parts []part
}

// A part is one step of a path.
type part struct {
	name string
	all  bool
}

func parsePath(s string) (path, error) {
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
				return path{}, fmt.Errorf("the path %q ends in a \\", s)
			}
			name, escaped = append(name, s[i]), true
		case s[i] == '.':
			if err := end(); err != nil {
				return path{}, err
			}
		default:
			name = append(name, s[i])
		}
	}
	err := end()
	return path{s, parts}, err
}

// walk calls leaf with each place that is meant, and missing with what is not
// there, until one of them returns false.
func (p *path) walk(doc any, leaf func(at []string, v any) bool, missing func(text string) bool) {
	w := &walker{leaf, missing}
	w.down(doc, nil, p.parts)
}

type walker struct {
	leaf    func(at []string, v any) bool
	missing func(text string) bool
}

// down goes the rest of the path from v, which is at at.
func (w *walker) down(v any, at []string, rest []part) bool {
	if len(rest) == 0 {
		return w.leaf(at, v)
	}
	p, rest := rest[0], rest[1:]
	child := func(name string, v any) bool { return w.down(v, append(slices.Clip(at), name), rest) }
	switch v := v.(type) {
	case map[string]any:
		if p.all && len(v) > 0 {
			for _, name := range slices.Sorted(maps.Keys(v)) {
				if !child(name, v[name]) {
					return false
				}
			}
			return true
		}
		if member, ok := v[p.name]; ok && !p.all {
			return child(p.name, member)
		}
	case []any:
		if p.all && len(v) > 0 {
			for i := range v {
				if !child(strconv.Itoa(i), v[i]) {
					return false
				}
			}
			return true
		}
		if i, err := strconv.ParseUint(p.name, 10, 31); err == nil && int(i) < len(v) && !p.all {
			return child(p.name, v[i])
		}
	}
	return w.missing(fmt.Sprintf("%s is not there (%s)", place(append(slices.Clip(at), p.name)), holder(at, v)))
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
