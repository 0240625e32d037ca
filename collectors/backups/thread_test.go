package backups

import (
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestNice makes one thread nice, and no other.
func TestNice(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	priority := func() int { // of the system call: 20 less the nice value
		n, err := unix.Getpriority(unix.PRIO_PROCESS, 0)
		if err != nil {
			t.Error(err)
		}
		return n
	}
	before := priority()
	nice := make(chan int)
	go func() {
		runtime.LockOSThread() // and the thread ends with the goroutine
		beNice()
		start := threadTime()
		for threadTime() == start {
		}
		nice <- priority()
	}()
	select {
	case n := <-nice:
		if n != 1 {
			t.Errorf("its nice value is %d", 20-n)
		}
	case <-time.After(time.Minute):
		t.Fatal("its time does not pass")
	}
	if after := priority(); after != before {
		t.Errorf("this thread's nice value is %d", 20-after)
	}
}
