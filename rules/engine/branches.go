package engine

import (
	"strconv"
	"strings"
)

// A Branch is one way in which an expression can match: by what texts it needs,
// one after another. Had are those that a body has of the first ones, Lacks those
// of which the next would have to be one; nil where none is missing. All are
// quoted, for people.
type Branch struct{ Had, Lacks []string }

// Branches says which of the texts that a match needs are in body.
func (e *Expr) Branches(body []byte) []Branch {
	all := make([]Branch, len(e.branches))
	for i, chain := range e.branches {
		all[i] = walk(body, chain)
	}
	return all
}

// walk goes through the sets of a chain as hasChain does.
func walk(body []byte, chain [][]Needle) (b Branch) {
	for _, set := range chain {
		next, what := -1, ""
		for i := range set {
			if at := set[i].Index(body); at >= 0 && (next < 0 || at+len(set[i].Text) < next) {
				next, what = at+len(set[i].Text), set[i].quoted()
			}
		}
		if next < 0 {
			for i := range set {
				b.Lacks = append(b.Lacks, set[i].quoted())
			}
			return b
		}
		b.Had, body = append(b.Had, what), body[next:]
	}
	return b
}

func (n *Needle) quoted() string {
	if !n.Fold {
		return strconv.Quote(string(n.Text))
	}
	// K and S have a third form each, which is a needle of its own.
	return strconv.Quote(strings.NewReplacer("\u212a", "k", "\u017f", "s").Replace(string(n.Text))) + " in any case"
}
