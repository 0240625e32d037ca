package rules

import (
	"bytes"
	"reflect"
	"strings"
	"testing"

	"github.com/tinylib/msgp/msgp"

	"github.com/webgrip/logkeel/agent"
)

// fieldsOf makes a batch of one record that came with these members.
func fieldsOf(tb testing.TB, m map[string]any) *agent.Batch {
	tb.Helper()
	b := batchOf("a line")
	start := int32(len(b.Buf))
	buf, err := msgp.AppendIntf(b.Buf, m)
	if err != nil {
		tb.Fatal(err)
	}
	b.Buf = buf
	b.Fields = []agent.Fields{{Map: agent.Span{Start: start, End: int32(len(buf))}}}
	return b
}

func mapOf(tb testing.TB, b *agent.Batch) map[string]any {
	tb.Helper()
	f := b.Fields[0].Map
	m, rest, err := msgp.ReadMapStrIntfBytes(b.Buf[f.Start:f.End], nil)
	if err != nil || len(rest) > 0 {
		tb.Fatalf("no whole map is left: %v, %d bytes behind it", err, len(rest))
	}
	return m
}

// TestRedactFields: strings are looked through as texts are, and what has the
// name of a secret is cut as a whole, wherever it lies.
func TestRedactFields(t *testing.T) {
	long := strings.Repeat("x", 70_000)
	for _, c := range []struct {
		name     string
		in, want any
	}{
		{"url", "mysql://shop:hunter2hunter2@db/shop", "mysql://shop:[password]@db/shop"},
		{"note", "password=hunter2hunter2 user=anna", "password=[password] user=anna"},
		{"password", "two words of it", "[password]"},
		{"PASSWORD", "hunter2hunter2", "[password]"},
		{"user.password", "hunter2hunter2", "[password]"},
		{"db_password", "short", "*****"},
		{"api_key", "0123456789abcdef", "[secret]"},
		{"access_token", "0123456789abcdef", "[token]"},
		{"Authorization", "Bearer 0123456789abcdef", "[authorization]"},
		{"cookie", "a=b; session=0123456789", "[cookie]"},
		{"password", "[password]", "[password]"},
		{"using_password", "YES", "YES"},
		{"password", "", ""},
		{"password", true, true},
		{"password", int64(1234567), "****"},
		{"password", []byte("hunter2hunter2"), []byte("[password]")},
		{"password", []any{"hunter2hunter2", map[string]any{"x": "hunter2hunter2"}}, []any{"[password]", map[string]any{"x": "[password]"}}},
		{"request", map[string]any{"headers": map[string]any{"authorization": "Basic abcdefghijkl"}, "path": "/"}, map[string]any{"headers": map[string]any{"authorization": "[authorization]"}, "path": "/"}},
		{"tokens", int64(512), int64(512)},
		{"token", int64(512), int64(512)},
		{"passenger", "anna", "anna"},
		{"message", "password reset for anna", "password reset for anna"},
		{"own", "customer=4711", "customer=****"},
		{"long", long + " token=0123456789abcdef", long + " token=[token]"},
		{"password", long, "[password]"},
		{"pi", 3.5, 3.5},
		{"up", map[string]any{"redis://:hunter2hunter2@cache:6379": true, "db": "hunter"}, map[string]any{"redis://:[password]@cache:6379": true, "db": "hunter"}},
	} {
		s := redacting(t, Redact{Secrets: true, Patterns: []RedactPattern{{"customerno", `customer=(\w+)`}}}, "")
		b := fieldsOf(t, map[string]any{"a": "before", c.name: c.in, "z": "behind"})
		size := b.Fields[0].Map.Len()
		s.Match(b)
		got := mapOf(t, b)
		if !reflect.DeepEqual(got, map[string]any{"a": "before", c.name: c.want, "z": "behind"}) {
			t.Errorf("%s of %.60v: %.200v", c.name, c.in, got)
		}
		if b.Fields[0].Map.Len() > size {
			t.Errorf("%s: the map has grown", c.name)
		}
		if bytes.Contains(b.Buf, []byte("hunter2hunter2")) {
			t.Errorf("%s: the secret is still in the buffer", c.name)
		}
		if string(b.Body(0)) != "a line" {
			t.Errorf("%s: the text is %q", c.name, b.Body(0))
		}
	}
}

// TestFieldsWithoutRedaction stay as they are.
func TestFieldsWithoutRedaction(t *testing.T) {
	s := redacting(t, Redact{}, "groups: [{name: g, rules: [{name: r, match: line}]}]")
	b := fieldsOf(t, map[string]any{"password": "hunter2hunter2"})
	s.Match(b)
	if m := mapOf(t, b); m["password"] != "hunter2hunter2" || len(b.Findings) != 1 {
		t.Errorf("%v, %d findings", m, len(b.Findings))
	}
}

// FuzzRedactFields: whatever the bytes of a map are, what is left is no longer,
// and whole where it was.
func FuzzRedactFields(f *testing.F) {
	f.Add([]byte("\x82\xa8password\xa7hunter2\xa1a\xcd\x01\x02"))
	f.Add([]byte("\x81\xa1a\xdf\xff\xff\xff\xff"))
	f.Add([]byte("\x81\xa8password\x92\xd9\x05abcde\xc4\x03abc"))
	s := redacting(f, Redact{Secrets: true, Emails: true, Cards: true, Patterns: []RedactPattern{{"customerno", `customer=(\w+)`}}}, "")
	f.Fuzz(func(t *testing.T, in []byte) {
		b := batchOf("a line")
		start := int32(len(b.Buf))
		b.Buf = append(append(b.Buf, in...), "behind"...)
		b.Fields = []agent.Fields{{Map: agent.Span{Start: start, End: start + int32(len(in))}}}
		left, err := msgp.Skip(in)
		whole := err == nil && len(left) == 0
		s.Match(b)
		after := b.Buf[start:b.Fields[0].Map.End]
		if len(after) > len(in) || !bytes.HasSuffix(b.Buf, []byte("behind")) {
			t.Fatalf("%q became %q", in, after)
		}
		if left, err := msgp.Skip(after); whole && (err != nil || len(left) > 0) {
			t.Fatalf("%q became %q: %v", in, after, err)
		}
	})
}
