package rules

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/tinylib/msgp/msgp"

	"github.com/webgrip/logkeel/agent"
)

// accessLine is a line as nginx writes it by default, with the time that the
// request took.
func accessLine(client, request string, status int) string {
	return fmt.Sprintf(`%s - anna [09/Jan/2025:14:30:05 +0000] "%s" %d 183 "-" "curl/8.5.0" rt=0.118`, client, request, status)
}

// TestFormats judges one line by one rule; want is what the finding shows, "-"
// where there is none.
func TestFormats(t *testing.T) {
	get := accessLine("10.0.0.7", `GET /a%2Fb/.env?x=1+2 HTTP/1.1`, 502)
	tls := accessLine("10.0.0.7", `\x16\x03\x01`, 400)
	const haproxy = `10.0.0.7:5 [06/Feb/2009:12:14:14.655] fe~ be/s 10/0/30/69/109 502 2750 - - --VN 1/1/1/1/0 0/0 "GET /a#23/login HTTP/1.1"`
	const j = `{"level":"error","ctx":{"user":{"id":17},"tags":["a","vip"]},"http.status":503,"msg":"it's \"bad\"","none":null,"took":"250ms"}`
	const l = `ts=2025 level=error msg="job \"x\" failed" took=1.5s n=7`
	for _, tt := range []struct{ rule, line, want string }{
		{`format: access, where: status >= 500`, get, "502"},
		{`format: access, where: status >= 500`, tls, "-"},
		{`format: access, where: not status < 500`, get, "502"},
		{`format: access, where: status >= 500`, haproxy, "502"},
		{`format: access, where: status == 404 or status >= 500 or method == 'POST'`, haproxy, "502"},
		{`format: access, where: path == '/a#/login' and request_time > 100ms`, haproxy, "/a#23/login"},
		{`format: access, where: not status < 500`, "no access log", "-"}, // the rule does not hold, not turned round
		{`format: access, where: status == 502 and method == 'GET'`, get, "502"},
		{`format: access, where: method == 'POST' or method == 'GET'`, get, "GET"},
		{`format: access, where: path == '/a/b/.env'`, get, "/a%2Fb/.env"},
		{`format: access, where: "path =~ '\\.env$'"`, get, "/a%2Fb/.env"},
		{`format: access, where: path == '/wp-login.php'`, accessLine("10.0.0.7", `GET /w%70-login.php HTTP/1.1`, 200), "/w%70-login.php"},
		{`format: access, where: path == '/wp-login.php'`, accessLine("10.0.0.7", `GET /w\x70-login.php HTTP/1.1`, 200), `/w\x70-login.php`},
		{`format: logfmt, where: level == 'error'`, `level="e\x72ror"`, `e\x72ror`},
		{`format: access, where: query == 'x=1 2'`, get, "x=1+2"},
		{`format: access, where: target =~ '^/a%2F'`, get, "/a%2Fb/.env?x=1+2"},
		{`format: access, where: request_time > 100ms and user == 'anna'`, get, "0.118"},
		{`format: access, where: not path =~ 'x'`, tls, tls},
		{`format: access, where: "target =~ '^.x16'"`, tls, `\x16\x03\x01`},
		{`format: access, where: bytes < 1KB and agent == 'curl/8.5.0'`, get, "183"},
		{`format: access, where: referer != 'x'`, get, "-"}, // there is none
		{`format: access, match: 'curl/[\d.]+', where: status > 500`, get, "curl/8.5.0"},
		{`format: access, match: 'curl/[\d.]+', where: status < 500`, get, "-"},
		{`format: access, match: 'curl/(?P<client>\d+)', where: client == 8 and status > 500`, get, "curl/8"}, // the group wins
		{`format: access, match: 'anna|line'`, get, "anna"},
		{`format: access, match: 'anna|line'`, "a line", "-"},
		{`format: access, match: 'anna', not: 'curl', where: status > 500`, get, "-"},

		{`format: json, where: level == 'error'`, j, "error"},
		{`format: json, where: level == 'error'`, `{"level":"\u0065rror"}`, `\u0065rror`},
		{`format: json, where: level == 'error'`, `"level":"error"`, "-"},
		{`format: json, where: ctx.user.id == 17 and ctx.tags.1 == 'vip'`, j, "17"},
		{`format: json, where: http.status >= 500`, j, "503"},
		{"format: json, where: \"`http.status` >= 500\"", j, "503"},
		{`format: json, where: "msg == \"it's 'bad'\" or msg =~ 'bad'"`, j, `it's \"bad\"`},
		{`format: json, where: none == '' or none != ''`, j, "-"},
		{`format: json, where: not none != ''`, j, j},
		{`format: json, where: took > 200ms`, j, "250ms"},
		{`format: json, where: level == 'error'`, "[x] app.ERROR: no {id} here " + j + " []", "error"},
		{`format: json, match: 'app\.ERROR', where: ctx.user.id > 10`, "[x] app.ERROR: no {id} here " + j, "app.ERROR"},

		{`format: logfmt, where: level == 'error'`, l, "error"},
		{"format: logfmt, where: 'msg =~ ''job \"x\" failed''" + "'", l, `job \"x\" failed`},
		{`format: logfmt, where: took > 1s and n == 7`, l, "1.5s"},
		{`format: logfmt, where: not level == 'x'`, "no pairs", "-"},

		{`format: json, where: stream == 'stderr'`, j, j},
		{`format: json, where: stream == 'stdout'`, j, "-"},
		{`format: logfmt, where: stream != 'stdout' and level == 'error'`, l, "error"},
		{`format: record, where: stream == 'stderr'`, j, "-"},
	} {
		s := oneRule(t, tt.rule)
		b := batchOf("something else", tt.line, accessLine("1.1.1.1", "HEAD / HTTP/1.1", 200), "{}")
		b.Records[1].Stream = agent.Stderr
		s.Match(b)
		want := []string{"1:r:" + tt.want}
		if tt.want == "-" {
			want = nil
		}
		got := slices.DeleteFunc(describe(b), func(f string) bool { return f[0] != '1' })
		if !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", tt.rule, got, want)
		}
	}
}

