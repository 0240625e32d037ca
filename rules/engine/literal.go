package engine

import (
	"regexp/syntax"
	"strings"
	"unicode"
	"unicode/utf8"
)

// What is taken from an expression is bounded: beyond these the text that was
// found so far has to do.
const (
	maxCross  = 16  // texts that a concatenation is spelled out into
	maxUnion  = 64  // texts that an alternation is spelled out into
	maxNeed   = 512 // literals of which one is needed
	maxChain  = 8   // needs that one expression has
	maxText   = 32  // bytes of a literal
	maxSpread = 4   // characters of a class that is spelled out
)

// A Literal is text that a match must have. With Fold, ASCII letters match in
// either case, and Text is in lower case.
type Literal struct {
	Text string
	Fold bool
}

// facts are what is known of the matches of an expression, or of a part of it.
type facts struct {
	known   bool      // exact holds all texts that match, in order of preference
	exact   []Literal // it may be empty: nothing matches
	precise bool      // each occurrence of a text of exact is a match

	// Where not known: each match has one literal of each of chain's sets, in
	// this order, and starts with one of first, if that is not nil.
	chain [][]Literal
	first []Literal
}

// needs returns the chain, also of known texts.
func (f *facts) needs() [][]Literal {
	if !f.known {
		return f.chain
	}
	if hasEmpty(f.exact) {
		return nil
	}
	return [][]Literal{f.exact}
}

// starts returns what each match starts with, nil where that is unknown.
func (f *facts) starts() []Literal {
	switch {
	case !f.known:
		return f.first
	case hasEmpty(f.exact):
		return nil
	}
	return f.exact
}

func hasEmpty(set []Literal) bool {
	for _, l := range set {
		if l.Text == "" {
			return true
		}
	}
	return false
}

func texts(set ...Literal) facts { return facts{known: true, precise: true, exact: set} }

// analyse works out the facts of a simplified expression. They hold for bytes of
// any kind: a literal is whole, valid UTF-8, so that wherever its bytes are,
// regexp reads these characters.
func analyse(re *syntax.Regexp) facts {
	switch re.Op {
	case syntax.OpNoMatch:
		return texts()
	case syntax.OpEmptyMatch:
		return texts(Literal{})
	case syntax.OpBeginLine, syntax.OpEndLine, syntax.OpBeginText, syntax.OpEndText,
		syntax.OpWordBoundary, syntax.OpNoWordBoundary:
		return facts{known: true, exact: []Literal{{}}}
	case syntax.OpLiteral:
		c := newConcat()
		for _, r := range re.Rune {
			c.add(runeFacts(r, re.Flags&syntax.FoldCase != 0))
		}
		return c.facts()
	case syntax.OpCharClass:
		return classFacts(re.Rune)
	case syntax.OpCapture:
		return analyse(re.Sub[0])
	case syntax.OpPlus:
		f := analyse(re.Sub[0])
		return facts{chain: f.needs(), first: f.starts()}
	case syntax.OpQuest:
		f := analyse(re.Sub[0])
		if !f.known || len(f.exact) >= maxCross {
			return facts{}
		}
		none := []Literal{{}}
		if re.Flags&syntax.NonGreedy != 0 {
			f.exact = append(none, f.exact...)
		} else {
			f.exact = append(f.exact[:len(f.exact):len(f.exact)], none...)
		}
		return f
	case syntax.OpConcat:
		c := newConcat()
		for _, sub := range re.Sub {
			c.add(analyse(sub))
		}
		return c.facts()
	case syntax.OpAlternate:
		branches := make([]facts, len(re.Sub))
		for i, sub := range re.Sub {
			branches[i] = analyse(sub)
		}
		return alternate(branches)
	}
	return facts{}
}

// runeFacts spells out one character, with all that it folds to: k also matches
// the Kelvin sign, and s the long s.
func runeFacts(r rune, fold bool) facts {
	return classFacts(folded(r, fold))
}

// folded are r and with fold all that it folds to, as pairs of first and last.
func folded(r rune, fold bool) []rune {
	pairs := []rune{r, r}
	for x := unicode.SimpleFold(r); fold && x != r; x = unicode.SimpleFold(x) {
		pairs = append(pairs, x, x)
	}
	return pairs
}

// classFacts spells out a small class, given as pairs of first and last.
func classFacts(pairs []rune) facts {
	var set []Literal
	n := 0
	for i := 0; i+1 < len(pairs); i += 2 {
		for r := pairs[i]; r <= pairs[i+1]; r++ {
			// regexp also reads U+FFFD where the bytes are not UTF-8.
			if n++; n > maxSpread || r == utf8.RuneError || !utf8.ValidRune(r) {
				return facts{}
			}
			set = append(set, Literal{Text: string(r)})
		}
	}
	return texts(foldPairs(set)...)
}

