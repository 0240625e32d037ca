package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/webgrip/logkeel/agent/testenv"
)

// Of three containers that run, init makes a configuration, and finds the error that
// is in a volume's log.
func TestInitOfAnEngine(t *testing.T) {
	t.Parallel()
	engine := testenv.Docker(t)
	engine.Image("laravel:1")
	for _, name := range []string{"mariadb:10.11", "nginx:1.27"} {
		engine.CLI("tag", "laravel:1", name)
	}
	dir := t.TempDir()
	run := func(service, image, script string, more ...string) {
		args := append([]string{
			"--name", "shop-" + service + "-1", "--network", "none", "--env", "DB_PASSWORD=hunter2", "--label", "com.docker.compose.project=shop",
			"--label", "com.docker.compose.service=" + service, "--label", "com.docker.compose.project.working_dir=" + dir,
		}, more...)
		engine.Run(append(args, image, "sh", "-c", script+"; while :; do sleep 1; done")...)
	}
	run("app", "laravel:1", fmt.Sprintf("mkdir -p /srv/storage/logs; echo '[%s] production.CRITICAL: disk gone' >/srv/storage/logs/laravel.log", nowUTC()), "--volume", "shop_data:/srv/storage")
	run("db", "mariadb:10.11", "true", "--env", "MARIADB_ROOT_PASSWORD=hunter2")
	run("web", "nginx:1.27", "echo up", "--log-opt", "max-size=1m")
	log := filepath.Join(engine.Root, "volumes", "shop_data", "_data", "logs", "laravel.log")
	eventually(t, "the log is written", waitShort, func() bool { data, _ := os.ReadFile(log); return len(data) > 0 })

	out, code := logkeelIn(t, dir, "init", "--host", engine.Host)
	if code != 0 {
		t.Fatalf("exit code %d\n%s", code, out)
	}
	for _, want := range []string{
		"Laravel  image laravel:1", "MariaDB  image mariadb:10.11", "nginx    image nginx:1.27", "files " + filepath.Dir(log) + "/*.log",
		"web: its log has one file", "db: its log grows without a limit", "db has no name in a network", "With these rules: ", "LaravelCritical (1)",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not said", want)
		}
	}
	agent, _ := os.ReadFile(filepath.Join(dir, "logkeel", "agent.yaml"))
	compose, _ := os.ReadFile(filepath.Join(dir, "compose.logkeel.yaml"))
	if !strings.Contains(string(agent), "include: [{project: shop}]") || !strings.Contains(string(compose), "source: data, target: "+filepath.Dir(filepath.Dir(log))) {
		t.Errorf("%s\n%s", agent, compose)
	}
	if strings.Contains(out+string(agent)+string(compose), "hunter2") {
		t.Error("there is a secret in it")
	}
	if t.Failed() {
		t.Log(out)
	}
	for _, command := range []string{"check", "test"} {
		if out, code := logkeelIn(t, dir, command); code != 0 {
			t.Errorf("%s: exit code %d\n%s", command, code, out)
		}
	}
}
