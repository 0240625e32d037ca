package redis

import (
	"strings"
	"testing"
	"time"

	"github.com/webgrip/logkeel/agent/testenv"
)

const push = "for i=1,tonumber(ARGV[2]) do redis.call('RPUSH', ARGV[1]..i, 'a', 'b') end"

func TestQueuesAreBounded(t *testing.T) {
	t.Parallel()
	srv := testenv.Redis(t)
	srv.CLI("EVAL", push, "0", "queues:", "1200")
	srv.CLI("RPUSH", "own", "a")
	got, err := take(t, newSampler(t, withQueues(Config{Name: "r", Address: srv.Addr}, "queues:*", "own", "que?es:1*")))
	if err != nil {
		t.Fatal(err)
	}
	n := map[string]int{}
	for series := range got {
		name, _, _ := strings.Cut(series, "{")
		n[name]++
	}
	if n["logkeel_redis_queue_length"] != maxQueues+1 || n["redis_key_size"] != maxQueues || n["logkeel_redis_queue_stuck_seconds"] != maxQueues {
		t.Errorf("series: %v", n)
	}
	if got[`logkeel_redis_queue_length{queue="own"}`] != 1 {
		t.Error("what is named has no series of its own")
	}
	// 999 of those found are measured, and 99 of these by themselves.
	if v := got[`logkeel_redis_queue_length{queue="(other)"}`]; v != 2*(maxFound-maxQueues) {
		t.Errorf("the others have %v jobs", v)
	}
	if v := got["logkeel_redis_queues_omitted"]; v < 1200-(maxFound-1) {
		t.Errorf("%v are omitted", v)
	}
}

// A scan never does more in one snapshot than it may, and gets to its end.
func TestScanGoesOn(t *testing.T) {
	t.Parallel()
	srv := testenv.Redis(t)
	srv.CLI("EVAL", push, "0", "cache:", "20000")
	srv.CLI("RPUSH", "queues:default", "a")
	srv.CLI("RPUSH", "bull:mail", "a", "b")
	c := withQueues(Config{Name: "r", Address: srv.Addr}, "queues:*", "bull:*")
	c.Scan.Count, c.Scan.Keys = 100, 2000
	s := newSampler(t, c)
	now := time.Now()
	s.queues.now = func() time.Time { return now }
	calls := func() string {
		v, _ := part(infoOf(srv)["cmdstat_scan"], "calls")
		return v
	}
	for i := 1; ; i++ {
		got, err := take(t, s)
		if err != nil {
			t.Fatal(err)
		}
		if i == 1 && calls() != "20" {
			t.Errorf("%s calls of SCAN in the first snapshot, want 20", calls())
		}
		now = now.Add(time.Second)
		if _, ok := got["logkeel_redis_queue_scan_age_seconds"]; !ok && i < 100 {
			continue
		}
		if i < 20 || got[`logkeel_redis_queue_length{queue="queues:default"}`] != 1 || got[`logkeel_redis_queue_length{queue="bull:mail"}`] != 2 {
			t.Errorf("after %d snapshots: %v of queues:default", i, got[`logkeel_redis_queue_length{queue="queues:default"}`])
		}
		break
	}
	was := calls()
	now = time.Now()
	s.queues.scan.begun = now.Add(-59 * time.Second)
	if _, err := take(t, s); err != nil || calls() != was {
		t.Errorf("it scans again too early (%v)", err)
	}
	// Time is a bound as well.
	c.Scan.Timeout = 1
	s = newSampler(t, c)
	tick := time.Now()
	s.queues.now = func() time.Time { tick = tick.Add(time.Millisecond); return tick }
	was = calls()
	if _, err := take(t, s); err != nil || calls() != was {
		t.Errorf("a scan without time: %v", err)
	}
}

func TestQueueStuck(t *testing.T) {
	t.Parallel()
	srv := testenv.Redis(t)
	s := newSampler(t, withQueues(Config{Name: "r", Address: srv.Addr}, "q", "q:delayed"))
	now := time.Now()
	s.queues.now = func() time.Time { return now }
	step := func(list, delayed float64, cli ...string) {
		t.Helper()
		if len(cli) > 0 {
			srv.CLI(cli...)
		}
		got, err := take(t, s)
		if err != nil {
			t.Fatal(err)
		}
		if l, d := got[`logkeel_redis_queue_stuck_seconds{queue="q"}`], got[`logkeel_redis_queue_stuck_seconds{queue="q:delayed"}`]; l != list || d != delayed {
			t.Errorf("%v: stuck for %v and %v, want %v and %v", cli, l, d, list, delayed)
		}
		now = now.Add(15 * time.Second)
	}
	step(0, 0)
	step(0, 0, "RPUSH", "q", "a", "b")
	step(15, 0)
	step(30, 0, "RPUSH", "q", "c")
	step(0, 0, "LPOP", "q")
	step(15, 0)
	step(0, 0, "DEL", "q")
	step(0, 0, "ZADD", "q:delayed", "1", "job", "99999999999", "later")
	step(0, 15)
	step(0, 30, "ZADD", "q:delayed", "2", "job2")
	step(0, 0, "ZREMRANGEBYSCORE", "q:delayed", "-inf", "10")
	step(0, 0)
	step(0, 0, "DEL", "q:delayed")
	// A server that is away in between changes nothing.
	step(0, 0, "RPUSH", "q", "a")
	srv.Stop()
	got, err := take(t, s)
	wantDown(t, got, err)
	now = now.Add(15 * time.Second)
	srv.Start()
	step(30, 0, "RPUSH", "q", "a")
}

func TestCheckQueues(t *testing.T) {
	for section, want := range map[string]string{
		"queues: 'queues:*'": "",
		"queues: [a, b, 'c*'], prefix: shop_database_, scan: {interval: 5m, keys: 100000}": "",
		"queues: ['']":                         `r.yaml:1: redis.queues[0]: 0 bytes are no key; write a key, or a pattern as queues:*, of 512 bytes at most`,
		"queues: [a, b, a]":                    `r.yaml:1: redis.queues[2]: "a" is there twice; write it once`,
		"prefix: " + strings.Repeat("x", 513):  `r.yaml:1: redis.prefix: 513 bytes are too long; write what is in front of each key, as shop_database_`,
		"scan: {interval: 100ms}":              `r.yaml:1: redis.scan.interval: 100ms is out of range; write 1s to 24h`,
		"scan: {count: 100000, keys: 1000000}": `r.yaml:1: redis.scan.count: 100000 is out of range; write 10 to 10000; the server does nothing else meanwhile`,
		"scan: {keys: 100}":                    `r.yaml:1: redis.scan.keys: 100 is out of range; write count to 10000000`,
		"scan: {timeout: 5ms}":                 `r.yaml:1: redis.scan.timeout: 5ms is out of range; write 10ms to 1m; below the timeout of a snapshot`,
		"queues: [" + patterns(22) + "]":       `r.yaml:1: redis.queues: 0 names and 22 patterns are too many; keep 100 names and 20 patterns`,
	} {
		got := checked(t, "{name: r, socket: /s, "+section+"}")
		if got != want {
			t.Errorf("%s:\n got %s\nwant %s", section, got, want)
		}
	}
}

func patterns(n int) string {
	var all []string
	for i := range n {
		all = append(all, "'q"+strings.Repeat("?", i+1)+"'")
	}
	return strings.Join(all, ", ")
}
