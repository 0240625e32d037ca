package rules

import (
	"bytes"

	"github.com/webgrip/logkeel/rules/engine"
)

// A secretFinder looks for the secrets whose name or form is known. It goes
// through a body once, from left to right, and tries what may begin at a byte.
type secretFinder struct {
	starts [256][]word          // by first byte
	pairs  [1 << 16 / 64]uint64 // bits of the first two; no word is the last byte of a body
	seek   []engine.Literal     // a body with something to cut has one of these
	users  bool                 // an @ counts, behind a user and a password
	masks  []*kind              // whose markers are no secrets
}

// A word is what a secret is found by. What is there may be the secret's name or
// its beginning; find says.
type word struct {
	engine.Needle
	kind *kind
	find finder
}

// A finder is asked about the word at [i, j) of the text. It says which part is
// the secret, nothing of it before text.from; where ok is false, which is none.
type finder func(t text, i, j int) (start, end int, ok bool)

// longValue is from how many bytes on what is no secret is not looked through
// for others: a line of a megabyte must not be read once for each of its words.
const longValue = 256

// A text is a body that is looked through; what is before from is done.
type text struct {
	body []byte
	from int
}

// add makes words known. Folded ones are in lower case.
func (f *secretFinder) add(k *kind, find finder, fold bool, words ...string) {
	for _, w := range words {
		n := engine.Needle{Text: []byte(w), Fold: fold}
		for _, c := range engine.Cases(w[0], fold) {
			f.starts[c] = append(f.starts[c], word{n, k, find})
			for d := range 256 {
				if len(w) == 1 || lower(byte(d)) == lower(w[1]) {
					pair := uint16(c) | uint16(d)<<8
					f.pairs[pair>>6] |= 1 << (pair & 63)
				}
			}
		}
	}
}

// lookFor names texts of which a body with a secret has one. What it costs to
// look for one depends on how often its pairs of bytes are in other lines, those
// at its end above all, so that a text is not always the whole word.
func (f *secretFinder) lookFor(fold bool, texts ...string) {
	for _, s := range texts {
		f.seek = append(f.seek, engine.Literal{Text: s, Fold: fold})
	}
}

// cut cuts all secrets.
func (f *secretFinder) cut(e *edit) {
	b := e.body
	for i := uint(0); i+1 < uint(len(b)); {
		if pair := pairAt(b, i); f.pairs[pair>>6]&(1<<(pair&63)) == 0 {
			i++
			continue
		}
		i = uint(f.at(e, int(i)))
	}
}

// at tries the words that may be at i, and returns where to go on.
func (f *secretFinder) at(e *edit, i int) (next int) {
	b := e.body
	next = i + 1
	for n := range f.starts[b[i]] {
		w := &f.starts[b[i]][n]
		j := i + len(w.Text)
		if j > len(b) || !w.Is(b[i:j]) {
			continue
		}
		start, end, ok := w.find(text{b, e.read}, i, j)
		switch {
		case ok && start < end && !f.masked(b[start:end]):
			e.cut(w.kind, start, end)
			return max(next, end)
		case !ok && end-start > longValue:
			next = max(next, end)
		}
	}
	return next
}

// masked reports whether a value is what was put there in place of a secret.
func (f *secretFinder) masked(value []byte) bool {
	if len(bytes.Trim(value, "*")) == 0 {
		return true
	}
	for _, k := range f.masks {
		if bytes.Equal(value, k.marker) {
			return true
		}
	}
	return false
}

// secretKeys are names that secrets are given.
func (f *secretFinder) secretKeys(k *builtin) {
	f.add(k.token, resetLink, true, "password")
	f.add(k.password, passwordValue, true, "pass", "pwd", "masterauth")
	f.add(k.password, sqlPassword, true, "identified ")
	f.add(k.password, firstPassword, true, "temporary password is generated for ")
	f.add(k.token, tokenValue, true, "token")
	f.add(k.secret, tokenValue, true, "secret", "api_key", "apikey", "api-key", "access_key", "accesskey", "accountkey", "app_key", "encryption_key")
	f.add(k.token, signatureValue, true, "signature")
	f.add(k.token, sessionValue, true, "phpsessid", "jsessionid")
	f.add(k.authorization, authorizationValue, true, "authorization")
	f.add(k.cookie, cookieValue, true, "cookie")
	f.lookFor(true, "pass", "pwd=", "pwd:", "pwd =", "_pwd", `"pwd`, "'pwd", "[pwd", "masterauth", "identified ", "token", "secret",
		"api_key", "apik", "api-key", "access_key", "accesskey", "accountkey", "signature=", "authorization")
	f.lookFor(false, "APP_KEY", "ENCRYPTION_KEY", "encryption_key=", "SESSID", "JSESSIONID", "jsess", "ookie:", `ookie"`, "COOKIE")
}

