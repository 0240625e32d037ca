package mysql

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/conf"
	"github.com/webgrip/logkeel/agent/testenv"
)

func TestSlowLog(t *testing.T) {
	t.Parallel()
	srv := testenv.MariaDB(t, "--performance-schema=OFF", "--slow-query-log=ON", "--log-output=TABLE", "--long-query-time=0.01", "--default-time-zone=-07:00")
	srv.SQL(grants("logkeel") + "CREATE SCHEMA shop; CREATE TABLE shop.orders (id INT PRIMARY KEY, name VARCHAR(99)); INSERT INTO shop.orders VALUES (1, 'a'), (2, 'b');")
	c := as(srv.Addr, "logkeel")
	c.SlowLog.Text, c.SlowLog.Interval = true, conf.Duration(time.Nanosecond)

	_, err := once(t, c)
	testenv.WantError(t, err, "GRANT SELECT ON mysql.slow_log TO this user, or set slow_log.read to false")
	grantParts(srv, "logkeel")
	s := newSampler(t, c)
	s.slowLog.most = time.Minute
	got, err := take(t, s)
	if err != nil {
		t.Fatal(err)
	}
	// What was before is not counted.
	other := `{schema="(other)",digest="(other)",digest_text=""}`
	want(t, got, map[string]float64{"logkeel_mysql_slow_statements_total" + other: 0, "logkeel_mysql_slow_statements_omitted": 0, `logkeel_mysql_part_up{part="slow_log"}`: 1})
	time.Sleep(1100 * time.Millisecond) // until that is the past for the server
	srv.SQL("USE shop; SELECT SLEEP(0.05) FROM orders WHERE id = 1 AND name <> 'hunter2'; SELECT SLEEP(0.05) FROM orders WHERE id = 2 AND name <> 'it''s hunter2';" +
		"SELECT SLEEP(0.03), 'hunter2'; SELECT 1; SELECT SLEEP(0.03) /* hunter2 */ FROM orders WHERE id IN (1, 77)")
	var series string
	until(t, "the statements are known", func() bool {
		if got, err = take(t, s); err != nil {
			t.Fatal(err)
		}
		series = ""
		for name, v := range got {
			if strings.HasPrefix(name, "logkeel_mysql_slow_statements_total") && strings.Contains(name, "name <> ?") && v == 2 {
				series = strings.TrimPrefix(name, "logkeel_mysql_slow_statements_total")
			}
		}
		return series != "" && got["logkeel_mysql_slow_statements_omitted"] == 0
	})
	if !strings.HasSuffix(series, `digest_text="select sleep (...) from orders where id = ? and name <> ?"}`) || !strings.HasPrefix(series, `{schema="shop"`) {
		t.Error(series)
	}
	// MySQL's TIME_TO_SEC leaves out what is less than a second.
	const took = "UNIX_TIMESTAMP(ADDTIME('2000-01-01 00:00:00', query_time)) - UNIX_TIMESTAMP('2000-01-01 00:00:00')"
	row := strings.Fields(srv.SQL("SELECT SUM(" + took + "), MAX(" + took + "), SUM(rows_examined), SUM(rows_sent) FROM mysql.slow_log WHERE sql_text LIKE '%name <>%' AND sql_text LIKE 'SELECT SLEEP%'"))
	var seconds, longest, examined, sent float64
	if _, err := fmt.Sscan(strings.Join(row, " "), &seconds, &longest, &examined, &sent); err != nil {
		t.Fatal(row, err)
	}
	near := func(name string, want float64) {
		t.Helper()
		if d := got[name] - want; d < -1e-6 || d > 1e-6 || want == 0 {
			t.Errorf("%s is %v, want %v", name, got[name], want)
		}
	}
	short, _, _ := strings.Cut(series, ",digest_text")
	near("logkeel_mysql_slow_statements_seconds_total"+series, seconds)
	near("logkeel_mysql_slow_statement_seconds_avg"+short+"}", seconds/2)
	near("logkeel_mysql_slow_statement_seconds_max"+short+"}", longest)
	near("logkeel_mysql_slow_statements_rows_examined_total"+series, examined)
	near("logkeel_mysql_slow_statements_rows_sent_total"+series, sent)
	statements := 0.0
	for name, v := range got {
		if strings.Contains(name, "hunter2") || strings.Contains(name, "slow_log WHERE") {
			t.Error(name)
		}
		if strings.HasPrefix(name, "logkeel_mysql_slow_statements_total") {
			statements += v
		}
	}
	if statements < 4 {
		t.Errorf("%v statements, want 4", statements)
	}

	// They stay when the table is emptied, and none counts twice.
	srv.SQL("TRUNCATE mysql.slow_log")
	if got, err = take(t, s); err != nil || got["logkeel_mysql_slow_statements_total"+series] != 2 {
		t.Errorf("after the table was emptied: %v, %v", got["logkeel_mysql_slow_statements_total"+series], err)
	}
	srv.SQL("SET GLOBAL log_output = 'FILE'")
	_, err = take(t, s)
	testenv.WantError(t, err, "performance_schema is off", "log_output=TABLE")
	c.SlowLog.Read = Always
	_, err = once(t, c)
	testenv.WantError(t, err, "SET GLOBAL log_output = 'TABLE'", "slow_log.read to auto")
}

