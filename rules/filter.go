package rules

import (
	"bytes"
	"math/bits"
	"strings"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/rules/engine"
)

// A sift is what of a Set can be looked for in JSON that is not decoded yet.
type sift struct {
	scanner *engine.Scanner
	words   int      // of a row: 64 expressions each, and what the redactor needs
	blind   []uint64 // expressions that may find something in lines which have nothing of that
	cuts    []uint64 // expressions that may find what the redactor puts there
	hasCut  uint64   // bit of the last word: there may be something to cut
	opens   uint64   // likewise: a private key may begin, and go on in the records that follow
}

// envelope is what Docker writes around a text.
const envelope = `{"log":"\n","stream":"stdout","stream":"stderr","time":"`

var _ agent.Prefilter = (*Set)(nil)

// Filter finds the lines of src in which a rule may find something. It is nil
// where that may be any line.
func (s *Set) Filter(src *agent.Source) agent.Filter {
	v := s.view(src)
	if !v.sifts() {
		return nil
	}
	return v
}

// sifts reports whether the view can tell anything of lines that are not decoded.
func (v *view) sifts() bool {
	if v.each {
		return false
	}
	f := v.set.sift()
	for w, blind := range f.blind {
		if w < len(v.active) && blind&v.active[w] != 0 {
			return false
		}
	}
	return true
}

// sift is worked out when it is first needed, for most have no use for it.
func (s *Set) sift() *sift {
	s.sifting.Do(func() { s.sifted = s.newSift() })
	return s.sifted
}

func (s *Set) newSift() *sift {
	n := len(s.exprs)
	f := &sift{words: (n+63)/64 + 1, hasCut: 1, opens: 2}
	f.blind, f.cuts = make([]uint64, f.words), make([]uint64, f.words)
	targets := engine.Targets{Around: envelope}
	cut, told := s.redact.unescaped()
	for i, e := range s.exprs {
		seek := e.SeekUnescaped()
		if seek == nil {
			f.blind[i>>6] |= 1 << (i & 63)
			continue
		}
		for _, lit := range seek {
			targets.Add(lit, nil, int32(i))
		}
		switch cuts, keys := s.redact.leaves(seek); {
		case keys || cuts && !told:
			f.blind[i>>6] |= 1 << (i & 63)
		case cuts:
			f.cuts[i>>6] |= 1 << (i & 63)
		}
	}
	last := int32(f.words-1) << 6
	for _, lit := range cut {
		targets.Add(lit, nil, last+int32(bits.TrailingZeros64(f.hasCut)))
	}
	if s.redact != nil && s.redact.key != nil {
		targets.Add(engine.Literal{Text: keyWords}, nil, last+int32(bits.TrailingZeros64(f.opens)))
	}
	f.scanner = engine.NewScanner(&targets)
	return f
}

// Wanted is agent.Filter's.
func (v *view) Wanted(b *agent.Batch, want []uint64) (all int) {
	f := v.set.sift()
	all = len(b.Records)
	if all == 0 || !v.any {
		return all
	}
	x := v.set.pool.Get().(*scratch)
	defer v.set.pool.Put(x)
	c := &x.candidates
	c.Reset(all, f.words)
	f.scanner.Scan(b, c)
	cuts := false // whether what is cut matters to an expression of the view
	for w, active := range v.active {
		cuts = cuts || w < len(f.cuts) && active&f.cuts[w] != 0
	}
	for i := range b.Records {
		row, marked := c.Row(i)
		if !marked {
			continue
		}
		last := row[f.words-1]
		if last&f.opens != 0 {
			return i
		}
		wanted := cuts && last&f.hasCut != 0
		for w := 0; w < len(v.active) && w < f.words-1; w++ {
			wanted = wanted || row[w]&v.active[w] != 0
		}
		if wanted {
			want[i>>6] |= 1 << (i & 63)
		}
	}
	return all
}

// Opens is agent.Filter's: where a private key begins, what follows is cut.
func (v *view) Opens(body []byte) bool {
	return v.any && v.set.redact != nil && v.set.redact.key != nil && bytes.Contains(body, []byte(keyWords))
}

// unescaped is what a JSON string has one of if there is something to cut in its
// text. told is false where that may be anything.
func (r *redactor) unescaped() (seek []engine.Literal, told bool) {
	if r == nil {
		return nil, true
	}
	if r.each {
		return nil, false
	}
	add := func(set []engine.Literal) bool {
		parts := engine.Unescaped(set)
		seek = append(seek, parts...)
		return parts != nil
	}
	if r.known != nil && !add(r.known.seek) {
		return nil, false
	}
	for i := range r.own {
		if !add(r.own[i].expr.Seek()) {
			return nil, false
		}
	}
	return seek, true
}

// leaves reports whether one of the literals may be, as a whole or in part, what
// the redactor puts in the place of a secret: then it may be in a record that did
// not have it before. Nothing else that is cut brings bytes together. keys is that
// of the line of a private key, which is known by its length and not by literals.
func (r *redactor) leaves(set []engine.Literal) (cuts, keys bool) {
	if r == nil {
		return false, false
	}
	for _, lit := range set {
		cuts = cuts || strings.Contains(lit.Text, "*")
		for _, k := range r.kinds {
			if lit.Overlaps(string(k.marker)) {
				cuts, keys = true, keys || k == r.key
			}
		}
	}
	return cuts, keys
}
