package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/webgrip/logkeel/agent/testenv"
)

// hostile is what a log may have in it: HTML, a terminal's sequences, headers of a
// mail, what turns text around or cannot be seen, bytes that are no UTF-8, and a
// megabyte.
var hostileLines = []string{
	`ERROR user=<script>alert(1)</script><img src=x onerror=alert(2)> fails`,
	"ERROR user=\x1b[2J\x1b]0;owned\x07\x1b[31mred fails",
	"ERROR user=a\r\nBcc:victim@example.com\r\n\r\nbody fails",
	"ERROR user=\u202egnp.exe\u2066\u200b\ufeff fails",
	"ERROR user=\xff\xfe\xc3( fails",
	`ERROR user='$(touch /tmp/owned)';"{{.}}"%s%n fails`,
	"ERROR user=\x00\x08\x7f fails",
	"ERROR user=big " + strings.Repeat("A", 1<<20),
}

const hostileConfig = `
collectors:
  files: [{name: app, paths: "*.log"}]
rules: {self: false, files: [rules.yaml]}
outputs:
  prometheus: {listen: METRICS}
  email:
    - %s
  webhook:
    - {name: hook, url: "%s", group_wait: 2s}
`

const hostileRules = `
groups:
  - name: app
    rules:
      - name: Errors
        class: error
        severity: critical
        match: 'ERROR user=(?P<user>\S*)'
        by: [user, fingerprint]
        metric: {name: shop_errors_total, counter: true, labels: [user]}
`

// What a log has in it is text, wherever it comes out: in a mail, a webhook, on the
// page of metrics, on a terminal.
func TestHostileLines(t *testing.T) {
	t.Parallel()
	smtp := testenv.SMTP(t)
	var mu sync.Mutex
	var bodies [][]byte
	hook := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mu.Lock()
		defer mu.Unlock()
		bodies = append(bodies, body)
	}))
	defer hook.Close()
	a := newAgent(t, fmt.Sprintf(hostileConfig, mailOutput(smtp, "group_wait: 2s"), hook.URL))
	a.write("rules.yaml", hostileRules)
	a.write("app.log", strings.Join(hostileLines, "\n")+"\n")
	a.start()
	mail := smtp.Await(1, time.Minute)[0]
	eventually(t, "the webhook has come", waitLong, func() bool { mu.Lock(); defer mu.Unlock(); return len(bodies) > 0 })
	page, err := a.page()
	if err != nil {
		t.Fatal(err)
	}
	a.stop()

	inert(t, "the mail's text", []byte(mail.Text))
	inert(t, "the mail's HTML", []byte(mail.HTML))
	inert(t, "the subject", []byte(mail.Subject()))
	for _, tag := range []string{"<script", "<img"} {
		if strings.Contains(mail.HTML, tag) {
			t.Errorf("the mail has the tag %s", tag)
		}
	}
	if mail.Header.Get("Bcc") != "" || len(mail.To) != 1 || len(mail.Raw) > 200<<10 {
		t.Errorf("a mail of %d bytes to %v, Bcc %q", len(mail.Raw), mail.To, mail.Header.Get("Bcc"))
	}
	mu.Lock()
	defer mu.Unlock()
	for _, body := range bodies {
		if !json.Valid(body) || len(body) > 2<<20 {
			t.Errorf("a webhook of %d bytes is no JSON", len(body))
		}
		inert(t, "the webhook", body)
	}
	if err := testenv.CheckMetrics(t, page); err != nil {
		t.Error(err)
	}
	inert(t, "the page of metrics", page)
	if n := bytes.Count(page, []byte("shop_errors_total{")); n < 6 {
		t.Errorf("%d series of the users:\n%s", n, page)
	}
	log, err := os.ReadFile(a.stderr)
	if err != nil {
		t.Fatal(err)
	}
	inert(t, "the agent's log", log)

	dir := filepath.Dir(a.config)
	for _, args := range [][]string{
		{"scan", "--color", "never", filepath.Join(dir, "app.log")},
		{"scan", "--json", filepath.Join(dir, "app.log")},
		{"explain", hostileLines[1]},
		{"silence", `user="\u001b[31m"`, "1h", "--comment", hostileLines[3]},
		{"silence", "list"},
		{"report"},
	} {
		cmd := exec.Command(a.program, append([]string{"--config", a.config}, args...)...)
		cmd.Env = append(os.Environ(), a.env...)
		out, err := cmd.CombinedOutput()
		if err != nil && args[0] != "report" { // there is none without its section
			t.Errorf("%v: %v\n%s", args[0], err, out)
		}
		inert(t, "logkeel "+args[0], out)
	}
	if _, err := os.Stat("/tmp/owned"); err == nil {
		t.Error("a line was run")
	}
}

// inert wants text that a terminal shows as it is, line by line.
func inert(t *testing.T, what string, text []byte) {
	t.Helper()
	if !utf8.Valid(text) {
		t.Errorf("%s is no UTF-8", what)
	}
	for _, r := range string(text) {
		if r < ' ' && r != '\n' && r != '\t' || r == 0x7f || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 || r == 0x200b || r == 0xfeff {
			i := strings.IndexRune(string(text), r)
			t.Errorf("%s has %U: %q", what, r, text[max(0, i-40):min(len(text), i+40)])
			return
		}
	}
}
