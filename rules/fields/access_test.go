package fields

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// read gives the fields that are there, as name=text.
func read(f Format, in *Input, names ...string) (list []string, ok bool) {
	w := NewWanted(f)
	if names == nil {
		names = f.Names()
	}
	for _, name := range names {
		w.Add(name)
	}
	var v Values
	ok = v.Read(w, in)
	for i, name := range names {
		if text, ok := v.Get(i); ok {
			list = append(list, fmt.Sprintf("%s=%s", name, text))
		}
	}
	return list, ok
}

func TestAccess(t *testing.T) {
	const when = "[09/Jan/2025:14:30:05 +0000]"
	for _, tt := range []struct{ line, want string }{
		{
			`10.0.0.7 - anna ` + when + ` "GET /a/b?x=1 HTTP/1.1" 200 183 "https://x.example/" "curl/8.5.0"`,
			"client=10.0.0.7|user=anna|method=GET|path=/a/b|query=x=1|target=/a/b?x=1|protocol=HTTP/1.1|status=200|bytes=183|referer=https://x.example/|agent=curl/8.5.0",
		},
		{
			`10.0.0.7 - - ` + when + ` "GET / HTTP/2.0" 304 - "-" "-"`, // - is nothing
			"client=10.0.0.7|method=GET|path=/|target=/|protocol=HTTP/2.0|status=304",
		},
		{
			`2001:db8::1 - - ` + when + ` "HEAD / HTTP/1.0" 200 0`, // common
			"client=2001:db8::1|method=HEAD|path=/|target=/|protocol=HTTP/1.0|status=200|bytes=0",
		},
		{
			`shop.example:443 10.0.0.7 - - ` + when + ` "GET / HTTP/1.1" 200 5`,
			"host=shop.example|client=10.0.0.7|method=GET|path=/|target=/|protocol=HTTP/1.1|status=200|bytes=5",
		},
		{
			`shop.example 10.0.0.7 identd anna ` + when + ` "GET / HTTP/1.1" 200 5`,
			"host=shop.example|client=10.0.0.7|user=anna|method=GET|path=/|target=/|protocol=HTTP/1.1|status=200|bytes=5",
		},
		{ // a user may call himself whatever he likes
			`10.0.0.7 - 6.6.6.6 - [x] \x22GET /x HTTP/1.1\x22 200 ` + when + ` "GET / HTTP/1.1" 401 5`,
			`client=10.0.0.7|user=6.6.6.6 - [x] \x22GET /x HTTP/1.1\x22 200|method=GET|path=/|target=/|protocol=HTTP/1.1|status=401|bytes=5`,
		},
		{
			`10.0.0.7 - "" ` + when + ` "GET / HTTP/1.1" 401 5`, // Apache's empty user
			`client=10.0.0.7|user=""|method=GET|path=/|target=/|protocol=HTTP/1.1|status=401|bytes=5`,
		},
		{
			`10.0.0.7 - - ` + when + ` "\x16\x03\x01\x00" 400 157 "-" "-" "-"`,
			`client=10.0.0.7|target=\x16\x03\x01\x00|status=400|bytes=157`,
		},
		{`10.0.0.7 - - ` + when + ` "" 400 0`, "client=10.0.0.7|status=400|bytes=0"},
		{`10.0.0.7 - - ` + when + ` "-" 408 0`, "client=10.0.0.7|status=408|bytes=0"},
		{`10.0.0.7 - - ` + when + ` "GET /old" 200 9`, "client=10.0.0.7|method=GET|path=/old|target=/old|status=200|bytes=9"},
		{`10.0.0.7 - - ` + when + ` "hello there you" 400 9`, "client=10.0.0.7|target=hello there you|status=400|bytes=9"},
		{
			`10.0.0.7 - - ` + when + ` "GET /a b  c?d e HTTP/1.1" 400 9`,
			"client=10.0.0.7|method=GET|path=/a b  c|query=d e|target=/a b  c?d e|protocol=HTTP/1.1|status=400|bytes=9",
		},
		{
			`10.0.0.7 - - ` + when + ` "CONNECT x.example:443 HTTP/1.1" 405 9`,
			"client=10.0.0.7|method=CONNECT|target=x.example:443|protocol=HTTP/1.1|status=405|bytes=9",
		},
		{
			`10.0.0.7 - - ` + when + ` "GET http://x.example/a?b=://c HTTP/1.1" 404 9`,
			"client=10.0.0.7|method=GET|path=/a|query=b=://c|target=http://x.example/a?b=://c|protocol=HTTP/1.1|status=404|bytes=9",
		},
		{`10.0.0.7 - - ` + when + ` "OPTIONS * HTTP/1.0" 200 9`, "client=10.0.0.7|method=OPTIONS|path=*|target=*|protocol=HTTP/1.0|status=200|bytes=9"},
		{ // what the server escapes, in its log and in URLs
			`10.0.0.7 - - ` + when + ` "GET /%252e%2e/\x22%C3%A9+?a+b=%2B%25zz\xC3\xA9 HTTP/1.1" 404 9 "\"r\"" "a \x22b\x22 \\c \"d\""`,
			`client=10.0.0.7|method=GET|path=/../"é+|query=a b=+%zzé|target=/%252e%2e/\x22%C3%A9+?a+b=%2B%25zz\xC3\xA9|protocol=HTTP/1.1|status=404|bytes=9|referer="r"|agent=a "b" \c "d"`,
		},
		{ // no more than three times
			`10.0.0.7 - - ` + when + ` "GET /%25252e/%2525252e HTTP/1.1" 404 9`,
			"client=10.0.0.7|method=GET|path=/./%2e|target=/%25252e/%2525252e|protocol=HTTP/1.1|status=404|bytes=9",
		},
	} {
		if got, ok := read(Access, &Input{Body: []byte(tt.line)}); !ok || strings.Join(got, "|") != tt.want {
			t.Errorf("%s\ngot  %s, %v\nwant %s", tt.line, strings.Join(got, "|"), ok, tt.want)
		}
	}
	for _, line := range []string{
		"", "a line", `"GET / HTTP/1.1" 200 5`, `[x] "GET / HTTP/1.1" 200 5`, `- [x] "GET / HTTP/1.1" 200 5`, `1.1.1.1 - [x] "GET / HTTP/1.1" 200 5`,
		`1.1.1.1 - - [x] "GET / HTTP/1.1" 20 5`, `1.1.1.1 - - [x] "GET / HTTP/1.1" 2000 5`, `1.1.1.1 - - [x] "GET / HTTP/1.1" 200`,
		`1.1.1.1 - - [x] "GET / HTTP/1.1" 200 `, `1.1.1.1 - - [x] "GET / HTTP/1.1" 200 x`, `1.1.1.1 - - [x] "GET / HTTP/1.1\" 200 5`, `1.1.1.1 - - [x] GET / HTTP/1.1 200 5`,
	} {
		if got, ok := read(Access, &Input{Body: []byte(line)}); ok {
			t.Errorf("%s: %q", line, got)
		}
	}
}

