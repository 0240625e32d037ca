package redis

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/conf"
	"github.com/webgrip/logkeel/agent/testenv"
	"github.com/webgrip/logkeel/agent/tlsconf"
)

// infoOf reads what redis-cli prints.
func infoOf(s *testenv.RedisServer) map[string]string {
	fields := map[string]string{}
	for line := range strings.Lines(s.CLI("INFO", "all")) {
		if k, v, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			fields[k] = v
		}
	}
	return fields
}

// What is sampled is what redis-cli says just before or just after. Counters lie
// between the two; gauges differ from one of them by a fifth at most, for the
// memory of a client more or less.
func TestSamplesAreWhatTheServerSays(t *testing.T) {
	t.Parallel()
	began := float64(time.Now().Unix())
	srv := testenv.Redis(t, "--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru")
	s := newSampler(t, Config{Name: "r", Socket: srv.Socket})
	if _, err := take(t, s); err != nil { // it connects
		t.Fatal(err)
	}
	srv.CLI("SET", "a", "1")
	srv.CLI("SET", "b", "1", "EX", "1000")
	srv.CLI("GET", "a")
	srv.CLI("GET", "nothing")
	srv.CLI("LPUSH", "a", "1") // WRONGTYPE
	srv.CLI("CONFIG", "SET", "slowlog-log-slower-than", "0")
	srv.CLI("-n", "3", "SET", "c", "1")

	before := infoOf(srv)
	got, err := take(t, s)
	after := infoOf(srv)
	if err != nil {
		t.Fatal(err)
	}
	checked := 0
	old := !srv.Since(6, 2)
	for field, metric := range gauges {
		if old && field == "used_memory_dataset" {
			continue // it moves by what clients are sent
		}
		checked += compare(t, got, "redis_"+metric, before[field], after[field], 0.2)
	}
	for field, metric := range counters {
		checked += compare(t, got, "redis_"+metric, before[field], after[field], 0)
	}
	least := 120
	if old {
		least = 90
	}
	if checked < least {
		t.Errorf("only %d fields were compared", checked)
	}
	series := map[string]float64{
		"redis_up": 1, `redis_db_keys{db="db0"}`: 2, `redis_db_keys_expiring{db="db0"}`: 1, `redis_db_keys{db="db3"}`: 1,
		`redis_commands_total{cmd="set"}`: 3,
		"redis_keyspace_hits_total":       1, "redis_keyspace_misses_total": 1,
		"redis_memory_max_bytes": 100 << 20, "redis_rdb_last_bgsave_status": 1, "logkeel_redis_info_unreadable": 0,
	}
	if srv.Since(6, 2) {
		series[`redis_commands_failed_calls_total{cmd="lpush"}`], series[`redis_errors_total{err="WRONGTYPE"}`] = 1, 1
	}
	if srv.Since(7, 0) {
		series[`redis_latency_percentiles_usec_count{cmd="set"}`], series[`redis_commands_total{cmd="config|set"}`] = 3, 1
	}
	for want, value := range series {
		if v, ok := got[want]; !ok || v != value {
			t.Errorf("%s is %v (%v), want %v", want, v, ok, value)
		}
	}
	usec, _ := part(after["cmdstat_set"], "usec")
	us, _ := strconv.ParseFloat(usec, 64)
	if v := got[`redis_commands_duration_seconds_total{cmd="set"}`]; v <= 0 || v != us/1e6 {
		t.Errorf("SET took %v s, want %v us", v, us)
	}
	p99, _ := part(after["latency_percentiles_usec_set"], "p99")
	if v, _ := strconv.ParseFloat(p99, 64); v == 0 && srv.Since(7, 0) || got[`redis_latency_percentiles_usec{cmd="set",quantile="99"}`] != v {
		t.Errorf("p99 of SET is %v, want %v", got[`redis_latency_percentiles_usec{cmd="set",quantile="99"}`], v)
	}
	instance := `redis_instance_info{role="master",redis_version="` + after["redis_version"] + `",redis_build_id="` + after["redis_build_id"] +
		`",redis_mode="standalone",os="` + after["os"] + `",maxmemory_policy="allkeys-lru",tcp_port="` + after["tcp_port"] + `",run_id="` + after["run_id"] +
		`",process_id="` + after["process_id"] + `",master_replid="` + after["master_replid"] + `"}`
	if got[instance] != 1 {
		t.Errorf("no %s", instance)
	}
	if got["redis_slowlog_length"] < 1 {
		t.Error("an empty slow log, though all is slow")
	}
	if v := got["logkeel_redis_ping_seconds"]; v <= 0 || v > 60 {
		t.Errorf("PING took %v s", v)
	}
	if at := got["redis_start_time_seconds"]; at < began-2 || at > float64(time.Now().Unix()+1) {
		t.Errorf("started at %v, and not since %v", at, began)
	}
}

