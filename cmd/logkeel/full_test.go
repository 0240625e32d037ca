package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/webgrip/logkeel/agent/testenv"
)

const fullDiskConfig = `
state_dir: %s
collectors:
  files: [{name: app, paths: "*.log"}]
rules: {files: [own.yaml]}
outputs:
  prometheus: {listen: METRICS}
  webhook: [{name: hook, url: "%s", group_wait: 1s, group_interval: 1s}]
  email: [%s]
`

// hooks counts what a webhook is sent, as "firing App1".
type hooks struct {
	mu   sync.Mutex
	came map[string]int
}

func (h *hooks) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	var n struct {
		Status string `json:"status"`
		Alerts []struct {
			Rule string `json:"rule"`
		} `json:"alerts"`
	}
	err := json.NewDecoder(r.Body).Decode(&n)
	h.mu.Lock()
	defer h.mu.Unlock()
	if err != nil || len(n.Alerts) == 0 {
		h.came["broken"]++
		return
	}
	h.came[n.Status+" "+n.Alerts[0].Rule]++
}

func (h *hooks) count(what string) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.came[what]
}

// The disk of state_dir is full, and that is when people have to be told: by mail
// and by webhook, once, of errors in a log, and of the disk itself. When there is
// room again the agent keeps what it has told, and a restart tells nothing twice.
func TestFullDiskIsTold(t *testing.T) {
	t.Parallel()
	smtp := testenv.SMTP(t)
	state := tmpfs(t, "size=1m")
	hook := &hooks{came: map[string]int{}}
	server := httptest.NewServer(hook)
	defer server.Close()
	a := newAgent(t, fmt.Sprintf(fullDiskConfig, state, server.URL, mailOutput(smtp, "group_wait: 1s, group_interval: 1s")))
	var rules strings.Builder
	rules.WriteString("groups:\n  - name: own\n    rules:\n")
	for i := range 6 {
		fmt.Fprintf(&rules, "      - {name: App%d, class: error, severity: critical, match: 'error %d', window: 3s}\n", i, i)
	}
	a.write("own.yaml", rules.String())
	log := filepath.Join(filepath.Dir(a.config), "shop.log")
	write := func(text string) {
		f, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err == nil {
			_, err = fmt.Fprintln(f, text)
			f.Close()
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	told := func(rule string, firing, resolved int) bool {
		m := byRule(smtp.Mails(), rule)[rule]
		return len(m.firing) == firing && len(m.resolved) == resolved &&
			hook.count("firing "+rule) == firing && hook.count("resolved "+rule) == resolved
	}
	said := func(text string) int {
		log, _ := os.ReadFile(a.stderr)
		return strings.Count(string(log), text)
	}
	write("error 0")
	a.start()
	eventually(t, "what was before the disk is full is told", waitLong, func() bool { return told("App0", 1, 0) })

	ballast := filepath.Join(state, "ballast")
	os.WriteFile(ballast, make([]byte, 2<<20), 0o600) // until it is full
	for i := 1; i < 5; i++ {
		write(fmt.Sprint("error ", i))
	}
	for i := 1; i < 5; i++ {
		eventually(t, fmt.Sprintf("error %d is told", i), waitLong, func() bool { return told(fmt.Sprint("App", i), 1, 0) || told(fmt.Sprint("App", i), 1, 1) })
	}
	eventually(t, "the full disk is told", 3*time.Minute, func() bool { return told("StateUnwritable", 1, 0) })
	eventually(t, "the errors are over", waitLong, func() bool { return told("App0", 1, 1) && told("App4", 1, 1) })
	if n := said("told from memory"); n != 2 {
		t.Errorf("that the disk is full was said %d times, of two outputs", n)
	}

	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	eventually(t, "both outputs and the rules have written what they know", waitLong, func() bool {
		return said("is noted again") == 2 && said("what the rules have counted is written again") == 1
	})
	// A kill lets that come again which is on its way.
	eventually(t, "nothing is on its way", waitLong, func() bool {
		return told("StateUnwritable", 1, 1) && a.metric("logkeel_notifications_total", `result="told"`) > 0 && a.metric("logkeel_notifications_pending") == 0
	})
	a.kill()
	a.start()
	eventually(t, "the agent runs", waitLong, func() bool { return a.metric("logkeel_sources") > 0 })
	write("error 5")
	eventually(t, "what comes next is told, and that the disk is well", waitLong, func() bool { return told("App5", 1, 1) && told("StateUnwritable", 1, 1) })
	for i := range 5 {
		if rule := fmt.Sprint("App", i); !told(rule, 1, 1) {
			m := byRule(smtp.Mails(), rule)[rule]
			t.Errorf("%s: %d mails, %d that it is over, and webhooks %v", rule, len(m.firing), len(m.resolved), hook.came)
		}
	}
	a.stop()
}
