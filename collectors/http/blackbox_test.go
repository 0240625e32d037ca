package probe

import (
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"maps"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/testenv"
)

// blackbox starts the real exporter and returns how to ask it.
func blackbox(t *testing.T, config string) func(module, target string) map[string]float64 {
	t.Helper()
	program, err := exec.LookPath("prometheus-blackbox-exporter")
	testenv.Need(t, "prometheus-blackbox-exporter", err == nil)
	file := filepath.Join(t.TempDir(), "blackbox.yml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	addr := testenv.Addr(t)
	cmd := exec.Command(program, "--config.file="+file, "--web.listen-address="+addr)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var log strings.Builder
	cmd.Stderr = &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		if t.Failed() {
			t.Log(log.String())
		}
	})
	ask := func(module, target string) map[string]float64 {
		resp, err := http.Get("http://" + addr + "/probe?module=" + module + "&target=" + url.QueryEscape(target))
		if err != nil {
			return nil
		}
		defer resp.Body.Close()
		page, _ := io.ReadAll(resp.Body)
		return series(string(page))
	}
	for end := time.Now().Add(time.Minute); ask("plain", "http://127.0.0.1:1/") == nil; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the exporter does not come up")
		}
	}
	return ask
}

// series are those of a page of metrics, as name{label="value"}.
func series(page string) map[string]float64 {
	all := map[string]float64{}
	for line := range strings.Lines(page) {
		if i := strings.LastIndexByte(line, ' '); line[0] != '#' && i > 0 {
			all[line[:i]], _ = strconv.ParseFloat(strings.TrimSpace(line[i:]), 64)
		}
	}
	return all
}

// ours are a sampler's, but for our own.
func ours(t *testing.T, s *Sampler) map[string]float64 {
	all := map[string]float64{}
	_ = s.Sample(t.Context(), func(x agent.Sample) {
		if strings.HasPrefix(x.Name, "logkeel_") {
			return
		}
		var labels []string
		for _, l := range x.Labels {
			labels = append(labels, fmt.Sprintf("%s=%q", l.Name, l.Value))
		}
		slices.Sort(labels)
		key := x.Name
		if len(labels) > 0 {
			key += "{" + strings.Join(labels, ",") + "}"
		}
		all[key] = x.Value
	})
	return all
}

// TestAgainstBlackbox probes the same servers with the exporter whose names are
// used. What differs is listed, and docs/samplers.md says why.
func TestAgainstBlackbox(t *testing.T) {
	t.Parallel()
	certs := testenv.Certificates(t)
	ask := blackbox(t, fmt.Sprintf(`modules:
  plain: {prober: http, timeout: 60s, http: {preferred_ip_protocol: ip4}}
  ca: {prober: http, timeout: 60s, http: {preferred_ip_protocol: ip4, tls_config: {ca_file: %s}}}
  insecure: {prober: http, timeout: 60s, http: {preferred_ip_protocol: ip4, tls_config: {insecure_skip_verify: true}}}
  judging: {prober: http, timeout: 60s, http: {preferred_ip_protocol: ip4, fail_if_body_not_matches_regexp: [nothere]}}
  headers: {prober: http, timeout: 60s, http: {preferred_ip_protocol: ip4, fail_if_header_not_matches: [{header: Content-Type, regexp: json}]}}
  http1: {prober: http, timeout: 60s, http: {preferred_ip_protocol: ip4, enable_http2: false, tls_config: {ca_file: %[1]s}}}
`, filepath.Join(certs, "ca.pem")))
	site := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/redirect":
			http.Redirect(w, r, "/", http.StatusFound)
		case "/gone":
			http.Error(w, "gone", http.StatusGone)
		case "/stream": // of no known length
			io.WriteString(w, "one")
			w.(http.Flusher).Flush()
		default:
			w.Header().Set("Last-Modified", "Wed, 21 Oct 2015 07:28:00 GMT")
			io.WriteString(w, "hello")
		}
	})
	plain := httptest.NewServer(site)
	t.Cleanup(plain.Close)
	secure := httptest.NewUnstartedServer(site)
	pair, err := tls.LoadX509KeyPair(filepath.Join(certs, "server.pem"), filepath.Join(certs, "server.key"))
	if err != nil {
		t.Fatal(err)
	}
	secure.TLS, secure.EnableHTTP2, secure.Config.ErrorLog = &tls.Config{Certificates: []tls.Certificate{pair}}, true, log.New(io.Discard, "", 0)
	secure.StartTLS()
	t.Cleanup(secure.Close)
	const newer = "probe_tls_cipher_info probe_ssl_last_chain_info" // as 0.26 has them
	ca := "\ntls: {ca_file: " + filepath.Join(certs, "ca.pem") + "}"
	for _, c := range []struct {
		name, module, url, item string
		differ                  string // the names of series that do
	}{
		{"plain", "plain", plain.URL + "/", "", ""},
		{"redirect", "plain", plain.URL + "/redirect", "", ""},
		{"status", "plain", plain.URL + "/gone", "", ""},
		{"unknown length", "plain", plain.URL + "/stream", "", ""},
		{"body", "judging", plain.URL + "/", "\nexpect: {body_regexp: nothere}", ""},
		{"header", "headers", plain.URL + "/", "\nexpect: {headers: {Content-Type: json}}", ""},
		{"refused", "plain", "http://127.0.0.1:1/", "", ""},
		{"TLS", "ca", secure.URL + "/", ca, newer},
		{"TLS redirect", "ca", secure.URL + "/redirect", ca, newer},
		{"HTTP/1.1", "http1", secure.URL + "/", ca + "\nhttp_version: 1.1", newer},
		{"not verified", "insecure", secure.URL + "/", "\ntls: {insecure_skip_verify: true}", newer + " probe_ssl_last_chain_expiry_timestamp_seconds"},
		{"unknown authority", "plain", secure.URL + "/", "", "probe_ssl_earliest_cert_expiry probe_ssl_last_chain_info"},
		{"no such name", "plain", "http://nowhere.invalid/", "", "probe_http_duration_seconds"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var wrong []string
			// A machine that is busy for a moment proves nothing; what is measured
			// wrongly is so each time.
			for end := time.Now().Add(time.Minute); len(wrong) == 0 || time.Now().Before(end); {
				if wrong = unlike(ours(t, sampler(t, "url: "+c.url+"\nip: 4"+c.item)), ask(c.module, c.url), c.differ); len(wrong) == 0 {
					return
				}
			}
			t.Error(strings.Join(wrong, "\n"))
		})
	}
}

var name = regexp.MustCompile(`^\w+`)

// unlike says which series are not the same, and which names ought to differ and
// do not.
func unlike(ours, theirs map[string]float64, differ string) (wrong []string) {
	found := map[string]bool{}
	all := maps.Clone(ours)
	maps.Copy(all, theirs)
	for _, key := range slices.Sorted(maps.Keys(all)) {
		a, there := ours[key]
		b, too := theirs[key]
		tolerance := 0.0
		if strings.Contains(key, "_duration_") || strings.Contains(key, "lookup") {
			tolerance = 0.1
		}
		if there && too && math.Abs(a-b) <= tolerance {
			continue
		}
		n := name.FindString(key)
		found[n] = true
		if !slices.Contains(strings.Fields(differ), n) {
			wrong = append(wrong, fmt.Sprintf("%s: %v (there: %v), the exporter has %v (%v)", key, a, there, b, too))
		}
	}
	for _, n := range strings.Fields(differ) {
		if !found[n] {
			wrong = append(wrong, n+" does not differ any more")
		}
	}
	return wrong
}
