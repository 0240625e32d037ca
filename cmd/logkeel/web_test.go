package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/webgrip/logkeel/agent/testenv"
)

// hunter2, as htpasswd writes it at the least cost.
const webUsers = "basic_auth_users: {anna: \"$2a$04$HIaDduIOW4hdY2YleC376eAhRe1Fuul6.WLIEa4Sm/kVngG5TiJjy\"}\n"

// webTLS names files beside the configuration.
const webTLS = "tls_server_config: {cert_file: server.pem, key_file: server.key}\n"

// exchange puts the server's certificate of one authority beside the configuration.
func (a *agentProcess) exchange(from string) {
	a.t.Helper()
	for _, name := range []string{"server.key", "server.pem"} {
		b, err := os.ReadFile(filepath.Join(from, name))
		if err != nil {
			a.t.Fatal(err)
		}
		a.write(name, string(b))
	}
}

// asked is the status that a client gets who trusts the authority in dir.
func asked(t *testing.T, url, dir, user, password string) (int, error) {
	t.Helper()
	pem, err := os.ReadFile(filepath.Join(dir, "ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	req, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if user != "" {
		req.SetBasicAuth(user, password)
	}
	c := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: pool}}}
	res, err := c.Do(req)
	if err != nil {
		return 0, err
	}
	res.Body.Close()
	return res.StatusCode, nil
}

// The metrics and the listener for jobs are served by TLS, to who knows the
// password; a certificate is exchanged while the agent runs.
func TestWebConfigFile(t *testing.T) {
	first, second := testenv.Certificates(t), testenv.Certificates(t)
	jobsAt := testenv.Addr(t)
	a := newAgent(t, fmt.Sprintf(`
collectors:
  jobs: {listen: "%s", any: true, web_config_file: web.yml}
outputs:
  prometheus: {listen: METRICS, web_config_file: web.yml}
`, jobsAt))
	a.write("web.yml", webTLS+webUsers+"http_server_config: {headers: {X-Frame-Options: deny}}\n")
	a.exchange(first)
	a.start()
	metrics, ping := "https://"+a.metrics+"/metrics", "https://"+jobsAt+"/ping/curl"
	eventually(t, "it is healthy", waitShort, func() bool {
		_, _, code := logkeel(t, "", "health", "-c", a.config)
		return code == 0
	})
	eventually(t, "it listens for jobs", waitShort, func() bool { _, err := asked(t, ping, first, "", ""); return err == nil })
	for _, url := range []string{metrics, ping} {
		for _, tt := range []struct {
			user, password string
			want           int
		}{{"anna", "hunter2", 200}, {"anna", "hunter3", 401}, {"bob", "hunter2", 401}, {"", "", 401}} {
			if got, err := asked(t, url, first, tt.user, tt.password); got != tt.want || err != nil {
				t.Errorf("%s answers %s %d %v, want %d", url, tt.user, got, err, tt.want)
			}
		}
		if got, err := asked(t, "http"+strings.TrimPrefix(url, "https"), first, "anna", "hunter2"); got != http.StatusBadRequest || err != nil {
			t.Errorf("%s by plain HTTP: %d %v", url, got, err)
		}
		if _, err := asked(t, url, second, "anna", "hunter2"); err == nil {
			t.Errorf("%s has a certificate of nobody's", url)
		}
	}
	t.Setenv("LOGKEEL_JOB_USER", "anna:hunter2")
	if stdout, stderr, code := logkeel(t, "", "job", "-c", a.config, "nightly", "--", "echo", "done"); stdout != "done\n" || stderr != "" || code != 0 {
		t.Errorf("logkeel job: %q %q %d", stdout, stderr, code)
	}
	t.Setenv("LOGKEEL_JOB_USER", "anna:wrong")
	if _, stderr, code := logkeel(t, "", "job", "-c", a.config, "nightly", "--", "true"); !strings.Contains(stderr, "was not told of nightly: 401 Unauthorized") || code != 0 {
		t.Errorf("logkeel job with a wrong password: %q %d", stderr, code)
	}

	a.exchange(second)
	for _, url := range []string{metrics, ping} {
		if got, err := asked(t, url, second, "anna", "hunter2"); got != 200 || err != nil {
			t.Errorf("%s with the new certificate: %d %v", url, got, err)
		}
		if _, err := asked(t, url, first, "anna", "hunter2"); err == nil {
			t.Errorf("%s still has the old certificate", url)
		}
	}
	if _, stderr, code := logkeel(t, "", "health", "-c", a.config); code != 0 {
		t.Errorf("health after the exchange: %d %s", code, stderr)
	}
	if stdout, _, code := logkeel(t, "", "status", "-c", a.config); code != exitFailed || !strings.Contains(stdout, "set LOGKEEL_WEB_USER=") {
		t.Errorf("status without a password: %d %s", code, stdout)
	}
	t.Setenv("LOGKEEL_WEB_USER", "anna:hunter2")
	if stdout, stderr, code := logkeel(t, "", "status", "-c", a.config); code == exitFailed || code == exitUsage {
		t.Errorf("status with the password: %d %s%s", code, stdout, stderr)
	}
	a.write("server.pem", "spoilt")
	for range 3 {
		if _, err := asked(t, metrics, second, "anna", "hunter2"); err == nil {
			t.Error("it goes on with a certificate that cannot be read")
		}
	}
	a.exchange(second)
	if got, err := asked(t, metrics, second, "anna", "hunter2"); got != 200 || err != nil {
		t.Errorf("with a good one again: %d %v", got, err)
	}
	a.stop()
	log, _ := os.ReadFile(a.stderr)
	for said, want := range map[string]int{"nobody gets in until it is right": 1, "can be used again": 1, "TLS handshake error": 0, "hunter": 0} {
		if n := strings.Count(string(log), said); n != want {
			t.Errorf("%q is said %d times, want %d", said, n, want)
		}
	}
}

