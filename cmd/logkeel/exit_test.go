package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// documented are the exit codes in the table of docs/commands.md, as "scan 3".
func documented(t *testing.T) (all []string) {
	t.Helper()
	b, err := os.ReadFile(commandsDoc)
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z ]+)` \\|(.*)\\|$").FindAllStringSubmatch(string(b), -1) {
		for code, cell := range strings.Split(row[2], "|") {
			if strings.TrimSpace(cell) != "" {
				all = append(all, row[1]+" "+strconv.Itoa(code))
			}
		}
	}
	return all
}

// An endingCase is a call of logkeel, and the exit code that it has to have.
type endingCase struct {
	command string
	code    int
	args    string // words; + is a space in one
}

var endings = []endingCase{
	{"init", 0, "init --compose compose.yaml --dir fresh --no-scan"},
	{"init", 1, "init --host unix:///nowhere/docker.sock"},
	{"init", 2, "init --compose compose.yaml --dir fresh --no-scan"}, // they are there by now
	{"check", 0, "check"},
	{"check", 1, "check --send-test"},
	{"check", 2, "check -c wrong.yaml"},
	{"doctor", 0, "doctor rules"},
	{"doctor", 1, "doctor webhook"},
	{"doctor", 2, "doctor nothing"},
	{"doctor", 3, "doctor -c idle.yaml rules"},
	{"demo", 2, "demo --duration 1s"},
	{"test", 0, "test"},
	{"test", 1, "test --require-tests untested.yaml"},
	{"test", 2, "test wrong.yaml"},
	{"explain", 0, "explain declined"},
	{"explain", 1, "explain -"},
	{"explain", 2, "explain --rule Nothing declined"},
	{"scan", 0, "scan app.log"},
	{"scan", 1, "scan app.log nothing.log"},
	{"scan", 2, "scan --rule Nothing app.log"},
	{"scan", 3, "scan --fail-on-match app.log"},
	{"status", 1, "status"},
	{"status", 2, "status -c idle.yaml"},
	{"tap", 1, "tap"},
	{"tap", 2, "tap --limit -1"},
	{"report", 1, "report"},
	{"report", 2, "report --output nothing"},
	{"probe", 1, "probe http://127.0.0.1:1/"},
	{"probe", 2, "probe nothing"},
	{"run", 2, "run -c wrong.yaml"},
	{"health", 1, "health"},
	{"health", 2, "health -c idle.yaml"},
	{"job", 0, "job backup -- true"},
	{"job", 1, "job backup -- false"},
	{"job", 2, "job backup"},
	{"job", 3, "job backup -- sh -c exit+3"},
	{"job", 126, "job backup -- ./app.log"},
	{"job", 127, "job backup -- ./nothing"},
	{"job", 143, "job backup -- sh -c kill+$$"},
	{"silence", 0, "silence 0123abcd 1h"},
	{"silence", 2, "silence 0123abcd never"},
	{"silence list", 0, "silence list"},
	{"silence list", 2, "silence list -c idle.yaml"},
	{"silence end", 0, "silence end 0123abcd"},
	{"silence end", 2, "silence end 0123abcd"}, // which is over now
	{"completion", 2, "completion tcsh"},
	{"schema", 2, "schema agent rules"},
	{"version", 2, "version 1"},
	{"help", 2, "help nothing"},
}

// The table of exit codes is right: each code of each command is provoked.
func TestExitCodes(t *testing.T) {
	t.Parallel()
	a := newAgent(t, `
collectors: {files: [{name: app, paths: app.log, start: beginning}]}
rules: {files: own.yaml}
outputs:
  prometheus: {listen: METRICS}
  webhook: [{name: hook, url: 'http://127.0.0.1:1/'}]
  email: [{name: ops, server: '127.0.0.1:1', from: a@b.example, to: c@d.example, report: {}}]
