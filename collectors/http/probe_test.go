package probe

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"
)

const health = `{"status":"ok","timestamp":"2025-01-09T14:30:00Z","services":{"database":"healthy","cache":"healthy","queue":"healthy"}}`

// Both answers that the deployment may give.
func TestHealth(t *testing.T) {
	const wantJSON = "expect:\n  json:\n    status: ok\n    services.*: healthy"
	for _, c := range []struct {
		name   string
		do     http.HandlerFunc
		expect string
		kinds  string // of the assertions that fail
		says   []string
	}{
		{name: "text", do: text(200, "text/plain", "healthy\n"), expect: "expect: {body: healthy}"},
		{name: "text by an expression", do: text(200, "text/plain", "healthy\n"), expect: "expect: {body_regexp: '^healthy\\s*$'}"},
		{name: "JSON", do: text(200, "application/json", health), expect: wantJSON},
		{name: "JSON as text", do: text(200, "text/plain", health), expect: wantJSON},
		{
			name: "text for JSON", do: text(200, "text/plain", "healthy\n\x1b[2J"), expect: wantJSON, kinds: "json",
			says: []string{`the body is no JSON (invalid character 'h' looking for beginning of value), but "text/plain": it begins "healthy\n\x1b[2J"`},
		},
		{
			name: "unwell", do: text(200, "", strings.Replace(health, `cache":"healthy`, `cache":"down`, 1)), expect: wantJSON, kinds: "json",
			says: []string{`services.cache is "down", want "healthy"`},
		},
		{name: "broken JSON", do: text(200, "application/json", health[:40]), expect: wantJSON, kinds: "json", says: []string{"the body is no JSON (it ends too early)"}},
		{name: "no body", do: text(200, "application/json", ""), expect: wantJSON, kinds: "json", says: []string{"it is empty"}},
		{name: "two documents", do: text(200, "application/json", health+health), expect: wantJSON, kinds: "json", says: []string{"something follows it"}},
		{name: "another status", do: text(503, "text/plain", "healthy"), kinds: "status", says: []string{"the status is 503, want 2xx"}},
		{name: "one of two", do: text(503, "text/plain", ""), expect: "expect: {status: [2xx, 503]}"},
		{name: "none of two", do: text(404, "text/plain", ""), expect: "expect: {status: [200, 503]}", kinds: "status", says: []string{"want 200 or 503"}},
		{name: "another text", do: text(200, "text/plain", "unwell"), expect: "expect: {body: healthy}", kinds: "body", says: []string{`"healthy" is not in the body: it begins "unwell"`}},
		{name: "another expression", do: text(200, "text/plain", "unhealthy"), expect: "expect: {body_regexp: ^healthy}", kinds: "body", says: []string{`body_regexp "^healthy" does not match`}},
		{name: "all of it", do: text(500, "text/html", "<h1>Server Error"), expect: wantJSON + "\n  body: ok", kinds: "status body json", says: []string{"the status is 500", `"ok" is not in`, "no JSON"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := sample(t, t.Context(), sampler(t, "url: "+serve(t, c.do)+"/health?token=abc\n"+c.expect))
			want := snapshot{"probe_success": 1, "probe_failed_due_to_regex": 0}
			for _, kind := range []string{"status", "body", "json"} {
				want["logkeel_http_assertion_failed{"+kind+"}"] = 0
			}
			for kind := range strings.FieldsSeq(c.kinds) {
				want["logkeel_http_assertion_failed{"+kind+"}"] = 1
				want["probe_success"] = 0
				if kind == "body" {
					want["probe_failed_due_to_regex"] = 1
				}
			}
			got.want(t, want)
			if c.says != nil {
				says(t, err, append(c.says, "GET http://127.0.0.1:")...)
			}
			if err != nil && (strings.Contains(err.Error(), "token") || strings.ContainsAny(err.Error(), "\x1b\n")) {
				t.Errorf("the error shows what it should not: %q", err)
			}
		})
	}
}

func TestMetrics(t *testing.T) {
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/1":
			http.Redirect(w, r, "/2", http.StatusFound)
		case "/2":
			http.Redirect(w, r, "/3", http.StatusPermanentRedirect)
		default:
			time.Sleep(time.Second)
			w.Header().Set("Content-Length", "10")
			io.WriteString(w, "12345")
			w.(http.Flusher).Flush()
			time.Sleep(time.Second)
			io.WriteString(w, "67890")
		}
	})
	got, err := sample(t, t.Context(), sampler(t, "url: "+url+"/1"))
	if err != nil {
		t.Fatal(err)
	}
	got.want(t, snapshot{
		"probe_success": 1, "probe_http_status_code": 200, "probe_http_redirects": 2, "probe_http_version": 1.1, "probe_http_ssl": 0,
		"probe_http_content_length": 10, "probe_http_uncompressed_body_length": 10, "probe_failed_due_to_regex": 0,
		"probe_http_duration_seconds{tls}": 0, "logkeel_http_time_seconds{appconnect}": 0,
		"probe_dns_lookup_time_seconds": got["probe_http_duration_seconds{resolve}"],
	})
	if _, ok := got["probe_ssl_earliest_cert_expiry"]; ok {
		t.Error("an expiry without TLS")
	}
	if p, tr := got["probe_http_duration_seconds{processing}"], got["probe_http_duration_seconds{transfer}"]; p < 0.1 || tr < 0.1 {
		t.Errorf("processing %v, transfer %v, want about 1 each", p, tr)
	}
	ascending(t, got)
	names := map[string]bool{}
	for k := range maps.Keys(got) {
		name, _, _ := strings.Cut(k, "{")
		names[name] = true
	}
	if len(names) != 15 {
		t.Errorf("%d metrics: %v", len(names), names)
	}
}

