package redis

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/webgrip/logkeel/agent/conf"
	"github.com/webgrip/logkeel/agent/testenv"
)

// withQueues is a Config as it is read from a file with these queues.
func withQueues(c Config, names ...string) Config {
	var defaults Config
	defaults.SetDefaults()
	c.Queues, c.Scan = names, defaults.Scan
	c.Scan.Timeout = conf.Duration(time.Minute) // a busy machine gets to the end of a search as well
	return c
}

// laravel fills the queue "default" as Laravel does: three wait, two are delayed,
// of which one is overdue, and one is reserved by a worker that is gone.
func laravel(srv *testenv.RedisServer, prefix string, cli ...string) {
	run := func(args ...string) { srv.CLI(append(cli, args...)...) }
	unix := func(d time.Duration) string { return strconv.FormatInt(time.Now().Add(d).Unix(), 10) }
	run("RPUSH", prefix+"queues:default", "job1", "job2", "job3")
	run("RPUSH", prefix+"queues:default:notify", "1", "1", "1")
	run("ZADD", prefix+"queues:default:delayed", unix(time.Hour), "job4", unix(-2*time.Minute), "job5")
	run("ZADD", prefix+"queues:default:reserved", unix(-time.Hour), "job6")
	run("XADD", prefix+"queues:events", "*", "a", "1")
	run("HSET", prefix+"queues:config", "a", "1")
	run("SET", prefix+"other", "1")
}

func wantSeries(t *testing.T, got map[string]float64, prefixes []string, want map[string]float64) {
	t.Helper()
	for series, v := range want {
		if have, ok := got[series]; !ok || have != v {
			t.Errorf("%s is %v (%v), want %v", series, have, ok, v)
		}
	}
	for series := range got {
		for _, p := range prefixes {
			if _, ok := want[series]; strings.HasPrefix(series, p) && !ok {
				t.Errorf("unexpected %s", series)
			}
		}
	}
}

func TestNamedQueues(t *testing.T) {
	t.Parallel()
	srv := testenv.Redis(t)
	laravel(srv, "shop_database_", "-n", "3")
	c := withQueues(Config{Name: "r", Address: srv.Addr, DB: 3, Prefix: "shop_database_"},
		"queues:default", "queues:default:delayed", "queues:default:reserved", "queues:events", "queues:mail", "queues:mail:delayed")
	s := newSampler(t, c)
	const length, overdue, stuck = "logkeel_redis_queue_length", "logkeel_redis_queue_overdue", "logkeel_redis_queue_stuck_seconds"
	want := map[string]float64{
		length + `{queue="queues:default"}`: 3, length + `{queue="queues:default:delayed"}`: 2, length + `{queue="queues:default:reserved"}`: 1,
		length + `{queue="queues:events"}`: 1, length + `{queue="queues:mail"}`: 0, length + `{queue="queues:mail:delayed"}`: 0,
		`redis_key_size{db="db3",key="shop_database_queues:default"}`:          3,
		`redis_key_size{db="db3",key="shop_database_queues:default:delayed"}`:  2,
		`redis_key_size{db="db3",key="shop_database_queues:default:reserved"}`: 1,
		`redis_key_size{db="db3",key="shop_database_queues:events"}`:           1,
		`redis_key_size{db="db3",key="shop_database_queues:mail"}`:             0,
		`redis_key_size{db="db3",key="shop_database_queues:mail:delayed"}`:     0,
		overdue + `{queue="queues:default:delayed"}`:                           1,
		overdue + `{queue="queues:default:reserved"}`:                          1,
		overdue + `{queue="queues:mail:delayed"}`:                              0,
		stuck + `{queue="queues:default"}`:                                     0,
		stuck + `{queue="queues:default:delayed"}`:                             0,
		stuck + `{queue="queues:default:reserved"}`:                            0,
		stuck + `{queue="queues:mail"}`:                                        0,
		stuck + `{queue="queues:mail:delayed"}`:                                0,
	}
	got, err := take(t, s)
	if err != nil {
		t.Fatal(err)
	}
	wantSeries(t, got, []string{"redis_key_size", "logkeel_redis_queue"}, want)
	if v := srv.CLI("-n", "3", "LLEN", "shop_database_queues:default"); v != "3" {
		t.Errorf("LLEN says %s", v)
	}
	c.Queues = []string{"queues:default", "queues:config", "other"}
	got, err = take(t, newSampler(t, c))
	testenv.WantError(t, err, `queue "queues:config" is a "hash"`, `queue "other" is a "string"`, "only lists, sorted sets and streams have a length")
	wantSeries(t, got, []string{"redis_key_size", "logkeel_redis_queue"}, map[string]float64{
		length + `{queue="queues:default"}`: 3, stuck + `{queue="queues:default"}`: 0, `redis_key_size{db="db3",key="shop_database_queues:default"}`: 3,
	})
}

func TestQueuePatterns(t *testing.T) {
	t.Parallel()
	srv := testenv.Redis(t)
	laravel(srv, "a[b]*c?_")
	laravel(srv, "a[b]xxc?_") // which the prefix would match as a pattern
	now := time.Now()
	s := newSampler(t, withQueues(Config{Name: "r", Address: srv.Addr, Prefix: "a[b]*c?_"}, "queues:*"))
	s.queues.now = func() time.Time { return now }
	lengths := func() map[string]float64 {
		t.Helper()
		got, err := take(t, s)
		if err != nil {
			t.Fatal(err)
		}
		only := map[string]float64{}
		for series, v := range got {
			if name, ok := strings.CutPrefix(series, `logkeel_redis_queue_length{queue="queues:`); ok {
				only[strings.TrimSuffix(name, `"}`)] = v
			}
		}
		return only
	}
	want := func(what string, got, want map[string]float64) {
		t.Helper()
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: %v, want %v", what, got, want)
		}
	}
	want("at first", lengths(), map[string]float64{"default": 3, "default:delayed": 2, "default:reserved": 1, "events": 1})
	srv.CLI("DEL", "a[b]*c?_queues:default", "a[b]*c?_queues:events")
	srv.CLI("SET", "a[b]*c?_queues:events", "no queue any more")
	srv.CLI("RPUSH", "a[b]*c?_queues:mail", "job")
	want("before the next scan", lengths(), map[string]float64{"default": 0, "default:delayed": 2, "default:reserved": 1, "events": 0})
	now = now.Add(time.Minute)
	want("after it", lengths(), map[string]float64{"default": 0, "default:delayed": 2, "default:reserved": 1, "events": 0, "mail": 1})
	now = now.Add(forget)
	want("what is gone for long", lengths(), map[string]float64{"default:delayed": 2, "default:reserved": 1, "mail": 1})
	srv.CLI("RPUSH", "a[b]*c?_queues:default", "job")
	now = now.Add(time.Minute)
	want("it is back", lengths(), map[string]float64{"default": 1, "default:delayed": 2, "default:reserved": 1, "mail": 1})
}
