package engine

import (
	"errors"
	"regexp/syntax"
	"slices"
	"unicode"
)

const (
	// maxInsts bounds a program; an expression that needs more is left to regexp.
	maxInsts = 8_000
	// maxTails bounds the ends of characters that are shared.
	maxTails = 32
)

// An opcode says what an instruction does.
type opcode uint8

const (
	opFail   opcode = iota
	opBytes         // reads a byte, and goes where its edge leads
	opEither        // goes to first, and if that finds nothing to second
	opAssert        // goes to first, if what is around the place is so
	opMatch
)

type inst struct {
	op            opcode
	assert        syntax.EmptyOp
	first, second int32
	edges         []edge // ascending, of opBytes
	id            int32  // of opMatch: which expression it is
}

// A program is an expression, or several, as a machine over bytes. It reads
// valid UTF-8.
type program struct {
	insts    []inst
	start    int32
	backward bool // it reads from a match's end to its start
	all      bool // all ways count, and not only those that regexp prefers
	asserts  bool
	bits     []int32 // of a union: by id, the bit in rows of so many words
	words    int

	class   [256]uint8 // bytes that nothing tells apart have the same
	classes int
	sample  [256]byte // by class: one of its bytes
}

var errLarge = errors.New("the program is too large")

// A compiler makes programs. Code is made from its end: each part is told where
// to go on.
type compiler struct {
	program
	tails []int32 // instructions that end a character
	full  bool
}

// parse is the tree that regexp makes its program of.
func parse(s string) (*syntax.Regexp, error) {
	tree, err := syntax.Parse(s, syntax.Perl)
	if err != nil {
		return nil, err
	}
	return tree.Simplify(), nil
}

// forward is the program that finds where the match ends that regexp finds.
func forward(tree *syntax.Regexp) (*program, error) {
	return manyForward([]*syntax.Regexp{tree}, false)
}

// manyForward is the program that finds all that match, by their indexes.
func manyForward(trees []*syntax.Regexp, all bool) (*program, error) {
	c := &compiler{program: program{all: all}}
	var starts []int32
	for i, tree := range trees {
		starts = append(starts, c.tree(tree, c.emit(inst{op: opMatch, id: int32(i)})))
	}
	// Later characters come after all that starts here.
	loop := c.emit(inst{op: opEither})
	skip := c.runes([]rune{0, unicode.MaxRune}, loop)
	c.insts[loop].first, c.insts[loop].second = c.anyOf(starts), skip
	return c.done(loop)
}

// backward is the program that finds, from where a match ends, the first place
// at which one can start.
func backward(tree *syntax.Regexp) (*program, error) {
	c := &compiler{program: program{all: true, backward: true}}
	return c.done(c.tree(tree, c.emit(inst{op: opMatch})))
}

func (c *compiler) done(start int32) (*program, error) {
	if c.full {
		return nil, errLarge
	}
	c.start = start
	c.classify()
	p := c.program
	return &p, nil
}

func (c *compiler) emit(i inst) int32 {
	if len(c.insts) >= maxInsts {
		c.full = true
		return 0
	}
	c.insts = append(c.insts, i)
	return int32(len(c.insts) - 1)
}

// anyOf tries the ways in their order.
func (c *compiler) anyOf(ways []int32) int32 {
	if len(ways) == 0 {
		return c.emit(inst{op: opFail})
	}
	at := ways[len(ways)-1]
	for i := len(ways) - 2; i >= 0; i-- {
		at = c.emit(inst{op: opEither, first: ways[i], second: at})
	}
	return at
}

// choice tries one before other, or after it where the expression is not greedy.
func (c *compiler) choice(re *syntax.Regexp, one, other int32) int32 {
	if re.Flags&syntax.NonGreedy != 0 {
		one, other = other, one
	}
	return c.emit(inst{op: opEither, first: one, second: other})
}

