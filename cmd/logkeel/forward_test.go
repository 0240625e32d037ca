package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fluent/fluent-logger-golang/fluent"

	"github.com/webgrip/logkeel/agent/testenv"
)

// logger is Fluentd's own client, which waits for acknowledgements or does not.
func logger(t *testing.T, addr string, acks bool) *fluent.Fluent {
	t.Helper()
	host, port, _ := net.SplitHostPort(addr)
	n, _ := strconv.Atoi(port)
	var l *fluent.Fluent
	eventually(t, "the listener is there", waitShort, func() (ok bool) {
		var err error
		l, err = fluent.New(fluent.Config{FluentHost: host, FluentPort: n, RequestAck: acks, SubSecondPrecision: true, Timeout: waitShort, ReadTimeout: waitShort, WriteTimeout: waitShort, MaxRetry: 1})
		return err == nil
	})
	t.Cleanup(func() { l.Close() })
	return l
}

// An agent reads a file and sends it to a second one, that to a receiver: tags,
// times, members and identities are those of the first, findings and cuts are
// made once, and what either of them adds is there.
func TestAgentToAgent(t *testing.T) {
	t.Parallel()
	receiver := testenv.ForwardReceiver(t, testenv.ForwardOptions{})
	addr := testenv.Addr(t)
	const security = "shared_key: s3cret, %s"
	second := newAgent(t, fmt.Sprintf(`
state_dir: state
collectors:
  forward: [{name: in, listen: "%s", labels: {site: cellar}, `+security+`}]
rules: {packs: [operations]}
outputs:
  fluentd: [{name: main, address: "%s", identity: true, ack_timeout: 5m}]
  prometheus: {listen: METRICS}
`, addr, "users: [{username: first, password: hunter2}]", receiver.Addr))
	log := filepath.Join(t.TempDir(), "app.log")
	first := newAgent(t, fmt.Sprintf(`
state_dir: state
collectors:
  files: [{name: app, paths: "%s", labels: {service: shop}}]
rules: {packs: [operations]}
outputs:
  fluentd: [{name: main, address: "%s", identity: true, ack_timeout: 5m, compress: gzip, `+security+`}]
  prometheus: {listen: METRICS}
`, log, addr, "username: first, password: hunter2"))
	const n = 3000
	var b strings.Builder
	for i := range n {
		if i%100 == 7 {
			fmt.Fprintf(&b, "line %d: production.ERROR: it failed, password=hunter2hunter2\n", i)
		} else {
			fmt.Fprintf(&b, "line %d: GET / 200\n", i)
		}
	}
	if err := os.WriteFile(log, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	second.start()
	first.start()
	receiver.Await(n, waitLong)
	seen := map[string]bool{}
	i := 0
	for e := range receiver.Entries() {
		r := e.Record
		id, _ := r["logkeel_id"].(string)
		if e.Tag != "app.app.log" || r["service"] != "shop" || r["path"] != log || r["site"] != "cellar" || r["tag"] != nil || id == "" || seen[id] {
			t.Fatalf("%d: %+v", i, e)
		}
		seen[id] = true
		if text := r["log"].(string); !strings.HasPrefix(text, fmt.Sprintf("line %d: ", i)) || strings.Contains(text, "hunter2") {
			t.Fatalf("%d: %q", i, text)
		}
		if f, ok := r["findings"].([]any); ok != (i%100 == 7) || ok && len(f) != 2 {
			t.Fatalf("%d has findings %v", i, r["findings"])
		}
		i++
	}
	if found := second.metric("logkeel_findings_total", `source="in"`, `service="shop"`); found != n/100 {
		t.Errorf("the second agent found %v", found)
	}
	eventually(t, "all is done with", waitShort, func() bool { return second.metric("logkeel_spool_frames", `source="in"`) == 0 })
	if got := second.metric("logkeel_forward_records_total", `source="in"`); got != n {
		t.Errorf("%v records were counted", got)
	}
}

// Clients go on at once while the receiver is away, and while the agent is killed
// again and again nothing is lost that it has acknowledged.
func TestForwardLosesNothing(t *testing.T) {
	t.Parallel()
	receiver := testenv.ForwardReceiver(t, testenv.ForwardOptions{})
	receiver.Stop()
	addr := testenv.Addr(t)
	a := newAgent(t, fmt.Sprintf(`
state_dir: state
collectors:
  forward: [{name: in, listen: "%s"}]
rules: {packs: [operations]}
outputs:
  fluentd: [{name: main, address: "%s", buffer: 64KiB}]
  prometheus: {listen: METRICS}
`, addr, receiver.Addr))
	const kills, each = 4, 300
	text := strings.Repeat("x", 2000)
	for k := range kills {
		a.start()
		l := logger(t, addr, true)
		for i := range each {
			if err := l.PostWithTime(fmt.Sprint("app.", i%3), time.Unix(int64(1_800_000_000+i), 1), map[string]any{"message": text, "n": k*each + i}); err != nil {
				t.Fatal(err)
			}
		}
		if k == 1 {
			receiver.Start()
			receiver.Await(each, waitShort)
		}
		a.kill()
	}
	a.start()
	had := map[int]int{}
	eventually(t, "all that was acknowledged has arrived", waitLong, func() bool {
		if receiver.Count() < kills*each {
			return false
		}
		clear(had)
		for e := range receiver.Entries() {
			had[int(e.Record["n"].(float64))]++
		}
		return len(had) == kills*each
	})
	repeats := 0
	for _, n := range had {
		repeats += n - 1
	}
	if repeats > kills*each {
		t.Errorf("%d records came again", repeats)
	}
	a.stop()
}
