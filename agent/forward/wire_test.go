package forward

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/fluent/fluent-logger-golang/fluent"
	"github.com/tinylib/msgp/msgp"
)

// TestEventTime against the type of Fluentd's own client library.
func TestEventTime(t *testing.T) {
	for _, ns := range []int64{0, 1, 999_999_999, 1_000_000_000, 1_700_000_000_123_456_789, 1<<31*1e9 - 1, -1, -1_000_000_000} {
		b := AppendEventTime(nil, ns)
		var got fluent.EventTime
		left, err := msgp.ReadExtensionBytes(b, &got)
		if err != nil || len(left) > 0 {
			t.Fatalf("%d: %v, %d bytes left", ns, err, len(left))
		}
		if !time.Time(got).Equal(time.Unix(0, ns)) {
			t.Errorf("%d comes back as %v", ns, time.Time(got))
		}
		theirs := fluent.EventTime(time.Unix(0, ns))
		want, err := msgp.AppendExtension(nil, &theirs)
		if err != nil || !bytes.Equal(b, want) {
			t.Errorf("%d is % x; the library has % x, %v", ns, b, want, err)
		}
	}
}

// TestPacked reads messages back with the library's types.
func TestPacked(t *testing.T) {
	lengths := []int{0, 1, 31, 32, 33, 255, 256, 257, 65535, 65536, 65537}
	for _, tag := range []string{"", "docker.web", strings.Repeat("t", 31), strings.Repeat("t", 32), strings.Repeat("t", 300)} {
		for _, chunk := range []bool{true, false} {
			b := AppendPacked([]byte("before"), tag)
			start := len(b)
			for i, n := range lengths {
				b = append(b, 0x92)
				b = AppendEventTime(b, int64(i)*1e9+7)
				b = msgp.AppendString(msgp.AppendString(msgp.AppendMapHeader(b, 1), "log"), strings.Repeat("x", n))
			}
			id := NewChunkID()
			if chunk {
				b = FinishPacked(b, start, len(lengths), id[:])
			} else {
				b = FinishPacked(b, start, len(lengths), nil)
			}
			r := msgp.NewReader(bytes.NewReader(b[len("before"):]))
			if n, err := r.ReadArrayHeader(); err != nil || n != 3 {
				t.Fatal(n, err)
			}
			if got, err := r.ReadString(); err != nil || got != tag {
				t.Fatalf("tag %q, %v", got, err)
			}
			packed, err := r.ReadBytes(nil)
			if err != nil {
				t.Fatal(err)
			}
			option := map[string]any{}
			if err := r.ReadMapStrIntf(option); err != nil {
				t.Fatal(err)
			}
			if option["size"] != int64(len(lengths)) || chunk && option["chunk"] != string(id[:]) || !chunk && len(option) != 1 {
				t.Errorf("option %v", option)
			}
			if _, err := r.NextType(); err != io.EOF {
				t.Errorf("more follows: %v", err)
			}
			for i, n := range lengths {
				var e struct {
					at     fluent.EventTime
					record map[string]any
				}
				if _, packed, err = msgp.ReadArrayHeaderBytes(packed); err != nil {
					t.Fatal(err)
				}
				if packed, err = msgp.ReadExtensionBytes(packed, &e.at); err != nil {
					t.Fatal(err)
				}
				if e.record, packed, err = msgp.ReadMapStrIntfBytes(packed, nil); err != nil {
					t.Fatal(err)
				}
				if time.Time(e.at).UnixNano() != int64(i)*1e9+7 || len(e.record["log"].(string)) != n {
					t.Errorf("entry %d has %v and %d bytes", i, time.Time(e.at), len(e.record["log"].(string)))
				}
			}
			if len(packed) > 0 {
				t.Errorf("%d bytes left", len(packed))
			}
		}
	}
}

