package mysql

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/testenv"
)

// checking is a Config with checks that are due at once.
func checking(t *testing.T, address, user string, change func(*TableCheck)) *Sampler {
	t.Helper()
	c := as(address, user)
	c.TableCheck = &TableCheck{}
	c.TableCheck.SetDefaults()
	c.TableCheck.Interval, c.TableCheck.Pause = 24*hour, 0
	change(c.TableCheck)
	s := newSampler(t, c)
	s.audit.firstWait = 0
	return s
}

func checkGrants(user, schema string) string {
	at := "'" + user + "'@'127.0.0.1'"
	return "CREATE USER " + at + " IDENTIFIED BY '" + password + "' WITH MAX_USER_CONNECTIONS 3;" +
		"GRANT SELECT ON performance_schema.events_statements_summary_by_digest TO " + at + ";" +
		"GRANT SELECT ON " + schema + ".* TO " + at + ";"
}

// holds runs a statement as root on a connection that stays open.
func holds(t *testing.T, srv *testenv.MariaDBServer, statement string) *sql.Conn {
	t.Helper()
	db, err := sql.Open("mysql", "root@unix("+srv.Socket+")/")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	conn, err := db.Conn(t.Context())
	if err == nil {
		_, err = conn.ExecContext(t.Context(), statement)
	}
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

func TestCheckTable(t *testing.T) {
	t.Parallel()
	srv := start(t)
	srv.SQL(checkGrants("checker", "crm") + problemTables(srv) + oddTables("crm") + `USE crm; CREATE TABLE lost (id INT); ALTER TABLE lost DISCARD TABLESPACE;
		CREATE TABLE mem (a INT) ENGINE=MEMORY; CREATE TABLE crash (a INT, b VARCHAR(200)) ENGINE=MyISAM; CREATE TABLE copy LIKE crash;
		INSERT INTO crash SELECT seq, REPEAT('x', 100) FROM ` + numbers(srv, 500) + `; FLUSH TABLES copy;`)
	// A table that was open when the server crashed, and lacks a part.
	dir := srv.SQL("SELECT @@datadir") + "crm/"
	srv.SQL("USE crm; INSERT INTO crash VALUES (1, 'y');")
	for _, suffix := range []string{".MYI", ".MYD"} {
		data, err := os.ReadFile(filepath.Join(dir, "crash"+suffix))
		if err != nil {
			t.Fatal(err)
		}
		if suffix == ".MYD" {
			data = data[:len(data)/2]
		}
		if err := os.WriteFile(filepath.Join(dir, "copy"+suffix), data, 0o660); err != nil {
			t.Fatal(err)
		}
	}
	s := checking(t, srv.Addr, "checker", func(*TableCheck) {})
	got, err := audited(t, s)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]float64{"lost": 0, "copy": 0}
	for _, name := range append(odd, "keyless", "bare", "heap", "unique_key", "doubled", "parent", "child", "untouched", "tiny", "huge", "young", "versioned", "crash") {
		want[name] = 1
	}
	n := 0
	for series, v := range got {
		if strings.HasPrefix(series, "logkeel_mysql_table_check_ok") {
			n++
		}
		if strings.HasPrefix(series, "logkeel_mysql_table_check_skipped") {
			t.Error(series, v)
		}
	}
	for table, v := range want {
		name := fmt.Sprintf(`{schema="crm",table=%q}`, table)
		if ok, there := got["logkeel_mysql_table_check_ok"+name]; !there || ok != v {
			t.Errorf("%s is %v (%v), want %v", name, ok, there, v)
		}
		if at := got["logkeel_mysql_table_check_timestamp_seconds"+name]; time.Since(time.UnixMilli(int64(at*1e3))) > time.Hour {
			t.Errorf("%s was checked at %v", name, at)
		}
	}
	if n != len(want) {
		t.Errorf("%d tables were checked, want %d", n, len(want))
	}
	if got[`logkeel_mysql_audit_ok{audit="check"}`] != 1 {
		t.Error("it is not done")
	}
	// What is wrong is told beside it.
	notes := map[string]string{}
	s.Sample(context.Background(), func(x agent.Sample) {
		if x.Name == "logkeel_mysql_table_check_ok" && x.Value == 0 {
			notes[x.Labels[1].Value] = x.Note
		}
	})
	if !strings.Contains(notes["lost"], "discarded") || notes["copy"] == "" {
		t.Errorf("%q", notes)
	}
}

