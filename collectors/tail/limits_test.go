package tail

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/webgrip/logkeel/agent"
)

// child runs the test of that name in a process of its own, whose limits it may
// lower. It reports whether this is that process.
func child(t *testing.T, attr *syscall.SysProcAttr) bool {
	const is = "LOGKEEL_TAIL_CHILD"
	if os.Getenv(is) == t.Name() {
		return true
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), is+"="+t.Name(), "TMPDIR="+t.TempDir())
	cmd.SysProcAttr = attr
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return false
}

// The kernel gives no inotify instance: logs are polled, and that is said with
// what to raise.
func TestInotifyInstancesAreUsedUp(t *testing.T) {
	if os.Getenv("LOGKEEL_TAIL_CHILD") == "" && exec.Command("unshare", "-Ur", "true").Run() != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("needs user namespaces")
		}
		t.Skip("SKIPPED: needs user namespaces")
	}
	maps := []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
	groups := []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	if !child(t, &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER, UidMappings: maps, GidMappings: groups}) {
		return
	}
	if err := os.WriteFile("/proc/sys/user/max_inotify_instances", []byte("0"), 0); err != nil {
		t.Fatal(err)
	}
	w := newWorld(t)
	path, id := w.path("app.log"), w.sourceID("app.log")
	write := func(line string) {
		t.Helper()
		if err := appendTo(path, line+"\n"); err != nil {
			t.Fatal(err)
		}
	}
	write("a")
	w.start()
	w.until("a line", func() bool { return w.out.count(id) == 1 })
	write("b")
	rotate(t, path, 1)
	write("c")
	w.until("all lines", func() bool { return w.out.count(id) == 3 })
	w.until("it is said", func() bool { return strings.Contains(w.log.String(), "max_user_instances") })
	if !w.tail.polling.Load() {
		t.Error("the metric says that nothing is polled")
	}
	w.stop()
}

// There are more logs than files may be open. What is too much is said once, the
// others are read through rotations, positions are written, and a log is read as
// soon as another one ends.
func TestMoreLogsThanDescriptors(t *testing.T) {
	if !child(t, nil) {
		return
	}
	const limit, logs = 200, 300
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: limit, Max: limit}); err != nil {
		t.Fatal(err)
	}
	w := newWorld(t)
	w.docker()
	now := time.Unix(1_736_430_000, 0).UTC()
	name := func(i int) string { return fmt.Sprintf("@c%d", i) }
	put := func(i int, text string) {
		t.Helper()
		if err := appendTo(w.path(name(i)), dockerLine(text+"\n", "stdout", "", now)); err != nil {
			t.Fatal(err)
		}
	}
	read := func(lines int) (n int) {
		for i := range logs {
			if w.out.count(w.sourceID(name(i))) >= lines {
				n++
			}
		}
		return n
	}
	for i := range logs {
		put(i, "a")
	}
	w.start()
	w.until("the others are said", func() bool {
		return w.tail.few.Load() > 0 && strings.Contains(w.log.String(), "too many files are open")
	})
	few := func() int { return int(w.tail.few.Load()) }
	w.until("all the others are read", func() bool { return read(1)+few() == logs })
	w.quiet()
	if n := read(1); n < limit/2 || n >= limit*3/4 {
		t.Errorf("%d logs are read with %d descriptors", n, limit)
	}
	if n := strings.Count(w.log.String(), "too many files are open"); n != 1 {
		t.Errorf("it is said %d times", n)
	}
	w.until("all is read that can be", w.tail.CaughtUp)
	for i := range logs {
		if w.out.count(w.sourceID(name(i))) == 1 {
			w.out.c.Safe(w.sourceID(name(i)), agent.Position{Epoch: 1, Offset: 1})
			break
		}
	}
	w.ledger.Sync()
	if strings.Contains(w.log.String(), "positions cannot be written") {
		t.Error("no descriptor is left for positions")
	}
	// Those that are read end, and make room for the others.
	w.until("all logs, one after the other", func() bool {
		for i := range logs {
			if w.out.count(w.sourceID(name(i))) == 1 {
				os.RemoveAll(w.path(name(i))[:strings.LastIndex(w.path(name(i)), "/")])
			}
		}
		return read(1) == logs
	})
	w.until("the end is said", func() bool { return strings.Contains(w.log.String(), "all logs are read again") })
	w.stop()
}

// Many rotated files take few descriptors, whether they are looked through or
// read one after the other.
func TestManyRotatedFiles(t *testing.T) {
	if !child(t, nil) {
		return
	}
	const limit, files = 160, 400
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: limit, Max: limit}); err != nil {
		t.Fatal(err)
	}
	w := newWorld(t)
	w.docker()
	path, id := w.path("@c"), w.sourceID("@c")
	put := func(file string, n int) {
		t.Helper()
		if err := appendTo(file, dockerLine(fmt.Sprintf("%d\n", n), "stdout", "", time.Unix(1_736_430_000+int64(n), 0).UTC())); err != nil {
			t.Fatal(err)
		}
	}
	for n := range files {
		put(fmt.Sprintf("%s.%d", path, files-n), n)
	}
	put(path, files)
	lines := 0
	next := func(to int) {
		t.Helper()
		w.until(fmt.Sprintf("line %d", to), func() bool { return w.out.count(id) > to-lines })
		for _, g := range w.out.take()[id] {
			if g.body != fmt.Sprint(lines) {
				t.Fatalf("got %q, want %d", g.body, lines)
			}
			lines++
		}
	}
	w.start()
	next(files)
	put(path, files+1)
	next(files + 1)
	w.stop()
	// It stopped in the newest: the others are not read again.
	w.start()
	put(path, files+2)
	next(files + 2)
	w.stop()
	// Rotated 100 times while nobody reads.
	for n := files + 3; n < files+103; n++ {
		rotate(t, path, files+200)
		put(path, n)
	}
	w.start()
	next(files + 102)
	if n := openFiles(t, w.dir); n > 2 {
		t.Errorf("%d files are open", n)
	}
	if w.tail.gaps.Load() != 0 {
		t.Error("a gap was found")
	}
	w.stop()
}