func TestChunkIDs(t *testing.T) {
	seen := map[[ChunkIDLen]byte]bool{}
	for range 10_000 {
		seen[NewChunkID()] = true
	}
	if len(seen) != 10_000 {
		t.Errorf("%d ids in 10000", len(seen))
	}
	if n := testing.AllocsPerRun(100, func() { NewChunkID() }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestReadAck(t *testing.T) {
	str := func(s string) string { return string(msgp.AppendString(nil, s)) }
	reset := errors.New("connection reset by peer")
	tests := []struct {
		name, in string
		end      error // what reading ends with; nil: EOF
		want     []string
		err      string
	}{
		{"two", "\x81\xa3ack" + str("one") + "\x81\xa3ack" + str("two"), nil, []string{"one", "two"}, "EOF"},
		{"with more members", "\x82\xa1x\x93\x01\xc0\x80\xa3ack" + str("one"), nil, []string{"one"}, "EOF"},
		{"without an ack", "\x80", nil, []string{""}, "EOF"},
		{"longest", "\x81\xa3ack" + str(strings.Repeat("a", maxText)), nil, []string{strings.Repeat("a", maxText)}, "EOF"},
		{"too long", "\x81\xa3ack" + str(strings.Repeat("a", maxText+1)), nil, nil, errNoAck.Error() + " (msgp: configured reader limit exceeded at Ack)"},
		{"huge", "\x81\xa3ack\xdb\xff\xff\xff\xff", nil, nil, errNoAck.Error() + " (msgp: configured reader limit exceeded at Ack)"},
		{"huge key", "\x81\xdb\xff\xff\xff\xff", nil, nil, errNoAck.Error() + " (msgp: configured reader limit exceeded)"},
		{"deep", "\x81\xa1x" + strings.Repeat("\x91", 1000), nil, nil, errNoAck.Error() + " (msgp: recursion limit reached)"},
		{"text", "HTTP/1.1 400 Bad Request\r\n", nil, nil, errNoAck.Error()},
		{"a number for the id", "\x81\xa3ack\x01", nil, nil, errNoAck.Error() + ` (msgp: attempted to decode type "int" with method for "str" at Ack)`},
		{"no msgpack", "\xc1\xc1", nil, nil, errNoAck.Error() + " (msgp: unrecognized type prefix 0xc1)"},
		{"an array", "\x92\x01\x02", nil, nil, errNoAck.Error()},
		{"a HELO", "\x92\xa4HELO\x81\xa5nonce\xa1x", nil, nil, errHelo.Error()},
		{"cut", "\x81\xa3ack\xa9on", nil, nil, "read acknowledgement: unexpected EOF at Ack"},
		{"broken", "\x81\xa3ack\xa9on", reset, nil, "read acknowledgement: connection reset by peer at Ack"},
		{"broken before", "", reset, nil, "read acknowledgement: connection reset by peer"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var in io.Reader = strings.NewReader(tt.in)
			if tt.end != nil {
				in = io.MultiReader(in, iotest.ErrReader(tt.end))
			}
			r := NewReader(iotest.OneByteReader(in))
			for _, want := range tt.want {
				if got, err := ReadAck(r); err != nil || got != want {
					t.Fatalf("%q, %v; want %q", got, err, want)
				}
			}
			_, err := ReadAck(r)
			if err == nil || err.Error() != tt.err {
				t.Errorf("%v; want %s", err, tt.err)
			}
			if tt.end != nil && !errors.Is(err, tt.end) {
				t.Errorf("%v does not say why", err)
			}
		})
	}
}

// FuzzReadAck: whatever a server sends, reading ends and costs no more memory
// than was sent, a few KiB aside.
func FuzzReadAck(f *testing.F) {
	f.Add([]byte("\x81\xa3ack\xa3one\x81\xa3ack\xa3two"))
	f.Add([]byte("\x82\xa1x\x93\x01\xc0\x80\xa3ack\xdb\xff\xff\xff\xff"))
	f.Add([]byte("\x92\xa4HELO\x81\xa5nonce\xc4\x01x"))
	f.Add([]byte("\xdf\xff\xff\xff\xff\xa1x\xc6\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, b []byte) {
		r := NewReader(iotest.HalfReader(bytes.NewReader(b)))
		for range len(b) + 1 {
			id, err := ReadAck(r)
			if err != nil {
				return
			}
			if len(id) > min(maxText, len(b)) {
				t.Fatalf("an id of %d bytes", len(id))
			}
			if r.R.BufferSize() > 2*maxText {
				t.Fatalf("a buffer of %d bytes", r.R.BufferSize())
			}
		}
		t.Fatal("it never ends")
	})
}
