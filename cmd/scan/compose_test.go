package scan

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/logtime"
)

func TestRecognise(t *testing.T) {
	for _, c := range []struct {
		start string
		want  form
	}{
		{`{"log":"a\n","stream":"stdout","time":"2026-01-02T03:04:05.6Z"}` + "\n", dockerJSON},
		{`{"level":"info","msg":"a"}` + "\n", text},
		{"app-1  | a\n", composed},
		{"app_1  | a\n", composed},
		{"\x1b[36mapp-1  | \x1b[0ma\n", composed},
		{"app-1  | a\nworker-12  | b\n", composed},
		{"app-1  |\n", composed},
		{"time=\"x\" level=warning msg=\"the attribute version is obsolete\"\napp-1  | a\n", composed},
		{"shop  | a\nshop  | b\n", composed},
		{"shop  | 2026-01-02T03:04:05.000000006Z b\n", composed},
		{"shop  | a\nb\n", text},
		{"INFO  | a\nINFO  | b\n", text},
		{" id | name\n----+-----\n", text},
		{"2026-01-02T03:04:05.000000006Z a\n", stamped},
		{"2026-01-02T03:04:05Z a\n", text},
		{"", text},
	} {
		if got := recognise([]byte(c.start)); got != c.want {
			t.Errorf("%q: %d, want %d", c.start, got, c.want)
		}
	}
}

func TestServicesOfContainers(t *testing.T) {
	for name, want := range map[string]string{"app-1": "app", "app_12": "app", "my-app-3": "my-app", "shop": "shop", "redis7": "redis7", "-1": "-1"} {
		if got := withoutNumber(name); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}

func FuzzCompose(f *testing.F) {
	for _, s := range []string{"app-1  | 2026-01-02T03:04:05.000000006Z a\nweb-1  | b\n\nc\n", "\x1b[36mapp-1  | \x1b[0ma\n", "a |", "|\n", "2026-01-02T03:04:05.000000006Z"} {
		f.Add([]byte(s), 7)
	}
	now := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, data []byte, size int) {
		recognise(data)
		if name, n := prefix(data); n > len(data) || n > 0 && len(name) == 0 {
			t.Fatalf("prefix of %q: %q, %d", data, name, n)
		}
		read := func(in io.Reader) string {
			c := newServices(&scan{}, io.NopCloser(in), now)
			var b agent.Batch
			var block []byte
			texts := map[string]string{}
			for c.Next(&b, &block) == nil {
				for i := range b.Records {
					texts[b.Source.Name] += string(b.Body(i)) + "\n"
				}
			}
			var all strings.Builder
			for _, v := range c.all {
				all.WriteString(v.source.Name + ":" + texts[v.source.Name])
			}
			return all.String()
		}
		whole := read(bytes.NewReader(data))
		if got := read(&pieces{data, max(1, size%64)}); got != whole {
			t.Errorf("in pieces %q, and at once %q", got, whole)
		}
		if n := strings.Count(whole, "\n"); n > bytes.Count(data, []byte{'\n'})+1 {
			t.Errorf("%d records of %q", n, data)
		}
		logtime.New(time.UTC, now).Find(data)
	})
}

// pieces gives n bytes at a time.
type pieces struct {
	data []byte
	n    int
}

func (p *pieces) Read(b []byte) (int, error) {
	if len(p.data) == 0 {
		return 0, io.EOF
	}
	n := copy(b, p.data[:min(p.n, len(p.data))])
	p.data = p.data[n:]
	return n, nil
}

func TestVisible(t *testing.T) {
	for in, want := range map[string]string{
		"plain": "plain", "\x1b[2J": `\x1b[2J`, "a\nb": "a ↵ b", "a\tb": "a b", "\u202e": `\u202e`, "\xff": `\xff`, "né": "né", "\r": `\x0d`, "\u009b": `\u009b`,
	} {
		if got := string(appendVisible(nil, []byte(in))); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
	if got := string(appendJSON(nil, "a\u202e\x1b\u009b")); got != `"a\u202e\u001b\u009b"` {
		t.Errorf("in JSON: %s", got)
	}
}
