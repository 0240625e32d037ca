package mysql

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/testenv"
	"github.com/webgrip/logkeel/agent/tlsconf"
)

// grants makes a user that may do what docs/samplers.md says, and no more.
func grants(user string) string {
	return "CREATE USER " + user + "@'127.0.0.1' IDENTIFIED BY '" + password + "' WITH MAX_USER_CONNECTIONS 2;" +
		"CREATE USER " + user + "@'localhost' IDENTIFIED BY '" + password + "' WITH MAX_USER_CONNECTIONS 2;" +
		"GRANT SELECT ON performance_schema.events_statements_summary_by_digest TO " + user + "@'127.0.0.1';" +
		"GRANT SELECT ON performance_schema.events_statements_summary_by_digest TO " + user + "@'localhost';"
}

// start starts a server with performance_schema, a schema shop, and the user.
func start(t *testing.T, args ...string) *testenv.MariaDBServer {
	t.Helper()
	srv := testenv.MariaDB(t, append([]string{"--performance-schema=ON", "--max-connections=20"}, args...)...)
	srv.SQL(grants("logkeel") + "CREATE SCHEMA shop; CREATE TABLE shop.orders (id INT PRIMARY KEY, total INT); INSERT INTO shop.orders VALUES (1, 10), (2, 20);")
	return srv
}

// table reads rows of two columns, as the client mariadb prints them.
func table(text string) map[string]string {
	m := map[string]string{}
	for line := range strings.Lines(text) {
		k, v, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		m[strings.ToLower(k)] = v
	}
	return m
}

// statusSeries is the series that a status becomes.
func statusSeries(name string) string {
	for prefix, to := range map[string][2]string{
		"com_": {"commands_total", "command"}, "handler_": {"handlers_total", "handler"}, "connection_errors_": {"connection_errors_total", "error"},
		"innodb_rows_": {"innodb_row_ops_total", "operation"}, "performance_schema_": {"performance_schema_lost_total", "instrumentation"},
		"innodb_buffer_pool_pages_": {"buffer_pool_page_changes_total", "operation"},
	} {
		if rest, ok := strings.CutPrefix(name, prefix); ok {
			if prefix == "innodb_buffer_pool_pages_" {
				switch {
				case rest == "dirty":
					return "mysql_global_status_buffer_pool_dirty_pages"
				case slices.Contains([]string{"data", "free", "misc", "old"}, rest):
					to = [2]string{"buffer_pool_pages", "state"}
				}
			}
			return "mysql_global_status_" + to[0] + "{" + to[1] + `="` + rest + `"}`
		}
	}
	return "mysql_global_status_" + strings.NewReplacer(":", "_", " ", "_").Replace(name) // as option_tracker_usage:Binary Log
}

// What is sampled is what the client mariadb prints just before and just after:
// a value that has not changed is equal, and one that has lies between, or within
// a fifth of it where it goes up and down.
func TestSamplesAreWhatTheServerSays(t *testing.T) {
	t.Parallel()
	srv := start(t)
	s := newSampler(t, as(srv.Addr, "logkeel"))
	if _, err := take(t, s); err != nil { // it connects
		t.Fatal(err)
	}
	before, variables := table(srv.SQL("SHOW GLOBAL STATUS")), table(srv.SQL("SHOW GLOBAL VARIABLES"))
	got, err := take(t, s)
	after := table(srv.SQL("SHOW GLOBAL STATUS"))
	if err != nil {
		t.Fatal(err)
	}
	checked := 0
	for name, text := range before {
		lo, err := strconv.ParseFloat(text, 64)
		hi, _ := strconv.ParseFloat(after[name], 64)
		if err != nil || name == "innodb_buffer_pool_pages_total" || name == "threads_running" || strings.HasPrefix(name, "ssl_") {
			continue // ssl_ is of the connection
		}
		lo, hi = min(lo, hi), max(lo, hi)
		v, ok := got[statusSeries(name)]
		slack := 0.0
		if strings.HasPrefix(name, "memory") || strings.HasPrefix(name, "threads") || strings.HasPrefix(name, "innodb") || strings.HasPrefix(name, "acl") {
			slack = max(2, 0.2*hi)
		}
		if !ok || v < lo-slack || v > hi+slack {
			t.Errorf("%s is %v (%v), but the server says %s and then %s", statusSeries(name), v, ok, text, after[name])
		}
		checked++
	}
	for name, text := range variables {
		want, err := strconv.ParseFloat(text, 64)
		if text == "ON" || text == "OFF" {
			want, err = float64(map[string]int{"ON": 1}[text]), nil
		}
		if err != nil {
			continue
		}
		if v, ok := got["mysql_global_variables_"+name]; !ok || v != want {
			t.Errorf("%s is %v (%v), want %s", name, v, ok, text)
		}
		checked++
	}
	if checked < fewest(srv) {
		t.Errorf("only %d values were compared", checked)
	}
	for _, want := range []string{
		"mysql_up", "logkeel_mysql_performance_schema", `mysql_transaction_isolation{level="REPEATABLE-READ"}`,
		`mysql_version_info{innodb_version="` + variables["innodb_version"] + `",version="` + variables["version"] + `",version_comment="` + variables["version_comment"] + `"}`,
	} {
		if got[want] != 1 {
			t.Errorf("%s is %v, want 1", want, got[want])
		}
	}
	if v := got["logkeel_mysql_ping_seconds"]; v <= 0 || v > 60 {
		t.Errorf("SELECT 1 took %v s", v)
	}
}

