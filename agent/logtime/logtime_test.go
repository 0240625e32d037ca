package logtime

import (
	"strings"
	"testing"
	"time"
)

var (
	berlin = mustLoad("Europe/Berlin")
	newest = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
)

func mustLoad(name string) *time.Location {
	l, err := time.LoadLocation(name)
	if err != nil {
		panic(err)
	}
	return l
}

func TestFind(t *testing.T) {
	for _, c := range []struct{ line, want string }{
		{"2026-01-02T03:04:05Z started", "2026-01-02T03:04:05Z"},
		{"2026-01-02T03:04:05.678901234Z 0 [Note]", "2026-01-02T03:04:05.678901234Z"},
		{"2026-01-02T03:04:05.6789012349Z", "2026-01-02T03:04:05.678901234Z"},
		{"2026-01-02T03:04:05+05:30 x", "2026-01-01T21:34:05Z"},
		{"2026-01-02T03:04:05-0800 x", "2026-01-02T11:04:05Z"},
		{"2026-01-02 03:04:05+02 x", "2026-01-02T01:04:05Z"},
		{"2026-01-02 03:04:05 -12 items", "2026-01-02T02:04:05Z"},
		{"2026-01-02 03:04:05.123 UTC [1] LOG:  ready", "2026-01-02T03:04:05.123Z"},
		{"2026-01-02 03:04:05,123 ERROR django", "2026-01-02T02:04:05.123Z"},
		{"2026-07-02 03:04:05 summer", "2026-07-02T01:04:05Z"},
		{"2026-01-02  3:04:05 0 [Note] mariadbd: ready", "2026-01-02T02:04:05Z"},
		{"[2026-01-02 03:04:05] production.ERROR: no", "2026-01-02T02:04:05Z"},
		{"[2026-01-02T03:04:05.123456+00:00] app.ERROR: no", "2026-01-02T03:04:05.123456Z"},
		{"2026/01/02 03:04:05 [error] 31#31: *1 upstream", "2026-01-02T02:04:05Z"},
		{`203.0.113.9 - - [02/Jan/2026:03:04:05 +0000] "GET / HTTP/1.1" 200`, "2026-01-02T03:04:05Z"},
		{`2001:db8:1234:5678:9abc:def0:1234:5678 - somebody@example.com [02/Jan/2026:03:04:05 -0500] "GET /"`, "2026-01-02T08:04:05Z"},
		{"haproxy[14389]: 10.0.1.2:33317 [02/Jan/2026:03:04:05.678] http-in static/srv1", "2026-01-02T02:04:05.678Z"},
		{"[02-Jan-2026 03:04:05] NOTICE: fpm is running", "2026-01-02T02:04:05Z"},
		{"[02-Jan-2026 03:04:05 UTC] PHP Fatal error:  no", "2026-01-02T03:04:05Z"},
		{"1:M 02 Jan 2026 03:04:05.678 * Ready to accept connections", "2026-01-02T02:04:05.678Z"},
		{"Jan  2 03:04:05 host sshd[1]: Failed password", "2026-01-02T02:04:05Z"},
		{"<34>Jan 12 03:04:05 host su: no", "2026-01-12T02:04:05Z"},
		{"Dec 31 23:59:59 host sshd[1]: of the year before", "2025-12-31T22:59:59Z"},
		{"Mar  2 03:04:05 host sshd[1]: a clock that is a little ahead", "2026-03-02T02:04:05Z"},
		{"Feb 29 03:04:05 host sshd[1]: of the last leap year", "2024-02-29T02:04:05Z"},
		{"[Fri Jan 02 03:04:05.678901 2026] [core:error] [pid 9] no", "2026-01-02T02:04:05.678901Z"},
		{`time=2026-01-02T03:04:05.123Z level=ERROR msg=no`, "2026-01-02T03:04:05.123Z"},
		{`{"level":"error","ts":"2026-01-02T03:04:05Z","msg":"no"}`, "2026-01-02T03:04:05Z"},
		{"INFO 2026-01-02 03:04:05 ready", "2026-01-02T02:04:05Z"},
		{"2026-01-02 03:04:60Z a leap second", "2026-01-02T03:05:00Z"},
		{"2024-02-29T03:04:05Z", "2024-02-29T03:04:05Z"},

		{"", ""},
		{"#0 /app/src/Orders/Checkout.php(12): confirm()", ""},
		{"an order that somebody had placed is due on 2026-01-02 03:04:05", ""},
		{"2026-01-02", ""},
		{"2026-13-02 03:04:05", ""},
		{"2026-02-29 03:04:05", ""},
		{"2026-01-02 24:04:05", ""},
		{"2026-01-02 03:04:059", ""},
		{"12026-01-02 03:04:05", ""},
		{"2026-01/02 03:04:05", ""},
		{"Jab  2 03:04:05 x", ""},
		{"Feb 30 03:04:05 x", ""},
		{"0000-01-02 03:04:05", ""},
		{"9999-01-02 03:04:05Z", ""},
		{"1969-12-31T23:59:59Z", ""},
		{"Marvin 2 03:04:05", ""},
		{strings.Repeat("x", 200) + "[2026-01-02 03:04:05]", ""},
	} {
		p := New(berlin, newest)
		got := ""
		if ns, ok := p.Find([]byte(c.line)); ok {
			got = time.Unix(0, ns).UTC().Format(time.RFC3339Nano)
		}
		if got != c.want {
			t.Errorf("%q: %q, want %q", c.line, got, c.want)
		}
	}
}

