package forward

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/tinylib/msgp/msgp"

	"github.com/webgrip/logkeel/agent"
	wire "github.com/webgrip/logkeel/agent/forward"
)

// TestRendered: what has no text is JSON, whatever is in it, and not longer than
// it may be.
func TestRendered(t *testing.T) {
	for in, want := range map[string]string{
		"\x80":          `{}`,
		"\x81\xa1a\xc0": `{"a":null}`,
		"\x81\xa1a\x93\x01\xff\xcb\x3f\xe0\x00\x00\x00\x00\x00\x00": `{"a":[1,-1,0.5]}`,
		"\x81\x01\xc3":       `{"1":true}`,
		"\x81\x91\x01\xa1\"": `{"[1]":"\""}`,
		"\x81\xa1a\xcb\x7f\xf8\x00\x00\x00\x00\x00\x00": `{"a":null}`,
		"\x81\xa1a\xa3\xff\n\x00":                       "{\"a\":\"\uFFFD\\n\\u0000\"}",
		"\x81\xa1a\xd4\x01x":                            `{"a":"1AF4"}`,
		"\x81\xa1a\x81\xa1b\x90":                        `{"a":{"b":[]}}`,
	} {
		if got := string(appendJSON(nil, []byte(in))); got != want {
			t.Errorf("%q: %s; want %s", in, got, want)
		}
	}
	long := appendJSON([]byte("before"), record("a", strings.Repeat("ü", maxRendered)))
	if len(long) > len("before")+maxRendered || !utf8.Valid(long) || !strings.HasPrefix(string(long), `before{"a":"ü`) {
		t.Errorf("%d bytes, %.20q", len(long), long)
	}
}

// FuzzRecord: whatever a record holds, the batch has a text in bounds and a map
// that is whole.
func FuzzRecord(f *testing.F) {
	f.Add([]byte("\x82\xa3log\xa1a\xa1b\x01"))
	f.Add([]byte("\x84\xa3log\xa1a\xaapartial_id\xa1x\xa7message\xa1b\xa3env\x01"))
	f.Add([]byte("\x81\x91\x01\xd4\x01x"))
	f.Add([]byte("\x84\xa3log\x01\xa3log\xa1a\xa3log\xa1b\xa3log\xc4\x01c"))
	extras := []extra{{"env", record("env", "prod")[1:]}, {"service", record("service", "app")[1:]}}
	f.Fuzz(func(t *testing.T, b []byte) {
		e, _, err := wire.NextEntry(append([]byte{0x92, 0x07}, b...))
		if err != nil {
			return
		}
		r := look(e.Record, []string{"log", "message"})
		items := []item{{record: e.Record, text: r.text, key: r.key}, {record: e.Record, text: r.text, key: r.key, joined: true}}
		var batch agent.Batch
		appendItems(&batch, items, extras)
		for i := range items {
			m := batch.Buf[batch.Fields[i].Map.Start:batch.Fields[i].Map.End]
			if rest, err := msgp.Skip(m); err != nil || len(rest) > 0 {
				t.Fatalf("%q became %q: %v", e.Record, m, err)
			}
			has, had := map[string]int{}, map[string]int{}
			count := func(record []byte, in map[string]int) {
				wire.Members(record, func(key, _, _ []byte) bool {
					in[string(key)]++
					return true
				})
			}
			count(m, has)
			count(e.Record, had)
			if has["env"] == 0 || has["service"] == 0 || r.key != nil && has[string(r.key)] != had[string(r.key)]-1 || i == 1 && has["partial_id"] > 0 {
				t.Fatalf("%q became %q", e.Record, m)
			}
			if body := batch.Body(i); r.key == nil && (len(body) > maxRendered || len(body) < maxRendered-8 && !json.Valid(body)) {
				t.Fatalf("%q is rendered as %q", e.Record, body)
			}
		}
	})
}
