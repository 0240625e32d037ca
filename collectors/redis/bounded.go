package redis

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
)

const (
	maxReply    = 8 << 20  // bytes of one reply; INFO has a few KiB
	maxHead     = 64 << 10 // bytes of a reply's first line
	maxElements = 1 << 16  // of a reply that is a list, those of lists in it included
)

// arrayOf is how many elements the reply to a command may have in all; 0 where it
// is no list.
func arrayOf(command string) int {
	switch command {
	case "CONFIG", "SCAN", "SLOWLOG":
		return maxElements
	}
	return 0
}

// A bounded connection refuses replies that the commands sent here do not have.
// Without it, a server could make redigo allocate whatever it announces.
type bounded struct {
	net.Conn
	elements int // how many a reply may have

	pending int    // elements of the current reply still to come, itself included; 0 between two
	seen    int    // of its elements
	size    int    // of its bulk strings, in bytes
	bulk    int    // bytes of the current bulk string still to come, line end included
	head    []byte // what has come of the current element's first line
}

func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.Conn.Read(p)
	if bad := b.check(p[:n]); bad != nil {
		return 0, bad
	}
	return n, err
}

func (b *bounded) check(p []byte) error {
	for len(p) > 0 {
		if b.bulk > 0 {
			n := min(b.bulk, len(p))
			b.bulk -= n
			p = p[n:]
			continue
		}
		line, rest, whole := bytes.Cut(p, []byte("\n"))
		b.head, p = append(b.head, line...), rest
		if len(b.head) > maxHead {
			return errors.New("the reply's first line is too long; is this a Redis server?")
		}
		if len(b.head) > 0 && strings.IndexByte("+-:$*", b.head[0]) < 0 {
			return fmt.Errorf("a reply that begins with %q; is this a Redis server, and is TLS set as it wants it?", b.head[0])
		}
		if !whole {
			return nil
		}
		if err := b.element(); err != nil {
			return err
		}
		b.head = b.head[:0]
	}
	return nil
}

// element counts the element whose first line is whole.
func (b *bounded) element() error {
	if b.pending == 0 {
		b.pending, b.seen, b.size = 1, 0, 0
	}
	b.pending--
	if len(b.head) == 0 {
		return nil
	}
	kind, text := b.head[0], string(bytes.TrimSuffix(b.head[1:], []byte("\r")))
	if kind != '$' && kind != '*' {
		return nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < -1 {
		return fmt.Errorf("a reply of %.20q bytes; is this a Redis server?", text)
	}
	if n < 0 { // nil
		return nil
	}
	if kind == '$' {
		if n > maxReply-b.size {
			return fmt.Errorf("a reply of %.20q bytes; is this a Redis server?", text)
		}
		b.size += n
		b.bulk = n + len("\r\n")
		return nil
	}
	if b.elements == 0 {
		return errors.New("a list where there should be none; is this a Redis server?")
	}
	if n > b.elements-b.seen {
		return fmt.Errorf("a list of %.20q elements; is this a Redis server?", text)
	}
	b.seen += n
	b.pending += n
	return nil
}
