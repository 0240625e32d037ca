package probe

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"maps"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/conf"
	"github.com/webgrip/logkeel/agent/tlsconf"
)

// config reads an item as it stands in a file.
func config(t testing.TB, text string) (Config, error) {
	t.Helper()
	var file struct {
		HTTP []Config `yaml:"http"`
	}
	item := "http:\n  - " + strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n    ")
	env := func(name string) (string, bool) { return "s3cret-" + name, true }
	d, err := conf.Decode("agent.yaml", []byte(item), &file, conf.Options{Env: env})
	if err != nil {
		return Config{}, err
	}
	return file.HTTP[0], file.HTTP[0].Check(d, "http[0]")
}

func sampler(t testing.TB, text string) *Sampler {
	t.Helper()
	c, err := config(t, text)
	if err != nil {
		t.Fatal(err)
	}
	s, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

type snapshot map[string]float64

// sample probes; the keys are as name{label value}.
func sample(t testing.TB, ctx context.Context, s *Sampler) (snapshot, error) {
	t.Helper()
	all := snapshot{}
	err := s.Sample(ctx, func(x agent.Sample) {
		key := x.Name
		if len(x.Labels) > 0 {
			key += "{" + x.Labels[0].Value + "}"
		}
		if _, twice := all[key]; twice {
			t.Errorf("%s is there twice", key)
		}
		all[key] = x.Value
	})
	if err == nil != (all["probe_success"] == 1) {
		t.Errorf("probe_success is %v with error %v", all["probe_success"], err)
	}
	return all, err
}

func (s snapshot) want(t testing.TB, want snapshot) {
	t.Helper()
	for k, v := range want {
		if got, ok := s[k]; !ok || got != v {
			t.Errorf("%s is %v (there: %v), want %v", k, got, ok, v)
		}
	}
}

func says(t testing.TB, err error, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if err == nil || !strings.Contains(err.Error(), p) {
			t.Errorf("error %v\ndoes not say %s", err, p)
		}
	}
}

func serve(t testing.TB, do http.HandlerFunc) string {
	srv := httptest.NewServer(do)
	t.Cleanup(srv.Close)
	return srv.URL
}

func text(status int, kind, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", kind)
		w.WriteHeader(status)
		io.WriteString(w, body)
	}
}

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
			time.Sleep(30 * time.Millisecond)
			w.Header().Set("Content-Length", "10")
			io.WriteString(w, "12345")
			w.(http.Flusher).Flush()
			time.Sleep(30 * time.Millisecond)
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
	if p, tr := got["probe_http_duration_seconds{processing}"], got["probe_http_duration_seconds{transfer}"]; p < 0.015 || tr < 0.015 {
		t.Errorf("processing %v, transfer %v, want about 0.03 each", p, tr)
	}
	ascending(t, got)
	names := map[string]bool{}
	for k := range maps.Keys(got) {
		name, _, _ := strings.Cut(k, "{")
		names[name] = true
	}
	if len(names) != 13 {
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

// raw serves what do writes to each connection.
func raw(t *testing.T, do func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				do(c)
			}()
		}
	}()
	return l.Addr().String()
}

// request reads what is asked; hang then waits until the other side hangs up.
func request(c net.Conn) { c.Read(make([]byte, 4096)) }
func hang(c net.Conn)    { io.Copy(io.Discard, c) }

