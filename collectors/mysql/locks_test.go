package mysql

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/testenv"
)

// session is a connection as root.
func session(t *testing.T, srv *testenv.MariaDBServer) *sql.Conn {
	t.Helper()
	return sessionOf(t, srv, "root")
}

func sessionOf(t *testing.T, srv *testenv.MariaDBServer, user string) *sql.Conn {
	t.Helper()
	db, err := sql.Open("mysql", user+"@unix("+srv.Socket+")/")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

func run(t *testing.T, conn *sql.Conn, statements ...string) {
	t.Helper()
	for _, s := range statements {
		if _, err := conn.ExecContext(t.Context(), s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

func TestLocks(t *testing.T) {
	t.Parallel()
	srv := start(t, "--default-time-zone=+05:00") // the times of transactions are in another one
	grantParts(srv, "logkeel")
	s := newSampler(t, as(srv.Addr, "logkeel"))
	got, err := take(t, s)
	if err != nil {
		t.Fatal(err)
	}
	want(t, got, map[string]float64{
		`logkeel_mysql_lock_waits{lock="row"}`: 0, `logkeel_mysql_lock_waits{lock="table"}`: 0, "logkeel_mysql_longest_transaction_seconds": 0,
		"logkeel_mysql_longest_lock_wait_seconds": 0, "logkeel_mysql_transactions": 0, "logkeel_mysql_deadlocks_total": 0,
	})

	// One holds a row, one waits for it, and one waits for the table.
	holds, row, table := session(t, srv), session(t, srv), session(t, srv)
	run(t, holds, "BEGIN", "UPDATE shop.orders SET total = 1 WHERE id = 1")
	var id int
	if err := holds.QueryRowContext(t.Context(), "SELECT CONNECTION_ID()").Scan(&id); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{}, 2)
	ask := func(conn *sql.Conn, statement string) {
		_, _ = conn.ExecContext(ctx, statement)
		done <- struct{}{}
	}
	go ask(row, "UPDATE shop.orders SET total = 2 WHERE id = 1")
	until(t, "the row is waited for", func() bool { // or it would wait for who changes the table
		got, err = take(t, s)
		return err != nil || got[`logkeel_mysql_lock_waits{lock="row"}`] == 1
	})
	go ask(table, "ALTER TABLE shop.orders ADD COLUMN more INT")
	until(t, "both wait for some seconds", func() bool {
		got, err = take(t, s)
		return err != nil || got[`logkeel_mysql_lock_waits{lock="row"}`] == 1 && got[`logkeel_mysql_lock_waits{lock="table"}`] == 1 && got["logkeel_mysql_longest_lock_wait_seconds"] >= 2
	})
	if err != nil {
		t.Fatal(err)
	}
	if age := got["logkeel_mysql_longest_transaction_seconds"]; age < 2 || age > 600 {
		t.Errorf("a transaction of some seconds is %v s old", age)
	}
	want(t, got, map[string]float64{"logkeel_mysql_transactions": 2, "logkeel_mysql_transaction_rows_modified": 1})
	if v := got[`mysql_info_schema_processlist_threads{command="query",state="waiting_for_table_metadata_lock"}`]; v != 1 {
		t.Errorf("%v threads wait for a table", v)
	}
	note := ""
	_ = s.Sample(t.Context(), func(s agent.Sample) {
		if s.Name == "logkeel_mysql_longest_transaction_seconds" {
			note = s.Note
		}
	})
	if want := fmt.Sprintf("the oldest transaction is that of connection %d; KILL %d ends it", id, id); note != want {
		t.Errorf("%q, want %q", note, want)
	}
	used := 0
	fmt.Sscan(srv.SQL("SELECT COUNT(*) - 1 FROM information_schema.processlist WHERE command <> 'Daemon'"), &used)
	if v := got["logkeel_mysql_connections_used_ratio"]; v != float64(used)/20 || used < 4 {
		t.Errorf("%v of the connections are used; there are %d of 20", v, used)
	}
	cancel()
	<-done
	<-done
	run(t, holds, "ROLLBACK")
}

func TestDeadlocks(t *testing.T) {
	t.Parallel()
	srv := start(t)
	grantParts(srv, "logkeel")
	one, other := session(t, srv), session(t, srv)
	run(t, one, "BEGIN", "UPDATE shop.orders SET total = 1 WHERE id = 1")
	run(t, other, "BEGIN", "UPDATE shop.orders SET total = 1 WHERE id = 2")
	done := make(chan error)
	go func() {
		_, err := one.ExecContext(t.Context(), "UPDATE shop.orders SET total = 1 WHERE id = 2")
		done <- err
	}()
	time.Sleep(50 * time.Millisecond) // either order makes one of them give up
	_, err := other.ExecContext(t.Context(), "UPDATE shop.orders SET total = 1 WHERE id = 1")
	if e := <-done; (err == nil) == (e == nil) {
		t.Fatalf("%v and %v: want one that gives up", err, e)
	}
	s := newSampler(t, as(srv.Addr, "logkeel"))
	got, err := take(t, s)
	if err != nil {
		t.Fatal(err)
	}
	want(t, got, map[string]float64{"logkeel_mysql_deadlocks_total": 1})
	if !srv.MySQL { // which has no status of the name
		want(t, got, map[string]float64{"mysql_global_status_innodb_deadlocks": 1})
	}

	// A server without the status of that name has it elsewhere.
	found := map[string]float64{}
	err = writeLocks(t.Context(), session(t, srv), nil, newPage(func(s agent.Sample) { found[testenv.Series(s)] = s.Value }))
	if v, ok := found["logkeel_mysql_deadlocks_total"]; err != nil || !ok || v != 1 {
		t.Errorf("by the metrics of InnoDB: %v (%v), %v", v, ok, err)
	}
}

func TestStateName(t *testing.T) {
	for text, want := range map[string]string{
		"": "unknown", "Waiting for table metadata lock": "waiting_for_table_metadata_lock", "Sending data": "sending_data",
		"Sleep": "sleep", "Binlog Dump": "binlog_dump", "Has sent all; waiting, (x): y.": "has_sent_all_waiting_x_y", strings.Repeat("é", 100): strings.Repeat("_", 64),
	} {
		if got := stateName(text); got != want {
			t.Errorf("%q is %q, want %q", text, got, want)
		}
	}
}
