package mysql

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/webgrip/logkeel/agent/testenv"
)

// auditGrants makes the user that docs/samplers.md shows for audits.
func auditGrants(user, schema string) string {
	at := "'" + user + "'@'127.0.0.1'"
	return "CREATE USER " + at + " IDENTIFIED BY '" + password + "' WITH MAX_USER_CONNECTIONS 3;" +
		"GRANT SELECT ON performance_schema.events_statements_summary_by_digest TO " + at + ";" +
		"GRANT SELECT ON performance_schema.table_io_waits_summary_by_index_usage TO " + at + ";" +
		"GRANT REFERENCES ON " + schema + ".* TO " + at + ";"
}

// auditing is a Config with an audit of tables.
func auditing(address, user string) Config {
	c := as(address, user)
	c.Tables = &Tables{}
	c.Tables.SetDefaults()
	return c
}

// audited takes a snapshot after what is due has been done.
func audited(t *testing.T, s *Sampler) (map[string]float64, error) {
	t.Helper()
	take(t, s)
	settle(t, s)
	return take(t, s)
}

// settle waits until nothing goes on.
func settle(t *testing.T, s *Sampler) {
	t.Helper()
	s.audit.mu.Lock()
	cancel, done := s.audit.cancel, s.audit.done
	s.audit.mu.Unlock()
	if cancel == nil {
		return
	}
	select {
	case <-done:
	case <-time.After(60 * time.Second):
		t.Fatal("an audit does not end")
	}
}

// later makes an auditor's clock go on.
func later(s *Sampler, d time.Duration) {
	s.audit.mu.Lock()
	defer s.audit.mu.Unlock()
	now := s.audit.now
	s.audit.now = func() time.Time { return now().Add(d) }
}

// odd are names that have to be quoted.
var odd = []string{"we`ird", `quo"te's`, "with space", "größe☃", "semi;colon", "back\\slash", "per%cent_", "Orders"}

func oddTables(schema string) string {
	var b strings.Builder
	b.WriteString("SET NAMES utf8mb4;")
	for _, name := range odd {
		fmt.Fprintf(&b, "CREATE TABLE %s.%s (id INT AUTO_INCREMENT PRIMARY KEY, %s INT, KEY %s (%s));", quote(schema), quote(name), quote(name), quote(name), quote(name))
	}
	return b.String()
}

func TestTablesAreWhatTheServerSays(t *testing.T) {
	t.Parallel()
	srv := start(t, "--innodb-stats-persistent=ON")
	srv.SQL(auditGrants("auditor", "shop") + oddTables("shop") + `
		CREATE SCHEMA hidden; CREATE TABLE hidden.t (id INT);
		CREATE TABLE shop.part (id INT PRIMARY KEY) ENGINE=MyISAM; CREATE TABLE shop.all_null (id INT, x INT, PRIMARY KEY (id)) ENGINE=MERGE UNION=(shop.part);
		CREATE VIEW shop.v AS SELECT 1; ` + sequence(srv, "shop.s") + `
		USE shop; INSERT INTO orders SELECT seq + 2, seq + 2 FROM ` + numbers(srv, 2998) + `; ANALYZE TABLE shop.orders;`)
	got, err := audited(t, newSampler(t, auditing(srv.Addr, "auditor")))
	if err != nil {
		t.Fatal(err)
	}
	checked := 0
	want := func(series, text string) {
		t.Helper()
		if text == "NULL" {
			text = "0"
		}
		if v, ok := got[series]; !ok || fmt.Sprint(v) != text {
			t.Errorf("%s is %v (%v), the server says %s", series, v, ok, text)
		}
		checked++
	}
	rows := strings.Split(srv.SQL(`SET NAMES utf8mb4; SELECT TABLE_NAME, ENGINE, ROW_FORMAT, CREATE_OPTIONS, VERSION, TABLE_ROWS, DATA_LENGTH, INDEX_LENGTH, DATA_FREE, AUTO_INCREMENT
		FROM information_schema.TABLES WHERE TABLE_SCHEMA = 'shop' AND TABLE_TYPE = 'BASE TABLE'`), "\n")
	nulls, wantNulls := 0, 3
	if srv.MySQL { // which says something of each
		wantNulls = 0
	}
	for _, row := range rows {
		f := strings.Split(row, "\t")
		for i := range f[:4] {
			if f[i] == "NULL" { // as mysqld_exporter has it
				f[i] = "NONE"
				nulls++
			}
		}
		name := fmt.Sprintf(`{schema="shop",table=%q`, unescape(f[0]))
		want("mysql_info_schema_table_version"+name+fmt.Sprintf(`,type="BASE TABLE",engine=%q,row_format=%q,create_options=%q}`, f[1], f[2], f[3]), f[4])
		want("mysql_info_schema_table_rows"+name+"}", f[5])
		want("mysql_info_schema_table_size"+name+`,component="data_length"}`, f[6])
		want("mysql_info_schema_table_size"+name+`,component="index_length"}`, f[7])
		want("mysql_info_schema_table_size"+name+`,component="data_free"}`, f[8])
		if f[9] != "NULL" && f[0] != "part" { // MySQL has one of a MyISAM table that counts nothing
			want("mysql_info_schema_auto_increment_column"+name+`,column="id"}`, f[9])
		}
	}
	for line := range strings.Lines(srv.SQL("SET NAMES utf8mb4; SELECT MAX(TABLE_NAME), MAX(INDEX_NAME), MAX(CARDINALITY) FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = 'shop' GROUP BY CAST(TABLE_NAME AS BINARY), CAST(INDEX_NAME AS BINARY)")) {
		f := strings.Split(strings.TrimSpace(line), "\t")
		want(fmt.Sprintf(`logkeel_mysql_index_cardinality{schema="shop",table=%q,index=%q}`, unescape(f[0]), unescape(f[1])), f[2])
	}
	if v := got[`mysql_info_schema_table_rows{schema="shop",table="orders"}`]; len(rows) != len(odd)+3 || nulls != wantNulls || v < 2900 || v > 3100 || checked < 60 {
		t.Errorf("%d tables, %d of their texts are NULL, %v rows in shop.orders, %d values were compared", len(rows), nulls, v, checked)
	}
	for series, v := range map[string]float64{
		"logkeel_mysql_tables{schema=\"shop\"}": float64(len(rows)), "logkeel_mysql_tables_omitted": 0, "logkeel_mysql_indexes_omitted": 0,
		`logkeel_mysql_audit_ok{audit="tables"}`: 1, `logkeel_mysql_table_problems{schema="shop",problem="no_primary_key"}`: 0,
		`logkeel_mysql_table_problems{schema="shop",problem="redundant_index"}`: 0, `logkeel_mysql_table_problems{schema="shop",problem="auto_increment"}`: 0,
	} {
		if w, ok := got[series]; !ok || w != v {
			t.Errorf("%s is %v (%v), want %v", series, w, ok, v)
		}
	}
	for series := range got {
		if strings.Contains(series, `"hidden"`) || strings.Contains(series, "unused_index") {
			t.Error(series)
		}
	}
}

