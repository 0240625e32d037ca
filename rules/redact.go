package rules

import (
	"fmt"
	"math/bits"
	"sync/atomic"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/conf"
	"github.com/webgrip/logkeel/rules/engine"
)

// A Redact says what is cut out of lines, before rules and outputs see them.
type Redact struct {
	Secrets  bool            `yaml:"secrets"`  // cuts passwords, tokens, keys, cookies and the like, by their names and forms
	Emails   bool            `yaml:"emails"`   // cuts mail addresses
	Cards    bool            `yaml:"cards"`    // cuts numbers of payment cards; it looks at every line
	Patterns []RedactPattern `yaml:"patterns"` // further expressions whose matches are cut, 100 at most
}

// A RedactPattern is an expression of the user's own. What its group secret
// matches is cut, or its first group, or all that it matches.
type RedactPattern struct {
	Name  string `yaml:"name"`  // name that stands in brackets in place of what was cut: letters, digits, _ and -, 100 at most
	Match string `yaml:"match"` // expression (RE2); what its group secret, or else its first group, or else all of it matches is cut
}

// An Option changes what Load makes.
type Option func(*loader)

// Redacting makes a Set cut what r says out of the records that it judges.
// Errors in r have no File, and a Field as redact.patterns[0].match.
func Redacting(r Redact) Option { return func(l *loader) { l.redact = r } }

// maxPatterns bounds the patterns of one's own: each is a metric's label.
const maxPatterns = 100

// A kind is a sort of secret. A secret becomes its marker, or as many asterisks
// as it is long where the marker is longer.
type kind struct {
	name   string
	marker []byte
	count  atomic.Uint64
}

// builtin are the kinds that need not be described.
type builtin struct{ password, secret, token, authorization, cookie, privateKey, email, card *kind }

func newBuiltin() *builtin {
	return &builtin{
		password: newKind("password"), secret: newKind("secret"), token: newKind("token"), authorization: newKind("authorization"),
		cookie: newKind("cookie"), privateKey: newKind("private key"), email: newKind("email"), card: newKind("card"),
	}
}

func (k *builtin) secrets() []*kind {
	return []*kind{k.password, k.token, k.secret, k.authorization, k.cookie, k.privateKey}
}

func (k *builtin) all() []*kind { return append(k.secrets(), k.email, k.card) }

func newKind(name string) *kind { return &kind{name: name, marker: []byte("[" + name + "]")} }

// A redactor cuts secrets out of the bodies of records. It never changes, but
// for its counters.
type redactor struct {
	kinds []*kind       // those that are looked for
	known *secretFinder // nil: neither secrets nor addresses
	own   []ownPattern
	key   *kind // of a private key's lines; nil: they are left alone
	card  *kind // nil: likewise

	// Bits of a row of candidates: the first is that of known, then own's.
	first  int
	mask   []uint64 // all of them
	always []uint64 // those that have to be tried on each record
	each   bool     // there is one
}

// An ownPattern is a RedactPattern, compiled.
type ownPattern struct {
	expr  *engine.Expr
	group int
	kind  *kind
}

