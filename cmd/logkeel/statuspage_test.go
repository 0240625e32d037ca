package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// statusPage is what the agent's listener answers at /.
func (a *agentProcess) statusPage() (int, string) {
	res, err := http.Get("http://" + a.metrics + "/")
	if err != nil {
		return 0, err.Error()
	}
	defer res.Body.Close()
	body, _ := io.ReadAll(res.Body)
	return res.StatusCode, string(body)
}

// The page of an agent that runs says what it reads, what fires and was over, and
// what it was configured with, without a secret or a line. A wrong configuration
// is said there; status_page: false takes it away, and /metrics stays.
func TestStatusPage(t *testing.T) {
	t.Parallel()
	state, logs := t.TempDir(), t.TempDir()
	const config = `
state_dir: %s
collectors: {files: [{name: shop, paths: %s/*.log, labels: {service: till}}]}
rules: {packs: [], files: [own.yaml]}
outputs:
  prometheus: {listen: METRICS%s}
  webhook: [{name: chat, url: "http://127.0.0.1:9/hunter2"}]
  email: [{name: ops, server: "127.0.0.1:9", username: u, password: hunter2, from: a@example.com, to: [b@example.com]}]
`
	a := newAgent(t, fmt.Sprintf(config, state, logs, ""))
	configure := func(more string) {
		a.write("agent.yaml", strings.ReplaceAll(fmt.Sprintf(config, state, logs, more), "METRICS", a.metrics))
		if err := a.cmd.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
	}
	a.write("own.yaml", "groups: [{name: own, rules: [{name: Burst, class: error, severity: critical, match: boom}]}]")
	a.start()
	write := func(text string) {
		f, err := os.OpenFile(filepath.Join(logs, "till.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if _, err := f.WriteString(text); err != nil {
			t.Fatal(err)
		}
	}
	write("ready\nboom: customer 4711\n")
	shows := func(what string, wants ...string) string {
		t.Helper()
		page := ""
		eventually(t, what, waitShort, func() bool {
			_, page = a.statusPage()
			for _, want := range wants {
				if !strings.Contains(page, want) {
					return false
				}
			}
			return true
		})
		return page
	}
	page := shows("what is read and what fires", "<bdi>shop</bdi>", "<bdi>till</bdi>", "1 firing", "<bdi>Burst</bdi>", "2 lines since the start", "<bdi>ops</bdi>", "mails    ops: alerts")
	if strings.Contains(page, "hunter2") || strings.Contains(page, "4711") {
		t.Errorf("a secret, or a line:\n%s", page)
	}
	configure(", port: 1")
	shows("that the newest configuration is wrong", "The newest configuration is wrong", "outputs.prometheus.port")
	configure(", status_page: false")
	eventually(t, "no page, but metrics", waitShort, func() bool {
		code, _ := a.statusPage()
		return code == http.StatusNotFound && a.metric("logkeel_config_last_reload_successful") == 1
	})
	configure("")
	shows("the page once more", "2 lines since the start", "In use since")
}
