package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"
)

// An exitCode is that of a command that was run for somebody. It says nothing.
type exitCode int

func (e exitCode) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

// Of a shell, for what could not be run, and for signals.
const (
	exitNotExecutable = 126
	exitNotFound      = 127
	exitSignal        = 128
)

// holdsOutput is how long a command's output is read when it has ended and
// something that it has started holds the output open.
const holdsOutput = 5 * time.Second

func jobCommand(config *string) *cobra.Command {
	var (
		to            string
		quiet, direct bool
	)
	c := &cobra.Command{
		Use:   "job NAME -- COMMAND [ARGUMENT...]",
		Short: "Run a command for cron, and tell the agent how it went",
		Long: `Job stands in a crontab in front of a command. It runs the command, passes input,
output and signals through, ends with its exit code (128 and the number where a
signal ended it, 127 where it is not there, 126 where it cannot be run), and tells
the agent when it began, how it ended and what it has written, of which the last
64 KiB are kept. The agent has to have the section collectors.jobs.

Where no agent listens the command runs all the same, and this is said once.

The agent is looked for where the configuration says, if this user may read it,
or at http://127.0.0.1:9766; a token is taken from $LOGKEEL_JOB_TOKEN or from there,
and a user of its web_config_file from $LOGKEEL_JOB_USER, as user:password.`,
		Example: `  0 2 * * *  logkeel job backup -- /opt/shop/enhanced-backup.sh
  0 3 * * 0  logkeel job maintenance -q -- /opt/shop/weekly-maintenance.sh
  0 3 1 * *  logkeel job restore-test --to unix:///run/logkeel/jobs.sock -- /opt/shop/test-recovery.sh`,
		Annotations: map[string]string{patient: ""},
		Args: func(c *cobra.Command, args []string) error {
			switch dash := c.ArgsLenAtDash(); {
			case dash == 1 && len(args) > 1:
				return nil
			case dash < 0 && len(args) > 1:
				return usageError{fmt.Errorf("put -- between the job's name and the command; see %s --help", c.CommandPath())}
			}
			return usageError{fmt.Errorf("it takes a job's name, -- and a command; see %s --help", c.CommandPath())}
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			t, err := newTeller(args[0], to, *config)
			if err != nil {
				return usageError{err}
			}
			j := &jobRun{args: args[1:], quiet: quiet, direct: direct, tell: t}
			if code := j.run(); code != 0 {
				return exitCode(code)
			}
			return nil
		},
	}
	c.Flags().StringVar(&to, "to", "", "where the agent listens: http://HOST:PORT, https://HOST:PORT or unix:///PATH")
	c.Flags().BoolVarP(&quiet, "quiet", "q", false, "pass the output on only where the command fails, so that cron mails nothing else")
	c.Flags().BoolVar(&direct, "no-output", false, "leave the output alone: the agent does not get it")
	c.MarkFlagsMutuallyExclusive("quiet", "no-output")
	return c
}

// A jobRun is one run of a command.
type jobRun struct {
	args          []string
	quiet, direct bool
	tell          *teller
}

// run runs the command and returns its exit code.
func (j *jobRun) run() int {
	cmd := exec.Command(j.args[0], j.args[1:]...)
	cmd.Stdin, cmd.WaitDelay = os.Stdin, holdsOutput
	end := &tailOf{}
	finish := j.output(cmd, end)
	signals := make(chan os.Signal, 16)
	for _, s := range []syscall.Signal{syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTERM, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGWINCH, syscall.SIGPIPE} {
		if !signal.Ignored(s) {
			signal.Notify(signals, s)
		}
	}
	defer signal.Stop(signals)
	started := time.Now()
	code := 0
	if err := cmd.Start(); err != nil {
		fmt.Fprintln(os.Stderr, "logkeel job:", err)
		fmt.Fprintln(end, err)
		if code = exitNotExecutable; errors.Is(err, exec.ErrNotFound) || errors.Is(err, fs.ErrNotExist) {
			code = exitNotFound
		}
		finish(code)
	} else {
		begun := j.tell.begin(started)
		code = await(cmd, signals)
		finish(code)
		begun.Wait()
	}
	j.tell.finish(started, code, end.bytes())
	return code
}

// await passes signals on until the command has ended.
func await(cmd *exec.Cmd, signals <-chan os.Signal) int {
	ended := make(chan struct{})
	var passing sync.WaitGroup
	passing.Go(func() {
		for {
			select {
			case <-ended:
				return
			case s := <-signals:
				// A terminal sends its signals to the command as well; a pipe that is broken is ours.
				if s != syscall.SIGPIPE && (!fromTerminal(s) || !isTerminal(os.Stdin)) {
					_ = cmd.Process.Signal(s) // it may have ended
				}
			}
		}
	})
	_ = cmd.Wait() // how it ended is in its state
	close(ended)
	passing.Wait()
	if st, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok && st.Signaled() {
		return exitSignal + int(st.Signal())
	}
	return cmd.ProcessState.ExitCode()
}

func fromTerminal(s os.Signal) bool {
	return s == syscall.SIGINT || s == syscall.SIGQUIT || s == syscall.SIGHUP || s == syscall.SIGWINCH
}

// output says where the command's output goes. What it returns is called with the
// exit code when it has ended.
func (j *jobRun) output(cmd *exec.Cmd, end io.Writer) (finish func(code int)) {
	if j.direct {
		cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
		return func(int) {}
	}
	out, err := os.Stdout, os.Stderr
	finish = func(int) {}
	if j.quiet {
		if hidden := hide(); hidden != nil {
			out, err = hidden[0], hidden[1]
			finish = func(code int) { show(hidden, code) }
		}
	}
	cmd.Stdout, cmd.Stderr = both{out, end}, both{err, end}
	if sameFile(out, err) {
		cmd.Stderr = cmd.Stdout // one pipe: what it writes stays in order
	}
	return finish
}

// both is a file, and what the agent gets.
type both struct {
	file *os.File
	end  io.Writer
}

func (b both) Write(p []byte) (int, error) {
	_, _ = b.end.Write(p)
	return b.file.Write(p)
}

func sameFile(a, b *os.File) bool {
	x, errX := a.Stat()
	y, errY := b.Stat()
	return errX == nil && errY == nil && os.SameFile(x, y)
}

// hide returns two files without names, or nil.
func hide() []*os.File {
	var files []*os.File
	for range 2 {
		f, err := os.CreateTemp("", "logkeel-job-")
		if err != nil {
			fmt.Fprintln(os.Stderr, "logkeel job: output is not held back:", err)
			return nil
		}
		os.Remove(f.Name())
		files = append(files, f)
	}
	return files
}

// show passes on what was held back, where the command has failed.
func show(hidden []*os.File, code int) {
	for i, to := range []*os.File{os.Stdout, os.Stderr} {
		if _, err := hidden[i].Seek(0, io.SeekStart); err == nil && code != 0 {
			_, _ = io.Copy(to, hidden[i])
		}
		hidden[i].Close()
	}
}

// A tailOf keeps the end of what is written to it.
type tailOf struct {
	mu   sync.Mutex
	kept []byte
}

const maxTail = 64 << 10

func (t *tailOf) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if n := len(t.kept) + len(p) - 2*maxTail; n > 0 {
		t.kept = append(t.kept[:0], t.kept[min(len(t.kept), max(n, len(t.kept)-maxTail)):]...)
	}
	t.kept = append(t.kept, p[max(0, len(p)-maxTail):]...)
	return len(p), nil
}

func (t *tailOf) bytes() []byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.kept[max(0, len(t.kept)-maxTail):]
}
