package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/webgrip/logkeel/agent/testenv"
)

// TestMain makes this test binary a logkeel as well: the tests start it as a
// process of its own, with the race detector where they have it.
func TestMain(m *testing.M) {
	if os.Getenv("LOGKEEL_TEST_MAIN") == "1" {
		main()
		return
	}
	code := m.Run()
	os.RemoveAll(plain.dir)
	os.Exit(code)
}

// An agentProcess is a logkeel that runs.
type agentProcess struct {
	t       *testing.T
	config  string
	metrics string // host:port
	stderr  string // file
	program string
	env     []string // beside that of the test
	cmd     *exec.Cmd
}

// newAgent writes the configuration, in which METRICS stands for the address of
// the metrics, and starts nothing.
func newAgent(t *testing.T, config string) *agentProcess {
	t.Helper()
	dir := t.TempDir()
	a := &agentProcess{
		t: t, config: filepath.Join(dir, "agent.yaml"), metrics: testenv.Addr(t), stderr: filepath.Join(dir, "stderr"),
		program: os.Args[0], env: []string{"LOGKEEL_TEST_MAIN=1"},
	}
	config = strings.ReplaceAll(config, "METRICS", a.metrics)
	if err := os.WriteFile(a.config, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if a.cmd != nil {
			a.kill()
		}
		log, _ := os.ReadFile(a.stderr)
		if t.Failed() {
			t.Logf("the agent's log:\n%s", log)
		}
		if bytes.Contains(log, []byte("DATA RACE")) || bytes.Contains(log, []byte("panic:")) {
			t.Errorf("the agent's log:\n%s", log)
		}
	})
	return a
}

// mailOutput is an email output in a configuration, with more keys of it.
func mailOutput(smtp *testenv.SMTPServer, more string) string {
	return fmt.Sprintf(`{name: ops, server: "%s", tls: {ca_file: %s}, username: %s, password: "%s", from: logkeel@shop.example, to: ops@shop.example, %s}`,
		smtp.Addr, smtp.CAFile, smtp.Username, smtp.Password, more)
}

// write makes a file; a relative name is beside the configuration.
func (a *agentProcess) write(name, content string) {
	a.t.Helper()
	if !filepath.IsAbs(name) {
		name = filepath.Join(filepath.Dir(a.config), name)
	}
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		a.t.Fatal(err)
	}
}

func (a *agentProcess) start() {
	a.t.Helper()
	f, err := os.OpenFile(a.stderr, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		a.t.Fatal(err)
	}
	defer f.Close()
	a.cmd = exec.Command(a.program, "run", "--config", a.config)
	a.cmd.Env = append(os.Environ(), a.env...)
	a.cmd.Stderr = f
	a.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := a.cmd.Start(); err != nil {
		a.t.Fatal(err)
	}
}

// stop asks the agent to stop and waits until it has.
func (a *agentProcess) stop() {
	a.t.Helper()
	a.cmd.Process.Signal(syscall.SIGTERM)
	if err := a.cmd.Wait(); err != nil {
		a.t.Errorf("the agent ended with %v", err)
	}
	a.cmd = nil
}

func (a *agentProcess) kill() {
	a.cmd.Process.Kill()
	a.cmd.Wait()
	a.cmd = nil
}

// page is the page of metrics.
func (a *agentProcess) page() ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+a.metrics+"/metrics", nil)
	if err != nil {
		return nil, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	return io.ReadAll(res.Body)
}

// metric is the sum of the series whose line holds all the parts.
func (a *agentProcess) metric(name string, parts ...string) (sum float64) {
	page, err := a.page()
	if err != nil {
		return 0
	}
lines:
	for line := range strings.Lines(string(page)) {
		rest, ok := strings.CutPrefix(line, name)
		if !ok || rest[0] != '{' && rest[0] != ' ' {
			continue
		}
		for _, p := range parts {
			if !strings.Contains(rest, p) {
				continue lines
			}
		}
		v, err := strconv.ParseFloat(strings.TrimSpace(rest[strings.LastIndexByte(rest, ' '):]), 64)
		if err != nil {
			a.t.Fatalf("%q: %v", line, err)
		}
		sum += v
	}
	return sum
}

// eventually asks ever more seldom until ok, and fails the test when that takes too long.
func eventually(t *testing.T, what string, timeout time.Duration, ok func() bool) {
	t.Helper()
	for end, pause := time.Now().Add(timeout), 5*time.Millisecond; !ok(); time.Sleep(pause) {
		if time.Now().After(end) {
			t.Fatalf("%s: not within %v", what, timeout)
		}
		pause = min(pause*5/4, 300*time.Millisecond)
	}
}

