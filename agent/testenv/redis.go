package testenv

import (
	"bytes"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// A RedisServer is a Redis of the test's own. It keeps nothing on the disk.
type RedisServer struct {
	Addr   string // host:port, the same after each Start
	Socket string // the path of its unix socket
	CAFile string // PEM; with TLS: what the server's certificate, for 127.0.0.1 and localhost, is signed by

	t      testing.TB
	dir    string
	args   []string
	cli    []string // how redis-cli reaches it
	server *process // nil while it is stopped
}

// Redis starts a server; args are settings more, as --maxclients 10.
func Redis(t testing.TB, args ...string) *RedisServer {
	t.Helper()
	s := newRedis(t)
	host, port, _ := strings.Cut(s.Addr, ":")
	s.args = append([]string{"--bind", host, "--port", port}, args...)
	s.Start()
	return s
}

// RedisTLS starts a server that has no port without TLS.
func RedisTLS(t testing.TB) *RedisServer {
	t.Helper()
	s := newRedis(t)
	if err := makeCertificates(s.dir); err != nil {
		t.Fatalf("testenv: certificates: %v", err)
	}
	s.CAFile = filepath.Join(s.dir, "ca.pem")
	host, port, _ := strings.Cut(s.Addr, ":")
	s.args = []string{
		"--bind", host, "--port", "0", "--tls-port", port, "--tls-auth-clients", "no",
		"--tls-cert-file", filepath.Join(s.dir, "server.pem"), "--tls-key-file", filepath.Join(s.dir, "server.key"),
		"--tls-ca-cert-file", s.CAFile,
	}
	s.Start()
	return s
}

func newRedis(t testing.TB) *RedisServer {
	t.Helper()
	for _, tool := range []string{"redis-server", "redis-cli"} {
		_, err := exec.LookPath(tool)
		Need(t, tool, err == nil)
	}
	s := &RedisServer{Addr: Addr(t), t: t, dir: stateDir(t, "redis")}
	s.Socket = filepath.Join(s.dir, "redis.sock")
	s.cli = []string{"-s", s.Socket}
	t.Cleanup(s.Stop)
	return s
}

// Start starts the server again, empty.
func (s *RedisServer) Start() {
	s.t.Helper()
	if s.server != nil {
		s.t.Fatal("testenv: redis is running")
	}
	p, err := start(filepath.Join(s.dir, "redis.log"), exec.Command("redis-server", append([]string{
		"--dir", s.dir, "--save", "", "--appendonly", "no", "--unixsocket", s.Socket,
	}, s.args...)...))
	if err != nil {
		s.t.Fatalf("testenv: %v", err)
	}
	// Without rights, or while it loads, it answers as well: it is up.
	err = p.ready(func() error {
		out, err := exec.Command("redis-cli", append(s.cli, "PING")...).CombinedOutput()
		if err == nil && bytes.HasPrefix(out, []byte("Could not connect")) {
			err = fmt.Errorf("%s", bytes.TrimSpace(out))
		}
		return err
	})
	if err != nil {
		p.kill()
		s.t.Fatalf("testenv: %v", err)
	}
	s.server = p
}

// Stop ends the server.
func (s *RedisServer) Stop() {
	s.t.Helper()
	if s.server == nil {
		return
	}
	if err := s.server.stop(); err != nil {
		s.t.Errorf("testenv: %v", err)
	}
	s.server = nil
}

// Since reports whether it is of this version or a later one; Valkey is one of
// Redis 7.2.
func (s *RedisServer) Since(major, minor int) bool {
	s.t.Helper()
	_, version, _ := strings.Cut(s.CLI("INFO", "server"), "redis_version:")
	var is [2]int
	if _, err := fmt.Sscanf(version, "%d.%d", &is[0], &is[1]); err != nil {
		s.t.Fatalf("testenv: redis_version %.20q: %v", version, err)
	}
	return is[0] > major || is[0] == major && is[1] >= minor
}

// CLI is redis-cli with these arguments. It returns what that prints, without
// the last line end.
func (s *RedisServer) CLI(args ...string) string {
	s.t.Helper()
	out, err := exec.Command("redis-cli", append(s.cli, args...)...).CombinedOutput()
	if err != nil {
		s.t.Fatalf("testenv: redis-cli %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSuffix(string(out), "\n")
}