// redactor compiles what the configuration says; nil where nothing is cut.
func (l *loader) redactor() *redactor {
	r := &redactor{}
	k := newBuiltin()
	taken := map[string]bool{}
	for _, x := range k.all() {
		taken[x.name] = true
	}
	if c := l.redact; c.Secrets || c.Emails {
		r.known = &secretFinder{}
		if c.Secrets {
			r.known.secretKeys(k)
			r.known.secretForms(k)
			r.key = k.privateKey
			r.kinds = append(r.kinds, k.secrets()...)
		}
		if c.Emails {
			r.known.add(k.email, emailAt, false, "@", "%40")
			r.known.lookFor(false, "@", "%40")
			r.known.users = false
			r.kinds = append(r.kinds, k.email)
		}
	}
	if l.redact.Cards {
		r.card = k.card
		r.kinds = append(r.kinds, k.card)
	}
	for i, p := range l.redact.Patterns {
		at := fmt.Sprintf("redact.patterns[%d]", i)
		say := func(field, hint, format string, args ...any) {
			l.fail(&conf.Error{Field: at + "." + field, Msg: fmt.Sprintf(format, args...), Hint: hint})
		}
		const allowed = "use letters, digits, _ and -, 100 at most; it stands in the line for what is cut"
		switch {
		case i == maxPatterns:
			l.fail(&conf.Error{Field: at, Msg: fmt.Sprintf("there are more than %d patterns", maxPatterns), Hint: "join some, as 'one|other'"})
			return nil
		case p.Name == "":
			say("name", allowed, "a pattern needs a name")
		case !isName(p.Name):
			say("name", allowed, "%s is not a name", quote(p.Name))
		case taken[p.Name]:
			say("name", "give it another name", "the name %q is taken", p.Name)
		}
		taken[p.Name] = true
		e, err := engine.Compile(p.Match)
		switch {
		case p.Match == "":
			say("match", "write an expression; what its group (?P<secret>...) matches is cut", "a pattern needs something to look for")
		case err != nil:
			msg, hint := conf.ExplainRegexp(err)
			say("match", hint, "%s", msg)
		case e.MatchesAll():
			say("match", "write what a secret looks like, or what stands before it", "%s matches every line", quote(p.Match))
		default:
			k := newKind(p.Name)
			r.kinds = append(r.kinds, k)
			r.own = append(r.own, ownPattern{e, secretGroup(e), k})
		}
	}
	if len(r.kinds) == 0 {
		return nil
	}
	if r.known != nil {
		r.known.masks = r.kinds
	}
	return r
}

// secretGroup is the group of an expression that is cut; 0 stands for all.
func secretGroup(e *engine.Expr) int {
	if i := e.Regexp().SubexpIndex("secret"); i > 0 {
		return i
	}
	return min(1, e.Regexp().NumSubexp())
}

// place gives the redactor its bits, from the first one on, and passes what
// each looks for to seek.
func (r *redactor) place(first, words int, seek func(engine.Literal, engine.Near, int32)) {
	r.first = first
	r.mask, r.always = make([]uint64, words), make([]uint64, words)
	r.each = r.card != nil
	mark := func(in []uint64, bit int) { in[bit>>6] |= 1 << (bit & 63) }
	if r.known != nil {
		mark(r.mask, first)
		for _, lit := range r.known.seek {
			if lit.Text == "@" && r.known.users {
				seek(lit, userNear, int32(first))
			} else {
				seek(lit, nil, int32(first))
			}
		}
	}
	for i := range r.own {
		bit := first + 1 + i
		mark(r.mask, bit)
		for _, lit := range r.own[i].expr.Seek() {
			seek(lit, nil, int32(bit))
		}
		if r.own[i].expr.Seek() == nil {
			mark(r.always, bit)
			r.each = true
		}
	}
}

// bits is how many bits a row has for the redactor.
func (r *redactor) bits() int {
	if r == nil {
		return 0
	}
	return 1 + len(r.own)
}

// A cutting is the redaction of one batch.
type cutting struct {
	*redactor
	b       *agent.Batch
	all     bool // nobody looked for candidates: bodies may overlap, and are not changed in place
	keyOpen bool // a private key has begun, and has not ended
}

// due reports whether a record that has no row may have something to cut.
func (c *cutting) due(i int) bool {
	return c.redactor != nil && (c.each || c.all || c.keyOpen || isKeyLineLen(c.b.Records[i].Body.Len()))
}

// record redacts one record, if its row of candidates, or its shape, says that
// there may be something. It reports whether the body was changed.
func (c *cutting) record(i int, row []uint64) bool {
	span := c.b.Records[i].Body
	mayBeKey := c.key != nil && (c.keyOpen || isKeyLineLen(span.Len()))
	body := c.b.Buf[span.Start:span.End]
	end := len(c.b.Buf)
	if c.all {
		c.b.Buf = append(c.b.Buf, body...)
		span = agent.Span{Start: int32(end), End: int32(len(c.b.Buf))}
		body = c.b.Buf[end:]
	}
	left, cut := c.body(body, row, mayBeKey)
	if !cut {
		c.b.Buf = c.b.Buf[:end]
		return false
	}
	clear(body[len(left):]) // nothing is to be found behind it
	span.End = span.Start + int32(len(left))
	c.b.Records[i].Body = span
	return true
}

