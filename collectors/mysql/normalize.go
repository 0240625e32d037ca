package mysql

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// A normalizer makes one text of statements that differ in their values only.
//
// No value may be in it, whatever the statement: quoted text, numbers and comments
// go, and where it is not sure what is quoted, all but the statement's kind.
type normalizer struct {
	text      string
	at        int
	plain     bool // a backslash is no escape in the server's sql_mode
	truncated bool // the statement goes on, but its rest is not known
	doubtful  bool // quotes are not where they seem to be
	out       []string
}

// folded is what stands for a list of values.
const folded = "(...)"

// normalize returns the text; plain is for a server whose sql_mode has
// NO_BACKSLASH_ESCAPES.
func normalize(statement string, plain, truncated bool) string {
	n := normalizer{text: statement, plain: plain, truncated: truncated}
	for n.at < len(n.text) && !n.doubtful {
		n.token()
	}
	if n.doubtful {
		return kind(n.out) + " ..."
	}
	tokens := foldLists(n.out)
	if truncated {
		tokens = append(tokens, "...")
	}
	return join(tokens)
}

// digestOf is a name for the text.
func digestOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:16])
}

// kind is how the statement begins, where that is a word of SQL.
func kind(tokens []string) string {
	if len(tokens) > 0 {
		switch w := tokens[0]; w {
		case "select", "insert", "update", "delete", "replace", "call", "with", "set", "create", "alter", "drop", "load", "execute", "do", "truncate", "optimize", "analyze", "show":
			return w
		}
	}
	return "statement"
}

