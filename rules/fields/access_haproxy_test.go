package fields

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// TestHAProxy reads lines of option httplog and httpslog.
func TestHAProxy(t *testing.T) {
	const usual = `10.0.1.2:33317 [06/Feb/2009:12:14:14.655] http-in static/srv1 10/0/30/69/109 200 2750 - - ---- 1/1/1/1/0 0/0 `
	const get = `"GET /index.html HTTP/1.1"`
	const all = "client=10.0.1.2|method=GET|path=/index.html|target=/index.html|protocol=HTTP/1.1|status=200|bytes=2750|request_time=109ms"
	// line is one of a client, with what follows the frontend's name.
	line := func(client, rest string) string { return client + ` [06/Feb/2009:12:14:14.655] fe ` + rest }
	for _, tt := range []struct{ line, want string }{
		{usual + get, all},
		{`haproxy[14389]: ` + usual + `{1wt.eu} {} ` + get, all},
		{`<134>Jan  2 03:04:05 haproxy[14389]: ` + usual + `{1wt.eu|curl/8.5.0} {|text/html} ` + get, all},
		{`Jan  2 03:04:05 lb-1 haproxy[14389]: ` + usual + get, all},
		{`<134>1 2026-01-02T03:04:05.678Z lb-1 haproxy 14389 - [x@1 a="b"] ` + usual + get, all},
		{usual + `{a "b" } [c] d "e"} {} ` + get, all}, // quotes that HAProxy does not write
		{usual + `{Mozilla/5.0 (X11; Linux) #22x#22 [y] z} ` + get, all},
		{usual + get + ` 0/0/0/0/0 shop.example/TLSv1.3/TLS_AES_256_GCM_SHA384`, all}, // httpslog
		{strings.Replace(usual, "http-in ", "http-in~ ", 1) + get, all},
		{strings.Replace(usual, " - - ", ` "a b [c] ---- 1/1" SRV=1 `, 1) + get, all}, // cookies
		{strings.Replace(usual, " - - ----", " S=a S=b --VN", 1) + get, all},
		{strings.Replace(usual, "109 200 2750", "+109 200 +2750", 1) + get, all}, // logasap
		{strings.Replace(usual, "1/1/1/1/0", "1/1/1/1/+3", 1) + get, all},
		{strings.Replace(usual, "0/0 ", "5/12 ", 1) + get, all},
		{
			line("[::1]:443", `be/s 0/0/0/1/1 304 0 - - ---- 1/1/0/0/0 0/0 "HEAD / HTTP/2.0"`),
			"client=::1|method=HEAD|path=/|target=/|protocol=HTTP/2.0|status=304|bytes=0|request_time=1ms",
		},
		{
			line("2001:db8::7:5000", `be/s 0/0/0/1/4012 504 0 - - sH-- 1/1/0/0/0 0/0 "POST / HTTP/1.1"`),
			"client=2001:db8::7|method=POST|path=/|target=/|protocol=HTTP/1.1|status=504|bytes=0|request_time=4012ms",
		},
		{
			line("::ffff:10.0.0.1:5000", `be/s 0/0/0/1/1 200 5 - - ---- 1/1/0/0/0 0/0 "OPTIONS * HTTP/1.1"`),
			"client=::ffff:10.0.0.1|method=OPTIONS|path=*|target=*|protocol=HTTP/1.1|status=200|bytes=5|request_time=1ms",
		},
		{line("unix:1", `be/s 0/0/0/1/1 200 5 - - ---- 1/1/0/0/0 0/0 "GET /x HTTP/1.0"`), "client=unix|method=GET|path=/x|target=/x|protocol=HTTP/1.0|status=200|bytes=5|request_time=1ms"},
		{ // aborted
			line("10.0.1.2:5", `be/srv 0/0/1/-1/90 -1 0 - - CH-- 2/2/2/2/0 0/0 "GET /slow HTTP/1.1"`),
			"client=10.0.1.2|method=GET|path=/slow|target=/slow|protocol=HTTP/1.1|bytes=0|request_time=90ms",
		},
		{line("10.0.1.2:5", `fe/<NOSRV> -1/-1/-1/-1/-1 0 0 - - CR-- 1/1/0/0/0 0/0 "<BADREQ>"`), "client=10.0.1.2|target=<BADREQ>|bytes=0"},
		{line("10.0.1.2:5", `fe/<NOSRV> -1/-1/-1/-1/7 400 187 - - PR-- 1/1/0/0/0 0/0 {||} "<BADREQ>"`), "client=10.0.1.2|target=<BADREQ>|status=400|bytes=187|request_time=7ms"},
		{ // HTTP/2
			line("10.0.1.2:5", `be/srv 0/0/1/2/3 200 9 - - ---- 2/2/2/2/0 0/0 "GET https://shop.example/a%2Fb?x=1+2 HTTP/2.0"`),
			"client=10.0.1.2|method=GET|path=/a/b|query=x=1 2|target=https://shop.example/a%2Fb?x=1+2|protocol=HTTP/2.0|status=200|bytes=9|request_time=3ms",
		},
		{ // what HAProxy escapes, and what it does not
			line("10.0.1.2:5", `be/srv 0/0/1/2/3 200 9 - - ---- 2/2/2/2/0 0/0 "GET /#22%22#C3#A9\x41#2?a=#23+%2B#zz HTTP/1.1"`),
			`client=10.0.1.2|method=GET|path=/""é\x41#2|query=a=# +#zz|target=/#22%22#C3#A9\x41#2?a=#23+%2B#zz|protocol=HTTP/1.1|status=200|bytes=9|request_time=3ms`,
		},
		// Cut off where the log's lines may not be longer.
		{usual + `"GET /index.html HT`, "client=10.0.1.2|method=GET|path=/index.html|target=/index.html|status=200|bytes=2750|request_time=109ms"},
		{usual + `"GET /index.html HTTP/1`, "client=10.0.1.2|method=GET|path=/index.html|target=/index.html|protocol=HTTP/1|status=200|bytes=2750|request_time=109ms"},
		{usual + `"GET /index.html `, "client=10.0.1.2|method=GET|path=/index.html|target=/index.html|status=200|bytes=2750|request_time=109ms"},
		{usual + `"GET https://shop.example/a?b=c`, "client=10.0.1.2|method=GET|path=/a|query=b=c|target=https://shop.example/a?b=c|status=200|bytes=2750|request_time=109ms"},
		{usual + `"GET`, "client=10.0.1.2|target=GET|status=200|bytes=2750|request_time=109ms"},
		{usual + `{1wt.eu} {te`, "client=10.0.1.2|status=200|bytes=2750|request_time=109ms"},
		{usual[:len(usual)-1], "client=10.0.1.2|status=200|bytes=2750|request_time=109ms"},
		{ // option httplog clf
			`10.0.1.2 - - [06/Feb/2009:12:14:14 +0000] "GET /index.html HTTP/1.1" 200 2750 "" "" 33317 655 "http-in" "static" "srv1" 10 0 30 69 109 "----" 1 1 1 1 0 0 0 "" ""`,
			"client=10.0.1.2|method=GET|path=/index.html|target=/index.html|protocol=HTTP/1.1|status=200|bytes=2750",
		},
	} {
		if got, ok := read(Access, &Input{Body: []byte(tt.line)}); !ok || strings.Join(got, "|") != tt.want {
			t.Errorf("%s\ngot  %s, %v\nwant %s", tt.line, strings.Join(got, "|"), ok, tt.want)
		}
	}
}

