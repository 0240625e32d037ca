package probe

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/webgrip/logkeel/agent/conf"
)

func TestConfig(t *testing.T) {
	c, err := config(t, `
name: health
url: http://localhost:8080/health
headers: {X-Api-Token: "${TOKEN}"}
expect:
  status: [200, 503]
  json:
    status: [ok, fine]
    services.*: healthy
    queue.0.failed: 0
    load: 0.5
    on: true
    gone: null
`)
	if err != nil {
		t.Fatal(err)
	}
	if c.Method != "GET" || !c.FollowRedirects || c.MaxBody != 1<<20 || c.Headers["X-Api-Token"].Value() != "s3cret-TOKEN" {
		t.Errorf("%+v", c)
	}
	var wants [][]any
	for _, a := range c.Expect.JSON {
		wants = append(wants, a.want)
	}
	if want := [][]any{{"ok", "fine"}, {"healthy"}, {int64(0)}, {0.5}, {true}, {nil}}; !reflect.DeepEqual(wants, want) {
		t.Errorf("%v", wants)
	}
	if c, err = config(t, "url: http://h/"); err != nil || !slices.Equal(c.Expect.Status, conf.Strings{"2xx"}) {
		t.Errorf("status %v, %v", c.Expect.Status, err)
	}
}

func TestBadConfig(t *testing.T) {
	for _, c := range []struct{ item, want string }{
		{"name: x", "agent.yaml:2: http[0].url: no URL; write it as http://localhost:8080/health"},
		{"url: localhost:8080/health", "agent.yaml:2: http[0].url: this is no URL of a host by http or https; write it as http://localhost:8080/health"},
		{"url: 'http://a b/'", "agent.yaml:2: http[0].url: this is no URL; write it as http://localhost:8080/health"},
		{"url: http://u:s3cret@h/", "agent.yaml:2: http[0].url: there is a user in the URL; URLs are printed, so give it by username and password; write it as http://localhost:8080/health"},
		{"url: http://h:99999/", `agent.yaml:2: http[0].url: "99999" is no port; write it as http://localhost:8080/health`},
		{"url: http://h/\nproxy: h:1", "agent.yaml:3: http[0].proxy: this is no URL of a host by http or https or socks5; write it as http://proxy:3128"},
		{"url: http://h/\nproxy: http://p\nunix: /s", "agent.yaml:3: http[0].proxy: a socket and a proxy are both given; remove one of them"},
		{"url: http://h/\nunix: s", `agent.yaml:3: http[0].unix: "s" is no absolute path; write its path, as /run/app.sock`},
		{"url: http://h/\nmethod: 'G T'", `agent.yaml:3: http[0].method: "G T" is no method; write GET, HEAD or another one`},
		{"url: http://h/\nmax_body: 1B", `agent.yaml:3: http[0].max_body: 1B is out of range; write 1KiB to 64MiB`},
		{"url: http://h/\nheaders: {'a b': s3cret}", `agent.yaml:3: http[0].headers: "a b" is no header; write the name alone, as X-Api-Token`},
		{"url: http://h/\nheaders: {a: \"s3cret\\nx\"}", `agent.yaml:3: http[0].headers.a: the value has control characters, as the end of a line; write it on one line`},
		{"url: http://h/\nusername: u\npassword: \"s3cret\\n\"", `agent.yaml:4: http[0].password: the value has control characters, as the end of a line; write it on one line`},
		{"url: http://h/\nusername: \"u\\n\"\npassword: s3cret", `agent.yaml:3: http[0].username: the value has control characters, as the end of a line; write it on one line`},
		{"url: http://h/\nbearer_token: \"s3cret\\n\"", `agent.yaml:3: http[0].bearer_token: the value has control characters, as the end of a line; write it on one line`},
		{"url: http://h/\nheaders: {authorization: s3cret}\nbearer_token: s3cret", `agent.yaml:3: http[0].headers.authorization: authorization is given twice; remove one of them`},
		{"url: http://h/\nusername: u\nbearer_token: s3cret", `agent.yaml:4: http[0].bearer_token: a token and a user are both given; remove one of them`},
		{"url: http://h/\npassword: s3cret", `agent.yaml:3: http[0].password: a password without a user; set username as well, or leave the password out`},
		{"url: http://h/\nbearer_token: \"s3cret\\n\"", `agent.yaml:3: http[0].bearer_token: the value has control characters, as the end of a line; write it on one line`},
		{"url: http://h/\nexpect: {status: []}", `agent.yaml:3: http[0].expect.status: no status; write 200, 2xx or a list of such`},
		{"url: http://h/\nexpect: {status: [200, 20x]}", `agent.yaml:3: http[0].expect.status[1]: "20x" is no status; write a code as 200, or a class as 2xx`},
		{"url: http://h/\nexpect: {body_regexp: '('}", "agent.yaml:3: http[0].expect.body_regexp: error parsing regexp: missing closing ): `(`; see https://github.com/google/re2/wiki/Syntax"},
		{"url: http://h/\nexpect:\n  json: ok", `agent.yaml:4: http[0].expect.json: expected a section of paths and values; write it as services.database: healthy`},
		{"url: http://h/\nexpect:\n  json:\n    a..b: 1", `agent.yaml:5: http[0].expect.json.a..b: the path "a..b" has an empty part; write it as services.database: healthy`},
		{"url: http://h/\nexpect:\n  json:\n    'a\\': 1", `agent.yaml:5: http[0].expect.json.a\: the path "a\\" ends in a \; write it as services.database: healthy`},
		{"url: http://h/\nexpect:\n  json:\n    a: {b: 1}", `agent.yaml:5: http[0].expect.json.a: "b" is neither below nor above; write it as queue_data.pending: {below: 100}`},
		{"url: http://h/\nexpect:\n  json:\n    a: {}", `agent.yaml:5: http[0].expect.json.a: neither below nor above is there; write it as queue_data.pending: {below: 100}`},
		{"url: http://h/\nexpect:\n  json:\n    a: {below: x}", `agent.yaml:5: http[0].expect.json.a: below needs a number; write it as queue_data.pending: {below: 100}`},
		{"url: http://h/\nexpect:\n  json:\n    a: {below: 1, above: 1}", `agent.yaml:5: http[0].expect.json.a: no number is above one and below the other; write it as queue_data.pending: {below: 100}`},
		{"url: http://h/\nexpect:\n  json:\n    a: [[1]]", `agent.yaml:5: http[0].expect.json.a: expected a text, number, true, false, null, or a list of such; write it as services.database: healthy`},
		{"url: http://h/\nvalues: [a..b]", `agent.yaml:3: http[0].values[0]: the path "a..b" has an empty part; write it as queue_data.failed`},
		{"url: http://h/\nhttp_version: 3", `agent.yaml:3: http[0].http_version: "3" is no version of HTTP to ask for; write 1.1, 2 or auto`},
		{"url: http://h/\nip: 5", `agent.yaml:3: http[0].ip: "5" is no version of IP; write 4, 6 or auto`},
		{"url: http://h/\nip: 4\nunix: /s", "agent.yaml:3: http[0].ip: a socket has no address; remove one of them"},
		{"url: http://h/\nexpect: {version: [2, 3]}", `agent.yaml:3: http[0].expect.version[1]: "3" is no version of HTTP; write 1.0, 1.1 or 2`},
		{"url: http://h/\nexpect: {not_body_regexp: '('}", "agent.yaml:3: http[0].expect.not_body_regexp: error parsing regexp: missing closing ): `(`; see https://github.com/google/re2/wiki/Syntax"},
		{"url: http://h/\nexpect: {headers: {'a b': x}}", `agent.yaml:3: http[0].expect.headers: "a b" is no header; write the name alone, as Content-Type`},
		{"url: http://h/\nexpect: {headers: {A: '('}}", "agent.yaml:3: http[0].expect.headers.A: error parsing regexp: missing closing ): `(`; see https://github.com/google/re2/wiki/Syntax"},
		{"url: http://h/\nexpect:\n  json:\n    a: []", `agent.yaml:5: http[0].expect.json.a: the list of values is empty; write it as services.database: healthy`},
		{"url: https://h/\ntls: {ca_file: /nowhere}", `agent.yaml:3: http[0].tls: ca_file: open /nowhere: no such file or directory; name PEM files that this user can read`},
	} {
		_, err := config(t, c.item)
		if err == nil || err.Error() != c.want {
			t.Errorf("%q:\n got %v\nwant %s", c.item, err, c.want)
		}
		if err != nil && strings.Contains(err.Error(), "s3cret") {
			t.Errorf("a secret is printed: %v", err)
		}
	}
}

