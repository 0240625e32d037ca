package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"
)

// logkeelIn runs a command of the program in dir, without an engine that it could
// find by itself.
func logkeelIn(t *testing.T, dir string, args ...string) (out string, code int) {
	t.Helper()
	cmd := exec.Command(program(t, args), args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "LOGKEEL_TEST_MAIN=1", "TZ=UTC", "LOGKEEL_CONFIG=", "DOCKER_HOST=", "COMPOSE_PROJECT_NAME=", "HOME=/home/nobody")
	var both bytes.Buffer
	cmd.Stdout, cmd.Stderr = &both, &both
	if err, exit := cmd.Run(), new(exec.ExitError); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return both.String(), cmd.ProcessState.ExitCode()
}

// Of each archive's Compose file init makes what stands under want, which check takes
// and whose rules pass their tests; no secret is in it.
func TestInit(t *testing.T) {
	archives, err := filepath.Glob("testdata/init/*.txtar")
	if err != nil || len(archives) == 0 {
		t.Fatal("no archives", err)
	}
	for _, file := range archives {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			t.Parallel()
			a, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			dir := filepath.Join(t.TempDir(), "shop")
			want, args := "", []string{"init", "--no-scan", "--compose", "compose.yaml"}
			var kept []txtar.File
			for _, f := range a.Files {
				switch f.Name {
				case "want":
					want = string(f.Data)
					continue
				case "flags":
					args = append(args, strings.Fields(string(f.Data))...)
				default:
					path := filepath.Join(dir, f.Name)
					if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, f.Data, 0o600)); err != nil {
						t.Fatal(err)
					}
				}
				kept = append(kept, f)
			}
			got, code := logkeelIn(t, dir, append(args, "--dry-run")...)
			got = strings.ReplaceAll(got, dir, "$DIR")
			if strings.Contains(got, "hunter2") {
				t.Errorf("it prints a secret:\n%s", got)
			}
			if *update {
				a.Files = append(kept, txtar.File{Name: "want", Data: []byte(got)})
				if err := os.WriteFile(file, txtar.Format(a), 0o644); err != nil {
					t.Fatal(err)
				}
			} else if got != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
			if strings.HasPrefix(filepath.Base(file), "bad-") {
				if code != exitUsage {
					t.Errorf("exit code %d", code)
				}
				return
			}
			if out, code := logkeelIn(t, dir, args...); code != 0 {
				t.Fatalf("init: exit code %d\n%s", code, out)
			}
			for _, command := range []string{"check", "test"} {
				if out, code := logkeelIn(t, dir, command); code != 0 {
					t.Errorf("%s: exit code %d\n%s", command, code, out)
				}
			}
		})
	}
}

// What is there is not replaced, and nothing is written beside it.
func TestInitReplacesNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	compose, own := filepath.Join(dir, "compose.yaml"), filepath.Join(dir, "logkeel", "agent.yaml")
	if err := errors.Join(os.Mkdir(filepath.Dir(own), 0o700), os.WriteFile(compose, []byte("services: {web: {image: nginx}}\n"), 0o600), os.WriteFile(own, []byte("mine"), 0o600)); err != nil {
		t.Fatal(err)
	}
	out, code := logkeelIn(t, dir, "init", "--no-scan", "--compose", "compose.yaml")
	if code != exitUsage || !strings.Contains(out, own) || !strings.Contains(out, "--force") {
		t.Errorf("exit code %d: %s", code, out)
	}
	if data, _ := os.ReadFile(own); string(data) != "mine" {
		t.Errorf("it was replaced: %s", data)
	}
	if all, _ := os.ReadDir(dir); len(all) != 2 {
		t.Errorf("it wrote beside it: %v", all)
	}
	if out, code = logkeelIn(t, dir, "init", "--no-scan", "--force", "--compose", "compose.yaml"); code != 0 {
		t.Errorf("--force: exit code %d: %s", code, out)
	}
	if data, _ := os.ReadFile(own); !strings.Contains(string(data), "collectors:") {
		t.Errorf("it was not replaced: %s", data)
	}
}

// It ends with what the rules find in the logs that are there.
func TestInitScans(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	log := filepath.Join(dir, "storage", "logs", "laravel.log")
	now := strings.ReplaceAll("[NOW] production.ERROR: SQLSTATE[HY000] [2002] Connection refused\n", "NOW", nowUTC())
	if err := errors.Join(os.MkdirAll(filepath.Dir(log), 0o700), os.WriteFile(log, []byte(strings.Repeat(now, 5)), 0o600),
		os.WriteFile(filepath.Join(dir, "compose.yaml"), []byte("services: {app: {image: 'php:8-fpm', environment: [APP_KEY=hunter2, LOG_CHANNEL=single], volumes: ['./storage:/var/www/html/storage']}}\n"), 0o600)); err != nil {
		t.Fatal(err)
	}
	out, code := logkeelIn(t, dir, "init", "--compose", "compose.yaml")
	if code != 0 || !strings.Contains(out, "With these rules: ") || !strings.Contains(out, " last week; most often: ") || !strings.Contains(out, "LaravelError (5)") || strings.Contains(out, "hunter2") {
		t.Errorf("exit code %d: %s", code, out)
	}
}

func nowUTC() string { return time.Now().UTC().Add(-time.Hour).Format("2006-01-02 15:04:05") }

// Where no engine answers the folder's Compose file is looked at, which is said; not
// where somebody named the engine.
func TestInitWithoutAnEngine(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "docker-compose.yml"), []byte("services: {web: {image: nginx}}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	away := "unix://" + filepath.Join(dir, "none.sock")
	if out, code := logkeelIn(t, dir, "init", "--no-scan", "--host", away); code != exitFailed {
		t.Errorf("exit code %d: %s", code, out)
	}
	cmd := exec.Command(os.Args[0], "init", "--no-scan", "--webhook")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "LOGKEEL_TEST_MAIN=1", "LOGKEEL_CONFIG=", "DOCKER_HOST="+away)
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "the engine does not answer") || !strings.Contains(string(out), "docker-compose.yml alone") {
		t.Errorf("%v: %s", err, out)
	}
	agent, _ := os.ReadFile(filepath.Join(dir, "logkeel", "agent.yaml"))
	if !strings.Contains(string(agent), `url: "${ALERT_URL}"`) {
		t.Errorf("%s", agent)
	}
}

// That the folder's Compose file is wrong is said with the exit code that is promised,
// and why it was looked at.
func TestInitWithoutAnEngineAndWrong(t *testing.T) {
	t.Parallel()
	dir := writeFiles(t, "compose.yaml", "services: [\n")
	out, code := logkeelRun(t, func(cmd *exec.Cmd) {
		cmd.Dir = dir
		cmd.Env = append(cmd.Env, "DOCKER_HOST=unix://"+filepath.Join(dir, "none.sock"))
	}, "init", "--no-scan")
	if code != exitUsage || !strings.Contains(out, "compose.yaml:") || !strings.Contains(out, "the engine does not answer") {
		t.Errorf("exit code %d: %s", code, out)
	}
}
