package fields

import "bytes"

// readHAProxy reads a line of HAProxy's option httplog or httpslog, and whatever
// stands before it:
//
//	client:port [accepted] frontend backend/server TR/Tw/Tc/Tr/Ta status bytes
//	cookie cookie state a/f/b/s/r s/b {captured} {captured} "request"
//
// Nothing before the cookies is chosen by a client. In what is captured, and in
// requests, HAProxy writes #22 for a quote. named is false where the line is none
// of another server for sure: then a capture may have quotes.
func (v *Values) readHAProxy(named bool) bool {
	b := v.body
	for at := 0; ; {
		i := bytes.IndexByte(b[at:], ']')
		if i < 0 {
			return false
		}
		if at += i + 1; isAccepted(b[:at]) {
			return v.haproxyLine(at, named)
		}
	}
}

// isAccepted reports whether b ends with a time as in [06/Feb/2009:12:14:14.655],
// and something before it.
func isAccepted(b []byte) bool {
	const size = len(" [06/Feb/2009:12:14:14.655]")
	if len(b) <= size {
		return false
	}
	t := b[len(b)-size:]
	return t[0] == ' ' && t[1] == '[' && t[4] == '/' && t[8] == '/' && t[13] == ':' && t[22] == '.' && allDigits(t[23:26])
}

// haproxyLine reads a line in which the time ends before at.
func (v *Values) haproxyLine(at int, named bool) bool {
	b := v.body
	head := b[:at-len(" [06/Feb/2009:12:14:14.655]")]
	client := bytes.LastIndexByte(head, ' ') + 1
	port := bytes.LastIndexByte(head, ':')
	if port <= client || !allDigits(head[port+1:]) {
		return false
	}
	front := wordEnd(b, at+1)
	back := wordEnd(b, front+1)
	if front == at+1 || back <= front+1 || bytes.IndexByte(b[front:back], '/') < 0 {
		return false
	}
	timers := wordEnd(b, back+1)
	took := lastOf(b, back+1, timers, 5)
	status := wordEnd(b, timers+1)
	size := wordEnd(b, status+1)
	if took < 0 || lastOf(b, timers+1, status, 1) < 0 || lastOf(b, status+1, size, 1) < 0 {
		return false
	}
	counts := countsEnd(b, size)
	if counts < 0 {
		return false
	}
	start, ok := requestOf(b, counts, named)
	if !ok {
		return false
	}
	if b[client] == '[' && b[port-1] == ']' {
		v.access(accessClient, client+1, port-1)
	} else {
		v.access(accessClient, client, port)
	}
	if status-timers == 4 && isDigit(b[timers+1]) { // else nothing was answered
		v.access(accessStatus, timers+1, status)
	}
	if b[status+1] != '-' {
		v.access(accessBytes, afterPlus(b, status+1), size)
	}
	v.milliseconds(afterPlus(b, took), timers)
	if end := bytes.IndexByte(b[start:], '"'); end >= 0 {
		v.haproxyRequest(start, start+end, true)
	} else {
		v.haproxyRequest(start, len(b), false)
	}
	return true
}

// lastOf is where the last of so many numbers begins, which may have signs and a
// slash between them, and are all that there is from start to end; -1 where that
// is something else.
func lastOf(b []byte, start, end, numbers int) (last int) {
	at := start
	for n := range numbers {
		if n > 0 {
			if at >= end || b[at] != '/' {
				return -1
			}
			at++
		}
		last = at
		if at < end && (b[at] == '-' || b[at] == '+') {
			at++
		}
		digits := at
		for at < end && isDigit(b[at]) {
			at++
		}
		if at == digits {
			return -1
		}
	}
	if at != end {
		return -1
	}
	return last
}

// countsEnd is where the counts behind how the request ended are over, as in
// ---- 1/1/1/1/0 0/0. Before them are two cookies, which may have blanks where
// they are in quotes; at is where the size ends.
func countsEnd(b []byte, at int) int {
	for at = wordEnd(b, at+1); at < len(b); {
		at = wordEnd(b, at+1)
		state := wordEnd(b, at+1)
		if state-at != 5 {
			continue
		}
		connections := wordEnd(b, state+1)
		queues := wordEnd(b, connections+1)
		if lastOf(b, state+1, connections, 5) >= 0 && lastOf(b, connections+1, queues, 2) >= 0 {
			return queues
		}
	}
	return -1
}

// requestOf is where the request starts behind its quote, the line's end where it
// is cut off before. Between the counts and it is what was captured, in braces.
func requestOf(b []byte, counts int, named bool) (start int, ok bool) {
	rest := b[counts:]
	captured := bytes.HasPrefix(rest, []byte(" {"))
	quote := bytes.IndexByte(rest, '"')
	if captured && quote >= 0 && !named {
		if i := bytes.Index(rest, []byte(`} "`)); i >= 0 {
			quote = i + 2
		}
	}
	switch {
	case quote < 0:
		return len(b), captured || len(rest) <= 1
	case quote == 1:
		return counts + 2, rest[0] == ' '
	case captured && quote > 3:
		return counts + quote + 1, rest[quote-2] == '}' && rest[quote-1] == ' '
	}
	return 0, false
}

func afterPlus(b []byte, at int) int {
	if b[at] == '+' { // option logasap: what it was when the answer began
		return at + 1
	}
	return at
}

// milliseconds keeps how long the request took; -1 stands for nothing.
func (v *Values) milliseconds(start, end int) {
	i := v.wanted.access[accessTime]
	if i < 0 || v.body[start] == '-' {
		return
	}
	at := len(v.buf)
	v.buf = append(append(v.buf, v.body[start:end]...), "ms"...)
	v.put(i, v.buf[at:], start, end)
}

// haproxyRequest reads METHOD target HTTP/1.1, which may end anywhere if it is
// not whole. <BADREQ> is what HAProxy has where it was no request.
func (v *Values) haproxyRequest(start, end int, whole bool) {
	b := v.body
	method := start
	for method < end && isToken(b[method]) {
		method++
	}
	target, last := method+1, end
	if method == start || target >= end || b[method] != ' ' {
		v.access(accessTarget, start, end)
		return
	}
	if i := bytes.LastIndexByte(b[target:end], ' '); i >= 0 {
		switch protocol := b[target+i+1 : end]; {
		case bytes.HasPrefix(protocol, []byte("HTTP/")):
			v.access(accessProtocol, target+i+1, end)
			last = target + i
		case !whole && bytes.HasPrefix([]byte("HTTP/"), protocol):
			last = target + i
		}
	}
	v.access(accessMethod, start, method)
	v.access(accessTarget, target, last)
	v.target(target, last, decodeHashPath, decodeHashQuery)
}
