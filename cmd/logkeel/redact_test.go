package main

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/webgrip/logkeel/agent/testenv"
)

// A secret that is logged is nowhere afterwards: not in the queues on the disk,
// not in what the rules have counted, not in what arrives, not in the agent's own
// log and metrics.
func TestSecretsLeaveNoTrace(t *testing.T) {
	t.Parallel()
	const secret = "Kx93nfLq0aTz71"
	receiver := testenv.ForwardReceiver(t, testenv.ForwardOptions{})
	receiver.Stop()
	dir := t.TempDir()
	a := newAgent(t, fmt.Sprintf(`
state_dir: state
collectors:
  files: [{name: app, paths: %s/app.log}]
redact:
  emails: true
  patterns: [{name: customer, match: 'customer (?P<secret>\w+)$'}]
rules: {files: [rules.yaml]}
outputs:
  fluentd: [{name: main, address: "%s", spool: {after: 100ms}}]
  email: [{name: ops, server: "127.0.0.1:9", security: none, from: a@shop.example, to: b@shop.example, group_wait: 0s}]
  prometheus: {listen: METRICS}
`, dir, receiver.Addr))
	a.write("rules.yaml", `
groups:
  - name: g
    rules:
      - {name: Login, match: 'login (?P<user>\S+) (?P<what>.*)', by: [user, what]}
      - {name: Leak, severity: critical, match: 'Kx93nf'}
      - {name: Counted, match: 'customer', threshold: 2, window: 1h}
`)
	lines := []string{
		"login anna password=" + secret,
		`login {"password":"` + secret + `"} from anna@shop.example`,
		"GET /x?token=" + secret + "&page=2 for customer " + secret,
		"dial mysql://shop:" + secret + "@db/shop for nobody",
	}
	want := []string{
		"login anna password=[password]",
		`login {"password":"[password]"} from [email]`,
		"GET /x?token=[token]&page=2 for customer [customer]",
		"dial mysql://shop:[password]@db/shop for nobody",
	}
	a.write(filepath.Join(dir, "app.log"), strings.Join(lines, "\n")+"\n")
	a.start()
	state := filepath.Join(filepath.Dir(a.config), "state")
	eventually(t, "lines are in the queue and alerts are kept", waitShort, func() bool {
		kept, _ := os.ReadFile(filepath.Join(state, "alerts.json"))
		return a.metric("logkeel_spool_frames") > 0 && bytes.Contains(kept, []byte("[customer]")) &&
			a.metric("logkeel_notifications_pending") > 0
	})
	if n := a.metric("logkeel_redactions_total", `pattern="password"`); n != 3 {
		t.Errorf("%v passwords were cut, want 3", n)
	}
	if n := a.metric("logkeel_findings_total", `rule="Leak"`); n != 0 {
		t.Errorf("a rule saw a secret")
	}
	page, err := a.page()
	if err != nil || bytes.Contains(page, []byte(secret)) {
		t.Errorf("the metrics have a secret; %v", err)
	}
	a.kill()
	marked := 0
	fs.WalkDir(os.DirFS(state), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(filepath.Join(state, path))
		if bytes.Contains(data, []byte(secret)) || bytes.Contains(data, []byte("anna@")) {
			t.Errorf("%s has a secret", path)
		}
		if bytes.Contains(data, []byte("[password]")) {
			marked++
		}
		return err
	})
	if marked < 3 {
		t.Errorf("only %d files have what was read; want queue, journal and state", marked)
	}
	receiver.Start()
	a.start()
	receiver.Await(len(lines), waitShort)
	a.stop()
	i := 0
	for e := range receiver.Entries() {
		if text := e.Record["log"]; i >= len(want) || text != want[i] {
			t.Errorf("%q arrived", text)
		}
		i++
	}
	if log, _ := os.ReadFile(a.stderr); bytes.Contains(log, []byte(secret)) {
		t.Error("the agent's log has a secret")
	}
}