// TestNotHAProxy has lines that are nearly some, and those of TCP and of others.
func TestNotHAProxy(t *testing.T) {
	const usual = `10.0.1.2:33317 [06/Feb/2009:12:14:14.655] http-in static/srv1 10/0/30/69/109 200 2750 - - ---- 1/1/1/1/0 0/0 {a} {} "GET / HTTP/1.1"`
	lines := []string{
		`haproxy[14387]: 10.0.1.2:33313 [06/Feb/2009:12:12:51.443] fnt bck/srv1 0/0/5007 212 -- 0/0/0/0/3 0/0`,
		`haproxy[14389]: Connect from 10.0.1.2:33312 to 10.0.3.31:8012 (www/HTTP)`,
		`10.0.1.2:33317 [06/Feb/2009:12:14:14.655] http-in/1: SSL handshake failure`,
		`[06/Feb/2009:12:14:14.655] http-in static/srv1 10/0/30/69/109 200 2750 - - ---- 1/1/1/1/0 0/0 "GET / HTTP/1.1"`,
	}
	for _, change := range [][2]string{
		{":33317", ""},
		{":33317", ":a"},
		{"10.0.1.2", ""},
		{".655", ",655"},
		{"655]", "6x5]"},
		{"06/Feb", "6/Feb"},
		{"static/srv1", "static"},
		{"/109", ""},
		{"/109", "/"},
		{"/109", "/109/1"},
		{"/109", "/109s"},
		{"/69", "/+-69"},
		{" 200", " 2x0"},
		{" 2750", " -"},
		{"----", "--"},
		{"1/1/1/1/0", "1/1/1/0"},
		{" 0/0", ""},
		{" 0/0", " 0"},
		{"{a} {} ", "{a} {}"},
		{"{a} {} ", "{a} b "},
		{"{a} {} ", "x "},
		{`{a} {} "GET / HTTP/1.1"`, "x"},
	} {
		lines = append(lines, strings.Replace(usual, change[0], change[1], 1))
	}
	for _, line := range lines {
		if got, ok := read(Access, &Input{Body: []byte(line)}); ok {
			t.Errorf("%s: %q", line, got)
		}
	}
	for i := range len(usual) { // wherever it is cut off
		got, ok := read(Access, &Input{Body: []byte(usual[:i])}, "client", "status", "bytes")
		if want := []string{"client=10.0.1.2", "status=200", "bytes=2750"}; ok && !slices.Equal(got, want) {
			t.Errorf("%s: %q", usual[:i], got)
		}
	}
}

