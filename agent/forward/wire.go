// Package forward is the wire format of the Fluentd Forward protocol, version 1:
// what outputs/fluentd writes and a Forward server reads.
//
// https://github.com/fluent/fluentd/wiki/Forward-Protocol-Specification-v1
package forward

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"

	"github.com/fluent/fluent-logger-golang/fluent"
	"github.com/tinylib/msgp/msgp"
)

// ChunkIDLen is the length of a chunk id: 16 random bytes in base64.
const ChunkIDLen = 24

// NewChunkID returns an id that no other chunk has. It need not be a secret.
func NewChunkID() (id [ChunkIDLen]byte) {
	var raw [16]byte
	binary.NativeEndian.PutUint64(raw[:], rand.Uint64())
	binary.NativeEndian.PutUint64(raw[8:], rand.Uint64())
	base64.StdEncoding.Encode(id[:], raw[:])
	return id
}

// AppendEventTime appends a time, in nanoseconds since 1970, as EventTime:
// extension type 0 with seconds and nanoseconds.
func AppendEventTime(b []byte, ns int64) []byte {
	sec, nsec := ns/1e9, ns%1e9
	if nsec < 0 {
		sec, nsec = sec-1, nsec+1e9
	}
	b = append(b, 0xd7, 0x00)
	b = binary.BigEndian.AppendUint32(b, uint32(sec))
	return binary.BigEndian.AppendUint32(b, uint32(nsec))
}

// AppendPacked begins a PackedForward message: [tag, entries, option]. The
// entries, each an array of time and record, follow; then FinishPacked.
func AppendPacked(b []byte, tag string) []byte {
	b = msgp.AppendArrayHeader(b, 3)
	b = msgp.AppendString(b, tag)
	return append(b, 0xc6, 0, 0, 0, 0)
}

// FinishPacked ends the message in b whose entries begin at offset entries:
// there are n of them, and the receiver is to acknowledge them as chunk id.
func FinishPacked(b []byte, entries, n int, id []byte) []byte {
	return finish(b, entries, n, id, false)
}

// FinishCompressed is FinishPacked for entries that are compressed by gzip.
func FinishCompressed(b []byte, entries, n int, id []byte) []byte {
	return finish(b, entries, n, id, true)
}

func finish(b []byte, entries, n int, id []byte, compressed bool) []byte {
	binary.BigEndian.PutUint32(b[entries-4:], uint32(len(b)-entries))
	members := uint32(1)
	if len(id) > 0 {
		members++
	}
	if compressed {
		members++
	}
	b = msgp.AppendMapHeader(b, members)
	b = msgp.AppendString(b, "size")
	b = msgp.AppendInt(b, n)
	if compressed {
		b = msgp.AppendString(b, "compressed")
		b = msgp.AppendString(b, "gzip")
	}
	if len(id) > 0 {
		b = msgp.AppendString(b, "chunk")
		b = msgp.AppendStringFromBytes(b, id)
	}
	return b
}

// Bounds of what a server may send.
const (
	maxText  = 4096 // bytes of a string
	maxDepth = 16
)

// NewReader returns a reader for what a server sends, which may be anything:
// its memory is bounded.
func NewReader(r io.Reader) *msgp.Reader {
	m := msgp.NewReaderSize(r, 4<<10)
	m.SetMaxStringLength(maxText)
	m.SetMaxRecursionDepth(maxDepth)
	return m
}

var (
	errNoAck = errors.New("the receiver sent something that is no acknowledgement; is it a Forward server?")
	errHelo  = errors.New("the receiver wants a handshake; set shared_key")
)

// ReadAck reads the acknowledgement of one chunk and returns its id. The error
// is io.EOF where the server has ended the connection.
func ReadAck(r *msgp.Reader) (string, error) {
	t, err := r.NextType()
	if err != nil {
		return "", readError(err)
	}
	switch t {
	case msgp.MapType:
	case msgp.ArrayType:
		if _, err := readKind(r, "HELO", 2); err == nil {
			return "", errHelo
		}
		return "", errNoAck
	default:
		return "", errNoAck
	}
	var a fluent.AckResp
	if err := a.DecodeMsg(r); err != nil {
		return "", readError(err)
	}
	return a.Ack, nil
}

// readError tells what was sent wrong from what could not be read.
func readError(err error) error {
	cause := msgp.Cause(err)
	if cause == io.EOF {
		return io.EOF
	}
	if _, malformed := cause.(msgp.Error); malformed {
		return fmt.Errorf("%w (%w)", errNoAck, err)
	}
	return fmt.Errorf("read acknowledgement: %w", err)
}