func TestAssertions(t *testing.T) {
	const doc = `{"status":"ok","n":3,"big":9007199254740993,"f":0.5,"e":1e2,"yes":true,"nothing":null,"a":[{"s":"up"},{"s":"down"}],
		"o":{},"l":[],"x.y":{"*":1,"0":2},"deep":{"a":{"v":1},"b":{"v":1}}}`
	for _, c := range []struct{ json, want string }{
		{"status: ok", ""},
		{"status: [fine, ok]", ""},
		{"status: fine", `status is "ok", want "fine"`},
		{"status: [fine, true]", `status is "ok", want "fine" or true`},
		{"n: 3", ""},
		{"n: 3.0", ""},
		{"n: '3'", `n is 3, want "3"`},
		{"status: 3", `status is "ok", want 3`},
		{"big: 9007199254740993", ""},
		{"big: 9007199254740992", `big is 9007199254740993, want 9007199254740992`},
		{"f: 0.5", ""},
		{"e: 100", ""},
		{"yes: true", ""},
		{"yes: 'true'", `yes is true, want "true"`},
		{"nothing: null", ""},
		{"nothing: ''", `nothing is null, want ""`},
		{"missing: null", `missing is not there (the document has a, big, deep, e, f, l, n, nothing, o, status, x.y, yes), want null`},
		{"a.0.s: up", ""},
		{"a.1.s: up", `a.1.s is "down", want "up"`},
		{"a.2.s: up", `a.2 is not there (a has 2 elements), want "up"`},
		{"a.-1.s: up", `a.-1 is not there (a has 2 elements), want "up"`},
		{"a.*.s: up", `a.1.s is "down", want "up"`},
		{"a.*.s: [up, down]", ""},
		{"a: up", `a is an array of 2 elements, want "up"`},
		{"o: up", `o is an object of 0 members, want "up"`},
		{"o.*: up", `o.* is not there (o is empty), want "up"`},
		{"l.*: up", `l.* is not there (l has 0 elements), want "up"`},
		{"status.x: up", `status.x is not there (status is "ok"), want "up"`},
		{`x\.y.\*: 1`, ""},
		{`x\.y.0: 2`, ""},
		{`x\.y.*: 1`, `x.y.0 is 2, want 1`},
		{"deep.*.v: 1", ""},
		{"deep.*.v: 2", `deep.a.v is 1, want 2; deep.b.v is 1, want 2`},
	} {
		cfg, err := config(t, "url: http://h/\nexpect:\n  json:\n    "+c.json)
		if err != nil {
			t.Errorf("%s: %v", c.json, err)
			continue
		}
		v, err := parseJSON([]byte(doc))
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(cfg.Expect.JSON[0].check(v, maxTold), "; "); got != c.want {
			t.Errorf("%s: %s, want %s", c.json, got, c.want)
		}
	}
	all, err := parsePath("*")
	if err != nil {
		t.Fatal(err)
	}
	many := Assertion{path: all, want: []any{true}}
	v, _ := parseJSON([]byte("[" + strings.Repeat("0,", 100_000) + "0]"))
	if got := many.check(v, maxTold); len(got) != maxTold {
		t.Errorf("%d failures are told, want %d", len(got), maxTold)
	}
}

func FuzzAssertions(f *testing.F) {
	f.Add("services.*", []byte(`{"services":{"a":"healthy"}}`))
	f.Add(`a\.b.0`, []byte(`{"a.b":[1,2]}`))
	f.Add("0.x", []byte(`[[]]`))
	f.Fuzz(func(t *testing.T, path string, body []byte) {
		p, err := parsePath(path)
		if err != nil {
			return
		}
		v, err := parseJSON(body)
		if err != nil {
			return
		}
		a := Assertion{path: p, want: []any{"healthy", int64(1), nil}}
		for _, text := range a.check(v, maxTold) {
			if len(clean(text)) > 20_000 {
				t.Errorf("%d bytes of text", len(text))
			}
		}
	})
}
