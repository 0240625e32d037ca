package mysql

import (
	"database/sql/driver"
	"errors"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
)

// What MariaDB and MySQL answer to CHECK TABLE.
func TestJudge(t *testing.T) {
	sql := func(number uint16) error { return fmt.Errorf("x: %w", &mysql.MySQLError{Number: number}) }
	for _, c := range []struct {
		said []message
		err  error
		want string
	}{
		{[]message{{"status", "OK"}}, nil, isSound},
		{[]message{{"status", "Table is already up to date"}}, nil, isSound},
		{[]message{{"warning", "1 client is using or hasn't closed the table properly"}, {"status", "OK"}}, nil, isSound},
		{[]message{{"Error", "Tablespace has been discarded for table `t`"}, {"error", "Corrupt"}}, nil, isBroken},
		{[]message{{"Warning", "InnoDB: Index a is marked as corrupted"}, {"error", "Corrupt"}}, nil, isBroken},
		{[]message{{"Error", "Table 'shop.t' doesn't exist in engine"}, {"status", "Operation failed"}}, nil, isBroken},
		{[]message{{"Error", "Table 'shop.t' doesn't exist"}, {"status", "Operation failed"}}, nil, isGone},
		// A check that was ended: no corruption, although it says so.
		{[]message{{"Error", "Query execution was interrupted (max_statement_time exceeded)"}, {"error", "Corrupt"}}, nil, tookTooLong},
		{[]message{{"Error", "Query execution was interrupted"}, {"error", "Corrupt"}}, nil, tookTooLong},
		{[]message{{"Error", "Lock wait timeout exceeded; try restarting transaction"}, {"status", "Operation failed"}}, nil, isLocked},
		{[]message{{"Error", "Can't open file: './shop/t.frm' (errno: 24 \"Too many open files\")"}, {"status", "Operation failed"}}, nil, noFiles},
		{[]message{{"note", "The storage engine for the table doesn't support check"}}, nil, cannotBeChecked},
		{nil, nil, isRefused},
		{nil, sql(errTableDenied), isDeniedCheck},
		{nil, sql(errMaxStatementTime), tookTooLong},
		{nil, sql(errInterrupted), tookTooLong},
		{nil, sql(errLockWait), isLocked},
		{nil, sql(1064), isRefused},
		{nil, fmt.Errorf("%w: %w", errSlow, driver.ErrBadConn), tookTooLong},
		{nil, driver.ErrBadConn, connectionLost},
		{nil, errors.New("broken pipe"), connectionLost},
	} {
		if got, _ := judge(c.said, c.err); got != c.want {
			t.Errorf("%v, %v: %s, want %s", c.said, c.err, got, c.want)
		}
	}
}

func TestNextCheck(t *testing.T) {
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		check     TableCheck
		now, want string
		first     string
	}{
		{TableCheck{}, "2026-03-01 03:29:59", "2026-03-01 03:30:00", "2026-03-01 03:30:00"},
		{TableCheck{At: "03:30"}, "2026-03-01 03:30:00", "2026-03-02 03:30:00", "2026-03-02 03:30:00"},
		{TableCheck{At: "23:59"}, "2026-12-31 23:59:30", "2027-01-01 23:59:00", "2027-01-01 23:59:00"},
		{TableCheck{At: "02:30"}, "2026-03-28 12:00:00", "2026-03-29 03:30:00", "2026-03-29 03:30:00"}, // there is no 02:30
		{TableCheck{Interval: 24 * hour}, "2026-03-01 12:00:00", "2026-03-02 12:00:00", "2026-03-01 12:10:00"},
		{TableCheck{Interval: 10 * minute}, "2026-03-01 12:00:00", "2026-03-01 12:10:00", "2026-03-01 12:10:00"},
	} {
		now, err := time.ParseInLocation(time.DateTime, c.now, zone)
		if err != nil {
			t.Fatal(err)
		}
		a := &auditor{c: Config{TableCheck: &c.check}, firstWait: firstCheck}
		if got := a.nextCheck(now).Format(time.DateTime); got != c.want {
			t.Errorf("%+v at %s: %s, want %s", c.check, c.now, got, c.want)
		}
		if got := a.firstCheck(now).Format(time.DateTime); got != c.first {
			t.Errorf("%+v first at %s: %s, want %s", c.check, c.now, got, c.first)
		}
	}
}

