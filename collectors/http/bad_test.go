package probe

import (
	"crypto/tls"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/webgrip/logkeel/agent/testenv"
)

func secure(t *testing.T, config *tls.Config, http2 bool) (url, ca string) {
	t.Helper()
	srv := httptest.NewUnstartedServer(text(200, "text/plain", "hello"))
	srv.EnableHTTP2, srv.Config.ErrorLog = http2, log.New(io.Discard, "", 0)
	pair, ca := certificate(t, time.Now().Add(24*time.Hour))
	config.Certificates = []tls.Certificate{pair}
	srv.TLS = config
	srv.StartTLS()
	t.Cleanup(srv.Close)
	return srv.URL, ca
}

// Two sides that do not speak the same: each says what it is about.
func TestMismatch(t *testing.T) {
	t.Parallel()
	old, ca := secure(t, &tls.Config{MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10}, false)
	wants, wantsCA := secure(t, &tls.Config{ClientAuth: tls.RequireAnyClientCert, MaxVersion: tls.VersionTLS12}, false)
	one, oneCA := secure(t, &tls.Config{}, false)
	both, bothCA := secure(t, &tls.Config{}, true)
	plain := serve(t, text(200, "text/plain", "hello"))
	var h2c http.Protocols
	h2c.SetUnencryptedHTTP2(true)
	clear := httptest.NewUnstartedServer(text(200, "text/plain", "hello"))
	clear.Config.Protocols = &h2c
	clear.Start()
	t.Cleanup(clear.Close)
	for _, c := range []struct {
		name, item string
		says       string
		version    float64
	}{
		{"old TLS", "url: " + old + "\ntls: {server_name: shop.example, ca_file: " + ca + "}", "protocol version", 0},
		{"a certificate of ours is wanted", "url: " + wants + "\ntls: {server_name: shop.example, ca_file: " + wantsCA + "}", "tls: ", 0},
		{"TLS where there is none", "url: " + strings.Replace(plain, "http:", "https:", 1), "the server does not speak TLS; should the URL begin with http:// ?", 0},
		{"no TLS where there is", "url: " + strings.Replace(one, "https:", "http:", 1), "the status is 400, want 2xx", 1},
		{"HTTP/2", "url: " + both + "\nhttp_version: 2\ntls: {server_name: shop.example, ca_file: " + bothCA + "}", "", 2},
		{"HTTP/1.1 of both", "url: " + both + "\nhttp_version: 1.1\ntls: {server_name: shop.example, ca_file: " + bothCA + "}", "", 1.1},
		{"HTTP/2 where there is none", "url: " + one + "\nhttp_version: 2\ntls: {server_name: shop.example, ca_file: " + oneCA + "}", "the server does not speak HTTP/2", 0},
		{"HTTP/2 without TLS", "url: " + clear.URL + "\nhttp_version: 2", "", 2},
		{"HTTP/2 without TLS where there is none", "url: " + plain + "\nhttp_version: 2", "the server does not speak HTTP/2", 0},
	} {
		got, err := sample(t, t.Context(), sampler(t, c.item))
		if c.says != "" {
			says(t, err, c.says)
		} else if err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if v := got["probe_http_version"]; v != c.version {
			t.Errorf("%s: HTTP/%v, want %v: %v", c.name, v, c.version, err)
		}
	}
}

func TestProxyThatRefuses(t *testing.T) {
	t.Parallel()
	refuses := serve(t, func(w http.ResponseWriter, r *http.Request) { http.Error(w, "not that way", http.StatusForbidden) })
	closed := testenv.Addr(t)
	for _, c := range []struct {
		url, proxy, says string
		status           float64
	}{
		{"https://shop.example/", refuses, "the proxy " + refuses + " refuses: 403 Forbidden", 0},
		{"http://shop.example/", refuses, "the status is 403, want 2xx", 403},
		{"https://shop.example/", "http://" + closed, "the proxy http://" + closed + ": dial tcp", 0},
		{"http://shop.example/", "socks5://" + closed, "the proxy socks5://", 0},
	} {
		got, err := sample(t, t.Context(), sampler(t, "url: "+c.url+"\nproxy: "+c.proxy))
		says(t, err, c.says)
		got.want(t, snapshot{"probe_http_status_code": c.status, "probe_success": 0})
	}
}

func TestIPVersions(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp6", "[::1]:0")
	if err != nil {
		t.Fatalf("this machine has no IPv6: %v", err)
	}
	six := httptest.NewUnstartedServer(text(200, "", "six"))
	six.Listener.Close()
	six.Listener = l
	six.Start()
	t.Cleanup(six.Close)
	four := serve(t, text(200, "", "four"))
	for _, c := range []struct {
		url, ip, says string
		protocol      float64
	}{
		{six.URL, "auto", "", 6},
		{six.URL, "6", "", 6},
		{six.URL, "4", "the server has no IPv", 0},
		{four, "auto", "", 4},
		{four, "4", "", 4},
		{four, "6", "the server has no IPv", 0},
	} {
		got, err := sample(t, t.Context(), sampler(t, "url: "+c.url+"\nip: "+c.ip))
		if c.says != "" {
			says(t, err, c.says)
		} else if err != nil {
			t.Errorf("%s, %s: %v", c.url, c.ip, err)
		}
		got.want(t, snapshot{"probe_ip_protocol": c.protocol})
	}
}
