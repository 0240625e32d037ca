package testenv

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// A MariaDBServer is a MariaDB, or the MySQL that the PATH has before it, of the
// test's own, with a user root that has no password.
type MariaDBServer struct {
	MySQL bool // it is none

	Version string // what mysqld --version says
	Addr    string // host:port, the same after each Start
	Socket  string // the path of its unix socket
	CAFile  string // PEM: what the server's certificate, for 127.0.0.1 and localhost, is signed by

	t               testing.TB
	program, client string // paths
	dir             string
	args            []string
	server          *process // nil while it is stopped
}

// mysqld is the path of the server, and what it says of its version.
func mysqld() (path, version string, err error) {
	if path, err = lookServer("mysqld", "mariadbd"); err != nil {
		return "", "", err
	}
	out, err := exec.Command(path, "--version").Output()
	if err != nil {
		return "", "", fmt.Errorf("%s --version: %w", path, err)
	}
	return path, string(out), nil
}

// MariaDB starts a server that offers TLS; args are settings more, as
// --performance-schema=ON.
func MariaDB(t testing.TB, args ...string) *MariaDBServer {
	t.Helper()
	program, version, err := mysqld()
	Need(t, "mysqld (mariadb-server)", err == nil)
	client, err := lookServer("mysql", "mariadb")
	Need(t, "mysql (mariadb-client)", err == nil)
	// Its socket's folder has to be its own, for the server drops root.
	s := &MariaDBServer{
		MySQL: !strings.Contains(version, "MariaDB"), Addr: Addr(t), Version: version,
		t: t, program: program, client: client, dir: stateDir(t, "mariadb"),
	}
	s.Socket = filepath.Join(s.dir, "mariadb.sock")
	s.CAFile = filepath.Join(s.dir, "ca.pem")
	if err := makeCertificates(s.dir); err != nil {
		t.Fatalf("testenv: certificates: %v", err)
	}
	// Temporary tables of two servers in one folder get in each other's way.
	if err := os.Mkdir(s.tmp(), 0o700); err != nil {
		t.Fatalf("testenv: %v", err)
	}
	if err := s.own(); err != nil {
		t.Fatalf("testenv: %v", err)
	}
	if err := s.install(); err != nil {
		t.Fatalf("testenv: %v", err)
	}
	host, port, _ := strings.Cut(s.Addr, ":")
	s.args = []string{
		"--no-defaults", s.user(), "--datadir=" + filepath.Join(s.dir, "data"), "--socket=" + s.Socket,
		"--tmpdir=" + s.tmp(), "--pid-file=" + filepath.Join(s.dir, "mariadb.pid"), "--bind-address=" + host, "--port=" + port,
		"--skip-name-resolve", "--skip-log-bin", "--innodb-buffer-pool-size=16M",
		"--innodb-flush-log-at-trx-commit=0", "--key-buffer-size=1M",
		"--ssl-ca=" + s.CAFile, "--ssl-cert=" + filepath.Join(s.dir, "server.pem"), "--ssl-key=" + filepath.Join(s.dir, "server.key"),
	}
	if s.MySQL {
		s.args = append(s.args, "--innodb-redo-log-capacity=8M", "--innodb-doublewrite=OFF", "--loose-mysqlx=OFF", "--secure-file-priv=NULL",
			"--cte-max-recursion-depth=100000") // it makes the numbers of tests by one that is recursive
	} else {
		s.args = append(s.args, "--innodb-log-file-size=8M", "--skip-innodb-doublewrite", "--aria-pagecache-buffer-size=8M")
	}
	for _, arg := range args {
		if s.MySQL { // it does not know all that MariaDB does
			if arg == "--skip-ssl" {
				arg = "--tls-version="
			}
			arg = strings.Replace(arg, "--", "--loose-", 1)
		}
		s.args = append(s.args, arg)
	}
	t.Cleanup(s.Stop)
	s.Start()
	return s
}

