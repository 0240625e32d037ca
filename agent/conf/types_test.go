package conf

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v4"
)

func decodeValue(t *testing.T, text string, v any) string {
	t.Helper()
	var err error
	switch v := v.(type) {
	case *Duration:
		var c struct {
			A Duration `yaml:"a"`
		}
		_, err = Decode("f", []byte("a: "+text), &c, Options{})
		*v = c.A
	case *Size:
		var c struct {
			A Size `yaml:"a"`
		}
		_, err = Decode("f", []byte("a: "+text), &c, Options{})
		*v = c.A
	case *Strings:
		var c struct {
			A Strings `yaml:"a"`
		}
		_, err = Decode("f", []byte("a: "+text), &c, Options{})
		*v = c.A
	}
	if err != nil {
		return strings.TrimPrefix(err.Error(), "f:1: a: ")
	}
	return ""
}

func TestDuration(t *testing.T) {
	for _, c := range []struct {
		text string
		want time.Duration
		back string
	}{
		{"250ms", 250 * time.Millisecond, "250ms"},
		{"5m", 5 * time.Minute, "5m"},
		{"1m30s", 90 * time.Second, "1m30s"},
		{"7d", 7 * 24 * time.Hour, "7d"},
		{"1d12h", 36 * time.Hour, "36h"},
		{"1.5h", 90 * time.Minute, "90m"},
		{"0", 0, "0s"},
		{"'30s'", 30 * time.Second, "30s"},
		{"106751d", 106751 * 24 * time.Hour, "106751d"},
	} {
		var d Duration
		if err := decodeValue(t, c.text, &d); err != "" || time.Duration(d) != c.want || d.String() != c.back {
			t.Errorf("%s: %d, %s, %s", c.text, d, d, err)
		}
	}
	const hint = "; write 250ms, 30s, 5m, 12h or 7d"
	for text, want := range map[string]string{
		"30":                     "expected a duration with its unit, found 30; write 30s",
		"1.5":                    "expected a duration with its unit, found 1.5; write 30s",
		"'30'":                   `expected a duration with its unit, found "30"; write 30s`,
		"-1s":                    `expected a duration that is not negative, found "-1s"` + hint,
		"-1d":                    `expected a duration, found "-1d"` + hint,
		"1d-1h":                  `expected a duration, found "1d-1h"` + hint,
		"106752d":                `expected a duration, found "106752d"` + hint,
		"106751d24h":             `expected a duration, found "106751d24h"` + hint,
		"99999999999999999999d":  `expected a duration, found "99999999999999999999d"` + hint,
		"[1s]":                   "expected a duration, found a list" + hint,
		"soon":                   `expected a duration, found "soon"` + hint,
		"''":                     `expected a duration, found ""` + hint,
		strings.Repeat("é", 100): `expected a duration, found "` + strings.Repeat("é", 60) + `..."` + hint,
	} {
		var d Duration
		if err := decodeValue(t, text, &d); err != want {
			t.Errorf("%s: got %s, want %s", text, err, want)
		}
	}
}

func TestSize(t *testing.T) {
	for _, c := range []struct {
		text string
		want Size
		back string
	}{
		{"64MiB", 64 << 20, "64MiB"},
		{"10MB", 10e6, "10000000B"},
		{"512KiB", 512 << 10, "512KiB"},
		{"4096", 4096, "4KiB"},
		{"100", 100, "100B"},
		{"0", 0, "0B"},
		{"1.5 GiB", 3 << 29, "1536MiB"},
		{"2TiB", 2 << 40, "2TiB"},
		{"7B", 7, "7B"},
		{"3kB", 3000, "3000B"},
		{"9223372036854775807", math.MaxInt64, "9223372036854775807B"},
	} {
		var s Size
		if err := decodeValue(t, c.text, &s); err != "" || s != c.want || s.String() != c.back {
			t.Errorf("%s: %d, %s, %s", c.text, int64(s), s, err)
		}
	}
	for _, text := range []string{"-1", "-1MiB", "1.5", "MiB", "64 mebibytes", "9223372036854775808", "9007199254740992KiB", "1e300GiB", "NaNMiB", "InfMiB", "[1]", "''"} {
		var s Size
		if err := decodeValue(t, text, &s); !strings.HasPrefix(err, "expected a size, found ") {
			t.Errorf("%s: %d, %q", text, int64(s), err)
		}
	}
}

func TestStrings(t *testing.T) {
	for text, want := range map[string]Strings{"a": {"a"}, "[a, 1]": {"a", "1"}, "[]": {}, "''": {""}} {
		var s Strings
		if err := decodeValue(t, text, &s); err != "" || !slices.Equal(s, want) {
			t.Errorf("%s: %q, %s", text, s, err)
		}
	}
	for _, text := range []string{"{a: b}", "[[a]]", "[a, ~]", "[{a: b}]"} {
		var s Strings
		if err := decodeValue(t, text, &s); !strings.HasPrefix(err, "expected text or a list of texts") {
			t.Errorf("%s: %q, %q", text, s, err)
		}
	}
}

// TestRoundTrip writes what Decode read, and reads it again.
func TestRoundTrip(t *testing.T) {
	type file struct {
		Every Duration `yaml:"every"`
		Limit Size     `yaml:"limit"`
	}
	in := file{Duration(36 * time.Hour), 3 << 20}
	b, err := yaml.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	var out file
	if _, err := Decode("f", b, &out, Options{}); err != nil || out != in {
		t.Errorf("%v: %+v from %s", err, out, b)
	}
}

type shortSpec struct {
	Text string `yaml:"text"`
	N    int    `yaml:"n"`
}

func (s *shortSpec) SetDefaults()        { s.N = 7 }
func (s *shortSpec) SetText(text string) { s.Text = text }

// One text may stand for a section, in a list as well; its errors are those of
// the section.
func TestShorthand(t *testing.T) {
	var v struct {
		List []shortSpec `yaml:"list"`
	}
	if _, err := Decode("f", []byte("list: [one, '${TWO}', 3, {text: x, n: 1}, {n: 2}]"), &v, Options{Env: func(string) (string, bool) { return "two", true }}); err != nil {
		t.Fatal(err)
	}
	if want := []shortSpec{{"one", 7}, {"two", 7}, {"3", 7}, {"x", 1}, {"", 2}}; !slices.Equal(v.List, want) {
		t.Errorf("%+v", v.List)
	}
	_, err := Decode("f", []byte("list:\n  - {txt: x}\n  - [x]"), &v, Options{})
	want := "f:2: list[0].txt: unknown key \"txt\"; did you mean \"text\"? (keys here: text, n)\nf:3: list[1]: expected a section (keys and values), found a list; write \"key: value\" lines below it, indented"
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}
