package rules

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/webgrip/logkeel/agent"
)

// factsOf is what stands around an alert, a line each.
func factsOf(a agent.Alert) string {
	var s []string
	for _, f := range a.Around {
		s = append(s, f.Name+" = "+f.Value)
	}
	return strings.Join(s, "\n")
}

func wantFacts(t *testing.T, a agent.Alert, want ...string) {
	t.Helper()
	if got := factsOf(a); got != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", got, strings.Join(want, "\n"))
	}
}

// The snapshots of a shop, by what samplers call them.
func dbSnapshot(mean float64) []agent.Sample {
	statement := func(digest, text string, mean, most float64) []agent.Sample {
		of := []string{"target", "db", "schema", "shop", "digest", digest}
		return []agent.Sample{
			value("mysql_perf_schema_events_statements_total", 9, append(of, "digest_text", text)...),
			value("logkeel_mysql_statement_seconds_avg", mean, of...), value("logkeel_mysql_statement_seconds_recent", 0, of...), value("logkeel_mysql_statement_seconds_max", most, of...),
		}
	}
	s := []agent.Sample{
		value("mysql_up", 1, "target", "db"),
		value("mysql_global_status_threads_connected", 148, "target", "db"),
		value("mysql_global_variables_max_connections", 151, "target", "db"),
		value("mysql_global_status_commands_total", 12, "target", "db", "command", "select"),
	}
	s = append(s, statement("aa", "SELECT * FROM `invoices`\n WHERE `id` = ?", mean, 9)...)
	s = append(s, statement("bb", "", 0.25, 0.25)...)
	s = append(s, statement("cc", strings.Repeat("SELECT é ", 100), 0.04, 0.1)...)
	return append(s, statement("dd", "BEGIN", 0.001, 0.001)...)
}

func cacheSnapshot(evicted float64) []agent.Sample {
	return []agent.Sample{
		value("redis_up", 1, "target", "cache"), value("redis_evicted_keys_total", evicted, "target", "cache"),
		value("redis_memory_used_bytes", 340<<20, "target", "cache"), value("redis_memory_max_bytes", 512<<20, "target", "cache"),
	}
}

func pageSnapshot(target string, up, took float64) []agent.Sample {
	s := []agent.Sample{
		value("probe_success", up, "target", target), value("probe_duration_seconds", took, "target", target),
		value("probe_http_status_code", 502*(1-up), "target", target),
	}
	for i, phase := range []string{"resolve", "connect", "tls", "processing", "transfer"} {
		s = append(s, value("probe_http_duration_seconds", took*[]float64{0.001, 0.002, 0, 0.9, 0.05}[i], "target", target, "phase", phase))
	}
	return s
}

func containerSnapshot(name string, cpu, memory, limit float64) []agent.Sample {
	of := []string{"target", "docker", "name", name, "image", "shop"}
	return []agent.Sample{
		value("logkeel_container_health", 1, append(of, "status", "unhealthy")...), value("logkeel_container_health", 0, append(of, "status", "healthy")...),
		value("logkeel_container_running", 1, of...), value("logkeel_container_restarts_total", 3, of...),
		value("logkeel_container_cpu_percent", cpu, of...), value("container_memory_working_set_bytes", memory, of...), value("container_spec_memory_limit_bytes", limit, of...),
	}
}

func TestWhatElseWasMeasured(t *testing.T) {
	b := newBench(t, ruleOn("Error", times(1, time.Minute)))
	b.Samples("redis/cache", cacheSnapshot(1000))
	b.pass(15 * time.Second)
	b.Samples("mysql/db", dbSnapshot(2.34))
	b.Samples("redis/cache", cacheSnapshot(1042))
	b.Samples("http/shop", pageSnapshot("shop", 1, 1.2))
	b.Samples("docker/docker", append(containerSnapshot("app-1", 31.4, 340<<20, 512<<20), containerSnapshot("worker-1", 187, 1<<30, 0)...))
	b.log("app-1", b.wall, "error")
	b.tick()
	wantFacts(t, b.told.one(t),
		"container app-1 = CPU 31 %, memory 340 MiB of 512 MiB, unhealthy, restarted 3 times",
		"db: slowest statement = 2.3 s in the mean, 9.0 s at most, SELECT * FROM `invoices` WHERE `id` = ? (shop)",
		"db: slow statement = 250 ms in the mean, digest bb (shop)",
		"db: slow statement = 40 ms in the mean, 100 ms at most, "+strings.Repeat("SELECT é ", 12)+"… (shop)",
		"shop: page = 1.2 s in all, resolve 1.2 ms, connect 2.4 ms, processing 1.1 s, transfer 60 ms",
		"db: connections = 148 of 151",
		"cache: memory = 340 MiB of 512 MiB, 42 keys evicted within 15 s",
		"busiest container, worker-1 = CPU 187 %, memory 1 GiB, unhealthy, restarted 3 times")
}

