// Package engine finds expressions in records: exactly what package regexp finds, in one pass for
// all of them.
package engine

import (
	"bytes"
	"fmt"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"
)

const (
	// maxExpr bounds the length of an expression, in bytes.
	maxExpr = 10_000
	// tooFrequent is the share of bytes at which a literal starts from which on
	// it is in most lines, and looking for it first tells nothing.
	tooFrequent = 1.0 / 250
)

// An Expr is one compiled expression. It answers exactly as its regexp does,
// only sooner.
type Expr struct {
	re      *regexp.Regexp
	alone   *regexp.Regexp // the same for a text of one line: ^ is looked for at its start only
	upTo    *regexp.Regexp // the same after as little of anything as can be: its end is the match's end
	loops   int            // how many *, + and {n,} it has
	asserts bool           // has ^, $, \b or the like: a match depends on what is around it

	source string // with lines in front
	once   sync.Once
	ends   *dfa // nil where it would be too large
	starts *dfa
	room   *Room

	pure     []Needle     // these texts are all matches, in order of preference; re is not needed
	branches [][][]Needle // a match has, of one branch, one needle of each set, in order
	first    []Needle     // each match starts with one of these, where not nil
	seek     []Literal    // each match has one of these; nil where nothing is worth seeking
}

// lines makes ^ and $ those of a line: what was written for lines has to find
// them inside of a record of several, too.
const lines = "(?m)"

// Compile returns a *syntax.Error where s is not an expression.
func Compile(s string) (*Expr, error) {
	if len(s) > maxExpr {
		return nil, fmt.Errorf("not an expression: it is longer than %d bytes", maxExpr)
	}
	tree, err := syntax.Parse(s, syntax.Perl&^syntax.OneLine)
	if err != nil {
		return nil, err
	}
	e := &Expr{source: lines + s}
	if e.re, err = regexp.Compile(e.source); err != nil {
		return nil, err
	}
	if e.upTo, err = regexp.Compile(`(?s:\A.*?)(?m:` + s + `)`); err != nil {
		return nil, err
	}
	tree = tree.Simplify()
	e.loops = loops(tree)
	if e.alone, e.asserts = e.re, hasAssertion(tree); e.asserts {
		if e.alone, err = regexp.Compile(s); err != nil {
			return nil, err
		}
	}
	e.learn(tree)
	return e, nil
}

func (e *Expr) learn(tree *syntax.Regexp) {
	for tree.Op == syntax.OpCapture {
		tree = tree.Sub[0]
	}
	all := analyse(tree)
	if all.known && all.precise && !hasEmpty(all.exact) {
		e.pure = needles(all.exact)
	}
	if e.first = needles(all.starts()); !soon(e.first) {
		e.first = nil
	}
	parts := []facts{all}
	if tree.Op == syntax.OpAlternate && !all.known {
		parts = parts[:0]
		for _, sub := range tree.Sub {
			parts = append(parts, analyse(sub))
		}
	}
	for i := range parts {
		var chain [][]Needle
		for _, set := range parts[i].needs() {
			chain = append(chain, needles(set))
		}
		e.branches = append(e.branches, chain)
	}
	if set, ok := anyOf(parts); ok && frequency(set) < tooFrequent {
		e.seek = append([]Literal{}, reduce(set)...)
	}
}

func hasAssertion(re *syntax.Regexp) bool {
	switch re.Op {
	case syntax.OpBeginLine, syntax.OpEndLine, syntax.OpBeginText, syntax.OpEndText,
		syntax.OpWordBoundary, syntax.OpNoWordBoundary:
		return true
	}
	for _, sub := range re.Sub {
		if hasAssertion(sub) {
			return true
		}
	}
	return false
}

// loops counts what may go on for as long as it likes.
func loops(re *syntax.Regexp) (n int) {
	if re.Op == syntax.OpStar || re.Op == syntax.OpPlus {
		n++
	}
	for _, sub := range re.Sub {
		n += loops(sub)
	}
	return n
}