// A containerLog writes a container's json-file log as Docker does, and rotates it.
type containerLog struct {
	t     *testing.T
	id    string
	path  string
	f     *os.File
	size  int
	max   int // bytes of a file
	files int // that are kept
	n     int // lines written
}

func newContainerLog(t *testing.T, root, name string, number int) *containerLog {
	t.Helper()
	c := &containerLog{t: t, id: fmt.Sprintf("%064x", 0xc0ffee00+number), max: 256 << 10, files: 50}
	dir := filepath.Join(root, "containers", c.id)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	state := fmt.Sprintf(`{"ID":"%s","Name":"/shop-%s-1","Config":{"Image":"shop/%s:2","Labels":{"com.docker.compose.project":"shop","com.docker.compose.service":"%s"}}}`, c.id, name, name, name)
	if err := os.WriteFile(filepath.Join(dir, "config.v2.json"), []byte(state), 0o600); err != nil {
		t.Fatal(err)
	}
	c.path = filepath.Join(dir, c.id+"-json.log")
	c.open()
	t.Cleanup(func() { c.f.Close() })
	return c
}

func (c *containerLog) open() {
	var err error
	if c.f, err = os.OpenFile(c.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o640); err != nil {
		c.t.Error(err)
	}
	c.size = 0
}

// line is the text of the container's line n; every hundredth is an error.
func (c *containerLog) line(n int) string {
	if n%100 == 0 {
		return fmt.Sprintf("line %d of %s production.ERROR: planted", n, c.id[60:])
	}
	return fmt.Sprintf("line %d of %s GET /invoices/%d HTTP/1.1 200", n, c.id[60:], n)
}

// write appends k lines.
func (c *containerLog) write(k int) {
	for range k {
		c.n++
		line := fmt.Sprintf(`{"log":"%s\n","stream":"stdout","time":"%s"}`+"\n", c.line(c.n), time.Now().UTC().Format(time.RFC3339Nano))
		if c.size+len(line) > c.max {
			c.rotate()
		}
		n, err := c.f.WriteString(line)
		if err != nil {
			c.t.Error(err)
		}
		c.size += n
	}
}

func (c *containerLog) rotate() {
	c.f.Close()
	for i := c.files - 1; i > 1; i-- {
		os.Rename(fmt.Sprintf("%s.%d", c.path, i-1), fmt.Sprintf("%s.%d", c.path, i))
	}
	os.Rename(c.path, c.path+".1")
	c.open()
}

// What has arrived, against what the containers wrote.
type arrived struct {
	lines    int
	repeated int
	lost     []string
	disorder []string // lines whose first arrival came after a later one's
}

func tally(entries func(func(testenv.Entry) bool), logs []*containerLog) (a arrived) {
	byID := map[string]*containerLog{}
	seen := map[string][]bool{}
	last := map[string]int{}
	for _, c := range logs {
		byID[c.id] = c
		seen[c.id] = make([]bool, c.n+1)
	}
	for e := range entries {
		id, _ := e.Record["container_id"].(string)
		text, _ := e.Record["log"].(string)
		c := byID[id]
		var n int
		if c == nil {
			a.disorder = append(a.disorder, "of no container: "+text)
			continue
		}
		if _, err := fmt.Sscanf(text, "line %d ", &n); err != nil || n < 1 || n > c.n || text != c.line(n) {
			a.disorder = append(a.disorder, "not as written: "+text)
			continue
		}
		if seen[id][n] {
			a.repeated++
			continue
		}
		seen[id][n] = true
		a.lines++
		if n < last[id] {
			a.disorder = append(a.disorder, text)
		}
		last[id] = max(n, last[id])
	}
	for id, s := range seen {
		for n := 1; n < len(s); n++ {
			if !s[n] {
				a.lost = append(a.lost, byID[id].line(n))
			}
		}
	}
	return a
}

func (a arrived) check(t *testing.T, written int) {
	t.Helper()
	if len(a.lost) > 0 {
		t.Errorf("%d of %d lines lost, such as %q", len(a.lost), written, a.lost[0])
	}
	if len(a.disorder) > 0 {
		t.Errorf("%d lines out of order or changed, such as %q", len(a.disorder), a.disorder[0])
	}
	t.Logf("%d lines written, %d arrived, %d repeated", written, a.lines, a.repeated)
}

// waitShort is for what should be immediate, on a machine that has much to do.
const waitShort = 2 * time.Minute