// body cuts what is due out of body, in place, and returns what is left.
func (c *cutting) body(body []byte, row []uint64, mayBeKey bool) (left []byte, cut bool) {
	left = body
	if mayBeKey {
		if kept := keyLine(left, c.keyOpen); kept >= 0 {
			e := edit{body: left}
			e.cut(c.key, 0, kept)
			return e.done()
		}
		c.keyOpen = c.keyOpen && isKeyHeader(left)
	}
	for w := range row {
		set := (row[w] | c.always[w]) & c.mask[w]
		if c.all {
			set = c.mask[w]
		}
		for ; set != 0; set &= set - 1 {
			if i := w<<6 + bits.TrailingZeros64(set) - c.first; i > 0 {
				var done bool
				left, done = c.own[i-1].cut(left)
				cut = cut || done
			}
		}
	}
	if w, bit := c.first>>6, uint64(1)<<(c.first&63); c.known != nil && (row[w]&bit != 0 || c.all) {
		e := edit{body: left}
		c.known.cut(&e)
		var done bool
		left, done = e.done()
		cut = cut || done
		c.keyOpen = c.keyOpen || c.key != nil && opensKey(left)
	}
	if c.card != nil {
		e := edit{body: left}
		cutCards(&e, c.card)
		var done bool
		left, done = e.done()
		cut = cut || done
	}
	return left, cut
}

// cut cuts what the pattern finds.
func (p *ownPattern) cut(body []byte) (left []byte, cut bool) {
	if _, _, ok := p.expr.Find(body); !ok {
		return body, false
	}
	e := edit{body: body}
	for _, at := range p.expr.Regexp().FindAllSubmatchIndex(body, -1) {
		start, end := at[2*p.group], at[2*p.group+1]
		if start < 0 {
			start, end = at[0], at[1]
		}
		e.cut(p.kind, start, end)
	}
	return e.done()
}

// An edit replaces parts of a body in place, from left to right. What replaces
// them is never longer.
type edit struct {
	body []byte // as it was from read on
	read int    // all before it is dealt with
	end  int    // of what is written
	n    int    // parts that were replaced
}

// cut replaces a part that begins at read or later.
func (e *edit) cut(k *kind, start, end int) {
	if start >= end || start < e.read {
		return
	}
	e.end += copy(e.body[e.end:], e.body[e.read:start])
	if end-start >= len(k.marker) {
		e.end += copy(e.body[e.end:], k.marker)
	} else {
		for range end - start {
			e.body[e.end] = '*'
			e.end++
		}
	}
	e.read = end
	e.n++
	k.count.Add(1)
}

// done returns the body as it is now, and whether anything was replaced.
func (e *edit) done() (left []byte, cut bool) {
	if e.n == 0 {
		return e.body, false
	}
	e.end += copy(e.body[e.end:], e.body[e.read:])
	return e.body[:e.end], true
}

// Cuts returns the names of what is cut out of records.
func (s *Set) Cuts() []string {
	if s.redact == nil {
		return nil
	}
	var names []string
	for _, k := range s.redact.kinds {
		names = append(names, k.name)
	}
	return names
}

// CutsFullPass returns the names of patterns of one's own that have to be tried
// on each record, for there is no text worth looking for in them.
func (s *Set) CutsFullPass() []string {
	if s.redact == nil {
		return nil
	}
	var names []string
	for i := range s.redact.own {
		if p := &s.redact.own[i]; p.expr.Seek() == nil {
			names = append(names, p.kind.name)
		}
	}
	return names
}

// Meter reports what was cut.
func (s *Set) Meter(yield func(agent.Sample)) {
	if s.redact == nil {
		return
	}
	for _, k := range s.redact.kinds {
		yield(agent.Sample{
			Name: "logkeel_redactions_total", Help: "Secrets cut out of records.", Type: agent.Counter,
			Labels: []agent.Label{{Name: "pattern", Value: k.name}}, Value: float64(k.count.Load()),
		})
	}
}
