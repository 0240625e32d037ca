package docker

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/testenv"
)

// getOnly is a proxy of the engine's socket that passes GET, and HEAD for a ping.
// It returns its address, and counts what it refused.
func getOnly(t *testing.T, host string) (string, *atomic.Int64) {
	t.Helper()
	path := strings.TrimPrefix(host, "unix://")
	refused := &atomic.Int64{}
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: "docker"})
	proxy.FlushInterval = -1
	proxy.ErrorLog = log.New(io.Discard, "", 0)
	proxy.ErrorHandler = func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) }
	proxy.Transport = &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}}
	socket := filepath.Join(t.TempDir(), "proxy.sock")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && (r.Method != http.MethodHead || !strings.HasSuffix(r.URL.Path, "/_ping")) {
			refused.Add(1)
			w.WriteHeader(http.StatusForbidden)
			return
		}
		proxy.ServeHTTP(w, r)
	})}
	go s.Serve(l)
	t.Cleanup(func() { s.Close() })
	return "unix://" + socket, refused
}

// counting is a container's command: each of its runs writes lines quickly, and
// then goes on slowly. Every hundredth line is longer than the engine keeps at once.
const counting = `echo run >>/tmp/runs; r=$(wc -l </tmp/runs); i=0
while [ $i -lt 400 ]; do i=$((i+1)); echo "run $r line $i"; [ $((i%5)) = 0 ] && [ "$1" != tty ] && echo "run $r error $i" >&2; done
head -c 40000 /dev/zero | tr '\0' x; echo
while :; do i=$((i+1)); echo "run $r line $i"; sleep 0.05; done`

// Logs of three kinds of containers are read through a proxy that passes GET only, while
// the agent is killed, containers are started anew, and the engine stops and
// crashes. Each line that the engine has comes once, in order.
func TestLogsOfAnEngine(t *testing.T) {
	t.Parallel()
	e := testenv.Docker(t)
	image := e.Image("box:1")
	names := []string{"local", "json", "tty"}
	ids := map[string]string{}
	for _, name := range names {
		args := []string{"--name", name, "--log-driver", map[string]string{"local": "local", "json": "json-file", "tty": "local"}[name]}
		if name == "tty" {
			args = append(args, "--tty")
		}
		ids[name] = e.Run(append(args, image, "sh", "-c", counting, "sh", name)...)
	}
	w := newLogWorld(t, nil)
	w.options.MaxLine = 1 << 20
	host, refused := getOnly(t, e.Host)
	begin := func() {
		t.Helper()
		led, err := agent.OpenLedger(w.state, w.options.Log)
		if err != nil {
			t.Fatal(err)
		}
		c, err := New(Config{Root: t.TempDir(), Host: host}, w.options.Log)
		if err != nil {
			t.Fatal(err)
		}
		w.run(led, c)
	}
	goesOn := func(when string) {
		t.Helper()
		for _, name := range names {
			had := len(w.a.of(name))
			within(t, "lines of "+name+" come "+when, func() bool { return len(w.a.of(name)) > had+3 })
		}
	}
	begin()
	goesOn("at first")
	w.b.mu.Lock()
	w.b.holding = true
	w.b.mu.Unlock()
	w.kill()
	begin()
	goesOn("after a kill")
	e.CLI("restart", "--time", "0", "local", "json", "tty")
	goesOn("after a restart of the containers")
	e.Kill()
	e.Start()
	e.CLI("start", "local", "json", "tty")
	goesOn("after a crash of the engine")
	w.stop()
	e.Stop()
	e.Start()
	begin()
	e.CLI("start", "local", "json", "tty")
	goesOn("after a stop of the engine and of the agent")
	e.CLI("stop", "--time", "0", "local", "json", "tty")
	for _, name := range names {
		want := strings.Split(strings.ReplaceAll(e.CLI("logs", name), "\r\n", "\n"), "\n")
		within(t, "the last line of "+name+" has come", func() bool {
			got := w.a.of(name)
			return got[len(got)-1] == want[len(want)-1]
		})
		checkCounting(t, name, w.a.of(name), want)
	}
	e.CLI("rm", "--force", "tty")
	within(t, "what was removed is forgotten", func() bool {
		return w.led.Consumer("a").Position("docker-api/" + ids["tty"]).IsZero()
	})
	if p := w.led.Consumer("a").Position("docker-api/" + ids["json"]); p.IsZero() {
		t.Error("the position of a container that has stopped is gone")
	}
	w.stop()
	if n := refused.Load(); n != 0 {
		t.Errorf("%d calls were refused", n)
	}
	if n := w.metric("logkeel_docker_logs_gaps_total"); n != 0 {
		t.Errorf("%v gaps", n)
	}
}

// checkCounting wants each run's lines in order, each once, and all that the engine
// has; but for long lines, of which 20.10 itself forgets the end with the driver local,
// so that it prints the next one behind it.
func checkCounting(t *testing.T, name string, got, want []string) {
	t.Helper()
	have := map[string]bool{}
	run, last, failed, long := 0, 0, 0, 0
	for i, l := range got {
		have[l] = true
		var r, n int
		var kind string
		switch _, err := fmt.Sscanf(l, "run %d %s %d", &r, &kind, &n); {
		case err != nil && strings.Trim(l, "x") == "": // in pieces, where the container was slow
			long += len(l)
		case err != nil:
			t.Errorf("%s: line %d is %.60q, %d bytes", name, i, l, len(l))
		case kind == "error":
			if failed = n; n > 400 || n%5 != 0 {
				t.Errorf("%s: line %d is %q", name, i, l)
			}
		case r == run+1 && n == 1, r == run && n == last+1:
			run, last = r, n
		default:
			t.Errorf("%s: line %d is %q, after line %d of run %d", name, i, l, last, run)
		}
	}
	for _, l := range want {
		if !have[l] && !strings.HasPrefix(l, "xxx") {
			t.Errorf("%s: %.60q, %d bytes, is missing", name, l, len(l))
		}
	}
	if run != 4 || long != 4*40000 || failed == 0 && name != "tty" {
		t.Errorf("%s: %d runs, long lines of %d bytes", name, run, long)
	}
}
