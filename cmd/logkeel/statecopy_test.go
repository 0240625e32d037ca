package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/webgrip/logkeel/agent/testenv"
)

const copiedConfig = `
state_dir: %s
collectors: {docker: {root: %s, host: "unix:///nowhere.sock"}}
rules: {packs: [operations]}
outputs:
  prometheus: {listen: METRICS}
  fluentd:
    - {name: main, address: "%s", ack_timeout: 5m, spool: {after: 100ms}}
  email:
    - {name: ops, server: "127.0.0.1:9", security: none, from: a@shop.example, to: ops@shop.example, group_wait: 0, report: {}}
  webhook:
    - {name: hook, url: "http://127.0.0.1:9/", group_wait: 0}
  alertmanager:
    - {name: am, urls: "http://127.0.0.1:9"}
`

// copyTree copies a folder file by file as cp -a does, while others write to it.
func copyTree(t *testing.T, from, to string) {
	t.Helper()
	err := filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if os.IsNotExist(err) {
			return nil // a file that was replaced meanwhile
		}
		if err != nil {
			return err
		}
		into := filepath.Join(to, strings.TrimPrefix(path, from))
		if d.IsDir() {
			return os.MkdirAll(into, 0o700)
		}
		if !d.Type().IsRegular() {
			return nil // tap.sock
		}
		b, err := os.ReadFile(path)
		if os.IsNotExist(err) {
			return nil
		}
		if err != nil {
			return err
		}
		return os.WriteFile(into, b, 0o600)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// What docs/operating.md says of a backup: a copy of state_dir that was made while
// the agent wrote to it is one from which an agent goes on; and nobody else may read
// what is in it.
func TestStateIsCopiedWhileItRuns(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	logs := []*containerLog{newContainerLog(t, root, "app", 0), newContainerLog(t, root, "web", 1)}
	state := filepath.Join(t.TempDir(), "state")
	a := newAgent(t, fmt.Sprintf(copiedConfig, state, root, testenv.Addr(t))) // where nobody listens
	a.start()
	stop := writeTo(logs, 500)
	eventually(t, "the spool is in use", waitLong, func() bool { return a.metric("logkeel_spool_bytes") > 0 })
	var copies []string
	for i := range 3 {
		time.Sleep(700 * time.Millisecond)
		into := filepath.Join(t.TempDir(), fmt.Sprint("copy", i))
		copyTree(t, state, into)
		copies = append(copies, into)
	}
	written := stop()
	privately(t, state)
	a.stop()

	for _, dir := range copies {
		receiver := testenv.ForwardReceiver(t, testenv.ForwardOptions{})
		b := newAgent(t, fmt.Sprintf(copiedConfig, dir, root, receiver.Addr))
		b.start()
		receiver.Await(written, waitLong)
		tally(receiver.Entries(), logs).check(t, written)
		b.stop()
		privately(t, dir)
		log, err := os.ReadFile(b.stderr)
		if err != nil {
			t.Fatal(err)
		}
		for _, bad := range []string{"put aside", "damaged", "cannot be read"} {
			if strings.Contains(string(log), bad) {
				t.Errorf("of a copy the agent says %q:\n%s", bad, log)
			}
		}
	}
}

// privately wants that nobody but the agent's user may look into the folder.
func privately(t *testing.T, dir string) {
	t.Helper()
	names := 0
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return nil // replaced meanwhile
		}
		info, err := d.Info()
		if err != nil {
			return nil
		}
		names++
		if info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has the mode %v", path, info.Mode())
		}
		return nil
	})
	if err != nil || names < 10 {
		t.Errorf("%d files in %s: %v", names, dir, err)
	}
}
