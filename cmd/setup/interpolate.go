package setup

import (
	"maps"
	"slices"
	"strings"
)

func sorted(set map[string]bool) []string { return slices.Sorted(maps.Keys(set)) }

func sortedKeys(set map[string]string) []string { return slices.Sorted(maps.Keys(set)) }

// dotenv reads NAME=value lines as Compose does, but for values over several lines.
func dotenv(text string) map[string]string {
	all := map[string]string{}
	for line := range strings.Lines(text) {
		line = strings.TrimPrefix(strings.TrimSpace(line), "export ")
		name, value, ok := strings.Cut(line, "=")
		if name = strings.TrimSpace(name); !ok || name == "" || strings.ContainsAny(name, "# \t'\"") {
			continue
		}
		value = strings.TrimSpace(value)
		if n := len(value); n > 1 && (value[0] == '"' || value[0] == '\'') {
			if end := strings.IndexByte(value[1:], value[0]); end >= 0 {
				value = value[1 : 1+end]
			}
		} else if i := strings.Index(value, " #"); i >= 0 {
			value = strings.TrimSpace(value[:i])
		}
		all[name] = value
	}
	return all
}

// maxNested bounds how deep defaults stand in one another.
const maxNested = 10

// interpolate replaces variables as Compose does. missing are those that are not set
// and have no default; nothing stands in their place.
func interpolate(s string, env func(string) (string, bool)) (text string, missing []string) {
	return interpolated(s, env, 0)
}

func interpolated(s string, env func(string) (string, bool), depth int) (text string, missing []string) {
	var b strings.Builder
	for {
		before, after, found := strings.Cut(s, "$")
		b.WriteString(before)
		if !found || depth > maxNested {
			return b.String(), missing
		}
		name, operator, word, rest := variable(after)
		if name == "" {
			b.WriteByte('$')
			s = strings.TrimPrefix(after, "$")
			continue
		}
		s = rest
		value, set := env(name)
		if strings.HasPrefix(operator, ":") && value == "" {
			set = false
		}
		switch strings.TrimPrefix(operator, ":") {
		case "-":
			if !set {
				var more []string
				value, more = interpolated(word, env, depth+1)
				missing = append(missing, more...)
			}
		case "+":
			if value = ""; set {
				var more []string
				value, more = interpolated(word, env, depth+1)
				missing = append(missing, more...)
			}
		default:
			if !set {
				missing = append(missing, name)
			}
		}
		b.WriteString(value)
	}
}

// variable reads what stands after a $: NAME, {NAME} or {NAME:-word}.
func variable(s string) (name, operator, word, rest string) {
	braces := strings.HasPrefix(s, "{")
	s = strings.TrimPrefix(s, "{")
	n := 0
	for n < len(s) && (s[n] == '_' || s[n]|0x20 >= 'a' && s[n]|0x20 <= 'z' || n > 0 && s[n] >= '0' && s[n] <= '9') {
		n++
	}
	name, rest = s[:n], s[n:]
	if !braces {
		return name, "", "", rest
	}
	end, open := -1, 1
	for i := range len(rest) {
		if rest[i] == '}' {
			open--
		} else if rest[i] == '{' {
			open++
		}
		if open == 0 {
			end = i
			break
		}
	}
	if end < 0 {
		return "", "", "", ""
	}
	inner := rest[:end]
	rest = rest[end+1:]
	switch {
	case inner == "":
	case len(inner) > 1 && inner[0] == ':':
		operator, word = inner[:2], inner[2:]
	default:
		operator, word = inner[:1], inner[1:]
	}
	return name, operator, word, rest
}
