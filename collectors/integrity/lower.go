package integrity

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// lower gives this goroutine a thread of its own, which the disk serves after all
// others. It ends with the goroutine. It is not made nice to the processors: the
// runtime waits for each of its threads now and then, and one that others hold up
// would hold up the agent.
func lower() {
	runtime.LockOSThread()
	const (
		whoProcess = 1
		bestEffort = 2
		lowest     = 7
		classShift = 13
	)
	// Where it is not allowed it is as it was.
	_, _, _ = unix.Syscall(unix.SYS_IOPRIO_SET, whoProcess, 0, bestEffort<<classShift|lowest)
}
