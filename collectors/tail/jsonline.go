package tail

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"math/bits"
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

// What stands around a text, in parts that are compared at once.
const (
	head     = `{"log":"`
	outStart = `","stream":"stdo`
	outEnd   = `ut","time":"`
	errStart = `","stream":"stde`
	errEnd   = `rr","time":"`
	tailSize = len(outStart + outEnd)
)

var (
	keyStream = []byte(`,"stream":"`)
	keyAttrs  = []byte(`,"attrs":{`)
	keyTime   = []byte(`,"time":"`)
)

const (
	usualTime = len("2025-01-09T14:30:00.123456789Z")
	maxTime   = len("2025-01-09T14:30:00.123456789+00:00")
)

// parse decodes block[at:end]. The text then lies at to, which is at or before it,
// or where it was; when that is no line of Docker's, the block is left as it was
// from at on. Docker writes log, stream, attrs and time in that order, so that the
// end of the line says all but the text.
func (d *dockerJSON) parse(block []byte, at, end, to int) (line, bool) {
	room := at - to
	for at < end && block[at] == 0 { // a hole that a crash of the machine left
		at++
	}
	l := block[at:end]
	if n := len(l); n > 0 && l[n-1] == '\r' {
		l = l[:n-1]
	}
	if text, stream, tm, ok := fromTail(l); ok {
		if ns, ok := d.clock.parse(tm); ok {
			from := at + len(head)
			if text <= room {
				if n, ok := unescapeQuoteless(block[to:to+text], block[from:from+text]); ok {
					return ended(block[to:to+n], to, stream, ns), true
				}
			} else if n, ok := d.decode(block[from : from+text]); ok { // each such line makes room for the next
				copy(block[to:], block[from:from+n])
				return ended(block[to:to+n], to, stream, ns), true
			}
		}
	}
	if text, stream, tm, ok := fromHead(l); ok {
		if ns, ok := d.clock.parse(tm); ok {
			text = unescape(l[len(head) : len(head)+text])
			return ended(l[len(head):len(head)+text], at+len(head), stream, ns), true
		}
	}
	return parseAny(l, at)
}

// fromTail reads a line without attrs from its end. text is the length of the
// escaped text, if it is one: what looks like the end may end another member, or
// a line after one that was torn.
func fromTail(l []byte) (text int, stream agent.Stream, tm []byte, ok bool) {
	n := len(l)
	if n < len(head)+tailSize+2 || l[n-1] != '}' || l[n-2] != '"' || string(l[:len(head)]) != head {
		return 0, 0, nil, false
	}
	q := n - 2 - usualTime                                        // where the time starts
	if q < len(head)+tailSize || l[q-1] != '"' || l[q-2] != ':' { // seven digits have the quote of "time" there
		if q = bytes.LastIndexByte(l[max(0, n-3-maxTime):n-2], '"'); q < 0 {
			return 0, 0, nil, false
		}
		q += max(0, n-3-maxTime) + 1
	}
	text = q - tailSize
	if text < len(head) {
		return 0, 0, nil, false
	}
	start, end := l[text:text+len(outStart)], l[text+len(outStart):q]
	switch {
	case string(start) == outStart && string(end) == outEnd:
		stream = agent.Stdout
	case string(start) == errStart && string(end) == errEnd:
		stream = agent.Stderr
	default:
		return 0, 0, nil, false
	}
	return text - len(head), stream, l[q : n-2], true
}

