package agent

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// DiagnoseListen says whether an address (host:port, or unix:///path) is listened on
// by the agent that runs, or is free for one that does not.
func DiagnoseListen(ctx context.Context, address string, running bool) Diagnosis {
	taken, err := listened(ctx, address)
	switch {
	case taken && running:
		return Diagnosis{What: "the agent that runs listens on " + address}
	case taken:
		d := Diagnosis{
			Health: Failed, Cause: "address_in_use", What: "somebody else listens on " + address + " already", Why: "no agent runs with this state_dir",
			Do: "stop that one (ss -ltnp 'sport = :PORT' shows it), or write another address",
		}
		_, port, _ := net.SplitHostPort(address)
		d.Do = strings.ReplaceAll(d.Do, "PORT", port)
		return d
	case err != nil:
		return Diagnosis{Health: Failed, Cause: "address_unusable", What: "nobody can listen on " + address, Why: err.Error(), Do: "write an address of this machine, as 0.0.0.0:PORT, or a path that this user can write"}
	case running:
		return Diagnosis{
			Health: Warned, Cause: "not_listening", What: "an agent runs, and nobody listens on " + address,
			Why: "it has another configuration, or could not have the address", Do: "reload it: kill -HUP its process, and look at its log",
		}
	}
	return Diagnosis{What: address + " is free to listen on"}
}

// listened tries whether somebody listens there, and if not whether one could.
func listened(ctx context.Context, address string) (taken bool, err error) {
	if path, ok := strings.CutPrefix(address, "unix://"); ok {
		c, err := new(net.Dialer).DialContext(ctx, "unix", path)
		if err == nil {
			c.Close()
			return true, nil
		}
		if errors.Is(err, fs.ErrNotExist) {
			_, err = os.Stat(filepath.Dir(path))
		} else if errors.Is(err, syscall.ECONNREFUSED) { // of one that was killed: it is removed by the next
			err = nil
		}
		return false, err
	}
	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err == nil {
		return false, ln.Close()
	}
	return errors.Is(err, syscall.EADDRINUSE), err
}

// maxOwner bounds how much of a command line is shown.
const maxOwner = 120

// A StateHolder is the process that has locked a state_dir.
type StateHolder struct {
	Locked  bool
	Hidden  bool // this user may not see it
	PID     int  // 0 where it cannot be seen from here
	Command string
}

// Holder looks who uses a state_dir. It locks nothing that an agent that starts at
// the same moment would miss.
func Holder(dir string) (h StateHolder) {
	path := filepath.Join(dir, "lock")
	f, err := os.Open(path)
	if err != nil {
		h.Hidden = errors.Is(err, fs.ErrPermission)
		return h
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return h
	}
	if h.PID = lockedBy(info); h.PID != 0 {
		b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", h.PID))
		h.Locked, h.Command = true, strings.TrimSpace(strings.ReplaceAll(string(b[:min(len(b), maxOwner)]), "\x00", " "))
		return h
	}
	// In another container it is not seen by its number.
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB); err != nil {
		h.Locked = errors.Is(err, syscall.EWOULDBLOCK)
	}
	return h
}

// lockedBy looks the file up in the kernel's list of locks.
func lockedBy(info os.FileInfo) int {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0
	}
	b, err := os.ReadFile("/proc/locks")
	if err != nil {
		return 0
	}
	inode := fmt.Sprintf(":%d", st.Ino)
	for line := range strings.Lines(string(b)) {
		// 1: FLOCK  ADVISORY  WRITE 1234 08:01:131 0 EOF
		p := strings.Fields(line)
		if len(p) < 6 || p[1] != "FLOCK" || !strings.HasSuffix(p[5], inode) {
			continue
		}
		var pid int
		if _, err := fmt.Sscan(p[4], &pid); err != nil || pid <= 0 {
			continue
		}
		if holds(pid, info) {
			return pid
		}
	}
	return 0
}

// holds reports whether the process has that very file open: inodes of two disks
// may be the same. Where that cannot be seen it is believed.
func holds(pid int, info os.FileInfo) bool {
	fds, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	if err != nil || len(fds) == 0 {
		return true
	}
	for _, fd := range fds {
		if other, err := os.Stat(fd); err == nil && os.SameFile(info, other) {
			return true
		}
	}
	return false
}
