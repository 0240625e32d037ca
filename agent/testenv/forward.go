package testenv

import (
	"bufio"
	"bytes"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

//go:embed forward.js
var forwardScript []byte

// ForwardOptions say how a Forward receiver is secured; the zero value is not.
type ForwardOptions struct {
	SharedKey  string
	Users      map[string]string // password by user name; with SharedKey only
	TLS        bool
	ClientCert bool // with TLS: clients need the certificate in CertFile
}

// A Forward is a receiver of Fluentd's Forward protocol: the FluentServer of
// the npm package @fluent-org/logger. It acknowledges chunks.
type Forward struct {
	Addr     string // host:port, the same after each Start
	CAFile   string // PEM; with TLS: what the receiver's certificate, for 127.0.0.1 and localhost, is signed by
	CertFile string // PEM; with TLS: a client's certificate and its key
	KeyFile  string

	t       testing.TB
	dir     string
	modules string
	server  *process // nil while it is stopped

	count int   // complete lines up to read
	read  int64 // offset in the file of entries
}

// An Entry is one record as it was received.
type Entry struct {
	Tag    string         `json:"tag"`
	Time   int64          `json:"time"` // nanoseconds since 1970
	Record map[string]any `json:"record"`
}

// ForwardReceiver starts a receiver.
func ForwardReceiver(t testing.TB, o ForwardOptions) *Forward {
	t.Helper()
	_, err := exec.LookPath("node")
	Need(t, "node", err == nil)
	modules := nodeModules()
	_, err = os.Stat(filepath.Join(modules, "@fluent-org", "logger", "package.json"))
	Need(t, "the npm package @fluent-org/logger in "+modules, err == nil)

	f := &Forward{Addr: Addr(t), t: t, dir: stateDir(t, "forward"), modules: modules}
	if o.TLS {
		if err := makeCertificates(f.dir); err != nil {
			t.Fatalf("testenv: certificates: %v", err)
		}
		f.CAFile = filepath.Join(f.dir, "ca.pem")
		f.CertFile, f.KeyFile = filepath.Join(f.dir, "client.pem"), filepath.Join(f.dir, "client.key")
	}
	if err := f.writeFiles(o); err != nil {
		t.Fatalf("testenv: %v", err)
	}
	t.Cleanup(f.Stop)
	f.Start()
	return f
}

// nodeModules is the folder that install.sh fills.
func nodeModules() string {
	if dir := os.Getenv("LOGKEEL_NODE_MODULES"); dir != "" {
		return dir
	}
	const modules = ".testenv/node_modules"
	dir, err := os.Getwd()
	if err != nil {
		return modules
	}
	for root := dir; ; root = filepath.Dir(root) {
		if _, err := os.Stat(filepath.Join(root, "go.mod")); err == nil {
			return filepath.Join(root, modules)
		}
		if root == filepath.Dir(root) {
			return modules
		}
	}
}

func (f *Forward) writeFiles(o ForwardOptions) error {
	host, port, err := net.SplitHostPort(f.Addr)
	if err != nil {
		return err
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		return err
	}
	options := map[string]any{"listenOptions": map[string]any{"host": host, "port": number}}
	if o.SharedKey != "" {
		users := o.Users
		if users == nil {
			users = map[string]string{}
		}
		options["security"] = map[string]any{
			"serverHostname": "receiver.test", "sharedKey": o.SharedKey,
			"authorize": len(users) > 0, "userDict": users,
		}
	}
	if o.TLS {
		options["tlsOptions"] = map[string]any{
			"cert": filepath.Join(f.dir, "server.pem"), "key": filepath.Join(f.dir, "server.key"),
			"ca": f.CAFile, "requestCert": o.ClientCert, "rejectUnauthorized": o.ClientCert,
		}
	}
	b, err := json.Marshal(options)
	if err != nil {
		return err
	}
	return errors.Join(
		os.WriteFile(filepath.Join(f.dir, "options.json"), b, 0o600),
		os.WriteFile(filepath.Join(f.dir, "forward.js"), forwardScript, 0o600),
		os.WriteFile(f.entries(), nil, 0o600),
	)
}

func (f *Forward) entries() string { return filepath.Join(f.dir, "entries.jsonl") }

// Start starts the receiver again, on the same port and with the entries that
// it had.
func (f *Forward) Start() {
	f.t.Helper()
	if f.server != nil {
		f.t.Fatal("testenv: the receiver is running")
	}
	cmd := exec.Command("node", filepath.Join(f.dir, "forward.js"), filepath.Join(f.dir, "options.json"), f.entries())
	cmd.Env = append(os.Environ(), "NODE_PATH="+f.modules, "NODE_OPTIONS=")
	p, err := start(filepath.Join(f.dir, "node.log"), cmd)
	if err != nil {
		f.t.Fatalf("testenv: %v", err)
	}
	err = p.ready(func() error {
		c, err := net.Dial("tcp", f.Addr)
		if err == nil {
			c.Close()
		}
		return err
	})
	if err != nil {
		p.kill()
		f.t.Fatalf("testenv: %v", err)
	}
	f.server = p
}

// Stop breaks all connections and frees the port. Every entry that was
// acknowledged is counted after it.
func (f *Forward) Stop() {
	f.t.Helper()
	if f.server == nil {
		return
	}
	err := f.server.stop()
	f.server = nil
	if err != nil {
		f.t.Errorf("testenv: %v", err)
	}
}

// Count is how many entries were received. It is cheap.
func (f *Forward) Count() int {
	f.t.Helper()
	file, err := os.Open(f.entries())
	if err != nil {
		f.t.Fatalf("testenv: %v", err)
	}
	defer file.Close()
	buf := make([]byte, 256<<10)
	for {
		n, err := file.ReadAt(buf, f.read)
		f.count += bytes.Count(buf[:n], []byte("\n"))
		f.read += int64(n)
		if errors.Is(err, io.EOF) {
			return f.count
		}
		if err != nil {
			f.t.Fatalf("testenv: %v", err)
		}
	}
}

// Await waits until n entries were received, and fails the test after timeout.
func (f *Forward) Await(n int, timeout time.Duration) {
	f.t.Helper()
	err := await(timeout, func() error {
		if c := f.Count(); c < n {
			return fmt.Errorf("%d of %d entries were received within %v", c, n, timeout)
		}
		return nil
	})
	if err != nil {
		f.t.Fatalf("testenv: %v", err)
	}
}

// Lines yields each entry's line of JSON, without its line end and in the order
// of arrival. A line is valid until the next one.
func (f *Forward) Lines() iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		f.t.Helper()
		file, err := os.Open(f.entries())
		if errors.Is(err, fs.ErrNotExist) {
			return
		}
		if err != nil {
			f.t.Fatalf("testenv: %v", err)
		}
		defer file.Close()
		r := bufio.NewReaderSize(file, 256<<10)
		var line []byte
		for {
			part, err := r.ReadSlice('\n')
			line = append(line, part...)
			if errors.Is(err, bufio.ErrBufferFull) {
				continue
			}
			if err != nil { // a line without an end is still being written
				return
			}
			if !yield(line[:len(line)-1]) {
				return
			}
			line = line[:0]
		}
	}
}

// Entries yields each entry in the order of arrival.
func (f *Forward) Entries() iter.Seq[Entry] {
	return func(yield func(Entry) bool) {
		f.t.Helper()
		for line := range f.Lines() {
			var e Entry
			if err := json.Unmarshal(line, &e); err != nil {
				f.t.Fatalf("testenv: the receiver wrote %q: %v", line, err)
			}
			if !yield(e) {
				return
			}
		}
	}
}
