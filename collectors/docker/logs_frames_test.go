package docker

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/webgrip/logkeel/agent"
)

func TestStamps(t *testing.T) {
	var s stamps
	for text, want := range map[string]string{
		"2026-01-02T03:04:05.123456789Z":      "2026-01-02T03:04:05.123456789Z",
		"2026-01-02T03:04:05Z":                "2026-01-02T03:04:05Z",
		"2026-01-02T03:04:05.5+01:30":         "2026-01-02T01:34:05.5Z",
		"2024-02-29T23:59:59.000000001-10:00": "2024-03-01T09:59:59.000000001Z",
	} {
		want, _ := time.Parse(time.RFC3339Nano, want)
		if got, ok := s.parse([]byte(text)); !ok || got != want.UnixNano() {
			t.Errorf("%s gave %v, %v", text, time.Unix(0, got).UTC(), ok)
		}
	}
	for _, text := range []string{"", "Z", "2026-01-02T03:04:05", "2026-13-02T03:04:05Z", "2026-01-02 03:04:05Z", "2026-01-02T24:04:05Z", "2026-01-02T03:04:05.1234567891Z", "2026-01-02T03:04:05.Z ", "2026-01-02T03:04:05+0100", "1900-01-02T03:04:05Z", "2026-01-02T03:0x:05Z"} {
		if ns, ok := s.parse([]byte(text)); ok {
			t.Errorf("%q gave %d", text, ns)
		}
	}
}

// messages are all of a stream that comes in pieces of that size.
func messages(in []byte, tty bool, size int) (all []message, err error) {
	p := newParser(tty)
	var have []byte
	for len(in) > 0 && err == nil {
		n := min(size, len(in))
		have, in = append(have, in[:n]...), in[n:]
		for {
			var m message
			if m, n, err = p.next(have, len(in) == 0); err != nil || n == 0 {
				break
			}
			m.text = bytes.Clone(m.text)
			all, have = append(all, m), have[n:]
		}
	}
	return all, err
}

func TestFrames(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC).UnixNano()
	wrote := []wrote{
		{at, agent.Stdout, "one\n"},
		{at, agent.Stderr, "two\r\n"},
		{at + 1, agent.Stdout, strings.Repeat("x", partSize)},
		{at + 1, agent.Stdout, "end\n"},
		{at + 2, agent.Stdout, "\n"},
		{at + 3, agent.Stdout, "no end"},
	}
	for _, tty := range []bool{false, true} {
		var in []byte
		for _, w := range wrote {
			in = appendMessage(in, w, tty)
		}
		for _, size := range []int{1, 7, 8, 100, 1 << 20} {
			got, err := messages(in, tty, size)
			if err != nil || len(got) != len(wrote) {
				t.Fatalf("tty=%v, pieces of %d: %d messages, %v", tty, size, len(got), err)
			}
			for i, m := range got {
				w := wrote[i]
				if tty {
					w.stream = agent.Stdout
				}
				if string(m.text) != strings.TrimRight(w.text, "\r\n") || m.time != w.at || m.stream != w.stream || m.partial != (i == 2) || m.odd {
					t.Errorf("tty=%v: message %d is %+v", tty, i, m)
				}
			}
		}
	}
}

func TestFramesDamaged(t *testing.T) {
	said := func(in string, tty bool) string {
		_, err := messages([]byte(in), tty, len(in))
		if err == nil {
			return ""
		}
		return err.Error()
	}
	if e := said("\x04\x00\x00\x00\x00\x00\x00\x01x", false); !strings.Contains(e, "damaged") {
		t.Errorf("a wrong stream: %s", e)
	}
	if e := said("\x01\x00\x00\x00\xff\x00\x00\x01x", false); !strings.Contains(e, "damaged") {
		t.Errorf("a message of 4 GiB: %s", e)
	}
	const trouble = "Error grabbing logs: invalid character '\\x00'\n"
	if e := said("\x03\x00\x00\x00\x00\x00\x00"+string(rune(len(trouble)))+trouble, false); !strings.Contains(e, "invalid character") {
		t.Errorf("the engine's error: %s", e)
	}
	if e := said(trouble, true); !strings.Contains(e, "invalid character") {
		t.Errorf("the engine's error: %s", e)
	}
	all, err := messages([]byte("\x01\x00\x00\x00\x00\x00\x00\x04abc\n"), false, 100)
	if err != nil || len(all) != 1 || !all[0].odd || string(all[0].text) != "abc" {
		t.Errorf("a message without a time: %+v, %v", all, err)
	}
}

// However a stream is cut into pieces, its messages are the same; nothing is made
// up, and nothing is read beyond its end.
func FuzzFrames(f *testing.F) {
	f.Add([]byte("\x01\x00\x00\x00\x00\x00\x00\x23"+"2026-01-02T03:04:05.000000006Z abc\n\x02\x00"), false, 3)
	f.Add([]byte("2026-01-02T03:04:05.000000006Z abc\r\n2026-01-02T03:04:05.000000006Z def2026-01-02T03:04:06.000000006Z \n"), true, 5)
	f.Add([]byte("Error grabbing logs: x\n"), true, 1)
	f.Fuzz(func(t *testing.T, in []byte, tty bool, size int) {
		whole, err := messages(in, tty, len(in))
		total := 0
		for _, m := range whole {
			total += len(m.text)
		}
		if total > len(in) {
			t.Fatalf("%d bytes gave %d", len(in), total)
		}
		if size < 1 || size > len(in) {
			return
		}
		pieces, perr := messages(in, tty, size)
		if (err == nil) != (perr == nil) || !slices.EqualFunc(whole, pieces, func(a, b message) bool {
			return a.time == b.time && a.stream == b.stream && a.partial == b.partial && a.odd == b.odd && bytes.Equal(a.text, b.text)
		}) {
			t.Errorf("at once %d messages, %v; in pieces %d, %v", len(whole), err, len(pieces), perr)
		}
	})
}