func TestStatements(t *testing.T) {
	t.Parallel()
	srv := start(t)
	srv.SQL("TRUNCATE performance_schema.events_statements_summary_by_digest; USE shop;" + // what was before may have taken longer
		strings.Repeat("SELECT SLEEP(0.1), total FROM orders WHERE total > 5;", 10) +
		"SELECT SLEEP(1);" + strings.Repeat("SELECT COUNT(*) FROM orders WHERE id = 1;", 60))
	c := as(srv.Addr, "logkeel")
	c.Statements = Statements{Limit: 1, Text: true}
	got, err := take(t, newSampler(t, c))
	if err != nil {
		t.Fatal(err)
	}
	// The first by the whole time, and the first by the mean.
	row := strings.Split(srv.SQL(`SELECT DIGEST, LEFT(DIGEST_TEXT, 120), COUNT_STAR, SUM_TIMER_WAIT, AVG_TIMER_WAIT, MAX_TIMER_WAIT, SUM_ROWS_EXAMINED, SUM_NO_INDEX_USED, SUM_ROWS_SENT
		FROM performance_schema.events_statements_summary_by_digest WHERE SCHEMA_NAME = 'shop' AND DIGEST_TEXT LIKE '%total%' AND DIGEST_TEXT LIKE '%SLEEP%'`), "\t")
	if len(row) != 9 {
		t.Fatalf("%q", row)
	}
	num := func(i int) float64 {
		v, err := strconv.ParseFloat(row[i], 64)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	full := `{schema="shop",digest="` + row[0] + `",digest_text=` + strconv.Quote(row[1]) + `}`
	short := `{schema="shop",digest="` + row[0] + `"}`
	for name, want := range map[string]float64{
		"mysql_perf_schema_events_statements_total" + full:               10,
		"mysql_perf_schema_events_statements_seconds_total" + full:       num(3) / 1e12,
		"logkeel_mysql_statement_seconds_avg" + short:                    num(4) / 1e12,
		"logkeel_mysql_statement_seconds_max" + short:                    num(5) / 1e12,
		"mysql_perf_schema_events_statements_rows_examined_total" + full: num(6),
		"mysql_perf_schema_events_statements_no_index_used_total" + full: 10,
		"mysql_perf_schema_events_statements_rows_sent_total" + full:     20,
		"mysql_perf_schema_events_statements_errors_total" + full:        0,
	} {
		if v, ok := got[name]; !ok || v != want {
			t.Errorf("%s is %v (%v), want %v", name, v, ok, want)
		}
	}
	if v := got["mysql_perf_schema_events_statements_seconds_total"+full]; v < 2 || v > 60 {
		t.Errorf("20 times 100 ms are %v s", v)
	}
	n, slow := 0, 0.0
	for name, v := range got {
		if strings.HasPrefix(name, "logkeel_mysql_statement_seconds_avg") {
			n, slow = n+1, max(slow, v)
		}
	}
	if n != 2 || slow < 1 {
		t.Errorf("%d statements, the slowest %v s; want two, with SLEEP(1)", n, slow)
	}

	// No text unless asked for; none of the agent's own statements.
	got, err = take(t, newSampler(t, as(srv.Addr, "logkeel")))
	if err != nil {
		t.Fatal(err)
	}
	if v := got["mysql_perf_schema_events_statements_total"+`{schema="shop",digest="`+row[0]+`",digest_text=""}`]; v != 10 {
		t.Errorf("without the text: %v", v)
	}
	for name := range got {
		if strings.Contains(name, "SLEEP") || strings.Contains(name, `schema="performance_schema"`) || strings.Contains(name, `schema="mysql"`) {
			t.Error(name)
		}
	}
}

// What a statement took before the agent looked, or took long ago, is not how long
// it takes of late.
func TestStatementsOfLate(t *testing.T) {
	t.Parallel()
	srv := start(t)
	const slow = "USE shop; SELECT SLEEP(0.05 * total) FROM orders WHERE id = 1;" // half a second
	srv.SQL(slow)
	s := newSampler(t, as(srv.Addr, "logkeel"))
	recent := func() (longest float64) {
		t.Helper()
		got, err := take(t, s)
		if err != nil {
			t.Fatal(err)
		}
		for name, v := range got {
			if strings.HasPrefix(name, "logkeel_mysql_statement_seconds_recent") {
				longest = max(longest, v)
			}
		}
		return longest
	}
	if v := recent(); v != 0 {
		t.Errorf("at first it is %v", v)
	}
	srv.SQL(slow)
	if v := recent(); v < 0.5 {
		t.Errorf("it is %v", v)
	}
	srv.SQL("UPDATE shop.orders SET total = 0")
	srv.SQL(slow)
	if v := recent(); v > 0.45 {
		t.Errorf("after it was quick it is %v", v)
	}
}

func TestPerformanceSchemaOff(t *testing.T) {
	t.Parallel()
	srv := testenv.MariaDB(t, "--performance-schema=OFF")
	srv.SQL(grants("logkeel"))
	got, err := take(t, newSampler(t, as(srv.Addr, "logkeel")))
	testenv.WantError(t, err, "performance_schema=ON under [mysqld]", "statements.limit to 0")
	if v, ok := got["logkeel_mysql_performance_schema"]; !ok || v != 0 || got["mysql_up"] != 1 || len(got) < fewest(srv) {
		t.Errorf("up %v, performance_schema %v (%v), %d series", got["mysql_up"], v, ok, len(got))
	}
	c := as(srv.Addr, "logkeel")
	c.Statements.Limit = 0
	if got, err = take(t, newSampler(t, c)); err != nil || len(got) < fewest(srv) {
		t.Errorf("%d series, %v", len(got), err)
	}
}

func TestRightsAndPasswords(t *testing.T) {
	t.Parallel()
	srv := start(t)
	srv.SQL("CREATE USER poor@'127.0.0.1' IDENTIFIED BY '" + password + "'; CREATE USER other@'127.0.0.1' IDENTIFIED BY 'other';")

	got, err := take(t, newSampler(t, as(srv.Addr, "poor")))
	testenv.WantError(t, err, "1142", "GRANT SELECT ON performance_schema.events_statements_summary_by_digest TO")
	if got["mysql_up"] != 1 || len(got) < fewest(srv) {
		t.Errorf("up %v, %d series", got["mysql_up"], len(got))
	}
	got, err = take(t, newSampler(t, as(srv.Addr, "other")))
	wantDown(t, got, err, "1045", "compare user and password")
	c := as(srv.Addr, "poor")
	c.Database = "shop"
	got, err = take(t, newSampler(t, c))
	wantDown(t, got, err, "remove database")

	c = as("", "logkeel")
	c.Socket = srv.Socket
	if got, err = take(t, newSampler(t, c)); err != nil || got["mysql_up"] != 1 {
		t.Errorf("by the socket: up %v, %v", got["mysql_up"], err)
	}
	c = as(srv.Addr, "logkeel")
	c.TLS = &tlsconf.Config{CAFile: srv.CAFile}
	if got, err = take(t, newSampler(t, c)); err != nil || got["mysql_up"] != 1 {
		t.Errorf("with TLS: up %v, %v", got["mysql_up"], err)
	}
	srv.SQL("ALTER USER poor@'127.0.0.1' REQUIRE SSL")
	c.User, c.Statements.Limit = "poor", 0
	if got, err = take(t, newSampler(t, c)); err != nil || got["mysql_up"] != 1 {
		t.Errorf("for a user that has to use TLS: up %v, %v", got["mysql_up"], err)
	}
	c.TLS = &tlsconf.Config{}
	got, err = take(t, newSampler(t, c))
	wantDown(t, got, err, "certificate")
}

// hasRoom says that the server greets a new client, and does not turn it away.
func hasRoom(t *testing.T, addr string) bool {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	greeting := make([]byte, 5) // a header of four bytes, and the protocol's version
	_, err = io.ReadFull(c, greeting)
	return err == nil && greeting[4] == 10
}

func TestRestart(t *testing.T) {
	t.Parallel()
	srv := start(t)
	s := newSampler(t, as(srv.Addr, "logkeel"))
	up := func(when string) {
		t.Helper()
		if got, err := take(t, s); err != nil || got["mysql_up"] != 1 {
			t.Errorf("%s: up %v, %v", when, got["mysql_up"], err)
		}
	}
	count := func() string {
		return srv.SQL("SELECT COUNT(*) FROM information_schema.processlist WHERE user = 'logkeel'")
	}
	up("at first")
	for range 3 {
		up("again")
	}
	if n := count(); n != "1" {
		t.Errorf("%s connections, want one", n)
	}
	killUser(srv, "logkeel")
	up("after its connection was killed")
	srv.Stop()
	srv.Start()
	up("restarted unseen")
	srv.Stop()
	got, err := take(t, s)
	wantDown(t, got, err, srv.Addr, "refused")
	srv.Start()
	up("restarted")

	// The last place is taken: the sampler still has its own.
	srv.SQL("SET GLOBAL max_connections = 10")
	var taken []net.Conn
	for range 12 {
		c, err := net.Dial("tcp", srv.Addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		taken = append(taken, c)
	}
	up("while the server is full")
	for _, c := range taken {
		c.Close()
	}
	for range 6000 {
		if hasRoom(t, srv.Addr) {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}

	s.Close()
	for range 6000 {
		if count() == "0" {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if n := count(); n != "0" {
		t.Errorf("%s connections after Close", n)
	}
}

func TestNoServer(t *testing.T) {
	got, err := take(t, newSampler(t, as(testenv.Addr(t), "logkeel")))
	wantDown(t, got, err, "connection refused")
	c := as("", "logkeel")
	c.Socket = t.TempDir() + "/none.sock"
	got, err = take(t, newSampler(t, c))
	wantDown(t, got, err, "no such file")
}

func TestSilentServer(t *testing.T) {
	before := runtime.NumGoroutine()
	addr := testenv.Serve(t, func(c net.Conn) { io.Copy(io.Discard, c) })
	s := newSampler(t, as(addr, "logkeel"))
	ctx, cancel := context.WithTimeoutCause(t.Context(), 50*time.Millisecond, errors.New("no answer within 50ms"))
	defer cancel()
	var got []agent.Sample
	err := s.Sample(ctx, func(s agent.Sample) { got = append(got, s) })
	testenv.WantError(t, err, "no answer within 50ms")
	if len(got) != 1 || got[0].Name != "mysql_up" || got[0].Value != 0 {
		t.Errorf("got %v", got)
	}
	s.Close()
	testenv.WantGoroutines(t, before+1) // the listener
}

func TestOtherServers(t *testing.T) {
	packet := func(body string) string {
		head := binary.LittleEndian.AppendUint32(nil, uint32(len(body)))
		head[3] = 0
		return string(head) + body
	}
	for answer, say := range map[string]string{
		"":                                 "closed the connection",
		"HTTP/1.1 400 Bad Request\r\n\r\n": "",
		packet("\xff\x10\x04#08004Too many connections"):        "max_connections",
		packet("\xff\x15\x04#28000no " + password + "\x1b[31m"): "no <secret>?[31m",
		packet("\xff\x69\x04#HY000Host is blocked"):             "performance_schema.host_cache",
		packet("\xff\xf4\x05#HY000Plugin 'x' is not loaded"):    "IDENTIFIED WITH caching_sha2_password",
		packet("\x0a5.5\x00"):                                   "",
	} {
		addr := testenv.Serve(t, func(c net.Conn) {
			io.WriteString(c, answer)
			c.SetReadDeadline(time.Now().Add(2 * time.Second))
			io.Copy(io.Discard, c)
		})
		got, err := take(t, newSampler(t, as(addr, "logkeel")))
		wantDown(t, got, err, say)
	}

	// The driver panics on this one, and leaves a goroutine each time.
	addr := testenv.Serve(t, func(c net.Conn) { io.WriteString(c, packet("\x0a5.5\x00")) })
	before := runtime.NumGoroutine()
	s := newSampler(t, as(addr, "logkeel"))
	for range 3 * maxPanics {
		got, err := take(t, s)
		wantDown(t, got, err, "not of the MySQL protocol")
	}
	testenv.WantGoroutines(t, before+maxPanics)
}
