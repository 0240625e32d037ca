package testenv

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// A PostgresServer is a PostgreSQL of the test's own, with a superuser postgres
// that has no password.
type PostgresServer struct {
	Addr   string // host:port, the same after each Start
	Socket string // the path of its unix socket
	CAFile string // PEM: what the server's certificate, for 127.0.0.1 and localhost, is signed by

	t      testing.TB
	dir    string
	bin    string // where its programs are
	args   []string
	server *process // nil while it is stopped
}

// access says who may connect: postgres without a password, others with one, and
// one whose name begins with tls only with TLS.
const access = `local all all trust
local replication all trust
host all postgres 127.0.0.1/32 trust
host replication postgres 127.0.0.1/32 trust
hostssl all tls 127.0.0.1/32 scram-sha-256
hostnossl all tls 127.0.0.1/32 reject
host all all 127.0.0.1/32 scram-sha-256
`

// Postgres starts a server that offers TLS; settings are further ones, as
// shared_preload_libraries=pg_stat_statements.
func Postgres(t testing.TB, settings ...string) *PostgresServer {
	t.Helper()
	s := newPostgres(t)
	s.configure(settings)
	s.run("initdb", "--pgdata="+s.data(), "--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync")
	if err := os.WriteFile(filepath.Join(s.data(), "pg_hba.conf"), []byte(access), 0o644); err != nil {
		t.Fatalf("testenv: %v", err)
	}
	s.Start()
	return s
}

// Standby starts a server that replicates this one; settings as for Postgres.
func (s *PostgresServer) Standby(settings ...string) *PostgresServer {
	s.t.Helper()
	standby := newPostgres(s.t)
	standby.configure(settings)
	host, port, _ := strings.Cut(s.Addr, ":")
	standby.run("pg_basebackup", "--pgdata="+standby.data(), "--host="+host, "--port="+port, "--username=postgres", "--write-recovery-conf",
		"--create-slot", "--slot=standby", "--checkpoint=fast", "--no-sync")
	standby.Start()
	return standby
}

func newPostgres(t testing.TB) *PostgresServer {
	t.Helper()
	s := &PostgresServer{Addr: Addr(t), t: t}
	var err error
	s.bin, err = postgresPrograms()
	Need(t, "PostgreSQL (postgresql)", err == nil)
	s.dir = stateDir(t, "postgres") // of its own, for the server refuses root
	_, port, _ := strings.Cut(s.Addr, ":")
	s.Socket = filepath.Join(s.dir, ".s.PGSQL."+port)
	s.CAFile = filepath.Join(s.dir, "ca.pem")
	if err := makeCertificates(s.dir); err != nil {
		t.Fatalf("testenv: certificates: %v", err)
	}
	if err := s.own(); err != nil {
		t.Fatalf("testenv: %v", err)
	}
	t.Cleanup(s.Stop)
	return s
}

// postgresPrograms is where the PATH, or else Debian, has the newest server.
func postgresPrograms() (string, error) {
	path, err := exec.LookPath("initdb")
	if err == nil {
		path, err = filepath.EvalSymlinks(path) // the others may not be in the PATH
		return filepath.Dir(path), err
	}
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if len(found) == 0 {
		return "", err
	}
	return filepath.Dir(found[len(found)-1]), nil
}

func (s *PostgresServer) data() string { return filepath.Join(s.dir, "data") }

func (s *PostgresServer) configure(settings []string) {
	host, port, _ := strings.Cut(s.Addr, ":")
	s.args = []string{"-D", s.data()}
	for _, setting := range append([]string{
		"listen_addresses=" + host, "port=" + port, "unix_socket_directories=" + s.dir, "shared_buffers=16MB", "max_wal_size=64MB", "fsync=off",
		"ssl=on", "ssl_cert_file=" + filepath.Join(s.dir, "server.pem"), "ssl_key_file=" + filepath.Join(s.dir, "server.key"),
	}, settings...) {
		s.args = append(s.args, "-c", setting)
	}
}

// own gives the folder and what is in it to the server's user.
func (s *PostgresServer) own() error {
	if os.Geteuid() != 0 {
		return nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return err
	}
	uid, err := strconv.Atoi(u.Uid)
	if err != nil {
		return err
	}
	files, err := filepath.Glob(filepath.Join(s.dir, "*"))
	for _, name := range append(files, s.dir) {
		if err := os.Chown(name, uid, -1); err != nil {
			return err
		}
	}
	return err
}

// command is one of the server's programs, run as its user: it refuses root.
func (s *PostgresServer) command(name string, args ...string) *exec.Cmd {
	program := filepath.Join(s.bin, name)
	if os.Geteuid() != 0 {
		return exec.Command(program, args...)
	}
	// Whoever changes user is no longer told of the test's end by the kernel,
	// unless that is asked for anew.
	return exec.Command("setpriv", append([]string{"--reuid=postgres", "--regid=postgres", "--init-groups", "--pdeathsig=INT", program}, args...)...)
}

func (s *PostgresServer) run(name string, args ...string) {
	s.t.Helper()
	cmd := s.command(name, args...)
	cmd.Dir = s.dir
	if out, err := cmd.CombinedOutput(); err != nil {
		s.t.Fatalf("testenv: %s: %v\n%s", name, err, out)
	}
}

// Start starts the server again, with all that it had.
func (s *PostgresServer) Start() {
	s.t.Helper()
	if s.server != nil {
		s.t.Fatal("testenv: postgres is running")
	}
	cmd := s.command("postgres", s.args...)
	cmd.Dir = s.dir
	p, err := start(filepath.Join(s.dir, "postgres.log"), cmd)
	if err != nil {
		s.t.Fatalf("testenv: %v", err)
	}
	err = p.ready(func() error {
		_, err := s.sql("postgres", "SELECT 1")
		return err
	})
	if err != nil {
		p.kill()
		s.t.Fatalf("testenv: %v", err)
	}
	s.server = p
}

// Stop ends the server, and its clients' connections.
func (s *PostgresServer) Stop() {
	s.t.Helper()
	if s.server == nil {
		return
	}
	// SIGTERM would wait for the clients.
	_ = s.server.cmd.Process.Signal(os.Interrupt)
	if err := s.server.stop(); err != nil {
		s.t.Errorf("testenv: %v", err)
	}
	s.server = nil
}

// SQL runs statements as postgres with psql, in the database postgres. It returns
// what that prints: a line a row, with tabs between the columns.
func (s *PostgresServer) SQL(statements string) string {
	s.t.Helper()
	return s.SQLIn("postgres", statements)
}

// SQLIn is SQL in another database.
func (s *PostgresServer) SQLIn(database, statements string) string {
	s.t.Helper()
	out, err := s.sql(database, statements)
	if err != nil {
		s.t.Fatalf("testenv: %v", err)
	}
	return out
}

func (s *PostgresServer) sql(database, statements string) (string, error) {
	_, port, _ := strings.Cut(s.Addr, ":")
	cmd := exec.Command(filepath.Join(s.bin, "psql"), "--no-psqlrc", "--host="+s.dir, "--port="+port, "--username=postgres", "--dbname="+database,
		"--set=ON_ERROR_STOP=1", "--quiet", "--tuples-only", "--no-align", "--field-separator=\t")
	cmd.Stdin = strings.NewReader(statements)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("psql: %w\n%s", err, stderr.Bytes())
	}
	return strings.TrimRight(string(out), "\n"), nil
}
