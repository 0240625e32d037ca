package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
	"unicode"

	"github.com/webgrip/logkeel/agent/tap"
)

// A tapProcess is a logkeel tap that runs.
type tapProcess struct {
	t   *testing.T
	cmd *exec.Cmd

	mu             sync.Mutex
	stdout, stderr strings.Builder
	done           sync.WaitGroup
}

// tap starts logkeel tap for the agent's configuration.
func (a *agentProcess) tap(args ...string) *tapProcess {
	a.t.Helper()
	p := &tapProcess{t: a.t, cmd: exec.Command(a.program, append([]string{"tap", "--config", a.config}, args...)...)}
	p.cmd.Env = append(os.Environ(), a.env...)
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	for _, s := range []struct {
		pipe func() (io.ReadCloser, error)
		to   *strings.Builder
	}{{p.cmd.StdoutPipe, &p.stdout}, {p.cmd.StderrPipe, &p.stderr}} {
		from, err := s.pipe()
		if err != nil {
			a.t.Fatal(err)
		}
		p.done.Go(func() {
			r := bufio.NewReader(from)
			for {
				line, err := r.ReadString('\n')
				p.mu.Lock()
				s.to.WriteString(line)
				p.mu.Unlock()
				if err != nil {
					return
				}
			}
		})
	}
	if err := p.cmd.Start(); err != nil {
		a.t.Fatal(err)
	}
	a.t.Cleanup(func() {
		if p.cmd.ProcessState == nil {
			p.cmd.Process.Kill()
			p.cmd.Wait()
		}
	})
	return p
}

// printed is what it has printed so far.
func (p *tapProcess) printed() (stdout, stderr string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stdout.String(), p.stderr.String()
}

// await waits until it has printed the text.
func (p *tapProcess) await(text string) {
	p.t.Helper()
	defer func() {
		if p.t.Failed() {
			p.t.Log(p.printed())
		}
	}()
	eventually(p.t, text, waitShort, func() bool {
		stdout, stderr := p.printed()
		return strings.Contains(stdout+stderr, text)
	})
}

// ended waits for the end and wants the exit code.
func (p *tapProcess) ended(code int) (stdout, stderr string) {
	p.t.Helper()
	p.done.Wait()
	p.cmd.Wait()
	stdout, stderr = p.printed()
	if got := p.cmd.ProcessState.ExitCode(); got != code {
		p.t.Errorf("exit code %d, want %d; it printed\n%s%s", got, code, stdout, stderr)
	}
	return stdout, stderr
}

const tapConfig = `
collectors: {docker: {root: ROOT, host: "unix:///nowhere.sock"}}
rules: {packs: [operations], files: [own.yaml]}
outputs:
  prometheus: {listen: METRICS}
`

// tapped is an agent that reads one container's log, of which nobody wants lines
// without findings.
func tapped(t *testing.T) (*agentProcess, *containerLog) {
	t.Helper()
	root := t.TempDir()
	app := newContainerLog(t, root, "app", 1)
	a := newAgent(t, strings.Replace(tapConfig, "ROOT", root, 1))
	a.write("own.yaml", fmt.Sprintf(ownRule, "77 "))
	app.write(10)
	return a, app
}

// ready starts the agent and waits until it has read what there is.
func (a *agentProcess) ready(lines int) {
	a.t.Helper()
	a.start()
	eventually(a.t, "the agent has read what there is", waitShort, func() bool { return a.metric("logkeel_source_lines_total") == float64(lines) })
}

func (a *agentProcess) looked(n int) {
	a.t.Helper()
	eventually(a.t, fmt.Sprintf("%d look", n), waitShort, func() bool { return a.metric("logkeel_tap_clients") == float64(n) })
}

