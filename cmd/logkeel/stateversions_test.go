package main

import (
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/webgrip/logkeel/agent/testenv"
)

var keepState = flag.String("keepstate", "", "the version as which TestStateOfEarlierVersions keeps the state that this agent writes, in testdata/state")

// earlierLines are in the log of each state that is kept: so many had been read, and
// were in the spool, when the agent was stopped; the rest was written afterwards.
const earlierLines, laterLines = 150, 50

// keep makes testdata/state/VERSION by running this agent with an aggregator and a
// webhook that are away.
func keep(t *testing.T, dir string) {
	dir, err := filepath.Abs(dir)
	if err == nil {
		err = os.RemoveAll(dir)
	}
	if err != nil {
		t.Fatal(err)
	}
	c := newContainerLog(t, filepath.Join(dir, "docker"), "app", 0)
	a := newAgent(t, fmt.Sprintf(copiedConfig, t.TempDir(), filepath.Join(dir, "docker"), testenv.Addr(t)))
	a.start()
	c.write(earlierLines)
	eventually(t, "all is in the spool, and the alert waits", waitLong, func() bool {
		return a.metric("logkeel_source_lines_total") == earlierLines && a.metric("logkeel_spool_bytes", `output="main"`) > 0 &&
			a.metric("logkeel_notifications_pending", `output="hook"`) == 1
	})
	config, err := os.ReadFile(a.config)
	if err != nil {
		t.Fatal(err)
	}
	a.stop()
	c.write(laterLines)
	from := strings.Fields(strings.SplitAfter(string(config), "state_dir:")[1])[0]
	copyTree(t, from, filepath.Join(dir, "state"))
}

// What lies in state_dir is read by each later version: folders that earlier ones
// have left are in testdata/state, and an agent goes on from each, so that nothing
// comes twice, nothing is missing, and what was not told is told. A change of a
// format adds a folder (-keepstate VERSION), and leaves those that are there.
func TestStateOfEarlierVersions(t *testing.T) {
	t.Parallel()
	if *keepState != "" {
		keep(t, filepath.Join("testdata", "state", *keepState))
	}
	kept, err := filepath.Glob("testdata/state/*")
	if err != nil || len(kept) == 0 {
		t.Fatalf("%d states: %v", len(kept), err)
	}
	for _, dir := range kept {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			work := t.TempDir()
			copyTree(t, dir, work)
			receiver := testenv.ForwardReceiver(t, testenv.ForwardOptions{})
			var told atomic.Int32
			hook := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				if b, _ := io.ReadAll(r.Body); strings.Contains(string(b), "ApplicationError") {
					told.Add(1)
				}
			}))
			defer hook.Close()
			config := fmt.Sprintf(copiedConfig, filepath.Join(work, "state"), filepath.Join(work, "docker"), receiver.Addr)
			a := newAgent(t, strings.ReplaceAll(config, "http://127.0.0.1:9/", hook.URL))
			a.start()
			receiver.Await(earlierLines+laterLines, waitLong)
			eventually(t, "the alert that waited is told", waitLong, func() bool { return told.Load() > 0 })
			a.stop()

			logs := []*containerLog{{t: t, id: fmt.Sprintf("%064x", 0xc0ffee00), n: earlierLines + laterLines}}
			got := tally(receiver.Entries(), logs)
			got.check(t, earlierLines+laterLines)
			if got.repeated > 0 {
				t.Errorf("%d lines came again", got.repeated)
			}
			log, err := os.ReadFile(a.stderr)
			if err != nil {
				t.Fatal(err)
			}
			for _, bad := range []string{"put aside", "damaged", "cannot be read", "not readable"} {
				if strings.Contains(string(log), bad) {
					t.Errorf("the agent says %q:\n%s", bad, log)
				}
			}
		})
	}
}
