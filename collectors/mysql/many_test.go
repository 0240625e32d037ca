package mysql

import (
	"flag"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"
)

var manyTables = flag.Int("tables", 600, "how many tables TestManyTables makes; 5000 take a minute and a half")

// TestManyTables audits many tables.
func TestManyTables(t *testing.T) {
	t.Parallel()
	srv := start(t, "--innodb-file-per-table=OFF", "--sync-frm=OFF", "--table-open-cache=400", "--innodb-buffer-pool-size=64M")
	srv.SQL(auditGrants("auditor", "many") + "CREATE SCHEMA many;")
	n := 0
	create := func(to int) {
		var b strings.Builder
		b.WriteString("SET sql_log_bin = 0; USE many;")
		for ; n < to; n++ {
			key, engine := "id INT AUTO_INCREMENT PRIMARY KEY, ", "MyISAM"
			if n%10 == 0 {
				key = ""
			}
			if n%5 == 0 {
				engine = "InnoDB" // which takes twice as long to make
			}
			fmt.Fprintf(&b, "CREATE TABLE t%05d (%sa INT, b INT, c VARCHAR(20), KEY ab (a, b), KEY c (c)) ENGINE=%s;", n, key, engine)
		}
		srv.SQL(b.String())
	}
	begun, want := time.Now(), *manyTables
	create(want)
	srv.SQL("USE many;" + strings.Repeat("INSERT INTO t00007 (a, b, c) VALUES (1, 2, 'x');", 5))
	t.Logf("%d tables made in %s", want, time.Since(begun).Round(time.Millisecond))

	c := auditing(srv.Addr, "auditor")
	c.Tables.Limit = 200
	s := newSampler(t, c)
	clear := "TRUNCATE performance_schema.events_statements_summary_by_account_by_event_name;"
	took := func() string {
		return srv.SQL("SELECT CONCAT(SUM(COUNT_STAR), ' statements, ', ROUND(SUM(SUM_TIMER_WAIT) / 1e12, 3), ' s') FROM performance_schema.events_statements_summary_by_account_by_event_name WHERE USER = 'auditor'")
	}
	for _, when := range []string{"cold", "warm"} {
		srv.SQL(clear)
		got, err := audited(t, s)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: the server's own time for the audit and two snapshots: %s; the audit took %.3f s", when, took(), got[`logkeel_mysql_audit_duration_seconds{audit="tables"}`])
		check(t, got, map[string]float64{
			`logkeel_mysql_tables{schema="many"}`: float64(want), "logkeel_mysql_tables_omitted": float64(want - 200),
			`logkeel_mysql_table_problems{schema="many",problem="no_primary_key"}`:  float64(want / 10),
			`logkeel_mysql_table_problems{schema="many",problem="redundant_index"}`: 0,
		})
		text := srv.SQL("SELECT SUM(DATA_LENGTH), SUM(INDEX_LENGTH), SUM(DATA_FREE), SUM(TABLE_ROWS) FROM information_schema.TABLES WHERE TABLE_SCHEMA = 'many'")
		for i, component := range []string{`data_length"`, `index_length"`, `data_free"`, "table_rows"} {
			sum := 0.0
			for series, v := range got {
				if strings.HasPrefix(series, "mysql_info_schema_table_") && strings.Contains(series, component) {
					sum += v
				}
			}
			if w, err := strconv.ParseFloat(strings.Split(text, "\t")[i], 64); err != nil || sum != w {
				t.Errorf("%s is %v in all, the server says %v", component, sum, w)
			}
		}
		series := 0
		for name := range got {
			if strings.HasPrefix(name, "mysql_info_schema") || strings.HasPrefix(name, "logkeel_mysql_") {
				series++
			}
		}
		if series > maxAuditSeries(200) || series < 200*5 {
			t.Errorf("%d series", series)
		}
		later(s, time.Hour)
	}
	srv.SQL(clear)
	take(t, s)
	settle(t, s)
	later(s, time.Minute)
	srv.SQL(clear)
	take(t, s)
	t.Logf("a snapshot between two audits: %s", took())
}

func check(t *testing.T, got, want map[string]float64) {
	t.Helper()
	for series, v := range want {
		if w, ok := got[series]; !ok || w != v {
			t.Errorf("%s is %v (%v), want %v", series, w, ok, v)
		}
	}
}
