package forward

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"

	"github.com/tinylib/msgp/msgp"
)

const (
	smallBuffer = 8 << 10
	// KeptBuffer is how much memory a Receiver keeps between messages.
	KeptBuffer = 256 << 10
	readAhead  = 64 << 10 // behind a large message
	maxTag     = 1 << 10  // bytes
	maxChunk   = 256      // of a chunk's id

	smallUnpacked = 64 << 10 // what every client may have uncompressed
)

// ErrTooLarge is wrapped by the error for a message that is over the limit,
// compressed or not.
var ErrTooLarge = errors.New("message is too large")

// ErrMalformed is wrapped by the error for what is no message.
var ErrMalformed = errors.New("no message of the Forward protocol")

// A Message is what a client sent, in any of the protocol's four modes.
type Message struct {
	Tag     []byte
	Entries []byte // for NextEntry, uncompressed; nobody has looked at them
	Chunk   []byte // the id to be acknowledged; empty where none is wanted
	Size    int    // bytes on the wire
}

// A Receiver reads messages from a connection. Its memory is bounded by the
// size that a message may have, twice where it is compressed.
type Receiver struct {
	r   io.Reader
	max int
	// grow is called before a message takes more than KeptBuffer.
	grow  func() error
	grown bool

	buf           []byte
	from, at, end int // in buf: the message, what is dealt with of it, what was read

	tag      []byte
	gzip     *gzip.Reader
	unpacked bytes.Buffer
}

// NewReceiver reads messages of at most limit bytes, also when uncompressed. It
// calls grow, which may wait, before one takes more than KeptBuffer; Shrink is
// then to be called when the message is dealt with.
func NewReceiver(r io.Reader, limit int, grow func() error) *Receiver {
	return &Receiver{r: r, max: limit, grow: grow, buf: make([]byte, smallBuffer)}
}

// Partial reports whether a part of a message was read, and not the whole.
func (r *Receiver) Partial() bool { return r.end > r.from }

// Shrink gives the memory of a large message back. It reports whether there was any.
func (r *Receiver) Shrink() bool {
	was := r.grown
	if was && r.end-r.at <= KeptBuffer {
		buf := make([]byte, max(smallBuffer, r.end-r.at))
		r.from, r.end = 0, copy(buf, r.buf[r.at:r.end])
		r.at, r.buf, r.unpacked = 0, buf, bytes.Buffer{}
		r.grown = false
		return true
	}
	return false
}

func (r *Receiver) enlarge() error {
	if r.grown {
		return nil
	}
	if err := r.grow(); err != nil {
		return err
	}
	r.grown = true
	return nil
}

// need reads until n bytes are there behind at.
func (r *Receiver) need(n uint64) error {
	if n > uint64(r.max-(r.at-r.from)) {
		return fmt.Errorf("%w: more than %d bytes", ErrTooLarge, r.max)
	}
	for uint64(r.end-r.at) < n {
		if r.from > 0 && r.end == len(r.buf) {
			r.end = copy(r.buf, r.buf[r.from:r.end])
			r.at, r.from = r.at-r.from, 0
		}
		if r.end == len(r.buf) {
			if 2*len(r.buf) > KeptBuffer {
				if err := r.enlarge(); err != nil {
					return err
				}
			}
			r.buf = append(r.buf, make([]byte, len(r.buf))...)
		}
		to := len(r.buf)
		if to > KeptBuffer { // not much of what follows, or Shrink never could
			to = min(to, max(r.at+int(n), r.end+readAhead))
		}
		m, err := r.r.Read(r.buf[r.end:to])
		r.end += m
		if err != nil && uint64(r.end-r.at) < n {
			if err == io.EOF && r.end > r.from {
				return io.ErrUnexpectedEOF
			}
			return err
		}
	}
	return nil
}

// value passes over the value at at, with all that is in it.
func (r *Receiver) value() error {
	for left := uint64(1); left > 0; left-- {
		own, children, err := r.measure()
		if err != nil {
			return err
		}
		if err := r.need(own); err != nil {
			return err
		}
		r.at += int(own)
		left += children
	}
	return nil
}

