package testenv

import (
	"archive/tar"
	"bytes"
	"context"
	"debug/elf"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

const dockerKind = "docker"

// An Engine is a Docker engine of the test's own.
type Engine struct {
	Host string // unix:///...
	Root string // the data root: containers are under Root/containers

	LiveRestore bool // containers go on while the engine is stopped; from the next start on

	t      testing.TB
	dir    string
	bridge bool     // it has one, in a network namespace of its own
	daemon *process // nil while it is stopped
}

// Docker starts an engine without a network for its containers. It needs root.
func Docker(t testing.TB) *Engine {
	t.Helper()
	return newDocker(t, false)
}

// DockerWithBridge starts an engine whose containers are in a network with each
// other, and with nothing else: it is in a network namespace of its own.
func DockerWithBridge(t testing.TB) *Engine {
	t.Helper()
	_, err := exec.LookPath("unshare")
	Need(t, "unshare", err == nil)
	return newDocker(t, true)
}

func newDocker(t testing.TB, bridge bool) *Engine {
	t.Helper()
	Need(t, "root, to run a Docker engine of its own", os.Geteuid() == 0)
	for _, tool := range []string{"dockerd", "containerd", "runc", "docker"} {
		_, err := exec.LookPath(tool)
		Need(t, "the Docker engine ("+tool+")", err == nil)
	}
	e := newEngine(stateDir(t, dockerKind))
	e.t, e.bridge = t, bridge
	t.Cleanup(func() {
		if err := e.clear(); err != nil {
			t.Errorf("testenv: %v", err)
		}
	})
	if err := e.start(); err != nil {
		Need(t, "a Docker engine that starts ("+err.Error()+")", false)
	}
	return e
}

func newEngine(dir string) *Engine {
	return &Engine{
		Host: "unix://" + filepath.Join(dir, "docker.sock"),
		Root: filepath.Join(dir, "data"),
		dir:  dir,
	}
}

// Start starts the engine again, with all that it had.
func (e *Engine) Start() {
	e.t.Helper()
	if e.daemon != nil {
		e.t.Fatal("testenv: the engine is running")
	}
	if err := e.start(); err != nil {
		e.t.Fatalf("testenv: %v", err)
	}
}

// Stop stops the engine, and with it its containers, unless they live on.
func (e *Engine) Stop() {
	e.t.Helper()
	if err := e.stop(); err != nil {
		e.t.Fatalf("testenv: %v", err)
	}
}

// Kill kills the engine as a crash would. The containers go on.
func (e *Engine) Kill() {
	if e.daemon != nil {
		e.daemon.kill()
		e.daemon = nil
	}
}

// Image makes an image that holds busybox and its commands, and returns name.
func (e *Engine) Image(name string) string {
	e.t.Helper()
	rootfs, err := busyboxRootfs()
	Need(e.t, "a static busybox (busybox-static)", err == nil)
	cmd := e.command("import", "-", name)
	cmd.Stdin = bytes.NewReader(rootfs)
	if out, err := cmd.CombinedOutput(); err != nil {
		e.t.Fatalf("testenv: docker import: %v\n%s", err, out)
	}
	return name
}

// Run is `docker run --detach` with these arguments, and without a network
// unless they name one or the engine has a bridge. It returns the container's id.
func (e *Engine) Run(args ...string) string {
	e.t.Helper()
	// A shell that is process 1 ignores SIGTERM, and an engine that starts after
	// a crash stops what goes on: waiting ten seconds for that helps nobody.
	head := []string{"run", "--detach", "--stop-timeout", "1"}
	if !e.bridge && !slices.ContainsFunc(args, func(a string) bool { return strings.HasPrefix(a, "--net") }) {
		head = append(head, "--network", "none") // the engine has no bridge
	}
	return e.CLI(append(head, args...)...)
}

// CLI is the docker command with these arguments. It returns what that prints
// to standard output.
func (e *Engine) CLI(args ...string) string {
	e.t.Helper()
	out, err := e.cli(args...)
	if err != nil {
		e.t.Fatalf("testenv: %v", err)
	}
	return out
}

func (e *Engine) cli(args ...string) (string, error) {
	cmd := e.command(args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("docker %s: %w\n%s%s", strings.Join(args, " "), err, out, stderr.Bytes())
	}
	return strings.TrimSpace(string(out)), nil
}

func (e *Engine) command(args ...string) *exec.Cmd {
	cmd := exec.Command("docker", args...)
	cmd.Env = append(os.Environ(),
		"DOCKER_HOST="+e.Host, "DOCKER_CONTEXT=", "DOCKER_API_VERSION=", "DOCKER_TLS_VERIFY=",
		"DOCKER_CONFIG="+filepath.Join(e.dir, "cli"), // not the settings of whoever runs the tests
		"DOCKER_BUILDKIT=0")                          // the builder that is in every engine
	return cmd
}

func (e *Engine) start() error {
	if err := e.endContainerd(); err != nil {
		return err
	}
	// A pid file of a killed engine would keep the next one from starting.
	os.Remove(filepath.Join(e.dir, "docker.pid"))
	cmd := exec.Command("dockerd",
		"--config-file", filepath.Join(e.dir, "none.json"),
		"--data-root", e.Root,
		"--exec-root", filepath.Join(e.dir, "exec"),
		"--pidfile", filepath.Join(e.dir, "docker.pid"),
		"--host", e.Host,
		"--iptables=false", "--ip6tables=false",
		"--storage-driver=overlay2", "--exec-opt", "native.cgroupdriver=cgroupfs",
		"--shutdown-timeout", "1", "--live-restore="+strconv.FormatBool(e.LiveRestore))
	if e.bridge {
		cmd = exec.Command("unshare", append([]string{"--net", "--"}, cmd.Args...)...)
	} else {
		cmd.Args = append(cmd.Args, "--bridge=none")
	}
	if err := os.WriteFile(filepath.Join(e.dir, "none.json"), []byte("{}"), 0o600); err != nil {
		return err
	}
	p, err := start(filepath.Join(e.dir, "dockerd.log"), cmd)
	if err != nil {
		return err
	}
	if err := p.ready(e.ping); err != nil {
		p.kill()
		return err
	}
	e.daemon = p
	return nil
}

func (e *Engine) stop() error {
	if e.daemon == nil {
		return nil
	}
	err := e.daemon.stop()
	e.daemon = nil
	return err
}

// clear removes all containers and ends the engine. One that was killed is
// started once more: it knows best what its containers left behind.
func (e *Engine) clear() error {
	if e.daemon == nil {
		if _, err := os.Stat(e.Root); err != nil {
			return nil
		}
		if err := e.start(); err != nil {
			return err
		}
	}
	ids, err := e.cli("ps", "--all", "--quiet", "--no-trunc")
	if err == nil && ids != "" {
		_, err = e.cli(append([]string{"rm", "--force", "--volumes"}, strings.Fields(ids)...)...)
	}
	if serr := e.stop(); err == nil {
		err = serr
	}
	if cerr := e.endContainerd(); err == nil {
		err = cerr
	}
	return err
}

// clearEngine ends what is left of an engine whose test died.
func clearEngine(dir string, logf func(string, ...any)) {
	e := newEngine(dir)
	// The kernel has told the engine to stop when its test died; let it.
	_ = await(5*time.Second, func() error {
		if pid := e.pid("docker.pid", "dockerd"); pid != 0 {
			return fmt.Errorf("dockerd %d still runs", pid)
		}
		return nil
	})
	if pid := e.pid("docker.pid", "dockerd"); pid != 0 {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	if err := e.clear(); err != nil {
		logf("testenv: %v", err)
	}
}

// endContainerd ends the containerd that a killed engine left, and removes its
// pid file and sockets: the next engine would wait for it in vain.
func (e *Engine) endContainerd() error {
	const file = "exec/containerd/containerd.pid"
	if pid := e.pid(file, "containerd"); pid != 0 {
		_ = syscall.Kill(pid, syscall.SIGKILL)
		if err := await(patience, func() error {
			if e.pid(file, "containerd") != 0 {
				return fmt.Errorf("containerd %d does not end", pid)
			}
			return nil
		}); err != nil {
			return err
		}
	}
	left, err := filepath.Glob(filepath.Join(e.dir, "exec", "containerd", "*.sock*"))
	for _, name := range append(left, filepath.Join(e.dir, file)) {
		os.Remove(name)
	}
	return err
}

// pid reads a pid file of this engine; 0 if that process is gone, or is not
// this engine's, for numbers are used again.
func (e *Engine) pid(file, name string) int {
	b, err := os.ReadFile(filepath.Join(e.dir, file))
	if err != nil {
		return 0
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil || pid <= 1 {
		return 0
	}
	cmdline, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid)) // empty for a zombie
	if err != nil || !bytes.Contains(cmdline, []byte(name)) || !bytes.Contains(cmdline, []byte(e.dir)) {
		return 0
	}
	return pid
}

func (e *Engine) ping() error {
	client := http.Client{
		Timeout: patience,
		Transport: &http.Transport{
			DisableKeepAlives: true,
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, "unix", strings.TrimPrefix(e.Host, "unix://"))
			},
		},
	}
	resp, err := client.Get("http://docker/_ping")
	if err != nil {
		return err
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("ping: %s", resp.Status)
	}
	return nil
}

// busyboxRootfs is a tar archive of a root file system with busybox in it.
func busyboxRootfs() ([]byte, error) {
	path, err := exec.LookPath("busybox")
	if err != nil {
		return nil, err
	}
	if dynamic, err := isDynamic(path); err != nil || dynamic {
		return nil, fmt.Errorf("%s is not static: %w", path, err)
	}
	binary, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	applets, err := exec.Command(path, "--list").Output()
	if err != nil {
		return nil, err
	}
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for _, dir := range []string{"bin/", "etc/", "tmp/"} {
		if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: dir, Mode: 0o777}); err != nil {
			return nil, err
		}
	}
	if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: "bin/busybox", Mode: 0o755, Size: int64(len(binary))}); err != nil {
		return nil, err
	}
	if _, err := w.Write(binary); err != nil {
		return nil, err
	}
	for _, name := range strings.Fields(string(applets)) {
		if name == "busybox" {
			continue
		}
		if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeSymlink, Name: "bin/" + name, Linkname: "busybox"}); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return buf.Bytes(), nil
}

// isDynamic reports whether the program needs a loader.
func isDynamic(path string) (bool, error) {
	f, err := elf.Open(path)
	if err != nil {
		return false, err
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			return true, nil
		}
	}
	return false, nil
}
