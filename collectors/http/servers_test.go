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
	"io"
	"log"
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

	"github.com/webgrip/logkeel/agent/conf"
	"github.com/webgrip/logkeel/agent/testenv"
	"github.com/webgrip/logkeel/agent/tlsconf"
)

// request reads what is asked; hang then waits until the other side hangs up.
func request(c net.Conn) { c.Read(make([]byte, 4096)) }
func hang(c net.Conn)    { io.Copy(io.Discard, c) }

func TestServersThatFail(t *testing.T) {
	for _, c := range []struct {
		name, url, says string
		answered        float64 // the status
	}{
		{name: "down", url: "http://" + testenv.Addr(t), says: "connection refused"},
		{name: "no such name", url: "http://nowhere.invalid/", says: "nowhere.invalid"},
		{name: "never answers", url: "http://" + testenv.Serve(t, hang), says: "no whole answer in time, while waiting for the first byte of the answer"},
		{name: "never shakes hands", url: "https://" + testenv.Serve(t, hang), says: "no whole answer in time, in the TLS handshake"},
		{name: "hangs up", url: "http://" + testenv.Serve(t, request), says: "EOF"},
		{name: "garbage", url: "http://" + testenv.Serve(t, func(c net.Conn) {
			request(c)
			io.WriteString(c, "\x1b]0;x\x07 SSH-2.0\r\n\r\n")
		}), says: `malformed HTTP`},
		{name: "long garbage", url: "http://" + testenv.Serve(t, func(c net.Conn) {
			request(c)
			for range 100 {
				io.WriteString(c, strings.Repeat("x", 10_000))
			}
			io.WriteString(c, "\r\n\r\n")
		}), says: "GET http"},
		{name: "no TLS", url: "https" + strings.TrimPrefix(serve(t, text(200, "", "")), "http"), says: "the server does not speak TLS; should the URL begin with http:// ?"},
		{name: "endless header", url: "http://" + testenv.Serve(t, func(c net.Conn) {
			request(c)
			io.WriteString(c, "HTTP/1.1 200 OK\r\nX: ")
			for _, err := c.Write([]byte("x")); err == nil; _, err = c.Write(make([]byte, 64<<10)) {
			}
		}), says: "GET http"},
		{name: "breaks off", url: "http://" + testenv.Serve(t, func(c net.Conn) {
			request(c)
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort")
		}), says: "the answer (200) breaks off after 5 bytes: unexpected EOF", answered: 200},
		{name: "stops in the body", url: "http://" + testenv.Serve(t, func(c net.Conn) {
			request(c)
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort")
			hang(c)
		}), says: "no whole answer in time, while the answer was read: the answer (200) breaks off after 5 bytes", answered: 200},
		{name: "never ends", url: serve(t, func(w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				w.Write(make([]byte, 64<<10))
				time.Sleep(10 * time.Millisecond)
			}
		}), says: "no whole answer in time, while the answer was read", answered: 200},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			within := time.Minute
			if strings.Contains(c.says, "in time") {
				within = 5 * time.Second // to get to where it hangs, on a slow machine
			}
			ctx, cancel := context.WithTimeout(t.Context(), within)
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
			if d := got["probe_duration_seconds"]; d > 120 {
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
	mute := testenv.Serve(t, hang)
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
		case <-time.After(time.Minute):
			t.Fatalf("%d connections were made, %d are open", made, open)
		}
	}
	if made != 5 {
		t.Errorf("%d connections for 5 probes", made)
	}
	for deadline := time.Now().Add(time.Minute); runtime.NumGoroutine() > before; time.Sleep(time.Millisecond) {
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
