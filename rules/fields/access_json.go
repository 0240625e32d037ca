package fields

import (
	"bytes"
	"slices"
)

// accessMembers are, by the field of an access log, the members of an object that
// say it: those of nginx's log_format as people write it, Caddy, Traefik, Envoy
// and frameworks. The first that is there counts. What clients choose, as
// X-Forwarded-For, is none of them.
func accessMembers() [accessFields][]string {
	return [accessFields][]string{
		accessHost:     {"host", "request.host", "http_host", "RequestHost", "authority", "vhost", "server_name"},
		accessClient:   {"client_ip", "request.client_ip", "remote_addr", "remote_ip", "request.remote_ip", "request.remote_addr", "ClientHost", "ClientAddr", "downstream_remote_address", "remote_host", "clientip", "client", "ip"},
		accessUser:     {"remote_user", "ClientUsername", "user_id", "user"},
		accessMethod:   {"request_method", "method", "request.method", "RequestMethod"},
		accessTarget:   {"request_uri", "request.uri", "uri", "RequestPath", "path", "url"},
		accessQuery:    {"args", "query_string", "query"},
		accessProtocol: {"server_protocol", "protocol", "proto", "request.proto", "RequestProtocol"},
		accessStatus:   {"status", "DownstreamStatus", "response_code", "status_code", "statusCode"},
		accessBytes:    {"body_bytes_sent", "bytes_sent", "size", "DownstreamContentSize", "bytes_out", "response_size", "bytes"},
		accessReferer:  {"http_referer", "referer", "request.headers.Referer.0", "request_Referer", "http_referrer", "referrer"},
		accessAgent:    {"http_user_agent", "user_agent", "request.headers.User-Agent.0", "request_User-Agent", "agent", "userAgent"},
		accessTime:     {"request_time", "duration", "Duration", "duration_ms", "request_time_ms", "latency_ms", "response_time_ms", "latency_human", "latency", "upstream_response_time"},
	}
}

// requestLine is the member that has method, target and protocol in one.
const requestLine = "request"

// accessObject are the members that are looked for, by the field; it is part of a
// Wanted.
type accessObject struct {
	wanted  *Wanted
	members [accessFields][]int
	line    int
}

func newAccessObject() *accessObject {
	o := &accessObject{wanted: NewWanted(JSON)}
	for field, names := range accessMembers() {
		for _, name := range names {
			o.members[field] = append(o.members[field], o.wanted.Add(name))
		}
	}
	o.line = o.wanted.Add(requestLine)
	return o
}

// readAccessObject reads an access log's line that is an object. It has to have a
// status, a method and a target, or a request that has these.
func (v *Values) readAccessObject() bool {
	o := v.wanted.object
	if v.inner == nil {
		v.inner = &Values{}
	}
	in := v.inner
	if !in.Read(o.wanted, &Input{Body: v.body}) {
		return false
	}
	status, code := v.member(accessStatus)
	if code < 0 || len(status.text) != 3 || !allDigits(status.text) || !in.follows(o.wanted.names[code], status) {
		return false
	}
	method, m := v.member(accessMethod)
	target, uri := v.member(accessTarget)
	if line := in.list[o.line]; (m < 0 || uri < 0) && line.ok {
		v.objectRequest(line)
	} else if m >= 0 && uri >= 0 {
		v.objectTarget(method, target)
	} else {
		return false
	}
	for _, field := range []int{accessHost, accessUser, accessProtocol, accessBytes, accessReferer, accessAgent} {
		if x, i := v.member(field); i >= 0 {
			v.takeOver(field, x)
		}
	}
	v.takeOver(accessStatus, status)
	if x, i := v.member(accessClient); i >= 0 {
		x.text, x.end = withoutPort(x)
		v.takeOver(accessClient, x)
	}
	if v.wanted.access[accessTime] >= 0 {
		v.objectTime(o.wanted.names[code] == "response_code", in.list[o.members[accessTarget][1]].ok)
	}
	return true
}

// member is the first member that says the field, and its number; -1 where there
// is none.
func (v *Values) member(field int) (x value, number int) {
	for _, i := range v.wanted.object.members[field] {
		if x := v.inner.list[i]; x.ok {
			return x, i
		}
	}
	return value{}, -1
}

