package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/webgrip/logkeel/agent/testenv"
)

// A status says what an agent does, what it cannot do, and what to do where none is.
func TestStatus(t *testing.T) {
	t.Parallel()
	logs := t.TempDir()
	receiver := testenv.ForwardReceiver(t, testenv.ForwardOptions{})
	var gone atomic.Bool
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if gone.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer page.Close()
	a := newAgent(t, fmt.Sprintf(`
collectors:
  files: [{name: app, paths: %q, poll: 50ms}]
  http: [{name: shop, url: %q, interval: 1s, timeout: 1s}]
rules: {files: [rules.yaml]}
outputs:
  prometheus: {listen: METRICS}
  fluentd: [{name: central, address: %q, connect_timeout: 500ms}]
`, filepath.Join(logs, "*.log"), page.URL, receiver.Addr))
	a.write("rules.yaml", "groups:\n  - name: app\n    rules:\n      - {name: Broken, class: error, severity: warning, match: it is broken}\n")
	out, code := logkeelRun(t, nil, "status", "--config", a.config)
	if code != 1 || !strings.Contains(out, "no agent answers at "+a.metrics) || !strings.Contains(out, "logkeel run --config "+a.config) {
		t.Errorf("without an agent it ends with %d:\n%s", code, out)
	}
	a.start()
	a.awaitUp()
	put(t, logs+"/app.log", strings.Repeat("all is well\n", 99), 0o600)
	receiver.Await(99, waitLong)

	var s status
	ask := func(want int, done func() bool) {
		t.Helper()
		for end := time.Now().Add(waitLong); ; time.Sleep(100 * time.Millisecond) {
			out, code = logkeelRun(t, nil, "status", "--json", "--config", a.config)
			s = status{}
			if err := json.Unmarshal([]byte(out), &s); err != nil {
				t.Fatalf("%d: %v\n%s", code, err, out)
			}
			if code == want && done() {
				return
			}
			if time.Now().After(end) {
				t.Fatalf("it ends with %d, want %d:\n%s", code, want, out)
			}
		}
	}
	ask(0, func() bool { return len(s.Samplers) == 1 && s.Sources.Lines == 99 })
	appendTo(t, logs+"/app.log", "it is broken\n")
	// All that is measured of the page and of the receiver may be under way.
	ask(3, func() bool {
		o := s.output("central")
		return len(s.Findings) == 1 && len(s.Alerts) == 1 && len(s.Problems) == 1 && len(s.Samplers) == 1 && s.Samplers[0].Up && s.Sources.UnreadBytes == 0 &&
			o != nil && o.Connected != nil && *o.Connected && o.QueueBytes == 0
	})
	if p := s.Problems; s.Health != "warning" || len(p) != 1 || p[0].What != "1 alert is firing: Broken" {
		t.Errorf("health %s, problems %v", s.Health, p)
	}
	if f := s.Findings[0]; f.Rule != "Broken" || f.Count != 1 || s.Sources.Open != 1 {
		t.Errorf("findings %v, sources %+v", s.Findings, s.Sources)
	}
	if m := s.Samplers; len(m) != 1 || !m[0].Up || m[0].Kind != "http" || m[0].Target != "shop" {
		t.Errorf("samplers %+v", m)
	}
	if s.StateDir.PID != a.cmd.Process.Pid || s.StateDir.Positions.IsZero() || !s.Config.Newest || time.Since(s.Started) > time.Hour {
		t.Errorf("state %+v, config %+v, started %s", s.StateDir, s.Config, s.Started)
	}
	if o := s.output("central"); o.LastAcknowledged.Before(s.Started) || time.Since(o.LastAcknowledged) > time.Hour {
		t.Errorf("last acknowledged: %+v", o)
	}
	// It is observed four times a minute.
	ask(3, func() bool {
		return s.LastHour != nil && s.LastHour.Lines == 100 && s.LastHour.Findings == 1 && s.LastHour.Fired == 1
	})
	if h := s.LastHour; h.Until.Sub(h.Since) > time.Hour || h.Since.Before(s.Started.Add(-time.Minute)) {
		t.Errorf("the last hour is from %s until %s", h.Since, h.Until)
	}

	// A page that is down, a receiver that is away, and a configuration that is wrong.
	gone.Store(true)
	receiver.Stop()
	appendTo(t, logs+"/app.log", "more\n")
	good, err := os.ReadFile(a.config)
	if err != nil {
		t.Fatal(err)
	}
	a.write("agent.yaml", string(good)+"log: {level: loud}\n")
	text := ""
	ask(3, func() bool {
		text = ""
		for _, p := range s.Problems {
			text += p.What + "\n" + p.Why + "\n" + p.Do + "\n"
		}
		return len(s.Problems) >= 4 && !s.Config.Newest && strings.Contains(text, "503") && strings.Contains(text, "central brings nothing away")
	})
	for _, want := range []string{
		"http/shop: it answers, and not as expect wants it", "the status is 503", "logkeel probe shop",
		"the newest configuration is wrong", "logkeel check", "output central brings nothing away",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("it does not say %q:\n%s", want, text)
		}
	}
	if !strings.Contains(s.Samplers[0].Error, "503") {
		t.Errorf("samplers %+v", s.Samplers)
	}
	out, code = logkeelRun(t, nil, "status", "--config", a.config)
	for _, want := range []string{"things to look at", "1 log open", "last hour  10", "last acknowledged ", "Broken (warning)", "0 of 1 are measured in full", "central: not connected"} {
		if code != 3 || !strings.Contains(out, want) {
			t.Errorf("ended with %d and without %q:\n%s", code, want, out)
		}
	}
}

func (s *status) output(name string) *output {
	for i := range s.Outputs {
		if s.Outputs[i].Name == name {
			return &s.Outputs[i]
		}
	}
	return nil
}

// What others have called their rules and containers does not reach the terminal.
func TestStatusIsPrintable(t *testing.T) {
	s := &status{
		Version: "dev\x1b[2J", Problems: []problem{{"a\x1b[31m", "b\x07", "c\n"}}, Samplers: []sampler{{Kind: "http", Target: "x", Error: "no\x1b]0;title\x07"}},
		Findings: []ruleCount{{Rule: "R\r", Count: 1}}, Sources: sourceStatus{Behind: []source{{Name: "docker a\x1b[1m"}}}, Outputs: []output{{Name: "o\x1b"}},
		Alerts: []alertCount{{Rule: "\x9b1m", State: "firing", Count: 1}},
	}
	var b strings.Builder
	if err := s.print(&b, time.Now()); err != nil {
		t.Fatal(err)
	}
	for _, r := range b.String() {
		if r < ' ' && r != '\n' || r >= 0x7f && r < 0xa0 {
			t.Fatalf("%q is printed in\n%q", r, b.String())
		}
	}
}

// appendTo writes lines behind those that there are.
func appendTo(t *testing.T, path, lines string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err == nil {
		_, err = f.WriteString(lines)
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
}