// Loops is how many *, + and {n,} the expression has: while one goes on, others may
// as well, so that the states of a Union are many where there are many.
func (e *Expr) Loops() int { return e.loops }

// Source is the expression as it was written.
func (e *Expr) Source() string { return strings.TrimPrefix(e.re.String(), lines) }

// Regexp is what the expression answers as.
func (e *Expr) Regexp() *regexp.Regexp { return e.re }

// Alone is the same where ^ and $ are the start and the end of a text, and of no
// line in it.
func (e *Expr) Alone() *regexp.Regexp { return e.alone }

// Asserts reports whether the expression has ^, $, \b or the like: its matches
// depend on what is around them.
func (e *Expr) Asserts() bool { return e.asserts }

// Seek is the literals of which each record with a match has one; nil where
// nothing is worth looking for.
func (e *Expr) Seek() []Literal { return e.seek }

// MatchesAll reports whether the expression holds for whatever a line says.
func (e *Expr) MatchesAll() bool { return e.re.MatchString("") && e.re.MatchString("\x00") }

// Find is regexp's FindIndex, without its allocation.
func (e *Expr) Find(body []byte) (start, end int, ok bool) {
	if e.pure != nil && soon(e.pure) {
		return findFirst(body, e.pure)
	}
	if !e.possible(body) {
		return 0, 0, false
	}
	from := 0
	if e.first != nil {
		if from, _, ok = findFirst(body, e.first); !ok {
			return 0, 0, false
		}
	}
	if start, end, known := e.run(body, from); known {
		return start, end, end >= 0
	}
	if e.asserts {
		from = 0 // what is before decides as well
	}
	if body == nil {
		body = []byte{} // of nil, an empty match cannot be told from none
	}
	m := e.of(body).Find(body[from:])
	if m == nil {
		return 0, 0, false
	}
	start = e.locate(body, from, m)
	return start, start + len(m), true
}

// Matches reports whether Find finds something, sooner where it matters not where.
func (e *Expr) Matches(body []byte) bool {
	if e.pure != nil && soon(e.pure) {
		_, _, ok := findFirst(body, e.pure)
		return ok
	}
	if !e.possible(body) {
		return false
	}
	e.once.Do(func() { e.build(maxStates) })
	if e.ends != nil && utf8.Valid(body) {
		if end, known := e.ends.end(body, 0); known {
			return end >= 0
		}
	}
	_, _, ok := e.Find(body)
	return ok
}

// run finds the match by the expression's own machines; known is false where only
// regexp can. The end is -1 where there is none.
func (e *Expr) run(body []byte, from int) (start, end int, known bool) {
	e.once.Do(func() { e.build(maxStates) })
	if e.ends == nil || !utf8.Valid(body[from:]) {
		return 0, 0, false
	}
	if end, known = e.ends.end(body, from); !known || end < 0 {
		return 0, end, known
	}
	start, known = e.starts.first(body, from, end)
	return start, end, known && start >= 0
}

// build makes the machines, with so many bytes of states each. Most rules never
// find a line that needs them.
func (e *Expr) build(limit int) {
	tree, err := parse(e.source)
	if err != nil {
		return
	}
	ends, err := forward(tree)
	if err != nil {
		return
	}
	starts, err := backward(tree)
	if err != nil {
		return
	}
	e.ends, e.starts = newDFA(ends, limit), newDFA(starts, limit)
	e.ends.room, e.starts.room = e.room, e.room
}

// Share makes the expression take the room of its states from r. It is called
// before anything is looked for.
func (e *Expr) Share(r *Room) { e.room = r }

// soon reports whether looking for these texts is sooner done than to run the
// machine.
func soon(set []Needle) bool {
	return len(set) <= 1 || len(set) <= 8 && !slices.ContainsFunc(set, func(n Needle) bool { return n.Fold })
}

