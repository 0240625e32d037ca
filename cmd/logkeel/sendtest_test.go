package main

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/webgrip/logkeel/agent/testenv"
)

// check --send-test says of each recipient what a real server answered, also
// while an agent runs with the same state_dir, of which it touches nothing.
func TestSendTest(t *testing.T) {
	smtp := testenv.SMTP(t)
	output := func(name, to string) string {
		return fmt.Sprintf("    - {name: %s, server: '%s', tls: {ca_file: '%s'}, username: %s, password_file: smtp-password, from: logkeel@shop.example, to: [%s], group_wait: 0s}\n",
			name, smtp.Addr, smtp.CAFile, smtp.Username, to)
	}
	a := newAgent(t, "outputs:\n  prometheus: {listen: METRICS}\n  email:\n"+output("ops", "ops@shop.example")+output("others", "oncall@shop.example, reject@shop.example"))
	a.write("smtp-password", smtp.Password)
	listing := func() string {
		var all []string
		err := filepath.WalkDir(filepath.Dir(a.config), func(path string, e fs.DirEntry, err error) error {
			all = append(all, path)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return strings.Join(all, "\n")
	}
	run := func(code int, args ...string) string {
		t.Helper()
		stdout, stderr, got := logkeel(t, "", append([]string{"check", "-c", a.config, "--send-test"}, args...)...)
		if got != code || strings.Contains(stdout+stderr, smtp.Password) {
			t.Errorf("%v: exit code %d, want %d\n%s%s", args, got, code, stdout, stderr)
		}
		return stdout + stderr
	}
	before := listing()
	if said := run(0, "--output", "ops"); !strings.Contains(said, "is right") || !strings.Contains(said, "  sent    ops@shop.example: the server has taken it\n") {
		t.Error(said)
	}
	if now := listing(); now != before {
		t.Errorf("it left\n%s\nwhere there was\n%s", now, before)
	}
	a.start()
	a.awaitUp()
	said := run(exitFailed)
	for _, want := range []string{
		"a test through email others, by " + smtp.Addr + "\n", "  sent    ops@shop.example: ", "  sent    oncall@shop.example: ",
		"  failed  reject@shop.example: recipient at " + smtp.Addr + ": 550 5.1.1 no such user; is the address right", "the test failed for 1 of 3\n",
	} {
		if !strings.Contains(said, want) {
			t.Errorf("%q is not in\n%s", want, said)
		}
	}
	if got := smtp.Await(3, time.Minute); len(got) != 3 || got[0].Subject() != "[test] this is a test of output ops" {
		t.Errorf("%d mails came, the first %s", len(got), got[0].Subject())
	}
	a.stop()
	if said := run(exitUsage, "--output", "fluentd"); said != "no output that tells people of alerts is called \"fluentd\"; there is ops, others\n" {
		t.Error(said)
	}
	if _, stderr, code := logkeel(t, "", "check", "-c", a.config, "--output", "ops"); code != exitUsage || stderr != "--output is for --send-test\n" {
		t.Errorf("%d %s", code, stderr)
	}
	smtp.Stop()
	if said := run(exitFailed, "--output", "ops"); !strings.Contains(said, "  failed  nobody has it: connect to "+smtp.Addr) {
		t.Error(said)
	}
	a.write("agent.yaml", "outputs: {prometheus: {listen: '127.0.0.1:0'}}\n")
	if said := run(exitUsage); !strings.HasPrefix(said, "no output tells people of alerts") {
		t.Error(said)
	}
}

// The command at the end of a mail, given to a shell, says that the rule holds.
func TestMailedCommandWorks(t *testing.T) {
	smtp := testenv.SMTP(t)
	dir := t.TempDir()
	log := filepath.Join(dir, "app.log")
	if err := os.WriteFile(log, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	a := newAgent(t, fmt.Sprintf(`
collectors:
  files: [{name: app, paths: %s, start: beginning}]
rules: {files: [mailed.yaml]}
outputs:
  prometheus: {listen: METRICS}
  email: [{name: ops, server: '%s', tls: {ca_file: '%s'}, username: %s, password: %s, from: l@shop.example, to: [ops@shop.example], group_wait: 0s}]
`, log, smtp.Addr, smtp.CAFile, smtp.Username, smtp.Password))
	a.write("mailed.yaml", "groups: [{name: x, rules: [{name: Broken, class: error, severity: critical, match: 'broke.*here'}]}]\n")
	a.start()
	if err := os.WriteFile(log, []byte("-it's \"broke\" \x1b[31m $(touch "+dir+"/x) `id` \\ here!\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	m := smtp.Await(1, time.Minute)[0]
	command := regexp.MustCompile(`(?m)^  (logkeel explain .*)$`).FindStringSubmatch(m.Text)
	if command == nil {
		t.Fatalf("no command in\n%s", m.Text)
	}
	t.Setenv("LOGKEEL_CONFIG", a.config)
	out := shell(t, "logkeel() { "+os.Args[0]+` "$@"; }`+"\n"+command[1])
	if !strings.Contains(out, "holds  Broken (error, critical)") || !strings.Contains(out, `$(touch `) {
		t.Errorf("%s says\n%s", command[1], out)
	}
	if _, err := os.Stat(filepath.Join(dir, "x")); err == nil {
		t.Error("it ran what was logged")
	}
}

// shell runs a script that may call the test's own program as logkeel.
func shell(t *testing.T, script string) string {
	t.Helper()
	t.Setenv("LOGKEEL_TEST_MAIN", "1")
	out, err := exec.Command("sh", "-c", script).CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	return string(out)
}
