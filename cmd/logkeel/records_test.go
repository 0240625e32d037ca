package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/webgrip/logkeel/agent/testenv"
)

// What is measured goes to Fluentd as records where that is asked for: also what
// was measured while nobody listened there, and once, over restarts. Rules on
// fields see them, and rules on lines do not.
func TestSamplesAsRecords(t *testing.T) {
	t.Parallel()
	receiver := testenv.ForwardReceiver(t, testenv.ForwardOptions{})
	cache := testenv.Redis(t)
	a := newAgent(t, fmt.Sprintf(`
state_dir: state
collectors:
  redis:
    - {name: cache, address: "%s", interval: 1s, timeout: 1s, record: true}
    - {name: quiet, address: "%[1]s", interval: 1s, timeout: 1s}
rules: {packs: [operations], files: own.yaml}
outputs:
  prometheus: {listen: METRICS}
  fluentd: [{name: main, address: "%s", identity: true}]
`, cache.Addr, receiver.Addr))
	a.write("own.yaml", `groups: [{name: g, rules: [{name: Up, format: record, where: redis_up == 1}, {name: Anything, match: '\w'}]}]`)
	a.start()
	snapshots := func(least int) int {
		t.Helper()
		n := 0
		eventually(t, fmt.Sprintf("%d snapshots came", least), waitLong, func() bool {
			n = 0
			for e := range receiver.Entries() {
				if e.Record["redis_up"] == 1.0 {
					n++
				}
			}
			return n >= least
		})
		return n
	}
	n := snapshots(1)
	receiver.Stop()
	queued := a.metric("logkeel_output_queue_bytes")
	eventually(t, "something was measured while nobody listened", waitLong, func() bool {
		return a.metric("logkeel_output_queue_bytes") > queued || a.metric("logkeel_spool_frames") > 1
	})
	receiver.Start()
	n = snapshots(n + 2)
	a.stop()
	a.start()
	snapshots(n + 2)
	a.stop()

	// What was not acknowledged may come twice; it has its identity, by which that shows.
	ids, times := map[string]string{}, map[string]bool{}
	for line := range receiver.Lines() {
		var e struct {
			Tag    string         `json:"tag"`
			Time   json.Number    `json:"time"`
			Record map[string]any `json:"record"`
		}
		d := json.NewDecoder(bytes.NewReader(line))
		if err := d.Decode(&e); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		if e.Tag != "redis.cache" || e.Record["kind"] != "redis" || e.Record["target"] != "cache" {
			t.Fatalf("%s came", line)
		}
		id := fmt.Sprint(e.Record["logkeel_id"])
		if first := ids[id]; first != "" {
			if first != string(line) {
				t.Errorf("%s has the identity of\n%s", line, first)
			}
			continue
		}
		ids[id] = string(line)
		if e.Record["redis_up"] != 1.0 {
			continue
		}
		if times[e.Time.String()] {
			t.Errorf("two snapshots at %s", e.Time)
		}
		times[e.Time.String()] = true
		found, _ := json.Marshal(e.Record["findings"])
		if !bytes.Contains(found, []byte(`"Up"`)) || bytes.Contains(found, []byte(`"Anything"`)) {
			t.Errorf("the findings are %s", found)
		}
	}
}
