package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/webgrip/logkeel/agent/testenv"
)

// TestSilenceIsNoticed: an aggregator that is away is told by mail, with the
// reason, and so is that it takes everything again; a service hears from the agent
// as long as it lives, and not while it hangs.
func TestSilenceIsNoticed(t *testing.T) {
	t.Parallel()
	smtp := testenv.SMTP(t)
	receiver := testenv.ForwardReceiver(t, testenv.ForwardOptions{})
	var pings atomic.Int64
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost && r.URL.Path == "/5e5e5e5e-secret" {
			pings.Add(1)
		}
		fmt.Fprintln(w, "OK")
	}))
	defer service.Close()
	a := newAgent(t, fmt.Sprintf(`
collectors:
  files: [{name: app, paths: "*.log"}]
rules: {files: [own.yaml]}
outputs:
  prometheus: {listen: METRICS}
  fluentd: [{name: main, address: "%s"}]
  heartbeat: [{name: hc, url_file: hc.url, method: POST, every: 5s}]
  email: [%s]
`, receiver.Addr, mailOutput(smtp, "group_wait: 1s")))
	a.write("own.yaml", `
groups:
  - name: own
    rules:
      - {name: AggregatorAway, class: availability, severity: critical, sample: logkeel_output_stalled_seconds, source: {output: main}, above: 15s}
`)
	a.write("hc.url", service.URL+"/5e5e5e5e-secret\n")
	a.write("shop.log", "one\ntwo\n")
	a.start()
	receiver.Await(2, waitShort)
	receiver.Stop()
	a.write("more.log", "three\n")
	eventually(t, "the mail that the aggregator is away", waitLong, func() bool { return len(byRule(smtp.Mails(), "AggregatorAway")["AggregatorAway"].firing) == 1 })
	var state []byte
	eventually(t, "the reason is kept", waitShort, func() bool {
		state, _ = os.ReadFile(filepath.Join(filepath.Dir(a.config), "state", "alerts.json"))
		return strings.Contains(string(state), `{"name":"last error","value":"`+receiver.Addr+`: `)
	})
	if text := byRule(smtp.Mails(), "AggregatorAway")["AggregatorAway"].firing[0].Text; !strings.Contains(text, "last error: "+receiver.Addr) || !strings.Contains(text, "connection refused") {
		t.Errorf("the mail does not say why:\n%s", text)
	}
	if !strings.Contains(string(state), "connection refused") {
		t.Errorf("the reason is none: %s", state)
	}
	receiver.Start()
	receiver.Await(3, waitShort)
	eventually(t, "the mail that it is over", waitLong, func() bool { return len(byRule(smtp.Mails(), "AggregatorAway")["AggregatorAway"].resolved) == 1 })

	eventually(t, "the heartbeat is heard again and again", waitShort, func() bool { return pings.Load() >= 3 })
	if err := a.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	n := pings.Load()
	time.Sleep(12 * time.Second)    // two would be due
	if m := pings.Load(); m > n+1 { // one may be under way
		t.Errorf("%d heartbeats of an agent that hangs", m-n)
	}
	n = pings.Load()
	if err := a.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the heartbeat goes on", waitShort, func() bool { return pings.Load() > n })
	eventually(t, "it is counted", waitShort, func() bool { return a.metric("logkeel_heartbeat_sent_total", `says="alive"`) >= 4 })
	a.stop()
	if m := len(smtp.Mails()); m != 2 {
		t.Errorf("%d mails, want 2", m)
	}
	log, err := os.ReadFile(a.stderr)
	if err != nil || strings.Contains(string(log), "5e5e5e5e") {
		t.Errorf("%v: the log has the heartbeat's URL:\n%s", err, log)
	}
}