func TestRecordFormat(t *testing.T) {
	b := batchOf("GET /x", "", "GET /y")
	for i, m := range []map[string]any{
		{"level": "error", "n": int64(500), "ctx": map[string]any{"user": "anna", "ok": true}, "tags": []any{"a", "b"}},
		{"level": "info", "n": 2.5},
		nil,
	} {
		key := "log"
		start := int32(len(b.Buf))
		b.Buf, _ = msgp.AppendMapStrIntf(b.Buf, m)
		end := int32(len(b.Buf))
		b.Buf = append(b.Buf, key...)
		b.Fields = append(b.Fields, agent.Fields{Map: agent.Span{Start: start, End: end}, Key: agent.Span{Start: end, End: end + int32(len(key))}})
		if m == nil {
			b.Fields[i] = agent.Fields{}
		}
	}
	for where, want := range map[string][]string{
		"level == 'error' and n >= 500": {"0:r:GET /x"},
		"n > 2":                         {"0:r:GET /x", "1:r:"},
		"ctx.user == 'anna' and ctx.ok == 'true' and tags.1 == 'b'": {"0:r:GET /x"},
		"log =~ 'GET'":         {"0:r:GET /x"},
		"not level == 'error'": {"1:r:"},
		"ctx != '' or tags != '' or none != '' or ctx.user.x != 'x'": nil,
	} {
		b.Findings = nil
		oneRule(t, "format: record, where: "+where).Match(b)
		if got := describe(b); !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", where, got, want)
		}
	}
}

// TestShown bounds what a finding shows where nothing was matched.
func TestShown(t *testing.T) {
	s := oneRule(t, `format: logfmt, where: stream != ''`)
	for _, line := range []string{"a=" + strings.Repeat("x", 500), "a=" + strings.Repeat("日", 200), "a=" + strings.Repeat("\x80", 500)} {
		b := batchOf(line)
		b.Records[0].Stream = agent.Stdout
		s.Match(b)
		if len(b.Findings) != 1 {
			t.Fatal("no finding")
		}
		if n := b.Findings[0].Match.Len(); n > maxShown || n < maxShown-4 {
			t.Errorf("%.20q: %d bytes", line, n)
		}
	}
}

// TestFieldsOfSeveralRules reads a record for one rule and then for others.
func TestFieldsOfSeveralRules(t *testing.T) {
	s := parse(t, `
groups:
  - name: g
    rules:
      - {name: a, format: json, where: a == 1}
      - {name: b, format: json, where: b == 2 and a == 1}
      - {name: c, format: logfmt, where: a == 1}
      - {name: d, match: '"a"'}
      - {name: e, format: json, match: '"a"', where: b == 3}
      - {name: f, format: json, where: c.d == 'needle' and a == 1}
`)
	b := batchOf(`{"a":1,"b":2}`, `a=1`, `{"a":1,"b":3,"c":{"d":"needle"}}`, `{"a":2}`)
	s.Match(b)
	want := []string{"0:a:1", "0:b:2", `0:d:"a"`, "1:c:1", "2:a:1", `2:d:"a"`, `2:e:"a"`, "2:f:needle", `3:d:"a"`}
	if got := describe(b); !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}