func isWord(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || isDigit(c) || c == '_' || c == '$' || c >= 0x80
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func (n *normalizer) peek(i int) byte {
	if n.at+i < len(n.text) {
		return n.text[n.at+i]
	}
	return 0
}

// token reads one token, or what is none.
func (n *normalizer) token() {
	c := n.text[n.at]
	switch {
	case c <= ' ' || c == 0x7f:
		n.at++
	case c == '\'' || c == '"':
		n.quoted(c)
	case c == '`':
		n.name()
	case c == '#', c == '-' && n.peek(1) == '-' && n.peek(2) <= ' ':
		n.skipPast("\n")
	case c == '/' && n.peek(1) == '*':
		n.at += 2
		n.skipPast("*/")
	case isDigit(c), c == '.' && isDigit(n.peek(1)) && !n.afterName():
		n.number()
	case isWord(c):
		n.word()
	case c == '\\': // is in no statement outside of quotes
		n.doubtful = true
	default:
		n.at++
		n.out = append(n.out, string(c))
	}
}

func (n *normalizer) skipPast(end string) {
	i := strings.Index(n.text[n.at:], end)
	if i < 0 {
		n.at = len(n.text)
		return
	}
	n.at += i + len(end)
}

// quoted passes over a text in quotes.
func (n *normalizer) quoted(quote byte) {
	for n.at++; n.at < len(n.text); n.at++ {
		switch c := n.text[n.at]; {
		case c == '\\' && !n.plain:
			n.at++
		case c == quote && n.peek(1) == quote:
			n.at++
		case c == quote:
			n.at++
			n.doubtful = isWord(n.peek(0)) // what was taken for the end is a beginning
			n.value()
			return
		}
	}
	n.at = len(n.text)
	n.doubtful = !n.truncated
	n.value()
}

// value puts ? for a value, and takes away what belongs to it: a sign, and the
// quotes that it goes on in, 'a' 'b'.
func (n *normalizer) value() {
	if last := len(n.out) - 1; last >= 0 {
		switch n.out[last] {
		case "?":
			return
		case "-", "+":
			if last == 0 || !isOperand(n.out[last-1]) {
				n.out = n.out[:last]
			}
		}
	}
	n.out = append(n.out, "?")
}

// isOperand says that a sign after the token is an operator.
func isOperand(token string) bool {
	switch token {
	case "select", "where", "and", "or", "not", "in", "between", "like", "limit", "offset", "when", "then", "else", "case", "by", "set", "return", "interval", "div", "mod", "xor", "having", "on":
		return false
	}
	return token == "?" || token == ")" || token == folded || isWord(token[0]) || token[0] == '`'
}

// afterName says that a dot here is that of schema.table.
func (n *normalizer) afterName() bool {
	return n.at > 0 && (isWord(n.text[n.at-1]) || n.text[n.at-1] == '`')
}

// name reads a name in backquotes.
func (n *normalizer) name() {
	start := n.at + 1
	for n.at++; n.at < len(n.text); n.at++ {
		if n.text[n.at] != '`' {
			continue
		}
		if n.peek(1) != '`' {
			break
		}
		n.at++
	}
	if n.at >= len(n.text) { // it never ends
		n.doubtful = !n.truncated
		n.out = append(n.out, "?")
		return
	}
	text := strings.ToLower(n.text[start:n.at])
	n.at++
	for i := range len(text) {
		if !isWord(text[i]) || isDigit(text[0]) {
			text = "`" + text + "`"
			break
		}
	}
	n.out = append(n.out, text)
}

// number passes over a number; a word that begins as one is taken for one.
func (n *normalizer) number() {
	for n.at < len(n.text) {
		c := n.text[n.at]
		exponent := n.at > 0 && (n.text[n.at-1] == 'e' || n.text[n.at-1] == 'E') && (c == '-' || c == '+')
		if !isWord(c) && c != '.' && !exponent {
			break
		}
		n.at++
	}
	n.value()
}

func (n *normalizer) word() {
	start := n.at
	for n.at < len(n.text) && isWord(n.text[n.at]) {
		n.at++
	}
	word := strings.ToLower(n.text[start:n.at])
	next := n.peek(0)
	switch word {
	case "null", "true", "false":
		if start == 0 || n.text[start-1] != '.' {
			n.value()
			return
		}
	case "x", "b", "n":
		if next == '\'' { // x'4D'
			return
		}
	}
	n.out = append(n.out, word)
}

// foldLists puts one sign for a list of values, and for all rows of an INSERT.
func foldLists(in []string) []string {
	var out []string
	for i := 0; i < len(in); i++ {
		switch {
		case (in[i] == "values" || in[i] == "value") && i+1 < len(in) && in[i+1] == "(":
			out = append(out, in[i], folded)
			i = rows(in, i+1) - 1
		case in[i] == "(":
			if end := list(in, i); end > 0 {
				out = append(out, folded)
				i = end - 1
				continue
			}
			out = append(out, in[i])
		default:
			out = append(out, in[i])
		}
	}
	return out
}

// list returns the place after a list of nothing but values, which begins at i; 0
// where there is none.
func list(in []string, i int) int {
	start := i
	for i++; i < len(in) && in[i] == "?"; i += 2 {
		if i+1 < len(in) && in[i+1] == ")" {
			return i + 2
		}
		if i+1 < len(in) && in[i+1] != "," {
			return 0
		}
	}
	if i >= len(in) && i > start+1 {
		return len(in) // the statement was cut
	}
	return 0
}

// rows returns the place after rows in parentheses, of which the first begins at i.
func rows(in []string, i int) int {
	depth := 0
	for ; i < len(in); i++ {
		switch in[i] {
		case "(":
			depth++
		case ")":
			depth--
		}
		if depth == 0 && (i+2 >= len(in) || in[i+1] != "," || in[i+2] != "(") {
			return min(i+1, len(in))
		}
		if depth == 0 {
			i++
		}
	}
	return len(in)
}

// maxNormal bounds the text, in bytes.
const maxNormal = 4096

func join(tokens []string) string {
	var b strings.Builder
	for i, t := range tokens {
		if i > 0 && spaced(tokens[i-1], t) {
			b.WriteByte(' ')
		}
		if b.WriteString(t); b.Len() > maxNormal {
			break
		}
	}
	s := b.String()
	return strings.ToValidUTF8(s[:min(len(s), maxNormal)], "")
}

// spaced says whether a space stands between two tokens.
func spaced(a, b string) bool {
	switch {
	case a == "." || b == "." || b == "," || b == ";" || b == ")" || a == "(" || a == "@":
		return false
	case a == "-" && b == ">":
		return false
	case strings.ContainsAny(a, "<>=!&|:") && len(a) == 1 && strings.ContainsAny(b, "<>=&|") && len(b) == 1:
		return false
	}
	return true
}
