package tail

import (
	"bytes"
	"encoding/json"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/webgrip/logkeel/agent"
)

// A line is one physical line of a json-file log, decoded.
type line struct {
	body     agent.Span // without its line end
	time     int64      // ns since 1970
	stream   agent.Stream
	fragment bool // the first part, or one in the middle, of a longer line
}

var (
	head      = []byte(`{"log":"`)
	tailOut   = []byte(`","stream":"stdout","time":"`)
	tailErr   = []byte(`","stream":"stderr","time":"`)
	keyStream = []byte(`,"stream":"`)
	keyAttrs  = []byte(`,"attrs":{`)
	keyTime   = []byte(`,"time":"`)
)

const maxTime = len("2025-01-09T14:30:00.123456789+00:00")

// parse decodes block[at:end] where it lies; it leaves the block as it was when
// that is no line of Docker's. Docker writes log, stream, attrs and time in that
// order, so that the end of the line says all but the text.
func (d *dockerJSON) parse(block []byte, at, end int) (line, bool) {
	for at < end && block[at] == 0 { // a hole that a crash of the machine left
		at++
	}
	l := block[at:end]
	if n := len(l); n > 0 && l[n-1] == '\r' {
		l = l[:n-1]
	}
	if text, stream, tm, ok := fromTail(l); ok {
		if ns, ok := d.clock.parse(tm); ok {
			return finishLine(l[len(head):len(head)+text], at+len(head), stream, ns), true
		}
	}
	if text, stream, tm, ok := fromHead(l); ok {
		if ns, ok := d.clock.parse(tm); ok {
			return finishLine(l[len(head):len(head)+text], at+len(head), stream, ns), true
		}
	}
	return parseAny(l, at)
}

// fromTail reads a line without attrs from its end. text is the length of the
// escaped text.
func fromTail(l []byte) (text int, stream agent.Stream, tm []byte, ok bool) {
	n := len(l)
	if n < len(head)+len(tailOut)+2 || l[n-1] != '}' || l[n-2] != '"' || !bytes.HasPrefix(l, head) {
		return 0, 0, nil, false
	}
	q := bytes.LastIndexByte(l[max(0, n-3-maxTime):n-2], '"')
	if q < 0 {
		return 0, 0, nil, false
	}
	q += max(0, n-3-maxTime) + 1 // where the time starts
	text = q - len(tailOut)
	if text < len(head) {
		return 0, 0, nil, false
	}
	switch t := l[text:q]; {
	case bytes.Equal(t, tailOut):
		stream = agent.Stdout
	case bytes.Equal(t, tailErr):
		stream = agent.Stderr
	default:
		return 0, 0, nil, false
	}
	// What looks like the end may end another member, or a line after one that
	// was torn.
	if stringEnd(l[len(head):]) != text-len(head) {
		return 0, 0, nil, false
	}
	return text - len(head), stream, l[q : n-2], true
}

// fromHead reads a line with attrs from its start.
func fromHead(l []byte) (text int, stream agent.Stream, tm []byte, ok bool) {
	if !bytes.HasPrefix(l, head) {
		return 0, 0, nil, false
	}
	text = stringEnd(l[len(head):])
	if text < 0 {
		return 0, 0, nil, false
	}
	rest, ok := bytes.CutPrefix(l[len(head)+text+1:], keyStream)
	if !ok {
		return 0, 0, nil, false
	}
	n := stringEnd(rest)
	if n < 0 {
		return 0, 0, nil, false
	}
	if stream, ok = streamOf(rest[:n]); !ok {
		return 0, 0, nil, false
	}
	rest = rest[n+1:]
	if bytes.HasPrefix(rest, keyAttrs) {
		// the time is the last member; a '"' in attrs is escaped
		i := bytes.LastIndex(rest, keyTime)
		if i < 0 {
			return 0, 0, nil, false
		}
		rest = rest[i:]
	}
	if rest, ok = bytes.CutPrefix(rest, keyTime); !ok {
		return 0, 0, nil, false
	}
	tm, ok = bytes.CutSuffix(rest, []byte(`"}`))
	return text, stream, tm, ok
}

// stringEnd is the index of the quote that ends the JSON string s starts in.
func stringEnd(s []byte) int {
	for i := 0; ; {
		n := bytes.IndexByte(s[i:], '"')
		if n < 0 {
			return -1
		}
		i += n
		k := i
		for k > 0 && s[k-1] == '\\' {
			k--
		}
		if (i-k)%2 == 0 {
			return i
		}
		i++
	}
}

func streamOf(s []byte) (agent.Stream, bool) {
	switch string(s) {
	case "stdout":
		return agent.Stdout, true
	case "stderr":
		return agent.Stderr, true
	}
	return agent.None, false
}