// unescape undoes what the client mariadb does to a backslash.
func unescape(s string) string { return strings.ReplaceAll(s, `\\`, `\`) }

func TestAuditNeedsRights(t *testing.T) {
	t.Parallel()
	srv := start(t)
	srv.SQL(auditGrants("auditor", "shop") + "CREATE SCHEMA `empty`; CREATE SCHEMA crm; CREATE TABLE crm.t (id INT PRIMARY KEY); GRANT SHOW DATABASES ON *.* TO auditor@'127.0.0.1';")
	for name, c := range map[string]struct {
		user      string
		databases []string
		says      []string
	}{
		"none":         {"logkeel", nil, []string{"no database is seen", "GRANT REFERENCES ON `…`.* TO 'logkeel'@'127.0.0.1'"}},
		"not this one": {"logkeel", []string{"shop"}, []string{"the database shop is not seen", "GRANT REFERENCES ON `shop`.* TO 'logkeel'@'127.0.0.1'"}},
		"no table":     {"auditor", []string{"shop", "crm"}, []string{"no table of crm is seen", "GRANT REFERENCES ON `crm`.* TO 'auditor'@'127.0.0.1'"}},
		"no such":      {"auditor", []string{"shop", "no`pe"}, []string{"the database no`pe is not seen", "REFERENCES ON `no``pe`.*"}},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := auditing(srv.Addr, c.user)
			cfg.Tables.Databases = c.databases
			got, err := audited(t, newSampler(t, cfg))
			testenv.WantError(t, err, c.says...)
			_, shop := got[`mysql_info_schema_table_rows{schema="shop",table="orders"}`]
			if shop != (c.user == "auditor") || got["mysql_up"] != 1 || got[`logkeel_mysql_audit_ok{audit="tables"}`] != 0 || len(got) < fewest(srv) {
				t.Errorf("shop %v, up %v, audit %v, %d series", shop, got["mysql_up"], got[`logkeel_mysql_audit_ok{audit="tables"}`], len(got))
			}
		})
	}
	srv.SQL("GRANT REFERENCES ON crm.* TO auditor@'127.0.0.1'; GRANT REFERENCES ON `empty`.* TO auditor@'127.0.0.1';")
	if got, err := audited(t, newSampler(t, auditing(srv.Addr, "auditor"))); err != nil || got[`logkeel_mysql_tables{schema="crm"}`] != 1 {
		t.Errorf("with all rights: %v", err)
	}
}