// What does not answer comes first, and no topic takes the room of the others.
func TestTheMostTellingComeFirst(t *testing.T) {
	b := newBench(t, ruleOn("Error", times(1, time.Minute)))
	b.Samples("mysql/db", dbSnapshot(2))
	b.Samples("redis/cache", []agent.Sample{value("redis_up", 0, "target", "cache")})
	b.Samples("docker/docker", []agent.Sample{value("logkeel_docker_up", 0)})
	b.Samples("redis/replica", []agent.Sample{value("redis_up", 1, "target", "replica"), value("redis_master_link_up", 0, "target", "replica", "master_host", "a", "master_port", "1")})
	for i := range 9 {
		b.Samples(fmt.Sprint("http/", i), pageSnapshot(fmt.Sprint("page-", i), 1, float64(i)))
	}
	b.Samples("http/shop", pageSnapshot("shop", 0, 10))
	b.log("app-1", b.wall, "error")
	b.tick()
	wantFacts(t, b.told.one(t),
		"shop = is down, status 502, after 10 s",
		"Docker = the engine does not answer",
		"cache = is down",
		"replica = redis master link is down",
		"db: slowest statement = 2.0 s in the mean, 9.0 s at most, SELECT * FROM `invoices` WHERE `id` = ? (shop)",
		"db: slow statement = 250 ms in the mean, digest bb (shop)",
		"page-8: page = 8.0 s in all, resolve 8.0 ms, connect 16 ms, processing 7.2 s, transfer 400 ms",
		"db: connections = 148 of 151")
}

// A snapshot that comes in the next seconds still counts, and a later one does
// not; nor one that is old.
func TestOnlyWhatWasMeasuredThen(t *testing.T) {
	b := newBench(t, ruleOn("Error", times(1, time.Hour)))
	b.Samples("redis/cache", cacheSnapshot(0))
	b.Samples("mysql/gone", []agent.Sample{value("mysql_up", 0, "target", "gone")})
	b.pass(freshFor + time.Second)
	b.Samples("http/shop", pageSnapshot("shop", 0, 1))
	b.Samples("http/shop", nil)
	b.log("app-1", b.wall, "error")
	b.tick()
	wantFacts(t, b.told.one(t))
	b.pass(10 * time.Second)
	b.Samples("redis/cache", cacheSnapshot(0))
	b.pass(calm)
	wantFacts(t, b.told.one(t), "cache: memory = 340 MiB of 512 MiB")
	b.pass(youngFor)
	b.Samples("redis/cache", []agent.Sample{value("redis_up", 0, "target", "cache")})
	b.log("app-1", b.wall, "error")
	b.pass(calm)
	wantFacts(t, b.told.one(t), "cache: memory = 340 MiB of 512 MiB")
	b.start()
	b.Samples("redis/cache", []agent.Sample{value("redis_up", 0, "target", "cache")})
	b.log("app-1", b.wall, "error")
	b.pass(calm)
	wantFacts(t, b.told.one(t), "cache: memory = 340 MiB of 512 MiB")
	b.reload()
	b.log("new-1", b.wall, "error")
	b.tick()
	for _, a := range b.told.list() {
		if a.Source == "new-1" {
			wantFacts(t, a, "cache = is down") // samplers were not restarted
		}
	}
	b.log("web-1", b.wall.Add(-10*time.Minute), "error that is read late")
	b.tick()
	for _, a := range b.told.list() {
		if a.Source == "web-1" && len(a.Around) > 0 {
			t.Errorf("what is measured now stands beside what was ten minutes ago: %v", a.Around)
		}
	}
}

// Statements that are slow now come before those that were slow once.
func TestStatementsOfLate(t *testing.T) {
	b := newBench(t, ruleOf(measure{sample: "redis_up", equals: number(0)}, eachSeries))
	b.Samples("mysql/db", append(dbSnapshot(2), value("logkeel_mysql_statement_seconds_recent", 0.5, "target", "db", "schema", "shop", "digest", "dd")))
	b.Samples("redis/cache", []agent.Sample{value("redis_up", 0, "target", "cache")})
	b.tick()
	if got := factsOf(b.told.one(t)); !strings.Contains(got, "db: slowest statement = 500 ms of late, 1.0 ms in the mean, BEGIN (shop)\n") {
		t.Error(got)
	}
}

