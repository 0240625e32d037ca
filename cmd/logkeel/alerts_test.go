package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/testenv"
)

// mailed is what the mailbox has of one rule.
type mailed struct{ firing, resolved []*testenv.Mail }

func byRule(mails []*testenv.Mail, rules ...string) map[string]*mailed {
	all := map[string]*mailed{}
	for _, rule := range rules {
		m := &mailed{}
		all[rule] = m
		for _, mail := range mails {
			switch s := mail.Subject(); {
			case !strings.Contains(s, rule):
			case strings.Contains(s, "[resolved"):
				m.resolved = append(m.resolved, mail)
			default:
				m.firing = append(m.firing, mail)
			}
		}
	}
	return all
}

// A rule for each thing that is planted, in a hurry; what a machine is slow with
// that does much else is none of them.
const plantedRules = `
groups:
  - name: planted
    rules:
      - {name: AppErrors, class: error, severity: critical, match: 'production\.ERROR', threshold: 3, window: 8s, runbook: look at the cart}
      - {name: Injection, class: security, match: 'from (?P<ip>[0-9.]+): injection', by: [ip], window: 8s}
      - {name: SlowQuery, class: slow, sample: logkeel_mysql_statement_seconds_avg, above: 500ms, by: [target, schema]}
      - {name: SlowPage, class: slow, sample: probe_duration_seconds, above: 4s}
      - {name: NoDatabase, class: database, severity: critical, sample: mysql_up, equals: 0, for: 4s}
      - {name: Unhealthy, class: availability, severity: critical, sample: logkeel_container_health, source: {status: unhealthy}, equals: 1, by: [name]}
`

