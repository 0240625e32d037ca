package demo

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"

	"github.com/tinylib/msgp/msgp"
)

// Bounds of what a sender may send.
const (
	maxMessage = 16 << 20 // bytes of a message's entries
	maxEntries = 1 << 20
	maxDepth   = 16
)

// A message is one message of the Forward protocol, read in full.
type message struct {
	tag     string
	entries []entry
	chunk   string // to be acknowledged; "" where the sender does not want that
}

// An entry is what the show needs of one record.
type entry struct {
	container string
	log       string
	findings  []finding
}

type finding struct{ rule, class, severity string }

func newReader(r io.Reader) *msgp.Reader {
	m := msgp.NewReaderSize(r, 64<<10)
	m.SetMaxStringLength(maxMessage)
	m.SetMaxElements(maxMessage) // of a bin, too
	m.SetMaxRecursionDepth(maxDepth)
	return m
}

// readMessage reads one message in any of the protocol's four modes. The error
// is io.EOF where the sender has ended the connection between two of them.
func readMessage(r *msgp.Reader) (m message, err error) {
	if _, err := r.NextType(); err != nil {
		return m, msgp.Cause(err)
	}
	n, err := r.ReadArrayHeader()
	if err != nil {
		return m, fmt.Errorf("this is no Forward message: %w", err)
	}
	if n < 2 || n > 4 {
		return m, fmt.Errorf("this is no Forward message: it has %d parts", n)
	}
	if m.tag, err = r.ReadString(); err != nil {
		return m, fmt.Errorf("tag: %w", err)
	}
	n-- // parts that are left
	kind, err := r.NextType()
	if err != nil {
		return m, err
	}
	var packed []byte
	switch kind {
	case msgp.BinType:
		packed, err = r.ReadBytesLimit(nil, maxMessage)
		n--
	case msgp.StrType:
		packed, err = r.ReadStringAsBytes(nil)
		n--
	case msgp.ArrayType:
		m.entries, err = readArray(r)
		n--
	default:
		if n < 2 {
			return m, errors.New("a message without a record")
		}
		m.entries = make([]entry, 1)
		err = m.entries[0].read(r)
		n -= 2
	}
	if err != nil {
		return m, fmt.Errorf("entries: %w", err)
	}
	compressed := false
	if n > 0 {
		if m.chunk, compressed, err = readOption(r); err != nil {
			return m, fmt.Errorf("option: %w", err)
		}
	}
	if packed != nil {
		if m.entries, err = unpack(packed, compressed); err != nil {
			return m, fmt.Errorf("packed entries: %w", err)
		}
	}
	return m, nil
}

func readOption(r *msgp.Reader) (chunk string, compressed bool, err error) {
	if r.IsNil() {
		return "", false, r.ReadNil()
	}
	n, err := r.ReadMapHeader()
	if err != nil {
		return "", false, err
	}
	for range n {
		key, err := r.ReadString()
		if err != nil {
			return "", false, err
		}
		switch key {
		case "chunk":
			chunk, err = r.ReadString()
		case "compressed":
			var how string
			if how, err = r.ReadString(); err == nil && how != "text" && how != "gzip" {
				err = fmt.Errorf("compressed by %q", how)
			}
			compressed = how == "gzip"
		default:
			err = r.Skip()
		}
		if err != nil {
			return "", false, err
		}
	}
	return chunk, compressed, nil
}

func readArray(r *msgp.Reader) (all []entry, err error) {
	n, err := r.ReadArrayHeader()
	if err != nil {
		return nil, err
	}
	if n > maxEntries {
		return nil, fmt.Errorf("%d entries are too many", n)
	}
	for range n {
		e, err := readEntry(r)
		if err != nil {
			return nil, err
		}
		all = append(all, e)
	}
	return all, nil
}

// unpack reads entries that follow each other without a header.
func unpack(packed []byte, compressed bool) (all []entry, err error) {
	var from io.Reader = bytes.NewReader(packed)
	if compressed {
		z, err := gzip.NewReader(from)
		if err != nil {
			return nil, err
		}
		from = z
	}
	limited := &io.LimitedReader{R: from, N: maxMessage + 1}
	r := newReader(limited)
	for {
		if _, err := r.NextType(); err != nil {
			if msgp.Cause(err) == io.EOF && limited.N > 0 {
				return all, nil
			}
			return nil, err
		}
		e, err := readEntry(r)
		if err != nil {
			return nil, err
		}
		if all = append(all, e); len(all) > maxEntries {
			return nil, errors.New("too many entries")
		}
	}
}

// readEntry reads [time, record].
func readEntry(r *msgp.Reader) (e entry, err error) {
	n, err := r.ReadArrayHeader()
	if err != nil {
		return e, err
	}
	if n != 2 {
		return e, fmt.Errorf("an entry of %d parts", n)
	}
	return e, e.read(r)
}

// read reads a time and a record.
func (e *entry) read(r *msgp.Reader) error {
	if err := r.Skip(); err != nil {
		return err
	}
	n, err := r.ReadMapHeader()
	if err != nil {
		return err
	}
	for range n {
		key, err := r.ReadString()
		if err != nil {
			return err
		}
		switch key {
		case "log":
			e.log, err = readText(r)
		case "container_name":
			e.container, err = readText(r)
		case "findings":
			e.findings, err = readFindings(r)
		default:
			err = r.Skip()
		}
		if err != nil {
			return fmt.Errorf("%.40q: %w", key, err)
		}
	}
	return nil
}

// readText takes texts that are sent as bytes as well.
func readText(r *msgp.Reader) (string, error) {
	kind, err := r.NextType()
	if err != nil {
		return "", err
	}
	if kind == msgp.BinType {
		b, err := r.ReadBytesLimit(nil, maxMessage)
		return string(b), err
	}
	return r.ReadString()
}

func readFindings(r *msgp.Reader) (all []finding, err error) {
	n, err := r.ReadArrayHeader()
	if err != nil {
		return nil, err
	}
	for range n {
		var f finding
		members, err := r.ReadMapHeader()
		if err != nil {
			return nil, err
		}
		for range members {
			key, err := r.ReadString()
			if err != nil {
				return nil, err
			}
			switch key {
			case "rule":
				f.rule, err = r.ReadString()
			case "class":
				f.class, err = r.ReadString()
			case "severity":
				f.severity, err = r.ReadString()
			default:
				err = r.Skip()
			}
			if err != nil {
				return nil, err
			}
		}
		if all = append(all, f); len(all) > maxEntries {
			return nil, errors.New("too many findings")
		}
	}
	return all, nil
}