// TestHAProxyDoesNotAllocate reads what is written in all ways.
func TestHAProxyDoesNotAllocate(t *testing.T) {
	w := NewWanted(Access)
	for _, name := range accessNames() {
		w.Add(name)
	}
	in := Input{Body: []byte(`haproxy[1]: [::1]:5 [06/Feb/2009:12:14:14.655] fe~ be/srv 0/0/1/2/+3 200 +9 "a b" - ---- 2/2/2/2/0 0/0 {a|b} "GET /#22%20a?b+c#23 HTTP/1.1"`)}
	var v Values
	if n := testing.AllocsPerRun(100, func() {
		if !v.Read(w, &in) {
			t.Fatal("not read")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzHAProxy wants what HAProxy has written back, whatever clients have chosen.
func FuzzHAProxy(f *testing.F) {
	f.Add("a b", `x"y`, `/a?b"c#`, "Mozilla} {x| \"GET / HTTP/1.1\"")
	f.Add(`"a ---- 1/1/1/1/1`, "", " HTTP/1.1 200 5 - - ---- 1/1/1/1/0 0/0 ", `] "GET / HTTP/1.1" 200 5`)
	f.Fuzz(func(t *testing.T, head, cookie, target, agent string) {
		head = strings.NewReplacer("[", "", "]", "").Replace(head)
		if strings.HasPrefix(head, "{") {
			head = ""
		}
		cookie = "c=" + strings.ReplaceAll(cookie, " ", "")
		target = hashed(strings.ReplaceAll(target, " ", ""), "")
		line := head + ` 10.0.0.7:5 [06/Feb/2009:12:14:14.655] fe be/s 0/0/0/1/7 503 183 ` + cookie + ` - SC-- 1/1/1/1/0 0/0 {x|` + hashed(agent, "{|}") + `} {} "GET /` + target + ` HTTP/1.1"`
		got, ok := read(Access, &Input{Body: []byte(line)}, "client", "status", "bytes", "method", "protocol", "request_time", "target", "referer", "agent", "user", "host")
		want := []string{"client=10.0.0.7", "status=503", "bytes=183", "method=GET", "protocol=HTTP/1.1", "request_time=7ms", "target=/" + target}
		if !ok || !slices.Equal(got, want) {
			t.Fatalf("%q\ngot  %q\nwant %q", line, got, want)
		}
		read(Access, &Input{Body: []byte(line[:len(line)/2])})
	})
}

// hashed is s as HAProxy writes it, with more that it escapes.
func hashed(s, more string) string {
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; c == '"' || c == '#' || c < ' ' || c > 0x7e || strings.IndexByte(more, c) >= 0 {
			fmt.Fprintf(&b, "#%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}
