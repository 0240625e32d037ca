package mysql

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/webgrip/logkeel/agent/testenv"
)

func problemTables(srv *testenv.MariaDBServer) string {
	all := `CREATE SCHEMA crm; USE crm;
	CREATE TABLE keyless (a INT, b INT, KEY a (a));
	CREATE TABLE bare (a INT);
	CREATE TABLE heap (a INT UNIQUE) ENGINE=MyISAM;
	CREATE TABLE unique_key (a INT NOT NULL UNIQUE);
	CREATE TABLE doubled (id INT PRIMARY KEY, a INT, b INT, c VARCHAR(50), KEY a (a), KEY ab (a, b), UNIQUE u (b), KEY ub (b, a), KEY c10 (c(10)), KEY c (c), KEY ign (a) INVISIBLE);
	CREATE TABLE parent (id INT PRIMARY KEY);
	CREATE TABLE child (id INT PRIMARY KEY, p INT, never INT, looked INT, x INT UNIQUE, CONSTRAINT f FOREIGN KEY (p) REFERENCES parent (id), KEY never (never), KEY looked (looked));
	CREATE TABLE untouched (id INT PRIMARY KEY, a INT, KEY a (a));
	CREATE TABLE tiny (id TINYINT AUTO_INCREMENT PRIMARY KEY); INSERT INTO tiny VALUES (110);
	CREATE TABLE huge (id BIGINT UNSIGNED AUTO_INCREMENT PRIMARY KEY, a INT) AUTO_INCREMENT = 18446744073709551000;
	CREATE TABLE young (id INT UNSIGNED AUTO_INCREMENT PRIMARY KEY);
	CREATE VIEW v AS SELECT * FROM bare;
	CREATE TABLE versioned (a INT);
	INSERT INTO parent VALUES (1); INSERT INTO child VALUES (1, 1, 1, 1, 1), (2, 1, 2, 2, 2);
	SELECT * FROM child FORCE INDEX (looked) WHERE looked = 2;`
	if srv.MySQL {
		return all
	}
	all = strings.Replace(all, "INVISIBLE", "IGNORED", 1)
	return strings.Replace(all, "versioned (a INT)", "versioned (a INT) WITH SYSTEM VERSIONING", 1) + sequence(srv, "s")
}