// fromHead reads a line with attrs from its start.
func fromHead(l []byte) (text int, stream agent.Stream, tm []byte, ok bool) {
	if len(l) < len(head) || string(l[:len(head)]) != head {
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

// usualText is how long most texts are, at the most, in bytes.
const usualText = 1 << 10

// decode decodes the inside of a JSON string where it lies, and returns its
// length then. It leaves what is no such thing, for it has a quote, as it was.
func (d *dockerJSON) decode(text []byte) (n int, ok bool) {
	if len(text) > usualText {
		if stringEnd(text) >= 0 {
			return 0, false
		}
		return unescape(text), true
	}
	first, ok := plainLen(text)
	if !ok || first == len(text) {
		return first, ok
	}
	// Whether there is a quote is known at the end only.
	if d.raw == nil {
		d.raw = make([]byte, usualText)
	}
	rest := text[first:]
	raw := d.raw[:copy(d.raw, rest)]
	if n, ok = unescapeQuoteless(rest, raw); !ok {
		copy(rest, raw)
	}
	return first + n, ok
}

const (
	ones  = 0x0101010101010101
	highs = 0x80 * ones
)

// special has the high bit of a byte set where x has a quote or a backslash. Above
// the lowest of them it may have more.
func special(x uint64) uint64 {
	q, b := x^'"'*ones, x^'\\'*ones
	return ((q-ones)&^q | (b-ones)&^b) & highs
}

// plainLen is how much of s there is before the first backslash; ok is false
// where that comes after a quote.
func plainLen(s []byte) (n int, ok bool) {
	for ; len(s)-n >= 8; n += 8 {
		if m := special(binary.LittleEndian.Uint64(s[n:])); m != 0 {
			n += bits.TrailingZeros64(m) / 8
			return n, s[n] == '\\'
		}
	}
	for ; n < len(s); n++ {
		if s[n] == '"' || s[n] == '\\' {
			return n, s[n] == '\\'
		}
	}
	return n, true
}

// unescapeQuoteless decodes the inside of a JSON string to dst, which is as long,
// and returns its length then; ok is false where it meets a quote. What is no
// escape stays as it is.
func unescapeQuoteless(dst, s []byte) (w int, ok bool) {
	r := 0
	for r < len(s) {
		if len(s)-r >= 8 {
			x := binary.LittleEndian.Uint64(s[r:])
			binary.LittleEndian.PutUint64(dst[w:], x)
			m := special(x)
			if m == 0 {
				r, w = r+8, w+8
				continue
			}
			k := bits.TrailingZeros64(m) / 8
			r, w = r+k, w+k
		}
		switch c := s[r]; {
		case c == '"':
			return 0, false
		case c != '\\':
			dst[w] = c
			r, w = r+1, w+1
		case r+1 < len(s) && escapes[s[r+1]] != 0:
			dst[w] = escapes[s[r+1]]
			r, w = r+2, w+1
		default:
			n := 0
			w, n = unescapeRune(dst, w, s, r)
			r += n
		}
	}
	return w, true
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
		n := 2
		if r+1 < len(s) && escapes[s[r+1]] != 0 {
			s[w] = escapes[s[r+1]]
			w++
		} else {
			w, n = unescapeRune(s, w, s, r)
		}
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

// escapes are what a letter after a backslash stands for.
var escapes = [256]byte{'"': '"', '\\': '\\', '/': '/', 'n': '\n', 't': '\t', 'r': '\r', 'b': '\b', 'f': '\f'}

// unescapeRune writes at dst[w:] what the escape \uXXXX at s[r:] stands for, or
// two of them; n is its length. A backslash before anything else is one.
func unescapeRune(dst []byte, w int, s []byte, r int) (end, n int) {
	v, ok := hex4(s, r)
	if !ok {
		dst[w] = '\\'
		return w + 1, 1
	}
	n = 6
	if utf16.IsSurrogate(v) {
		low, ok := hex4(s, r+6)
		if v = utf16.DecodeRune(v, low); ok && v != utf8.RuneError {
			n = 12
		}
	}
	return w + utf8.EncodeRune(dst[w:w+utf8.RuneLen(v)], v), n
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
	if !same19(b, &c.second) {
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
		if n == usualTime {
			if frac, ok = eightDigits(digits); !ok {
				return 0, false
			}
			digits = digits[8:]
		}
		for _, d := range digits {
			if d -= '0'; d > 9 {
				return 0, false
			}
			frac = frac*10 + int64(d)
		}
		for k := n - 21; k < 9; k++ {
			frac *= 10
		}
	}
	return c.unix*1e9 + frac, true
}

// same19 reports whether b begins with second.
func same19(b []byte, second *[19]byte) bool {
	return binary.LittleEndian.Uint64(b[11:]) == binary.LittleEndian.Uint64(second[11:]) &&
		binary.LittleEndian.Uint64(b[8:]) == binary.LittleEndian.Uint64(second[8:]) &&
		binary.LittleEndian.Uint64(b) == binary.LittleEndian.Uint64(second[:])
}

// eightDigits reads the first eight bytes of b.
func eightDigits(b []byte) (n int64, ok bool) {
	x := binary.LittleEndian.Uint64(b) ^ '0'*ones
	if (x|(x+6*ones))&(0xf0*ones) != 0 {
		return 0, false
	}
	x = x*10 + x>>8 // pairs
	const pairs = 0x000000ff_000000ff
	x = (x&pairs*(1_000_000<<32+100) + x>>16&pairs*(10_000<<32+1)) >> 32
	return int64(x), true
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