// TestRequestTime has what people append to a line.
func TestRequestTime(t *testing.T) {
	for tail, want := range map[string]string{
		``: "", ` rt=0.118`: "0.118", ` request_time=2`: "2", ` rt="0.5" x="y z"`: "0.5", ` urt="0.1" rt=0.2`: "0.2", ` rt=0.2 urt=0.1`: "0.2", ` urt=0.1, 0.3`: "0.1",
		` "1.2.3.4, 5.6.7.8"`: "", ` "1.2.3.4" 0.003`: "0.003", ` 0.003 0.002 .`: "0.003", ` 512 0.003 [up] 10.0.0.1:80`: "0.003", ` 0.003 rt=0.004`: "0.004",
		` 51234`: "", ` 51234 -`: "", ` 1.2.3`: "", ` .5`: "", ` 5.`: "", ` rt=-`: "", ` rt=`: "", ` rt="`: "", ` "rt=5`: "",
		` 17 "web@docker" "http://10.0.0.1:80" 5ms`: "5ms", ` 1.5s`: "1.5s", ` 5m`: "",
	} {
		line := `10.0.0.7 - - [x] "GET / HTTP/1.1" 200 5 "-" "a"` + tail
		got, _ := read(Access, &Input{Body: []byte(line)}, "request_time")
		if s := strings.TrimPrefix(strings.Join(got, ""), "request_time="); s != want {
			t.Errorf("%s: %q, want %q", tail, s, want)
		}
	}
}

