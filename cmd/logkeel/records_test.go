package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"testing"
	"time"

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
	receiver.Await(2, waitLong)
	receiver.Stop()
	time.Sleep(2500 * time.Millisecond)
	receiver.Start()
	n := receiver.Count()
	receiver.Await(n+3, waitLong)
	a.stop()
	before := receiver.Count()
	a.start()
	receiver.Await(before+2, waitLong)
	a.stop()

	ids, times := map[string]bool{}, map[string]bool{}
	ups := 0
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
		if ids[id] {
			t.Errorf("%s came twice", line)
		}
		ids[id] = true
		if e.Record["redis_up"] == nil {
			continue
		}
		if ups++; times[e.Time.String()] {
			t.Errorf("two snapshots at %s", e.Time)
		}
		times[e.Time.String()] = true
		found, _ := json.Marshal(e.Record["findings"])
		if !bytes.Contains(found, []byte(`"Up"`)) || bytes.Contains(found, []byte(`"Anything"`)) {
			t.Errorf("the findings are %s", found)
		}
	}
	if ups < 5 {
		t.Errorf("%d snapshots came", ups)
	}
}
