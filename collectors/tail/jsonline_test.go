package tail

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/webgrip/logkeel/agent"
)

// decoded is what encoding/json makes of a line of Docker's. ok is false when
// the line is none: ours may take it all the same, as it likes.
func decoded(l []byte) (text string, stream agent.Stream, ns int64, ok bool) {
	l = bytes.TrimLeft(l, "\x00")
	var o struct {
		Log    *string   `json:"log"`
		Stream string    `json:"stream"`
		Time   time.Time `json:"time"`
	}
	if bytes.ContainsRune(l, '\n') || json.Unmarshal(l, &o) != nil || o.Log == nil || twice(l) || !inRange(o.Time.Unix()) {
		return "", 0, 0, false
	}
	stream, _ = streamOf([]byte(o.Stream))
	return *o.Log, stream, o.Time.UnixNano(), true
}

// twice reports whether the object has a member twice; which one counts is
// nobody's promise.
func twice(l []byte) bool {
	d := json.NewDecoder(bytes.NewReader(l))
	d.Token()
	seen := map[string]bool{}
	for d.More() {
		key, err := d.Token()
		name := strings.ToLower(fmt.Sprint(key))
		if err != nil || seen[name] {
			return true
		}
		seen[name] = true
		var skip json.RawMessage
		if d.Decode(&skip) != nil {
			return true
		}
	}
	return false
}

// replaced is text as encoding/json has it: with U+FFFD for each invalid byte.
func replaced(text []byte) string { return string([]rune(string(text))) }

// without is text without its line end.
func without(text string) string {
	if t, ok := strings.CutSuffix(text, "\n"); ok {
		return strings.TrimSuffix(t, "\r")
	}
	return text
}

func checkLine(t *testing.T, in []byte) {
	t.Helper()
	d := &dockerJSON{maxLine: 1 << 20}
	block := bytes.Clone(in)
	l, ok := d.parse(block, 0, len(block), 0)
	// Where there is room before the line, its text goes there.
	apart := append(make([]byte, len(in)), in...)
	l2, ok2 := d.parse(apart, len(in), len(apart), 0)
	if !ok2 && !bytes.Equal(apart[len(in):], in) {
		t.Fatalf("%q: is no line of Docker's, and was changed to %q", in, apart[len(in):])
	}
	if ok2 != ok || l2.time != l.time || l2.stream != l.stream || l2.fragment != l.fragment ||
		!bytes.Equal(apart[l2.body.Start:l2.body.End], block[l.body.Start:l.body.End]) {
		t.Fatalf("%q:\nin its place %+v %q\nelsewhere    %+v %q", in, l, block[l.body.Start:l.body.End], l2, apart[l2.body.Start:l2.body.End])
	}
	if !ok && !bytes.Equal(block, in) {
		t.Fatalf("%q: is no line of Docker's, and was changed to %q", in, block)
	}
	text, stream, ns, valid := decoded(in)
	if !valid {
		return
	}
	if len(text) > len(in) && !ok {
		return // invalid bytes take more room as U+FFFD; such a line goes raw
	}
	if !ok {
		t.Fatalf("%q: not taken", in)
	}
	got := replaced(block[l.body.Start:l.body.End])
	if got != without(text) || l.stream != stream || l.time != ns {
		t.Fatalf("%q:\n got %q %v %d\nwant %q %v %d", in, got, l.stream, l.time, without(text), stream, ns)
	}
	fragment := !strings.HasSuffix(text, "\n") && len(text) >= fragmentSize
	if l.fragment != fragment && !strings.ContainsRune(text, '\uFFFD') {
		t.Fatalf("%q: fragment is %v", in, l.fragment)
	}
}

