package rules

import "bytes"

// secretForms are secrets that one knows by their look.
func (f *secretFinder) secretForms(k *builtin) {
	run := func(min, max int, more string) finder {
		return func(t text, i, j int) (int, int, bool) {
			end := j
			for end < len(t.body) && (isLetter(t.body[end]) || isDigit(t.body[end]) || isOneOf(t.body[end], more)) {
				end++
			}
			n := end - j
			return i, end, n >= min && n <= max && t.begins(i)
		}
	}
	known := func(find finder, words ...string) {
		f.add(k.token, find, false, words...)
		f.lookFor(false, words...)
	}
	const any = 1 << 20
	known(run(16, 16, ""), "AKIA", "ASIA")                                                  // AWS
	known(run(35, 35, "_-"), "AIza")                                                        // Google
	known(run(30, any, ""), "ghp_", "gho_", "ghu_", "ghs_")                                 // GitHub
	known(run(22, any, "_"), "github_pat_")                                                 // GitHub
	known(run(16, any, "_-."), "glpat-")                                                    // GitLab
	known(run(10, any, "-"), "xoxa-", "xoxb-", "xoxp-", "xoxr-", "xoxs-", "xoxe-", "xapp-") // Slack
	known(run(16, any, ""), "sk_live_", "sk_test_", "rk_live_", "whsec_")                   // Stripe
	known(run(20, any, "_-"), "sk-ant-", "sk-proj-")
	known(webhook, "hooks.slack.com/services/")
	f.add(k.token, jsonToken, false, "eyJ")
	f.lookFor(false, ".eyJ", "eyJhbGci", "eyJ0eXAi", "eyJpdiI6")
	f.add(k.password, run(50, 60, "./$"), false, "$2y$", "$2a$", "$2b$") // bcrypt
	f.lookFor(false, "$2y$", "$2a$", "$2b$")
	f.add(k.password, argon, false, "$argon2")
	f.lookFor(false, "rgon2")
	f.add(k.privateKey, privateKey, false, keyWords)
	f.lookFor(false, keyWords)
	f.add(k.password, dsn, false, "@")
	f.lookFor(false, "@")
	f.users = true
}

// begins reports whether nothing that words are made of stands right before i.
func (t text) begins(i int) bool {
	return i == t.from || !isWordByte(t.body[i-1]) && t.body[i-1] != '-'
}

// webhook is about the path of one, which is all that it takes to use it.
func webhook(t text, _, j int) (start, end int, ok bool) {
	for end = j; end < len(t.body) && (isWordByte(t.body[end]) || t.body[end] == '/'); end++ {
	}
	return j, end, end-j >= 20
}

// jsonToken is about a JWT, and what Laravel encrypts.
func jsonToken(t text, i, j int) (start, end int, ok bool) {
	b := t.body
	if !t.begins(i) {
		return 0, 0, false
	}
	end = j
	for end < len(b) && (isWordByte(b[end]) || b[end] == '-') {
		end++
	}
	if foldPrefix(b[i:], "eyjpdii6") {
		for end < len(b) && (isWordByte(b[end]) || isOneOf(b[end], "+/=%")) {
			end++
		}
		return i, end, end-i >= 40
	}
	parts := 1
	for end+1 < len(b) && b[end] == '.' && (isWordByte(b[end+1]) || b[end+1] == '-') && parts < 5 {
		for end++; end < len(b) && (isWordByte(b[end]) || b[end] == '-'); end++ {
		}
		parts++
	}
	return i, end, parts > 1 && end-i >= 24
}

// argon is about a hash as $argon2id$v=19$m=65536,t=4,p=1$salt$hash.
func argon(t text, i, j int) (start, end int, ok bool) {
	for end = j; end < len(t.body) && (isWordByte(t.body[end]) || isOneOf(t.body[end], "$=,+/.-")); end++ {
	}
	return i, end, end-j >= 40
}

// keyWords are where a private key begins.
const keyWords = "PRIVATE KEY"

// maxUser bounds the user and the password of a URL, in bytes.
const maxUser = 256

// dsn is about the password in scheme://user:password@host, whose @ is at i, and
// in user:password@tcp(host).
func dsn(t text, i, _ int) (start, end int, ok bool) {
	b := t.body
	low := max(t.from, i-maxUser)
	n, ok := userStart(b, low, i)
	if ok {
		return userinfo(b, n, i)
	}
	if isCall(b[i+1:]) {
		if colon := bytes.IndexByte(b[n:i], ':'); colon > 0 {
			return n + colon + 1, i, true
		}
	}
	return 0, 0, false
}

// userStart is where what stands before a URL's @ at i begins; ok is false where
// that is no URL, for there is no :// before.
func userStart(b []byte, low, i int) (n int, ok bool) {
	for n = i; n > low; n-- {
		switch c := b[n-1]; {
		case !inURL[c]:
			return n, false
		case c == '/' && n-3 >= 0 && (b[n-2] == '/' && b[n-3] == ':' || n-5 >= 0 && string(b[n-5:n]) == `:\/\/`):
			return n, true
		}
	}
	return n, false
}