// passwordValue is about what ends in pass, passwd, password, passphrase, pwd or
// masterauth.
func passwordValue(t text, i, j int) (start, end int, ok bool) {
	b := t.body
	short := j-i == len("pass")
	if short {
		for _, rest := range []string{"word", "wd", "phrase", "wort"} {
			if foldPrefix(b[j:], rest) {
				j, short = j+len(rest), false
				break
			}
		}
	}
	if short && !passKey(b[t.wordStart(i):i], b[i]) {
		return 0, 0, false
	}
	j = passwordSuffix(b, j)
	v, ok := t.assigned(i, j)
	if !ok {
		if v, ok = t.argument(i, j); !ok {
			return 0, 0, false
		}
	}
	value := b[v.start:v.end]
	switch {
	case isState(value), isPlaceholder(value, v.spaced), v.quoted && isSentence(value):
		ok = false
	case v.loose && isProse(value):
		ok = false
	case !v.quoted && allDigits(value) && (len(value) < 4 && short || len(value) < 3 && v.loose):
		ok = false // a number of things that pass
	case b[i+1]|0x20 == 'w' && isPath(value):
		ok = false // the working folder
	}
	return v.start, v.end, ok
}

// passKey reports whether pass is a word of its own, after what stands right
// before it: as in DB_PASS, dbPass or rootpass, but not in bypass.
func passKey(before []byte, first byte) bool {
	if n := len(before); n > 0 && first == 'P' && isLetter(before[n-1]) && before[n-1] >= 'a' {
		return true
	}
	n := len(before)
	for n > 0 && isLetter(before[n-1]) {
		n--
	}
	for _, s := range []string{"by", "com", "tres", "sur", "over", "under"} {
		if len(before)-n == len(s) && foldPrefix(before[n:], s) {
			return false
		}
	}
	return true
}

// passwordSuffix is where the name of a password ends.
func passwordSuffix(b []byte, j int) int {
	for _, s := range []string{"_confirmation", "-confirmation", "confirmation", "_confirm", "confirm", "_repeat", "_again", "_hash", "hash", "_old", "_new"} {
		if foldPrefix(b[j:], s) {
			return j + len(s)
		}
	}
	for n := 0; n < 2 && j < len(b) && isDigit(b[j]); n++ {
		j++
	}
	return j
}

// sqlPassword is about IDENTIFIED BY 'x', and WITH or VIA a plugin before.
func sqlPassword(t text, i, j int) (start, end int, ok bool) {
	b := t.body
	if b[i] == 'i' && (i-t.from < 2 || !isQuote(b[i-2])) {
		return 0, 0, false // people say so as well
	}
	for range 4 {
		j = skipBlanks(b, j)
		if q, after := openQuote(b, j); q.text != "" && q.text != "`" {
			end, _ = q.close(b, after)
			return after, end, true
		}
		n := j
		for n < len(b) && n-j < maxName && isWordByte(b[n]) {
			n++
		}
		j = n
	}
	return 0, 0, false
}

// firstPassword is about what MySQL says when it is set up, "... for
// root@localhost: x".
func firstPassword(t text, _, j int) (start, end int, ok bool) {
	b := t.body
	for start = j; start < len(b) && start-j < maxName && b[start] > ' '; start++ {
	}
	end = start
	if start > j && b[start-1] == ':' {
		start = skipBlanks(b, start)
		for end = start; end < len(b) && b[end] > ' '; end++ {
		}
	}
	return start, end, end > start
}

// resetLink is about /password/reset/x and /reset-password/x.
func resetLink(t text, i, j int) (start, end int, ok bool) {
	b := t.body
	switch {
	case foldPrefix(b[j:], "/reset/"), foldPrefix(b[j:], "-reset/"):
		start = j + len("/reset/")
	case j < len(b) && b[j] == '/' && i-t.from >= len("reset-") && foldPrefix(b[i-len("reset-"):], "reset-"):
		start = j + 1
	default:
		return 0, 0, false
	}
	for end = start; end < len(b) && isWordByte(b[end]); end++ {
	}
	return start, end, end-start >= 20 && looksRandom(b[start:end])
}

