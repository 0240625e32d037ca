package demo

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"net"
	"reflect"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/fluent/fluent-logger-golang/fluent"
	"github.com/tinylib/msgp/msgp"

	"github.com/webgrip/logkeel/agent/forward"
)

// wire is a message of two entries in one of the protocol's modes.
func wire(mode string) []byte {
	one := func(b []byte, text string) []byte {
		b = msgp.AppendMapHeader(b, 4)
		b = msgp.AppendString(msgp.AppendString(b, "log"), text)
		b = msgp.AppendString(msgp.AppendString(b, "stream"), "stdout")
		b = msgp.AppendBytes(msgp.AppendString(b, "container_name"), []byte("/shop-web-1"))
		b = msgp.AppendArrayHeader(msgp.AppendString(b, "findings"), 1)
		b = msgp.AppendMapHeader(b, 3)
		b = msgp.AppendString(msgp.AppendString(b, "rule"), "R")
		b = msgp.AppendString(msgp.AppendString(b, "class"), "error")
		return msgp.AppendString(msgp.AppendString(b, "severity"), "critical")
	}
	entry := func(b []byte, text string) []byte {
		return one(forward.AppendEventTime(msgp.AppendArrayHeader(b, 2), 1e18), text)
	}
	option := func(b []byte, compressed string) []byte {
		b = msgp.AppendMapHeader(b, 3)
		b = msgp.AppendInt(msgp.AppendString(b, "size"), 2)
		b = msgp.AppendString(msgp.AppendString(b, "compressed"), compressed)
		return msgp.AppendString(msgp.AppendString(b, "chunk"), "id")
	}
	entries := entry(entry(nil, "a seq=1"), "b seq=2")
	tag := msgp.AppendString(msgp.AppendArrayHeader(nil, 3), "docker.x")
	switch mode {
	case "message":
		b := msgp.AppendString(msgp.AppendArrayHeader(nil, 4), "docker.x")
		return option(one(msgp.AppendInt(b, 1000), "a seq=1"), "text")
	case "forward":
		return option(append(msgp.AppendArrayHeader(tag, 2), entries...), "text")
	case "packed":
		return option(msgp.AppendBytes(tag, entries), "text")
	case "packed text":
		return option(msgp.AppendStringFromBytes(tag, entries), "text")
	default:
		var z bytes.Buffer
		w := gzip.NewWriter(&z)
		w.Write(entries)
		w.Close()
		return option(msgp.AppendBytes(tag, z.Bytes()), "gzip")
	}
}

var modes = []string{"message", "forward", "packed", "packed text", "compressed"}

func TestMessages(t *testing.T) {
	found := []finding{{"R", "error", "critical"}}
	all := []entry{{"/shop-web-1", "a seq=1", found}, {"/shop-web-1", "b seq=2", found}}
	for _, mode := range modes {
		r := newReader(bytes.NewReader(append(wire(mode), wire(mode)...)))
		for range 2 {
			m, err := readMessage(r)
			want := message{tag: "docker.x", entries: all, chunk: "id"}
			if mode == "message" {
				want.entries = all[:1]
			}
			if err != nil || !reflect.DeepEqual(m, want) {
				t.Errorf("%s: %+v, %v", mode, m, err)
			}
		}
		if _, err := readMessage(r); err != io.EOF {
			t.Errorf("%s: the end is %v", mode, err)
		}
	}
}

func FuzzMessage(f *testing.F) {
	for _, mode := range modes {
		f.Add(wire(mode))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := readMessage(newReader(bytes.NewReader(b)))
		if err == nil && len(m.entries) > len(b)*1100 { // gzip makes at most 1032 bytes of one
			t.Errorf("%d entries of %d bytes", len(m.entries), len(b))
		}
	})
}

// An independent client is acknowledged, and finds the aggregator again on the
// port that it had.
func TestAggregator(t *testing.T) {
	var mu sync.Mutex
	got := map[string]int{}
	a := newAggregator(func(all []entry) {
		mu.Lock()
		defer mu.Unlock()
		for _, e := range all {
			got[e.log]++
		}
	})
	defer a.stop()
	for round := range 3 {
		if err := errors.Join(a.start(), a.start()); err != nil {
			t.Fatal(err)
		}
		host, port, _ := net.SplitHostPort(a.addr)
		n, _ := strconv.Atoi(port)
		client, err := fluent.New(fluent.Config{FluentHost: host, FluentPort: n, RequestAck: true, SubSecondPrecision: round == 1, WriteTimeout: time.Minute, ReadTimeout: 20 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		if err := client.Post("x", map[string]string{"log": "line " + strconv.Itoa(round)}); err != nil {
			t.Errorf("round %d: %v", round, err)
		}
		client.Close()
		a.stop()
		if c, err := net.Dial("tcp", a.addr); err == nil {
			c.Close()
			t.Fatal("it is away and listens")
		}
	}
	want := map[string]int{"line 0": 1, "line 1": 1, "line 2": 1}
	if chunks, wrong := a.counts(); !reflect.DeepEqual(got, want) || chunks != 3 || wrong != 0 {
		t.Errorf("got %v, %d chunks, %d wrong", got, chunks, wrong)
	}
}

func TestAggregatorCountsWhatItDoesNotUnderstand(t *testing.T) {
	a := newAggregator(func([]entry) { t.Error("it took something") })
	if err := a.start(); err != nil {
		t.Fatal(err)
	}
	defer a.stop()
	c, err := net.Dial("tcp", a.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.Write([]byte("GET / HTTP/1.1\r\n\r\n"))
	io.Copy(io.Discard, c) // until it is closed
	if _, wrong := a.counts(); wrong != 1 {
		t.Errorf("%d are wrong", wrong)
	}
}
