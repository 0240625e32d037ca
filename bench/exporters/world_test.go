package exporters

import (
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/webgrip/logkeel/agent/testenv"
)

var (
	cadvisor = flag.String("cadvisor", "", "the path of a cadvisor, which is compared as well")
	small    = flag.Bool("small", false, "a MariaDB, a Redis, pages and containers only: no PostgreSQL, no host and no sizes of containers")
)

// So many pages are probed, and containers run.
const urls, containers = 10, 10

// A world is what is measured, an agent that measures all of it, and the exporters
// that it stands in for.
type world struct {
	t         *testing.T
	db        *testenv.MariaDBServer
	agent     *process
	page      string // URL of the agent's metrics
	exporters []*exporter
}

// An exporter is one that people have now.
type exporter struct {
	name    string
	pages   []page
	process *process
}

// A page is what one scrape of an exporter gives. Its series are those of the
// agent that have the label.
type page struct {
	url           string
	label, equals string
	without       string // a label of theirs that says what the agent's target says
	namesOnly     bool   // their labels are other ones
}

// needed are the programs; where one is not there the test is skipped, or fails
// where nothing may be skipped.
var needed = []string{"prometheus-mysqld-exporter", "prometheus-redis-exporter", "prometheus-blackbox-exporter", "prometheus-node-exporter", "prometheus-postgres-exporter"}

// large is what a small world is without.
const large = `  host: {interval: %[1]s}
  postgres: [{name: pg, address: "%[2]s", user: agent, password: secret, interval: %[1]s, sizes: {interval: %[1]s}}]
`

// newWorld starts all of it; the agent takes a snapshot each interval.
func newWorld(t *testing.T, interval time.Duration) *world {
	t.Helper()
	for _, program := range needed {
		_, err := exec.LookPath(program)
		testenv.Need(t, program, err == nil)
	}
	w := &world{t: t, db: testenv.MariaDB(t, "--performance-schema=ON", "--log-bin", "--server-id=1")}
	for _, user := range []string{"agent", "exporter"} {
		w.db.SQL(fmt.Sprintf("CREATE USER %s@'127.0.0.1' IDENTIFIED BY 'secret'; GRANT PROCESS, REPLICATION CLIENT, REPLICA MONITOR, BINLOG MONITOR, SELECT ON *.* TO %[1]s@'127.0.0.1'", user))
	}
	w.db.SQL(`CREATE DATABASE shop; USE shop; CREATE TABLE orders (id INT AUTO_INCREMENT PRIMARY KEY, customer INT, KEY (customer)); CREATE TABLE log (line TEXT)`)
	for i := range 20 {
		w.db.SQL(fmt.Sprintf("USE shop; INSERT INTO orders (customer) VALUES (%d), (2); SELECT COUNT(*) FROM orders WHERE customer = %d; SELECT * FROM log", i, i))
	}
	more, sizes := "", ""
	var pg *testenv.PostgresServer
	if !*small {
		pg = newPostgres(t)
		more, sizes = fmt.Sprintf(large, interval, pg.Addr), ", sizes: {interval: 1m}"
	}
	cache := testenv.Redis(t)
	for i := range 5 {
		cache.CLI("RPUSH", "queues:default", fmt.Sprint(i))
		cache.CLI("SET", fmt.Sprint("key", i), "1", "EX", "10000")
	}
	site := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		io.WriteString(rw, "healthy\n")
	}))
	t.Cleanup(site.Close)

	var pages strings.Builder
	for i := range urls {
		fmt.Fprintf(&pages, "    - {name: page%d, url: \"%s/%[1]d\", interval: %[3]s}\n", i, site.URL, interval)
	}
	engine := testenv.DockerWithBridge(t)
	image := engine.Image("app:1")
	for i := range containers {
		// Each has something to count: it writes, and asks the engine's end of the bridge.
		engine.Run("--name", fmt.Sprint("app", i), image, "sh", "-c", "dd if=/dev/zero of=/data bs=1k count=1k; exec ping $(ip route | awk '/default/ {print $3}') >/dev/null")
	}
	listen := testenv.Addr(t)
	w.page = "http://" + listen + "/metrics"
	dir := t.TempDir()
	config := filepath.Join(dir, "agent.yaml")
	write(t, config, fmt.Sprintf(`
state_dir: state
collectors:
  docker: {root: %[1]s, host: "%[2]s", stats: {interval: %[3]s%[9]s}}
  mysql: [{name: db, address: "%[4]s", user: agent, password: secret, interval: %[3]s, tables: {}, statements: {limit: 200, text: true}}]
  redis: [{name: cache, address: "%[5]s", interval: %[3]s, config: true, slowlog: {entries: true}, queues: ["queues:default"]}]
%[8]s  http:
%[6]soutputs:
  prometheus: {listen: "%[7]s"}
`, engine.Root, engine.Host, interval, w.db.Addr, cache.Addr, pages.String(), listen, more, sizes))
	w.agent = w.run(dir, nil, build(t), "run", "--config", config)

	w.exporter("mysqld_exporter", page{label: "target", equals: "db"}, []string{"DATA_SOURCE_NAME=exporter:secret@(" + w.db.Addr + ")/"}, "prometheus-mysqld-exporter", "--collect.info_schema.tables", "--collect.auto_increment.columns", "--collect.perf_schema.eventsstatements", "--collect.binlog_size")
	w.exporter("redis_exporter", page{label: "target", equals: "cache"}, nil, "prometheus-redis-exporter", "--redis.addr=redis://"+cache.Addr)
	if pg != nil {
		w.exporter("postgres_exporter", page{label: "target", equals: "pg", without: "server"}, []string{"DATA_SOURCE_NAME=postgresql://exporter:secret@" + pg.Addr + "/postgres?sslmode=disable"}, "prometheus-postgres-exporter")
		w.exporter("node_exporter", page{label: "target", equals: "host"}, nil, "prometheus-node-exporter")
	}
	blackbox := w.exporter("blackbox_exporter", page{}, nil, "prometheus-blackbox-exporter", "--config.file="+write(t, filepath.Join(dir, "blackbox.yml"),
		"modules: {http_2xx: {prober: http, timeout: 60s, http: {preferred_ip_protocol: ip4}}}\n"))
	address := strings.TrimSuffix(blackbox.pages[0].url, "/metrics")
	blackbox.pages = nil
	for i := range urls {
		blackbox.pages = append(blackbox.pages, page{
			url:   address + "/probe?module=http_2xx&target=" + url.QueryEscape(fmt.Sprintf("%s/%d", site.URL, i)),
			label: "target", equals: fmt.Sprint("page", i),
		})
	}
	if *cadvisor != "" {
		host, port, _ := strings.Cut(testenv.Addr(t), ":")
		w.exporters = append(w.exporters, &exporter{
			name: "cadvisor", pages: []page{{url: "http://" + host + ":" + port + "/metrics", namesOnly: true}},
			process: w.run(t.TempDir(), nil, *cadvisor, "-docker="+engine.Host, "-listen_ip="+host, "-port="+port, "-docker_only=true"),
		})
	}
	w.awaitAll()
	return w
}

