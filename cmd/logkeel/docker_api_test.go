package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/webgrip/logkeel/agent/testenv"
)

// A container whose driver writes no files and one whose does are read beside each
// other, each in one way: no line comes twice, also after a kill.
func TestContainersWithAndWithoutFiles(t *testing.T) {
	t.Parallel()
	engine := testenv.Docker(t)
	receiver := testenv.ForwardReceiver(t, testenv.ForwardOptions{})
	a := newAgent(t, fmt.Sprintf(`
state_dir: state
collectors:
  docker: {root: %s, host: "%s"}
outputs:
  fluentd: [{name: main, address: "%s", identity: true}]
  prometheus: {listen: METRICS}
`, engine.Root, engine.Host, receiver.Addr))
	image := engine.Image("lines:1")
	dir := t.TempDir()
	services := map[string]int{"file": 20_000, "api": 20_000}
	for name, lines := range services {
		writeLines(t, dir, name, lines, map[string]int{})
	}
	a.start()
	// A trace is written at once: what comes later than a quarter of a second is another record.
	for service, driver := range map[string]string{"file": "json-file", "api": "local"} {
		engine.Run("--name", "shop-"+service+"-1", "--volume", dir+":/lines:ro", "--log-driver", driver,
			"--label", "logkeel.multiline=java", "--label", "com.docker.compose.project=shop", "--label", "com.docker.compose.service="+service,
			image, "sh", "-c", fmt.Sprintf("for f in /lines/%s.*; do cat $f; sleep 0.1; done; printf 'java.lang.IllegalStateException: no\\n\tat shop.Cart.add(Cart.java:1)\\n'; sleep 1000", service))
	}
	receiver.Await(10_000, time.Minute)
	a.kill()
	a.start()
	const trace = "java.lang.IllegalStateException: no\n\tat shop.Cart.add(Cart.java:1)"
	eventually(t, "both containers' last record arrives", time.Minute, func() bool {
		if receiver.Count() < 40_000 { // which is cheap to ask
			return false
		}
		from := map[string]bool{}
		for e := range receiver.Entries() {
			if strings.HasSuffix(e.Record["log"].(string), trace) { // the last line is an error, to which it belongs
				from[e.Tag] = true
			}
		}
		return len(from) == 2
	})
	eventually(t, "one is followed by the API", waitShort, func() bool { return a.metric("logkeel_docker_logs_following") == 1 })
	a.stop()
	ids := map[string]bool{}
	next := map[string]int{}
	traces := 0
	for e := range receiver.Entries() {
		id, _ := e.Record["logkeel_id"].(string)
		if id == "" {
			t.Fatalf("no identity: %v", e)
		}
		if ids[id] { // what was not acknowledged before the kill
			continue
		}
		ids[id] = true
		if strings.HasSuffix(e.Record["log"].(string), trace) {
			traces++
		}
		var service string
		var n int
		if _, err := fmt.Sscanf(e.Record["log"].(string), "%s line %d:", &service, &n); err != nil {
			t.Fatalf("no line of ours: %v", e)
		}
		if n != next[service]+1 || e.Record["container_name"] != "/shop-"+service+"-1" || e.Tag != "docker.shop-"+service+"-1" {
			t.Fatalf("after line %d came %v", next[service], e)
		}
		next[service] = n
	}
	if traces != 2 {
		t.Errorf("%d records of several lines, want one of each container", traces)
	}
	for service, lines := range services {
		if next[service] != lines {
			t.Errorf("%d lines of %s, want %d", next[service], service, lines)
		}
	}
}