var lineTexts = []string{
	``, `a`, `a\n`, `\n`, `\r\n`, `a\r\n`, `\\n`, `\\\n`, `tab\tb`, `quote\"`, `\"`, `\\\"\\`, `\/\b\f`,
	`\u0041\u00e9\u20ac`, `\ud83d\ude00`, `\ud83d`, `\ud83d\u0041`, `\ude00`, `\ud83d\ud83d\ude00`, `\uFFFD`, `\u0000`,
	`\u003c\u003E\u0026\u2028`, `é😀`, "\xff\xfe", "a\xc3", `{\"log\":\"x\"}`, `\",\"stream\":\"stderr\",\"time\":\"x`,
	`ends with a backslash\\`, strings.Repeat(`x`, fragmentSize), strings.Repeat(`\u0001`, fragmentSize) + `\n`,
	// not JSON
	`\x`, `\u12`, `\u12g4`, `\`, "raw\ttab", `raw"quote`,
}

var lineShapes = []string{
	`{"log":"%s","stream":"stdout","time":"2025-01-09T14:30:00.123456789Z"}`,
	`{"log":"%s","stream":"stderr","time":"2025-01-09T14:30:00Z"}`,
	`{"log":"%s","stream":"stdout","time":"2025-01-09T14:30:00.5+01:00"}` + "\r",
	`{"log":"%s","stream":"stdout","attrs":{"tag":"a","time":"b"},"time":"2025-01-09T14:30:00.1Z"}`,
	`{"log":"%s","stream":"stdout","attrs":{"a":{"time":"2020-01-09T14:30:00.1Z"}},"time":"2025-01-09T14:30:00.1Z"}`,
	`{"log":"%s","attrs":{"a":"b"},"stream":"stdout","time":"2025-01-09T14:30:00.1Z"}`,
	`{"log":"%s","x":"y","stream":"stdout","time":"2025-01-09T14:30:00.1Z"}`,
	`{"log":"%s","stream":"stdout","time":"2025-01-09T14:30:00.1Z","x":"y"}`,
	`{"time":"2025-01-09T14:30:00.1Z","log":"%s","stream":"stderr"}`,
	` { "log" : "%s" , "stream" : "stdout" , "time" : "2025-01-09T14:30:00.1Z" } `,
	`{"log":"%s","stream":"other","time":"2025-01-09T14:30:00.1Z"}`,
	`{"log":"%s","stream":"st\u0064out","time":"2025-01-09T14:30:00.1Z"}`,
	`{"log":"%s","time":"2025-01-09T14:30:00.1Z"}`,
	`{"LOG":"%s","Stream":"stdout","time":"2025-01-09T14:30:00.1Z"}`,
	"\x00\x00" + `{"log":"%s","stream":"stdout","time":"2025-01-09T14:30:00.1Z"}`,
	// not Docker's
	`{"log":"%s","stream":"stdout","time":"yesterday"}`,
	`{"log":"%s","stream":"stdout"}`,
	`{"log":"%s","stream":"stdout","time":"2025-01-09T14:30:00.1Z"}}`,
	`{"log":"%s","stream":"stdout","time":"0001-01-01T00:00:00Z"}`,
	`{"log":"%s","stream":"stdout","time":"9999-01-01T00:00:00Z"}`,
	`{"log":"%s{"log":"x","stream":"stdout","time":"2025-01-09T14:30:00.1Z"}`,
	"\x00\x00\x00\x00" + `{"log":"%s{"log":"x","stream":"stdout","time":"2025-01-09T14:30:00.1Z"}`,
	`{"log":"%s`, `%s`,
}

func TestParse(t *testing.T) {
	for _, shape := range lineShapes {
		for _, text := range lineTexts {
			checkLine(t, []byte(strings.Replace(shape, "%s", text, 1)))
		}
	}
}

