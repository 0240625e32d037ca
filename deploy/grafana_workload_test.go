package deploy_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/webgrip/logkeel/agent/testenv"
)

// A workload is an application with all that an agent can look at, and the agent.
type workload struct {
	metrics string // host:port

	t      *testing.T
	dir    string
	engine *testenv.Engine
	db     *testenv.MariaDBServer
	cache  *testenv.RedisServer
	page   *httptest.Server
	jobs   string
	times  int
}

const workloadConfig = `
state_dir: DIR/state
collectors:
  docker: {root: "ROOT", host: "ENGINE", stats: {interval: 1s, timeout: 1s}}
  files: [{name: app, paths: ["DIR/app.log"]}]
  mysql: [{name: db, address: "DB", user: agent, password_file: DIR/password, interval: 1s, timeout: 1s}]
  redis: [{name: cache, address: "CACHE", interval: 1s, timeout: 1s, queues: ["queues:default"]}]
  http: [{name: page, url: "PAGE", interval: 1s, timeout: 1s, tls: {insecure_skip_verify: true}, expect: {status: 200, body: well}}]
  host: {interval: 1s, timeout: 1s}
  backups: [{name: shop, path: "DIR/backups", settle: 1s, interval: 1s, timeout: 1s}]
  jobs: {listen: "JOBS", interval: 1s, timeout: 1s, jobs: [{name: backup, schedule: "0 2 * * *"}]}
rules:
  packs: [operations]
outputs:
  fluentd: [{name: main, address: "FLUENTD"}]
  webhook: [{name: hook, url: "HOOK"}]
  prometheus: {listen: "METRICS"}
`

func newWorkload(t *testing.T) *workload {
	t.Helper()
	w := &workload{t: t, metrics: testenv.Addr(t), jobs: testenv.Addr(t), dir: t.TempDir(), engine: testenv.Docker(t)}
	w.db = testenv.MariaDB(t, "--performance-schema=ON")
	w.db.SQL(`CREATE USER agent@'127.0.0.1' IDENTIFIED BY 'hunter2'; GRANT PROCESS ON *.* TO agent@'127.0.0.1'; GRANT SELECT ON performance_schema.* TO agent@'127.0.0.1'; CREATE DATABASE shop; CREATE TABLE shop.t (n INT); INSERT INTO shop.t VALUES (1)`)
	w.cache = testenv.Redis(t)
	w.cache.CLI("SET", "a", "1")
	w.cache.CLI("RPUSH", "queues:default", "job")
	w.page = httptest.NewTLSServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) { fmt.Fprint(rw, "all is well") }))
	t.Cleanup(w.page.Close)
	hook := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(hook.Close)
	receiver := testenv.ForwardReceiver(t, testenv.ForwardOptions{})
	w.write("password", "hunter2\n")
	w.write("app.log", "")
	w.write("backups/20260102_020000/env.backup", strings.Repeat("KEY=value\n", 100))
	w.write("agent.yaml", strings.NewReplacer("DIR", w.dir, "ROOT", w.engine.Root, "ENGINE", w.engine.Host, "DB", w.db.Addr, "CACHE", w.cache.Addr,
		"PAGE", w.page.URL, "JOBS", w.jobs, "FLUENTD", receiver.Addr, "HOOK", hook.URL, "METRICS", w.metrics).Replace(workloadConfig))
	return w
}

func (w *workload) write(name, text string) {
	w.t.Helper()
	file := filepath.Join(w.dir, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

// start runs the agent until the test's end.
func (w *workload) start() {
	t := w.t
	t.Helper()
	program := filepath.Join(w.dir, "logkeel")
	build := exec.Command("go", "build", "-o", program, "../cmd/logkeel")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var log strings.Builder
	agent := exec.Command(program, "run", "--config", filepath.Join(w.dir, "agent.yaml"))
	agent.Stderr = &log
	agent.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := agent.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = agent.Process.Signal(syscall.SIGTERM)
		if err := agent.Wait(); err != nil {
			t.Errorf("the agent ended with %v", err)
		}
		if t.Failed() {
			t.Logf("the agent's log:\n%s", log.String())
		}
	})
	image := w.engine.Image("app:1")
	w.engine.Run("--name", "shop-app-1", "--label", "com.docker.compose.project=shop", "--label", "com.docker.compose.service=app", image,
		"sh", "-c", "while sleep 1; do echo '[2026-01-02 03:04:05] production.ERROR: it broke'; done")
	w.engine.Run("--name", "shop-worker-1", "--label", "com.docker.compose.service=worker", "--restart", "on-failure", image, "sh", "-c", "sleep 2; exit 3")
}

// work is a second of the application's life.
func (w *workload) work() {
	w.t.Helper()
	w.cache.CLI("GET", "a")
	w.db.SQL("USE shop; SELECT SLEEP(0.01) FROM t")
	w.times++
	if w.times%5 != 1 {
		return
	}
	for _, path := range []string{"/ping/backup/start", "/ping/backup"} {
		answer, err := http.Post("http://"+w.jobs+path, "text/plain", nil)
		if err != nil {
			continue // the agent has not begun to listen
		}
		_, _ = io.Copy(io.Discard, answer.Body)
		answer.Body.Close()
	}
}