func TestTapCommand(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("agent.yaml", "state_dir: kept\nrules: {files: [nowhere.yaml]}\n") // the rest may be wrong
	for _, tt := range []struct {
		args string
		code int
		want string
	}{
		{"", 2, "no such file or directory; the agent makes it when it first runs"},
		{"--color|blue", 2, `--color: "blue" is not right; write auto, always or never`},
		{"--alerts=all", 2, `--alerts: "all" is neither also nor only`},
		{"--limit|-1", 2, "--limit -1 is out of range"},
		{"--grep|(", 2, "--grep: not an expression"},
		{"--severity|high", 2, "write critical, warning, info"},
		{"app", 2, "MATCHERS: column 4: expected =, !=, =~ or !~"},
		{"--since|1h", 2, "see logkeel tap --help"},
		{"--config|nowhere.yaml", 2, "nowhere.yaml"},
		{"--help", 0, "docker compose exec logkeel logkeel tap"},
	} {
		var args []string
		if tt.args != "" {
			args = strings.Split(tt.args, "|")
		}
		stdout, stderr, code := logkeel(t, dir, append([]string{"tap"}, args...)...)
		if got := stdout + stderr; code != tt.code || !strings.Contains(got, tt.want) {
			t.Errorf("tap %s: exit code %d, printed\n%swant %d and %q", tt.args, code, got, tt.code, tt.want)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "kept"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, stderr, code := logkeel(t, dir, "tap"); code != 1 || !strings.Contains(stderr, "no agent runs with this state_dir") {
		t.Errorf("exit code %d: %s", code, stderr)
	}
}

// Lines that nobody else wants are shown while somebody looks, with findings, without
// secrets; through a reload, a restart and a kill of the agent.
func TestTap(t *testing.T) {
	t.Parallel()
	a, app := tapped(t)
	a.ready(10)
	all := a.tap("--follow", "--service", "app")
	found := a.tap("--findings", "--json=false", "--color", "always", "--alerts")
	other := a.tap("--service", "db", "--limit", "1")
	a.looked(3)
	app.write(100)
	all.await(app.line(110))
	found.await("planted")
	found.await("ALERT ApplicationError(critical)")
	stdout, _ := all.printed()
	if n := strings.Count(stdout, "\n"); n != 100 || !strings.Contains(stdout, app.line(11)) {
		t.Errorf("%d lines are shown, want the 100 that were written since it looks", n)
	}
	if want := `"source":"shop-app-1","labels":{"container":"shop-app-1",`; strings.Count(stdout, want) != 100 {
		t.Errorf("not all have %s:\n%.400s", want, stdout)
	}

	a.write("own.yaml", strings.Replace(fmt.Sprintf(ownRule, ""), "Own", "Another", 1))
	if err := a.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the configuration is reloaded", waitShort, func() bool { return a.said("the configuration was reloaded") })
	app.n += 100_000
	app.write(1)
	all.await(`"rule":"Another","class":"error","severity":"warning","match":"line "`)
	found.await("Another(warning)")

	if err := found.cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	stdout, _ = found.ended(0)
	if !strings.Contains(stdout, "\x1b[1;31mApplicationError(critical)\x1b[0m line 100 of ") || !strings.Contains(stdout, "\x1b[31mERROR\x1b[0m: planted") {
		t.Errorf("it is printed as\n%q", stdout)
	}
	a.looked(2)
	a.stop()
	if _, stderr := other.ended(0); !strings.Contains(stderr, "the agent has stopped") {
		t.Errorf("it said %q", stderr)
	}
	all.await("the agent has stopped; waiting for it to run again")
	a.start()
	all.await("an agent runs again")
	app.write(1)
	all.await(app.line(app.n))

	last := a.tap()
	a.looked(2)
	a.kill()
	if _, stderr := last.ended(1); !strings.Contains(stderr, "the agent went away") {
		t.Errorf("it said %q", stderr)
	}
	all.await("the agent went away")
	a.start() // there is the socket of the one that was killed
	a.looked(1)
	app.write(1)
	all.await(app.line(app.n))
	if err := all.cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	all.ended(0)
	a.looked(0)
	a.stop()
	if _, err := os.Stat(filepath.Join(filepath.Dir(a.config), "state", "tap.sock")); !os.IsNotExist(err) {
		t.Errorf("the socket is left: %v", err)
	}
}

// Whatever a log has in it, the terminal gets nothing that it heeds, and JSON is JSON.
func TestTapHostileLines(t *testing.T) {
	t.Parallel()
	a := newAgent(t, "collectors: {files: [{name: app, paths: '*.log'}]}\nrules: {self: false, files: [rules.yaml]}\noutputs: {prometheus: {listen: METRICS}}\n")
	a.write("rules.yaml", hostileRules)
	a.write("app.log", "begin\n")
	a.ready(1)
	text, objects := a.tap("--json=false"), a.tap()
	a.looked(2)
	log, err := os.OpenFile(filepath.Join(filepath.Dir(a.config), "app.log"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	for _, l := range hostileLines {
		fmt.Fprintf(log, "%s\n", l)
	}
	fmt.Fprint(log, "password=Kx93nfLq77zzQ the end\n")
	for _, p := range []*tapProcess{text, objects} {
		p.await("the end")
		stdout, _ := p.printed()
		if strings.ContainsFunc(stdout, func(r rune) bool { return r != '\n' && (!unicode.IsPrint(r) || r == unicode.ReplacementChar) }) {
			t.Errorf("it is not printable:\n%.3000q", stdout)
		}
		if strings.Contains(stdout, "Kx93nfLq") || !strings.Contains(stdout, "Errors") {
			t.Errorf("a secret is shown, or no finding:\n%.3000q", stdout)
		}
	}
	stdout, _ := objects.printed()
	for line := range strings.Lines(stdout) {
		var m tap.Message
		if err := json.Unmarshal([]byte(line), &m); err != nil || m.Source == "" {
			t.Errorf("%.200q: %v, %+v", line, err, m)
		}
	}
	if stdout, _ := text.printed(); !strings.Contains(stdout, `\x1b[2J\x1b]0;owned\x07`) || strings.Contains(stdout, strings.Repeat("A", tapWide+1)) {
		t.Errorf("%.3000q", stdout)
	}
	a.stop()
	text.ended(0)
	objects.ended(0)
}

// One that looks and never reads costs the agent nothing: it reads all the same,
// and its memory stays what it was.
func TestTapUnread(t *testing.T) {
	t.Parallel()
	const lines = 200_000
	took, memory := [2]time.Duration{}, [2]float64{}
	for i := range 2 {
		root := t.TempDir()
		app := newContainerLog(t, root, "app", 1)
		app.max = 1 << 30
		a := newAgent(t, strings.Replace(tapConfig, "ROOT", root, 1))
		a.write("own.yaml", fmt.Sprintf(ownRule, "77 "))
		app.write(10)
		a.ready(10)
		if i == 1 {
			conn, err := net.Dial("unix", filepath.Join(filepath.Dir(a.config), "state", tap.Socket))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			io.WriteString(conn, "{}\n")
			a.looked(1)
		}
		start := time.Now()
		app.write(lines)
		eventually(t, "all is read", waitLong, func() bool { return a.metric("logkeel_source_lines_total") == lines+10 })
		took[i], memory[i] = time.Since(start), a.metric("process_resident_memory_bytes")
		if n := a.metric("logkeel_findings_total", `rule="ApplicationError"`); n != lines/100 {
			t.Errorf("%v findings, want %d", n, lines/100)
		}
		a.stop()
	}
	t.Logf("%d lines took %v without and %v with one that reads nothing; %.1f and %.1f MB", lines, took[0], took[1], memory[0]/1e6, memory[1]/1e6)
	if memory[1] > memory[0]+64e6 {
		t.Errorf("the agent takes %.1f MB, and %.1f MB where nobody looks", memory[1]/1e6, memory[0]/1e6)
	}
}
