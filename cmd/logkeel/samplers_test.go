package main

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/webgrip/logkeel/agent/testenv"
	"github.com/webgrip/logkeel/rules"
)

// One agent measures a database, a Redis, a page and containers; Prometheus has
// it under the exporters' names. What is down keeps nothing stale, and the
// others go on.
func TestSamplers(t *testing.T) {
	t.Parallel()
	db := testenv.MariaDB(t, "--performance-schema=ON")
	db.SQL(`CREATE USER agent@'127.0.0.1' IDENTIFIED BY 'hunter2'; GRANT PROCESS ON *.* TO agent@'127.0.0.1'; GRANT SELECT ON performance_schema.* TO agent@'127.0.0.1'; CREATE DATABASE shop; CREATE TABLE shop.t (n INT); INSERT INTO shop.t VALUES (1),(2),(3)`)
	db.SQL(`USE shop; SELECT SLEEP(0.2) FROM t LIMIT 1; SELECT COUNT(*) FROM t`)
	cache := testenv.Redis(t)
	cache.CLI("SET", "a", "1")
	var healthy atomic.Bool
	healthy.Store(true)
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		time.Sleep(50 * time.Millisecond)
		if healthy.Load() {
			fmt.Fprint(w, `{"status":"ok","services":{"database":"healthy","cache":"healthy"}}`)
		} else {
			fmt.Fprint(w, `{"status":"ok","services":{"database":"gone","cache":"healthy"}}`)
		}
	}))
	defer page.Close()
	engine := testenv.Docker(t)
	engine.Run("--name", "shop-app-1", "--label", "com.docker.compose.service=app", engine.Image("app:1"), "sleep", "300")

	a := newAgent(t, fmt.Sprintf(`
collectors:
  docker: {root: %s, host: "%s", stats: {interval: 1s, timeout: 1s}}
  mysql: [{name: db, address: "%s", user: agent, password_file: password, interval: 1s, timeout: 1s}]
  redis: [{name: cache, address: "%s", interval: 1s, timeout: 1s}]
  http: [{name: page, url: "%s", interval: 1s, timeout: 1s, expect: {json: {status: ok, "services.*": healthy}}}]
outputs:
  prometheus: {listen: METRICS}
`, engine.Root, engine.Host, db.Addr, cache.Addr, page.URL))
	if err := os.WriteFile(filepath.Join(filepath.Dir(a.config), "password"), []byte("hunter2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	prom := testenv.Prometheus(t, a.metrics)
	a.start()
	for _, expr := range []string{
		`mysql_up{target="db"} == 1`,
		`mysql_global_status_threads_connected{target="db"} >= 1`,
		`mysql_global_variables_max_connections{target="db"} == 151`,
		`sum(mysql_perf_schema_events_statements_total{schema="shop"}) >= 2`,
		`max(logkeel_mysql_statement_seconds_avg{schema="shop"}) > 0.19`,
		`redis_up{target="cache"} == 1`,
		`redis_db_keys{target="cache",db="db0"} == 1`,
		`probe_success{target="page"} == 1`,
		`probe_http_duration_seconds{target="page",phase="processing"} > 0.05`,
		`logkeel_http_time_seconds{target="page",point="total"} > 0.05`,
		`logkeel_container_running{name="shop-app-1",service="app"} == 1`,
		`container_memory_working_set_bytes{name="shop-app-1"} > 0`,
		`logkeel_sampler_up{kind="mysql",target="db"} == 1`,
	} {
		prom.Await(expr, waitLong)
	}

	metrics, err := a.page()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(metrics)) {
		if name, ok := strings.CutPrefix(line, "# TYPE "); ok && !rules.Reserved(name) {
			t.Errorf("a rule may call its metric %s", name)
		}
	}

	db.Stop()
	healthy.Store(false)
	prom.Await(`mysql_up{target="db"} == 0`, waitLong)
	prom.Await(`probe_success{target="page"} == 0`, waitLong)
	prom.Await(`logkeel_http_assertion_failed{target="page",kind="json"} == 1`, waitLong)
	if n := a.metric("mysql_global_status_threads_connected"); n != 0 {
		t.Errorf("a database that is down has %v threads", n)
	}
	prom.Await(`redis_up{target="cache"} == 1`, waitLong) // the database's end has not taken it along
	db.Start()
	healthy.Store(true)
	prom.Await(`mysql_up{target="db"} == 1`, waitLong)
	prom.Await(`probe_success{target="page"} == 1`, waitLong)
	a.stop()
	log, _ := os.ReadFile(a.stderr)
	for _, sampler := range []string{"mysql/db", "http/page"} {
		// A machine that is slow lets a snapshot fail before and after it, too.
		again := strings.Count(string(log), `msg="is sampled again" sampler=`+sampler)
		if again < 1 {
			t.Errorf("that %s works again was not said", sampler)
		}
		if n := strings.Count(string(log), `msg="cannot be sampled" sampler=`+sampler); n < 1 || n > 3*(again+1) {
			t.Errorf("that %s fails was said %d times, and that it works again %d times", sampler, n, again)
		}
	}
	if bytes.Contains(log, []byte("hunter2")) {
		t.Error("the log has the password")
	}
}
