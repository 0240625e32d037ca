package docker

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/webgrip/logkeel/agent"
)

const (
	frameHeader = 8
	maxFrame    = 16 << 20 // bytes; the engine's own messages have at most 1 MB
	// partSize is the length from which on a message without a line end is a
	// part of a longer line: the engine cuts lines at 16 KiB. A shorter one is
	// the end of an output that did not end in a line end.
	partSize = 16 << 10
	maxStamp = len("2006-01-02T15:04:05.000000000+00:00")
)

// A message is what the engine sends of a log at once: a line, or a part of one.
type message struct {
	time    int64  // ns since 1970
	text    []byte // without its line end
	stream  agent.Stream
	partial bool // the line goes on in the next message of the stream
	odd     bool // it had no time, and has that of the one before
}

// A parser finds the messages in the bytes of a stream of logs.
type parser interface {
	// next returns the message at the start of in, and how many bytes that
	// takes; 0 while it is not complete. With final set nothing will follow.
	next(in []byte, final bool) (m message, n int, err error)
}

func newParser(tty bool) parser {
	if tty {
		return &rawLines{}
	}
	return &frames{}
}

// An engineError is a text that the engine sent instead of a message.
type engineError struct{ text string }

func (e engineError) Error() string { return "the engine cannot read the log: " + e.text }

const maxEngineError = 1 << 10

func engineSaid(text []byte) error {
	text = bytes.TrimSpace(bytes.TrimPrefix(text, engineTrouble))
	return engineError{string(bytes.ToValidUTF8(text[:min(len(text), maxEngineError)], []byte("?")))}
}

var engineTrouble = []byte("Error grabbing logs: ")

// frames are the messages of a container without a terminal: each has a header of
// its stream and length, and is a time and a text.
type frames struct{ clock stamps }

func (f *frames) next(in []byte, _ bool) (m message, n int, err error) {
	if len(in) < frameHeader {
		return m, 0, nil
	}
	size := binary.BigEndian.Uint32(in[4:])
	kind := in[0]
	if kind > 3 || in[1]|in[2]|in[3] != 0 || size > maxFrame {
		return m, 0, fmt.Errorf("the engine's stream of logs is damaged: %x is no header of a message", in[:frameHeader])
	}
	n = frameHeader + int(size)
	if len(in) < n {
		return m, 0, nil
	}
	payload := in[frameHeader:n]
	switch kind {
	case 3:
		return m, n, engineSaid(payload)
	case 2:
		m.stream = agent.Stderr
	default:
		m.stream = agent.Stdout
	}
	text, ended := trimEnd(payload)
	f.clock.cut(&m, text)
	m.partial = !ended && len(m.text) >= partSize
	return m, n, nil
}

// trimEnd takes the line end off; ended says that there was one.
func trimEnd(l []byte) (text []byte, ended bool) {
	n := len(l)
	if n == 0 || l[n-1] != '\n' {
		return l, false
	}
	if n--; n > 0 && l[n-1] == '\r' { // a terminal's line end
		n--
	}
	return l[:n], true
}

// rawLines are the messages of a container with a terminal: lines, each with its
// time, and nothing between two parts of one.
type rawLines struct {
	clock stamps
	from  int // how much of what is next has no line end; it is not looked at again
}

func (r *rawLines) next(in []byte, final bool) (m message, n int, err error) {
	if len(in) == 0 {
		return m, 0, nil
	}
	line, ended := in, false
	from := min(r.from, len(in))
	if i := bytes.IndexByte(in[from:], '\n'); i >= 0 {
		line, ended = in[:from+i+1], true
	}
	first, ok := r.clock.length(line)
	if !ok {
		first = 0
	}
	// A part of a long line, and the end of an output that had no line end, are
	// followed at once by the next message.
	if at, ok := r.second(line, first, ended || final); ok {
		return r.message(line[:at], false), at, nil
	}
	if !ended && !final {
		if r.from = len(in); len(in) > maxFrame {
			return m, 0, errors.New("the engine's stream of logs is damaged: there is no line end")
		}
		return m, 0, nil
	}
	if bytes.HasPrefix(line, engineTrouble) {
		return m, len(line), engineSaid(line)
	}
	return r.message(line, ended), len(line), nil
}

