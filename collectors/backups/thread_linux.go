package backups

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// beNice gives this thread, to which the goroutine is locked, the lowest priority
// for CPU and disk. It is for good; what cannot be had is left.
func beNice() {
	const idle, class, process = 3, 13, 1
	_ = unix.Setpriority(unix.PRIO_PROCESS, 0, 19)
	_, _, _ = unix.Syscall(unix.SYS_IOPRIO_SET, process, 0, idle<<class)
}

// threadTime is the CPU time of this thread.
func threadTime() time.Duration {
	var t unix.Timespec
	if unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t) != nil {
		return 0
	}
	return time.Duration(t.Nano())
}

// forget takes the first n bytes out of the page cache, in which others have
// something of use.
func forget(f *os.File, n int64) { _ = unix.Fadvise(int(f.Fd()), 0, n, unix.FADV_DONTNEED) }
