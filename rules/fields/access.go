package fields

import "bytes"

// The fields of an access log, by their place in accessNames.
const (
	accessHost = iota
	accessClient
	accessUser
	accessMethod
	accessPath
	accessQuery
	accessTarget
	accessProtocol
	accessStatus
	accessBytes
	accessReferer
	accessAgent
	accessTime
	accessFields
)

func accessNames() []string {
	return []string{
		"host", "client", "user", "method", "path", "query", "target", "protocol", "status", "bytes", "referer", "agent", "request_time",
	}
}

// readAccess reads a line as
//
//	[host] client ident user [time] "request" status bytes ["referer" "agent" [more]]
//
// Whatever a client can choose is in quotes that it cannot close, for servers
// escape them, or before them and, but for the user's name, without blanks.
//
// or an object that says the same, or as HAProxy writes it.
func (v *Values) readAccess() bool {
	b := v.body
	if len(b) > 0 && b[0] == '{' && v.readAccessObject() {
		return true
	}
	quote := bytes.Index(b, []byte(`] "`)) + 2
	// HAProxy has more between the time and the request.
	if bytes.IndexByte(b, ']') != quote-2 && v.readHAProxy(quote >= 2) {
		return true
	}
	if quote < 2 {
		return false
	}
	// A user's name may have a bracket, the time has none.
	open := bytes.LastIndex(b[:quote], []byte(" ["))
	if open < 0 || !v.accessHead(b[:open]) {
		return false
	}
	end := closingQuote(b, quote+1)
	if end < 0 {
		return false
	}
	// A status has three digits, and a blank before and behind.
	rest := b[end+1:]
	if len(rest) < 6 || rest[0] != ' ' || !isDigit(rest[1]) || !isDigit(rest[2]) || !isDigit(rest[3]) || rest[4] != ' ' {
		return false
	}
	at := end + 6
	size := wordEnd(b, at)
	if !isSize(b[at:size]) {
		return false
	}
	v.request(quote+1, end)
	v.access(accessStatus, end+2, end+5)
	v.access(accessBytes, at, size)
	v.accessTail(size)
	return true
}

// closingQuote is the first quote from at on that is not escaped, or -1.
func closingQuote(b []byte, at int) int {
	for at < len(b) {
		i := bytes.IndexByte(b[at:], '"')
		if i < 0 {
			return -1
		}
		slashes := 0
		for n := at + i - 1; n >= at && b[n] == '\\'; n-- {
			slashes++
		}
		if slashes%2 == 0 {
			return at + i
		}
		at += i + 1
	}
	return -1
}

// access keeps what is written from start to end; - stands for nothing.
func (v *Values) access(field, start, end int) {
	text := v.body[start:end]
	if i := v.wanted.access[field]; i >= 0 && len(text) > 0 && (len(text) > 1 || text[0] != '-') {
		v.put(i, text, start, end)
	}
}

// accessHead reads what stands before the time: client, ident and user, and
// maybe the host before them. Names of users have blanks in them where somebody
// wants it so.
func (v *Values) accessHead(head []byte) bool {
	first := wordEnd(head, 0)
	second := wordEnd(head, first+1)
	third := wordEnd(head, second+1)
	if first == 0 || second <= first+1 || third <= second+1 {
		return false
	}
	client, user := [2]int{0, first}, second+1
	ident := head[first+1 : second]
	if third < len(head) && string(ident) != "-" && (string(head[second+1:third]) == "-" || isAddress(ident)) {
		host := head[:first]
		if i := bytes.LastIndexByte(host, ':'); i > 0 && allDigits(host[i+1:]) {
			host = host[:i]
		}
		v.access(accessHost, 0, len(host))
		client, user = [2]int{first + 1, second}, third+1
	}
	v.access(accessClient, client[0], client[1])
	v.access(accessUser, user, len(head))
	return true
}

// request reads METHOD target HTTP/1.1, or GET /target as before HTTP had
// versions. What is neither is a target and nothing else.
func (v *Values) request(start, end int) {
	b := v.body
	method := start
	for method < end && isToken(b[method]) {
		method++
	}
	target, last := method+1, end
	http := method > start && method < end && b[method] == ' '
	if http {
		if i := bytes.LastIndexByte(b[target:end], ' '); i > 0 && bytes.HasPrefix(b[target+i+1:end], []byte("HTTP/")) {
			last = target + i
		} else {
			http = target < end && b[target] == '/'
		}
	}
	if !http {
		v.access(accessTarget, start, end)
		return
	}
	v.access(accessMethod, start, method)
	v.access(accessTarget, target, last)
	v.access(accessProtocol, min(last+1, end), end)
	v.target(target, last, decodePath, decodeQuery)
}

// target reads the path and the query of a target, which may be a whole URL, as
// those of a proxy are.
func (v *Values) target(start, end int, decode, decodeQuery func([]byte) []byte) {
	b := v.body
	path, query := splitTarget(b[start:end])
	start, query = start+path, start+query
	if b := b[start:query]; len(b) > 0 && (b[0] == '/' || b[0] == '*') {
		v.decoded(accessPath, start, query, decode)
	}
	if query < end {
		v.decoded(accessQuery, query+1, end, decodeQuery)
	}
}