// install makes the server's tables, by a copy of those that were made for the first
// server of this version: making them takes seconds of CPU.
func (s *MariaDBServer) install() error {
	made := filepath.Join(base(s.t), fmt.Sprintf("mariadb.%x", sha256.Sum256([]byte(s.Version+s.user())))[:40])
	guard, err := lockFileWait(made + ".lock")
	if err != nil {
		return err
	}
	defer guard.Close()
	if _, err := os.Stat(made); err != nil {
		data := filepath.Join(s.dir, "data")
		cmd := exec.Command("mariadb-install-db", "--no-defaults", "--datadir="+data,
			"--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve", s.user())
		if s.MySQL {
			cmd = exec.Command(s.program, "--no-defaults", "--initialize-insecure", "--secure-file-priv=NULL", "--datadir="+data, s.user())
		}
		cmd.Env = append(os.Environ(), "TMPDIR="+s.tmp())
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w\n%s", cmd.Path, err, out)
		}
		if err := copyTree(data, made+".new"); err != nil {
			return err
		}
		return os.Rename(made+".new", made)
	}
	if err := copyTree(made, filepath.Join(s.dir, "data")); err != nil {
		return err
	}
	// The UUID of a MySQL, which is to differ from one to the next.
	if err := os.Remove(filepath.Join(s.dir, "data", "auto.cnf")); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// copyTree copies a folder with owners and modes.
func copyTree(from, to string) error {
	if err := os.RemoveAll(to); err != nil {
		return err
	}
	if out, err := exec.Command("cp", "-a", "--reflink=auto", "--sparse=always", from, to).CombinedOutput(); err != nil {
		return fmt.Errorf("cp %s: %w\n%s", from, err, out)
	}
	return nil
}

func (s *MariaDBServer) tmp() string { return filepath.Join(s.dir, "tmp") }

// lookServer finds the first of these programs, which may lie in sbin only.
func lookServer(names ...string) (path string, err error) {
	for _, name := range names {
		if path, err = exec.LookPath(name); err != nil {
			path, err = exec.LookPath(filepath.Join("/usr/sbin", name))
		}
		if err == nil {
			break
		}
	}
	return path, err
}

// user is the option that names whom the server runs as: it refuses root.
func (s *MariaDBServer) user() string {
	if os.Geteuid() == 0 {
		return "--user=mysql"
	}
	return "--user=" + strconv.Itoa(os.Geteuid())
}

// own gives the folder and what is in it to the server's user.
func (s *MariaDBServer) own() error {
	if os.Geteuid() != 0 {
		return nil
	}
	u, err := user.Lookup("mysql")
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

// Start starts the server again, with all that it had.
func (s *MariaDBServer) Start() {
	s.t.Helper()
	if s.server != nil {
		s.t.Fatal("testenv: mariadb is running")
	}
	p, err := start(filepath.Join(s.dir, "mariadb.log"), exec.Command(s.program, s.args...))
	if err != nil {
		s.t.Fatalf("testenv: %v", err)
	}
	err = p.ready(func() error {
		_, err := s.sql("SELECT 1")
		return err
	})
	if err != nil {
		p.kill()
		s.t.Fatalf("testenv: %v", err)
	}
	s.server = p
}

// Stop ends the server.
func (s *MariaDBServer) Stop() {
	s.t.Helper()
	if s.server == nil {
		return
	}
	if err := s.server.stop(); err != nil {
		s.t.Errorf("testenv: %v", err)
	}
	s.server = nil
}

// SQL runs statements as root with the client mariadb. It returns what that
// prints: a line a row, with tabs between the columns.
func (s *MariaDBServer) SQL(statements string) string {
	s.t.Helper()
	out, err := s.sql(statements)
	if err != nil {
		s.t.Fatalf("testenv: %v", err)
	}
	return out
}

func (s *MariaDBServer) sql(statements string) (string, error) {
	cmd := exec.Command(s.client, "--no-defaults", "--socket="+s.Socket, "--user=root", "--batch", "--skip-column-names")
	if !s.MySQL {
		cmd.Args = append(cmd.Args, "--skip-ssl") // MariaDB 11 would ask for it
	}
	cmd.Stdin = strings.NewReader(statements)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("mariadb: %w\n%s", err, stderr.Bytes())
	}
	return strings.TrimSpace(string(out)), nil
}