// tree is the code for re. What it prefers is exactly what package regexp/syntax
// makes of re, loops of what can be empty included.
func (c *compiler) tree(re *syntax.Regexp, to int32) int32 {
	if c.full {
		return to
	}
	switch re.Op {
	case syntax.OpEmptyMatch:
		return to
	case syntax.OpLiteral:
		return c.literal(re, to)
	case syntax.OpCharClass:
		return c.runes(re.Rune, to)
	case syntax.OpAnyCharNotNL:
		return c.runes([]rune{0, '\n' - 1, '\n' + 1, unicode.MaxRune}, to)
	case syntax.OpAnyChar:
		return c.runes([]rune{0, unicode.MaxRune}, to)
	case syntax.OpBeginLine:
		return c.assertion(syntax.EmptyBeginLine, to)
	case syntax.OpEndLine:
		return c.assertion(syntax.EmptyEndLine, to)
	case syntax.OpBeginText:
		return c.assertion(syntax.EmptyBeginText, to)
	case syntax.OpEndText:
		return c.assertion(syntax.EmptyEndText, to)
	case syntax.OpWordBoundary:
		return c.assertion(syntax.EmptyWordBoundary, to)
	case syntax.OpNoWordBoundary:
		return c.assertion(syntax.EmptyNoWordBoundary, to)
	case syntax.OpCapture:
		return c.tree(re.Sub[0], to)
	case syntax.OpQuest:
		return c.choice(re, c.tree(re.Sub[0], to), to)
	case syntax.OpStar:
		body, loop := c.loop(re, to)
		if nullable(re.Sub[0]) {
			return c.choice(re, body, to)
		}
		return loop
	case syntax.OpPlus:
		body, _ := c.loop(re, to)
		return body
	case syntax.OpConcat:
		for i := range re.Sub {
			if !c.backward {
				i = len(re.Sub) - 1 - i
			}
			to = c.tree(re.Sub[i], to)
		}
		return to
	case syntax.OpAlternate:
		var ways []int32
		for _, sub := range re.Sub {
			ways = append(ways, c.tree(sub, to))
		}
		return c.anyOf(ways)
	}
	return c.emit(inst{op: opFail})
}

// loop is the code for once or more: it begins at body, and decides at loop
// whether to do it again.
func (c *compiler) loop(re *syntax.Regexp, to int32) (body, loop int32) {
	loop = c.choice(re, to, to)
	body = c.tree(re.Sub[0], loop)
	if re.Flags&syntax.NonGreedy != 0 {
		c.insts[loop].second = body
	} else {
		c.insts[loop].first = body
	}
	return body, loop
}

func (c *compiler) assertion(op syntax.EmptyOp, to int32) int32 {
	c.asserts = true
	return c.emit(inst{op: opAssert, assert: op, first: to})
}

func (c *compiler) literal(re *syntax.Regexp, to int32) int32 {
	for i := range re.Rune {
		if !c.backward {
			i = len(re.Rune) - 1 - i
		}
		pairs := folded(re.Rune[i], re.Flags&syntax.FoldCase != 0)
		slices.Sort(pairs)
		to = c.runes(pairs, to)
	}
	return to
}

// nullable reports whether re can match nothing, as regexp/syntax sees it.
func nullable(re *syntax.Regexp) bool {
	switch re.Op {
	case syntax.OpLiteral, syntax.OpCharClass, syntax.OpAnyChar, syntax.OpAnyCharNotNL, syntax.OpNoMatch:
		return re.Op == syntax.OpLiteral && len(re.Rune) == 0
	case syntax.OpCapture, syntax.OpPlus:
		return nullable(re.Sub[0])
	case syntax.OpConcat:
		for _, sub := range re.Sub {
			if !nullable(sub) {
				return false
			}
		}
		return true
	case syntax.OpAlternate:
		for _, sub := range re.Sub {
			if nullable(sub) {
				return true
			}
		}
		return false
	}
	return true
}

// classify gives bytes that lead nowhere different the same class.
func (c *compiler) classify() {
	var starts [257]bool // a class starts here
	cut := func(low, high int) { starts[low], starts[high+1] = true, true }
	for i := range c.insts {
		for _, e := range c.insts[i].edges {
			cut(int(e.low), int(e.high))
		}
	}
	if c.asserts {
		cut('\n', '\n')
		cut('0', '9')
		cut('A', 'Z')
		cut('a', 'z')
		cut('_', '_')
	}
	for b := range 256 {
		if b > 0 && starts[b] {
			c.classes++
		}
		c.class[b] = uint8(c.classes)
		c.sample[c.classes] = byte(b)
	}
	c.classes++
}

// next is where a byte leads; ok is false where it leads nowhere.
func (i *inst) next(b byte) (to int32, ok bool) {
	for _, e := range i.edges {
		if b < e.low {
			return 0, false
		}
		if b <= e.high {
			return e.to, true
		}
	}
	return 0, false
}
