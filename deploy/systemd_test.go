package deploy_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/webgrip/logkeel/agent/testenv"
)

// unit is the settings of logkeel.service's section [Service].
func unit(t *testing.T) map[string][]string {
	t.Helper()
	all := map[string][]string{}
	for line := range strings.Lines(read(t, "logkeel.service")) {
		if key, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok && !strings.HasPrefix(key, "#") {
			all[key] = append(all[key], value)
		}
	}
	return all
}

func buildAgent(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "logkeel")
	build := exec.Command("go", "build", "-o", program, "../cmd/logkeel")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return program
}

// TestUnit: systemd finds nothing wrong with the unit, and what it exposes small.
func TestUnit(t *testing.T) {
	_, err := exec.LookPath("systemd-analyze")
	testenv.Need(t, "systemd-analyze (systemd)", err == nil)
	file := filepath.Join(t.TempDir(), "logkeel.service")
	write(t, file, strings.Replace(read(t, "logkeel.service"), "/usr/local/bin/logkeel", buildAgent(t), 1), 0o644)
	for _, args := range [][]string{
		{"verify", file},
		{"security", "--no-pager", "--offline=true", "--threshold=25", file}, // 2.5 of 10
	} {
		out, err := exec.Command("systemd-analyze", args...).CombinedOutput()
		if err != nil || args[0] == "verify" && len(out) > 0 {
			t.Errorf("systemd-analyze %v: %v\n%s", args, err, out)
		}
	}
}

// TestRightsOfTheUnit runs the agent with no more rights than the unit gives it,
// as far as that goes without systemd: as a user that is nobody, with one
// capability and no way to more, and a file system of which only the state can be
// written to.
func TestRightsOfTheUnit(t *testing.T) {
	e := testenv.Docker(t)
	for _, tool := range []string{"setpriv", "unshare"} {
		_, err := exec.LookPath(tool)
		testenv.Need(t, tool+" (util-linux)", err == nil)
	}
	u := unit(t)
	const capability = "CAP_DAC_READ_SEARCH"
	if !slices.Equal(u["AmbientCapabilities"], []string{capability}) || !slices.Equal(u["CapabilityBoundingSet"], []string{capability}) {
		t.Fatalf("this test is with %s only, the unit has %q and %q", capability, u["AmbientCapabilities"], u["CapabilityBoundingSet"])
	}
	dir, metrics := t.TempDir(), testenv.Addr(t)
	const nobody = 65534
	state, logs := filepath.Join(dir, "state"), filepath.Join(dir, "logs")
	for name, mode := range map[string]os.FileMode{state: 0o700, logs: 0o700} {
		if err := os.Mkdir(name, mode); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chown(state, nobody, nobody); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(logs, "app.log"), "production.ERROR: one\n", 0o600)
	write(t, filepath.Join(dir, "agent.yaml"), fmt.Sprintf(`
state_dir: %s
collectors:
  docker: {root: %s, host: "%s", stats: {interval: 2s}}
  files: [{name: app, paths: %s/*.log}]
  host: {interval: 2s}
rules: {packs: [operations, samples]}
outputs: {prometheus: {listen: "%s"}}
`, state, e.Root, e.Host, logs, metrics), 0o600)
	e.Run("--name", "app", e.Image("app:1"), "sh", "-c", "echo production.ERROR: two; sleep 600")

	said := notifySocket(t, filepath.Join(dir, "notify"))
	socket, err := os.Stat(strings.TrimPrefix(e.Host, "unix://"))
	if err != nil {
		t.Fatal(err)
	}
	group := strconv.Itoa(int(socket.Sys().(*syscall.Stat_t).Gid)) // as docker in SupplementaryGroups
	const low = "-all,+dac_read_search"
	cmd := exec.Command("unshare", "--mount", "--propagation", "private", "sh", "-c",
		`mount --bind "$0" "$0" && mount -o remount,bind,ro / && exec setpriv "$@"`, state,
		"--reuid", strconv.Itoa(nobody), "--regid", strconv.Itoa(nobody), "--groups", group,
		"--inh-caps", low, "--ambient-caps", low, "--bounding-set", low, "--no-new-privs",
		buildAgent(t), "run", "--config", filepath.Join(dir, "agent.yaml"))
	cmd.Env = append(os.Environ(), "NOTIFY_SOCKET="+filepath.Join(dir, "notify"))
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var log strings.Builder
	cmd.Stderr = &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := false
	t.Cleanup(func() {
		if !ended {
			cmd.Process.Kill()
			cmd.Wait()
		}
		if t.Failed() {
			t.Logf("the agent's log:\n%s", log.String())
		}
	})
	if s := said(); !strings.HasPrefix(s, "READY=1\n") {
		t.Errorf("first is said %q", s)
	}
	d := &deployment{metrics: "http://" + metrics}
	for _, want := range []string{
		`logkeel_findings_total{class="error",container="",project="",rule="ApplicationError",service="",severity="critical",source="app"} 1`,
		`logkeel_findings_total{class="error",container="app",project="",rule="ApplicationError",service="",severity="critical",source="docker"} 1`,
		`logkeel_sampler_up{kind="docker",target="stats"} 1`, `logkeel_sampler_up{kind="host",target="host"} 1`, `logkeel_docker_up 1`,
	} {
		within(t, want, func() bool { return strings.Contains(d.page(), want) })
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	ended = true
	if err := cmd.Wait(); err != nil {
		t.Errorf("the agent ended with %v", err)
	}
	if s := said(); !strings.HasPrefix(s, "STOPPING=1\n") {
		t.Errorf("at the end is said %q", s)
	}
	if left, _ := filepath.Glob(filepath.Join(state, "*")); len(left) == 0 {
		t.Error("nothing was kept in state_dir")
	}
}

// notifySocket is a service manager's, to which anybody may write; what it returns
// is what is said next.
func notifySocket(t *testing.T, name string) func() string {
	t.Helper()
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := os.Chmod(name, 0o777); err != nil {
		t.Fatal(err)
	}
	return func() string {
		t.Helper()
		b := make([]byte, 4096)
		conn.SetReadDeadline(time.Now().Add(patience))
		n, err := conn.Read(b)
		if err != nil {
			t.Fatalf("nothing more is said: %v", err)
		}
		return string(b[:n])
	}
}
