package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/webgrip/logkeel/agent/testenv"
)

const reportConfig = `
collectors:
  files: [{name: app, paths: "*.log"}]
rules: {files: [rules.yaml]}
outputs:
  prometheus: {listen: METRICS}
  email: [%s]
`

// The report adds up over stops, kills and reloads, can be read beside the
// agent, and is mailed when that is asked for.
func TestReportCommand(t *testing.T) {
	t.Parallel()
	smtp := testenv.SMTP(t)
	configured := func(prefix string) string {
		return fmt.Sprintf(reportConfig, mailOutput(smtp, `report: {}, subject_prefix: "`+prefix+`"`))
	}
	a := newAgent(t, configured("[one]"))
	a.write("rules.yaml", "groups:\n  - name: app\n    rules:\n      - {name: Oops, class: error, match: oops, alert: false}\n")
	dir := filepath.Dir(a.config)
	found := func() float64 { return a.metric("logkeel_findings_total", `rule="Oops"`) }
	lines := 0
	write := func(n int) {
		f, err := os.OpenFile(filepath.Join(dir, "app.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		for range n {
			lines++
			fmt.Fprintf(f, "oops %d\n", lines)
		}
	}
	report := func(args ...string) (string, string, int) {
		return logkeel(t, dir, append([]string{"report", "--config", a.config}, args...)...)
	}
	has := func(count int) {
		t.Helper()
		out, errs, code := report()
		if code != 0 || !strings.Contains(strings.Join(strings.Fields(out), " "), fmt.Sprintf(" Oops %d ", count)) {
			t.Errorf("exit code %d, %s; want %d findings in\n%s", code, errs, count, out)
		}
	}
	if _, errs, code := report(); code != exitFailed || !strings.Contains(errs, "start the agent") {
		t.Errorf("before there is anything: exit code %d, %s", code, errs)
	}

	write(3)
	a.start()
	eventually(t, "lines are read", waitLong, func() bool { return found() == 3 })
	a.stop()
	has(3)
	a.start()
	write(4)
	eventually(t, "lines are read", waitLong, func() bool { return found() == 4 })
	a.write("agent.yaml", strings.ReplaceAll(configured("[two]"), "METRICS", a.metrics))
	eventually(t, "the configuration is reloaded", waitLong, func() bool { return a.said("the configuration was reloaded") })
	eventually(t, "the book is written beside the agent", waitLong, func() bool {
		out, _, _ := report()
		return strings.Contains(strings.Join(strings.Fields(out), " "), " Oops 7 ")
	})
	write(1)
	eventually(t, "lines are read", waitLong, func() bool { return found() == 5 })
	a.stop()
	has(8)
	a.start()
	eventually(t, "the agent runs", waitLong, func() bool { return a.metric("logkeel_sources") > 0 })
	a.kill()
	has(8)

	out, errs, code := report("--send")
	if code != 0 || !strings.Contains(errs, "mailed to ops@shop.example") {
		t.Fatalf("exit code %d, %s", code, errs)
	}
	if m := smtp.Await(1, waitLong)[0]; !strings.HasPrefix(m.Subject(), "[two] week of ") || !strings.HasPrefix(m.Text, strings.Split(out, "\n")[0]) {
		t.Errorf("came: %s\n%s", m.Subject(), m.Text)
	}
	for _, tt := range []struct {
		args []string
		says string
		code int
	}{
		{[]string{"--last"}, "no week is over yet; leave --last out for the one that goes on", exitFailed},
		{[]string{"--output", "none"}, "there is no email output none", exitUsage},
		{[]string{"now"}, `unknown argument "now"`, exitUsage},
	} {
		if _, errs, code := report(tt.args...); code != tt.code || !strings.Contains(errs, tt.says) {
			t.Errorf("%v: exit code %d, %s", tt.args, code, errs)
		}
	}
}

// The agent is killed at random moments while it mails a report that came due
// while it was away: the report comes, and again only with the Message-ID that it had.
func TestKilledWhileItReports(t *testing.T) {
	t.Parallel()
	smtp := testenv.SMTP(t)
	a := newAgent(t, fmt.Sprintf(reportConfig, mailOutput(smtp, "report: {}")))
	a.write("rules.yaml", "groups: []\n")
	state := filepath.Join(filepath.Dir(a.config), "state", "report")
	if err := os.MkdirAll(state, 0o700); err != nil {
		t.Fatal(err)
	}
	const rounds, kills = 3, 3
	for round := range rounds {
		start := time.Now().AddDate(0, 0, -10-round)
		a.write(filepath.Join(state, "ops.json"), fmt.Sprintf(`{"version":1,"schedule":"every week on Monday at 08:00","next":%q,"seen":%q,"current":{"start":%q}}`,
			start.AddDate(0, 0, 7).Format(time.RFC3339), start.AddDate(0, 0, 6).Format(time.RFC3339), start.Format(time.RFC3339)))
		for range kills {
			a.start()
			time.Sleep(rand.N(700 * time.Millisecond))
			a.kill()
		}
		a.start()
		eventually(t, "the agent runs", waitLong, func() bool { return a.metric("logkeel_component_up") > 0 })
		eventually(t, "nothing waits", waitLong, func() bool {
			kept, err := os.ReadFile(filepath.Join(state, "ops.json"))
			return err == nil && strings.Contains(string(kept), `"past":`) && !strings.Contains(string(kept), `"unsent":`)
		})
		a.stop()
	}
	smtp.Await(rounds, waitLong)
	smtp.Stop() // what it has it delivers
	times := map[string]int{}
	for _, m := range smtp.Mails() {
		times[m.Header.Get("Message-Id")]++
	}
	if len(times) != rounds {
		t.Errorf("%d reports came; want %d: %v", len(times), rounds, times)
	}
	for id, n := range times {
		if n > 1+kills {
			t.Errorf("%s came %d times", id, n)
		}
	}
	t.Logf("%d mails of %d reports, with %d kills", len(smtp.Mails()), len(times), rounds*kills)
}