// Groups is regexp's FindSubmatchIndex for the match from start to end. The
// indexes are those of text, which is body or a part of it.
func (e *Expr) Groups(body []byte, start, end int) (text []byte, at []int) {
	text = body
	if !e.asserts {
		text = body[start:end] // a long record need not be searched again
	}
	return text, e.of(text).FindSubmatchIndex(text)
}

// of is the expression for the Text: what has one line is searched sooner.
func (e *Expr) of(text []byte) *regexp.Regexp {
	if e.asserts && bytes.IndexByte(text, '\n') < 0 {
		return e.alone
	}
	return e.re
}

// locate says where in body the match m is: Find gives its text only. It is the
// text's first occurrence where nothing but the text decides whether it
// matches, and of course where it is the only one.
func (e *Expr) locate(body []byte, from int, m []byte) int {
	at := from + bytes.Index(body[from:], m)
	if !e.asserts && utf8.Valid(m) {
		return at
	}
	if at == len(body) || !bytes.Contains(body[at+1:], m) {
		return at
	}
	return len(e.upTo.Find(body)) - len(m)
}

// possible reports whether body has what a match needs.
func (e *Expr) possible(body []byte) bool {
	for _, chain := range e.branches {
		if hasChain(body, chain) {
			return true
		}
	}
	return false
}

func hasChain(body []byte, chain [][]Needle) bool {
	for _, set := range chain {
		next := -1
		if !soon(set) {
			continue
		}
		for i := range set {
			if at := set[i].Index(body); at >= 0 && (next < 0 || at+len(set[i].Text) < next) {
				next = at + len(set[i].Text)
			}
		}
		if next < 0 {
			return false
		}
		body = body[next:]
	}
	return true
}

// findFirst finds the needle that comes first, of several there the first of
// the set.
func findFirst(body []byte, set []Needle) (start, end int, ok bool) {
	start = len(body)
	for i := range set {
		n := &set[i]
		// A later one has to start before what was found.
		if i := n.Index(body[:min(len(body), start+len(n.Text)-1)]); i >= 0 {
			start, end, ok = i, i+len(n.Text), true
		}
	}
	return start, end, ok
}

// A Needle is a literal to look for.
type Needle struct {
	Text []byte
	Fold bool
	rare int // where in Text the byte is that logs have least, for Index
}

func needles(set []Literal) []Needle {
	if set == nil {
		return nil
	}
	out := make([]Needle, len(set))
	for i, l := range set {
		out[i] = Needle{Text: []byte(l.Text), Fold: l.Fold}
		out[i].rare, _ = out[i].rarest()
	}
	return out
}

// Index is where in b the needle first is, or -1.
func (n *Needle) Index(b []byte) int {
	if !n.Fold {
		return bytes.Index(b, n.Text)
	}
	if len(b) < len(n.Text) {
		return -1
	}
	// A match has the rare byte in one case or the other, each of which is looked
	// for by itself: where lines have it in one case only, the other costs one look.
	c := n.Text[n.rare]
	in := b[:len(b)-len(n.Text)+n.rare+1]
	low, up := after(in, c, n.rare), len(in)
	if isLetter(c) {
		up = after(in, c^0x20, n.rare)
	}
	for {
		at := min(low, up)
		if at == len(in) {
			return -1
		}
		if start := at - n.rare; n.Is(b[start : start+len(n.Text)]) {
			return start
		}
		if at == low {
			low = after(in, c, at+1)
		} else {
			up = after(in, c^0x20, at+1)
		}
	}
}

// after is where c first is in b from i on, len(b) where it is not.
func after(b []byte, c byte, i int) int {
	if n := bytes.IndexByte(b[i:], c); n >= 0 {
		return i + n
	}
	return len(b)
}

// Is reports whether b, which is as long as the needle, is the needle.
func (n *Needle) Is(b []byte) bool {
	if !n.Fold {
		return bytes.Equal(b, n.Text)
	}
	for i, c := range n.Text {
		if lower(b[i]) != c {
			return false
		}
	}
	return true
}

// lower is c in lower case, where it is an ASCII letter.
func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c | 0x20
	}
	return c
}