// measure is measure for the value at at. It reads what that takes.
func (r *Receiver) measure() (own, children uint64, err error) {
	for n := uint64(1); n <= 6; n++ {
		if err := r.need(n); err != nil {
			return 0, 0, err
		}
		if own, children, err = measure(r.buf[r.at:r.end]); own > 0 || err != nil {
			break
		}
	}
	if err != nil {
		return 0, 0, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return own, children, nil
}

// array passes over an array's header and returns how many values follow.
func (r *Receiver) array() (n uint64, err error) {
	own, n, err := r.measure()
	if err != nil {
		return 0, err
	}
	if c := r.buf[r.at]; c&0xf0 != 0x90 && c != 0xdc && c != 0xdd {
		return 0, fmt.Errorf("%w: it does not begin with an array", ErrMalformed)
	}
	r.at += int(own)
	return n, nil
}

// text passes over a string and returns it.
func (r *Receiver) text(what string, limit uint64) ([]byte, error) {
	own, _, err := r.measure()
	if err != nil {
		return nil, err
	}
	if own > limit {
		return nil, fmt.Errorf("%w: %s is too long or no string", ErrMalformed, what)
	}
	if err := r.need(own); err != nil {
		return nil, err
	}
	s, ok := Text(r.buf[r.at:r.end])
	if !ok {
		return nil, fmt.Errorf("%w: %s is no string", ErrMalformed, what)
	}
	r.at += int(own)
	return s, nil
}

// Next reads one message. It is good until the next call of a method. The error
// is io.EOF where the client ended the connection between two messages, and
// io.ErrUnexpectedEOF within one.
func (r *Receiver) Next() (m Message, err error) {
	for {
		r.from = r.at
		if err := r.need(1); err != nil {
			return m, err
		}
		if r.buf[r.at] != 0xc0 {
			break
		}
		r.at++ // a heartbeat
	}
	n, err := r.array()
	if err != nil {
		return m, err
	}
	if n < 2 || n > 4 {
		return m, fmt.Errorf("%w: an array of %d", ErrMalformed, n)
	}
	tag, err := r.text("the tag", maxTag)
	if err != nil {
		return m, err
	}
	r.tag = append(r.tag[:0], tag...)
	entries, members, err := r.entries(n)
	if err != nil {
		return m, err
	}
	from, to := entries[0]-r.from, entries[1]-r.from // the buffer may move
	option := r.at - r.from
	for range n - members {
		if err := r.value(); err != nil {
			return m, err
		}
	}
	m = Message{Tag: r.tag, Entries: r.buf[r.from+from : r.from+to], Size: r.at - r.from}
	if n == members {
		return m, nil
	}
	compressed, err := m.options(r.buf[r.from+option : r.at])
	if err == nil && compressed {
		m.Entries, err = r.unpack(m.Entries)
	}
	return m, err
}

// entries passes over the entries of a message of n values. They lie in buf at
// the two offsets; members is how many values are dealt with.
func (r *Receiver) entries(n uint64) (at [2]int, members uint64, err error) {
	own, children, err := r.measure()
	if err != nil {
		return at, 0, err
	}
	offset := func() int { return r.at - r.from }
	start := offset()
	switch c := r.buf[r.at]; {
	case (c&0xf0 == 0x90 || c == 0xdc || c == 0xdd) && n <= 3: // Forward
		r.at += int(own)
		start = offset()
		for range children {
			if err := r.value(); err != nil {
				return at, 0, err
			}
		}
		return [2]int{r.from + start, r.at}, 2, nil
	case c&0xe0 == 0xa0 || c >= 0xd9 && c <= 0xdb || c >= 0xc4 && c <= 0xc6: // packed
		if err := r.value(); err != nil {
			return at, 0, err
		}
		packed, _ := Text(r.buf[r.from+start : r.at])
		return [2]int{r.at - len(packed), r.at}, 2, nil
	case n < 3:
		return at, 0, fmt.Errorf("%w: there is no record", ErrMalformed)
	}
	for range 2 { // a time and a record
		if err := r.value(); err != nil {
			return at, 0, err
		}
	}
	// Behind the tag, which was copied, there is room to make it an entry.
	r.buf[r.from+start-1] = 0x92
	return [2]int{r.from + start - 1, r.at}, 3, nil
}

// options reads {"chunk": …, "compressed": …}, or nil.
func (m *Message) options(b []byte) (compressed bool, err error) {
	if b[0] == 0xc0 {
		return false, nil
	}
	if msgp.NextType(b) != msgp.MapType {
		return false, fmt.Errorf("%w: the option is no map", ErrMalformed)
	}
	if _, err := Skip(b); err != nil {
		return false, fmt.Errorf("%w: the option: %w", ErrMalformed, err)
	}
	Members(b, func(key, _, value []byte) bool {
		text, isText := Text(value)
		switch string(key) {
		case "chunk":
			if !isText || len(text) > maxChunk {
				err = fmt.Errorf("%w: the chunk's id is no string, or a very long one", ErrMalformed)
			}
			m.Chunk = text
		case "compressed":
			compressed = string(text) == "gzip"
			if !compressed && string(text) != "text" {
				err = fmt.Errorf("%w: it is compressed by %.20q, and only gzip is known", ErrMalformed, text)
			}
		}
		return err == nil
	})
	return compressed, err
}

// unpack is what gzip made b of; there may be several members.
func (r *Receiver) unpack(b []byte) ([]byte, error) {
	var err error
	if r.gzip == nil {
		r.gzip, err = gzip.NewReader(bytes.NewReader(b))
	} else {
		err = r.gzip.Reset(bytes.NewReader(b))
	}
	if err != nil {
		return nil, fmt.Errorf("%w: gzip: %w", ErrMalformed, err)
	}
	r.unpacked.Reset()
	n, err := io.Copy(&r.unpacked, io.LimitReader(r.gzip, smallUnpacked))
	if err == nil && n == smallUnpacked {
		if err := r.enlarge(); err != nil {
			return nil, err
		}
		n, err = io.Copy(&r.unpacked, io.LimitReader(r.gzip, int64(r.max)+1-n))
		n += smallUnpacked
	}
	if err != nil {
		return nil, fmt.Errorf("%w: gzip: %w", ErrMalformed, err)
	}
	if n > int64(r.max) {
		return nil, fmt.Errorf("%w: more than %d bytes when uncompressed", ErrTooLarge, r.max)
	}
	return r.unpacked.Bytes(), nil
}

// AppendAck appends the acknowledgement of the chunk with that id.
func AppendAck(b []byte, id string) []byte {
	return msgp.AppendString(msgp.AppendString(msgp.AppendMapHeader(b, 1), "ack"), id)
}