// ascending holds the points to their order.
func ascending(t testing.TB, s snapshot) {
	t.Helper()
	last := 0.0
	for _, point := range []string{"namelookup", "connect", "pretransfer", "starttransfer", "total"} {
		at := s["logkeel_http_time_seconds{"+point+"}"]
		if at < last || at == 0 {
			t.Errorf("%s is %v, after %v", point, at, last)
		}
		last = at
	}
	sum := 0.0
	for _, phase := range []string{"resolve", "connect", "tls", "processing", "transfer"} {
		sum += s["probe_http_duration_seconds{"+phase+"}"]
	}
	if sum > last {
		t.Errorf("the phases sum up to %v, more than the total, %v", sum, last)
	}
}

func TestRedirects(t *testing.T) {
	var seen []string
	other := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		seen = append(seen, r.Method+" "+r.Header.Get("X-Token")+r.Header.Get("Authorization"))
	})
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		to := map[string]string{
			"/loop": "/loop", "/other": other + "/x?y", "/ftp": "ftp://host/", "/bad": "http://[::1", "/nowhere": "",
		}[r.URL.Path]
		w.Header().Set("Location", to)
		w.WriteHeader(302)
	})
	item := func(path string) string {
		return "url: " + url + path + "\nheaders: {X-Token: \"${TOKEN}\"}\nbearer_token: ${BEARER}"
	}
	got, err := sample(t, t.Context(), sampler(t, item("/loop")))
	says(t, err, "more than 10 redirects, the last one to "+url+"/loop")
	got.want(t, snapshot{"probe_http_redirects": 10, "probe_http_status_code": 302})

	if _, err := sample(t, t.Context(), sampler(t, item("/other"))); err != nil || len(seen) != 1 || seen[0] != "GET " {
		t.Errorf("another server got %q: %v", seen, err)
	}
	_, err = sample(t, t.Context(), sampler(t, item("/ftp")))
	says(t, err, `redirects to "ftp://host/", which is no URL to follow`)
	_, err = sample(t, t.Context(), sampler(t, item("/bad")))
	says(t, err, "which is no URL to follow")
	_, err = sample(t, t.Context(), sampler(t, item("/nowhere")))
	says(t, err, "the status is 302, want 2xx")
	got, err = sample(t, t.Context(), sampler(t, item("/loop")+"\nfollow_redirects: false\nexpect: {status: 302}"))
	if err != nil {
		t.Error(err)
	}
	got.want(t, snapshot{"probe_http_redirects": 0, "logkeel_http_time_seconds{redirect}": 0})
}

func TestHeaders(t *testing.T) {
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		w.WriteHeader(418)
		fmt.Fprint(w, r.Method, " ", r.Host, " ", r.Header.Get("X-Api-Token"), " ", user, ":", password, " ", r.Header.Get("Authorization"), r.Header.Get("Cookie"), r.Header.Get("Accept-Encoding"))
	})
	s := sampler(t, "url: "+url+"\nmethod: POST\nheaders: {X-API-TOKEN: \"${TOKEN}\", Host: shop.example}\nusername: u\npassword: ${PASSWORD}\nexpect: {body: never}")
	_, err := sample(t, t.Context(), s)
	says(t, err, `it begins "POST <secret> <secret> u:<secret> Basic <secret>"`)
	if strings.Contains(err.Error(), "s3cret") {
		t.Errorf("a secret is printed: %v", err)
	}
	if p := fmt.Sprintf("%v %+v %#v", s, s, s.headers); strings.Contains(p, "s3cret") {
		t.Errorf("a secret is printed: %s", p)
	}
}

func TestLargeBody(t *testing.T) {
	url := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, `{"status":"ok","rest":"`+strings.Repeat("x", 5<<20)+`"}`)
	})
	got, err := sample(t, t.Context(), sampler(t, "url: "+url+"\nexpect:\n  body: '\"ok\"'\n  json: {status: ok}"))
	says(t, err, "the body is larger than max_body (1MiB), so its JSON was not looked at; raise max_body")
	got.want(t, snapshot{"probe_http_uncompressed_body_length": 5<<20 + 25, "logkeel_http_assertion_failed{json}": 1, "logkeel_http_assertion_failed{body}": 0})
	if _, err = sample(t, t.Context(), sampler(t, "url: "+url+"\nexpect: {body: ok}")); err != nil {
		t.Error(err)
	}
	_, err = sample(t, t.Context(), sampler(t, "url: "+url+"\nexpect: {body: '\"}'}"))
	says(t, err, "of which the first 1048576 bytes were looked at")
	if _, err = sample(t, t.Context(), sampler(t, "url: "+url+"\nmax_body: 6MiB\nexpect: {json: {status: ok}}")); err != nil {
		t.Error(err)
	}
	// As much as there is room for is not more.
	url = serve(t, text(200, "", `"`+strings.Repeat("x", 1022)+`"`))
	_, err = sample(t, t.Context(), sampler(t, "url: "+url+"\nmax_body: 1KiB\nexpect: {json: {a: 1}}"))
	says(t, err, "the document is \"xxx")
}