// TestFieldsAreCounted wants values of fields under by.
func TestFieldsAreCounted(t *testing.T) {
	s := parse(t, `
groups:
  - name: g
    rules:
      - {name: a, format: access, where: status == 401, threshold: 2, window: 5m, by: [client, service]}
      - {name: j, format: json, match: 'login (?P<how>\w+)', where: ok == 'false', by: [how, user.name, service, none]}
`)
	b := batchOf(accessLine("10.0.0.7", "GET / HTTP/1.1", 401), `{"msg":"login pw","ok":false,"user":{"name":"anna"},"service":"inner"}`)
	b.Source.Labels = []agent.Label{{Name: "service", Value: "shop"}}
	s.Match(b)
	if len(b.Findings) != 2 {
		t.Fatalf("%q", describe(b))
	}
	a := &Alerts{set: s}
	a.grouped.New = func() any { return new(groupedKeys) }
	g := a.groupedKeys(b, b.Findings)
	for i, want := range []string{"client=10.0.0.7 service=shop", "how=pw user.name=anna service=shop none="} {
		labels := a.labelsOf(&s.rules[i], b, &b.Findings[i])
		var got []string
		for _, l := range labels {
			got = append(got, l.Name+"="+l.Value)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("got %q, want %q", got, want)
		}
		if key := string(g.next()); key != keyText(labels) {
			t.Errorf("the key is %q", key)
		}
	}
}

// TestRedactedFields wants JSON to be read where something was cut out of it.
func TestRedactedFields(t *testing.T) {
	s := redacting(t, Redact{}, `groups: [{name: g, rules: [{name: r, format: json, where: level == 'error'}]}]`)
	for _, line := range []string{
		`{"password":"hunter2hunter2","level":"error"}`, `{"password":12345678901234,"level":"error"}`, `{"token":"0123456789abcdef0123","level":"error"}`,
		`{"a":{"secret":["hunter2hunter2","x"]},"level":"error"}`, `{"password":1234,"level":"error"}`,
	} {
		b := batchOf(line)
		s.Match(b)
		if got := describe(b); !slices.Equal(got, []string{"0:r:error"}) {
			t.Errorf("%s: %q", b.Body(0), got)
		}
	}
}

// TestSeekLiterals wants of conditions the texts that are looked for first.
func TestSeekLiterals(t *testing.T) {
	const haproxy = "-- |NN |NP |ND |NI |NR |NU |IN |IP |ID |II |IR |IU |DN |DP |DD |DI |DR |DU |VN |VP |VD |VI |VR |VU |EN |EP |ED |EI |ER |EU |ON |OP |OD |OI |OR |OU |UN |UP |UD |UI |UR |UU "
	for rule, want := range map[string]string{
		`format: access, where: status >= 500`:                               `" 5|" 6|" 7|" 8|" 9|tatus":|_code":|usCode":|` + haproxy,
		`format: access, where: status == 404`:                               `" 4|tatus":|_code":|usCode":|` + haproxy,
		`format: access, where: status != 404 and user == 'x'`:               `" 0|" 1|" 2|" 3|" 4|" 5|" 6|" 7|" 8|" 9|tatus":|_code":|usCode":|` + haproxy,
		`format: access, where: method == 'POST' and status >= 500`:          `"POST |"POST"`,
		`format: access, where: "path =~ 'wp-login[.]php' "`:                 `wp-login.php|%|\`,
		`format: access, where: path =~ 'wp-login' or agent =~ '(?i)sqlmap'`: `wp-login|%|\|sqlmap|qlmap`,
		`format: access, where: path =~ 'wp-login' or bytes > 5`:             "",
		`format: access, where: not path =~ 'wp-login'`:                      "",
		`format: json, where: code == 'E_QUOTA exceeded'`:                    `exceeded|\u00`,
		`format: json, where: code == 'quota' and level != 'info'`:           `quota|\u00`,
		`format: json, where: code == 500`:                                   "",
		`format: json, where: "code =~ '.*'"`:                                "",
		`format: logfmt, where: err =~ 'deadlock|refused'`:                   `deadlock|refused|\`,
		`format: record, where: err =~ 'deadlock|refused'`:                   "",
		`format: json, where: stream == 'stderr'`:                            "",
		`format: json, where: stream == 'stderr' and err == 'deadlock'`:      `deadlock|\u00`,
	} {
		s := oneRule(t, rule)
		var got []string
		for _, l := range s.exprs[0].Seek() {
			got = append(got, l.Text)
		}
		if strings.Join(got, "|") != want {
			t.Errorf("%s: got %q, want %s", rule, got, want)
		}
		if full := len(s.FullPass()) == 1; full != (want == "") {
			t.Errorf("%s: a full pass: %v", rule, full)
		}
	}
}