// message makes a message of the line.
func (r *rawLines) message(line []byte, ended bool) (m message) {
	r.from = 0
	text, _ := trimEnd(line)
	r.clock.cut(&m, text)
	m.stream, m.partial = agent.Stdout, !ended && len(m.text) >= partSize
	if !m.partial { // the driver local of 20.10 leaves out the line end after parts
		m.text = bytes.TrimSuffix(m.text, []byte("\r"))
	}
	return m
}

// second finds where in the line, whose text begins at first, another message
// begins: after a part, which all have the time of the first one; or, once the
// line is complete, where a later time stands in the text. Times that the
// container itself writes are earlier than the engine's.
func (r *rawLines) second(line []byte, first int, complete bool) (at int, ok bool) {
	if first == 0 {
		return 0, false
	}
	stamp := line[:first]
	if at := first + partSize; len(line) >= at+first && bytes.Equal(line[at:at+first], stamp) {
		return at, true
	}
	if !complete {
		return 0, false
	}
	own, _ := r.clock.parse(stamp[:first-1])
	for from := first; ; {
		i := bytes.Index(line[from:], stamp[first-2:]) // "Z "
		if i < 0 {
			return 0, false
		}
		end := from + i + 2
		if at := end - first; at > first && line[at-1] != '\n' {
			if t, ok := r.clock.parse(line[at : end-1]); ok && t > own {
				return at, true
			}
		}
		from = end
	}
}

// stamps reads the times at the beginning of messages.
type stamps struct {
	last int64 // of the last message
	day  [10]byte
	secs int64 // of day, unix
}

// cut takes the time off the text.
func (s *stamps) cut(m *message, text []byte) {
	if n, ok := s.length(text); ok {
		s.last, _ = s.parse(text[:n-1])
		m.time, m.text = s.last, text[n:]
		return
	}
	m.time, m.text, m.odd = s.last, text, true
}

// length is how many bytes the time and the space after it take.
func (s *stamps) length(text []byte) (n int, ok bool) {
	i := bytes.IndexByte(text[:min(len(text), maxStamp+1)], ' ')
	if i < 0 {
		return 0, false
	}
	_, ok = s.parse(text[:i])
	return i + 1, ok
}

// parse reads 2006-01-02T15:04:05.999999999Z, or with +01:00 instead of Z.
func (s *stamps) parse(b []byte) (ns int64, ok bool) {
	if len(b) < 20 || b[10] != 'T' || b[13] != ':' || b[16] != ':' {
		return 0, false
	}
	if [10]byte(b) != s.day {
		d, err := time.Parse(time.DateOnly, string(b[:10]))
		if err != nil || d.Year() < 1970 || d.Year() > 2200 {
			return 0, false
		}
		s.day, s.secs = [10]byte(b), d.Unix()
	}
	h, m, sec := digits(b[11:13]), digits(b[14:16]), digits(b[17:19])
	if h < 0 || h > 23 || m < 0 || m > 59 || sec < 0 || sec > 60 {
		return 0, false
	}
	b = b[19:]
	frac := int64(0)
	if b[0] == '.' {
		i, scale := 1, int64(1e9)
		for ; i < len(b) && b[i] >= '0' && b[i] <= '9'; i++ {
			if scale /= 10; scale == 0 {
				return 0, false
			}
			frac += int64(b[i]-'0') * scale
		}
		b = b[i:]
	}
	zone := 0
	switch {
	case len(b) == 1 && b[0] == 'Z':
	case len(b) == 6 && (b[0] == '+' || b[0] == '-') && b[3] == ':':
		zh, zm := digits(b[1:3]), digits(b[4:6])
		if zh < 0 || zh > 23 || zm < 0 || zm > 59 {
			return 0, false
		}
		if zone = zh*3600 + zm*60; b[0] == '-' {
			zone = -zone
		}
	default:
		return 0, false
	}
	return (s.secs+int64(h*3600+m*60+sec-zone))*1e9 + frac, true
}

// digits is the number of two digits, or -1.
func digits(b []byte) int {
	if b[0] < '0' || b[0] > '9' || b[1] < '0' || b[1] > '9' {
		return -1
	}
	return int(b[0]-'0')*10 + int(b[1]-'0')
}
