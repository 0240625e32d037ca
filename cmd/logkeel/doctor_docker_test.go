package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/webgrip/logkeel/agent/testenv"
)

// Containers whose logs are kept badly, go elsewhere, or cannot be read.
func TestDoctorOfContainers(t *testing.T) {
	t.Parallel()
	engine := testenv.Docker(t)
	image := engine.Image("app:1")
	keep := []string{"--log-opt", "max-size=1m", "--log-opt", "max-file=3"}
	run := func(name string, more ...string) {
		engine.Run(append([]string{"--name", name}, more...)...)
	}
	receiver := swallow(t)
	volume := t.TempDir()
	well := func(name string, more ...string) { run(name, append(append([]string{}, keep...), more...)...) }
	well("well", image, "sh", "-c", "echo ready; sleep 300")
	run("unrotated", image, "sh", "-c", "echo ready; sleep 300")
	run("onefile", "--log-opt", "max-size=1m", image, "sh", "-c", "echo ready; sleep 300")
	run("waits", "--log-driver", "fluentd", "--log-opt", "fluentd-address="+receiver, image, "sh", "-c", "echo ready; sleep 300")
	run("async", "--log-driver", "fluentd", "--log-opt", "fluentd-async=true", "--log-opt", "fluentd-address="+receiver, image, "sh", "-c", "echo ready; sleep 300")
	well("terminal", "--tty", image, "sh", "-c", "echo ready; sleep 300")
	run("mute", "--log-driver", "none", image, "sleep", "300")
	well("filed", "--volume", volume+":/app/storage", image, "sh", "-c", "mkdir -p /app/storage/logs; while true; do echo error >> /app/storage/logs/laravel.log; sleep 0.1; done")
	well("inside", image, "sh", "-c", "echo an error > /app.log; sleep 300")
	well("idle", image, "sleep", "300")
	well("left-alone", "--label", "logkeel.ignore=true", "--tty", image, "sleep", "300")

	config := func(more string) string {
		return fmt.Sprintf("collectors:\n  docker: {root: %q, host: %q%s}\n", engine.Root, engine.Host, more)
	}
	var d *diagnosed
	for end := time.Now().Add(waitLong); time.Now().Before(end); time.Sleep(200 * time.Millisecond) {
		if d = doctorOf(t, config(""), nil, "docker"); strings.Count(d.text, "log_file_not_read") >= 2 {
			break
		}
	}
	d.ends(1) // for the one whose driver is none
	d.has("docker", "", "11 containers, 11 of them running; logs of 10 are read")
	d.has("docker", "log_not_rotated", "disk is full: of unrotated", "max-size: 10m")
	d.has("docker", "log_one_file", "of onefile", `max-file: "3"`)
	d.has("docker", "fluentd_driver_not_async", ": waits", "fluentd-async")
	d.has("docker", "tty", ": of terminal", "tty: false")
	d.has("docker", "log_driver_none", "of mute")
	d.has("docker", "log_file_not_read", "only what it writes to stdout and stderr comes by Docker, which is nothing")
	d.has("docker", "log_empty", "idle")
	for _, want := range []string{
		"container filed writes to files that nobody reads: " + volume + "/logs/laravel.log",
		fmt.Sprintf(`files: [{name: filed, paths: [\"%s/logs/*.log\"]}]`, volume),
		"container inside writes to files that nobody reads: /app.log (in the container)",
		"LOG_CHANNEL=stderr",
	} {
		if !strings.Contains(d.text, want) {
			t.Errorf("it does not say %s\n%s", want, d.text)
		}
	}
	for _, not := range []string{"left-alone", "waits, async", "containers, well"} {
		if strings.Contains(d.text, not) {
			t.Errorf("it says %s\n%s", not, d.text)
		}
	}
	// What it says to do helps.
	d = doctorOf(t, config("")+fmt.Sprintf("  files: [{name: filed, paths: [%q]}]\n", volume+"/logs/*.log"), nil, "docker")
	if strings.Contains(d.text, "laravel.log") {
		t.Errorf("a file that is read is named:\n%s", d.text)
	}
	// Where the folder is not mounted the API is asked, or nothing is read.
	elsewhere := fmt.Sprintf("collectors:\n  docker: {root: %q, host: %q, logs: ", t.TempDir(), engine.Host)
	d = doctorOf(t, elsewhere+"auto, include: [{container: well}]}\n", nil, "docker")
	d.ends(0)
	d.has("docker", "logs_not_mounted", "of well", "through the engine's API")
	d = doctorOf(t, elsewhere+"file, include: [{container: [well, async]}]}\n", nil, "docker")
	d.ends(1)
	d.has("docker", "logs_not_mounted", "of well", "mount it", "logs: api")
	d.has("docker", "driver_without_file", "of async", "logs: auto")

	// Another user, who may not use the socket, and one who may, but not read the files.
	dir := openDir(t)
	put(t, dir+"/agent.yaml", config(", include: [{container: well}], logs: file"), 0o644)
	socket := strings.TrimPrefix(engine.Host, "unix://")
	d = doctorAt(t, dir+"/agent.yaml", asNobody(t, dir), "docker")
	d.ends(1)
	d.has("docker", "engine_permission", "permission denied", "run the agent as root or in the socket's group")
	if err := os.Chmod(socket, 0o666); err != nil {
		t.Fatal(err)
	}
	d = doctorAt(t, dir+"/agent.yaml", asNobody(t, dir), "docker")
	d.ends(1)
	d.has("docker", "logs_permission", "of well", "run the agent as root")

	clocks(t, engine)
	engine.Kill()
	d = doctorOf(t, config(""), nil, "docker")
	d.ends(1)
	d.has("docker", "engine_gone", "connection refused", "systemctl start docker")
	d = doctorOf(t, strings.ReplaceAll(config(""), engine.Host, "unix:///nowhere/docker.sock"), nil, "docker")
	d.has("docker", "engine_no_socket", "no such file", "mount the socket")
}

