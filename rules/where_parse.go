package rules

import (
	"fmt"
	"slices"
	"strings"

	"github.com/webgrip/logkeel/rules/engine"

	"github.com/webgrip/logkeel/agent/conf"
)

const (
	// maxWhere bounds the length of a condition, in bytes.
	maxWhere = 2000
	// maxNesting bounds how deep its parentheses and nots go.
	maxNesting = 50
)

// A whereError is what is wrong with a condition, and what to do.
type whereError struct {
	column    int // in characters, from 1
	msg, hint string
}

// A whereParser reads one condition, a token at a time.
//
//	or         = and { "or" and }
//	and        = not { "and" not }
//	not        = "not" not | "(" or ")" | comparison
//	comparison = name ( operator literal | "in" "(" literal { "," literal } ")" )
type whereParser struct {
	lexer
	token   token // that is read next
	nesting int
	known   func(group string) *whereError // nil where there is such a group
	groups  []string
}

// parseWhere reads a condition. Of each group that it asks for known says what
// is wrong with it, if anything; the column is filled in.
func parseWhere(s string, known func(group string) *whereError) (*where, *whereError) {
	if len(s) > maxWhere {
		return nil, &whereError{1, fmt.Sprintf("it is longer than %d bytes", maxWhere), "make several rules of it"}
	}
	p := &whereParser{lexer: lexer{text: s}, known: known}
	if err := p.next(); err != nil {
		return nil, err
	}
	root, err := p.or()
	if err != nil {
		return nil, err
	}
	if p.token.kind != endToken {
		return nil, p.unexpected(`"and", "or" or the end`)
	}
	return &where{root, p.groups}, nil
}

func (p *whereParser) next() (err *whereError) {
	p.token, err = p.lexer.next()
	return err
}

// unexpected says that something else than the token has to stand there.
func (p *whereParser) unexpected(want string) *whereError {
	hint := "write it as seconds > 1.5 and user != 'root'"
	switch {
	case p.token.text == "AND" || p.token.text == "OR" || p.token.text == "NOT":
		hint = `write "` + strings.ToLower(p.token.text) + `"`
	case p.token.kind == closeToken:
		hint = "open a parenthesis before it, or remove it"
	}
	return p.at(p.token.at, hint, "expected %s, found %s", want, p.token)
}

func (p *whereParser) or() (term, *whereError)  { return p.list("or", oneHolds, p.and) }
func (p *whereParser) and() (term, *whereError) { return p.list("and", allHold, p.not) }

// list reads terms with a word between them.
func (p *whereParser) list(word string, j join, element func() (term, *whereError)) (term, *whereError) {
	first, err := element()
	if err != nil || !p.token.is(word) {
		return first, err
	}
	t := term{join: j, terms: []term{first}}
	for p.token.is(word) {
		if err := p.next(); err != nil {
			return t, err
		}
		next, err := element()
		if err != nil {
			return t, err
		}
		t.terms = append(t.terms, next)
	}
	return t, nil
}

func (p *whereParser) not() (term, *whereError) {
	negated := p.token.is("not")
	if !negated && p.token.kind != openToken {
		return p.comparison()
	}
	opened := p.token.at
	if p.nesting++; p.nesting > maxNesting {
		return term{}, p.at(opened, "write it with less of them", "more than %d parentheses and nots in one another", maxNesting)
	}
	defer func() { p.nesting-- }()
	if err := p.next(); err != nil {
		return term{}, err
	}
	if negated {
		t, err := p.not()
		return term{join: negates, terms: []term{t}}, err
	}
	t, err := p.or()
	switch {
	case err != nil:
		return t, err
	case p.token.kind == endToken:
		return t, p.at(opened, "write ) after what belongs together", "the parenthesis is not closed")
	case p.token.kind != closeToken:
		return t, p.unexpected(`"and", "or" or a )`)
	}
	return t, p.next()
}

func (p *whereParser) comparison() (term, *whereError) {
	group := p.token
	switch {
	case group.kind == numberToken || group.kind == textToken:
		return term{}, p.at(group.at, "write the group first, as in seconds > 1.5", "expected a group, found %s", group)
	case group.kind != nameToken && (group.kind != wordToken || group.isKeyword()):
		return term{}, p.unexpected("a group")
	}
	if err := p.known(group.text); err != nil {
		err.column = p.column(group.at)
		return term{}, err
	}
	if err := p.next(); err != nil {
		return term{}, err
	}
	op := p.token
	if op.is("in") {
		return p.in(group)
	}
	if op.is("not") {
		return term{}, p.at(op.at, "write not "+group.text+" in (...)", "expected an operator, found %s", op)
	}
	if op.kind != operatorToken {
		return term{}, p.unexpected("==, !=, <, <=, >, >=, =~, !~ or in")
	}
	if err := p.next(); err != nil {
		return term{}, err
	}
	c := comparison{group: p.groupIndex(group.text), op: operator(op.text), literal: p.token.text}
	if err := p.literal(op, &c); err != nil {
		return term{}, err
	}
	return term{comparison: c}, p.next()
}