// An alert on a sample does not tell beside it what it says itself.
func TestASampleIsNotToldTwice(t *testing.T) {
	for _, c := range []struct {
		sample   string
		snapshot []agent.Sample
		without  string
		with     []string
	}{
		{"redis_up", []agent.Sample{value("redis_up", 0, "target", "cache")}, "cache", []string{"db: connections"}},
		{"probe_success", pageSnapshot("shop", 0, 1), "is down", []string{"db: connections"}},
		{"probe_duration_seconds", pageSnapshot("shop", 1, 1), "in all", []string{"shop: page = resolve 1.0 ms", "db: slowest"}},
		{"logkeel_container_cpu_percent", containerSnapshot("app", 99, 1<<20, 0), "CPU", []string{"container app = memory 1 MiB, unhealthy"}},
		{"container_memory_working_set_bytes", containerSnapshot("app", 99, 1<<20, 0), "memory", []string{"container app = CPU 99 %, unhealthy"}},
		{"logkeel_mysql_statement_seconds_avg", dbSnapshot(2), "slowest statement = 2.0 s", []string{"db: slow statement = 250 ms", "db: connections"}},
		{"mysql_global_status_threads_connected", dbSnapshot(2), "connections", []string{"db: slowest statement = 2.0 s"}},
		{"redis_memory_used_bytes", cacheSnapshot(0), "memory", []string{"db: connections"}},
	} {
		m := measure{sample: c.sample}
		if strings.Contains(c.sample, "statement") {
			m.above = number(1)
		}
		b := newBench(t, ruleOf(m, eachSeries))
		if c.snapshot[0].Name != "mysql_up" {
			b.Samples("mysql/db", dbSnapshot(2))
		}
		b.Samples("it", c.snapshot)
		b.tick()
		got := factsOf(b.told.one(t))
		for _, with := range c.with {
			if !strings.Contains(got, with) || strings.Contains(got, c.without) {
				t.Errorf("%s:\n%s\nwant %s, and not %s", c.sample, got, with, c.without)
			}
		}
	}
}

// Other people's data is bounded, and anything may be measured.
func TestFactsOfAnything(t *testing.T) {
	b := newBench(t, ruleOn("Error", times(1, time.Minute)))
	odd := strings.Repeat("\x1b[31m<b>\xff\r\n", 200)
	names := []string{"", "_up", odd + "_up"}
	for name := range takers {
		names = append(names, name)
	}
	for i, v := range []float64{0, 1, -1, math.NaN(), math.Inf(1), math.Inf(-1), math.MaxFloat64, math.SmallestNonzeroFloat64, -math.MaxFloat64} {
		var all []agent.Sample
		for _, name := range names {
			all = append(all, value(name, v), value(name, v, "target", odd, "name", odd, "schema", odd, "digest", odd, "digest_text", odd, "status", "unhealthy", "phase", odd))
		}
		b.Samples(fmt.Sprint("odd/", i), all)
		b.Samples(fmt.Sprint("odd/", i), all)
	}
	b.log("app-1", b.wall, "error")
	b.tick()
	a := b.told.one(t)
	if len(a.Around) != maxFacts {
		t.Errorf("%d facts, want %d", len(a.Around), maxFacts)
	}
	for _, f := range a.Around {
		for _, s := range []string{f.Name, f.Value} {
			if len(s) > wordsBytes+len("…") || !utf8.ValidString(s) || strings.ContainsAny(s, "\r\n") || s == "" {
				t.Errorf("%d bytes: %q", len(s), s)
			}
		}
	}
}

func TestWords(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{inTime(0), "0 s"},
		{inTime(85e-6), "85 µs"},
		{inTime(0.00234), "2.3 ms"},
		{inTime(0.34), "340 ms"},
		{inTime(0.9996), "1.0 s"},
		{inTime(1.2), "1.2 s"},
		{inTime(15), "15 s"},
		{inTime(7200), "2.0 h"},
		{inSize(0), "0 B"},
		{inSize(1000), "1000 B"},
		{inSize(1023.9), "1.0 KiB"},
		{inSize(340 << 20), "340 MiB"},
		{inSize(1 << 30), "1 GiB"},
		{inSize(3 << 29), "1.5 GiB"},
		{inSize(1 << 60), "1024 PiB"},
		{bounded(" a\tb\n", 10), "a b"},
		{bounded("aéé", 4), "aé…"},
		{bounded("\xff", 10), "\ufffd"},
	} {
		if c.got != c.want {
			t.Errorf("%q, want %q", c.got, c.want)
		}
	}
}
