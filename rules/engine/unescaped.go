package engine

import "strings"

// Unescaped is, for each literal of set, the part of it that JSON does not escape
// and that logs have least: a JSON string whose text has one of set has one of
// these as it stands. nil where one has no such part.
func Unescaped(set []Literal) []Literal {
	out := make([]Literal, 0, len(set))
	for _, l := range set {
		part, ok := l.unescaped()
		if !ok {
			return nil
		}
		out = append(out, part)
	}
	return reduce(out)
}

// SeekUnescaped is Unescaped of Seek; nil where nothing is worth looking for.
func (e *Expr) SeekUnescaped() []Literal {
	if e.seek == nil {
		return nil
	}
	set := Unescaped(e.seek)
	if frequency(set) >= tooFrequent {
		return nil
	}
	return set
}

// unescaped is the rarest part of l that stands in JSON as it is; ok is false
// where there is none.
func (l Literal) unescaped() (part Literal, ok bool) {
	least := 1.0
	for text := range strings.FieldsFuncSeq(l.Text, escapable) {
		p := Literal{Text: text, Fold: l.Fold}
		if f := frequency([]Literal{p}); f < least {
			part, least, ok = p, f, true
		}
	}
	return part, ok
}

// escapable reports whether an encoder may write an escape for r: because it has
// to, or because what it writes is embedded in HTML or JavaScript.
func escapable(r rune) bool {
	switch r {
	case '"', '\\', '<', '>', '&', 0x2028, 0x2029, 0xfffd:
		return true
	}
	return r < ' '
}

// Overlaps reports whether an occurrence of l may have a byte in text, which
// stands anywhere among other bytes.
func (l Literal) Overlaps(text string) bool {
	for shift := 1 - len(l.Text); shift < len(text); shift++ {
		from, to := max(0, shift), min(len(text), shift+len(l.Text))
		n := Needle{Text: []byte(l.Text[from-shift : to-shift]), Fold: l.Fold}
		if n.Is([]byte(text[from:to])) {
			return true
		}
	}
	return false
}
