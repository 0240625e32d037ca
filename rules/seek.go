package rules

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/webgrip/logkeel/rules/engine"
	"github.com/webgrip/logkeel/rules/fields"
)

const (
	minSeek  = 3  // bytes of a text that is worth looking for
	maxSeeks = 96 // texts that are looked for for one rule
)

// literals are texts of which each record has one that the condition on fields
// can hold of; nil where there are none. They are exact: what a record may have
// written in another way is among them.
func (w *where) literals(f fields.Format) []engine.Literal { return w.seek(&w.root, f) }

func (w *where) seek(t *term, f fields.Format) []engine.Literal {
	switch t.join {
	case allHold:
		var best []engine.Literal
		for i := range t.terms {
			if set := w.seek(&t.terms[i], f); shortest(set) > shortest(best) {
				best = set
			}
		}
		return best
	case oneHolds:
		var all []engine.Literal
		for i := range t.terms {
			set := w.seek(&t.terms[i], f)
			if set == nil {
				return nil
			}
			for _, l := range set {
				if !slices.Contains(all, l) {
					all = append(all, l)
				}
			}
			if len(all) > maxSeeks {
				return nil
			}
		}
		return all
	case negates:
		return nil
	}
	name := w.groups[t.group]
	switch {
	case f == fields.Record || name == fields.Stream:
		return nil // they are not in the text
	case f == fields.Access && name == "status" && !t.isText:
		return t.statuses()
	case f == fields.Access && name == "method" && t.isText && t.re == nil && t.op == equal:
		return []engine.Literal{{Text: `"` + t.literal + " "}, {Text: `"` + t.literal + `"`}}
	}
	return t.texts(f, name)
}

// shortest is the length of the shortest text of the set, 0 where it has none.
func shortest(set []engine.Literal) int {
	n := 0
	for i, l := range set {
		if i == 0 || len(l.Text) < n {
			n = len(l.Text)
		}
	}
	return n
}

// statuses are the ends of requests and what the statuses start with that c can
// hold of.
func (c *comparison) statuses() (set []engine.Literal) {
	for first := range 10 {
		for n := range 100 {
			if c.holds(strconv.AppendInt(nil, int64(1000+100*first+n), 10)[1:]) {
				set = append(set, engine.Literal{Text: `" ` + strconv.Itoa(first)})
				break
			}
		}
	}
	if set != nil { // the members that fields.Access knows: only lines in JSON have these
		set = append(set, engine.Literal{Text: `tatus":`}, engine.Literal{Text: `_code":`}, engine.Literal{Text: `usCode":`})
		set = append(set, haproxyStates()...)
	}
	return set
}

// haproxyStates are what each of HAProxy's lines has one of: how a request ended
// ends with what became of the cookie that binds clients to a server, -- without
// one. Before the status, which is what is asked for, there is a blank and a
// digit: that is in too many lines of others.
func haproxyStates() (set []engine.Literal) {
	set = append(set, engine.Literal{Text: "-- "})
	for _, given := range "NIDVEOU" {
		for _, sent := range "NPDIRU" {
			set = append(set, engine.Literal{Text: string([]rune{given, sent, ' '})})
		}
	}
	return set
}

// texts are those of what c compares with, without what may be written otherwise,
// and what is written instead.
func (c *comparison) texts(f fields.Format, name string) (set []engine.Literal) {
	text := regexp.QuoteMeta(c.literal)
	switch {
	case !c.isText || c.op == notEqual || c.op == matchesNot:
		return nil
	case c.re != nil:
		text = c.literal
	}
	e, err := engine.Compile(text)
	if err != nil || len(e.Seek()) == 0 {
		return nil
	}
	for _, l := range e.Seek() {
		if l.Text = plainRun(l.Text); len(l.Text) < minSeek {
			return nil
		}
		set = append(set, l)
	}
	for _, mark := range escapes(f, name) {
		set = append(set, engine.Literal{Text: mark})
	}
	if len(set) > maxSeeks {
		return nil
	}
	return set
}

// escapes are what a record has where it has not written a plain text of the
// field as it is.
func escapes(f fields.Format, name string) []string {
	switch {
	case f == fields.JSON:
		return []string{`\u00`}
	case f == fields.Logfmt:
		return []string{`\`}
	case name == "path" || name == "query":
		return []string{"%", `\`}
	case f == fields.Access: // as JSON has it, too
		return []string{`\`}
	}
	return nil
}

// plainRun is the longest part of a text that is either written as it is, or
// with an escape that escapes has.
func plainRun(s string) (run string) {
	for _, part := range strings.FieldsFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f || strings.ContainsRune(`"\/+%#`, r) }) {
		if len(part) > len(run) {
			run = part
		}
	}
	return run
}
