package redis

import (
	"math"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/webgrip/logkeel/agent/testenv"
)

// explained is why redis_exporter has series that the sampler has not, or whose
// value is another one. docs/samplers.md has the same list.
var explained = []struct{ series, why string }{
	{`redis_exporter_.*`, "of the exporter itself; logkeel_sampler_* here"},
	{`redis_target_scrape_request_errors_total`, "likewise"},
	{`redis_last_key_groups_scrape_duration_milliseconds`, "likewise"},
	{`redis_connected_clients_details\{.*`, "a series for each client: CLIENT LIST is not asked for"},
	{`redis_key_(value|size)\{db="db0",key="other"\}`, "what keys hold is not read, and no length of what is no queue"},
	{`redis_keys_count\{.*`, "counting keys needs a scan of all of them, each time"},
	{`redis_config_(key_)?value\{.*`, "only of settings that are expected, and of four: all of them would be passwords as well"},
	{`redis_instance_info\{.*`, "here with master_replid, as newer exporters have it"},
	{`redis_latency_percentiles_usec\{.*`, "of commands that both send; a percentile goes up and down"},
	{`redis_(connected_clients|mem_clients_normal|client_recent_max_\w+|memory_used_\w+|mem_fragmentation_\w+|allocator_\w+)`, "each sees its own connection as well"},
	{`redis_db\d_distrib_\w+`, "the exporter 1.44 takes the section keysizes of Redis 8 for a database"},
	{`redis_db_keys_cached\{.*`, "it takes Redis 8's subexpiry for it"},
}

var labelPair = regexp.MustCompile(`(\w+)="((?:[^"\\]|\\.)*)"`)

// sorted is a series with its labels in order.
func sorted(series string) string {
	name, labels, ok := strings.Cut(series, "{")
	if !ok {
		return series
	}
	pairs := labelPair.FindAllString(labels, -1)
	slices.Sort(pairs)
	return name + "{" + strings.Join(pairs, ",") + "}"
}

// scrape reads a page of the exporter's.
func scrape(t *testing.T, url string) map[string]float64 {
	t.Helper()
	text, err := testenv.GetText(url)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]float64{}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		i := strings.LastIndexByte(line, ' ')
		if strings.HasPrefix(line, "#") || i < 0 {
			continue
		}
		v, err := strconv.ParseFloat(line[i+1:], 64)
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		all[sorted(line[:i])] = v
	}
	return all
}

// Each series of redis_exporter's is there, with its labels and its value, or is
// explained. A value that does not move is the same; others lie between what is
// sampled just before and just after.
func TestSeriesAreThoseOfTheExporter(t *testing.T) {
	t.Parallel()
	srv := testenv.Redis(t, append(debugging(t), "--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru", "--slowlog-log-slower-than", "5000")...)
	laravel(srv, "")
	srv.CLI("-n", "3", "SET", "c", "1", "EX", "1000")
	srv.CLI("GET", "nothing")
	srv.CLI("LPUSH", "other", "1") // WRONGTYPE
	slow(srv)
	srv.CLI("CONFIG", "SET", "slowlog-log-slower-than", "10000000") // nothing more
	srv.CLI("CONFIG", "SET", "save", "900 1")
	keys := []string{"queues:default", "queues:default:delayed", "queues:default:reserved", "queues:events", "queues:mail"}
	url := testenv.RedisExporter(t, srv, "-include-system-metrics", "-include-config-metrics", "-export-client-list", "-count-keys", "db0=queues:*", "-check-single-keys", strings.Join(keys, ",")+",other")
	c := expecting(withQueues(Config{Name: "r", Address: srv.Addr}, keys...), "save", "900 1", "hz", "10")
	c.Settings, c.Slowlog = true, Slowlog{Entries: true}
	s := newSampler(t, c)
	ours := func() map[string]float64 {
		t.Helper()
		got, err := take(t, s)
		if err != nil {
			t.Fatal(err)
		}
		all := map[string]float64{}
		for series, v := range got {
			all[sorted(series)] = v
		}
		return all
	}
	ours() // what each connects with is over
	scrape(t, url)
	before, theirs, after := ours(), scrape(t, url), ours()

	used := make([]int, len(explained))
	same := 0
	for series, v := range theirs {
		if !strings.HasPrefix(series, "redis_") {
			continue // of Go and of the process
		}
		a, had := before[series]
		b, has := after[series]
		slack := 1e-9 * math.Abs(v)
		if had && has && v >= min(a, b)-slack && v <= max(a, b)+slack {
			same++
			continue
		}
		at := slices.IndexFunc(explained, func(x struct{ series, why string }) bool {
			return regexp.MustCompile(`^(?:` + x.series + `)$`).MatchString(series)
		})
		if at < 0 {
			t.Errorf("%s is %v; here %v (%v) and then %v (%v)", series, v, a, had, b, has)
			continue
		}
		used[at]++
	}
	for i, n := range used {
		t.Logf("%4d series %-40.40s %s", n, explained[i].series, explained[i].why)
	}
	t.Logf("%4d series are the same", same)
	if same < 180 {
		t.Errorf("only %d series are the same", same)
	}
}

// The same of what a primary and its replica say of each other.
func TestReplicationIsThatOfTheExporter(t *testing.T) {
	t.Parallel()
	primary := testenv.Redis(t, "--repl-diskless-sync-delay", "0")
	host, port, _ := net.SplitHostPort(primary.Addr)
	replica := testenv.Redis(t, "--replicaof", host, port)
	await(t, func() bool {
		return infoOf(replica)["master_link_status"] == "up" && strings.Contains(infoOf(primary)["slave0"], "state=online")
	})
	for _, srv := range []*testenv.RedisServer{primary, replica} {
		url := testenv.RedisExporter(t, srv)
		got, err := take(t, newSampler(t, Config{Name: "r", Address: srv.Addr}))
		if err != nil {
			t.Fatal(err)
		}
		ours := map[string]bool{}
		for series := range got {
			ours[sorted(series)] = true
		}
		n := 0
		for series := range scrape(t, url) {
			if !regexp.MustCompile(`^redis_(master|slave|connected_slave|repl|second)`).MatchString(series) {
				continue
			}
			n++
			if !ours[series] {
				t.Errorf("no %s", series)
			}
		}
		if n < 12 {
			t.Errorf("only %d series are of replication", n)
		}
	}
}