`)
	dir := filepath.Dir(a.config)
	const own = "groups: [{name: g, rules: [{name: Declined, class: error, severity: warning, match: declined}]}]\n"
	for name, text := range map[string]string{
		"wrong.yaml": "groups: 1\nrulez: 1\n", "idle.yaml": "state_dir: none\nrules: {files: own.yaml}\n", "untested.yaml": own,
		"own.yaml": own + "tests: [{rule: Declined, finds: declined}]\n", "app.log": "all is well\ndeclined\n", "quiet.log": "",
		"compose.yaml": "services: {app: {image: 'nginx:1'}}\n",
	} {
		a.write(name, text)
	}
	if err := os.Mkdir(filepath.Join(dir, "state"), 0o700); err != nil {
		t.Fatal(err)
	}
	done := map[string]bool{}
	for _, e := range endings {
		done[e.command+" "+strconv.Itoa(e.code)] = true
		if out, code := ends(t, dir, e.args); code != e.code {
			t.Errorf("logkeel %s: exit code %d, want %d\n%s", e.args, code, e.code, out)
		}
	}
	for _, name := range withAgent(t, a) {
		done[name] = true
	}
	for _, name := range []string{"run 1", "demo 0", "demo 1"} { // a disk that fails; and TestDemo sees to the others
		done[name] = true
	}
	for _, name := range documented(t) {
		if !done[name] {
			t.Errorf("%s is in the table, and nothing provokes it", name)
		}
		delete(done, name)
	}
	for name := range done {
		if code := name[strings.LastIndexByte(name, ' ')+1:]; len(code) == 1 {
			t.Errorf("%s is not in the table", name)
		}
	}
}

// ends runs logkeel in the folder, with a line on standard input that is too long.
func ends(t *testing.T, dir, args string) (out string, code int) {
	t.Helper()
	words := strings.Fields(args)
	for i := range words {
		words[i] = strings.ReplaceAll(words[i], "+", " ")
	}
	return logkeelRun(t, func(cmd *exec.Cmd) {
		cmd.Dir = dir
		cmd.Stdin = strings.NewReader(strings.Repeat("x", maxExplained+1))
	}, words...)
}

// withAgent provokes what takes an agent that runs.
func withAgent(t *testing.T, a *agentProcess) (done []string) {
	t.Helper()
	dir := filepath.Dir(a.config)
	expect := func(code int, args string) {
		t.Helper()
		eventually(t, fmt.Sprintf("logkeel %s ends with %d", args, code), waitLong, func() bool {
			_, got := ends(t, dir, args)
			return got == code
		})
		command := strings.Fields(args)[0]
		done = append(done, command+" "+strconv.Itoa(code))
	}
	a.start()
	a.awaitUp()
	expect(0, "health")
	expect(0, "probe http://"+a.metrics+"/-/healthy")
	expect(3, "status") // an alert fires
	tapped := make(chan int, 1)
	go func() {
		cmd := exec.Command(os.Args[0], "tap", "--limit", "1", "-c", a.config)
		cmd.Env = append(os.Environ(), "LOGKEEL_TEST_MAIN=1")
		cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		_ = cmd.Run()
		tapped <- cmd.ProcessState.ExitCode()
	}()
	eventually(t, "somebody looks", waitShort, func() bool { return a.metric("logkeel_tap_clients") == 1 })
	a.write("app.log", "all is well\ndeclined\none more\n")
	if code := <-tapped; code != 0 {
		t.Errorf("tap --limit ends with %d", code)
	}
	a.stop()
	done = append(done, "run 0", "tap 0")
	expect(0, "report") // the agent has begun to gather
	a.write("app.log", "all is well\n")
	if err := os.RemoveAll(filepath.Join(dir, "state")); err != nil {
		t.Fatal(err)
	}
	a.start()
	a.awaitUp()
	expect(0, "status")
	a.stop()
	return slices.Clip(done)
}

// Nobody is told that the reader of a pipe has gone; and where the disk is full, it is
// said.
func TestOutputThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	dir := writeFiles(t, "app.log", strings.Repeat("2026-01-02 10:00:00 an ERROR\n", 100_000))
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	read.Close()
	scan := []string{"scan", "--rules", "pack:operations", "--limit", "0", filepath.Join(dir, "app.log")}
	for name, out := range map[string]*os.File{"a reader that is gone": write, "a full disk": openToWrite(t, "/dev/full")} {
		cmd := exec.Command(os.Args[0], scan...)
		var errs strings.Builder
		cmd.Env, cmd.Stdout, cmd.Stderr = append(os.Environ(), "LOGKEEL_TEST_MAIN=1"), out, &errs
		began := time.Now()
		_ = cmd.Run()
		switch status := cmd.ProcessState.Sys().(syscall.WaitStatus); {
		case out == write && (status.Signal() != syscall.SIGPIPE || errs.Len() > 0):
			t.Errorf("%s: %v, %s", name, cmd.ProcessState, errs.String())
		case out != write && (status.ExitStatus() != exitFailed || !strings.Contains(errs.String(), "no space left on device")):
			t.Errorf("%s: %v, %s", name, cmd.ProcessState, errs.String())
		}
		if took := time.Since(began); took > waitLong {
			t.Errorf("%s: it goes on for %s", name, took)
		}
		out.Close()
	}
}

func openToWrite(t *testing.T, name string) *os.File {
	t.Helper()
	f, err := os.OpenFile(name, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// So it is where a command does not look whether what it prints was written.
func TestOutputIsLookedAt(t *testing.T) {
	t.Parallel()
	dir := writeFiles(t, "compose.yaml", "services: {app: {image: 'nginx:1'}}\n")
	for _, args := range []string{"help", "test pack:redis", "init --dry-run --no-scan --compose compose.yaml"} {
		full := openToWrite(t, "/dev/full")
		cmd := exec.Command(os.Args[0], strings.Fields(args)...)
		var errs strings.Builder
		cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = dir, append(os.Environ(), "LOGKEEL_TEST_MAIN=1"), full, &errs
		_ = cmd.Run()
		full.Close()
		if cmd.ProcessState.ExitCode() != exitFailed || !strings.Contains(errs.String(), "no space left on device") {
			t.Errorf("%s: %v, %s", args, cmd.ProcessState, errs.String())
		}
	}
}

// Only somebody who has interrupted a command knows why it was cancelled.
func TestCancelledIsSaid(t *testing.T) {
	t.Parallel()
	err := fmt.Errorf("ask the engine: %w", context.Canceled)
	var said strings.Builder
	if code := ending(t.Context(), err, false, &said); code != exitFailed || !strings.Contains(said.String(), "ask the engine") {
		t.Errorf("%d, %q", code, said.String())
	}
	said.Reset()
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(interruption{signal: syscall.SIGINT})
	if code := ending(ctx, err, false, &said); code != 130 || said.Len() > 0 {
		t.Errorf("%d, %q", code, said.String())
	}
	// What could not be brought to an end is no interruption.
	lost := errors.New("the ledger could not be written")
	if code := ending(ctx, lost, true, &said); code != exitFailed || !strings.Contains(said.String(), "the ledger") {
		t.Errorf("%d, %q", code, said.String())
	}
}

// A file that somebody else wrote does not get to the terminal by an error.
func TestErrorsArePrintable(t *testing.T) {
	t.Parallel()
	dir := writeFiles(t, "compose.yaml", `services: {"a\e[31mb": 5}`, "agent.yaml", `"st\e[31m": x`)
	for _, args := range []string{"init --compose compose.yaml", "check -c agent.yaml"} {
		if out, code := ends(t, dir, args); code != exitUsage || strings.Contains(out, "\x1b") || !strings.Contains(out, "[31m") {
			t.Errorf("%s: exit code %d: %q", args, code, out)
		}
	}
}
