package forward

import (
	"encoding/base64"
	"math"
	"strconv"
	"unicode/utf8"

	"github.com/tinylib/msgp/msgp"

	"github.com/webgrip/logkeel/agent/forward"
)

// maxRendered bounds the text of a record that has none of its own, in bytes.
const maxRendered = 64 << 10

// appendJSON appends a record as JSON: the text that rules see where no member
// is one. It is cut where it is too long.
func appendJSON(b, record []byte) []byte {
	r := renderer{b: b, end: len(b) + maxRendered}
	r.value(record)
	if len(r.b) > r.end {
		n := r.end
		for n > len(b) && !utf8.RuneStart(r.b[n]) {
			n--
		}
		r.b = r.b[:n]
	}
	return r.b
}

type renderer struct {
	b   []byte
	end int // what is beyond is cut
}

// value renders the value at the start of v, which is sound, and returns what
// is behind it, or nothing once all further is cut.
func (r *renderer) value(v []byte) (rest []byte) {
	switch t := msgp.NextType(v); {
	case len(r.b) > r.end:
		return nil
	case t == msgp.MapType:
		return r.compound(v, '{', '}')
	case t == msgp.ArrayType:
		return r.compound(v, '[', ']')
	}
	rest, _ = forward.Skip(v)
	own := v[:len(v)-len(rest)]
	switch msgp.NextType(own) {
	case msgp.StrType, msgp.BinType:
		text, _ := forward.Text(own)
		r.text(text)
	case msgp.BoolType:
		r.b = strconv.AppendBool(r.b, own[0] == 0xc3)
	case msgp.IntType:
		n, _, _ := msgp.ReadInt64Bytes(own)
		r.b = strconv.AppendInt(r.b, n, 10)
	case msgp.UintType:
		n, _, _ := msgp.ReadUint64Bytes(own)
		r.b = strconv.AppendUint(r.b, n, 10)
	case msgp.Float64Type:
		f, _, _ := msgp.ReadFloat64Bytes(own)
		r.float(f, 64)
	case msgp.Float32Type:
		f, _, _ := msgp.ReadFloat32Bytes(own)
		r.float(float64(f), 32)
	case msgp.NilType:
		r.b = append(r.b, "null"...)
	default: // extensions
		r.b = append(r.b, '"')
		r.b = base64.StdEncoding.AppendEncode(r.b, own[:min(len(own), maxRendered)])
		r.b = append(r.b, '"')
	}
	return rest
}

func (r *renderer) compound(own []byte, open, end byte) (rest []byte) {
	r.b = append(r.b, open)
	var n uint32
	var b []byte
	if open == '{' {
		n, b, _ = msgp.ReadMapHeaderBytes(own)
	} else {
		n, b, _ = msgp.ReadArrayHeaderBytes(own)
	}
	for i := uint32(0); i < n && len(r.b) <= r.end; i++ {
		if i > 0 {
			r.b = append(r.b, ',')
		}
		if open == '{' {
			b = r.key(b)
			r.b = append(r.b, ':')
		}
		b = r.value(b)
	}
	r.b = append(r.b, end)
	return b
}

// key renders a member's key, which has to be a string in JSON.
func (r *renderer) key(v []byte) (rest []byte) {
	if _, ok := forward.Text(v); ok {
		return r.value(v)
	}
	inner := renderer{end: 256}
	inner.value(v)
	r.text(inner.b)
	rest, _ = forward.Skip(v)
	return rest
}

func (r *renderer) float(f float64, bits int) {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		r.b = append(r.b, "null"...)
		return
	}
	r.b = strconv.AppendFloat(r.b, f, 'g', -1, bits)
}

// text renders a string. What is no UTF-8 becomes U+FFFD.
func (r *renderer) text(s []byte) {
	const hex = "0123456789abcdef"
	r.b = append(r.b, '"')
	for i := 0; i < len(s) && len(r.b) <= r.end; {
		c := s[i]
		switch {
		case c == '"' || c == '\\':
			r.b = append(r.b, '\\', c)
		case c == '\n':
			r.b = append(r.b, `\n`...)
		case c == '\t':
			r.b = append(r.b, `\t`...)
		case c == '\r':
			r.b = append(r.b, `\r`...)
		case c < ' ' || c == 0x7f:
			r.b = append(r.b, `\u00`...)
			r.b = append(r.b, hex[c>>4], hex[c&15])
		case c < utf8.RuneSelf:
			r.b = append(r.b, c)
		default:
			rune, n := utf8.DecodeRune(s[i:])
			r.b = utf8.AppendRune(r.b, rune)
			i += n
			continue
		}
		i++
	}
	r.b = append(r.b, '"')
}
