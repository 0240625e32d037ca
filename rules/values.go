package rules

import "bytes"

// An assigned is where the value is that stands behind a name.
type assigned struct {
	start, end int
	quoted     bool // in quotes, or in a tag: where it ends is known
	loose      bool // as in name: value, which prose has as well
	spaced     bool // as in name = value
}

const (
	maxBlanks  = 16   // between a name, what joins it to a value, and that
	maxTagged  = 4096 // bytes of an element's text
	maxSlashes = 64   // that escape one thing
)

// assigned finds what is assigned to the name that ends at j; a word of it begins
// at i. It knows a=b, a: b, 'a' => 'b', "a":"b" however often it is escaped,
// [a] => b, a%3Db and <a>b</a>. It may be empty.
func (t text) assigned(i, j int) (v assigned, ok bool) {
	b := t.body
	if j < len(b) && b[j] == '>' {
		return t.tagged(i, j+1)
	}
	k := closeName(b, j)
	named := k > j
	s := skipBlanks(b, k)
	v.spaced = s > k
	colon, encoded := false, false
	switch rest := b[s:]; {
	case foldPrefix(rest, "=>"):
		s += 2
		named = true // no prose
	case foldPrefix(rest, "%3d"):
		s += 3
		encoded = true
	case foldPrefix(rest, "=="), foldPrefix(rest, ":="):
		s += 2
	case foldPrefix(rest, "="):
		s++
	case foldPrefix(rest, ":") && !foldPrefix(rest, "::"):
		s++
		colon = true
	default:
		return v, false
	}
	k = skipBlanks(b, s)
	if next := nextLine(b, k); named && skipPHPType(b, next) > next {
		k = next
	}
	v.loose = colon && !named
	list := false
	if k < len(b) && b[k] == '[' {
		first := skipBlanks(b, k+1)
		if q, _ := openQuote(b, first); q.text != "" {
			list, k = true, first
		}
	}
	k = skipPHPType(b, k)
	if q, after := openQuote(b, k); q.text != "" {
		v.quoted, v.loose = true, false
		v.start, v.end = after, q.closeAll(b, after, list)
		return v, true
	}
	if !colon && !v.spaced && !named && k > s {
		return v, false // the value is empty, and something else follows
	}
	v.start, v.end = k, bareEnd(b, k, encoded)
	return v, true
}

// tagged finds the text of an element, <name>text</name>.
func (t text) tagged(i, start int) (v assigned, ok bool) {
	b := t.body
	n := t.wordStart(i)
	if n == t.from || b[n-1] != '<' && b[n-1] != ':' {
		return v, false
	}
	end := bytes.IndexByte(b[start:min(len(b), start+maxTagged)], '<')
	if end < 0 {
		return v, false
	}
	return assigned{start: start, end: start + end, quoted: true}, true
}

// argument finds the value of an option --name value, of a function's only
// argument NAME('value'), and of the names that Redis's configuration has.
func (t text) argument(i, j int) (v assigned, ok bool) {
	b := t.body
	if j >= len(b) {
		return v, false
	}
	if q, after := openQuote(b, j+1); b[j] == '(' && q.text != "" {
		v.start, v.quoted = after, true
		v.end, _ = q.close(b, after)
		return v, true
	}
	name := b[t.wordStart(i):j]
	if !foldPrefix(name, "--") && !foldPrefix(name, "requirepass") && !foldPrefix(name, "masterauth") {
		return v, false
	}
	k := skipBlanks(b, closeName(b, j))
	if k == j || k == len(b) || b[k] == '-' {
		return v, false
	}
	if q, after := openQuote(b, k); q.text != "" {
		v.start, v.quoted = after, true
		v.end, _ = q.close(b, after)
		return v, true
	}
	return assigned{start: k, end: bareEnd(b, k, false)}, true
}