// More statements than are told of, or kept.
func TestSlowLogIsBounded(t *testing.T) {
	now := time.Now()
	var l slowLog
	for i := range maxSlow + 500 {
		l.count(slowRow{schema: "s", statement: fmt.Sprintf("SELECT a FROM t%d WHERE b = %d", i, i), counts: counts{1, float64(i)}}, false, now)
	}
	if len(l.statements) != maxSlow || l.unknown.n != 500 {
		t.Errorf("%d are kept, and %v not", len(l.statements), l.unknown.n)
	}
	if top := l.top(20, now); len(top) != 20 || top[0].seconds != maxSlow-1 {
		t.Errorf("%d are told of, the first %v", len(top), top[0])
	}
	later := now.Add(2 * slowForget)
	if top := l.top(20, later); len(top) != 0 {
		t.Errorf("%d are told of after two days", len(top))
	}
	l.count(slowRow{schema: "s", statement: "SELECT 1", counts: counts{1, 1}}, false, later)
	if len(l.statements) != 1 || l.unknown.n != maxSlow+500 {
		t.Errorf("%d are kept, and %v not", len(l.statements), l.unknown.n)
	}
}

// A table with more rows than are read at once: each counts once.
func TestSlowLogOfManyRows(t *testing.T) {
	t.Parallel()
	srv := testenv.MariaDB(t, "--performance-schema=OFF", "--slow-query-log=OFF", "--log-output=TABLE")
	srv.SQL(grants("logkeel"))
	grantParts(srv, "logkeel")
	c := as(srv.Addr, "logkeel")
	c.SlowLog.Interval = conf.Duration(time.Hour) // but what is left comes at once
	s := newSampler(t, c)
	s.slowLog.most = time.Minute
	take := func() map[string]float64 {
		t.Helper()
		srv.SQL("SET GLOBAL slow_query_log = ON") // nothing takes 10 s
		defer srv.SQL("SET GLOBAL slow_query_log = OFF")
		got, err := take(t, s)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	take()
	const rows = 2*slowRows + 2000
	affected := ", 0" // a column more than MySQL has
	if srv.MySQL {
		affected = ""
	}
	srv.SQL(fmt.Sprintf(`RENAME TABLE mysql.slow_log TO mysql.slow_other; USE mysql; SET @now = NOW(6);
		INSERT INTO slow_other SELECT @now + INTERVAL seq DIV 7 MICROSECOND, 'app[app] @ x []', '00:00:01.5', '00:00:00.25', 1, 3, 'shop', 0, 0, 1, CONCAT('SELECT ', seq, ' FROM t', seq %% 50), 5%[3]s FROM %[1]s;
		INSERT INTO slow_other SELECT @now, 'logkeel[logkeel] @ x []', '00:00:09', '00:00:00', 1, 3, 'shop', 0, 0, 1, 'SELECT own', 5%[3]s FROM %[2]s;
		RENAME TABLE mysql.slow_other TO mysql.slow_log`, numbers(srv, rows), numbers(srv, 10), affected))
	time.Sleep(2 * time.Second) // until it is the past for the server
	sum := func() (n, seconds float64) {
		for _, st := range s.slowLog.statements {
			n, seconds = n+st.n, seconds+st.seconds
		}
		return n, seconds
	}
	s.slowLog.next = time.Time{}
	got := take()
	if n, _ := sum(); n > slowRows || n < slowRows-7 || got["logkeel_mysql_slow_log_behind_seconds"] == 0 {
		t.Errorf("%v at once, and %v s behind", n, got["logkeel_mysql_slow_log_behind_seconds"])
	}
	take()
	got = take()
	if n, seconds := sum(); n != rows || seconds != rows*1.5 {
		t.Errorf("%v statements that took %v s, want %d and %v", n, seconds, rows, rows*1.5)
	}
	want(t, got, map[string]float64{"logkeel_mysql_slow_log_behind_seconds": 0, "logkeel_mysql_slow_statements_omitted": 30})

	s.slowLog.most, s.slowLog.next = time.Millisecond, time.Time{}
	srv.SQL("SET GLOBAL slow_query_log = ON")
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	err := s.Sample(ctx, func(agent.Sample) {})
	testenv.WantError(t, err, "cannot be read within 1ms", "TRUNCATE mysql.slow_log")
}

func TestSlowLogWanted(t *testing.T) {
	for _, c := range []struct {
		read                Want
		schema, log, output string
		want                bool
		say                 string
	}{
		{Auto, "OFF", "ON", "TABLE", true, ""},
		{Auto, "OFF", "ON", "FILE,TABLE", true, ""},
		{Auto, "ON", "ON", "TABLE", false, ""},
		{Auto, "OFF", "OFF", "TABLE", false, ""},
		{Auto, "OFF", "ON", "FILE", false, ""},
		{Always, "ON", "ON", "TABLE", true, ""},
		{Always, "ON", "OFF", "TABLE", false, "SET GLOBAL log_output = 'TABLE', slow_query_log = 1"},
		{Never, "OFF", "ON", "TABLE", false, ""},
	} {
		got, err := SlowLog{Read: c.read}.wanted(map[string]string{"performance_schema": c.schema, "slow_query_log": c.log, "log_output": c.output})
		if got != c.want || (err == nil) != (c.say == "") {
			t.Errorf("%+v: %v, %v", c, got, err)
		}
		if c.say != "" {
			testenv.WantError(t, err, c.say)
		}
	}
}

// What MySQL is asked for, which is not here: the time limit has another form.
func TestSlowQuery(t *testing.T) {
	if q := (product{}).slowQuery(slowTime); !strings.HasPrefix(q, "SELECT /*+ MAX_EXECUTION_TIME(2000) */ CAST(") {
		t.Error(q)
	}
	if q := (product{maria: true}).slowQuery(slowTime); !strings.HasPrefix(q, "SET STATEMENT max_statement_time=2 FOR SELECT CAST(") {
		t.Error(q)
	}
}
