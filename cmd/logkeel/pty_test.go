package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// A terminal is a pseudo-terminal, and what was written to it.
type terminal struct {
	t     *testing.T
	ours  *os.File
	other *os.File // the end that a program has

	seen  text
	ended sync.WaitGroup
}

func newTerminal(t *testing.T) *terminal {
	t.Helper()
	ours, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	fd := int(ours.Fd())
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0)
	}
	if err == nil {
		err = unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: 80})
	}
	if err != nil {
		t.Fatal(err)
	}
	other, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	p := &terminal{t: t, ours: ours, other: other}
	p.ended.Go(func() { _, _ = io.Copy(&p.seen, ours) }) // until nobody has the other end
	t.Cleanup(func() {
		p.close()
		ours.Close()
	})
	return p
}

// text is what was written until now.
func (p *terminal) text() string {
	return strings.ReplaceAll(p.seen.String(), "\r\n", "\n")
}

// close returns all that was written, when no program writes any more.
func (p *terminal) close() string {
	p.other.Close()
	p.ended.Wait()
	return p.text()
}

// onTerminal runs logkeel with standard output and error on the terminal, as far as
// they are not set by with, and returns its exit code.
func (p *terminal) run(with func(*exec.Cmd), args ...string) int {
	p.t.Helper()
	cmd := p.command(args...)
	if with != nil {
		with(cmd)
	}
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		p.t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode()
}

func (p *terminal) command(args ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = []string{"LOGKEEL_TEST_MAIN=1", "TERM=xterm", "PATH=" + os.Getenv("PATH")}
	cmd.Stdout, cmd.Stderr = p.other, p.other
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd
}

// screen is what a terminal shows in the end of what was written to it, as far as this
// program uses one.
func screenOf(text string) string {
	var lines []string
	for line := range strings.SplitSeq(text, "\n") {
		shown := []rune{}
		at := 0
		for line != "" {
			switch r := []rune(line)[0]; {
			case strings.HasPrefix(line, "\x1b[K"):
				shown, line = shown[:at], line[3:]
				continue
			case r == '\r':
				at = 0
			case at < len(shown):
				shown[at] = r
				at++
			default:
				shown = append(shown, r)
				at++
			}
			line = line[len(string([]rune(line)[0])):]
		}
		lines = append(lines, string(shown))
	}
	return strings.Join(lines, "\n")
}

// waitFor waits until the terminal shows that.
func (p *terminal) waitFor(what string) {
	p.t.Helper()
	eventually(p.t, "the terminal shows "+what, waitShort, func() bool { return strings.Contains(p.text(), what) })
}