// wordStart is where the name begins that i is in.
func (t text) wordStart(i int) int {
	low := max(t.from, i-maxName)
	for i > low && (isWordByte(t.body[i-1]) || isOneOf(t.body[i-1], "-.")) {
		i--
	}
	return i
}

// closeName skips what ends a name: a quote, and a bracket as of user[name].
func closeName(b []byte, j int) int {
	for range 2 {
		if j < len(b) && b[j] == ']' {
			j++
		} else if foldPrefix(b[j:], "%5d") {
			j += 3
		} else if q, after := openQuote(b, j); q.text != "" {
			j = after
		}
	}
	return j
}

// nextLine skips one line's end, and the blanks behind it.
func nextLine(b []byte, k int) int {
	if k < len(b) && b[k] == '\r' {
		k++
	}
	if k < len(b) && b[k] == '\n' {
		k = skipBlanks(b, k+1)
	}
	return k
}

// skipPHPType skips the type that var_dump writes: string(6) "secret".
func skipPHPType(b []byte, k int) int {
	const text = "string("
	if !foldPrefix(b[k:], text) {
		return k
	}
	n := k + len(text)
	for n < len(b) && isDigit(b[n]) {
		n++
	}
	if n < len(b) && b[n] == ')' {
		return skipBlanks(b, n+1)
	}
	return k
}

// A mark is a quote as it is written: escaped so many times.
type mark struct {
	text    string // "" is none
	slashes int    // backslashes before it
}

// openQuote reads the quote at i, if there is one.
func openQuote(b []byte, i int) (m mark, after int) {
	for _, s := range []string{"&quot;", "&#039;", "&#39;", "%22", "%27", `\u0022`, `\u0027`} {
		if foldPrefix(b[min(i, len(b)):], s) {
			return mark{text: s}, i + len(s)
		}
	}
	n := i
	for n < len(b) && b[n] == '\\' {
		n++
	}
	if n == len(b) || !isQuote(b[n]) {
		return mark{}, i
	}
	return mark{quoteText(b[n]), n - i}, n + 1
}

// quoteText is the text of a quote, which costs no memory.
func quoteText(c byte) string {
	switch c {
	case '"':
		return `"`
	case '\'':
		return "'"
	}
	return "`"
}

// close finds where what the quote opened ends, and where the text goes on. What
// has no end on its line ends with that.
func (m mark) close(b []byte, i int) (end, after int) {
	if len(m.text) > 1 {
		for n := i; n < len(b) && b[n] != '\n' && b[n] != '\r'; n++ {
			if foldPrefix(b[n:], m.text) {
				return n, n + len(m.text)
			}
			end = n + 1
		}
		return max(i, end), max(i, end)
	}
	slashes, n := 0, i
	for ; n < len(b) && b[n] != '\n' && b[n] != '\r'; n++ {
		switch {
		case b[n] == '\\':
			slashes++
			continue
		case b[n] != m.text[0]:
		case slashes < m.slashes, m.closes(slashes):
			if !m.doubled(b, i, n) {
				return n - min(slashes, m.slashes), n + 1
			}
			n++
		}
		slashes = 0
	}
	return n, n
}

// doubled reports whether the quote at n is one of two that stand for one, as
// SQL has it, in what begins at i.
func (m mark) doubled(b []byte, i, n int) bool {
	return m.text == "'" && m.slashes == 0 && n > i && n+1 < len(b) && b[n+1] == '\''
}

// closes reports whether a quote behind so many backslashes is one of the same
// depth: each depth of escaping doubles the backslashes inside, and adds one.
func (m mark) closes(slashes int) bool {
	n := slashes - m.slashes
	return n%(m.slashes+1) == 0 && n/(m.slashes+1)%2 == 0
}

// closeAll is close, for the last of a list's items where it is one.
func (m mark) closeAll(b []byte, i int, list bool) (end int) {
	end, after := m.close(b, i)
	for list && after < len(b) {
		k := skipBlanks(b, after)
		if k == len(b) || b[k] != ',' {
			break
		}
		next, start := openQuote(b, skipBlanks(b, k+1))
		if next != m {
			break
		}
		end, after = m.close(b, start)
	}
	return end
}

