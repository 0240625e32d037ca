package integrity

import (
	"path"
	"path/filepath"
	"strings"
)

// A pattern selects files by their path. It is one of three: a whole path, where
// it begins with /; the name of a file or folder anywhere, where it has no / but
// at its end; else a path below one of the roots.
type pattern struct {
	parts []string // each for path.Match; ** stands for any number of them
	kind  patternKind
}

type patternKind uint8

const (
	wholePath patternKind = iota
	nameAnywhere
	belowRoot
)

// checkPattern says what is wrong with one.
func checkPattern(s string) error {
	_, err := path.Match(s, "")
	return err
}

func newPattern(s string) pattern {
	p := pattern{kind: wholePath}
	switch {
	case strings.HasPrefix(s, "/"):
	case !strings.Contains(strings.TrimRight(s, "/"), "/"):
		p.kind = nameAnywhere
	default:
		p.kind = belowRoot
	}
	s = strings.Trim(filepath.Clean(s), "/")
	p.parts = strings.Split(s, "/")
	return p
}

// match reports whether the pattern is the file at rel below root. What lies
// below a folder is asked for by matchBelow.
func (p *pattern) match(root, rel string) bool {
	switch p.kind {
	case nameAnywhere:
		name := rel
		if rel == "" {
			name = root
		}
		ok, _ := path.Match(p.parts[0], name[strings.LastIndexByte(name, '/')+1:])
		return ok || p.parts[0] == "**"
	case belowRoot:
		return rel != "" && matchParts(p.parts, rel)
	}
	return matchParts(p.parts, strings.TrimPrefix(join(root, rel), "/"))
}

// matchBelow reports whether the pattern is the file at rel, or a folder that it
// is in.
func (p *pattern) matchBelow(root, rel string) bool {
	for {
		if p.match(root, rel) {
			return true
		}
		i := strings.LastIndexByte(rel, '/')
		switch {
		case i >= 0:
			rel = rel[:i]
		case rel != "":
			rel = ""
		default:
			return false
		}
	}
}

// matchParts matches a path without / in front. Only the last ** is tried
// again, so that the time is bounded by the product of the lengths.
func matchParts(parts []string, rest string) bool {
	i := 0
	again, restAgain := -1, ""
	for rest != "" || i < len(parts) {
		if i < len(parts) && parts[i] == "**" {
			again, restAgain = i, rest
			i++
			continue
		}
		if i < len(parts) && rest != "" {
			name, after, _ := strings.Cut(rest, "/")
			if ok, _ := path.Match(parts[i], name); ok {
				rest = after
				i++
				continue
			}
		}
		if again < 0 || restAgain == "" {
			return false
		}
		_, restAgain, _ = strings.Cut(restAgain, "/")
		i, rest = again+1, restAgain
	}
	return true
}

// join is the path of rel below root.
func join(root, rel string) string {
	switch {
	case rel == "":
		return root
	case strings.HasSuffix(root, "/"):
		return root + rel
	}
	return root + "/" + rel
}
