package conf

import (
	"errors"
	"fmt"
	"regexp/syntax"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// ExplainRegexp says what is wrong with an expression, and what to do.
func ExplainRegexp(err error) (msg, hint string) {
	var se *syntax.Error
	if !errors.As(err, &se) {
		return err.Error(), "shorten it, or make a list of it"
	}
	msg = fmt.Sprintf("not an expression: %s in %s", se.Code, Quote(se.Expr))
	code := se.Code
	if strings.HasPrefix(se.Expr, "(?<=") || strings.HasPrefix(se.Expr, "(?<!") {
		code = syntax.ErrInvalidPerlOp
	}
	switch code {
	case syntax.ErrInvalidPerlOp:
		return msg, "RE2 does not look ahead or behind; write what must not be there under not"
	case syntax.ErrInvalidCharRange:
		return msg, "write a range from the lower to the higher character"
	case syntax.ErrInvalidEscape, syntax.ErrTrailingBackslash:
		return msg, `RE2 has no such escape; write \\ for a backslash (it has no back-references)`
	case syntax.ErrMissingParen, syntax.ErrUnexpectedParen, syntax.ErrMissingBracket:
		return msg, "close it, or put a backslash before it where it stands for itself"
	case syntax.ErrMissingRepeatArgument, syntax.ErrInvalidRepeatOp:
		return msg, "put a backslash before it where it stands for itself"
	case syntax.ErrLarge, syntax.ErrNestingDepth, syntax.ErrInvalidRepeatSize:
		return msg, "repeat less, or make a list of it"
	}
	return msg, "see https://github.com/google/re2/wiki/Syntax"
}

// Quote puts a text in quotes as it is written, where it can be printed.
func Quote(s string) string {
	const most = 60
	if r := []rune(s); len(r) > most {
		s = string(r[:most]) + "..."
	}
	if strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) || r == utf8.RuneError }) {
		return strconv.Quote(s)
	}
	return `"` + s + `"`
}