// foldPairs makes one literal of a letter that is there in both cases.
func foldPairs(set []Literal) []Literal {
	out := set[:0:0]
	for _, l := range set {
		lower := strings.ToLower(l.Text)
		switch {
		case len(l.Text) != 1 || len(lower) != 1 || !both(set, lower):
			out = append(out, l)
		case l.Text == lower:
			out = append(out, Literal{lower, true})
		}
	}
	return out
}

func both(set []Literal, lower string) bool {
	upper := strings.ToUpper(lower)
	n := 0
	for _, l := range set {
		if upper != lower && (l.Text == lower || l.Text == upper) {
			n++
		}
	}
	return n == 2
}

func alternate(branches []facts) facts {
	union := facts{known: true, precise: true}
	for _, f := range branches {
		union.known = union.known && f.known
		union.precise = union.precise && f.precise
		union.exact = append(union.exact, f.exact...)
	}
	if union.known && len(union.exact) <= maxUnion {
		return union
	}
	out := facts{}
	if need, ok := anyOf(branches); ok {
		out.chain = [][]Literal{need}
	}
	for _, f := range branches {
		set := f.starts()
		if set == nil || len(out.first)+len(set) > maxUnion {
			out.first = nil
			break
		}
		out.first = append(out.first, set...)
	}
	return out
}

// anyOf is the set of which a match of any branch has one literal: the rarest
// set of each branch. ok is false where there is none.
func anyOf(branches []facts) (set []Literal, ok bool) {
	for i := range branches {
		chain := branches[i].needs()
		if len(chain) == 0 {
			return nil, false
		}
		best := chain[0]
		for _, s := range chain[1:] {
			if frequency(s) < frequency(best) {
				best = s
			}
		}
		if set = append(set, best...); len(set) > maxNeed {
			return nil, false
		}
	}
	return set, true
}

// A concat gathers the facts of parts that follow one another.
type concat struct {
	run    facts // the texts since the last part that is not known
	broken bool
	out    facts
}

func newConcat() *concat { return &concat{run: texts(Literal{})} }

func (c *concat) add(f facts) {
	if f.known {
		if joined, ok := cross(&c.run, &f); ok {
			c.run = joined
			return
		}
	}
	c.flush(&f)
	if f.known {
		c.run = f
		return
	}
	for _, set := range f.chain {
		c.need(set)
	}
	c.run = texts(Literal{})
}

// flush ends the run; next is what follows it.
func (c *concat) flush(next *facts) {
	if !c.broken {
		c.broken = true
		if c.out.first = c.run.starts(); c.out.first == nil && len(c.run.exact) == 1 {
			c.out.first = next.starts()
		}
	}
	if !hasEmpty(c.run.exact) {
		c.need(c.run.exact)
	}
}

func (c *concat) need(set []Literal) {
	if len(c.out.chain) < maxChain {
		c.out.chain = append(c.out.chain, set)
	}
}

func (c *concat) facts() facts {
	if !c.broken {
		return c.run
	}
	c.flush(&c.run)
	return c.out
}

// cross is each text of a followed by each of b.
func cross(a, b *facts) (facts, bool) {
	if len(a.exact)*len(b.exact) > max(maxCross, len(a.exact), len(b.exact)) {
		return facts{}, false
	}
	out := facts{known: true, precise: a.precise && b.precise}
	for _, x := range a.exact {
		for _, y := range b.exact {
			if len(x.Text)+len(y.Text) > maxText {
				return facts{}, false
			}
			joined, precise := x.join(y)
			out.exact = append(out.exact, joined)
			out.precise = out.precise && precise
		}
	}
	return out, true
}

// join is l followed by m. It is precise where it stands for the same texts.
func (l Literal) join(m Literal) (joined Literal, precise bool) {
	joined = Literal{l.Text + m.Text, l.Fold || m.Fold}
	if !joined.Fold {
		return joined, true
	}
	joined.Text = lowerASCII(joined.Text)
	return joined, (l.Fold || !hasLetter(l.Text)) && (m.Fold || !hasLetter(m.Text))
}

func hasLetter(s string) bool {
	for i := range len(s) {
		if isLetter(s[i]) {
			return true
		}
	}
	return false
}

func isLetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }

func lowerASCII(s string) string {
	b := []byte(s)
	for i, c := range b {
		b[i] = lower(c)
	}
	return string(b)
}

// reduce leaves out each literal that holds another one of the set: looking for
// the other finds it too.
func reduce(set []Literal) []Literal {
	out := set[:0:0]
	for i, l := range set {
		needed := true
		for j, m := range set {
			if i != j && l.holds(m) && (!m.holds(l) || j < i) {
				needed = false
				break
			}
		}
		if needed {
			out = append(out, l)
		}
	}
	return out
}

// holds reports whether wherever l is, m is too.
func (l Literal) holds(m Literal) bool {
	if m.Fold {
		return strings.Contains(lowerASCII(l.Text), m.Text)
	}
	return (!l.Fold || !hasLetter(m.Text)) && strings.Contains(l.Text, m.Text)
}