// Health is of the agent that runs: it trusts the certificate that web.yml names,
// and a server that wants one of the client has answered.
func TestHealthByTLS(t *testing.T) {
	first, second := testenv.Certificates(t), testenv.Certificates(t)
	a := newAgent(t, "outputs:\n  prometheus: {listen: METRICS, web_config_file: web.yml}\n")
	ca, err := os.ReadFile(filepath.Join(first, "ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	a.write("ca.pem", string(ca))
	a.write("web.yml", "tls_server_config: {cert_file: server.pem, key_file: server.key, client_ca_file: ca.pem, client_auth_type: RequireAndVerifyClientCert}\n")
	a.exchange(first)
	a.start()
	eventually(t, "it is healthy", waitShort, func() bool {
		_, _, code := logkeel(t, "", "health", "-c", a.config)
		return code == 0
	})
	if _, err := asked(t, "https://"+a.metrics+"/metrics", first, "", ""); err == nil {
		t.Error("who has no certificate gets in")
	}
	other := newAgent(t, fmt.Sprintf("outputs:\n  prometheus: {listen: %s, web_config_file: web.yml}\n", a.metrics))
	other.write("web.yml", webTLS)
	other.exchange(second)
	if _, stderr, code := logkeel(t, "", "health", "-c", other.config); code != exitFailed || !strings.Contains(stderr, "this is not the certificate that ") {
		t.Errorf("health of another's server: %d %s", code, stderr)
	}

	a.write("web.yml", "{}\n")
	if _, err := asked(t, "https://"+a.metrics+"/metrics", first, "", ""); err == nil {
		t.Error("without tls_server_config it lets people in")
	}
	if err := a.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is served without TLS", waitShort, func() bool {
		got, err := asked(t, "http://"+a.metrics+"/metrics", first, "", "")
		return got == 200 && err == nil
	})
	a.stop()
}

func TestCheckOfWebConfigFile(t *testing.T) {
	for _, tt := range []struct {
		name, web, metrics, jobs string
		code                     int
		want                     string // in what it says
	}{
		{"right", webTLS + webUsers, "listen: 0.0.0.0:9765", "listen: 0.0.0.0:9766", 0, "for people, at https://0.0.0.0:9765/, how the agent does\n  keeps"},
		{"open", webTLS, "listen: 0.0.0.0:9765", "", 0, "anybody who reaches this address can read the metrics; set web_config_file"},
		{"meant to be open", webTLS, "listen: 0.0.0.0:9765, open: true", "", 0, "serves   https://0.0.0.0:9765/metrics\n           and for people"},
		{"open for jobs", webTLS, "", "listen: 0.0.0.0:9766", 0, "can tell that jobs have run; set token or web_config_file"},
		{"audible", webUsers, "listen: 0.0.0.0:9765", "", 0, "passwords go there as plain text"},
		{"on loopback", webUsers, "", "", 0, "for people, at http://127.0.0.1:9765/, how the agent does\n  keeps"},
		{"not there", "", "", "", exitUsage, "agent.yaml:4: outputs.prometheus.web_config_file: open DIR/web.yml: no such file or directory; see https://"},
		{"unknown key", "tls: {}\n", "", "", exitUsage, "outputs.prometheus.web_config_file: DIR/web.yml: yaml: unmarshal errors:"},
		{"no certificate", "tls_server_config: {cert_file: none.pem, key_file: server.key}\n", "", "", exitUsage, "web.yml: failed to read cert_file (DIR/none.pem)"},
		{"not hashed", "basic_auth_users: {anna: hunter2}\n", "", "", exitUsage, "web.yml: basic_auth_users: a password is not as htpasswd -nB writes it"},
		{"jobs", "tls: {}\n", "", "", exitUsage, "agent.yaml:2: collectors.jobs.web_config_file: DIR/web.yml: "},
		{"token and users", webUsers, "", "token: hunter2", exitUsage, "cannot carry both the token and a user's password; remove token, or"},
		{"unix", webTLS, "", "listen: unix:///run/jobs.sock", exitUsage, "it is not for a unix socket; remove it"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			or := func(s, d string) string {
				if s == "" {
					return d
				}
				return s
			}
			a := newAgent(t, fmt.Sprintf("collectors:\n  jobs: {any: true, web_config_file: web.yml, %s}\noutputs:\n  prometheus: {web_config_file: web.yml, %s}\n",
				or(tt.jobs, "name: jobs"), or(tt.metrics, "max_series: 100")))
			a.exchange(testenv.Certificates(t))
			if tt.web != "" {
				a.write("web.yml", tt.web)
			}
			stdout, stderr, code := logkeel(t, "", "check", "-c", a.config)
			want := strings.ReplaceAll(tt.want, "DIR", filepath.Dir(a.config))
			if all := stdout + stderr; code != tt.code || !strings.Contains(all, want) || strings.Contains(all, "hunter2") {
				t.Errorf("exit code %d, want %d and %q:\n%s", code, tt.code, want, all)
			}
		})
	}
}