// clocks looks at the engine through a proxy that sets its clock back, and through one
// that allows less than is needed.
func clocks(t *testing.T, engine *testenv.Engine) {
	t.Helper()
	for _, tt := range []struct {
		name   string
		forbid string
		cause  string
		words  []string
		code   int
	}{
		{"late", "", "clock_skew", []string{"the engine's clock is 2m0s behind", "timedatectl set-ntp true"}, 3},
		{"shut", "/containers/", "engine_refuses", []string{"CONTAINERS=1"}, 1},
	} {
		proxy := httptest.NewServer(proxyOf(engine, tt.forbid))
		d := doctorOf(t, fmt.Sprintf("collectors:\n  docker: {root: %q, host: \"tcp://%s\", include: [{container: well}]}\n", engine.Root, proxy.Listener.Addr()), nil, "docker")
		d.ends(tt.code)
		d.has("docker", tt.cause, tt.words...)
		proxy.Close()
	}
}

func proxyOf(engine *testenv.Engine, forbid string) http.Handler {
	p := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: "docker"})
	p.Transport = &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", strings.TrimPrefix(engine.Host, "unix://"))
	}}
	p.ModifyResponse = func(r *http.Response) error {
		if !strings.HasSuffix(r.Request.URL.Path, "/info") {
			return nil
		}
		var info map[string]any
		if err := json.NewDecoder(r.Body).Decode(&info); err != nil {
			return err
		}
		r.Body.Close()
		info["SystemTime"] = time.Now().Add(-2 * time.Minute).Format(time.RFC3339Nano)
		b, err := json.Marshal(info)
		r.Body, r.ContentLength = io.NopCloser(strings.NewReader(string(b))), int64(len(b))
		r.Header.Set("Content-Length", fmt.Sprint(len(b)))
		return err
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if forbid != "" && strings.Contains(r.URL.Path, forbid) {
			http.Error(w, "forbidden", http.StatusForbidden)
			return
		}
		p.ServeHTTP(w, r)
	})
}
