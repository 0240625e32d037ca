package testenv

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"time"
)

// patience is how long a server may take to come up, to answer, or to end. It is
// much longer than any takes, for a machine that is busy with other tests.
const patience = 2 * time.Minute

// A process is a server that is running. Its output goes to a file.
type process struct {
	cmd  *exec.Cmd
	log  string
	done chan struct{} // closed when it has ended and was waited for
}

// start runs the command with its output appended to the file log. When this
// process dies the kernel sends the command SIGTERM.
func start(log string, cmd *exec.Cmd) (*process, error) {
	out, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	cmd.Stdout, cmd.Stderr = out, out
	// In a session of its own, so that a Ctrl-C of the tests reaches it through us only.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGTERM}
	p := &process{cmd: cmd, log: log, done: make(chan struct{})}
	started := make(chan error)
	go func() {
		defer close(p.done)
		defer out.Close()
		// The signal is tied to the thread that started the command, so this one
		// has to last as long.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // how it ended is in its log
		}
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	return p, nil
}

// ready waits until probe returns nil. It gives up when the process has ended.
func (p *process) ready(probe func() error) error {
	var ended bool
	err := await(patience, func() error {
		select {
		case <-p.done:
			ended = true
			return nil
		default:
			return probe()
		}
	})
	if ended {
		err = errors.New("it ended")
	}
	if err != nil {
		return fmt.Errorf("%s did not come up: %w; its log ends:\n%s", filepath.Base(p.cmd.Path), err, p.tail())
	}
	return nil
}

// stop sends SIGTERM, and SIGKILL if that does not help, and waits for the end.
func (p *process) stop() error {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
		return nil
	case <-time.After(patience):
		p.kill()
		return fmt.Errorf("%s had to be killed; its log ends:\n%s", filepath.Base(p.cmd.Path), p.tail())
	}
}

func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	<-p.done
}

// tail is the end of the log.
func (p *process) tail() []byte {
	b, _ := os.ReadFile(p.log)
	const most = 2000
	return bytes.TrimSpace(b[max(0, len(b)-most):])
}