// parseAny takes what others write in this format: members in any order, with
// white space between them.
func parseAny(l []byte, at int) (line, bool) {
	var o struct {
		Log    *string   `json:"log"`
		Stream string    `json:"stream"`
		Time   time.Time `json:"time"`
	}
	if json.Unmarshal(l, &o) != nil || o.Log == nil || !inRange(o.Time.Unix()) || len(*o.Log) > len(l) {
		return line{}, false
	}
	stream, _ := streamOf([]byte(o.Stream))
	n := copy(l, *o.Log)
	return ended(l[:n], at, stream, o.Time.UnixNano()), true
}

func finishLine(text []byte, at int, stream agent.Stream, ns int64) line {
	return ended(text[:unescape(text)], at, stream, ns)
}

// ended takes the line end off the decoded text, which lies at at.
func ended(text []byte, at int, stream agent.Stream, ns int64) line {
	n := len(text)
	out := line{time: ns, stream: stream}
	switch {
	case n > 0 && text[n-1] == '\n':
		n--
		if n > 0 && text[n-1] == '\r' { // a terminal's line end
			n--
		}
	case n >= fragmentSize:
		out.fragment = true
	}
	out.body = span(at, at+n)
	return out
}

// unescape decodes the inside of a JSON string where it lies, and returns its
// length then. What is no escape stays as it is.
func unescape(s []byte) int {
	r := bytes.IndexByte(s, '\\')
	if r < 0 {
		return len(s)
	}
	w := r
	for r < len(s) {
		// s[r] is a backslash
		var n int
		w, n = unescapeOne(s, w, r)
		r += n
		next := bytes.IndexByte(s[r:], '\\')
		if next < 0 {
			next = len(s) - r
		}
		w += copy(s[w:], s[r:r+next])
		r += next
	}
	return w
}

// unescapeOne writes at w what the escape at r stands for; n is its length.
func unescapeOne(s []byte, w, r int) (end, n int) {
	if r+1 >= len(s) {
		s[w] = '\\'
		return w + 1, 1
	}
	c := s[r+1]
	switch c {
	case '"', '\\', '/':
	case 'n':
		c = '\n'
	case 't':
		c = '\t'
	case 'r':
		c = '\r'
	case 'b':
		c = '\b'
	case 'f':
		c = '\f'
	case 'u':
		return unescapeRune(s, w, r)
	default:
		s[w] = '\\'
		return w + 1, 1
	}
	s[w] = c
	return w + 1, 2
}

func unescapeRune(s []byte, w, r int) (end, n int) {
	v, ok := hex4(s, r)
	if !ok {
		s[w] = '\\'
		return w + 1, 1
	}
	n = 6
	if utf16.IsSurrogate(v) {
		low, ok := hex4(s, r+6)
		if v = utf16.DecodeRune(v, low); ok && v != utf8.RuneError {
			n = 12
		}
	}
	return w + utf8.EncodeRune(s[w:w+utf8.RuneLen(v)], v), n
}

// hex4 reads the escape \uXXXX at s[i:].
func hex4(s []byte, i int) (v rune, ok bool) {
	if i+6 > len(s) || s[i] != '\\' || s[i+1] != 'u' {
		return 0, false
	}
	for _, c := range s[i+2 : i+6] {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			c = c | 0x20 - 'a' + 10
		default:
			return 0, false
		}
		v = v<<4 | rune(c)
	}
	return v, true
}

// rfc3339 parses times, and remembers the last second: log lines come in order.
type rfc3339 struct {
	second [19]byte
	unix   int64
}

// parse returns nanoseconds since 1970.
func (c *rfc3339) parse(b []byte) (ns int64, ok bool) {
	n := len(b)
	if n < 20 || b[n-1] != 'Z' || n > 30 {
		return parseTime(b)
	}
	if string(b[:19]) != string(c.second[:]) {
		t, err := time.Parse("2006-01-02T15:04:05", string(b[:19]))
		if err != nil || !inRange(t.Unix()) {
			return 0, false
		}
		c.unix = t.Unix()
		copy(c.second[:], b)
	}
	frac := int64(0)
	if n > 20 {
		if b[19] != '.' || n == 21 {
			return 0, false
		}
		digits := b[20 : n-1]
		for _, d := range digits {
			if d -= '0'; d > 9 {
				return 0, false
			}
			frac = frac*10 + int64(d)
		}
		for k := len(digits); k < 9; k++ {
			frac *= 10
		}
	}
	return c.unix*1e9 + frac, true
}

func parseTime(b []byte) (int64, bool) {
	t, err := time.Parse(time.RFC3339Nano, string(b))
	if err != nil || !inRange(t.Unix()) {
		return 0, false
	}
	return t.UnixNano(), true
}

// inRange says that the second can be told in nanoseconds.
func inRange(unix int64) bool { return unix >= 0 && unix < 9e9 }
