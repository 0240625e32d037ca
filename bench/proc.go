package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A process is a contender at work, measured from outside.
type process struct {
	cmd   *exec.Cmd
	began time.Time
	out   string        // the file that has its output
	done  chan struct{} // closed when it has ended and was waited for
	ended time.Time     // once done is closed
	peak  int64         // bytes, when last looked
}

// start runs the command in dir. When this program dies, the kernel ends it.
func start(dir string, args []string) (*process, error) {
	out, err := os.Create(filepath.Join(dir, "output"))
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	p := &process{cmd: cmd, out: out.Name(), done: make(chan struct{}), began: time.Now()}
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
			_ = cmd.Wait() // how it ended is for those who look at what it has done
			p.ended = time.Now()
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", args[0], err)
	}
	return p, nil
}

func (p *process) over() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// stop ends the process, and waits for its end.
func (p *process) stop() {
	if p.over() {
		return
	}
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(3 * time.Second):
		_ = p.cmd.Process.Kill()
		<-p.done
	}
}

// lastWords is the last line of the output, for those who wonder why it ended.
func (p *process) lastWords() string {
	b, err := os.ReadFile(p.out)
	if err != nil {
		return err.Error()
	}
	b = bytes.TrimSpace(b)
	const most = 300
	b = b[bytes.LastIndexByte(b, '\n')+1:]
	return strings.ToValidUTF8(string(b[:min(len(b), most)]), "?")
}

// cpu is the processor time of all threads until now.
func (p *process) cpu() time.Duration {
	if !p.over() {
		const scheduler = 2 // which of the clocks of a process: CPUCLOCK_SCHED
		var t unix.Timespec
		if unix.ClockGettime(int32(^p.cmd.Process.Pid<<3|scheduler), &t) == nil {
			return time.Duration(t.Nano())
		}
		if ticks, ok := p.ticks(); ok { // some sandboxes lack the clock
			return ticks
		}
		<-p.done // it has ended just now
	}
	s := p.cmd.ProcessState
	return s.UserTime() + s.SystemTime()
}

// ticks is the processor time in hundredths of a second, as /proc has it.
func (p *process) ticks() (time.Duration, bool) {
	stat := p.proc("stat")
	f := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
	if len(f) < 13 {
		return 0, false
	}
	user, err := strconv.ParseInt(f[11], 10, 64)
	system, err2 := strconv.ParseInt(f[12], 10, 64)
	return time.Duration(user+system) * 10 * time.Millisecond, err == nil && err2 == nil
}

// memory is what is resident, in bytes, now and at the most. Once the process
// has ended it is what was seen last: the kernel's own account of an ended
// process may include the memory of the one that started it.
func (p *process) memory() (now, peak int64) {
	for line := range strings.Lines(p.proc("status")) {
		key, value, _ := strings.Cut(line, ":")
		n, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
		switch key {
		case "VmRSS":
			now = n << 10
		case "VmHWM":
			p.peak = n << 10
		}
	}
	return now, p.peak
}

// wakeups is how often threads have gone to sleep until now, and how many
// threads there are.
func (p *process) wakeups() (n, threads int64) {
	all, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", p.cmd.Process.Pid))
	for _, name := range all {
		b, _ := os.ReadFile(name)
		for line := range strings.Lines(string(b)) {
			if v, ok := strings.CutPrefix(line, "voluntary_ctxt_switches:"); ok {
				k, _ := strconv.ParseInt(strings.TrimSpace(v), 10, 64)
				n += k
			}
		}
	}
	return n, int64(len(all))
}

func (p *process) proc(name string) string {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/%s", p.cmd.Process.Pid, name))
	return string(b)
}

// offset is how far the process has read the file, in bytes; -1 where it does
// not have it open. It stays 0 for those who read with pread.
func (p *process) offset(file os.FileInfo) int64 {
	at := int64(-1)
	open, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", p.cmd.Process.Pid))
	for _, name := range open {
		info, err := os.Stat(name)
		if err != nil || !os.SameFile(info, file) {
			continue
		}
		var n int64
		if _, err := fmt.Sscanf(p.proc("fdinfo/"+filepath.Base(name)), "pos:\t%d", &n); err == nil {
			at = max(at, n)
		}
	}
	return at
}

const (
	look  = 20 * time.Millisecond // how often a process is looked at
	frame = 100 * time.Millisecond
	idle  = 4 * time.Millisecond // of processor time in a frame, at most
)

// settle waits until the process has ended or has done next to nothing for as
// long as calm says; three times as long unless it is seen to have read the file,
// if there is one, to its end. It returns when the process was busy last.
func (p *process) settle(ctx context.Context, file string, calm time.Duration) (busy time.Time, err error) {
	atEnd := func() bool { return true }
	if file != "" {
		info, err := os.Stat(file)
		if err != nil {
			return time.Time{}, err
		}
		atEnd = func() bool { return p.offset(info) >= info.Size() }
	}
	type moment struct {
		at  time.Time
		cpu time.Duration
	}
	var past []moment
	busy = time.Now()
	for {
		select {
		case <-p.done:
			return p.ended, nil
		case <-ctx.Done():
			return busy, context.Cause(ctx)
		case <-time.After(look):
		}
		p.memory()
		now := moment{time.Now(), p.cpu()}
		past = append(past, now)
		for now.at.Sub(past[0].at) > frame {
			past = past[1:]
		}
		if now.cpu-past[0].cpu > idle {
			busy = now.at
		}
		quiet := now.at.Sub(busy)
		if quiet > 3*calm || quiet > calm && atEnd() {
			return busy, nil
		}
	}
}