// One parser for all lines of a log says the same as one for each.
func TestFindRemembers(t *testing.T) {
	p := New(berlin, newest)
	for _, line := range []string{"2026-01-02 03:04:05 a", "2026-01-02 03:04:59 b", "2026-01-02 03:05:00 c", "2026-01-02T03:05:00Z d", "2026-07-02 03:05:00 e", "2026-01-02 03:04:05 f"} {
		got, ok := p.Find([]byte(line))
		want, _ := New(berlin, newest).Find([]byte(line))
		if !ok || got != want {
			t.Errorf("%q: %d, want %d", line, got, want)
		}
	}
}

func TestStamp(t *testing.T) {
	for _, c := range []struct {
		line, want string
		n          int
	}{
		{"2026-01-02T03:04:05.000000006Z started", "2026-01-02T03:04:05.000000006Z", 31},
		{"2026-01-02T03:04:05.120000000Z ", "2026-01-02T03:04:05.12Z", 31},
		{"2026-01-02T03:04:05.120000000Z", "2026-01-02T03:04:05.12Z", 30},
		{"2026-01-02T03:04:05.120000000Zulu", "", 0},
		{"2026-01-02T03:04:05.12Z an application's own", "", 0},
		{"2026-01-02 03:04:05.120000000Z x", "", 0},
		{"2026-02-30T03:04:05.120000000Z x", "", 0},
		{"", "", 0},
	} {
		ns, n := Stamp([]byte(c.line))
		got := ""
		if n > 0 {
			got = time.Unix(0, ns).UTC().Format(time.RFC3339Nano)
		}
		if n != c.n || got != c.want {
			t.Errorf("%q: %q and %d, want %q and %d", c.line, got, n, c.want, c.n)
		}
	}
}

func TestFindDoesNotAllocate(t *testing.T) {
	p := New(berlin, newest)
	lines := [][]byte{
		[]byte("2026-01-02 03:04:05 a"), []byte("2026-01-02 03:05:06 a"), []byte("Jan  2 03:04:05 host"),
		[]byte(`203.0.113.9 - - [02/Jan/2026:03:04:05 +0000] "GET / HTTP/1.1" 200`), []byte(strings.Repeat("no time [here] ", 20)),
	}
	if n := testing.AllocsPerRun(100, func() {
		for _, l := range lines {
			p.Find(l)
			Stamp(l)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzFind(f *testing.F) {
	for _, s := range []string{
		"2026-01-02T03:04:05.678Z", "[2026-01-02 03:04:05] x", "2026-01-02  3:04:05 0", "2026/01/02 03:04:05 [error]",
		"[02/Jan/2026:03:04:05 +0000]", "Jan  2 03:04:05", "[Fri Jan 02 03:04:05.6 2026]", "1:M 02 Jan 2026 03:04:05.678 *", "2026-01-02 03:04:05-",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		ns, ok := New(berlin, newest).Find(line)
		if ns < 0 || !ok && ns != 0 {
			t.Errorf("%d, %v", ns, ok)
		}
		// What stands beyond reach of a time does not matter.
		long := append(append([]byte{}, line...), strings.Repeat(" x", reach)...)
		if again, found := New(berlin, newest).Find(long); ok && (!found || again/1e9 != ns/1e9) {
			t.Errorf("%q: %d, and %d with more after it", line, ns, again)
		}
		if at, n := Stamp(line); n > 0 {
			if want, err := time.Parse(time.RFC3339Nano, string(line[:30])); err != nil && line[17] != '6' || err == nil && want.UnixNano() != at {
				t.Errorf("%q: %d, want %v %v", line, at, want, err)
			}
		}
	})
}

func BenchmarkFind(b *testing.B) {
	p := New(berlin, newest)
	for name, l := range map[string]string{
		"laravel": "[2026-01-02 03:04:05] production.INFO: done", "none": "#0 /app/vendor/framework/Pipeline.php(12): Framework\\Pipeline->{closure}(Object(Request)) and so on until the end",
		"nginx": `203.0.113.9 - - [02/Jan/2026:03:04:05 +0000] "GET / HTTP/1.1" 200`,
	} {
		line := []byte(l)
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				p.Find(line)
			}
		})
	}
}
