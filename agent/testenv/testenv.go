// Package testenv starts the real servers that tests talk to: a Docker engine,
// a Forward receiver that is not ours, Prometheus. Each listens on 127.0.0.1 or
// on a unix socket, keeps its state in a folder of its own and is stopped at
// the end of the test. If the test dies first, the kernel ends the servers and
// the next test clears what they left.
package testenv

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Need ends the test unless present: with a skip that says what to install or,
// where CI=true or LOGKEEL_TEST_ALL=1 promise that everything is there, with a
// failure.
func Need(t testing.TB, what string, present bool) {
	t.Helper()
	if present {
		return
	}
	if os.Getenv("CI") == "true" || os.Getenv("LOGKEEL_TEST_ALL") == "1" {
		t.Fatalf("testenv: this test needs %s, which is not there, and nothing may be skipped here; `make test` as root installs it (agent/testenv/install.sh)", what)
	}
	t.Skipf("testenv: SKIPPED, for it needs %s, which is not there; `make test` as root installs it (agent/testenv/install.sh)", what)
}

// Addr returns a 127.0.0.1:port that nobody else gets until the test ends.
//
// It lies below the ports that the kernel hands out for outgoing connections:
// of those, one could take the port while a test has its server stopped, and a
// client that keeps dialling could even connect to itself.
func Addr(t testing.TB) string {
	t.Helper()
	first := 32768
	if b, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range"); err == nil {
		fmt.Sscan(string(b), &first)
	}
	from, to := 20000, first
	if to <= from+1000 {
		from, to = 40000, 60000
	}
	for range 200 {
		addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(from+rand.IntN(to-from)))
		lock, err := lockFile(filepath.Join(base(t), "port-"+addr))
		if err != nil {
			continue
		}
		l, err := net.Listen("tcp", addr)
		if err != nil {
			lock.Close()
			continue
		}
		l.Close()
		t.Cleanup(func() { lock.Close() })
		return addr
	}
	t.Fatal("testenv: no free port on 127.0.0.1")
	return ""
}

// base is the folder that holds the state of all test servers of this user. It
// has a short name, for a unix socket's path may have 107 bytes only.
func base(t testing.TB) string {
	t.Helper()
	tmp := os.TempDir()
	if os.Geteuid() == 0 && !passable(tmp) {
		tmp = "/tmp"
	}
	dir := filepath.Join(tmp, "logkeel-testenv-"+strconv.Itoa(os.Geteuid()))
	if err := os.MkdirAll(dir, 0o711); err != nil {
		t.Fatalf("testenv: %v", err)
	}
	return dir
}

// passable reports whether servers that drop root can get to what is in dir.
func passable(dir string) bool {
	for {
		info, err := os.Stat(dir)
		if err != nil || info.Mode().Perm()&0o001 == 0 {
			return false
		}
		if parent := filepath.Dir(dir); parent != dir {
			dir = parent
			continue
		}
		return true
	}
}

// stateDir makes a folder that is removed at the end of the test. A lock in it
// tells those that come later whether its test still lives.
func stateDir(t testing.TB, kind string) string {
	t.Helper()
	parent := base(t)
	guard, err := lockFileWait(filepath.Join(parent, "lock"))
	if err != nil {
		t.Fatalf("testenv: %v", err)
	}
	defer guard.Close()
	sweep(parent, t.Logf)
	dir, err := os.MkdirTemp(parent, kind+"-")
	if err != nil {
		t.Fatalf("testenv: %v", err)
	}
	if err := os.Chmod(dir, 0o711); err != nil {
		t.Fatalf("testenv: %v", err)
	}
	lock, err := lockFile(filepath.Join(dir, "lock"))
	if err != nil {
		t.Fatalf("testenv: %v", err)
	}
	t.Cleanup(func() {
		if err := clearDir(dir); err != nil {
			t.Errorf("testenv: %v", err)
		}
		lock.Close()
	})
	return dir
}

// sweep removes the folders whose tests died.
func sweep(parent string, logf func(string, ...any)) {
	dirs, _ := filepath.Glob(filepath.Join(parent, "*-*", "lock"))
	for _, name := range dirs {
		lock, err := lockFile(name)
		if err != nil {
			continue // its test lives
		}
		dir := filepath.Dir(name)
		logf("testenv: clearing %s, left by a test that died", dir)
		if strings.HasPrefix(filepath.Base(dir), dockerKind) {
			clearEngine(dir, logf)
		}
		if err := clearDir(dir); err != nil {
			logf("testenv: %v", err)
		}
		lock.Close()
	}
}

// clearDir unmounts what is mounted under dir and removes it. What a server has
// left running may write, and mount, for a moment still.
func clearDir(dir string) (err error) {
	for range 100 {
		if err = unmountBelow(dir); err == nil {
			err = os.RemoveAll(dir)
		}
		if err == nil {
			return nil
		}
		time.Sleep(50 * time.Millisecond)
	}
	return err
}

func unmountBelow(dir string) error {
	b, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return err
	}
	lines := strings.Split(string(b), "\n")
	for i := len(lines) - 1; i >= 0; i-- { // the innermost was mounted last
		if f := strings.Fields(lines[i]); len(f) > 1 && strings.HasPrefix(f[1], dir+"/") {
			if err := syscall.Unmount(f[1], syscall.MNT_DETACH); err != nil {
				return fmt.Errorf("unmount %s: %w", f[1], err)
			}
		}
	}
	return nil
}

// lockFile opens and locks the file, or fails if another one has it locked.
func lockFile(name string) (*os.File, error) { return flock(name, syscall.LOCK_EX|syscall.LOCK_NB) }

func lockFileWait(name string) (*os.File, error) { return flock(name, syscall.LOCK_EX) }

func flock(name string, how int) (*os.File, error) {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	for {
		if err = syscall.Flock(int(f.Fd()), how); err != syscall.EINTR {
			break
		}
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("lock %s: %w", name, err)
	}
	return f, nil
}

// await calls ready, ever more seldom, until it returns nil; after timeout its last
// error counts.
func await(timeout time.Duration, ready func() error) error {
	deadline := time.Now().Add(timeout)
	for pause := 5 * time.Millisecond; ; pause = min(pause*5/4, 300*time.Millisecond) {
		err := ready()
		if err == nil || time.Now().After(deadline) {
			return err
		}
		time.Sleep(pause)
	}
}
