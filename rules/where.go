package rules

import (
	"bytes"

	"github.com/webgrip/logkeel/rules/engine"
	"github.com/webgrip/logkeel/rules/fields"
)

// A where is a condition on what the named groups of an expression found, and
// on fields. A comparison whose group found nothing, or no number where it takes one, is
// false; not turns that round.
type where struct {
	root   term
	groups []string // that it asks for, or fields; a comparison has the index
}

// A term is a comparison, or joins other terms.
type term struct {
	join  join
	terms []term // one for not, two at least for and and or
	comparison
}

type join uint8

const (
	compares join = iota
	allHold
	oneHolds
	negates
)

// A comparison is what one group has to be: a number, a text, or something that
// an expression matches.
type comparison struct {
	group   int
	op      operator
	literal string // as it was written, without quotes

	isText bool
	re     *engine.Expr // of =~ and !~
	among  *among       // what looks for that and others together, or nil
	bit    int32        // there
	value  float64      // of a number, in seconds or bytes where it has a unit
	unit   unit
}

// An operator compares; it is spelled as in the file.
type operator string

const (
	equal        operator = "=="
	notEqual     operator = "!="
	less         operator = "<"
	lessEqual    operator = "<="
	greater      operator = ">"
	greaterEqual operator = ">="
	matches      operator = "=~"
	matchesNot   operator = "!~"
)

// A found is what one match of an expression found in body, and the fields of
// the record where the rule has a format.
type found struct {
	body    []byte
	at      []int // as of regexp's FindSubmatchIndex
	slots   []int // by index in where.groups: the expression's group, or -1
	numbers []int // by index in where.groups: the field's number, or -1
	fields  *fields.Values
	reading *reading // that fields are of, or nil
}

func (f *found) group(i int) ([]byte, bool) {
	if f.fields != nil && f.numbers[i] >= 0 {
		return f.fields.Get(f.numbers[i])
	}
	slot := f.slots[i]
	if slot < 0 || f.at[2*slot] < 0 {
		return nil, false
	}
	return f.body[f.at[2*slot]:f.at[2*slot+1]], true
}

// bind says to the expression which groups w asks for.
func (w *where) bind(e *expr) {
	e.slots = nil
	for _, name := range w.groups {
		e.slots = append(e.slots, e.Regexp().SubexpIndex(name))
	}
}

func (w *where) holds(f *found) bool { return w.root.holds(f) }

func (t *term) holds(f *found) bool {
	switch t.join {
	case allHold:
		for i := range t.terms {
			if !t.terms[i].holds(f) {
				return false
			}
		}
		return true
	case oneHolds:
		for i := range t.terms {
			if t.terms[i].holds(f) {
				return true
			}
		}
		return false
	case negates:
		return !t.terms[0].holds(f)
	}
	text, ok := f.group(t.group)
	if ok && t.among != nil {
		if yes, known := f.reading.matches(&t.comparison, text); known {
			return yes == (t.op == matches)
		}
	}
	return ok && t.comparison.holds(text)
}

func (c *comparison) holds(text []byte) bool {
	switch {
	case c.re != nil:
		return c.found(text) == (c.op == matches)
	case c.isText:
		return (string(text) == c.literal) == (c.op == equal)
	}
	v, ok := c.number(text)
	if !ok {
		return false
	}
	switch c.op {
	case equal:
		return v == c.value
	case notEqual:
		return v != c.value
	case less:
		return v < c.value
	case lessEqual:
		return v <= c.value
	case greater:
		return v > c.value
	}
	return v >= c.value
}

// found reports whether the expression matches somewhere in text, which is one
// text and not lines: ^ and $ are its start and end.
func (c *comparison) found(text []byte) bool {
	if c.re.Asserts() && bytes.IndexByte(text, '\n') >= 0 {
		return c.re.Alone().Match(text)
	}
	return c.re.Matches(text)
}

// number reads what was found in the literal's unit. Without one it is in
// seconds or bytes already.
func (c *comparison) number(text []byte) (float64, bool) {
	if v, ok := plainNumber(text); ok {
		return v, true
	}
	if len(text) > maxNumber {
		return 0, false
	}
	v, unit, ok := parseQuantity(string(bytes.TrimSpace(text)))
	return v, ok && (unit == c.unit || unit == noUnit)
}

// plainNumber reads what most numbers in logs are, digits and maybe a point, just
// as strconv does: so few digits and their power of ten are exact, so that their
// quotient is the nearest there is.
func plainNumber(text []byte) (float64, bool) {
	if len(text) == 0 || len(text) > len(powers) {
		return 0, false
	}
	n, point := 0, -1
	for i, c := range text {
		switch {
		case isDigit(c):
			n = 10*n + int(c-'0')
		case c == '.' && point < 0 && i > 0:
			point = i
		default:
			return 0, false
		}
	}
	switch point {
	case -1:
		return float64(n), true
	case len(text) - 1:
		return 0, false
	}
	return float64(n) / powers[len(text)-1-point], true
}

// powers are those of ten.
var powers = [...]float64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14}