// compare returns 1 where the server has the field.
func compare(t *testing.T, got map[string]float64, metric, before, after string, tolerance float64) int {
	t.Helper()
	if before == "" {
		if _, ok := got[metric]; ok {
			t.Errorf("%s is not in INFO", metric)
		}
		return 0
	}
	v, ok := got[metric]
	if !ok {
		t.Errorf("%s is missing; it is %s", metric, after)
		return 1
	}
	var p page
	lo, _ := p.number(before)
	hi, _ := p.number(after)
	lo, hi = min(lo, hi), max(lo, hi)
	if strings.HasPrefix(metric, "redis_client_recent_max") || strings.HasPrefix(metric, "redis_mem_clients") || metric == "redis_connected_clients" {
		return 1 // of the few clients that are there, each sees the others
	}
	if slack := tolerance * max(lo, -lo, hi, -hi); v < lo-slack || v > hi+slack {
		t.Errorf("%s is %v, but the server says %s and then %s", metric, v, before, after)
	}
	return 1
}

func TestReplication(t *testing.T) {
	t.Parallel()
	primary := testenv.Redis(t, "--repl-diskless-sync-delay", "0")
	host, port, _ := net.SplitHostPort(primary.Addr)
	replica := testenv.Redis(t, "--replicaof", host, port)
	await(t, func() bool { return infoOf(replica)["master_link_status"] == "up" })
	_, own, _ := net.SplitHostPort(replica.Addr)

	got, err := take(t, newSampler(t, Config{Name: "r", Address: replica.Addr}))
	if err != nil {
		t.Fatal(err)
	}
	of := `{master_host="` + host + `",master_port="` + port
	for _, want := range []string{"redis_master_link_up" + of + `"}`, "redis_slave_info" + of + `",read_only="1"}`} {
		if got[want] != 1 {
			t.Errorf("%s is not 1", want)
		}
	}
	for _, want := range []string{"redis_slave_repl_offset", "redis_master_last_io_seconds_ago", "redis_master_sync_in_progress"} {
		if _, ok := got[want+of+`"}`]; !ok {
			t.Errorf("no %s", want+of+`"}`)
		}
	}
	of = `{slave_ip="127.0.0.1",slave_port="` + own + `",slave_state="online"}`
	await(t, func() bool {
		got, err = take(t, newSampler(t, Config{Name: "p", Address: primary.Addr}))
		_, lag := got["redis_connected_slave_lag_seconds"+of]
		_, offset := got["redis_connected_slave_offset_bytes"+of]
		return err == nil && lag && offset && got["redis_connected_slaves"] == 1
	})

	primary.Stop()
	await(t, func() bool { return infoOf(replica)["master_link_status"] == "down" })
	if got, err = take(t, newSampler(t, Config{Name: "r", Address: replica.Addr})); err != nil || got["redis_up"] != 1 {
		t.Errorf("up %v, %v", got["redis_up"], err)
	}
	if v, ok := got[`redis_master_link_up{master_host="`+host+`",master_port="`+port+`"}`]; !ok || v != 0 {
		t.Errorf("the link is %v (%v), want 0", v, ok)
	}
}