// tokenValue is about what ends in token, secret, api_key and the like.
func tokenValue(t text, i, j int) (start, end int, ok bool) {
	b := t.body
	if b[i]|0x20 == 's' {
		for _, s := range []string{"_access_key", "accesskey", "_key_base", "_key", "-key", "key", "_id"} {
			if foldPrefix(b[j:], s) {
				j += len(s)
				break
			}
		}
	}
	v, ok := t.assigned(i, j)
	if !ok {
		if v, ok = t.argument(i, j); !ok {
			return 0, 0, false
		}
	}
	value := b[v.start:v.end]
	if rest := skipURLBlanks(b, v.end); !v.quoted && rest > v.end && schemeOf(value) == oneWord {
		return rest, bareEnd(b, rest, false), true
	}
	switch {
	case isState(value), isPlaceholder(value, v.spaced), v.quoted && isSentence(value):
		ok = false
	case !v.quoted && allDigits(value) && len(value) < 6:
		ok = false // a number of things
	case v.quoted && len(value) < 4 && isPunctuation(value):
		ok = false // unexpected token: '}'
	case (v.loose || v.spaced && !v.quoted) && !looksRandom(value):
		ok = false // unexpected token: x
	}
	return v.start, v.end, ok
}

// signatureValue is about that of a URL which gives access by itself.
func signatureValue(t text, i, j int) (start, end int, ok bool) {
	v, ok := t.assigned(i, j)
	ok = ok && !v.loose && v.end-v.start >= 16 && looksRandom(t.body[v.start:v.end])
	return v.start, v.end, ok
}

// sessionValue is about cookies that are as good as a password.
func sessionValue(t text, i, j int) (start, end int, ok bool) {
	v, ok := t.assigned(i, j)
	return v.start, v.end, ok && v.end-v.start >= 8
}

// cookieValue is about the headers Cookie and Set-Cookie.
func cookieValue(t text, i, j int) (start, end int, ok bool) {
	v, ok := t.assigned(i, j)
	if !ok {
		return 0, 0, false
	}
	for n := v.start; ; n++ {
		if n == v.end || n-v.start == maxName {
			return v.start, v.end, false
		}
		if t.body[n] == '=' {
			break
		}
	}
	if !v.quoted {
		v.end = restOfHeader(t.body, v.start)
	}
	return v.start, v.end, true
}

// authorizationValue is about the header. The scheme is left where it stands.
func authorizationValue(t text, i, j int) (start, end int, ok bool) {
	b := t.body
	v, ok := t.assigned(i, j)
	if !ok {
		return 0, 0, false
	}
	if v.start < v.end && b[v.start] == '[' {
		v.start++ // a list, as Go prints it
		v.end = bareEnd(b, v.start, false)
	}
	n := v.start
	for n < len(b) && n-v.start < maxScheme && (isWordByte(b[n]) || b[n] == '-') {
		n++
	}
	rest := skipURLBlanks(b, n)
	switch kind := schemeOf(b[v.start:n]); {
	case kind == noScheme:
		value := b[v.start:v.end]
		return v.start, v.end, !isState(value) && (v.quoted || looksRandom(value))
	case rest == n || v.quoted && rest >= v.end:
		return 0, 0, false
	case v.quoted:
		return rest, v.end, true
	case kind == manyWords:
		return rest, restOfHeader(b, rest), true
	}
	end = bareEnd(b, rest, false)
	value := b[rest:end]
	return rest, end, !isState(value) && !isProse(value)
}

type scheme uint8

const (
	noScheme scheme = iota
	oneWord
	manyWords
)

const maxScheme = 32

// schemeOf knows the schemes of HTTP's authorization.
func schemeOf(s []byte) scheme {
	for _, name := range []string{"bearer", "basic", "token", "negotiate", "ntlm", "apikey", "api-key", "bot", "jwt", "key"} {
		if len(s) == len(name) && foldPrefix(s, name) {
			return oneWord
		}
	}
	for _, name := range []string{"digest", "hawk", "oauth", "hmac", "signature", "aws4-hmac-sha256", "sharedkey", "sharedaccesssignature"} {
		if len(s) == len(name) && foldPrefix(s, name) {
			return manyWords
		}
	}
	return noScheme
}