// TestParseLengths has escapes, and a quote that tears the line, at all places of
// the words that are decoded at a time.
func TestParseLengths(t *testing.T) {
	for before := range 20 {
		for after := range 20 {
			for _, special := range []string{`\n`, `\"`, `\\\\`, `\u00e9`, `\ud83d\ude00`, `\n\n`, `"`, `\"x"`, `\x`, `\`} {
				text := strings.Repeat("x", before) + special + strings.Repeat("y", after)
				checkLine(t, []byte(strings.Replace(lineShapes[0], "%s", text, 1)))
				checkLine(t, []byte(strings.Replace(lineShapes[0], "%s", text+strings.Repeat("z", usualText), 1)))
			}
		}
	}
}

// TestParseRefuses has lines that must be shipped raw: to take a part of them
// would lose the rest.
func TestParseRefuses(t *testing.T) {
	for _, in := range []string{
		``, `{`, `{}`, `null`, `"a"`, `[]`, `text`, `{"log":"a"}`,
		`{"log":1,"stream":"stdout","time":"2025-01-09T14:30:00.1Z"}`,
		`{"log":null,"stream":"stdout","time":"2025-01-09T14:30:00.1Z"}`,
		`{"log":"a","stream":"stdout","time":"2025-01-09T14:30:00.1Z"} more`,
		`{"log":"a","stream":"stdout","time":"2025-01-09T25:30:00.1Z"}`,
		`{"log":"a","stream":"stdout","time":"1969-12-31T23:59:59Z"}`,
		`{"log":"a","stream":"stdout","time":"2300-01-01T00:00:00Z"}`,
		`{"log":"torn{"log":"b\n","stream":"stdout","time":"2025-01-09T14:30:00.1Z"}`,
		`{"log":"a","stream":"stdout","time":"2025-01-09T14:30:00.1Z"}{"log":"b","stream":"stdout","time":"2025-01-09T14:30:00.1Z"}`,
	} {
		d := &dockerJSON{maxLine: 1 << 20}
		if l, ok := d.parse([]byte(in), 0, len(in), 0); ok {
			t.Errorf("%s: was taken as %+v", in, l)
		}
	}
}

func TestTime(t *testing.T) {
	var c rfc3339
	for _, in := range []string{
		"2025-01-09T14:30:00Z", "2025-01-09T14:30:00.1Z", "2025-01-09T14:30:00.123456789Z", "2025-01-09T14:30:00.000000001Z",
		"2025-01-09T14:30:01.999999999Z", "2025-01-09T14:30:00.123456789012Z", "2025-01-09T14:30:00+02:00", "2025-01-09T14:30:00.5-11:30",
		"1970-01-01T00:00:00Z", "2024-02-29T23:59:59.5Z", "2025-02-29T00:00:00Z", "2025-01-09T24:00:00Z", "2025-01-09T14:30:60Z",
		"2025-01-09T14:30:00.Z", "2025-01-09T14:30:00.1", "2025-01-09 14:30:00Z", "2025-01-09T14:30:00.1xZ", "", "Z",
		"2025-01-09T14:30:00.9876543210Z", "2025-01-09T14:30:00.x23456789Z", "2025-01-09T14:30:00.1234567/9Z", "2025-01-09T14:30:00.12345678:Z", "2025-01-09T14:30:00.1\xff3456789Z", "2025-01-09T14:30:00.1\xca3456789Z",
		"2025-01-09T14:30:00.0000000-1Z", "2025-01-09T14:30:00.000000001Z", "2025-01-09T14:30:00.999999998Z", "2025-01-09T14:30:00_123456789Z", "2025-01-09T14:30:00ZZ",
		"0000-00-00T00:00:00Z", "9999-12-31T23:59:59Z", "1969-12-31T23:59:59Z",
	} {
		var want time.Time
		err := json.Unmarshal([]byte(`"`+in+`"`), &want)
		valid := err == nil && inRange(want.Unix())
		got, ok := c.parse([]byte(in))
		if ok != valid || ok && got != want.UnixNano() {
			t.Errorf("%q: %d, %v; want %d, %v", in, got, ok, want.UnixNano(), valid)
		}
	}
}

func FuzzDockerLine(f *testing.F) {
	for i, shape := range lineShapes {
		for j := i % 3; j < len(lineTexts); j += 3 {
			if len(lineTexts[j]) < 1000 {
				f.Add([]byte(strings.Replace(shape, "%s", lineTexts[j], 1)))
			}
		}
	}
	f.Fuzz(func(t *testing.T, in []byte) { checkLine(t, in) })
}
