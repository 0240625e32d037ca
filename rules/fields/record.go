package fields

import (
	"math"
	"strconv"

	"github.com/tinylib/msgp/msgp"

	"github.com/webgrip/logkeel/agent/forward"
)

// readRecord reads the members that a record came with; its text is one of them,
// under the name that it had.
func (v *Values) readRecord(in *Input) bool {
	if len(in.Map) == 0 {
		return false
	}
	if rest, err := forward.Skip(in.Map); err != nil || len(rest) > 0 {
		return false // never, for the collector has made it
	}
	v.all()
	v.keep = false
	if msgp.NextType(in.Map) != msgp.MapType {
		return false
	}
	v.packed(0, in.Map)
	if len(in.Key) > 0 {
		inner := v.enter(0, len(v.open), in.Key)
		v.scalar(inner, in.Body, 0, len(in.Body))
		v.leave(inner)
	}
	return true
}

// packed reads the value that b begins with, which is whole, for the names from
// on, and returns what follows it.
func (v *Values) packed(from int, b []byte) (rest []byte) {
	kind := msgp.NextType(b)
	if from == len(v.open) {
		rest, _ = forward.Skip(b)
		return rest
	}
	at := len(v.buf)
	switch kind {
	case msgp.MapType:
		v.nothing(from)
		return v.packedMembers(from, b)
	case msgp.ArrayType:
		v.nothing(from)
		return v.packedElements(from, b)
	case msgp.StrType, msgp.BinType:
		text, _ := forward.Text(b)
		v.scalar(from, text, 0, 0)
	case msgp.IntType:
		n, _, _ := msgp.ReadInt64Bytes(b)
		v.buf = strconv.AppendInt(v.buf, n, 10)
		v.scalar(from, v.buf[at:], 0, 0)
	case msgp.UintType:
		n, _, _ := msgp.ReadUint64Bytes(b)
		v.buf = strconv.AppendUint(v.buf, n, 10)
		v.scalar(from, v.buf[at:], 0, 0)
	case msgp.Float32Type:
		f, _, _ := msgp.ReadFloat32Bytes(b)
		v.buf = appendFloat(v.buf, float64(f), 32)
		v.scalar(from, v.buf[at:], 0, 0)
	case msgp.Float64Type:
		f, _, _ := msgp.ReadFloat64Bytes(b)
		v.buf = appendFloat(v.buf, f, 64)
		v.scalar(from, v.buf[at:], 0, 0)
	case msgp.BoolType:
		yes, _, _ := msgp.ReadBoolBytes(b)
		v.buf = strconv.AppendBool(v.buf, yes)
		v.scalar(from, v.buf[at:], 0, 0)
	default:
		v.nothing(from)
	}
	rest, _ = forward.Skip(b)
	return rest
}

func (v *Values) packedMembers(from int, b []byte) (rest []byte) {
	n, b, _ := msgp.ReadMapHeaderBytes(b)
	to := len(v.open)
	for range n {
		key, _ := forward.Text(b)
		b, _ = forward.Skip(b)
		inner := v.enter(from, to, key)
		b = v.packed(inner, b)
		v.leave(inner)
	}
	return b
}

func (v *Values) packedElements(from int, b []byte) (rest []byte) {
	n, b, _ := msgp.ReadArrayHeaderBytes(b)
	to := len(v.open)
	var number [20]byte
	for i := range n {
		inner := v.enter(from, to, strconv.AppendUint(number[:0], uint64(i), 10))
		b = v.packed(inner, b)
		v.leave(inner)
	}
	return b
}

// appendFloat writes a number as encoding/json does.
func appendFloat(b []byte, f float64, bits int) []byte {
	format := byte('f')
	if a := math.Abs(f); a != 0 && (a < 1e-6 || a >= 1e21) {
		format = 'g'
	}
	return strconv.AppendFloat(b, f, format, -1, bits)
}