func await(t *testing.T, done func() bool) {
	t.Helper()
	for range 6000 {
		if done() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("it does not happen")
}

// The rights in docs/samplers.md suffice: nothing is refused.
func TestLeastPrivilege(t *testing.T) {
	t.Parallel()
	srv := testenv.Redis(t)
	srv.CLI(append(noRights(srv, "logkeel"), "+info", "+ping", "+slowlog|len")...)
	for range 2 {
		got, err := take(t, newSampler(t, user(srv.Addr, "logkeel")))
		if err != nil || got["redis_up"] != 1 || len(got) < 110 {
			t.Errorf("up %v, %d series, %v", got["redis_up"], len(got), err)
		}
	}
	if log := srv.CLI("ACL", "LOG"); log != "" {
		t.Errorf("something was refused: %s", log)
	}
}

func TestMissingRights(t *testing.T) {
	t.Parallel()
	srv := testenv.Redis(t)
	for _, c := range []struct {
		name   string
		rights []string
		up     float64
		say    string
	}{
		{"noinfo", []string{"+ping", "+slowlog|len"}, 0, "user noinfo may not use info; as an administrator: ACL SETUSER noinfo +info"},
		{"noslowlog", []string{"+ping", "+info"}, 1, "ACL SETUSER noslowlog +slowlog|len"},
		{"noping", []string{"+info", "+slowlog|len"}, 1, "ACL SETUSER noping +ping"},
	} {
		srv.CLI(append([]string{"ACL", "SETUSER", c.name, "on", ">" + password, "-@all"}, c.rights...)...)
		got, err := take(t, newSampler(t, user(srv.Addr, c.name)))
		testenv.WantError(t, err, c.say)
		if got["redis_up"] != c.up || c.up == 0 && len(got) != 1 || c.up == 1 && len(got) < 110 {
			t.Errorf("%s: up %v and %d series", c.name, got["redis_up"], len(got))
		}
	}
}

func TestPasswords(t *testing.T) {
	t.Parallel()
	open, closed := testenv.Redis(t), testenv.Redis(t, "--requirepass", "another")
	for _, c := range []struct {
		config Config
		say    string
	}{
		{user(closed.Addr, ""), "refuses username or password"},
		{user(open.Addr, "nobody"), "refuses username or password"},
		{Config{Name: "r", Address: closed.Addr}, "wants a password; set password"},
		{user(open.Addr, ""), "has no password; remove password"},
	} {
		got, err := take(t, newSampler(t, c.config))
		wantDown(t, got, err, c.say)
		if err != nil && strings.Contains(err.Error(), "\n") {
			t.Errorf("said more than once: %v", err)
		}
	}
	got, err := take(t, newSampler(t, Config{Name: "r", Address: closed.Addr, Password: conf.NewSecret("another")}))
	if err != nil || got["redis_up"] != 1 {
		t.Errorf("up %v, %v", got["redis_up"], err)
	}
}

func TestRestart(t *testing.T) {
	t.Parallel()
	srv := testenv.Redis(t)
	s := newSampler(t, Config{Name: "r", Address: srv.Addr})
	up := func(when string) {
		t.Helper()
		if got, err := take(t, s); err != nil || got["redis_up"] != 1 {
			t.Errorf("%s: up %v, %v", when, got["redis_up"], err)
		}
	}
	up("at first")
	for range 3 {
		up("again")
	}
	if n := infoOf(srv)["connected_clients"]; n != "2" { // and redis-cli
		t.Errorf("%s clients, want the sampler's one connection", n)
	}
	srv.Stop()
	srv.Start()
	up("restarted unseen")
	srv.Stop()
	got, err := take(t, s)
	wantDown(t, got, err, srv.Addr, "refused")
	srv.Start()
	up("restarted")
	s.Close()
	await(t, func() bool { return infoOf(srv)["connected_clients"] == "1" })
	up("after Close")
}

func TestFullServerIsStillMeasured(t *testing.T) {
	t.Parallel()
	srv := testenv.Redis(t)
	s := newSampler(t, Config{Name: "r", Address: srv.Addr})
	if _, err := take(t, s); err != nil {
		t.Fatal(err)
	}
	saysMost := srv.Since(6, 2)
	srv.CLI("CONFIG", "SET", "maxclients", "1")
	got, err := take(t, newSampler(t, Config{Name: "late", Address: srv.Addr}))
	if got["redis_up"] != 0 || err == nil {
		t.Errorf("up %v, %v", got["redis_up"], err)
	}
	if got, err := take(t, s); err != nil || got["redis_max_clients"] != 1 && saysMost || got["redis_rejected_connections_total"] != 1 {
		t.Errorf("%v clients, %v rejected, %v", got["redis_max_clients"], got["redis_rejected_connections_total"], err)
	}
}

// debugging are the settings with which DEBUG is allowed; before 7.0 it always is.
func debugging(t *testing.T) []string {
	if !testenv.Redis(t).Since(7, 0) {
		return nil
	}
	return []string{"--enable-debug-command", "yes"}
}

func TestLoading(t *testing.T) {
	t.Parallel()
	testenv.Need(t, "Redis 6.2 or later: 6.0 answers only after 2 MiB, while it loads its data", testenv.Redis(t).Since(6, 2))
	// It takes more than 40 s, unless it is told to be quick.
	srv := testenv.Redis(t, "--key-load-delay", "20000", "--loading-process-events-interval-bytes", "1024")
	srv.CLI("EVAL", "for i=1,2000 do redis.call('SET', 'key'..i, string.rep('x', 200)) end", "0")
	srv.CLI("SAVE")
	srv.Stop()
	srv.Start()
	s := newSampler(t, Config{Name: "r", Address: srv.Addr})
	got, err := take(t, s)
	testenv.WantError(t, err, "loading its data")
	if v, ok := got["redis_up"]; !ok || v != 0 || got["redis_loading_dump_file"] != 1 || len(got) != 2 {
		t.Errorf("got %v", got)
	}
	srv.CLI("CONFIG", "SET", "key-load-delay", "0")
	await(t, func() bool { return infoOf(srv)["loading"] == "0" })
	if got, err := take(t, s); err != nil || got[`redis_db_keys{db="db0"}`] != 2000 {
		t.Errorf("%v keys, %v", got[`redis_db_keys{db="db0"}`], err)
	}
}

func TestTLS(t *testing.T) {
	t.Parallel()
	srv := testenv.RedisTLS(t)
	got, err := take(t, newSampler(t, Config{Name: "r", Address: srv.Addr, TLS: &tlsconf.Config{CAFile: srv.CAFile}}))
	if err != nil || got["redis_up"] != 1 {
		t.Errorf("up %v, %v", got["redis_up"], err)
	}
	got, err = take(t, newSampler(t, Config{Name: "r", Address: srv.Addr, TLS: &tlsconf.Config{}}))
	wantDown(t, got, err, "tls:", "ca_file")
	got, err = take(t, newSampler(t, Config{Name: "r", Address: srv.Addr}))
	wantDown(t, got, err)
	plain := testenv.Redis(t)
	got, err = take(t, newSampler(t, Config{Name: "r", Address: plain.Addr, TLS: &tlsconf.Config{CAFile: srv.CAFile}}))
	wantDown(t, got, err, "is this the server's TLS port")
}

func TestSilentServer(t *testing.T) {
	before := runtime.NumGoroutine()
	addr := testenv.Serve(t, func(c net.Conn) { io.Copy(io.Discard, c) })
	for _, c := range []Config{{Name: "r", Address: addr}, user(addr, "u"), {Name: "r", Address: addr, TLS: &tlsconf.Config{}}} {
		s := newSampler(t, c)
		ctx, cancel := context.WithTimeoutCause(t.Context(), 50*time.Millisecond, errors.New("no answer within 50ms"))
		var got []agent.Sample
		err := s.Sample(ctx, func(s agent.Sample) { got = append(got, s) })
		cancel()
		if err == nil || len(got) != 1 || got[0].Name != "redis_up" || got[0].Value != 0 {
			t.Errorf("got %v, %v", got, err)
		}
		s.Close()
	}
	testenv.WantGoroutines(t, before+1) // the listener
}

func TestNoServer(t *testing.T) {
	got, err := take(t, newSampler(t, Config{Name: "r", Address: testenv.Addr(t)}))
	wantDown(t, got, err, "connection refused")
	got, err = take(t, newSampler(t, Config{Name: "r", Socket: t.TempDir() + "/none.sock"}))
	wantDown(t, got, err, "no such file")
}

// Nothing that a server answers brings the agent down, or the password to light.
func TestHostileServer(t *testing.T) {
	for answer, say := range map[string]string{
		"$99999999999999\r\n":              "bytes; is this a Redis server?",
		"$-7\r\n":                          "bytes; is this a Redis server?",
		"*1000000000\r\n":                  "is this a Redis server",
		strings.Repeat("*1\r\n", 10000):    "is this a Redis server",
		"HTTP/1.1 400 Bad Request\r\n\r\n": "is this a Redis server",
		"\x15\x03\x01\x00\x02\x02":         "is TLS set",
		"+" + strings.Repeat("x", 1<<17):   "too long",
		"":                                 "closed the connection",
		"-ERR unknown command 'AUTH' " + password + "\r\n": "refuses AUTH (ERR)",
		"-" + password + " x\r\n":                          "refuses AUTH (ERR)",
		"+OK\r\n-ERR denied for " + password + "\r\n":      "denied for <secret>",
		"+OK\r\n+PONG\r\n$5\r\nhello\r\n":                  "no fields",
	} {
		t.Run(fmt.Sprintf("%.20q", answer), func(t *testing.T) {
			t.Parallel()
			addr := testenv.Serve(t, func(c net.Conn) {
				go io.WriteString(c, answer)
				if answer == "" {
					_, _ = c.Read(make([]byte, 4096)) // and it is closed at once
				} else {
					io.Copy(io.Discard, c) // until the client goes
				}
			})
			_, err := take(t, newSampler(t, user(addr, "u")))
			if err == nil || !strings.Contains(err.Error(), say) {
				t.Errorf("%.40q: %v; want %q", answer, err, say)
			}
		})
	}
}
