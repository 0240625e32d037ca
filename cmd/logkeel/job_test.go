package main

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/webgrip/logkeel/agent/testenv"
)

// job is logkeel job with arguments, in an empty folder.
func job(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(os.Args[0], append([]string{"job"}, args...)...)
	cmd.Env = append(os.Environ(), "LOGKEEL_TEST_MAIN=1", "LOGKEEL_CONFIG=/not/there")
	cmd.Dir = t.TempDir()
	cmd.WaitDelay = 20 * time.Second
	return cmd
}

// A command behind logkeel job does what it does without it, whether an agent
// listens or not. nobody is where none does.
func TestJobIsTheCommand(t *testing.T) {
	t.Parallel()
	nobody := "--to=http://" + testenv.Addr(t)
	for _, tt := range []struct {
		name, script, stdin string
		flags               []string
		code                int
		stdout, stderr      string
	}{
		{name: "well", script: "echo out; echo err >&2", stdout: "out\n", stderr: "err\n"},
		{name: "with a code", script: "exit 42", code: 42},
		{name: "by a signal", script: "kill -TERM $$", code: 143},
		{name: "by a harder one", script: "kill -KILL $$", code: 137},
		{name: "with input", script: "tr a-z A-Z", stdin: "some text\n\x00\xff", stdout: "SOME TEXT\n\x00\xff"},
		{name: "with arguments like ours", script: `echo "$@"`, stdout: "-q --to x --help\n"},
		{name: "quietly", flags: []string{"-q"}, script: "echo out; echo err >&2"},
		{name: "quietly, but failing", flags: []string{"-q"}, script: "echo out; echo err >&2; exit 1", code: 1, stdout: "out\n", stderr: "err\n"},
		{name: "by itself", flags: []string{"--no-output"}, script: "echo out; echo err >&2; exit 2", code: 2, stdout: "out\n", stderr: "err\n"},
		{name: "with much output", script: "yes | head -c 1000000", stdout: strings.Repeat("y\n", 500000)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cmd := job(t, append(append([]string{"backup", nobody}, tt.flags...), "--", "sh", "-c", tt.script, "sh", "-q", "--to", "x", "--help")...)
			var stdout, stderr bytes.Buffer
			cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(tt.stdin), &stdout, &stderr
			_ = cmd.Run()
			if code := cmd.ProcessState.ExitCode(); code != tt.code {
				t.Errorf("it ends with %d, want %d: %s", code, tt.code, stderr.String())
			}
			if stdout.String() != tt.stdout {
				t.Errorf("it writes %.100q, want %.100q", stdout.String(), tt.stdout)
			}
			said := 0
			var rest strings.Builder
			for line := range strings.Lines(stderr.String()) {
				if strings.HasPrefix(line, "logkeel job: the agent at http://127.0.0.1:") && strings.Contains(line, "was not told of backup: dial tcp") {
					said++
				} else {
					rest.WriteString(line)
				}
			}
			if said != 1 || rest.String() != tt.stderr {
				t.Errorf("that no agent listens was said %d times, beside %q, want %q", said, rest.String(), tt.stderr)
			}
		})
	}
}

func TestJobThatCannotBeRun(t *testing.T) {
	t.Parallel()
	plain := filepath.Join(t.TempDir(), "plain")
	if err := os.WriteFile(plain, []byte("#!/bin/sh\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	to := "--to=http://" + testenv.Addr(t)
	for _, tt := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"backup", to, "--", "/not/there"}, 127, "/not/there: no such file"},
		{[]string{"backup", to, "--", "no-such-program"}, 127, "executable file not found"},
		{[]string{"backup", to, "--", plain}, 126, "permission denied"},
		{[]string{"backup", "true"}, 2, "put -- between"},
		{[]string{"backup"}, 2, "it takes a job's name, -- and a command"},
		{[]string{"backup", "--"}, 2, "it takes a job's name"},
		{[]string{"--", "true"}, 2, "it takes a job's name"},
		{[]string{"backup", "--to=ftp://x", "--", "true"}, 2, "write it as http://127.0.0.1:9766"},
	} {
		cmd := job(t, tt.args...)
		out, _ := cmd.CombinedOutput()
		if code := cmd.ProcessState.ExitCode(); code != tt.code || !strings.Contains(string(out), tt.want) {
			t.Errorf("%q ends with %d and says %s, want %d and %s", tt.args, code, out, tt.code, tt.want)
		}
	}
}

// Signals are the command's, and one that heeds them ends as it likes.
func TestJobPassesSignals(t *testing.T) {
	t.Parallel()
	for sig, want := range map[syscall.Signal]string{syscall.SIGTERM: "TERM", syscall.SIGINT: "INT", syscall.SIGHUP: "HUP", syscall.SIGUSR1: "USR1"} {
		cmd := job(t, "backup", "--to=http://"+testenv.Addr(t), "--", "sh", "-c", `for s in TERM INT HUP USR1; do trap "echo got $s; exit 7" $s; done; echo ready; while :; do sleep 0.05; done`)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, 100)
		n, _ := out.Read(buf)
		if string(buf[:n]) != "ready\n" {
			t.Fatalf("it says %q", buf[:n])
		}
		_ = cmd.Process.Signal(sig)
		n, _ = out.Read(buf)
		_ = cmd.Wait()
		if code := cmd.ProcessState.ExitCode(); code != 7 || string(buf[:n]) != "got "+want+"\n" {
			t.Errorf("after %s it says %q and ends with %d", sig, buf[:n], code)
		}
	}
}