// newPostgres starts a PostgreSQL that has something to tell.
func newPostgres(t *testing.T) *testenv.PostgresServer {
	pg := testenv.Postgres(t, "shared_preload_libraries=pg_stat_statements")
	pg.SQL("CREATE EXTENSION pg_stat_statements; CREATE DATABASE shop; SELECT pg_create_physical_replication_slot('standby', true)")
	for _, user := range []string{"agent", "exporter"} {
		pg.SQL(fmt.Sprintf("CREATE USER %s PASSWORD 'secret'; GRANT pg_monitor TO %[1]s", user))
	}
	pg.SQLIn("shop", "CREATE TABLE orders (id SERIAL PRIMARY KEY, customer INT); INSERT INTO orders (customer) SELECT n FROM generate_series(1, 1000) n")
	return pg
}

// exporter starts one with a --web.listen-address of its own.
func (w *world) exporter(name string, p page, env []string, args ...string) *exporter {
	w.t.Helper()
	listen := testenv.Addr(w.t)
	p.url = "http://" + listen + "/metrics"
	e := &exporter{name: name, pages: []page{p}}
	e.process = w.run(w.t.TempDir(), env, append(args, "--web.listen-address="+listen)...)
	w.exporters = append(w.exporters, e)
	return e
}

// awaitAll waits until each page is there, and the agent has measured.
func (w *world) awaitAll() {
	w.t.Helper()
	for _, e := range w.exporters {
		await(w.t, e.name, func() bool { _, err := fetch(e.pages[0].url); return err == nil })
	}
	await(w.t, "the agent's first snapshots", func() bool {
		b, _ := fetch(w.page)
		return strings.Contains(b, "\nmysql_up{target=\"db\"} 1") && strings.Contains(b, "\nredis_up{target=\"cache\"} 1") && (*small || strings.Contains(b, "\npg_up{target=\"pg\"} 1")) && strings.Contains(b, "page9")
	})
}

// A process is a program of the world.
type process struct {
	cmd *exec.Cmd
	out string
}

// run starts a program, which is ended with the test.
func (w *world) run(dir string, env []string, args ...string) *process {
	w.t.Helper()
	p := &process{cmd: exec.Command(args[0], args[1:]...), out: filepath.Join(dir, "output")}
	f, err := os.Create(p.out)
	if err != nil {
		w.t.Fatal(err)
	}
	defer f.Close()
	p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr, p.cmd.Env = dir, f, f, append(os.Environ(), env...)
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		p.cmd.Process.Kill()
		p.cmd.Wait()
		if b, _ := os.ReadFile(p.out); w.t.Failed() {
			w.t.Logf("%s:\n%s", args[0], b[max(0, len(b)-3000):])
		}
	})
	return p
}

// build makes the agent as users have it.
func build(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "logkeel")
	cmd := exec.Command("go", "build", "-trimpath", "-o", program, "../../cmd/logkeel")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return program
}

func write(t *testing.T, name, content string) string {
	t.Helper()
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// await polls until ready says so, and fails the test after two minutes.
func await(t *testing.T, what string, ready func() bool) {
	t.Helper()
	for end := time.Now().Add(2 * time.Minute); !ready(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: not within two minutes", what)
		}
	}
}

func fetch(url string) (string, error) {
	client := http.Client{Timeout: time.Minute}
	res, err := client.Get(url)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", url, res.Status)
	}
	return string(b), err
}