func TestServersThatFail(t *testing.T) {
	closed := httptest.NewServer(nil)
	closed.Close()
	for _, c := range []struct {
		name, url, says string
		answered        float64 // the status
	}{
		{name: "down", url: closed.URL, says: "connection refused"},
		{name: "no such name", url: "http://nowhere.invalid/", says: "nowhere.invalid"},
		{name: "never answers", url: "http://" + raw(t, hang), says: "no whole answer in time, while waiting for the first byte of the answer"},
		{name: "never shakes hands", url: "https://" + raw(t, hang), says: "no whole answer in time, in the TLS handshake"},
		{name: "hangs up", url: "http://" + raw(t, request), says: "EOF"},
		{name: "garbage", url: "http://" + raw(t, func(c net.Conn) {
			request(c)
			io.WriteString(c, "\x1b]0;x\x07 SSH-2.0\r\n\r\n")
		}), says: `malformed HTTP`},
		{name: "long garbage", url: "http://" + raw(t, func(c net.Conn) {
			request(c)
			for range 100 {
				io.WriteString(c, strings.Repeat("x", 10_000))
			}
			io.WriteString(c, "\r\n\r\n")
		}), says: "GET http"},
		{name: "no TLS", url: "https" + strings.TrimPrefix(serve(t, text(200, "", "")), "http"), says: "the server does not speak TLS; should the URL begin with http:// ?"},
		{name: "endless header", url: "http://" + raw(t, func(c net.Conn) {
			request(c)
			io.WriteString(c, "HTTP/1.1 200 OK\r\nX: ")
			for _, err := c.Write([]byte("x")); err == nil; _, err = c.Write(make([]byte, 64<<10)) {
			}
		}), says: "GET http"},
		{name: "breaks off", url: "http://" + raw(t, func(c net.Conn) {
			request(c)
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort")
		}), says: "the answer (200) breaks off after 5 bytes: unexpected EOF", answered: 200},
		{name: "stops in the body", url: "http://" + raw(t, func(c net.Conn) {
			request(c)
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort")
			hang(c)
		}), says: "no whole answer in time, while the answer was read: the answer (200) breaks off after 5 bytes", answered: 200},
		{name: "never ends", url: serve(t, func(w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				w.Write(make([]byte, 64<<10))
			}
		}), says: "no whole answer in time, while the answer was read", answered: 200},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
			defer cancel()
			got, err := sample(t, ctx, sampler(t, "url: "+c.url+"\nexpect: {json: {status: ok}}"))
			says(t, err, c.says)
			if err != nil && (len(err.Error()) > 1300 || strings.ContainsAny(err.Error(), "\x1b\x07\n")) {
				t.Errorf("%d bytes: %q", len(err.Error()), err)
			}
			got.want(t, snapshot{"probe_success": 0, "probe_http_status_code": c.answered})
			if _, ok := got["logkeel_http_assertion_failed{json}"]; ok {
				t.Error("an answer that is not there was judged")
			}
			if d := got["probe_duration_seconds"]; d > 5 {
				t.Errorf("took %v s", d)
			}
		})
	}
}

// certificate makes one that signs itself.
func certificate(t *testing.T, until time.Time) (tls.Certificate, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, DNSNames: []string{"shop.example"},
		NotBefore: until.Add(-48 * time.Hour), NotAfter: until, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, file
}

func TestTLS(t *testing.T) {
	start := func(until time.Time, http2 bool) (url, ca string) {
		srv := httptest.NewUnstartedServer(text(200, "", "hello"))
		srv.EnableHTTP2 = http2
		srv.Config.ErrorLog = log.New(io.Discard, "", 0)
		var cert tls.Certificate
		cert, ca = certificate(t, until)
		srv.TLS = &tls.Config{Certificates: []tls.Certificate{cert}}
		srv.StartTLS()
		t.Cleanup(srv.Close)
		return srv.URL, ca
	}
	soon, past := time.Now().Add(24*time.Hour).Truncate(time.Second), time.Now().Add(-24*time.Hour).Truncate(time.Second)
	for _, c := range []struct {
		name    string
		until   time.Time
		tls     string
		http2   bool
		says    string
		version float64
	}{
		{name: "HTTP/1.1", until: soon, tls: "{ca_file: CA, server_name: shop.example}", version: 1.1},
		{name: "HTTP/2", until: soon, tls: "{ca_file: CA, server_name: shop.example}", http2: true, version: 2},
		{name: "expired", until: past, tls: "{ca_file: CA, server_name: shop.example}", says: "certificate has expired"},
		{name: "expired, and nobody minds", until: past, tls: "{insecure_skip_verify: true}", version: 1.1},
		{name: "unknown authority", until: soon, tls: "{server_name: shop.example}", says: "unknown authority"},
		{name: "another name", until: soon, tls: "{ca_file: CA}", says: "127.0.0.1"},
	} {
		url, ca := start(c.until, c.http2)
		got, err := sample(t, t.Context(), sampler(t, "url: "+url+"\ntls: "+strings.ReplaceAll(c.tls, "CA", ca)))
		if c.says != "" {
			says(t, err, c.says)
		} else if err != nil {
			t.Errorf("%s: %v", c.name, err)
		} else {
			got.want(t, snapshot{"probe_http_version": c.version, "probe_http_ssl": 1})
			ascending(t, got)
			if a, p := got["logkeel_http_time_seconds{appconnect}"], got["probe_http_duration_seconds{tls}"]; a <= 0 || p <= 0 || a < p {
				t.Errorf("%s: appconnect %v, tls %v", c.name, a, p)
			}
		}
		// Also of one that is refused: that it has expired is what one wants to see.
		got.want(t, snapshot{"probe_ssl_earliest_cert_expiry": float64(c.until.Unix())})
	}
}