// in reads a list of values, of which what the group found has to be one.
func (p *whereParser) in(group token) (term, *whereError) {
	const hint = "write it as method in ('GET', 'HEAD')"
	t := term{join: oneHolds}
	is := token{kind: operatorToken, text: string(equal), at: p.token.at}
	if err := p.next(); err != nil {
		return t, err
	}
	if p.token.kind != openToken {
		return t, p.at(p.token.at, hint, "expected a (, found %s", p.token)
	}
	for p.token.kind != closeToken {
		if err := p.next(); err != nil {
			return t, err
		}
		c := comparison{group: p.groupIndex(group.text), op: equal, literal: p.token.text}
		if err := p.literal(is, &c); err != nil {
			return t, err
		}
		t.terms = append(t.terms, term{comparison: c})
		if err := p.next(); err != nil {
			return t, err
		}
		if p.token.kind != commaToken && p.token.kind != closeToken {
			return t, p.at(p.token.at, hint, "expected a comma or a ), found %s", p.token)
		}
	}
	if len(t.terms) == 1 {
		t = t.terms[0]
	}
	return t, p.next()
}

func (p *whereParser) groupIndex(name string) int {
	i := slices.Index(p.groups, name)
	if i < 0 {
		i = len(p.groups)
		p.groups = append(p.groups, name)
	}
	return i
}

// literal reads what c compares with, and judges whether its operator can.
func (p *whereParser) literal(op token, c *comparison) *whereError {
	lit := p.token
	expression := c.op == matches || c.op == matchesNot
	switch {
	case lit.kind == numberToken && expression:
		return p.at(lit.at, "put it in quotes", "%s takes an expression, found %s", op, lit)
	case lit.kind == numberToken:
		var ok bool
		if c.value, c.unit, ok = parseQuantity(lit.text); !ok || len(lit.text) > maxNumber {
			return p.at(lit.at, "write 0.5, 250ms, 1m30s or 10MiB, and put a text in quotes", "%s is not a number", lit)
		}
	case lit.kind == textToken && expression:
		re, err := engine.Compile(lit.text)
		if err != nil {
			msg, hint := conf.ExplainRegexp(err)
			return p.at(lit.at, hint, "%s", msg)
		}
		c.isText, c.re = true, re
	case lit.kind == textToken && c.op != equal && c.op != notEqual:
		return p.at(lit.at, "remove the quotes of a number; for a text use ==, !=, =~ or !~", "%s compares numbers, found %s", op, lit)
	case lit.kind == textToken:
		c.isText = true
	case lit.kind == wordToken:
		return p.at(lit.at, "put a text in quotes", "expected a number or a text, found %s", lit)
	default:
		return p.unexpected("a number or a text")
	}
	return nil
}

// String is the condition as parseWhere reads it.
func (w *where) String() string {
	var b strings.Builder
	w.write(&b, &w.root)
	return b.String()
}

func (w *where) write(b *strings.Builder, t *term) {
	word := " and "
	switch t.join {
	case compares:
		w.writeComparison(b, &t.comparison)
		return
	case negates:
		b.WriteString("not ")
	case oneHolds:
		word = " or "
	}
	for i := range t.terms {
		if i > 0 {
			b.WriteString(word)
		}
		sub := &t.terms[i]
		if sub.join == compares || sub.join == negates || t.join == oneHolds && sub.join == allHold {
			w.write(b, sub)
			continue
		}
		b.WriteString("(")
		w.write(b, sub)
		b.WriteString(")")
	}
}

func (w *where) writeComparison(b *strings.Builder, c *comparison) {
	quotes := ""
	switch {
	case c.isText && strings.Contains(c.literal, "'"):
		quotes = `"`
	case c.isText:
		quotes = "'"
	}
	b.WriteString(quoteName(w.groups[c.group]) + " " + string(c.op) + " " + quotes + c.literal + quotes)
}

// quoteName is a name as it is written: in backticks where it is no word.
func quoteName(name string) string {
	word := isLetter(name[0]) || name[0] == '_'
	if word && nameLen(name) == len(name) && !(token{kind: wordToken, text: name}).isKeyword() {
		return name
	}
	return "`" + name + "`"
}
