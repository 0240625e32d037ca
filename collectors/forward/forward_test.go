package forward

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/tinylib/msgp/msgp"

	"github.com/webgrip/logkeel/agent"
)

func zipped(parts ...[]byte) []byte {
	var b bytes.Buffer
	for _, p := range parts {
		w := gzip.NewWriter(&b)
		w.Write(p)
		w.Close()
	}
	return b.Bytes()
}

// TestModes: what a client sends comes out, in each of the protocol's modes,
// with its tag, times and members; and is acknowledged if it asks for that.
func TestModes(t *testing.T) {
	t.Parallel()
	rec := func(n int) []byte { return record("log", fmt.Sprint("line ", n), "env", "prod") }
	three := append(append(entry(1e9, rec(1)), entry(2e9+5, rec(2))...), entry(3e9, rec(3))...)
	forward := msgp.AppendString([]byte{0x93}, "app")
	forward = append(append(forward, 0x93), three...)
	seconds := append(msgp.AppendInt(msgp.AppendString([]byte{0x93}, "app"), 7), rec(1)...)
	float := append(msgp.AppendFloat64(msgp.AppendString([]byte{0x93}, "app"), 7.5), rec(1)...)
	ext := append(msgp.AppendString([]byte{0x93}, "app"), 0xc7, 8, 0, 0, 0, 0, 7, 0, 0, 0, 9)
	meta := append(append([]byte{0x92, 0x92}, entry(8e9, nil)[1:]...), 0x80)
	for _, c := range []struct {
		name  string
		sent  []byte
		times []int64
		ack   bool
	}{
		{"message", message("app", 1e9, rec(1), "a"), []int64{1e9}, true},
		{"message without an ack", message("app", 1e9, rec(1), ""), []int64{1e9}, false},
		{"seconds", seconds, []int64{7e9}, false},
		{"float", float, []int64{7.5e9}, false},
		{"ext", append(ext, rec(1)...), []int64{7e9 + 9}, false},
		{"nil option", append(append([]byte{0x94}, message("app", 1e9, rec(1), "")[1:]...), 0xc0), []int64{1e9}, false},
		{"forward", append(forward, option("a")...), []int64{1e9, 2e9 + 5, 3e9}, true},
		{"packed", packed("app", three, option("a")), []int64{1e9, 2e9 + 5, 3e9}, true},
		{"packed as str", append(msgp.AppendString(msgp.AppendString([]byte{0x93}, "app"), string(three)), option("a")...), []int64{1e9, 2e9 + 5, 3e9}, true},
		{"packed without an option", append([]byte{0x92}, packed("app", three, nil)[1:]...), []int64{1e9, 2e9 + 5, 3e9}, false},
		{"compressed", packed("app", zipped(three), option("a", "compressed", "gzip")), []int64{1e9, 2e9 + 5, 3e9}, true},
		{"several gzip members", packed("app", zipped(three[:20], three[20:]), option("a", "compressed", "gzip")), []int64{1e9, 2e9 + 5, 3e9}, true},
		{"with metadata", packed("app", append(meta, rec(1)...), option("a")), []int64{8e9}, true},
		{"heartbeats", append([]byte{0xc0, 0xc0}, message("app", 1e9, rec(1), "a")...), []int64{1e9}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newSink()
			r := start(t, config(t), t.TempDir(), s)
			nc := r.dial()
			send(t, nc, c.sent)
			if c.ack {
				if id := readAck(t, nc); id != "a" {
					t.Errorf("acknowledged %q", id)
				}
			}
			for i, g := range s.await(t, len(c.times)) {
				want := map[string]any{"env": "prod"}
				if g.tag != "app" || g.time != c.times[i] || g.body != fmt.Sprint("line ", i+1) || g.key != "log" || !reflect.DeepEqual(g.fields, want) {
					t.Errorf("record %d is %+v", i, g)
				}
			}
			if log := r.log.String(); strings.Contains(log, "WARN") {
				t.Error(log)
			}
		})
	}
}

// TestRecords: what becomes of a record's members.
func TestRecords(t *testing.T) {
	t.Parallel()
	s := newSink()
	r := start(t, config(t, func(c *Config) { c.Labels = map[string]string{"env": "prod", "service": "main"} }), t.TempDir(), s)
	nc := r.dial()
	nested := msgp.AppendMapHeader(msgp.AppendString(nil, "deep"), 1)
	nested = msgp.AppendInt(msgp.AppendString(nested, "n"), -3)
	send(t, nc,
		message("t", 1e9, record("container_id", "0123", "container_name", "/web", "source", "stderr", "log", "a\n", "com.docker.compose.service", "front"), ""),
		message("t", 1e9, record("message", "b", "env", "test"), ""),
		message("t", 1e9, append(append([]byte{0x83}, record("user", "ann\x01\"e", "ok", "ü")[1:]...), nested...), ""),
		message("t", 1e9, record("msg", "c", "log", "d"), "x"))
	readAck(t, nc)
	all := s.await(t, 4)
	byBody := map[string]got{}
	for _, g := range all {
		byBody[g.body] = g
	}
	for _, c := range []struct {
		body, key string
		fields    map[string]any
		labels    map[string]string
		stream    agent.Stream
	}{
		{"a", "log", map[string]any{"container_id": "0123", "container_name": "/web", "source": "stderr", "com.docker.compose.service": "front", "env": "prod", "service": "main"}, map[string]string{"source": "in", "tag": "t", "container": "web", "service": "front", "env": "prod"}, agent.Stderr},
		{"b", "message", map[string]any{"env": "test", "service": "main"}, map[string]string{"source": "in", "tag": "t", "service": "main", "env": "prod"}, agent.None},
		{`{"user":"ann\u0001\"e","ok":"ü","deep":{"n":-3}}`, "", map[string]any{"user": "ann\x01\"e", "ok": "ü", "deep": map[string]any{"n": int64(-3)}, "env": "prod", "service": "main"}, map[string]string{"source": "in", "tag": "t", "service": "main", "env": "prod"}, agent.None},
		{"d", "log", map[string]any{"msg": "c", "env": "prod", "service": "main"}, map[string]string{"source": "in", "tag": "t", "service": "main", "env": "prod"}, agent.None},
	} {
		g, ok := byBody[c.body]
		if !ok {
			t.Errorf("no record has the text %s; there are %s", c.body, bodies(all))
			continue
		}
		if g.key != c.key || !reflect.DeepEqual(g.fields, c.fields) || !reflect.DeepEqual(g.labels, c.labels) || g.stream != c.stream {
			t.Errorf("%s: %+v", c.body, g)
		}
	}
	if len(s.twice) > 0 {
		t.Errorf("opened twice: %v", s.twice)
	}
}
