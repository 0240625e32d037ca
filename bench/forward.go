package main

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/tinylib/msgp/msgp"
)

// maxFrame bounds the entries of a Forward message, in bytes.
const maxFrame = 256 << 20

var (
	errNoForward = errors.New("this is no Forward message")
	errTooLarge  = errors.New("a message has too many entries")
)

// serveForward takes the messages of one connection, in the modes Message,
// Forward and PackedForward, and acknowledges those that ask for it.
func serveForward(s *sink, c net.Conn) error {
	r := msgp.NewReaderSize(c, 256<<10)
	var buf []byte
	for {
		parts, err := r.ReadArrayHeader()
		if err != nil {
			return msgp.Cause(err)
		}
		if parts < 2 || parts > 4 {
			return errNoForward
		}
		if err := r.Skip(); err != nil { // the tag
			return err
		}
		t, size, left, err := s.entries(r, &buf, parts-1)
		if err != nil {
			return fmt.Errorf("%w: %w", errNoForward, err)
		}
		var chunk []byte
		if left > 0 {
			if chunk, err = option(r); err != nil {
				return err
			}
		}
		s.count(t, size)
		if len(chunk) == 0 {
			continue
		}
		ack := msgp.AppendString(msgp.AppendMapHeader(nil, 1), "ack")
		if _, err := c.Write(msgp.AppendStringFromBytes(ack, chunk)); err != nil {
			return err
		}
	}
}

// entries reads those of a message of which so many parts are left, and says
// how many parts are left then.
func (s *sink) entries(r *msgp.Reader, buf *[]byte, parts uint32) (t tally, size int, left uint32, err error) {
	kind, err := r.NextType()
	if err != nil {
		return t, 0, 0, err
	}
	switch kind {
	case msgp.BinType:
		*buf, err = r.ReadBytesLimit((*buf)[:0], maxFrame)
	case msgp.StrType:
		*buf, err = r.ReadStringAsBytes((*buf)[:0])
	case msgp.ArrayType:
		var n uint32
		if n, err = r.ReadArrayHeader(); err != nil {
			return t, 0, 0, err
		}
		for range n {
			var raw msgp.Raw
			if err := raw.DecodeMsg(r); err != nil {
				return t, 0, 0, err
			}
			if _, err := s.entry(raw, &t); err != nil {
				return t, 0, 0, err
			}
			size += len(raw)
		}
		return t, size, parts - 1, nil
	default: // one time and one record
		var raw msgp.Raw
		if err = r.Skip(); err == nil {
			err = raw.DecodeMsg(r)
		}
		if err == nil {
			_, err = s.record(raw, &t)
		}
		if parts < 2 {
			return t, 0, 0, errNoForward
		}
		return t, len(raw), parts - 2, err
	}
	size = len(*buf)
	b := *buf
	if err == nil && bytes.HasPrefix(b, []byte{0x1f, 0x8b}) { // no entry begins so
		b, err = gunzip(b)
	}
	for len(b) > 0 && err == nil {
		b, err = s.entry(b, &t)
	}
	return t, size, parts - 1, err
}

func gunzip(b []byte) ([]byte, error) {
	z, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		return nil, fmt.Errorf("entries: %v", err) // not %w: it is no end of the connection
	}
	out, err := io.ReadAll(io.LimitReader(z, maxFrame+1))
	if err != nil {
		return nil, fmt.Errorf("entries: %v", err)
	}
	if len(out) > maxFrame {
		return nil, errTooLarge
	}
	return out, nil
}

// entry reads [time, record].
func (s *sink) entry(b []byte, t *tally) ([]byte, error) {
	n, b, err := msgp.ReadArrayHeaderBytes(b)
	if err != nil {
		return b, err
	}
	if n != 2 {
		return b, fmt.Errorf("an entry has %d parts", n)
	}
	if b, err = msgp.Skip(b); err != nil {
		return b, err
	}
	return s.record(b, t)
}

// record counts one, by the text of its field log.
func (s *sink) record(b []byte, t *tally) ([]byte, error) {
	n, b, err := msgp.ReadMapHeaderBytes(b)
	if err != nil {
		return b, err
	}
	var text []byte
	for range n {
		var key []byte
		if key, b, err = msgp.ReadMapKeyZC(b); err != nil {
			return b, err
		}
		if string(key) == "log" {
			text, b, err = msgp.ReadStringZC(b)
		} else {
			b, err = msgp.Skip(b)
		}
		if err != nil {
			return b, err
		}
	}
	t.add(bytes.TrimSuffix(text, []byte("\n")))
	s.look(text)
	return b, nil
}

// option reads what follows the entries, and returns the id of the chunk that
// is to be acknowledged.
func option(r *msgp.Reader) (chunk []byte, err error) {
	if r.IsNil() {
		return nil, r.ReadNil()
	}
	n, err := r.ReadMapHeader()
	if err != nil {
		return nil, err
	}
	for range n {
		key, err := r.ReadMapKey(nil)
		if err != nil {
			return nil, err
		}
		if string(key) != "chunk" {
			if err := r.Skip(); err != nil {
				return nil, err
			}
			continue
		}
		if chunk, err = r.ReadStringAsBytes(nil); err != nil {
			return nil, err
		}
	}
	return chunk, nil
}