// inURL are the bytes that may stand before a URL's @.
var inURL = func() (set [256]bool) {
	for c := range set {
		set[c] = c > ' ' && !isOneOf(byte(c), "\"'`<>@")
	}
	return set
}()

// userNear reports whether the @ at i is one that a password may stand before.
func userNear(buf []byte, i int) bool {
	_, ok := userStart(buf, max(0, i-maxUser), i)
	return ok || isCall(buf[i+1:])
}

// isCall reports whether b begins as an address of Go's MySQL driver.
func isCall(b []byte) bool {
	return len(b) > 0 && (b[0] == 't' && foldPrefix(b, "tcp(") || b[0] == 'u' && foldPrefix(b, "unix("))
}

// userinfo finds the password in what is between :// and an @.
func userinfo(b []byte, start, at int) (from, end int, ok bool) {
	page := bytes.Contains(b[max(0, start-8):start], []byte("http"))
	for n := at + 1; n < len(b) && n < start+maxUser && (inURL[b[n]] || b[n] == '@') && !isOneOf(b[n], `\,;`); n++ {
		if page && isOneOf(b[n], "/?#") {
			break // there may be an @ in its path
		}
		if b[n] == '@' {
			at = n // the password has one as well
		}
	}
	colon := bytes.IndexByte(b[start:at], ':')
	if colon < 0 {
		return 0, 0, false
	}
	from = start + colon + 1
	if host := bytes.IndexAny(b[start:at], "/?#\\"); host >= 0 {
		// Either the password has one of these, or the @ is in a path.
		host += start
		if host < from || allDigits(b[from:host]) {
			return 0, 0, false
		}
	}
	return from, at, from < at
}

const maxKey = 16 << 10 // bytes of a private key

// privateKey is about what is between the lines of a PEM block. Where there is
// no end, the key goes on as far as it looks like one.
func privateKey(t text, i, j int) (start, end int, ok bool) {
	b := t.body
	const begin = "-----BEGIN "
	head := b[max(t.from, i-60):i]
	at := bytes.LastIndex(head, []byte(begin))
	if at < 0 || bytes.IndexByte(head[at+len(begin):], '-') >= 0 {
		return 0, 0, false
	}
	if foldPrefix(b[j:], " block") {
		j += len(" block")
	}
	if !foldPrefix(b[j:], "-----") {
		return 0, 0, false
	}
	start = j + len("-----")
	if n := bytes.Index(b[start:min(len(b), start+maxKey)], []byte("-----END")); n >= 0 {
		return start, start + n, true
	}
	run, longest := 0, 0
	for end = start; end < len(b) && (isBase64(b[end]) || isOneOf(b[end], "\\ \t\r\n:,-")); end++ {
		if run++; !isBase64(b[end]) {
			run = 0
		}
		longest = max(longest, run)
	}
	if end < len(b) && b[end] == '_' {
		end -= run // a word of something else
	}
	return start, end, longest >= 16
}

func isBase64(c byte) bool { return isLetter(c) || isDigit(c) || c == '+' || c == '/' || c == '=' }

// isKeyLineLen reports whether a line of so many bytes may be one of a key.
func isKeyLineLen(n int) bool { return 64 <= n && n < 80 }

// keyLine is how much of the body is a line of a private key that is logged line
// by line, or -1. Where none has begun it has to be as long as such lines are,
// and to be nothing else, as a checksum.
func keyLine(body []byte, open bool) int {
	line := bytes.TrimRight(body, " \t\r")
	var digits, lowers, uppers bool
	hex := true
	for _, c := range line {
		if !isBase64(c) {
			return -1
		}
		digits = digits || isDigit(c)
		lowers = lowers || 'a' <= c && c <= 'z'
		uppers = uppers || 'A' <= c && c <= 'Z'
		hex = hex && (isDigit(c) || 'a' <= c|0x20 && c|0x20 <= 'f')
	}
	n := len(line)
	whole := (n == 64 || n == 70 || n == 76) && digits && lowers && uppers && !hex
	if n == 0 || !open && !whole {
		return -1
	}
	return n
}

// isKeyHeader reports whether the body is a line that may stand between the
// beginning of a key and its lines.
func isKeyHeader(body []byte) bool {
	line := bytes.TrimSpace(body)
	for _, s := range []string{"proc-type:", "dek-info:", "version:", "comment:", "hash:", "charset:"} {
		if foldPrefix(line, s) {
			return true
		}
	}
	return len(line) == 0
}

// opensKey reports whether a private key begins with the next record.
func opensKey(body []byte) bool {
	line := bytes.TrimRight(body, " \t\r\n")
	at := bytes.LastIndex(line[max(0, len(line)-60):], []byte("-----BEGIN "))
	return at >= 0 && (bytes.HasSuffix(line, []byte("PRIVATE KEY-----")) || bytes.HasSuffix(line, []byte("PRIVATE KEY BLOCK-----")))
}