func TestCheckOfLockedTable(t *testing.T) {
	t.Parallel()
	srv := start(t)
	srv.SQL(checkGrants("checker", "shop") + "CREATE TABLE shop.items (id INT PRIMARY KEY); CREATE TABLE shop.tills (id INT PRIMARY KEY);")
	s := checking(t, srv.Addr, "checker", func(c *TableCheck) { c.Tables = []string{"shop.orders", "`shop`.`items`", "shop.nope"} })
	s.audit.lockWait = time.Second
	lock := holds(t, srv, "LOCK TABLES shop.orders WRITE")
	for range 3 { // it holds nobody up
		if got, err := take(t, s); err != nil || len(got) < fewest(srv) {
			t.Errorf("while a table is locked: %d series, %v", len(got), err)
		}
	}
	settle(t, s)
	got, err := take(t, s)
	if err != nil {
		t.Error(err)
	}
	const skipped, ok = `logkeel_mysql_table_check_skipped{schema="shop",table="orders",reason="locked"}`, `logkeel_mysql_table_check_ok{schema="shop",table="orders"}`
	if _, there := got[ok]; there || got[skipped] != 1 || got[`logkeel_mysql_table_check_ok{schema="shop",table="items"}`] != 1 {
		t.Errorf("locked %v, checked %v, the other %v", got[skipped], there, got[`logkeel_mysql_table_check_ok{schema="shop",table="items"}`])
	}
	for series := range got {
		if strings.Contains(series, `"nope"`) || strings.Contains(series, `"tills"`) {
			t.Error(series)
		}
	}
	lock.ExecContext(t.Context(), "UNLOCK TABLES")
	later(s, 24*time.Hour)
	got, err = audited(t, s)
	if _, there := got[skipped]; err != nil || there || got[ok] != 1 {
		t.Errorf("unlocked: skipped %v, %v, %v", there, got[ok], err)
	}
	// One that is locked again keeps what it was.
	lock.ExecContext(t.Context(), "LOCK TABLES shop.orders WRITE")
	later(s, 24*time.Hour)
	if got, err = audited(t, s); err != nil || got[skipped] != 1 || got[ok] != 1 {
		t.Errorf("locked again: skipped %v, %v, %v", got[skipped], got[ok], err)
	}
}

func TestCheckNeedsARight(t *testing.T) {
	t.Parallel()
	srv := start(t)
	srv.SQL(auditGrants("checker", "shop"))
	right := "SELECT"
	if productOf(map[string]string{"version": srv.SQL("SELECT VERSION()")}).from(11, 8) {
		right = "REFERENCES" // which the user has: it suffices
		s := checking(t, srv.Addr, "checker", func(*TableCheck) {})
		if got, err := audited(t, s); err != nil || got[`logkeel_mysql_table_check_ok{schema="shop",table="orders"}`] != 1 {
			t.Errorf("with REFERENCES: %v", err)
		}
		s.Close()
		srv.SQL("REVOKE REFERENCES ON shop.* FROM checker@'127.0.0.1'")
	}
	s := checking(t, srv.Addr, "checker", func(c *TableCheck) { c.Tables = []string{"shop.orders"} })
	got, err := audited(t, s)
	testenv.WantError(t, err, "CHECK TABLE shop.orders: the server answers 1142", "GRANT "+right+" ON `shop`.* TO 'checker'@'127.0.0.1'")
	if got[`logkeel_mysql_table_check_skipped{schema="shop",table="orders",reason="denied"}`] != 1 || got["mysql_up"] != 1 {
		t.Errorf("up %v", got["mysql_up"])
	}
	s.Close()
	s = checking(t, srv.Addr, "checker", func(c *TableCheck) { c.Databases = []string{"none"} })
	_, err = audited(t, s)
	testenv.WantError(t, err, "the database none is not seen", "GRANT "+right+" ON `none`.*")
}