func TestUnixSocket(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "app.sock")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.Host+r.URL.Path) }))
	srv.Listener.Close()
	srv.Listener = l
	srv.Start()
	defer srv.Close()
	got, err := sample(t, t.Context(), sampler(t, "url: http://shop.example/health\nunix: "+socket+"\nexpect: {body: shop.example/health}"))
	if err != nil {
		t.Error(err)
	}
	ascending(t, got)
}

func TestProxy(t *testing.T) {
	t.Setenv("HTTP_PROXY", "http://127.0.0.1:1")
	proxy := serve(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "by proxy to "+r.URL.String()) })
	if _, err := sample(t, t.Context(), sampler(t, "url: http://shop.example/health\nproxy: "+proxy+"\nexpect: {body: 'by proxy to http://shop.example/health'}")); err != nil {
		t.Error(err)
	}
	if _, err := sample(t, t.Context(), sampler(t, "url: "+serve(t, text(200, "", "")))); err != nil {
		t.Errorf("the environment's proxy was asked: %v", err)
	}
}

// Each probe makes its connection anew and leaves nothing behind.
func TestNothingIsLeft(t *testing.T) {
	var made, open int
	changed := make(chan int, 1000)
	srv := httptest.NewUnstartedServer(text(200, "", "x"))
	srv.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		switch s {
		case http.StateNew:
			changed <- 1
		case http.StateClosed:
			changed <- -1
		}
	}
	srv.Start()
	defer srv.Close()
	mute := raw(t, hang)
	good := sampler(t, "url: "+srv.URL)
	before := runtime.NumGoroutine()
	for range 5 {
		sample(t, t.Context(), good)
		for _, scheme := range []string{"http://", "https://"} {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
			sample(t, ctx, sampler(t, "url: "+scheme+mute))
			cancel()
		}
	}
	for made < 5 || open > 0 {
		select {
		case d := <-changed:
			open += d
			made += max(d, 0)
		case <-time.After(10 * time.Second):
			t.Fatalf("%d connections were made, %d are open", made, open)
		}
	}
	if made != 5 {
		t.Errorf("%d connections for 5 probes", made)
	}
	for deadline := time.Now().Add(10 * time.Second); runtime.NumGoroutine() > before; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d goroutines, %d at first", runtime.NumGoroutine(), before)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	var ok Config
	ok.SetDefaults()
	ok.URL = "http://localhost/"
	for want, change := range map[string]func(*Config){
		"url: ":               func(c *Config) { c.URL = "x" },
		"proxy: ":             func(c *Config) { c.Proxy = "x" },
		"tls: ca_file: ":      func(c *Config) { c.TLS = &tlsconf.Config{CAFile: "/nowhere"} },
		"expect.status: ":     func(c *Config) { c.Expect.Status = conf.Strings{"x"} },
		"expect.body_regexp:": func(c *Config) { c.Expect.BodyRegexp = "(" },
	} {
		c := ok
		change(&c)
		_, err := New(c)
		says(t, err, want)
	}
	if _, err := New(ok); err != nil {
		t.Error(err)
	}
	if err := errors.Unwrap(&hidden{"x", io.EOF}); err != io.EOF {
		t.Error(err)
	}
}
