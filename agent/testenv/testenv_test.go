package testenv

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fluent/fluent-logger-golang/fluent"
)

func TestDocker(t *testing.T) {
	t.Parallel()
	e := Docker(t)
	id := e.Run("--name", "web", "--restart", "always", e.Image("box:1"), "sh", "-c", "echo up; exec sleep 1000")
	if len(id) != 64 {
		t.Fatalf("Run returned %q, which is no container id", id)
	}
	if _, err := os.Stat(filepath.Join(e.Root, "containers", id, "config.v2.json")); err != nil {
		t.Error(err)
	}
	running := func(when string) {
		t.Helper()
		if err := await(patience, func() error {
			if got := e.CLI("ps", "--quiet", "--no-trunc"); got != id {
				return fmt.Errorf("%s: ps says %q, not %s", when, got, id)
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	running("at first")
	e.Stop()
	if e.ping() == nil {
		t.Error("a stopped engine answers")
	}
	e.Start()
	running("after a restart")
	e.Kill()
	e.Start()
	running("after a kill")
	e.Kill() // cleaning up has to cope with a dead engine, too
}

// TestDeadTest kills a test that has an engine with a container, and expects
// the next one to find nothing of it.
func TestDeadTest(t *testing.T) {
	t.Parallel()
	const child = "LOGKEEL_TESTENV_CHILD"
	if os.Getenv(child) != "" {
		e := Docker(t)
		e.Run(e.Image("box:1"), "sleep", "1000")
		fmt.Println("DIR", e.dir)
		select {}
	}
	Docker(t) // skips here, not in the child
	cmd := exec.Command(os.Args[0], "-test.run=^TestDeadTest$")
	cmd.Env = append(os.Environ(), child+"=1", "LOGKEEL_TEST_ALL=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var dir string
	if _, err := fmt.Fscanf(out, "DIR %s\n", &dir); err != nil {
		t.Errorf("the child did not say its folder: %v", err)
	}
	cmd.Process.Kill()
	cmd.Wait()
	if dir == "" {
		t.FailNow()
	}
	stateDir(t, "next")
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("%s is still there: %v", dir, err)
	}
	if mounts, _ := os.ReadFile("/proc/mounts"); bytes.Contains(mounts, []byte(dir)) {
		t.Errorf("something is still mounted under %s", dir)
	}
	lines, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, name := range lines {
		if b, _ := os.ReadFile(name); bytes.Contains(b, []byte(dir)) {
			t.Errorf("%s still runs: %q", name, b)
		}
	}
}

func TestForwardReceiver(t *testing.T) {
	t.Parallel()
	f := ForwardReceiver(t, ForwardOptions{})
	if f.Count() != 0 {
		t.Errorf("a new receiver has %d entries", f.Count())
	}
	at := time.Unix(1700000000, 123456789)
	send := func(n int) {
		t.Helper()
		host, port, _ := net.SplitHostPort(f.Addr)
		number, _ := strconv.Atoi(port)
		c, err := fluent.New(fluent.Config{FluentHost: host, FluentPort: number, RequestAck: true, SubSecondPrecision: true, MaxRetry: 1})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		for i := range n {
			if err := c.PostWithTime("app.log", at, map[string]any{"n": i, "text": "line\n\"quoted\""}); err != nil {
				t.Fatal(err)
			}
		}
	}
	send(100)
	f.Stop() // all that was acknowledged has to be there
	if got := f.Count(); got != 100 {
		t.Errorf("%d of 100 acknowledged entries were kept", got)
	}
	if c, err := net.Dial("tcp", f.Addr); err == nil {
		c.Close()
		t.Error("a stopped receiver accepts connections")
	}
	f.Start()
	send(5)
	f.Await(105, patience)
	i := 0
	for e := range f.Entries() {
		if e.Tag != "app.log" || e.Time != at.UnixNano() || e.Record["text"] != "line\n\"quoted\"" || e.Record["n"] != float64(i%100) {
			t.Fatalf("entry %d is %+v", i, e)
		}
		i++
	}
	if i != 105 {
		t.Errorf("Entries yielded %d of 105", i)
	}
}

func TestForwardReceiverTLS(t *testing.T) {
	t.Parallel()
	f := ForwardReceiver(t, ForwardOptions{SharedKey: "key", Users: map[string]string{"user": "password"}, TLS: true, ClientCert: true})
	ca, err := os.ReadFile(f.CAFile)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	pair, err := tls.LoadX509KeyPair(f.CertFile, f.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	hello := func(certs ...tls.Certificate) error {
		c, err := tls.Dial("tcp", f.Addr, &tls.Config{RootCAs: roots, Certificates: certs})
		if err != nil {
			return err
		}
		defer c.Close()
		c.SetDeadline(time.Now().Add(patience))
		b := make([]byte, 6)
		if _, err := c.Read(b); err != nil {
			return err
		}
		if want := "\x92\xa4HELO"; string(b) != want {
			return fmt.Errorf("the receiver began with %q, not with %q", b, want)
		}
		return nil
	}
	if err := hello(pair); err != nil {
		t.Error(err)
	}
	if hello() == nil {
		t.Error("the receiver took a client without a certificate")
	}
}

func TestPrometheus(t *testing.T) {
	t.Parallel()
	addr := Addr(t)
	l, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	const page = "# HELP test_things A number of things.\n# TYPE test_things gauge\ntest_things{kind=\"a\"} 42\n"
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, page) })}
	go srv.Serve(l)
	defer srv.Close()

	p := Prometheus(t, addr)
	v := p.Await(`test_things > 40`, patience)
	if len(v) != 1 || v[0].Value != 42 || v[0].Labels["kind"] != "a" || v[0].Labels["instance"] != addr {
		t.Errorf("test_things is %+v", v)
	}
	if v := p.Query("vector(1) == 2"); len(v) != 0 {
		t.Errorf("a comparison that does not hold gave %+v", v)
	}
	if v := p.Query("scalar(vector(7))"); len(v) != 1 || v[0].Value != 7 {
		t.Errorf("a scalar of 7 gave %+v", v)
	}
	if _, err := p.query("("); err == nil || !strings.Contains(err.Error(), "parse error") {
		t.Errorf("a wrong expression gave the error %v", err)
	}

	if err := CheckMetrics(t, []byte(page)); err != nil {
		t.Error(err)
	}
	if err := CheckMetrics(t, []byte("# TYPE things counter\nthings 1\n")); err == nil {
		t.Error("a counter without help and _total passes")
	}
}

// recorder is a test that notes how it ends.
type recorder struct {
	testing.TB
	ended string
}

func (r *recorder) Helper() {}
func (r *recorder) Skipf(format string, args ...any) {
	r.ended = "skip: " + fmt.Sprintf(format, args...)
	runtime.Goexit()
}

func (r *recorder) Fatalf(format string, args ...any) {
	r.ended = "fatal: " + fmt.Sprintf(format, args...)
	runtime.Goexit()
}

func TestNeed(t *testing.T) {
	for _, c := range []struct {
		ci, all string
		present bool
		want    string
	}{
		{want: "skip: testenv: SKIPPED"},
		{ci: "true", want: "fatal: testenv: this test needs a thing"},
		{all: "1", want: "fatal: testenv: this test needs a thing"},
		{ci: "true", present: true},
	} {
		t.Setenv("CI", c.ci)
		t.Setenv("LOGKEEL_TEST_ALL", c.all)
		r := &recorder{TB: t}
		done := make(chan struct{})
		go func() {
			defer close(done)
			Need(r, "a thing", c.present)
		}()
		<-done
		if !strings.HasPrefix(r.ended, c.want) || c.want == "" && r.ended != "" {
			t.Errorf("CI=%s LOGKEEL_TEST_ALL=%s present=%v: ended with %q, want %q", c.ci, c.all, c.present, r.ended, c.want)
		}
	}
}

func TestAddr(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for range 50 {
		a := Addr(t)
		if seen[a] {
			t.Fatalf("%s was given twice", a)
		}
		seen[a] = true
	}
	if _, err := lockFile(filepath.Join(base(t), "port-"+Addr(t))); err == nil || errors.Is(err, os.ErrNotExist) {
		t.Errorf("a port that was given is not locked: %v", err)
	}
}