func TestProblems(t *testing.T) {
	t.Parallel()
	srv := start(t)
	srv.SQL(auditGrants("auditor", "crm") + problemTables(srv))
	s := newSampler(t, auditing(srv.Addr, "auditor"))
	got, err := audited(t, s)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]bool{}
	add := func(table, problem, index string) {
		want[fmt.Sprintf(`logkeel_mysql_table_problem{schema="crm",table=%q,problem=%q,index=%q}`, table, problem, index)] = true
	}
	for _, table := range []string{"keyless", "bare", "heap", "versioned"} {
		add(table, "no_primary_key", "")
	}
	add("doubled", "redundant_index", "a")
	add("doubled", "redundant_index", "c10")
	for _, table := range []string{"tiny", "huge"} {
		add(table, "auto_increment", "")
	}
	compare := func(got map[string]float64, counts map[string]float64) {
		t.Helper()
		for series := range want {
			if got[series] != 1 {
				t.Errorf("%s is %v", series, got[series])
			}
		}
		for series, v := range got {
			if strings.HasPrefix(series, "logkeel_mysql_table_problem{") && !want[series] {
				t.Errorf("%s is %v", series, v)
			}
			if problem, ok := strings.CutPrefix(series, `logkeel_mysql_table_problems{schema="crm",problem="`); ok && counts[strings.TrimSuffix(problem, `"}`)] != v {
				t.Errorf("%s is %v", series, v)
			}
		}
	}
	counts := map[string]float64{"no_primary_key": 4, "redundant_index": 2, "auto_increment": 2}
	compare(got, counts)
	for series, v := range map[string]float64{
		`logkeel_mysql_auto_increment_used_ratio{schema="crm",table="tiny",column="id"}`:     110.0 / 127,
		`mysql_info_schema_auto_increment_column{schema="crm",table="tiny",column="id"}`:     111,
		`mysql_info_schema_auto_increment_column_max{schema="crm",table="tiny",column="id"}`: 127,
		`mysql_info_schema_auto_increment_column_max{schema="crm",table="huge",column="id"}`: 1 << 64,
		`logkeel_mysql_tables{schema="crm"}`:                                                 12,
	} {
		if w, ok := got[series]; !ok || w != v {
			t.Errorf("%s is %v (%v), want %v", series, w, ok, v)
		}
	}
	// MySQL does not know what comes next before there is a row.
	const young = `logkeel_mysql_auto_increment_used_ratio{schema="crm",table="young",column="id"}`
	if v, ok := got[young]; ok == srv.MySQL || v != 0 {
		t.Errorf("%s is %v (%v)", young, v, ok)
	}

	// The server runs for long enough to say which indexes nobody has used: not
	// those that are needed by foreign keys or forbid something, and not those of
	// tables that were not used themselves.
	s.audit.usageSince = 0
	later(s, time.Hour)
	add("child", "unused_index", "never")
	if got, err = audited(t, s); err != nil {
		t.Fatal(err)
	}
	counts["unused_index"] = 1
	compare(got, counts)

	// What has been put right is gone with the next audit, but is told until then.
	srv.SQL("ALTER TABLE crm.bare ADD PRIMARY KEY (a); DROP INDEX a ON crm.doubled; SELECT * FROM crm.child FORCE INDEX (never) WHERE never = 1;")
	later(s, 59*time.Minute)
	if got, err = audited(t, s); err != nil {
		t.Fatal(err)
	}
	compare(got, counts)
	later(s, time.Minute)
	delete(want, `logkeel_mysql_table_problem{schema="crm",table="bare",problem="no_primary_key",index=""}`)
	delete(want, `logkeel_mysql_table_problem{schema="crm",table="doubled",problem="redundant_index",index="a"}`)
	delete(want, `logkeel_mysql_table_problem{schema="crm",table="child",problem="unused_index",index="never"}`)
	counts["no_primary_key"], counts["redundant_index"], counts["unused_index"] = 3, 1, 0
	if got, err = audited(t, s); err != nil {
		t.Fatal(err)
	}
	compare(got, counts)
}

// Without the right to performance_schema only the use of indexes is missing.
func TestUsageNeedsARight(t *testing.T) {
	t.Parallel()
	srv := start(t)
	srv.SQL(auditGrants("auditor", "crm") + problemTables(srv) + "REVOKE SELECT ON performance_schema.table_io_waits_summary_by_index_usage FROM auditor@'127.0.0.1';")
	s := newSampler(t, auditing(srv.Addr, "auditor"))
	if _, err := audited(t, s); err != nil {
		t.Errorf("a server that was just started: %v", err) // nothing is asked
	}
	s.audit.usageSince = 0
	later(s, time.Hour)
	got, err := audited(t, s)
	testenv.WantError(t, err, "1142", "GRANT SELECT ON performance_schema.table_io_waits_summary_by_index_usage TO 'auditor'@'127.0.0.1'")
	if n := strings.Count(err.Error(), "GRANT"); n != 1 || got[`logkeel_mysql_table_problems{schema="crm",problem="no_primary_key"}`] != 4 {
		t.Errorf("%d times GRANT, %v without a key", n, got[`logkeel_mysql_table_problems{schema="crm",problem="no_primary_key"}`])
	}
	// A minute later the right is there, and nobody has to wait for an hour.
	srv.SQL("GRANT SELECT ON performance_schema.table_io_waits_summary_by_index_usage TO auditor@'127.0.0.1';")
	later(s, time.Minute)
	got, err = audited(t, s)
	if v, ok := got[`logkeel_mysql_table_problems{schema="crm",problem="unused_index"}`]; err != nil || !ok || v != 1 {
		t.Errorf("unused %v (%v), %v", v, ok, err)
	}
}
