package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/webgrip/logkeel/agent/testenv"
)

// writeTo writes to all logs, perSecond lines each, until stop is called. It
// returns the number of lines written.
func writeTo(logs []*containerLog, perSecond int) (stop func() int) {
	done := make(chan struct{})
	var wg sync.WaitGroup
	for _, c := range logs {
		wg.Go(func() {
			tick := time.NewTicker(20 * time.Millisecond)
			defer tick.Stop()
			for {
				select {
				case <-done:
					return
				case <-tick.C:
					c.write(perSecond / 50)
				}
			}
		})
	}
	return func() (n int) {
		close(done)
		wg.Wait()
		for _, c := range logs {
			n += c.n
		}
		return n
	}
}

const outageConfig = `
state_dir: state
collectors: {docker: {root: %s, host: "unix:///nowhere.sock"}}
rules: {packs: [operations]}
outputs:
  prometheus: {listen: METRICS}
  fluentd:
    - {name: main, address: "%s", ack_timeout: 5s}
`

var outage = flag.Duration("outage", 20*time.Second, "how long the receiver is away in TestOutage")

// The receiver is away under load, for longer than the agent waits between two attempts.
func TestOutage(t *testing.T) {
	t.Parallel()
	receiver := testenv.ForwardReceiver(t, testenv.ForwardOptions{})
	root := t.TempDir()
	var logs []*containerLog
	for i, name := range []string{"app", "web", "queue"} {
		logs = append(logs, newContainerLog(t, root, name, i))
	}
	a := newAgent(t, fmt.Sprintf(outageConfig, root, receiver.Addr))
	a.start()
	stop := sync.OnceValue(writeTo(logs, 1000))
	defer stop()
	eventually(t, "the first lines arrive", waitLong, func() bool { return receiver.Count() > 3000 })
	receiver.Stop()
	gone := receiver.Count()
	before := a.metric("logkeel_findings_total", `rule="ApplicationError"`)
	time.Sleep(*outage)
	eventually(t, "the counters go on while the receiver is away, and the spool is filled", waitLong, func() bool {
		during := a.metric("logkeel_findings_total", `rule="ApplicationError"`) - before
		return during >= 100 && a.metric("logkeel_spool_bytes") > 0
	})
	if bytes := a.metric("logkeel_output_queue_bytes"); bytes > 8<<20 {
		t.Errorf("%v bytes wait in memory", bytes)
	}
	if up := a.metric("logkeel_output_connected"); up != 0 {
		t.Error("it says that it is connected")
	}
	missed := int(a.metric("logkeel_source_lines_total")) - gone
	receiver.Start()
	eventually(t, "what was missed arrives", waitLong, func() bool { return receiver.Count() > gone+missed })
	written := stop()
	receiver.Await(written, waitLong)
	a.stop()
	got := tally(receiver.Entries(), logs)
	got.check(t, written)
}

// Of two outputs one is never there. The other gets every line once, restarts
// of the agent included; where the receiver did not acknowledge all in time, the
// agent says that lines may be repeated.
func TestOneOfTwoOutputsIsDead(t *testing.T) {
	t.Parallel()
	receiver := testenv.ForwardReceiver(t, testenv.ForwardOptions{})
	root := t.TempDir()
	logs := []*containerLog{newContainerLog(t, root, "app", 1), newContainerLog(t, root, "web", 2)}
	patient := strings.Replace(outageConfig, "ack_timeout: 5s", "ack_timeout: 5m", 1) // a receiver that is slow is sent nothing again
	a := newAgent(t, fmt.Sprintf(patient, root, receiver.Addr)+fmt.Sprintf(`
    - {name: dead, address: "%s"}
`, testenv.Addr(t)))
	a.start()
	stop := sync.OnceValue(writeTo(logs, 5000))
	defer stop()
	eventually(t, "the first lines arrive", waitLong, func() bool { return receiver.Count() > 10_000 })
	for range 2 {
		a.stop()
		time.Sleep(300 * time.Millisecond) // it has something to catch up with
		a.start()
		n := receiver.Count()
		eventually(t, "lines arrive after the restart", waitLong, func() bool { return receiver.Count() > n+20_000 })
	}
	written := stop()
	receiver.Await(written, waitLong)
	if n := a.metric("logkeel_spool_frames", `output="dead"`); n == 0 {
		t.Error("the spool of the dead output is empty")
	}
	if n := a.metric("logkeel_output_records_total", `output="dead"`); n != 0 {
		t.Errorf("the dead output says that %v records were acknowledged", n)
	}
	a.stop()
	got := tally(receiver.Entries(), logs)
	got.check(t, written)
	log, err := os.ReadFile(a.stderr)
	if err != nil {
		t.Fatal(err)
	}
	if got.repeated > 0 && !bytes.Contains(log, []byte("may arrive twice")) {
		t.Errorf("%d lines were repeated, and nobody said so", got.repeated)
	}
}