// Errors, an attack, a slow query, a slow page, a database that is down and a
// container that is unhealthy: each is found, told in one mail, visible in
// Prometheus, and told to be over in one mail.
func TestEachIncidentIsOneMail(t *testing.T) {
	t.Parallel()
	db := testenv.MariaDB(t, "--performance-schema=ON")
	db.SQL(`CREATE USER agent@'127.0.0.1' IDENTIFIED BY 'hunter2'; GRANT SELECT ON performance_schema.* TO agent@'127.0.0.1'; CREATE DATABASE shop`)
	cache := testenv.Redis(t)
	smtp := testenv.SMTP(t)
	var slow atomic.Bool
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if slow.Load() {
			time.Sleep(5 * time.Second)
		}
		fmt.Fprint(w, "healthy")
	}))
	defer page.Close()
	engine := testenv.Docker(t)
	shared := t.TempDir()
	lines := filepath.Join(shared, "lines")
	write := func(text ...string) {
		t.Helper()
		f, err := os.OpenFile(lines, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if _, err := f.WriteString(strings.Join(text, "\n") + "\n"); err != nil {
			t.Fatal(err)
		}
	}
	write("the application starts")
	engine.Run("--name", "shop-app-1", "--label", "com.docker.compose.project=shop", "--label", "com.docker.compose.service=app", "--volume", shared+":/shared:ro",
		"--health-cmd", "test ! -e /shared/sick", "--health-interval", "1s", "--health-retries", "1",
		engine.Image("app:1"), "tail", "-f", "-n", "+1", "/shared/lines")

	a := newAgent(t, fmt.Sprintf(`
collectors:
  docker: {root: %s, host: "%s", stats: {interval: 5s, timeout: 5s}}
  mysql: [{name: db, address: "%s", user: agent, password: hunter2, interval: 5s, timeout: 5s}]
  redis: [{name: cache, address: "%s", interval: 5s, timeout: 5s}]
  http: [{name: page, url: "%s", interval: 10s, timeout: 10s}]
rules: {files: [planted.yaml]}
outputs:
  prometheus: {listen: METRICS}
  email:
    - name: ops
      server: "%s"
      tls: {ca_file: %s}
      username: %s
      password_file: smtp-password
      from: logkeel@shop.example
      to: [ops@shop.example]
      group_wait: 1s
`, engine.Root, engine.Host, db.Addr, cache.Addr, page.URL, smtp.Addr, smtp.CAFile, smtp.Username))
	a.write("planted.yaml", plantedRules)
	a.write("smtp-password", smtp.Password)
	prom := testenv.Prometheus(t, a.metrics)
	a.start()
	for _, expr := range []string{
		`mysql_up == 1`, `redis_up == 1`, `probe_success == 1`, `logkeel_container_health{name="shop-app-1",status="healthy"} == 1`,
		`logkeel_source_lines_total{container="shop-app-1"} == 1`, `sum(logkeel_alerts) == 0`,
	} {
		prom.Await(expr, waitLong)
	}
	fires := func(rule string, seen ...string) {
		t.Helper()
		for _, expr := range append(seen, fmt.Sprintf(`max_over_time(logkeel_alerts{rule="%s",state="firing"}[10m]) == 1`, rule)) {
			prom.Await(expr, waitShort)
		}
		eventually(t, "the mail of "+rule, waitShort, func() bool { return len(byRule(smtp.Mails(), rule)[rule].firing) > 0 })
	}
	over := func(rule string) {
		t.Helper()
		prom.Await(fmt.Sprintf(`logkeel_alerts{rule="%s",state="firing"} == 0`, rule), waitShort)
	}

	write("production.ERROR: <b>no</b> cart 1", "production.ERROR: no cart 2", "fine", "production.ERROR: no cart 3", "from 203.0.113.9: injection: id=1' OR '1'='1")
	fires("AppErrors", `logkeel_findings_total{rule="AppErrors",container="shop-app-1",service="app"} == 3`)
	fires("Injection")

	db.SQL(`USE shop; SELECT SLEEP(1.1)`)
	fires("SlowQuery", `max(mysql_perf_schema_events_statements_seconds_total{schema="shop"}) > 1`)
	db.SQL(`USE shop; ` + strings.Repeat(`SELECT SLEEP(0);`, 20))
	over("SlowQuery")

	slow.Store(true)
	fires("SlowPage", `max_over_time(probe_duration_seconds{target="page"}[10m]) > 4`, `max_over_time(probe_http_duration_seconds{phase="processing"}[10m]) > 4`)
	slow.Store(false)
	over("SlowPage")

	db.Stop()
	fires("NoDatabase", `mysql_up{target="db"} == 0`)
	db.Start()
	over("NoDatabase")

	a.write(filepath.Join(shared, "sick"), "")
	fires("Unhealthy", `logkeel_container_health{name="shop-app-1",status="unhealthy"} == 1`)
	if err := os.Remove(filepath.Join(shared, "sick")); err != nil {
		t.Fatal(err)
	}
	over("Unhealthy")
	over("AppErrors")
	over("Injection")

	rules := []string{"AppErrors", "Injection", "SlowQuery", "SlowPage", "NoDatabase", "Unhealthy"}
	mails := smtp.Await(2*len(rules), waitLong)
	prom.Await(fmt.Sprintf(`logkeel_notifications_total{output="ops",result="told"} == %d`, 2*len(rules)), waitShort)
	a.stop()
	if n := len(smtp.Mails()); n != 2*len(rules) {
		t.Errorf("%d mails, want %d", n, 2*len(rules))
	}
	box := byRule(mails, rules...)
	for rule, m := range box {
		if len(m.firing) != 1 || len(m.resolved) != 1 {
			t.Fatalf("%s: %d mails that it fires and %d that it is over", rule, len(m.firing), len(m.resolved))
		}
		first, last := m.firing[0].Header, m.resolved[0].Header
		if first.Get("Message-Id") == "" || !strings.Contains(last.Get("References"), first.Get("References")) || first.Get("Message-Id") == last.Get("Message-Id") {
			t.Errorf("%s: the mails are no thread: %v, %v", rule, first, last)
		}
	}
	for rule, says := range map[string][]string{
		"AppErrors": {"shop-app-1", "</b> cart 1", "no cart 3", "look at the cart", "critical"},
		"Injection": {"203.0.113.9", "OR '1'='1"},
		"SlowQuery": {"logkeel_mysql_statement_seconds_avg > 0.5", "shop"},
		"SlowPage":  {"probe_duration_seconds > 4", "page"},
		// The value is what is down.
		"NoDatabase": {"mysql_up == 0 for 4s", "db"},
		"Unhealthy":  {"shop-app-1", "logkeel_container_health == 1"},
	} {
		for _, text := range says {
			if !strings.Contains(box[rule].firing[0].Text, text) {
				t.Errorf("the mail of %s does not say %q:\n%s", rule, text, box[rule].firing[0].Text)
			}
		}
	}
	if html := box["AppErrors"].firing[0].HTML; !strings.Contains(html, "&lt;b&gt;no&lt;/b&gt; cart 1") {
		t.Errorf("a log line is not escaped:\n%s", html)
	}
}

