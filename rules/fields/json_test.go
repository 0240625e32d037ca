package fields

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"
)

func TestJSON(t *testing.T) {
	const record = `{"a":"x\u0041\ud83d\ude00\n\/","b":{"c":{"d":1.50},"e":[10,{"f":true}]},"b.c.g":"flat","":"empty","n":null,"o":-0,"list":["a", "b"],"dup":1,"dup":2,"a-b":false}`
	names := []string{"a", "b.c.d", "b.e.0", "b.e.1.f", "b.e.2", "b.c.g", "n", "o", "list", "list.1", "dup", "a-b", "b.c.d.x", "none", "b.", "stream"}
	want := "a=xA\U0001F600\n/|b.c.d=1.50|b.e.0=10|b.e.1.f=true|b.c.g=flat|o=-0|list=[\"a\", \"b\"]|list.1=b|dup=2|a-b=false"
	for _, line := range []string{
		record, " " + record + "\r\n", "[2025-01-09] app.ERROR: {x} { y { z " + record, "msg " + record + " []", "msg " + record + ` {"dup":3,"uid":"x"} `,
		"line one\n\t" + record,
	} {
		got, ok := read(JSON, &Input{Body: []byte(line)}, names...)
		if !ok || strings.Join(got, "|") != want {
			t.Errorf("%s\ngot  %s, %v\nwant %s", line, strings.Join(got, "|"), ok, want)
		}
	}
	for line, want := range map[string]string{
		`msg {"a":1} {"uid":"x","a":2}`:                "a=1|uid=x",
		`msg [] {"uid":"x"}`:                           "uid=x",
		"msg {\"a\":\"one\n\ttwo\"}":                   "a=one\n\ttwo",
		`{"a":[password],"uid":[card-number]}`:         "a=[password]|uid=[card-number]",
		`{"a":[true],"uid":[ null ]}`:                  "a=[true]|uid=[ null ]",
		`{"a":"","uid":"\ud800x\udc00"}`:               "a=|uid=\ufffdx\ufffd",
		`{"uid":"` + strings.Repeat("x", 5) + `\\\""}`: `uid=xxxxx\"`,
	} {
		if got, ok := read(JSON, &Input{Body: []byte(line)}, "a", "uid"); !ok || strings.Join(got, "|") != want {
			t.Errorf("%s: got %q, %v", line, got, ok)
		}
	}
	deep := strings.Repeat(`{"a":`, maxNesting+1) + "1" + strings.Repeat("}", maxNesting+1)
	for _, line := range []string{
		"", "a", "1", "[]", `"a"`, "{", `{"a"}`, `{"a":}`, `{"a":1,}`, `{"a":1`, `{"a":1}}`, `{"a":1} x`, `{"a":1} {"a":2}`, `x{"a":1}`, `x {"a":1} y`, `{"a":01}`, `{"a":"\x"}`,
		`{"a":"\u12"}`, `{"a":"b}`, `{"a":tru}`, `{"a":truex}`, `{"a":1e}`, `{"a":-}`, `{"a":[1,]}`, `{"a":[1}`, `{a:1}`, deep, `x { "a" {"b" {"c" {"d" {"a":1}`,
	} {
		if got, ok := read(JSON, &Input{Body: []byte(line)}, "a"); ok || got != nil {
			t.Errorf("%.40s: %q, %v", line, got, ok)
		}
	}
}

// FuzzJSON wants of each object what encoding/json says of its members, and of
// what is none that it is none.
func FuzzJSON(f *testing.F) {
	for _, s := range []string{
		`{"a":"x\u0041\ud83d","b":{"c":1.5e3},"l":[1,null]}`, `{"a":1,"a":null}`, ` {} `, `{"a":[token]}`, `x {"a":1} []`, "{\"\xff\":\"\xed\xa0\x80\\ud800\"}",
		`{"a":[[{}],"]"],"b":-0.0E+7}`, "{\"a\":\"\n\"}",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var m map[string]any
		d := json.NewDecoder(strings.NewReader(s))
		d.UseNumber()
		valid := json.Valid([]byte(s)) && d.Decode(&m) == nil && m != nil
		var names []string
		for name := range m {
			if name != "" && name != Stream && !strings.Contains(name, "\ufffd") {
				names = append(names, name)
			}
		}
		w := NewWanted(JSON)
		for _, name := range append(names, "a", "b.c", "l.0") {
			w.Add(name)
		}
		var v Values
		ok := v.Read(w, &Input{Body: []byte(s)})
		if !valid {
			// What it takes beyond JSON: what follows a blank, lines in strings, markers, and less depth.
			if ok && strings.HasPrefix(strings.TrimLeft(s, " \t\r\n"), "{") && !strings.Contains(s, "[") && !hasControl(s) {
				t.Fatalf("%q is taken for an object", s)
			}
			return
		}
		if !ok {
			if strings.Count(s, "[")+strings.Count(s, "{") > maxNesting {
				return
			}
			t.Fatalf("%q is not taken for an object", s)
		}
		for i, name := range names {
			got, there := v.Get(i)
			want, is := asText(m[name])
			if hasDotted(m, name) {
				continue // both may be meant
			}
			if is && (!there || string([]rune(string(got))) != want) || m[name] == nil && there {
				t.Fatalf("%q: %q is %q, %v; want %q", s, name, got, there, want)
			}
		}
	})
}

// hasDotted reports whether the name may stand for something in another member
// as well.
func hasDotted(m map[string]any, name string) bool {
	for i := range len(name) {
		if name[i] == '.' {
			if _, ok := m[name[:i]]; ok {
				return true
			}
		}
	}
	return false
}

func asText(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case json.Number:
		return v.String(), true
	case bool:
		return strconv.FormatBool(v), true
	}
	return "", false
}

func hasControl(s string) bool { return strings.ContainsFunc(s, func(r rune) bool { return r < ' ' }) }
