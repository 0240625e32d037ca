package jobs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"time"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/conf"
)

// The exit codes of a shell for what could not be run.
const (
	exitNotExecutable = 126
	exitNotFound      = 127
	exitSignal        = 128 // and the signal's number
)

// holdsOutput is how long output is read when a command has ended and something
// that it has started holds its output open.
const holdsOutput = 5 * time.Second

// A command is one run of a Job's.
type command struct {
	*Job
	out  *output
	most time.Duration // that it may take
	term time.Duration // from SIGTERM to SIGKILL
}

// runCommand runs it. It and what it has started are ended when ctx is done, or it
// takes too long.
func runCommand(ctx context.Context, c command) (e end) {
	e.Took = -1
	cmd := c.cmd()
	all := &shared{}
	stdout, stderr := &lines{to: c.out, all: all, stream: agent.Stdout}, &lines{to: c.out, all: all, stream: agent.Stderr}
	cmd.Stdout, cmd.Stderr = stdout, stderr
	// The signal is tied to the thread that started the command: it has to last as long.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := c.start(cmd); err != nil {
		e.Result, e.Why, e.Exit = failure, "it cannot be run: "+err.Error(), exitNotExecutable
		if errors.Is(err, exec.ErrNotFound) || errors.Is(err, fs.ErrNotExist) {
			e.Exit = exitNotFound
		}
		return e
	}
	ended := make(chan struct{})
	var watching sync.WaitGroup
	watching.Go(func() { e.Result, e.Why = c.watch(ctx, cmd.Process.Pid, ended) })
	_ = cmd.Wait() // how it ended is in its state
	close(ended)
	watching.Wait()
	stdout.flush()
	stderr.flush()
	e.Output = all.end()
	if e.Exit = exitCode(cmd.ProcessState); e.Exit != 0 && e.Why == "" && e.Exit > exitSignal && !cmd.ProcessState.Exited() {
		e.Why = fmt.Sprintf("ended by the signal %s", syscall.Signal(e.Exit-exitSignal))
	}
	return e
}

func (c command) cmd() *exec.Cmd {
	cmd := exec.Command(c.Command[0], c.Command[1:]...)
	cmd.Dir, cmd.Env, cmd.WaitDelay = c.Dir, os.Environ(), holdsOutput
	for k, v := range c.Env {
		cmd.Env = append(cmd.Env, k+"="+v)
	}
	// A group of its own, which is ended as a whole. When the agent is killed the kernel
	// ends the command.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	return cmd
}

func (c command) start(cmd *exec.Cmd) error {
	if c.Dir != "" {
		if _, err := os.Stat(c.Dir); err != nil { // or it would be said that there is no program
			return err
		}
	}
	return cmd.Start()
}

// watch ends the command's group where that is due, and says why.
func (c command) watch(ctx context.Context, group int, ended <-chan struct{}) (result, why string) {
	late := time.NewTimer(c.most)
	defer late.Stop()
	select {
	case <-ended:
		return "", ""
	case <-ctx.Done():
		result, why = stopped, "the agent stopped, and ended it"
	case <-late.C:
		result, why = timeout, "it took longer than "+conf.Duration(c.most).String()+" and was ended"
	}
	_ = syscall.Kill(-group, syscall.SIGTERM) // that it has gone meanwhile is as well
	hard := time.NewTimer(c.term)
	defer hard.Stop()
	select {
	case <-ended:
	case <-hard.C:
	}
	_ = syscall.Kill(-group, syscall.SIGKILL) // what is left of it
	return result, why
}

// exitCode is what a shell would say.
func exitCode(s *os.ProcessState) int {
	if st, ok := s.Sys().(syscall.WaitStatus); ok && st.Signaled() {
		return exitSignal + int(st.Signal())
	}
	return s.ExitCode()
}

// A shared tail is what both streams have written, in the order in which it came.
type shared struct {
	mu sync.Mutex
	tail
}

func (s *shared) add(p []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, _ = s.Write(p)
}

// lines passes on what is written, line by line.
type lines struct {
	to     *output
	all    *shared
	stream agent.Stream
	open   []byte // a line that has not ended
}

// Write never fails, and waits for nothing.
func (l *lines) Write(p []byte) (int, error) {
	l.all.add(p)
	n := len(p)
	if i := bytes.LastIndexByte(p, '\n'); i >= 0 {
		l.to.add(time.Now().UnixNano(), l.stream, append(l.open, p[:i+1]...))
		l.open, p = nil, p[i+1:]
	}
	if l.open = append(l.open, p...); len(l.open) > maxLine {
		l.flush()
	}
	return n, nil
}

// flush passes on what has not ended.
func (l *lines) flush() {
	if len(l.open) > 0 {
		l.to.add(time.Now().UnixNano(), l.stream, l.open)
		l.open = nil
	}
}