// takeOver keeps what a member says; "" and - stand for nothing.
func (v *Values) takeOver(field int, x value) {
	if i := v.wanted.access[field]; i >= 0 && len(x.text) > 0 && string(x.text) != "-" {
		v.put(i, x.text, int(x.start), int(x.end))
	}
}

// follows reports whether the value stands right behind its name, so that it can
// be found by both.
func (v *Values) follows(name string, x value) bool {
	before := bytes.TrimSuffix(v.body[:x.start], []byte(`"`))
	before, ok := bytes.CutSuffix(bytes.TrimSuffix(before, []byte(" ")), []byte(`":`))
	return ok && bytes.HasSuffix(before, []byte(name))
}

// objectTarget keeps a method, and the target with its path and query. A method
// that is not written as it is is none.
func (v *Values) objectTarget(method, target value) {
	raw := v.body[method.start:method.end]
	if len(raw) > 0 && method.end > method.start && v.body[method.start-1] == '"' && !slices.ContainsFunc(raw, func(c byte) bool { return !isToken(c) }) {
		v.takeOver(accessMethod, method)
	}
	v.takeOver(accessTarget, target)
	start, end := splitTarget(target.text)
	v.objectText(accessPath, target, start, end, decodePath)
	if end < len(target.text) {
		v.objectText(accessQuery, target, end+1, len(target.text), decodeQuery)
	} else if x, i := v.member(accessQuery); i >= 0 {
		v.objectText(accessQuery, x, 0, len(x.text), decodeQuery)
	}
}

// objectRequest keeps what METHOD target HTTP/1.1 says.
func (v *Values) objectRequest(line value) {
	b := line.text
	blank := bytes.IndexByte(b, ' ')
	last := bytes.LastIndexByte(b, ' ')
	if blank <= 0 || last <= blank || !bytes.HasPrefix(b[last+1:], []byte("HTTP/")) || !bytes.HasPrefix(v.body[line.start:], b[:blank+1]) {
		v.takeOver(accessTarget, line)
		return
	}
	part := func(from, to int) value { return value{b[from:to], line.start, line.end, true} }
	v.takeOver(accessProtocol, part(last+1, len(b)))
	method := part(0, blank)
	method.end = method.start + int32(blank)
	v.objectTarget(method, part(blank+1, last))
}

// objectText keeps what a part of a member means.
func (v *Values) objectText(field int, x value, from, to int, decode func([]byte) []byte) {
	i := v.wanted.access[field]
	if i < 0 || field == accessPath && (from == to || x.text[from] != '/' && x.text[from] != '*') {
		return
	}
	at := len(v.buf)
	v.buf = append(v.buf, x.text[from:to]...)
	text := decode(v.buf[at:])
	v.buf = v.buf[:at+len(text)]
	v.put(i, text, int(x.start), int(x.end))
}

// withoutPort is an address without the port behind it, as 192.0.2.7:5050 and
// [2001:db8::7]:5050 have one, and where it ends in the record.
func withoutPort(x value) (text []byte, end int32) {
	i := bytes.LastIndexByte(x.text, ':')
	if i < 0 || !allDigits(x.text[i+1:]) || bytes.IndexByte(x.text, ':') != i && x.text[i-1] != ']' {
		return x.text, x.end
	}
	text = x.text[:i]
	if len(text) > 1 && text[0] == '[' {
		return text[1 : len(text)-1], x.end
	}
	return text, x.end
}

// objectTime keeps how long the request took. A number under duration is seconds
// of Caddy or milliseconds of Envoy; of others nobody knows, unless it has a point
// or a unit.
func (v *Values) objectTime(envoy, caddy bool) {
	o := v.wanted.object
	for _, i := range o.members[accessTime] {
		x := v.inner.list[i]
		if !x.ok || !isTime(x.text, true) {
			continue
		}
		bare := isDigit(x.text[len(x.text)-1])
		unit := ""
		switch name := o.wanted.names[i]; {
		case !bare || name == "request_time" || name == "upstream_response_time":
		case name == "Duration":
			unit = "ns"
		case bytes.HasSuffix([]byte(name), []byte("_ms")) || name == "duration" && envoy:
			unit = "ms"
		case name == "duration" && (caddy || bytes.IndexByte(x.text, '.') > 0):
		default:
			continue
		}
		at := len(v.buf)
		v.buf = append(append(v.buf, x.text...), unit...)
		x.text = v.buf[at:]
		v.takeOver(accessTime, x)
		return
	}
}
