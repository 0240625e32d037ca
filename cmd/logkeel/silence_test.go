package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/webgrip/logkeel/agent/testenv"
)

func TestSilenceCommand(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("agent.yaml", "state_dir: kept\nrules: {files: [nowhere.yaml]}\n") // the rest may be wrong
	type step struct {
		args string
		code int
		want string
	}
	run := func(steps ...step) {
		t.Helper()
		for _, s := range steps {
			stdout, stderr, code := logkeel(t, dir, append([]string{"silence"}, strings.Split(s.args, "|")...)...)
			if got := stdout + stderr; code != s.code || !strings.Contains(got, s.want) {
				t.Errorf("silence %s: exit code %d, printed\n%swant %d and %q", s.args, code, got, s.code, s.want)
			}
		}
	}
	run(step{"1f0c9a3e|4h", 2, "no such file or directory; the agent makes it when it first runs"})
	if err := os.Mkdir(filepath.Join(dir, "kept"), 0o700); err != nil {
		t.Fatal(err)
	}
	run(
		step{"list", 0, "nothing is silenced"},
		step{"1f0c9a3e|4h|--comment|a\x1b[31mb", 0, "  the agent knows of nothing with this handle now; it is silenced if it comes"},
		step{`rule="Slow", service=~"d.*"|2d`, 0, `: rule="Slow", service=~"d.*"`},
		step{"list", 0, `handle="1f0c9a3e"`},
		step{"list", 0, `a\x1b[31mb`},
		step{"end|1f0c9a3e", 0, `is over: handle="1f0c9a3e"`},
		step{"end|1f0c9a3e", 2, "logkeel silence list says which there are"},
		step{"list", 0, "over since "},
		step{"1f0c9a3e", 2, "for how long? Write logkeel silence 1f0c9a3e 4h"},
		step{"1f0c9a3e|91d", 2, "91d is out of range; write 1s to 90d"},
		step{"1f0c9a3e|4", 2, `"4" is no duration; write 30m, 4h or 2d`},
		step{"Slow|4h", 2, `"Slow" is neither a handle`},
		step{`rule=Slow|4h`, 2, "column 6: expected a value in double quotes"},
		step{"end", 2, "name one silence"},
		step{"--help", 0, "docker compose exec logkeel logkeel silence"},
	)
	write("kept/silences.json", "{")
	run(step{"1f0c9a3e|4h", 2, "silences.json is not what logkeel writes"})
}

// TestSilencedAgent silences an agent that runs, by matchers and by the handle, and
// lets it tell afterwards.
func TestSilencedAgent(t *testing.T) {
	t.Parallel()
	smtp := testenv.SMTP(t)
	a := newAgent(t, fmt.Sprintf(`
collectors:
  files: [{name: app, paths: [app.log]}]
rules: {files: [rules.yaml]}
outputs:
  prometheus: {listen: METRICS}
  email:
    - {name: ops, server: "%s", tls: {ca_file: %s}, username: %s, password_file: smtp-password, from: logkeel@shop.example, to: ops@shop.example, group_wait: 1s}
`, smtp.Addr, smtp.CAFile, smtp.Username))
	a.write("smtp-password", smtp.Password)
	a.write("rules.yaml", "groups:\n  - name: planted\n    rules:\n      - {name: Loud, class: error, severity: critical, match: 'loud', window: 1h}\n      - {name: Quiet, class: error, severity: critical, match: 'quiet', window: 1h}\n")
	a.write("app.log", "begin\n")
	a.start()
	eventually(t, "it runs", waitShort, func() bool { _, err := a.page(); return err == nil })
	silence := func(args ...string) string {
		t.Helper()
		stdout, stderr, code := logkeel(t, t.TempDir(), append([]string{"silence", "--config", a.config}, args...)...)
		if code != 0 {
			t.Fatalf("exit code %d: %s", code, stderr)
		}
		return stdout
	}
	silence(`rule="Quiet"`, "1h")
	eventually(t, "the silence holds", waitShort, func() bool { return a.metric("logkeel_silences") == 1 })
	log, err := os.OpenFile(filepath.Join(filepath.Dir(a.config), "app.log"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	if _, err := log.WriteString("it is quiet\n"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "an alert is silenced", waitShort, func() bool { return a.metric("logkeel_alerts_muted") == 1 })
	if _, err := log.WriteString("it is loud\n"); err != nil {
		t.Fatal(err)
	}
	if got := smtp.Await(1, time.Minute); len(got) != 1 || !strings.Contains(got[0].Subject(), "Loud") {
		t.Fatalf("%d mails came, want one about Loud", len(got))
	}
	list := silence("list")
	silence("end", strings.Fields(strings.SplitN(list, "\n", 2)[1])[0])
	if got := smtp.Await(2, time.Minute); len(got) != 2 || !strings.Contains(got[1].Subject(), "Quiet") {
		t.Errorf("%d mails came, want another about Quiet", len(got))
	}
}

// TestCheckSaysRoutes: who is told of what can be read without the file.
func TestCheckSaysRoutes(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	const text = "outputs:\n  email:\n    - name: ops\n      server: mail\n      from: a@shop.example\n      to: ops@shop.example\n" +
		"      routes: [{match: {severity: critical}, to: oncall@shop.example}, {match: 'service=~\"shop-.*\", class!=\"slow\"'}]\n"
	if err := os.WriteFile(filepath.Join(dir, "agent.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	stdout, stderr, code := logkeel(t, dir, "check")
	for _, want := range []string{
		"           those with severity=\"critical\" to oncall@shop.example\n",
		"           those with service=~\"shop-.*\", class!=\"slow\" to ops@shop.example\n",
	} {
		if code != 0 || !strings.Contains(stdout, want) {
			t.Errorf("exit code %d, printed\n%s%swant %s", code, stdout, stderr, want)
		}
	}
}
