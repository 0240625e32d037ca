package rules

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func shapeOf(text string) string {
	var s shape
	s.of([]byte(text))
	return s.String()
}

func TestShape(t *testing.T) {
	for text, want := range map[string]string{
		"":                 "",
		"out of memory":    "out of memory",
		"  two \t words\n": "two words",
		"[2025-01-09 14:30:00] production.ERROR: Undefined variable $total":                         "[# #] production.ERROR: Undefined variable $total",
		"2025-01-09T14:30:00.123Z ERROR [main] could not connect to 10.0.0.7:3306 after 12ms":       "# ERROR [main] could not connect to # after #ms",
		"SQLSTATE[HY000] [2002] Connection refused (Connection: mysql, SQL: select * from `users`)": "SQLSTATE[HY000] [#] Connection refused (Connection: mysql, SQL: select * from `…`)",
		`user "alice" failed 3 times; can't log in`:                                                 `user "…" failed # times; can't log in`,
		"GET /orders/4711/items/3 HTTP/1.1 500 1.234s":                                              "GET /orders/#/items/# HTTP/# # #s",
		"job 3f2a9c0de1b2 of queue default failed":                                                  "job # of queue default failed",
		"trace 550e8400-e29b-41d4-a716-446655440000 ended":                                          "trace # ended",
		"no mail to jane.doe+x@shop.example.com: 550 no such user":                                  "no mail to @: # no such user",
		"worker12 died": "worker# died",
		"fe80::1ff:fe23:4567:890a is unreachable":              "fe80::# is unreachable",
		"first line 1\nsecond line":                            "first line #",
		`{"level":"error","message":"no cart 7","ts":1736433}`: `{"level":"error","message":"no cart #","ts":#}`,
		"Straße 5 nicht gefunden":                              "Straße # nicht gefunden",
	} {
		if got := shapeOf(text); got != want {
			t.Errorf("%q\ngot  %s\nwant %s", text, got, want)
		}
	}
}

// TestShapesAreOne wants lines of one message to have one shape, and others others.
func TestShapesAreOne(t *testing.T) {
	for _, group := range [][]string{
		{"connection from 10.0.0.1:5123 refused after 3.5s", "connection from 192.168.100.200:80 refused after 12s"},
		{"order 1 failed: no stock of 'blue shoe'", "order 99881 failed: no stock of 'red hat, size 7'"},
		{"2025-01-09 14:30:00,123 WARN pool-1-thread-7 slow: 1200 ms", "2026-12-31 00:00:00,000 WARN pool-3-thread-21 slow: 7 ms"},
		{"id=0xdeadbeef01 x", "id=0x00000000ff x"},
	} {
		for _, text := range group[1:] {
			if shapeOf(text) != shapeOf(group[0]) {
				t.Errorf("%q is %q, %q is %q", group[0], shapeOf(group[0]), text, shapeOf(text))
			}
		}
	}
	if shapeOf("disk full") == shapeOf("disk slow") {
		t.Error("two messages have one shape")
	}
}

func FuzzShape(f *testing.F) {
	for _, s := range []string{"", "a1b2c3", "2025-01-09T14:30:00Z x", `"a" 'b' c@d.e`, "\xff\xfe", strings.Repeat("ü", 200), strings.Repeat("1.", 400), `{"a":"b"}`, "a@", "#@x", strings.Repeat("'a' ", 99)} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var s, again shape
		h := s.of(body)
		text := s.String()
		if !utf8.ValidString(text) || len(text) > 3*shapeBytes+200 || strings.ContainsAny(text, "\n\r\x00\x1b") {
			t.Fatalf("%q", text)
		}
		if again.of(body) != h {
			t.Fatal("it has two hashes")
		}
	})
}

func BenchmarkShape(b *testing.B) {
	lines := [][]byte{
		[]byte("[2025-01-09 14:30:00] production.ERROR: SQLSTATE[HY000] [2002] Connection refused (Connection: mysql, SQL: select * from `users` where id = 17) at /var/www/app/Http/Kernel.php:42"),
		[]byte(`10.0.0.7 - - [09/Jan/2025:14:30:00 +0000] "GET /orders/4711 HTTP/1.1" 500 1234 "-" "Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0"`),
		[]byte("2025-01-09T14:30:00.123Z ERROR [main] could not connect to 10.0.0.7:3306 after 12ms"),
	}
	var s shape
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		s.of(lines[i%len(lines)])
	}
}
