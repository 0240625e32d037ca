package fields

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/tinylib/msgp/msgp"

	"github.com/webgrip/logkeel/agent/forward"
)

func TestLogfmt(t *testing.T) {
	for line, want := range map[string]string{
		`a=1 b=two c="three 3" d.e="\"q\" \\ \n\u0041\x42" f=`: "a=1|b=two|c=three 3|d.e=\"q\" \\ \nAB|f=",
		`2025/01/09 14:30:08 starting a=1`:                     "a=1",
		`a=1 a=2`:                                              "a=1",
		`a="x"b=2`:                                             "a=x|b=2",
		`a=x=y`:                                                "a=x=y",
		"a=1\tb=2\nc=3":                                        "a=1|b=2|c=3",
		`a = 1 b=2`:                                            "b=2",
		`a=1 b="open c=3`:                                      "a=1",
		`=1 a=1`:                                               "a=1",
		`msg="a=2" a=1`:                                        "a=1",
		`a=1, b=2`:                                             "a=1,|b=2",
		`x=1`:                                                  "",
	} {
		got, ok := read(Logfmt, &Input{Body: []byte(line)}, "a", "b", "c", "d.e", "f", "none")
		if !ok || strings.Join(got, "|") != want {
			t.Errorf("%s: got %q, %v", line, got, ok)
		}
	}
	for _, line := range []string{"", "words only", `"a=1"`, `a "b" c`, "=", "=="} {
		if got, ok := read(Logfmt, &Input{Body: []byte(line)}, "a"); ok && line != `"a=1"` {
			t.Errorf("%s: %q", line, got)
		}
	}
}

// FuzzLogfmt reads whatever there is, and wants back what was written.
func FuzzLogfmt(f *testing.F) {
	f.Add(`a=1 b="x`, "x y", "a=2", "\x00\"\\")
	f.Add(`a b=" c=`, "", "=", "é\u2028")
	f.Fuzz(func(t *testing.T, line, one, two, three string) {
		read(Logfmt, &Input{Body: []byte(line)}, "a", "b", "c.d")
		var b strings.Builder
		want := []string{}
		for i, s := range []string{one, two, three} {
			s = strings.ToValidUTF8(s, "")
			text, err := json.Marshal(s)
			if err != nil {
				t.Fatal(err)
			}
			key := string(rune('a' + i))
			if bare := strings.TrimFunc(s, func(r rune) bool { return r <= ' ' || r == '"' }); i == 0 && bare == s && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' }) {
				text = []byte(s)
			}
			b.WriteString(key + "=" + string(text) + " ")
			want = append(want, key+"="+s)
		}
		got, ok := read(Logfmt, &Input{Body: []byte(b.String())}, "a", "b", "c")
		if !ok || !slices.Equal(got, want) {
			t.Fatalf("%q\ngot  %q\nwant %q", b.String(), got, want)
		}
	})
}

// FuzzRecord reads whatever is whole, and wants to find in JSON what it finds in
// the same as MessagePack.
func FuzzRecord(f *testing.F) {
	packed, err := msgp.AppendMapStrIntf(nil, map[string]any{"a": map[string]any{"b": []any{int64(-1), uint64(2), 1.5, true, nil}}, "c": []byte("x"), "d": float32(0.1)})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(packed, `{"a":{"b":[1,2.5,"x"]},"c":"é","d":null}`)
	f.Add([]byte{0x81, 0xa1, 'a', 0xc1}, `{"a":1e300}`)
	f.Add([]byte{0x81, 0x01, 0x80}, `{"stream":1,"a":[]}`)
	f.Fuzz(func(t *testing.T, packed []byte, text string) {
		names := []string{"a", "a.b", "a.b.0", "a.b.4", "c", "d", "log", Stream}
		got, ok := read(Record, &Input{Body: []byte("line"), Map: packed, Key: []byte("log"), Stream: "stderr"}, names...)
		rest, err := forward.Skip(packed)
		whole := err == nil && len(rest) == 0 && msgp.NextType(packed) == msgp.MapType
		if ok != whole || ok && (!slices.Contains(got, "stream=stderr") || !slices.Contains(got, "log=line")) {
			t.Fatalf("%x: %q, %v", packed, got, ok)
		}
		var m map[string]any
		if json.Unmarshal([]byte(text), &m) != nil || m == nil {
			return
		}
		plain, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		if packed, err = msgp.AppendMapStrIntf(nil, m); err != nil {
			t.Fatal(err)
		}
		if _, err := forward.Skip(packed); err != nil {
			return // too deep
		}
		fromJSON, ok := read(JSON, &Input{Body: plain}, "a.b", "a.b.0", "a.b.4.x", "c", "d")
		fromRecord, okToo := read(Record, &Input{Map: packed}, "a.b", "a.b.0", "a.b.4.x", "c", "d")
		fromJSON = slices.DeleteFunc(fromJSON, func(s string) bool { // objects and lists are their text there
			_, v, _ := strings.Cut(s, "=")
			return v != "" && (v[0] == '{' || v[0] == '[')
		})
		fromRecord = slices.DeleteFunc(fromRecord, func(s string) bool {
			_, v, _ := strings.Cut(s, "=")
			return v != "" && (v[0] == '{' || v[0] == '[')
		})
		if !ok || !okToo || !slices.Equal(fromJSON, fromRecord) {
			t.Fatalf("%s\nJSON   %q\nrecord %q", plain, fromJSON, fromRecord)
		}
	})
}

// TestReadAllocates reads records of all formats over and over.
func TestReadAllocates(t *testing.T) {
	packed, err := msgp.AppendMapStrIntf(nil, map[string]any{"a": map[string]any{"b": int64(7)}, "c": "x"})
	if err != nil {
		t.Fatal(err)
	}
	for f, in := range map[Format]Input{
		Access: {Body: []byte(`10.0.0.7 - anna [x] "GET /%2561?x+y HTTP/1.1" 200 183 "r" "a\x22" rt=5`)},
		JSON:   {Body: []byte(`x {"a":{"b":"\u0041"},"c":[1,"x"],"path":"/"}`)},
		Logfmt: {Body: []byte(`a.b=1 c="\"x\"" path=/`)},
		Record: {Map: packed, Stream: "stdout"},
	} {
		w := NewWanted(f)
		for _, name := range []string{"path", "query", "agent", "status", "a.b", "c", "c.1", Stream} {
			if f.Has(name) {
				w.Add(name)
			}
		}
		var v Values
		if n := testing.AllocsPerRun(100, func() {
			if !v.Read(w, &in) {
				t.Fatal("it is not in the format")
			}
		}); n != 0 {
			t.Errorf("%s: %v allocations", f, n)
		}
	}
}
