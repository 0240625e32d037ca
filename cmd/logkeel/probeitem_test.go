package main

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/webgrip/logkeel/agent/testenv"
)

// An item is asked as the agent asks, and each thing that was expected is said.
func TestProbeItem(t *testing.T) {
	t.Parallel()
	page := httptest.NewServer(http.HandlerFunc(pages))
	defer page.Close()
	closed := httptest.NewServer(nil)
	closed.Close()
	certs := testenv.Certificates(t)
	pair, err := tls.LoadX509KeyPair(filepath.Join(certs, "server.pem"), filepath.Join(certs, "server.key"))
	if err != nil {
		t.Fatal(err)
	}
	secure := httptest.NewUnstartedServer(http.HandlerFunc(pages))
	secure.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
	secure.StartTLS()
	defer secure.Close()
	dir := writeFiles(t, "agent.yaml", fmt.Sprintf(`
collectors:
  http:
    - name: good
      url: %[1]s/health
      headers: {X-Api-Token: s3cret-token}
      values: queue_data.*
      expect: {json: {status: ok, queue_data.failed: {below: 10}}}
    - name: bad
      url: %[1]s/health
      expect: {status: 204, json: {status: fine, queue_data.failed: 0}}
    - {name: down, url: "%[2]s"}
    - {name: wrong, url: nowhere}
    - {name: secure, url: "%[3]s", tls: {ca_file: ca.pem, server_name: localhost}, interval: 5s}
rules: {files: none.yaml}
`, page.URL, closed.URL, secure.URL))
	ca, err := os.ReadFile(filepath.Join(certs, "ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "ca.pem"), ca, 0o600); err != nil {
		t.Fatal(err)
	}
	if stdout, stderr, code := logkeel(t, filepath.Dir(dir), "probe", "-c", filepath.Base(dir)+"/agent.yaml", "secure"); code != 0 || !strings.Contains(stdout, "certificate:  CN=localhost, by CN=testenv authority\n") {
		t.Errorf("exit code %d\n%s\n%s", code, stdout, stderr)
	}
	for _, c := range []struct {
		name           string
		code           int
		stdout, stderr string
	}{
		{"good", 0, "   queue_data.failed:  2\n  queue_data.pending:  7\n\n  holds  status 2xx\n  holds  json status: \"ok\"\n  holds  json queue_data.failed: a number below 10\n  holds  json queue_data.*: a number\n", ""},
		{"bad", 1, "  no     status 204\n         the status is 200, want 204\n  no     json status: \"fine\"\n         status is \"ok\", want \"fine\"\n  no     json queue_data.failed: 0\n         queue_data.failed is 2, want 0\n", "bad is not as expected\n"},
		{"down", 1, "          time_total:  ", "connection refused\n"},
		{"wrong", 2, "", "agent.yaml:13: collectors.http[3].url: this is no URL of a host by http or https; write it as http://localhost:8080/health\n"},
		{"other", 2, "", "\"other\" is neither a URL, which begins with http:// or https://, nor an item of collectors.http in agent.yaml; these are there: good, bad, down, wrong, secure\n"},
	} {
		stdout, stderr, code := logkeel(t, dir, "probe", c.name)
		if code != c.code || !strings.Contains(stdout, c.stdout) || !strings.HasSuffix(stderr, c.stderr) || c.stderr == "" && stderr != "" {
			t.Errorf("%s: exit code %d, want %d\n%s\n%s", c.name, code, c.code, stdout, stderr)
		}
		if c.code < 2 && !strings.HasPrefix(stdout, "     time_namelookup:  0.") {
			t.Errorf("%s begins with\n%s", c.name, stdout)
		}
		if strings.Contains(stdout+stderr, "s3cret") {
			t.Errorf("%s: the token is printed", c.name)
		}
	}
	if stdout, _, code := logkeel(t, dir, "probe", "-w", "%{http_code}", "bad"); code != 1 || stdout != "200" {
		t.Errorf("exit code %d: %s", code, stdout)
	}
}

// The flags mean what they mean to curl.
func TestProbeFlags(t *testing.T) {
	t.Parallel()
	seen := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Seen", fmt.Sprint(r.Method, " ", r.Host, r.URL.Path, " ", r.Header.Get("X-A"), r.Header.Get("X-B")))
	}
	page := httptest.NewServer(http.HandlerFunc(seen))
	defer page.Close()
	certs := testenv.Certificates(t)
	dir := writeFiles(t, "headers", "X-A: one\r\nX-B: two\n", "format", "%header{seen}\n\\n")
	socket := filepath.Join(dir, "app.sock")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	local := httptest.NewUnstartedServer(http.HandlerFunc(seen))
	local.Listener.Close()
	local.Listener = l
	local.Start()
	defer local.Close()
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.Header().Set("Seen", "proxy "+r.RequestURI) }))
	defer proxy.Close()
	host := strings.TrimPrefix(page.URL, "http://")
	for _, c := range []struct {
		args   []string
		stdout string
		code   int
		stderr string
	}{
		{[]string{page.URL + "/a", "-w", "%header{seen}", "-H", "X-A: one", "-H", "X-B:two"}, "GET " + host + "/a onetwo", 0, ""},
		{[]string{page.URL + "/a", "-w", "@format", "-H", "@headers", "-H", "Host: shop.example"}, "GET shop.example/a onetwo\n", 0, ""},
		{[]string{page.URL, "-w", "%header{seen}", "-X", "DELETE"}, "DELETE " + host + "/", 0, ""},
		{[]string{host, "-I", "-w", "%header{seen}"}, "HEAD " + host + "/", 0, ""},
		{[]string{"http://shop.example/a", "-w", "%header{seen}", "--unix-socket", socket}, "GET shop.example/a", 0, ""},
		{[]string{"http://shop.example/a", "-w", "%header{seen}", "-x", proxy.URL}, "proxy http://shop.example/a", 0, ""},
		{[]string{page.URL, "-4", "-w", "%{remote_ip}"}, "127.0.0.1", 0, ""},
		{[]string{page.URL, "-6", "-s", "-w", "%{http_code}"}, "000", 1, ""},
		{[]string{page.URL, "--http2-prior-knowledge", "-s", "-w", "%{http_code}"}, "000", 1, ""},
		{[]string{page.URL, "-s", "-w", "a%{stderr}b%{stdout}c"}, "ac", 0, "b"},
		{[]string{"-w", "%{http_code}", "-o", "/dev/null", "-sS", "http://127.0.0.1:1"}, "000", 1, "GET http://127.0.0.1:1: dial tcp 127.0.0.1:1: connect: connection refused"},
		{[]string{"-o", "page.html", page.URL}, "", 2, "--output: the answer is not kept, so it can only be /dev/null; curl -o keeps it"},
		{[]string{page.URL, "--cacert", certs + "/none.pem"}, "", 2, "probe.tls: ca_file: open " + certs + "/none.pem: no such file or directory; name PEM files that this user can read"},
		{[]string{page.URL, "-H", "s3cret"}, "", 2, "--header: the one numbered 1 in it is none; write 'Name: value'"},
		{[]string{page.URL, "-m", "-1"}, "", 2, `--max-time: "-1" is no time; write seconds, as 2.5, up to a day`},
		{[]string{page.URL, "-w", "@none"}, "", 2, "--write-out: open none: no such file or directory"},
		{[]string{page.URL, "-4", "-6"}, "", 2, "--ipv4 and --ipv6 do not go together; leave one out"},
		{[]string{"health", "-L"}, "", 2, `--location goes with a URL, and "health" is none; write it as http://health/. Of an item of collectors.http the configuration says all`},
		{[]string{}, "", 2, "it takes one URL, or the name of an item of collectors.http; see logkeel probe --help"},
	} {
		stdout, stderr, code := logkeel(t, dir, append([]string{"probe"}, c.args...)...)
		if stdout != c.stdout || code != c.code || strings.TrimSuffix(stderr, "\n") != c.stderr {
			t.Errorf("%q: exit code %d, want %d\n got %q\nwant %q\n got %q\nwant %q", c.args, code, c.code, stdout, c.stdout, stderr, c.stderr)
		}
	}
}
