package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/webgrip/logkeel/agent/testenv"
)

// A diagnosed configuration is what `logkeel doctor --json` said of it.
type diagnosed struct {
	t      *testing.T
	Health string
	Parts  []struct {
		Part, Kind, Name, Health string
		Findings                 []struct{ Health, Cause, What, Why, Do string }
	}
	code int
	text string
}

// doctorOf runs the command on a configuration, in a process of its own, which start
// may change. METRICS stands for a free address.
func doctorOf(t *testing.T, config string, start func(*exec.Cmd), args ...string) *diagnosed {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "agent.yaml")
	if err := os.WriteFile(path, []byte(strings.ReplaceAll(config, "METRICS", testenv.Addr(t))), 0o644); err != nil {
		t.Fatal(err)
	}
	d := doctorAt(t, path, start, args...)
	if _, err := os.Stat(filepath.Join(dir, "state")); err == nil {
		t.Error("doctor has made a state_dir")
	}
	return d
}

func doctorAt(t *testing.T, path string, start func(*exec.Cmd), args ...string) *diagnosed {
	t.Helper()
	out, code := logkeelRun(t, start, append([]string{"doctor", "--json", "--timeout", "2m", "--config", path}, args...)...)
	d := &diagnosed{t: t, code: code, text: out}
	if err := json.Unmarshal([]byte(out), d); err != nil {
		t.Fatalf("doctor ended with %d: %v\n%s", code, err, out)
	}
	return d
}

// logkeelRun runs this program's command line and returns what it printed.
func logkeelRun(t *testing.T, start func(*exec.Cmd), args ...string) (string, int) {
	t.Helper()
	cmd := exec.Command(program(t, args), args...)
	cmd.Env = append(os.Environ(), "LOGKEEL_TEST_MAIN=1", "DOCKER_HOST=")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var out, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &stderr
	if start != nil {
		start(cmd)
	}
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	if strings.Contains(stderr.String(), "DATA RACE") || strings.Contains(stderr.String(), "panic:") {
		t.Errorf("it said\n%s", stderr.String())
	}
	if out.Len() == 0 {
		return stderr.String(), cmd.ProcessState.ExitCode()
	}
	return out.String(), cmd.ProcessState.ExitCode()
}

// has wants a finding with that cause of the part, whose texts have these words.
func (d *diagnosed) has(part, cause string, words ...string) {
	d.t.Helper()
	for _, p := range d.Parts {
		if strings.TrimSuffix(p.Kind+"/"+p.Name, "/") != part {
			continue
		}
		for _, f := range p.Findings {
			if f.Cause != cause {
				continue
			}
			all := f.What + "\n" + f.Why + "\n" + f.Do
			for _, w := range words {
				if !strings.Contains(all, w) {
					d.t.Errorf("%s, %s: %q is not in\n%s", part, cause, w, all)
				}
			}
			if cause != "" && f.Do == "" && f.Health != "info" {
				d.t.Errorf("%s, %s: it does not say what to do: %s", part, cause, all)
			}
			return
		}
	}
	d.t.Errorf("%s: no finding %q in\n%s", part, cause, d.text)
}

// ends wants an exit code: that of the worst finding.
func (d *diagnosed) ends(code int) {
	d.t.Helper()
	if want := map[int]string{0: "ok info", 1: "failed", 3: "warning"}[code]; d.code != code || !strings.Contains(want, d.Health) {
		d.t.Errorf("exit code %d and %q, want %d\n%s", d.code, d.Health, code, d.text)
	}
}

// only wants that nothing else is wrong with the part.
func (d *diagnosed) only(part string, causes ...string) {
	d.t.Helper()
	for _, p := range d.Parts {
		for _, f := range p.Findings {
			if strings.TrimSuffix(p.Kind+"/"+p.Name, "/") == part && (f.Health == "failed" || f.Health == "warning") && !strings.Contains(" "+strings.Join(causes, " ")+" ", " "+f.Cause+" ") {
				d.t.Errorf("%s: %s as well: %s", part, f.Cause, f.What)
			}
		}
	}
}