// splitTarget is where the path starts and ends in a target; a query is behind
// that and a question mark.
func splitTarget(t []byte) (start, end int) {
	if end = bytes.IndexByte(t, '?'); end < 0 {
		end = len(t)
	}
	if i := bytes.Index(t[:end], []byte("://")); i > 0 && t[0] != '/' {
		slash := bytes.IndexByte(t[i+3:end], '/')
		if slash < 0 {
			return end, end
		}
		start = i + 3 + slash
	}
	return start, end
}

// decoded keeps what the text from start to end means.
func (v *Values) decoded(field, start, end int, decode func([]byte) []byte) {
	i, text := v.wanted.access[field], v.body[start:end]
	if i < 0 {
		return
	}
	if bytes.IndexByte(text, '%') >= 0 || bytes.IndexByte(text, '\\') >= 0 || bytes.IndexByte(text, '+') >= 0 || bytes.IndexByte(text, '#') >= 0 {
		at := len(v.buf)
		v.buf = append(v.buf, text...)
		text = decode(v.buf[at:])
		v.buf = v.buf[:at+len(text)]
	}
	v.put(i, text, start, end)
}

// accessTail reads what follows the size: the referer and the agent, where both
// are there, and how long the request took.
func (v *Values) accessTail(at int) {
	b := v.body
	if end := quotedEnd(b, at+1); end > 0 {
		if last := quotedEnd(b, end+1); last > 0 {
			v.unescaped(accessReferer, at+2, end-1)
			v.unescaped(accessAgent, end+2, last-1)
			at = last
		}
	}
	if v.wanted.access[accessTime] < 0 {
		return
	}
	sure := false // an upstream's time, or a bare one, gives way to the request's
	for at < len(b) {
		if b[at] == ' ' {
			at++
			continue
		}
		if b[at] == '"' {
			if end := closingQuote(b, at+1); end > 0 {
				at = end + 1
				continue
			}
		}
		end := wordEnd(b, at)
		start, named, own := timeIn(b[at:end])
		stop := end
		if named && start > 0 && at+start < end && b[at+start] == '"' {
			start++
			if i := bytes.IndexByte(b[at+start:end], '"'); i >= 0 {
				stop = at + start + i
			}
		}
		for stop > at+start && b[stop-1] == ',' {
			stop--
		}
		_, known := v.Get(v.wanted.access[accessTime])
		if start >= 0 && isTime(b[at+start:stop], named) && (!known || own && !sure) {
			v.access(accessTime, at+start, stop)
			sure = own
		}
		at = end
	}
}

// timeIn is where in the word a time would stand: behind a name, which may be
// that of the request's own time, or at its start.
func timeIn(word []byte) (start int, named, own bool) {
	i := bytes.IndexByte(word, '=')
	if i < 0 {
		return 0, false, false
	}
	switch string(word[:i]) {
	case "rt", "request_time":
		return i + 1, true, true
	case "urt", "upstream_response_time":
		return i + 1, true, false
	}
	return -1, false, false
}

// isTime reports whether s is a number of seconds, or has a unit. Without a name
// before it or a unit behind it a number has to have a point: it may be
// anything else, Apache's microseconds for one.
func isTime(s []byte, named bool) bool {
	n, point := 0, false
	for n < len(s) && (isDigit(s[n]) || s[n] == '.' && !point) {
		point = point || s[n] == '.'
		n++
	}
	if n == 0 || !isDigit(s[0]) {
		return false
	}
	switch string(s[n:]) {
	case "":
		return (point || named) && s[n-1] != '.'
	case "ms", "us", "\u00b5s", "s":
		return s[n-1] != '.'
	}
	return false
}

// quotedEnd is the end of the text in quotes that starts at at, or -1.
func quotedEnd(b []byte, at int) int {
	if at >= len(b) || b[at] != '"' || b[at-1] != ' ' {
		return -1
	}
	if end := closingQuote(b, at+1); end > 0 {
		return end + 1
	}
	return -1
}

// unescaped keeps the text from start to end without the server's escapes.
func (v *Values) unescaped(field, start, end int) {
	i, text := v.wanted.access[field], v.body[start:end]
	if i < 0 || len(text) == 0 || string(text) == "-" {
		return
	}
	if bytes.IndexByte(text, '\\') >= 0 {
		at := len(v.buf)
		v.buf = append(v.buf, text...)
		text = undoEscapes(v.buf[at:])
		v.buf = v.buf[:at+len(text)]
	}
	v.put(i, text, start, end)
}

// wordEnd is where the word that starts at at ends.
func wordEnd(b []byte, at int) int {
	if at >= len(b) {
		return len(b)
	}
	if i := bytes.IndexByte(b[at:], ' '); i >= 0 {
		return at + i
	}
	return len(b)
}

func isSize(s []byte) bool {
	return len(s) > 0 && (allDigits(s) || len(s) == 1 && s[0] == '-')
}

// isAddress reports whether s looks like an IP address.
func isAddress(s []byte) bool {
	marks := 0
	for _, c := range s {
		switch {
		case c == '.' || c == ':':
			marks++
		case !isDigit(c) && (c|0x20 < 'a' || c|0x20 > 'f'):
			return false
		}
	}
	return marks >= 2
}

// isToken reports whether c may be in the name of a method.
func isToken(c byte) bool { return isLetter(c) || isDigit(c) || c == '-' || c == '_' }

func isLetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func allDigits(s []byte) bool {
	for _, c := range s {
		if !isDigit(c) {
			return false
		}
	}
	return len(s) > 0
}