// An agent that accepts and never answers holds no job up for long.
func TestJobWithAnAgentThatHangs(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	cmd := job(t, "backup", "--to=http://"+ln.Addr().String(), "--", "sh", "-c", "exit 5")
	start := time.Now()
	out, _ := cmd.CombinedOutput()
	if took := time.Since(start); cmd.ProcessState.ExitCode() != 5 || took > waitShort || strings.Count(string(out), "was not told") != 1 {
		t.Errorf("after %s it ends with %d: %s", took, cmd.ProcessState.ExitCode(), out)
	}
}

// awaitSeries waits until the page of metrics has that value for the series.
func (a *agentProcess) awaitSeries(series string, want float64) {
	a.t.Helper()
	eventually(a.t, fmt.Sprintf("%s %v", series, want), waitLong, func() bool {
		page, _ := a.page()
		for line := range strings.Lines(string(page)) {
			if value, ok := strings.CutPrefix(line, series+" "); ok {
				v, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
				return err == nil && v == want
			}
		}
		return false
	})
}

// A crontab's lines, as they are written with the page's: what they do is measured,
// and their output goes to Fluentd; also while the agent is killed and comes back.
func TestJobs(t *testing.T) {
	t.Parallel()
	receiver := testenv.ForwardReceiver(t, testenv.ForwardOptions{})
	listen := testenv.Addr(t)
	a := newAgent(t, fmt.Sprintf(`
state_dir: state
collectors:
  jobs:
    listen: %s
    token: hunter2
    interval: 1s
    timeout: 1s
    jobs:
      - {name: backup, schedule: "0 2 * * *", max_duration: 1s}
      - {name: maintenance, schedule: "0 3 * * 0"}
      - {name: own, schedule: "* * * * *", command: [sh, -c, "echo runs itself"]}
rules: {packs: [samples], files: own.yaml}
outputs:
  prometheus: {listen: METRICS}
  fluentd: [{name: main, address: "%s"}]
`, listen, receiver.Addr))
	a.write("own.yaml", `groups: [{name: g, rules: [{name: DiskFull, class: error, severity: critical, match: No space left on device}]}]`)
	a.start()
	a.awaitSeries(`logkeel_jobs_up{target="jobs"}`, 1)
	crontab := func(name, script string) int {
		t.Helper()
		cmd := job(t, name, "--config", a.config, "--", "sh", "-c", script)
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		if err := cmd.Run(); err != nil && !errors.As(err, new(*exec.ExitError)) {
			t.Fatal(err)
		}
		if strings.Contains(stderr.String(), "not told") {
			t.Errorf("%s", stderr.String())
		}
		return cmd.ProcessState.ExitCode()
	}
	if code := crontab("backup", "echo Starting backup; echo 'gzip: No space left on device' >&2; exit 1"); code != 1 {
		t.Errorf("it ends with %d", code)
	}
	crontab("maintenance", "echo Weekly maintenance completed successfully")
	a.awaitSeries(`logkeel_job_failed{name="backup",target="jobs"}`, 1)
	a.awaitSeries(`logkeel_job_failed{name="maintenance",target="jobs"}`, 0)
	a.awaitSeries(`logkeel_findings_total{class="error",container="",project="",rule="DiskFull",service="",severity="critical",source="jobs"}`, 1)
	for _, want := range []string{`"jobs.backup"`, `gzip: No space left on device`, `"jobs.maintenance"`, "Weekly maintenance completed successfully"} {
		eventually(t, want+" comes", waitLong, func() bool {
			for line := range receiver.Lines() {
				if strings.Contains(string(line), want) {
					return true
				}
			}
			return false
		})
	}

	// A job that outlives the agent, and one that is killed itself.
	long := job(t, "maintenance", "--config", a.config, "--", "sh", "-c", "cat; exit 3")
	input, err := long.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	killed := job(t, "backup", "--config", a.config, "--", "sh", "-c", "sleep 1000")
	killed.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	for _, cmd := range []*exec.Cmd{long, killed} {
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
	}
	a.awaitSeries(`logkeel_job_running{name="maintenance",target="jobs"}`, 1)
	a.awaitSeries(`logkeel_job_running{name="backup",target="jobs"}`, 1)
	_ = syscall.Kill(-killed.Process.Pid, syscall.SIGKILL)
	_ = killed.Wait()
	a.kill()
	a.start()
	a.awaitSeries(`logkeel_job_running{name="maintenance",target="jobs"}`, 1)
	input.Close()
	_ = long.Wait()
	if code := long.ProcessState.ExitCode(); code != 3 {
		t.Errorf("it ends with %d", code)
	}
	a.awaitSeries(`logkeel_job_last_exit_code{name="maintenance",target="jobs"}`, 3)
	a.awaitSeries(`logkeel_job_runs_total{name="maintenance",result="success",target="jobs"}`, 1)
	a.awaitSeries(`logkeel_job_too_long{name="backup",target="jobs"}`, 1)
	crontab("backup", "true")
	a.awaitSeries(`logkeel_job_runs_total{name="backup",result="lost",target="jobs"}`, 1)
	a.awaitSeries(`logkeel_job_failed{name="backup",target="jobs"}`, 0)
	eventually(t, "the agent's own job runs each minute", waitLong, func() bool { return a.metric("logkeel_job_runs_total", `name="own"`, `result="success"`) >= 1 })
	a.stop()
	if log, _ := os.ReadFile(a.stderr); bytes.Contains(log, []byte("hunter2")) {
		t.Error("the log has the token")
	}
}
