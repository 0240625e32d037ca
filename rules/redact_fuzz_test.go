package rules

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/webgrip/logkeel/agent"
)

// places are where secrets stand: what is around §.
func places() []string {
	return []string{
		`password=§`, `"password":"§"`, `password: §`, `'password' => '§',`, `[password] => §`, `DB_PASSWORD=§ DB=x`, `(user=a, passwd=§)`,
		`\"password\":\"§\"`, `\\\"password\\\": \\\"§\\\"`, `?password=§&x=1`, `user[password]=§`, `password%3D§%26x`, `<password>§</password>`,
		`--password §`, `{name=a, password=§, x=1}`, `IDENTIFIED BY '§'`, `set password = '§' where`, `passphrase="§"`, `pwd=§;`, `requirepass §`,
		`token=§`, `"access_token": "§"`, `api_token='§'`, `?token=§ HTTP/1.1`, `&quot;token&quot;:&quot;§&quot;`, `_token=§\nx=1`,
		`client_secret=§`, `"apiKey":"§"`, `X-Api-Key: §`, `aws_secret_access_key = §`, `X-Auth-Token: §`,
		`Authorization: Bearer §`, `"authorization":["Basic §"]`, `authorization: Digest a="b", response="§"`, `-H 'Authorization: token §' x`,
		`Cookie: a=§; b=c`, `"cookie":["a=§; b"]`, `PHPSESSID=§;`,
		`mysql://user:§@db/shop`, `redis://:§@cache`, `https://a:§@host:80/x?y`, `root:§@tcp(db:3306)/x`, `mysql:\/\/u:§@db`,
		"-----BEGIN PRIVATE KEY-----\n§\n-----END PRIVATE KEY-----", `-----BEGIN RSA PRIVATE KEY-----\n§\n-----END RSA PRIVATE KEY-----`,
		`ghp_§`, `xoxb-§`, `sk_live_§`, `eyJhbGciOiJIUzI1NiJ9.eyJ§.§`, `github_pat_§`, `mine=§`,
	}
}

// secret makes one that all places take for one: 40 letters and digits.
func (m *maker) secret() string {
	const letters = "abcdefghijkmnopqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ0123456789"
	b := []byte("k9Z")
	for len(b) < 40 {
		b = append(b, letters[(m.pick(len(letters))+7*len(b))%len(letters)])
	}
	return string(b)
}

// noise is text with what may lead astray.
func (m *maker) noise() string {
	list := []string{
		" ", "password", "pass", "token", "secret", "authorization", "cookie", "=", ": ", `"`, "'", `\`, "`", ",", "&", ";", "[", "]", "{", "}", "(", ")",
		"://", "@", "%40", "%3D", "eyJ", "-----BEGIN PRIVATE KEY-----", "-----END", "a", "Ä", "日", "\xff", "\n", "4111 1111", "11111111", "a@b.de", "=> ", "mine=",
		"[password]", "*", "xoxb-", "--", "<", ">", "?", "${", "null", "pwd=/", "Bearer ", "1", "&quot;", `\u0022`, "tcp(", "string(", "'' ",
	}
	var b strings.Builder
	for range m.pick(12) {
		b.WriteString(list[m.pick(len(list))])
	}
	return b.String()
}

// FuzzRedact plants secrets among noise. None may be left, and nothing else may
// go wrong.
func FuzzRedact(f *testing.F) {
	for i := range places() {
		f.Add([]byte{byte(i), byte(i * 7), 3, 1, byte(i), 9, 4, 12, byte(i * 3), 8, 5}, uint8(i))
	}
	s := redacting(f, Redact{Secrets: true, Emails: true, Cards: true, Patterns: []RedactPattern{{"mine", `mine=(?P<secret>\w+)`}}}, `
groups:
  - name: g
    rules:
      - {name: word, match: '\w+', not: token}
      - {name: password, match: 'password.*'}
      - {name: rest, match: '(?s)@.*'}
`)
	f.Fuzz(func(t *testing.T, data []byte, repeat uint8) {
		if len(data) > 300 {
			return
		}
		var bodies, secrets []string
		for m := (&maker{data}); len(m.data) > 0; {
			place, secret := places()[m.pick(len(places()))], m.secret()
			line := m.noise() + " \n" + strings.ReplaceAll(place, "§", secret) + " " + m.noise()
			bodies, secrets = append(bodies, line, m.noise()), append(secrets, secret, "")
		}
		for range repeat % 5 { // so that it is scanned in several stretches
			bodies, secrets = append(bodies, bodies...), append(secrets, secrets...)
		}
		b := batchOf(bodies...)
		before := slices.Clone(b.Records)
		s.Match(b)
		checkRedacted(t, b, before, bodies)
		for i, secret := range secrets {
			if secret != "" && bytes.Contains(b.Body(i), []byte(secret[3:])) {
				t.Errorf("%q\nis left as %q", bodies[i], b.Body(i))
			}
			if secret != "" && bytes.Contains(b.Buf, []byte(secret[3:])) {
				t.Errorf("%q\nis in the batch", bodies[i])
			}
		}
	})
}

// checkRedacted wants a batch to be sound.
func checkRedacted(t *testing.T, b *agent.Batch, before []agent.Record, bodies []string) {
	t.Helper()
	if len(before) != len(b.Records) || !ascending(b.Records) {
		t.Fatal("the records are out of order")
	}
	for i := range before {
		was, is := before[i].Body, b.Records[i].Body
		if is.Start != was.Start || is.End > was.End {
			t.Errorf("the body at %v is at %v", was, is)
		}
		if utf8.ValidString(bodies[i]) && !utf8.Valid(b.Body(i)) {
			t.Errorf("%q is no UTF-8: %q", bodies[i], b.Body(i))
		}
	}
	for _, f := range b.Findings {
		if body := b.Records[f.Record].Body; f.Match.Start < body.Start || f.Match.End > body.End {
			t.Errorf("a finding at %v is not in %v", f.Match, body)
		}
	}
}

// FuzzRedactAnything takes lines as they come.
func FuzzRedactAnything(f *testing.F) {
	for _, name := range []string{"secrets", "none", "optin"} {
		lines, _ := redactTable(f, name)
		for _, line := range lines {
			f.Add([]byte(line))
		}
	}
	s := redacting(f, Redact{Secrets: true, Emails: true, Cards: true, Patterns: []RedactPattern{{"x", "x(y*)|z"}}}, "groups: [{name: g, rules: [{name: r, match: .}]}]")
	f.Fuzz(func(t *testing.T, data []byte) {
		bodies := strings.SplitAfter(string(data), "\n")
		b := batchOf(bodies...)
		before := slices.Clone(b.Records)
		s.Match(b)
		checkRedacted(t, b, before, bodies)
	})
}