// bareEnd is where a value ends that is in no quotes. What may be a part of a
// password ends it only where what follows says so.
func bareEnd(b []byte, i int, encoded bool) int {
	depth := 0 // of its own brackets
	for ; i < len(b); i++ {
		switch c := b[i]; c {
		case ' ', '\t', '\n', '\r', 0:
			return i
		case '"', '\'', '`':
			if i+1 == len(b) || !isWordByte(b[i+1]) {
				return i
			}
		case '&', ',', ';':
			if i+1 == len(b) || b[i+1] == ' ' || isQuote(b[i+1]) || b[i+1] == '\\' || namesNext(b, i+1) || foldPrefix(b[i:], "&amp;") || foldPrefix(b[i:], "&quot;") {
				return i
			}
		case '(', '[', '{':
			depth++
		case ')', ']', '}':
			if depth--; depth < 0 && (i+1 == len(b) || isOneOf(b[i+1], " \t\r\n,;.:)]}\"'`\\<|&")) {
				return i
			}
		case '<':
			if foldPrefix(b[i:], "</") || foldPrefix(b[i:], "<br") {
				return i
			}
		case '\\':
			if endsAtEscape(b, i) {
				return i
			}
		case '%':
			if encoded && (foldPrefix(b[i:], "%26") || foldPrefix(b[i:], "%22") || foldPrefix(b[i:], "%23") || foldPrefix(b[i:], "%20")) {
				return i
			}
		}
	}
	return i
}

// endsAtEscape reports whether the backslash at i is of an escaped quote, or of
// an escaped line's end, behind which something new begins.
func endsAtEscape(b []byte, i int) bool {
	n := i
	for n < len(b) && b[n] == '\\' && n-i < maxSlashes {
		n++
	}
	if n == len(b) {
		return false
	}
	if isQuote(b[n]) {
		return n+1 == len(b) || !isWordByte(b[n+1])
	}
	if !isOneOf(b[n], "nrt") {
		return false
	}
	n++
	return n == len(b) || isQuote(b[n]) || isOneOf(b[n], " \\#[") || namesNext(b, n)
}

// namesNext reports whether a further name and its value begin at i.
func namesNext(b []byte, i int) bool {
	if i < len(b) && isDigit(b[i]) {
		return false
	}
	n := i
	for n < len(b) && n < i+maxName && (isWordByte(b[n]) || isOneOf(b[n], "-.[]")) {
		n++
	}
	if n > i && n < len(b) && isQuote(b[n]) {
		n++
	}
	return n > i && n < len(b) && (b[n] == '=' || b[n] == ':')
}

// restOfHeader is where a header's value ends: with its line, or with the quotes
// that the header is in.
func restOfHeader(b []byte, i int) int {
	inside := false // quotes of its own, as in username="anna"
	for ; i < len(b); i++ {
		switch c := b[i]; {
		case c == '\n' || c == '\r' || c == 0:
			return i
		case c == '\\' && endsAtEscape(b, i):
			return i
		case c == '"' && (inside || i > 0 && b[i-1] == '='):
			inside = !inside
		case isQuote(c):
			return i
		}
	}
	return i
}

func skipBlanks(b []byte, i int) int {
	for n := 0; n < maxBlanks && i < len(b) && (b[i] == ' ' || b[i] == '\t'); n++ {
		i++
	}
	return i
}

// skipURLBlanks also knows blanks as URLs have them.
func skipURLBlanks(b []byte, i int) int {
	for range maxBlanks {
		switch {
		case i < len(b) && isOneOf(b[i], " \t+"):
			i++
		case foldPrefix(b[min(i, len(b)):], "%20"):
			i += 3
		default:
			return i
		}
	}
	return i
}
