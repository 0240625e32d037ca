package deploy_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/webgrip/logkeel/agent/testenv"
)

// A deployment is one of the Compose files of invoiceninja/, up.
type deployment struct {
	t       *testing.T
	engine  *testenv.Engine
	file    string
	more    []string // flags of docker-compose
	well    []string // what the page of metrics says when all is well
	ports   map[string]string
	env     []string
	backups string
	app     string // http://host:port
	metrics string // likewise
	alerts  *alertReceiver
}

// programs builds the agent and the application.
func programs(t *testing.T) (context, application string) {
	context = t.TempDir()
	application = filepath.Join(t.TempDir(), "application")
	for out, pkg := range map[string]string{filepath.Join(context, "logkeel"): "../cmd/logkeel", application: "../agent/testenv/application"} {
		build := exec.Command("go", "build", "-o", out, pkg)
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	write(t, filepath.Join(context, "agent.yaml"), "{}\n", 0o644)
	return context, application
}

const (
	application = "invoiceninja-application.application"
	worker      = "invoiceninja-application.worker"
	database    = "invoiceninja-application.mariadb"
	cache       = "invoiceninja-application.redis"
)

// allWell is what the page of metrics says of these targets when all is well.
func allWell(mysql, redis, backups string, pages ...string) []string {
	well := []string{
		fmt.Sprintf("mysql_up{target=%q} 1", mysql), fmt.Sprintf("redis_up{target=%q} 1", redis),
		`logkeel_sampler_up{kind="docker",target="stats"} 1`, fmt.Sprintf("logkeel_backup_ok{file=\"database.sql.gz\",target=%q} 1", backups),
	}
	for _, p := range pages {
		well = append(well, fmt.Sprintf("probe_success{target=%q} 1", p))
	}
	return well
}

// newDeployment is one with ports of its own.
func newDeployment(t *testing.T, e *testenv.Engine) *deployment {
	t.Helper()
	dir := t.TempDir()
	ports := map[string]string{}
	d := &deployment{t: t, engine: e, file: filepath.Join(dir, "docker-compose.yml"), backups: filepath.Join(dir, "backups"), alerts: newAlertReceiver(t), ports: ports}
	for name, port := range map[string]string{application: "8080", database: "3306", cache: "6379"} {
		addr := testenv.Addr(t)
		ports[name+":"+port] = name + addr[strings.LastIndex(addr, ":"):]
	}
	d.app, d.metrics = "http://127.0.0.1:"+d.port(application, "8080"), "http://"+testenv.Addr(t)
	d.env = []string{
		"COMPOSE_PROJECT_NAME=invoiceninja-application", "API_TOKEN=token-of-the-test", "DB_PASSWORD=db-secret", "DB_ROOT_PASSWORD=root-secret",
		"LOGKEEL_DB_PASSWORD=agent-secret", "ALERT_URL=" + d.alerts.url,
	}
	return d
}

// port is where a service listens here.
func (d *deployment) port(name, port string) string {
	return strings.TrimPrefix(d.ports[name+":"+port], name+":")
}

// prepare writes the Compose file and the agent's configuration as they have to be
// on this machine: the engine's folders lie elsewhere, and nobody waits for a minute.
func prepare(t *testing.T, e *testenv.Engine, proxy string) *deployment {
	t.Helper()
	d := newDeployment(t, e)
	d.well = allWell("invoiceninja", "invoiceninja", "nightly", "health", "login", "application")
	dir, metrics := filepath.Dir(d.file), strings.TrimPrefix(d.metrics, "http://")
	change := []string{"interval: 15s", "interval: 2s", "interval: 5m", "interval: 2s\n      settle: 1s", "root: /var/lib/docker", "root: " + e.Root, "0.0.0.0:9765", metrics, "unix:///var/run/docker.sock", e.Host}
	for from, to := range d.ports {
		change = append(change, from, to)
	}
	for _, name := range []string{"logkeel/agent.yaml", "logkeel/rules/invoiceninja.yaml", "mariadb/logkeel.sh"} {
		if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o755); err != nil {
			t.Fatal(err)
		}
		text := read(t, filepath.Join("invoiceninja", name))
		if name == "logkeel/agent.yaml" {
			text = strings.NewReplacer(change...).Replace(text)
		}
		write(t, filepath.Join(dir, name), text, 0o644)
	}

	d.writeCompose("invoiceninja/compose.proxy.yaml", proxy, func(map[string]any) {})
	return d
}

