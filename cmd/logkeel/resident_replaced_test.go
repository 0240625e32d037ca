package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// The agent lets go of its program's pages and needs them again when the program is
// not in its place any more: a package manager has put another file there, or
// somebody has removed it. They come from the file that was started.
func TestProgramIsReplacedAndRemoved(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	app := newContainerLog(t, root, "app", 1)
	a := newAgent(t, fmt.Sprintf(`
state_dir: %s
collectors: {docker: {root: %s, host: "unix:///nowhere.sock"}}
rules: {packs: [operations], files: [own.yaml]}
outputs: {prometheus: {listen: METRICS}}
`, t.TempDir(), root))
	a.write("own.yaml", fmt.Sprintf(ownRule, "7"))
	a.program = filepath.Join(t.TempDir(), "logkeel")
	// By a process of its own: while this one writes a program, another test may start
	// something, which has the file open for a moment, and then it cannot be started.
	if out, err := exec.Command("cp", os.Args[0], a.program).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	begun := time.Now()
	a.start()
	lines := 0
	read := func(when string) {
		t.Helper()
		app.write(100)
		lines += 100
		eventually(t, when+": lines are read and found", waitShort, func() bool {
			return a.metric("logkeel_source_lines_total") == float64(lines) && a.metric("logkeel_findings_total", `rule="ApplicationError"`) > 0
		})
	}
	read("before")
	if !strings.Contains(a.maps(), a.program+"\n") {
		t.Fatalf("the copy is not what runs:\n%s", a.maps())
	}

	other := filepath.Join(filepath.Dir(a.program), "new")
	if err := errors.Join(os.WriteFile(other, []byte("another program\n"), 0o700), os.Rename(other, a.program)); err != nil {
		t.Fatal(err)
	}
	read("replaced")
	if err := os.Remove(a.program); err != nil {
		t.Fatal(err)
	}
	for time.Since(begun) < 4*restSoon { // it has let go a second time by then, after restSoon and twice that
		read("removed")
		time.Sleep(restSoon / 4)
	}
	read("at last")
	if !strings.Contains(a.maps(), a.program+" (deleted)\n") {
		t.Errorf("another program runs:\n%s", a.maps())
	}
	a.stop()
}

// maps are the files that the agent has in its memory, as the kernel says.
func (a *agentProcess) maps() string {
	a.t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", a.cmd.Process.Pid))
	if err != nil {
		a.t.Fatal(err)
	}
	return string(b)
}
