package main

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"github.com/tinylib/msgp/msgp"
)

func newTestSink(t *testing.T, protocol string) (*sink, net.Conn) {
	t.Helper()
	s, err := newSink(protocol, true)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.close)
	addr := fmt.Sprintf("127.0.0.1:%d", s.port)
	if c, err := net.Dial("tcp", addr); err == nil {
		c.Close()
		t.Fatal("it takes connections before it listens")
	}
	if err := s.listen(); err != nil {
		t.Fatal(err)
	}
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return s, c
}

func send(t *testing.T, c net.Conn, b []byte) {
	t.Helper()
	if _, err := c.Write(b); err != nil {
		t.Fatal(err)
	}
}

// until waits for the condition.
func until(t *testing.T, s *sink, ok func(got tally, wrong error) bool) {
	t.Helper()
	for begun := time.Now(); ; time.Sleep(time.Millisecond) {
		got, _, wrong := s.state()
		if ok(got, wrong) {
			return
		}
		if time.Since(begun) > time.Minute {
			t.Fatalf("%+v, %v", got, wrong)
		}
	}
}

// entry is [time, {"stream": …, "log": text}].
func entry(b []byte, text string) []byte {
	b = msgp.AppendArrayHeader(b, 2)
	b = append(b, 0xd7, 0, 0, 0, 0, 1, 0, 0, 0, 2) // EventTime
	return appendRecord(b, text)
}

func appendRecord(b []byte, text string) []byte {
	b = msgp.AppendString(msgp.AppendString(msgp.AppendMapHeader(b, 2), "stream"), "stdout")
	return msgp.AppendString(msgp.AppendString(b, "log"), text)
}

func message(parts uint32) []byte {
	return msgp.AppendString(msgp.AppendArrayHeader(nil, parts), "docker.app")
}

func TestForwardSink(t *testing.T) {
	var want tally
	for _, text := range []string{"one", "two", "three", "four", "five", "six"} {
		want.add([]byte(text))
	}
	s, c := newTestSink(t, "forward")
	send(t, c, msgp.AppendBytes(message(2), entry(entry(nil, "one"), "two\n")))
	send(t, c, msgp.AppendInt(msgp.AppendString(msgp.AppendMapHeader(msgp.AppendString(message(3), string(entry(nil, "three"))), 1), "size"), 1))
	send(t, c, entry(msgp.AppendArrayHeader(message(2), 1), "four"))
	send(t, c, appendRecord(msgp.AppendInt(message(3), 1_700_000_000), "five"))
	option := func(b []byte) []byte {
		b = msgp.AppendString(msgp.AppendString(msgp.AppendMapHeader(b, 2), "chunk"), "id of it")
		return msgp.AppendInt(msgp.AppendString(b, "size"), 1)
	}
	send(t, c, option(msgp.AppendBytes(message(3), entry(nil, "six"))))
	ack := msgp.AppendString(msgp.AppendString(msgp.AppendMapHeader(nil, 1), "ack"), "id of it")
	got := make([]byte, len(ack))
	if _, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, ack) {
		t.Errorf("the acknowledgement is %q, %v", got, err)
	}
	until(t, s, func(got tally, _ error) bool { return got == want })
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	z.Write(entry(entry(nil, "seven"), "eight"))
	z.Close()
	send(t, c, msgp.AppendBytes(message(2), packed.Bytes()))
	want.add([]byte("seven"))
	want.add([]byte("eight"))
	until(t, s, func(got tally, _ error) bool { return got == want })
	send(t, c, msgp.AppendString(nil, "hello"))
	until(t, s, func(_ tally, wrong error) bool { return wrong != nil })
}

func TestForwardSinkSaysWhatItCannotRead(t *testing.T) {
	for name, b := range map[string][]byte{
		"no entry":   msgp.AppendBytes(message(2), msgp.AppendInt(nil, 1)),
		"half entry": msgp.AppendBytes(message(2), msgp.AppendInt(msgp.AppendArrayHeader(nil, 1), 1)),
		"half gzip":  msgp.AppendBytes(message(2), []byte{0x1f, 0x8b, 8, 0}),
		"HTTP":       []byte("GET / HTTP/1.1\r\n\r\n"),
	} {
		t.Run(name, func(t *testing.T) {
			s, c := newTestSink(t, "forward")
			send(t, c, b)
			until(t, s, func(got tally, wrong error) bool { return got.n == 0 && wrong != nil })
		})
	}
}

func TestLineSinkAndMarks(t *testing.T) {
	s, c := newTestSink(t, "lines")
	made := time.Now().Add(-time.Minute)
	send(t, c, fmt.Appendf(nil, "a line\n{\"log\":\"%s text\"}\nx %s\n%s", mark(7, made), mark(7, made), mark(8, made)))
	send(t, c, []byte(" in two parts\n"))
	until(t, s, func(got tally, _ error) bool { return got.n == 4 })
	all := s.arrived()
	if len(all) != 2 || all[0].took < time.Minute || all[1].took < time.Minute || all[1].at.Sub(made) < time.Minute {
		t.Errorf("marks took %v", all)
	}
}

func TestOTLPSink(t *testing.T) {
	field := func(number uint64, b ...[]byte) []byte {
		all := bytes.Join(b, nil)
		return append(binary.AppendUvarint(binary.AppendUvarint(nil, number<<3|2), uint64(len(all))), all...)
	}
	record := field(2, binary.AppendUvarint([]byte{1<<3 | 1, 1, 2, 3, 4, 5, 6, 7, 8, 2 << 3}, 300), field(5, []byte("text")))
	body := bytes.Join([][]byte{field(1, field(1, []byte("resource")), field(2, record, record), field(2, record)), field(1, field(2, record))}, nil)
	s, c := newTestSink(t, "otlp")
	for n := int64(4); n <= 8; n += 4 {
		send(t, c, fmt.Appendf(nil, "POST /v1/logs HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", len(body), body))
		until(t, s, func(got tally, _ error) bool { return got.n == n })
	}
	for _, b := range [][]byte{{0x0a, 0xff}, {0x0a, 5, 1}, {0x09, 1}, {0x0b}, {0xff}} {
		if n, err := otlpRecords(b); err == nil {
			t.Errorf("%x is %d records", b, n)
		}
	}
}
