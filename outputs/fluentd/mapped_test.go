package fluentd

import (
	"reflect"
	"testing"

	"github.com/tinylib/msgp/msgp"

	"github.com/webgrip/logkeel/agent"
)

// mapped makes a batch of records that came as maps; the text is under key, or
// nowhere.
func mapped(tb testing.TB, key, text string, records ...map[string]any) *agent.Batch {
	tb.Helper()
	b := &agent.Batch{
		Source: &agent.Source{ID: "forward/in:app.web", Collector: "in", Name: "app.web", Tag: "app.web", Labels: []agent.Label{{Name: "container", Value: "web"}, {Name: "source", Value: "in"}}},
		Pos:    agent.Position{Epoch: 7, Offset: 4},
	}
	for i, m := range records {
		start := int32(len(b.Buf))
		b.Buf = append(b.Buf, text...)
		body := agent.Span{Start: start, End: int32(len(b.Buf))}
		b.Buf = append(b.Buf, key...)
		name := agent.Span{Start: body.End, End: int32(len(b.Buf))}
		var err error
		if b.Buf, err = msgp.AppendIntf(b.Buf, m); err != nil {
			tb.Fatal(err)
		}
		b.Records = append(b.Records, agent.Record{Time: int64(i+1) * 1e9, End: 4, Body: body, Stream: agent.Stdout})
		b.Fields = append(b.Fields, agent.Fields{Map: agent.Span{Start: name.End, End: int32(len(b.Buf))}, Key: name})
	}
	return b
}

// TestMapped: a record that came as a map goes as it came, under its tag; the
// agent adds what the record has not, and to findings that it has.
func TestMapped(t *testing.T) {
	rule := &agent.Rule{Name: "Late", Class: "error", Severity: "critical", File: "shop.yaml", Line: 7}
	found := func(name string) map[string]any {
		return map[string]any{"rule": name, "class": "error", "severity": "critical", "file": "shop.yaml:7", "match": "tex"}
	}
	for _, tt := range []struct {
		name, key string
		in, want  map[string]any
		flags     agent.Flags
		found     bool
		identity  bool
	}{
		{name: "as it came", key: "message", in: map[string]any{"user": "anna", "n": int64(7)}, want: map[string]any{"message": "text", "user": "anna", "n": int64(7)}},
		{name: "without a text", in: map[string]any{"user": "anna"}, want: map[string]any{"user": "anna"}},
		{name: "nothing but a text", key: "log", in: map[string]any{}, want: map[string]any{"log": "text"}},
		{name: "found", key: "log", in: map[string]any{"a": "b"}, found: true, want: map[string]any{"log": "text", "a": "b", "findings": []any{found("Late")}}},
		{name: "found twice", key: "log", in: map[string]any{"a": "b", "findings": []any{found("Early")}, "c": "d"}, found: true, want: map[string]any{"log": "text", "a": "b", "c": "d", "findings": []any{found("Early"), found("Late")}}},
		{name: "findings of another kind", key: "log", in: map[string]any{"findings": "none"}, found: true, want: map[string]any{"log": "text", "findings": "none"}},
		{name: "findings that are passed on", key: "log", in: map[string]any{"findings": []any{found("Early")}}, want: map[string]any{"log": "text", "findings": []any{found("Early")}}},
		{name: "cut", key: "log", in: map[string]any{}, flags: agent.Cut, want: map[string]any{"log": "text", "cut": true}},
		{name: "cut before", key: "log", in: map[string]any{"cut": true}, flags: agent.Cut, want: map[string]any{"log": "text", "cut": true}},
		{name: "its own identity", key: "log", in: map[string]any{"logkeel_id": "first"}, identity: true, want: map[string]any{"log": "text", "logkeel_id": "first"}},
		{name: "identity", key: "log", in: map[string]any{}, identity: true, want: map[string]any{"log": "text", "logkeel_id": "new"}},
	} {
		o, _ := newState(t).open(config(func(c *Config) { c.Identity = tt.identity }))
		b := mapped(t, tt.key, "text", tt.in)
		b.Records[0].Flags = tt.flags
		if tt.found {
			at := b.Records[0].Body.Start
			b.Findings = []agent.Finding{{Rule: rule, Match: agent.Span{Start: at, End: at + 3}}}
		}
		if err := o.Write(t.Context(), b, 0); err != nil {
			t.Fatal(err)
		}
		m := message1(t, roundTrip(t, o)[0])
		got := m.events[0].record
		if id, ok := got["logkeel_id"].(string); ok && tt.want["logkeel_id"] == "new" && len(id) > 20 {
			got["logkeel_id"] = "new"
		}
		if m.tag != "app.web" || !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: %s %v; want %v", tt.name, m.tag, got, tt.want)
		}
		o.Close()
	}
}

// TestMappedTag: a tag of one's own goes before that which records came with.
func TestMappedTag(t *testing.T) {
	b := mapped(t, "log", "text", map[string]any{})
	for text, want := range map[string]string{"": "app.web", "x.{{.Source}}": "x.in", "in.{{.Tag}}": "in.app.web"} {
		o, _ := newState(t).open(config(func(c *Config) {
			c.SetDefaults()
			c.Name, c.Address = "main", "127.0.0.1:9"
			if text != "" {
				c.Tag = text
			}
		}))
		if got := o.tagFor(b.Source); got != want {
			t.Errorf("%q: %s; want %s", text, got, want)
		}
		if got := o.tagFor(&agent.Source{Collector: "docker", Name: "web"}); text == "" && got != "docker.web" {
			t.Errorf("another source's is %s", got)
		}
		o.Close()
	}
}

func TestMappedAllocatesNothing(t *testing.T) {
	b := mapped(t, "log", "text", map[string]any{"a": "b", "findings": []any{}}, map[string]any{"c": "d"})
	b.Findings = []agent.Finding{{Rule: &agent.Rule{Name: "r"}}}
	d := &described{id: "id"}
	rules := map[*agent.Rule][]byte{}
	var buf []byte
	run := func() {
		buf = appendRecord(buf[:0], b, 0, 0, d, b.Findings, rules)
		buf = appendRecord(buf, b, 1, 0, d, nil, rules)
	}
	run()
	if n := testing.AllocsPerRun(100, run); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
