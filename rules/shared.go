package rules

import (
	"fmt"
	"strings"

	"github.com/webgrip/logkeel/rules/fields"
)

// A memo is what was found in one record, for others that ask for the same.
type memo struct {
	turn       uint64 // of the reading; another one is about another record
	start, end int
	ok         bool
}

// memo is the one of that number, nil where there is none: nobody else asks, or
// the reading keeps none.
func (x *reading) memo(number int32) *memo {
	if uint32(number) >= uint32(len(x.memos)) {
		return nil
	}
	return &x.memos[number]
}

// share numbers what several rules ask of a record: the same expression, the same
// with the same condition, the same not. A rule and the one that counts its
// findings are judged once.
func (s *Set) share() {
	find, hold, not := sharing{}, sharing{}, sharing{}
	for i := range s.rules {
		r := &s.rules[i]
		r.excluding = -1
		for _, e := range s.exprs[r.first:r.end] {
			e.finding, e.holding = -1, -1
			if !e.unmatched {
				find.add(e.Source(), &e.finding)
			}
			if r.where != nil || r.format != fields.None {
				hold.add(r.asks(e), &e.holding)
			}
		}
		if len(r.not) > 0 {
			not.add(fmt.Sprintf("%q", s.written(r.not)), &r.excluding)
		}
	}
	for _, of := range []sharing{find, hold, not} {
		for _, askers := range of {
			if len(askers) == 1 {
				*askers[0] = -1
				continue
			}
			for _, number := range askers {
				*number = int32(s.memos)
			}
			s.memos++
		}
	}
}

// A sharing has, by what is asked for, the numbers of those who ask.
type sharing map[string][]*int32

func (s sharing) add(what string, number *int32) { s[what] = append(s[what], number) }

// asks is all that decides whether the rule holds for a record by the expression,
// but for what must not be there, and what is shown of the record then.
func (r *rule) asks(e *expr) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%t %q %d %d ", e.unmatched, e.Source(), r.format, r.numbers)
	if r.where != nil {
		fmt.Fprintf(&b, "%q %s", r.where.groups, r.where.spell(&r.where.root))
	}
	return b.String()
}