// FuzzAccess reads whatever there is, and lines of which it knows what they say:
// none of the texts that a client chooses changes another field.
func FuzzAccess(f *testing.F) {
	f.Add(`10.0.0.7 - anna [x] "GET /a?b HTTP/1.1" 200 183 "r" "a" rt=5`, "anna", "/%2561?x+y", "curl")
	f.Add(`a b - "" [x] "\x16\" 200 5" 400 -`, "- [", "/ HTTP/1.1", `\`)
	f.Add("] \"\" 200 5", "x] ", "?", "rt=9")
	f.Add(`h[1]: 10.0.0.7:1 [06/Feb/2009:12:14:14.655] f~ b/s 1/0/3/-1/+9 200 +27 - "a b" ---- 1/1/1/1/+0 0/0 {a|b} {} "GET /a?b HTTP/1.1"`, "x:1 [06/Feb/2009:12:14:14.655] f b/s 1/1/1/1/1 200 5 - - ---- 1/1/1/1/1 0/0 {", "} ", "} ")
	f.Add(`[::1]:1 [06/Feb/2009:12:14:14.655] f b/<NOSRV> -1/-1/-1/-1/9 -1 0 - - CR-- 1/1/1/1/0 0/0 "<BADREQ>"`, "] 0/0 {}", "#22", `} "`)
	f.Fuzz(func(t *testing.T, line, user, target, agent string) {
		names := append(Access.Names(), "none")
		got, ok := read(Access, &Input{Body: []byte(line), Stream: "stdout"}, names...)
		if ok != (len(got) > 0) || ok && !slices.Contains(got, "stream=stdout") {
			t.Fatalf("%q: %q, %v", line, got, ok)
		}
		user, target, agent = escaped(user), escaped(target), escaped(agent)
		if strings.Trim(user, " ") != user || user == "" {
			user = "x"
		}
		line = `10.0.0.7 - ` + user + ` [x] "GET /` + target + ` HTTP/1.1" 200 183 "r" "` + agent + `" rt=5`
		got, ok = read(Access, &Input{Body: []byte(line)}, "client", "status", "bytes", "method", "protocol", "referer", "request_time", "target")
		want := []string{"client=10.0.0.7", "status=200", "bytes=183", "method=GET", "protocol=HTTP/1.1", "referer=r", "request_time=5", "target=/" + target}
		if !ok || !slices.Equal(got, want) {
			t.Fatalf("%q\ngot  %q\nwant %q", line, got, want)
		}
		if agent != "-" && agent != "" {
			if got, _ = read(Access, &Input{Body: []byte(line)}, "agent"); len(got) != 1 {
				t.Fatalf("%q: %q", line, got)
			}
		}
	})
}

// escaped is s as nginx writes it.
func escaped(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; c == '"' || c == '\\' || c < ' ' || c > 0x7e {
			fmt.Fprintf(&b, `\x%02X`, c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// FuzzEscapes wants what nginx has escaped back.
func FuzzEscapes(f *testing.F) {
	f.Add("a\"b\\c\x00\xff")
	f.Fuzz(func(t *testing.T, s string) {
		if got := string(undoEscapes([]byte(escaped(s)))); got != s {
			t.Fatalf("%q is %q", s, got)
		}
	})
}