// writeCompose writes the Compose file as this machine needs it: the engine has no
// bridge, so all have the host's network, and ports of their own. change makes more
// of the services different.
func (d *deployment) writeCompose(source, proxy string, change func(services map[string]any)) {
	t, e, port := d.t, d.engine, d.port
	t.Helper()
	socket := strings.TrimPrefix(e.Host, "unix://")
	text := strings.NewReplacer("/var/lib/docker/containers", filepath.Join(e.Root, "containers"), "/var/run/docker.sock", socket,
		"tcp://socket-proxy:2375", "tcp://"+proxy, "256mb", "4mb", "512m", "48m").Replace(read(t, source))
	var compose map[string]any
	if err := yaml.Unmarshal([]byte(text), &compose); err != nil {
		t.Fatal(err)
	}
	services := compose["services"].(map[string]any)
	delete(services, "socket-proxy") // cannot be pulled: the test has its own
	for name, s := range services {
		s := s.(map[string]any)
		s["network_mode"] = "host"
		s["extra_hosts"] = []string{application + ":127.0.0.1", database + ":127.0.0.1", cache + ":127.0.0.1"}
		delete(s, "ports")
		delete(s, "networks")
		if name == "logkeel" {
			delete(s, "depends_on")
		}
	}
	for _, name := range []string{application, worker} {
		environment := services[name].(map[string]any)["environment"].(map[string]any)
		environment["APP_PORT"], environment["DB_PORT"], environment["REDIS_PORT"] = port(application, "8080"), port(database, "3306"), port(cache, "6379")
	}
	addArgs(services[database], "--port="+port(database, "3306"), "--bind-address=127.0.0.1")
	addArgs(services[cache], "--port", port(cache, "6379"), "--bind", "127.0.0.1", "--save", "", "--maxmemory-samples", "10")
	delete(compose, "networks")
	change(services)
	b, err := yaml.Marshal(map[string]any{"version": "2.4", "services": services, "volumes": compose["volumes"]})
	if err != nil {
		t.Fatal(err)
	}
	write(t, d.file, string(b), 0o644)
}

func addArgs(service any, args ...string) {
	s := service.(map[string]any)
	for _, a := range args {
		s["command"] = append(s["command"].([]any), a)
	}
}

func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// compose is docker-compose on the deployment.
func (d *deployment) compose(args ...string) string {
	d.t.Helper()
	return d.engine.Compose(d.file, d.env, append(slices.Clone(d.more), args...)...)
}

// ask sends a request to the application, from an address of its own.
func (d *deployment) ask(method, path, client string) {
	d.t.Helper()
	req, err := http.NewRequestWithContext(d.t.Context(), method, d.app+path, nil)
	if err != nil {
		d.t.Fatal(err)
	}
	req.Header.Set("X-Forwarded-For", client)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		d.t.Fatal(err)
	}
	resp.Body.Close()
}

// An alertReceiver is the webhook that alerts are posted to.
type alertReceiver struct {
	url string

	mu  sync.Mutex
	all []notice
}

// A notice is what one alert said when it came.
type notice struct {
	rule, status, text string
	at                 time.Time
}

func newAlertReceiver(t *testing.T) *alertReceiver {
	r := &alertReceiver{}
	s := httptest.NewServer(r)
	t.Cleanup(s.Close)
	r.url = s.URL
	return r
}

func (r *alertReceiver) ServeHTTP(_ http.ResponseWriter, req *http.Request) {
	var n struct {
		Alerts []struct {
			Rule, Status, Summary, Source, Condition string
			First                                    []struct{ Text string }
			Labels                                   map[string]string
		}
	}
	if err := json.NewDecoder(req.Body).Decode(&n); err != nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, a := range n.Alerts {
		text := fmt.Sprint(a.Source, " ", a.Labels, " ", a.Condition, " ", a.Summary)
		for _, f := range a.First {
			text += " " + f.Text
		}
		r.all = append(r.all, notice{a.Rule, a.Status, text, time.Now()})
	}
}

// find is the first notice since a time that says all of this.
func (r *alertReceiver) find(rule string, says []string, since time.Time) (notice, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, n := range r.all {
		missing := slices.ContainsFunc(says, func(s string) bool { return !strings.Contains(n.text, s) })
		if n.rule == rule && n.status == "firing" && n.at.After(since) && !missing {
			return n, true
		}
	}
	return notice{}, false
}

func (r *alertReceiver) rules() (names []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, n := range r.all {
		names = append(names, n.status+" "+n.rule+": "+n.text)
	}
	return names
}
