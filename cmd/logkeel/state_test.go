package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/webgrip/logkeel/agent/testenv"
)

// tmpfs mounts a file system of that size.
func tmpfs(t *testing.T, options string) string {
	t.Helper()
	testenv.Need(t, "root, to mount a tmpfs", os.Getuid() == 0)
	dir := t.TempDir()
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", options, "tmpfs", dir).CombinedOutput(); err != nil {
		t.Fatalf("mount: %v: %s", err, out)
	}
	t.Cleanup(func() { syscall.Unmount(dir, syscall.MNT_DETACH) })
	return dir
}

// The receiver is away and the disk of state_dir is full: the logs are the
// buffer, memory does not grow, it is said once, and nothing is lost.
func TestStateFolderIsFull(t *testing.T) {
	t.Parallel()
	receiver := testenv.ForwardReceiver(t, testenv.ForwardOptions{})
	state := tmpfs(t, "size=1m")
	root := t.TempDir()
	logs := []*containerLog{newContainerLog(t, root, "app", 1), newContainerLog(t, root, "web", 2)}
	a := newAgent(t, strings.Replace(fmt.Sprintf(outageConfig, root, receiver.Addr), "state_dir: state", "state_dir: "+state, 1))
	a.start()
	logs[0].write(100)
	receiver.Await(100, waitShort)
	receiver.Stop()
	ballast := filepath.Join(state, "ballast")
	os.WriteFile(ballast, make([]byte, 2<<20), 0o600) // until it is full
	for range 40 {
		for _, c := range logs {
			c.write(1000)
		}
	}
	eventually(t, "reading waits", waitShort, func() bool {
		return a.metric("logkeel_source_unread_bytes") > 0 && a.metric("logkeel_spool_write_errors_total") > 1
	})
	if n := a.metric("logkeel_output_queue_bytes"); n > 6<<20 {
		t.Errorf("%v bytes wait in memory", n)
	}
	log, _ := os.ReadFile(a.stderr)
	if n := bytes.Count(log, []byte("spool cannot be written")); n != 1 {
		t.Errorf("that the spool cannot be written was said %d times, want once", n)
	}
	receiver.Start()
	written := logs[0].n + logs[1].n
	receiver.Await(written, waitLong)
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	eventually(t, "positions are written again", waitShort, func() bool {
		log, _ = os.ReadFile(a.stderr)
		return bytes.Contains(log, []byte("positions are written again"))
	})
	a.stop()
	tally(receiver.Entries(), logs).check(t, written)
}

func TestReadOnlyStateFolder(t *testing.T) {
	state := tmpfs(t, "size=64k,ro")
	a := newAgent(t, "state_dir: "+state+"\n")
	_, stderr, code := logkeel(t, "", "run", "-c", a.config)
	want := fmt.Sprintf("state_dir %s: open %s/lock: read-only file system; name a folder that this user can write, on a disk that stays (state_dir)\n", state, state)
	if code != exitUsage || stderr != want {
		t.Errorf("exit code %d, and\n%swant\n%s", code, stderr, want)
	}
}
