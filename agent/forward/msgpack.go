package forward

import (
	"encoding/binary"
	"errors"
	"math"
	"time"

	"github.com/tinylib/msgp/msgp"
)

// maxNesting bounds how deep the maps and arrays of a record may lie in one
// another.
const maxNesting = 64

var (
	errShort  = errors.New("it ends too early")
	errDeep   = errors.New("it is nested too deeply")
	errCode   = errors.New("it has a byte that MessagePack does not know")
	errEntry  = errors.New("an entry is no array of a time and a record")
	errTime   = errors.New("an entry's time is no time")
	errRecord = errors.New("a record is no map")
)

// measure says of the value at the start of b how many bytes are its own, and
// how many values follow that belong to it. own may be more than b has; it is 0
// where b is too short to tell.
func measure(b []byte) (own, children uint64, err error) {
	if len(b) == 0 {
		return 0, 0, nil
	}
	c := b[0]
	switch {
	case c <= 0x7f || c >= 0xe0:
		return 1, 0, nil
	case c <= 0x8f:
		return 1, 2 * uint64(c&0x0f), nil
	case c <= 0x9f:
		return 1, uint64(c & 0x0f), nil
	case c <= 0xbf:
		return 1 + uint64(c&0x1f), 0, nil
	}
	switch c {
	case 0xc0, 0xc2, 0xc3:
		return 1, 0, nil
	case 0xcc, 0xd0:
		return 2, 0, nil
	case 0xcd, 0xd1:
		return 3, 0, nil
	case 0xca, 0xce, 0xd2:
		return 5, 0, nil
	case 0xcb, 0xcf, 0xd3:
		return 9, 0, nil
	case 0xd4, 0xd5, 0xd6, 0xd7, 0xd8: // extensions of 1, 2, 4, 8 and 16 bytes
		return 2 + 1<<(c-0xd4), 0, nil
	case 0xc1:
		return 0, 0, errCode
	}
	return measureSized(b)
}

// measureSized is measure for what has its size behind its first byte.
func measureSized(b []byte) (own, children uint64, err error) {
	var width, more int // of the size, and what stands between it and the content
	switch b[0] {
	case 0xc4, 0xd9:
		width = 1
	case 0xc5, 0xda, 0xdc, 0xde:
		width = 2
	case 0xc6, 0xdb, 0xdd, 0xdf:
		width = 4
	case 0xc7, 0xc8, 0xc9:
		width, more = 1<<(b[0]-0xc7), 1
	}
	if len(b) < 1+width {
		return 0, 0, nil
	}
	var n uint64
	for _, c := range b[1 : 1+width] {
		n = n<<8 | uint64(c)
	}
	head := uint64(1 + width + more)
	switch b[0] {
	case 0xdc, 0xdd:
		return head, n, nil
	case 0xde, 0xdf:
		return head, 2 * n, nil
	}
	return head + n, 0, nil
}

// Skip passes over one value, with all that is in it. It is an error where that
// is not whole, or too deep.
func Skip(b []byte) (rest []byte, err error) {
	var left [maxNesting]uint64
	left[0] = 1
	for depth := 0; ; {
		own, children, err := measure(b)
		switch {
		case err != nil:
			return nil, err
		case own == 0 || own > uint64(len(b)):
			return nil, errShort
		}
		b = b[own:]
		left[depth]--
		if children > 0 {
			if depth++; depth == maxNesting {
				return nil, errDeep
			}
			left[depth] = children
		}
		for left[depth] == 0 {
			if depth == 0 {
				return b, nil
			}
			depth--
		}
	}
}

// Text is the string at the start of b, which some send as str and others as
// bin; ok is false where there is none.
func Text(b []byte) (text []byte, ok bool) {
	own, _, err := measure(b)
	if err != nil || own == 0 || own > uint64(len(b)) {
		return nil, false
	}
	switch c := b[0]; {
	case c&0xe0 == 0xa0:
		return b[1:own], true
	case c == 0xd9 || c == 0xc4:
		return b[2:own], true
	case c == 0xda || c == 0xc5:
		return b[3:own], true
	case c == 0xdb || c == 0xc6:
		return b[5:own], true
	}
	return nil, false
}

// An Entry is one record of a message.
type Entry struct {
	Time   int64  // nanoseconds since 1970; 0: the client did not say
	Record []byte // a map, whole and not nested too deeply
}

// NextEntry takes the first of the entries that lie in b one after another.
func NextEntry(b []byte) (e Entry, rest []byte, err error) {
	n, rest, err := msgp.ReadArrayHeaderBytes(b)
	if err != nil || n < 2 {
		return e, nil, errEntry
	}
	if e.Time, rest, err = readTime(rest); err != nil {
		return e, nil, err
	}
	record := rest
	if len(record) == 0 || msgp.NextType(record) != msgp.MapType {
		return e, nil, errRecord
	}
	if rest, err = Skip(record); err != nil {
		return e, nil, err
	}
	e.Record = record[:len(record)-len(rest)]
	for range n - 2 {
		if rest, err = Skip(rest); err != nil {
			return e, nil, err
		}
	}
	return e, rest, nil
}

// readTime reads EventTime, seconds, or the pair of a time and metadata that
// Fluent Bit has.
func readTime(b []byte) (ns int64, rest []byte, err error) {
	if len(b) > 0 && b[0] == 0x92 {
		if ns, rest, err = readTime(skipPair(b)); err != nil {
			return 0, nil, err
		}
		rest, err = Skip(rest)
		return ns, rest, err
	}
	rest, err = Skip(b)
	if err != nil {
		return 0, nil, err
	}
	switch own := b[:len(b)-len(rest)]; own[0] {
	case 0xd7:
		if own[1] == 0 {
			return eventTime(own[2:]), rest, nil
		}
	case 0xc7:
		if own[1] == 8 && own[2] == 0 {
			return eventTime(own[3:]), rest, nil
		}
	case 0xc0:
		return 0, rest, nil
	case 0xca, 0xcb:
		f, _, err := msgp.ReadFloat64Bytes(own)
		if err == nil && math.Abs(f) < maxSeconds {
			sec, part := math.Modf(f)
			return int64(sec)*int64(time.Second) + int64(part*float64(time.Second)), rest, nil
		}
	default:
		if sec, _, err := msgp.ReadInt64Bytes(own); err == nil && sec < maxSeconds && sec > -maxSeconds {
			return sec * int64(time.Second), rest, nil
		}
	}
	return 0, nil, errTime
}

// skipPair is what the array of two at the start of b holds, unless that begins
// with another array: then it is nothing, and no time.
func skipPair(b []byte) []byte {
	if len(b) > 1 && b[1] == 0x92 {
		return nil
	}
	return b[1:]
}

// maxSeconds is beyond what nanoseconds can tell.
const maxSeconds = 9_223_372_036

func eventTime(b []byte) int64 {
	return int64(binary.BigEndian.Uint32(b))*int64(time.Second) + int64(binary.BigEndian.Uint32(b[4:]))
}

// Members calls yield for each member of a record, with its key, the bytes of the
// member as a whole, and those of its value. The key is nil where it is no string.
// The record is one of NextEntry, or made like it.
func Members(record []byte, yield func(key, member, value []byte) bool) {
	n, b, err := msgp.ReadMapHeaderBytes(record)
	if err != nil {
		return
	}
	for range n {
		value, err := Skip(b)
		if err != nil {
			return
		}
		rest, err := Skip(value)
		if err != nil {
			return
		}
		key, _ := Text(b)
		if !yield(key, b[:len(b)-len(rest)], value[:len(value)-len(rest)]) {
			return
		}
		b = rest
	}
}
