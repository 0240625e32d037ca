package rules

import (
	"regexp/syntax"
	"slices"
	"strings"
)

// impossible reports whether it is plain that nothing matches the expression, as
// a$b: after a line's end there is its end.
func (e *expr) impossible() bool {
	tree, err := syntax.Parse(strings.TrimPrefix(e.re.String(), lines), syntax.Perl&^syntax.OneLine)
	return err == nil && cannotMatch(tree.Simplify())
}

func cannotMatch(re *syntax.Regexp) bool {
	switch re.Op {
	case syntax.OpNoMatch:
		return true
	case syntax.OpCapture, syntax.OpPlus:
		return cannotMatch(re.Sub[0])
	case syntax.OpAlternate:
		return !slices.ContainsFunc(re.Sub, func(sub *syntax.Regexp) bool { return !cannotMatch(sub) })
	case syntax.OpConcat:
		return slices.ContainsFunc(re.Sub, cannotMatch) || cannotFollow(re.Sub)
	}
	return false
}

// cannotFollow reports whether one of list is an end after which more has to come
// on the line, or a start before which more has to.
func cannotFollow(list []*syntax.Regexp) bool {
	for i, re := range list {
		switch re.Op {
		case syntax.OpEndLine:
			if blocked(list[i+1:], false) {
				return true
			}
		case syntax.OpEndText:
			if slices.ContainsFunc(list[i+1:], needsText) {
				return true
			}
		case syntax.OpBeginLine:
			before := slices.Clone(list[:i])
			slices.Reverse(before)
			if blocked(before, true) {
				return true
			}
		case syntax.OpBeginText:
			if slices.ContainsFunc(list[:i], needsText) {
				return true
			}
		}
	}
	return false
}

// blocked reports whether what comes next, going away from a line's border, has
// to be something and cannot be a line end.
func blocked(list []*syntax.Regexp, backward bool) bool {
	for _, re := range list {
		if mayBreak(re, backward) {
			return false
		}
		if needsText(re) {
			return true
		}
	}
	return false
}

// needsText reports whether it is plain that each match of re has a character at
// the least.
func needsText(re *syntax.Regexp) bool {
	switch re.Op {
	case syntax.OpLiteral:
		return len(re.Rune) > 0
	case syntax.OpCharClass, syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		return true
	case syntax.OpCapture, syntax.OpPlus:
		return needsText(re.Sub[0])
	case syntax.OpConcat:
		return slices.ContainsFunc(re.Sub, needsText)
	case syntax.OpAlternate:
		return !slices.ContainsFunc(re.Sub, func(sub *syntax.Regexp) bool { return !needsText(sub) })
	}
	return false
}

// mayBreak reports whether a match of re may begin with a line end, or end with
// one. Where that is not plain it may.
func mayBreak(re *syntax.Regexp, backward bool) bool {
	switch re.Op {
	case syntax.OpLiteral:
		if len(re.Rune) == 0 {
			return false
		}
		if backward {
			return re.Rune[len(re.Rune)-1] == '\n'
		}
		return re.Rune[0] == '\n'
	case syntax.OpCharClass:
		for i := 0; i+1 < len(re.Rune); i += 2 {
			if re.Rune[i] <= '\n' && '\n' <= re.Rune[i+1] {
				return true
			}
		}
		return false
	case syntax.OpAnyCharNotNL, syntax.OpEmptyMatch, syntax.OpBeginLine, syntax.OpEndLine, syntax.OpBeginText, syntax.OpEndText, syntax.OpWordBoundary, syntax.OpNoWordBoundary:
		return false
	case syntax.OpCapture, syntax.OpPlus, syntax.OpStar, syntax.OpQuest:
		return mayBreak(re.Sub[0], backward)
	case syntax.OpAlternate:
		return slices.ContainsFunc(re.Sub, func(sub *syntax.Regexp) bool { return mayBreak(sub, backward) })
	case syntax.OpConcat:
		list := slices.Clone(re.Sub)
		if backward {
			slices.Reverse(list)
		}
		for _, sub := range list {
			if mayBreak(sub, backward) {
				return true
			}
			if needsText(sub) {
				return false
			}
		}
		return false
	}
	return true
}

// follows reports whether it is plain that e matches whatever from matches.
func (e *expr) follows(from *expr) bool {
	if e.re.String() == from.re.String() {
		return true
	}
	if e.pure == nil || len(from.branches) == 0 {
		return false
	}
	for _, chain := range from.branches {
		if !slices.ContainsFunc(chain, func(set []needle) bool { return allHave(set, e.pure) }) {
			return false
		}
	}
	return true
}

// allHave reports whether each of set has one of texts in it.
func allHave(set, texts []needle) bool {
	return !slices.ContainsFunc(set, func(have needle) bool {
		return !slices.ContainsFunc(texts, func(t needle) bool { return (t.fold || !have.fold) && t.index(have.text) >= 0 })
	}) && len(set) > 0
}