// The mail server is away, and the agent is killed meanwhile: one mail a group,
// with all that happened.
func TestMailServerIsDown(t *testing.T) {
	t.Parallel()
	smtp := testenv.SMTP(t)
	a := newAgent(t, fmt.Sprintf(`
collectors:
  files: [{name: app, paths: "*.log"}]
rules: {files: [rules.yaml]}
outputs:
  prometheus: {listen: METRICS}
  email: [%s]
`, mailOutput(smtp, "group_wait: 1s")))
	a.write("rules.yaml", `
groups:
  - name: app
    rules:
      - {name: AppErrors, match: ERROR}
      - {name: AppSlow, match: slow}
`)
	errors := 0
	write := func(n int) {
		t.Helper()
		var b strings.Builder
		for range n {
			errors++
			fmt.Fprintf(&b, "ERROR number %d\n%d was slow\n", errors, errors)
		}
		f, err := os.OpenFile(filepath.Join(filepath.Dir(a.config), "shop.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if _, err := f.WriteString(b.String()); err != nil {
			t.Fatal(err)
		}
	}
	smtp.Stop()
	for range 3 {
		a.start()
		write(100)
		eventually(t, "the mail is tried", waitShort, func() bool { return a.metric("logkeel_notifications_total", `result="failed"`) > 0 })
		write(50)
		a.kill()
		write(10)
	}
	a.start()
	eventually(t, "the mail is tried", waitShort, func() bool { return a.metric("logkeel_notifications_total", `result="failed"`) > 0 })
	eventually(t, "all that was found is handed on", waitLong, func() bool { return a.handedOn(errors) == 2 })
	smtp.Start()
	mails := smtp.Await(2, waitLong)
	eventually(t, "the agent knows", waitShort, func() bool { return a.metric("logkeel_notifications_total", `result="told"`) == 2 })
	a.stop()
	if n := len(smtp.Mails()); n != 2 {
		t.Errorf("%d mails, want 2", n)
	}
	for rule, m := range byRule(mails, "AppErrors", "AppSlow") {
		if len(m.firing) != 1 {
			t.Fatalf("%d mails of %s", len(m.firing), rule)
		}
		if text := m.firing[0].Text; !strings.Contains(text, fmt.Sprintf("Findings  %d\n", errors)) {
			t.Errorf("the mail of %s does not say %d:\n%s", rule, errors, text)
		}
	}
	log, _ := os.ReadFile(a.stderr)
	if n := strings.Count(string(log), "alerts cannot be told"); n != 4 {
		t.Errorf("four runs said %d times that alerts cannot be told", n)
	}
	if strings.Contains(string(log), smtp.Password) {
		t.Error("the log has the password")
	}
}

// handedOn is how many alerts of that many findings the outputs know in full, as far
// as that is on the disk.
func (a *agentProcess) handedOn(findings int) (n int) {
	var kept struct {
		Keys   []struct{ Alert *agent.Alert }
		Outbox []agent.Alert
	}
	b, err := os.ReadFile(filepath.Join(filepath.Dir(a.config), "state", "alerts.json"))
	if err != nil || json.Unmarshal(b, &kept) != nil || len(kept.Outbox) > 0 {
		return 0
	}
	for _, k := range kept.Keys {
		if k.Alert != nil && k.Alert.Count == uint64(findings) {
			n++
		}
	}
	return n
}
