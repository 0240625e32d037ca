package rules

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// A lexer cuts a condition into tokens.
type lexer struct {
	text string
	pos  int
}

type tokenKind uint8

const (
	endToken tokenKind = iota
	wordToken
	nameToken // in backticks
	numberToken
	textToken
	operatorToken
	openToken
	closeToken
	commaToken
)

type token struct {
	kind tokenKind
	text string // without quotes
	at   int    // in bytes
}

func (t token) is(word string) bool { return t.kind == wordToken && t.text == word }

func (t token) isKeyword() bool { return t.is("and") || t.is("or") || t.is("not") }

// String is the token as it is told of.
func (t token) String() string {
	switch t.kind {
	case endToken:
		return "the end"
	case textToken:
		return "the text " + quote(t.text)
	case operatorToken, openToken, closeToken, commaToken:
		return t.text
	}
	return quote(t.text)
}

// column is where the byte stands for people.
func (l *lexer) column(at int) int { return utf8.RuneCountInString(l.text[:at]) + 1 }

func (l *lexer) at(at int, hint, format string, args ...any) *whereError {
	return &whereError{l.column(at), fmt.Sprintf(format, args...), hint}
}

func (l *lexer) next() (token, *whereError) {
	l.pos += len(l.text[l.pos:]) - len(strings.TrimLeft(l.text[l.pos:], " \t\r\n"))
	start := l.pos
	rest := l.text[start:]
	if rest == "" {
		return token{endToken, "", start}, nil
	}
	take := func(kind tokenKind, n int) (token, *whereError) {
		l.pos += n
		return token{kind, rest[:n], start}, nil
	}
	c := rest[0]
	switch {
	case c == '(':
		return take(openToken, 1)
	case c == ')':
		return take(closeToken, 1)
	case c == ',':
		return take(commaToken, 1)
	case c == '\'' || c == '"':
		return l.quoted(start)
	case c == '`':
		return l.name(start)
	case isLetter(c) || c == '_':
		return take(wordToken, nameLen(rest))
	case '0' <= c && c <= '9' || c == '.' || c == '-' || c == '+':
		return take(numberToken, quantityLen(rest))
	}
	for _, op := range []operator{equal, notEqual, lessEqual, greaterEqual, matches, matchesNot, less, greater} {
		if strings.HasPrefix(rest, string(op)) {
			return take(operatorToken, len(op))
		}
	}
	return token{}, l.foreign(start)
}

// quoted reads a text. It has no escapes, so that expressions are as in match.
func (l *lexer) quoted(start int) (token, *whereError) {
	rest := l.text[start+1:]
	n := strings.IndexByte(rest, l.text[start])
	if n < 0 {
		return token{}, l.at(start, "close it; a text with ' in it goes in \"", "the quote is not closed")
	}
	l.pos = start + n + 2
	return token{textToken, rest[:n], start}, nil
}

// name reads the name of a field that is no word, as `user-agent`.
func (l *lexer) name(start int) (token, *whereError) {
	t, err := l.quoted(start)
	switch {
	case err != nil:
		err.hint = "close it, as in `user-agent` == 'x'"
	case t.text == "":
		return t, l.at(start, "write the field's name, as in `user-agent` == 'x'", "the name is empty")
	}
	t.kind = nameToken
	return t, err
}

// foreign says what to write instead of what other languages have.
func (l *lexer) foreign(at int) *whereError {
	hint := "write it as seconds > 1.5 and user != 'root'"
	r, n := utf8.DecodeRuneInString(l.text[at:])
	text := l.text[at : at+n]
	switch r {
	case '=':
		hint = "write == for equal"
	case '!':
		hint = `write "not", != or !~`
	case '&':
		hint = `write "and"`
	case '|':
		hint = `write "or"`
	case '~':
		hint = "write =~ or !~"
	case '/':
		hint = "write an expression in quotes"
	}
	return l.at(at, hint, "%s does not belong here", quote(text))
}

func wordLen(s string) int {
	n := 0
	for n < len(s) && (isLetter(s[n]) || s[n] == '_' || '0' <= s[n] && s[n] <= '9') {
		n++
	}
	return n
}

// nameLen is the length of the name at the start of s: words, with a point
// between them where one is inside of the other.
func nameLen(s string) int {
	n := wordLen(s)
	for n < len(s) && s[n] == '.' {
		more := wordLen(s[n+1:])
		if more == 0 {
			break
		}
		n += 1 + more
	}
	return n
}

// quantityLen is the length of the number at the start of s with all that is
// written to it, whether it is right or not.
func quantityLen(s string) int {
	n := 1
	for n < len(s) {
		r, size := utf8.DecodeRuneInString(s[n:])
		sign := (r == '-' || r == '+') && (s[n-1] == 'e' || s[n-1] == 'E')
		if !sign && r != '.' && r != '\u00b5' && r != '\u03bc' && wordLen(s[n:n+1]) == 0 {
			break
		}
		n += size
	}
	return n
}