func TestJobIsTriedAgain(t *testing.T) {
	var j job
	now := time.Unix(1e9, 0)
	bad := errors.New("x")
	for _, want := range []time.Duration{1, 2, 4, 8, 16, 32, 60, 60} {
		if j.end(now, now, now.Add(time.Hour), bad); j.due.Sub(now) != want*time.Minute {
			t.Errorf("after %d failures in %s, want %d min", j.tries, j.due.Sub(now), want)
		}
	}
	if j.end(now, now, now.Add(time.Hour), nil); j.due.Sub(now) != time.Hour || j.tries != 0 {
		t.Errorf("after a success in %s", j.due.Sub(now))
	}
}

// A check that takes too long is ended, also by a server that has no limit of
// its own for it, as MySQL; and it is no corruption.
func TestCheckTakesTooLong(t *testing.T) {
	t.Parallel()
	srv := start(t)
	srv.SQL(checkGrants("checker", "shop") + "CREATE TABLE shop.tills (id INT PRIMARY KEY);")
	holds(t, srv, "LOCK TABLES shop.orders WRITE")
	for _, limit := range []string{"max_statement_time", "no_statement_limit"} {
		p := newProxy(t, srv.Addr, nil)
		p.from, p.to = "'max_statement_time'", "'"+limit+"'"
		s := checking(t, p.addr, "checker", func(c *TableCheck) { c.Timeout = 5 * second })
		s.audit.lockWait = 5 * time.Minute // so that it is the time of the check that ends it, and that is enough for the other table
		audited(t, s)
		got, err := audited(t, s) // it may take a second connection
		if err != nil {
			t.Errorf("%s: %v", limit, err)
		}
		_, there := got[`logkeel_mysql_table_check_ok{schema="shop",table="orders"}`]
		if there || got[`logkeel_mysql_table_check_skipped{schema="shop",table="orders",reason="timeout"}`] != 1 || got[`logkeel_mysql_table_check_ok{schema="shop",table="tills"}`] != 1 {
			t.Errorf("%s: checked %v, skipped %v, the other %v", limit, there, got[`logkeel_mysql_table_check_skipped{schema="shop",table="orders",reason="timeout"}`], got[`logkeel_mysql_table_check_ok{schema="shop",table="tills"}`])
		}
		if n := srv.SQL("SELECT COUNT(*) FROM information_schema.processlist WHERE INFO LIKE 'CHECK TABLE%'"); n != "0" {
			t.Errorf("%s: %s checks go on", limit, n)
		}
		s.Close()
	}
}

// A table that brings the server down is not checked again, nor another one.
func TestServerIsLostInACheck(t *testing.T) {
	t.Parallel()
	srv := start(t)
	srv.SQL(checkGrants("checker", "shop") + "CREATE TABLE shop.tills (id INT PRIMARY KEY);")
	p := newProxy(t, srv.Addr, func(*proxy, net.Conn) {})
	p.on("CHECK TABLE")
	s := checking(t, p.addr, "checker", func(*TableCheck) {})
	audited(t, s)
	later(s, time.Hour)
	got, err := audited(t, s)
	if err == nil || got[`logkeel_mysql_table_check_skipped{schema="shop",table="orders",reason="connection lost"}`] != 1 || p.seen.Load() != 1 {
		t.Errorf("skipped %v, %d checks, %v", got[`logkeel_mysql_table_check_skipped{schema="shop",table="orders",reason="connection lost"}`], p.seen.Load(), err)
	}
	p.on("\x00nothing")
	later(s, 24*time.Hour)
	if got, err = audited(t, s); err != nil || got[`logkeel_mysql_table_check_ok{schema="shop",table="orders"}`] != 1 {
		t.Errorf("the next day: %v", err)
	}
}
