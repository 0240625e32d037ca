package main

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

var update = flag.Bool("update", false, "write the expected messages in testdata anew")

// logkeel runs the command and returns what it printed and its exit code.
func logkeel(t *testing.T, dir string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	cmd := exec.Command(program(t, args), args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "LOGKEEL_TEST_MAIN=1", "DOCKER_HOST=")
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if exit := new(exec.ExitError); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

func TestCheckSaysWhatIsWrong(t *testing.T) {
	const file = "testdata/check.txtar"
	a, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	wants := map[string]string{}
	var kept []txtar.File
	for _, f := range a.Files {
		if name, ok := strings.CutSuffix(f.Name, ".want"); ok {
			wants[name] = string(f.Data)
			continue
		}
		kept = append(kept, f)
		path := filepath.Join(dir, f.Name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, f.Data, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	a.Files = nil
	for _, f := range kept {
		a.Files = append(a.Files, f)
		name, ok := strings.CutSuffix(f.Name, ".yaml")
		if !ok || strings.Contains(name, "/") {
			continue
		}
		t.Run(name, func(t *testing.T) {
			stdout, stderr, code := logkeel(t, dir, "check", "--config", f.Name)
			stderr = strings.ReplaceAll(stderr, dir, "$DIR")
			if code != exitUsage || stdout != "" {
				t.Errorf("exit code %d, output %q", code, stdout)
			}
			if !*update && stderr != wants[name] {
				t.Errorf("got\n%swant\n%s", stderr, wants[name])
			}
			if strings.Contains(stderr, "hunter2") {
				t.Error("it prints a secret")
			}
			a.Files = append(a.Files, txtar.File{Name: name + ".want", Data: []byte(stderr)})
		})
	}
	if *update {
		if err := os.WriteFile(file, txtar.Format(a), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// What is shipped has to be right.
func TestShippedConfigurationsAreRight(t *testing.T) {
	for _, file := range []string{"../../agent.yaml", "../../deploy/logkeel/agent.yaml"} {
		stdout, stderr, code := logkeel(t, "", "check", "--config", file)
		if code != 0 || stderr != "" || !strings.Contains(stdout, "is right\n") || !strings.Contains(stdout, "\n  matches  ") {
			t.Errorf("%s: exit code %d\n%s%s", file, code, stdout, stderr)
		}
	}
}

func TestCommandLine(t *testing.T) {
	empty := t.TempDir()
	for _, c := range []struct {
		args           string
		code           int
		stdout, stderr string // parts
	}{
		{"", 0, "Usage:", ""},
		{"--help", 0, "Exit codes:", ""},
		{"version", 0, "logkeel dev", ""},
		{"--version", 0, "logkeel dev", ""},
		{"chekc", exitUsage, "", `unknown command "chekc"; did you mean check? See logkeel --help`},
		{"run extra", exitUsage, "", `unknown argument "extra"; see logkeel run --help`},
		{"check --confg x", exitUsage, "", "unknown flag --confg; did you mean --config? See logkeel check --help"},
		{"check -c nowhere.yaml", exitUsage, "", "nowhere.yaml: there is no such file"},
		{"run", exitUsage, "", "no configuration: none of agent.yaml, /etc/logkeel/agent.yaml, logkeel/agent.yaml is there; name one with --config"},
	} {
		stdout, stderr, code := logkeel(t, empty, strings.Fields(c.args)...)
		if code != c.code || !strings.Contains(stdout, c.stdout) || !strings.Contains(stderr, c.stderr) || c.stdout == "" && stdout != "" {
			t.Errorf("logkeel %s: exit code %d\n%s%s", c.args, code, stdout, stderr)
		}
	}
}

// The configuration runs as it is on a machine that has nothing of what it names.
func TestRunsOnAnEmptyMachine(t *testing.T) {
	b, err := os.ReadFile("../../agent.yaml")
	if err != nil {
		t.Fatal(err)
	}
	nowhere := t.TempDir()
	config := strings.NewReplacer("/var/lib/docker", nowhere, "127.0.0.1:9765", "METRICS").Replace(string(b))
	a := newAgent(t, strings.Replace(config, "# host: unix:///var/run/docker.sock", "host: unix://"+nowhere+"/docker.sock", 1))
	if _, stderr, code := logkeel(t, "", "health", "-c", a.config); code != exitFailed || !strings.Contains(stderr, "the agent does not answer") {
		t.Errorf("health of no agent: %d %s", code, stderr)
	}
	a.start()
	eventually(t, "it is healthy", waitShort, func() bool {
		_, _, code := logkeel(t, "", "health", "-c", a.config)
		return code == 0
	})
	if n := a.metric("logkeel_build_info"); n != 1 {
		t.Errorf("build info: %v", n)
	}
	if _, stderr, code := logkeel(t, "", "run", "-c", a.config); code != exitUsage || !strings.Contains(stderr, "another agent uses it") {
		t.Errorf("a second agent with the same state: %d %s", code, stderr)
	}
	a.stop()
	log, _ := os.ReadFile(a.stderr)
	if n := bytes.Count(log, []byte("docker engine unix://")); n != 1 {
		t.Errorf("that there is no engine was said %d times, want once:\n%s", n, log)
	}
}
