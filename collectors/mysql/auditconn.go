package mysql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
)

const (
	// lockWait is how long an audit waits for a table that somebody has locked. It
	// is the server's own wait, which by default goes on for a day, or a year.
	lockWait = 5 * time.Second
	// connectTime is how long an audit's connection may take, until it is set up.
	connectTime = 10 * time.Second
	// killTime is how long ending a statement that was given up may take.
	killTime = 2 * time.Second
	// grace is how long after its own time limit the server may answer.
	grace = 2 * time.Second
)

// An auditConn is the connection of an audit. What is asked on it ends by itself:
// by the server's own limit where it has one, and by ours.
type auditConn struct {
	db    *sql.DB
	conn  *sql.Conn
	id    uint64            // by which the server knows it
	user  string            // whom the server takes it for, as GRANT has it: 'logkeel'@'%'
	vars  map[string]string // what it can do, of sessionVariables
	limit time.Duration     // of a statement, that is set
	stuck bool              // a statement was given up, and may still be at work
}

// sessionVariables say what the server can do: those that it does not know are
// not there.
var sessionVariables = []string{
	"max_statement_time",              // MariaDB: of any statement, in seconds
	"max_execution_time",              // MySQL: of a SELECT, in milliseconds
	"information_schema_stats_expiry", // MySQL 8: how old sizes and rows may be
	"lc_messages",
	"lock_wait_timeout",
	"performance_schema",
	"version", "version_comment",
}

// open connects, and asks what the server can do.
func (a *auditor) open(ctx context.Context) (*auditConn, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, connectTime, fmt.Errorf("no answer within %s", connectTime))
	defer cancel()
	s := &auditConn{db: sql.OpenDB(a.connector), vars: map[string]string{}}
	s.db.SetMaxOpenConns(1)
	conn, err := s.db.Conn(ctx)
	if err == nil {
		s.conn = conn
		err = s.setUp(ctx, a.lockWait)
	}
	if err != nil {
		err = a.c.explain(ctx, "", err)
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *auditConn) setUp(ctx context.Context, lockWait time.Duration) error {
	var user string
	if err := s.conn.QueryRowContext(ctx, "SELECT CONNECTION_ID(), CURRENT_USER()").Scan(&s.id, &user); err != nil {
		return err
	}
	name, host := user, "%"
	if i := strings.LastIndexByte(user, '@'); i >= 0 {
		name, host = user[:i], user[i+1:]
	}
	s.user = "'" + name + "'@'" + host + "'"
	known := "SHOW VARIABLES WHERE Variable_name IN ('" + strings.Join(sessionVariables, "', '") + "')"
	if err := show(ctx, s.conn, known, func(name, text string) { s.vars[name] = text }); err != nil {
		return err
	}
	set := "SET SESSION lock_wait_timeout = " + strconv.Itoa(int(lockWait.Seconds()))
	if _, ok := s.vars["information_schema_stats_expiry"]; ok {
		set += ", information_schema_stats_expiry = 0"
	}
	if _, ok := s.vars["lc_messages"]; ok {
		set += ", lc_messages = 'en_US'" // what CHECK TABLE says is read
	}
	_, err := s.conn.ExecContext(ctx, set)
	return err
}

// close ends the connection.
func (s *auditConn) close() {
	if s.conn != nil {
		s.conn.Close()
	}
	s.db.Close()
}

// limitTo has the server end each statement after d. A server that cannot is
// left to ours.
func (s *auditConn) limitTo(ctx context.Context, d time.Duration) error {
	if d == s.limit {
		return nil
	}
	set := ""
	if _, ok := s.vars["max_statement_time"]; ok {
		set = fmt.Sprintf("SET SESSION max_statement_time = %.3f", d.Seconds())
	} else if _, ok := s.vars["max_execution_time"]; ok {
		set = fmt.Sprintf("SET SESSION max_execution_time = %d", d.Milliseconds())
	}
	if set != "" {
		if _, err := s.conn.ExecContext(ctx, set); err != nil {
			return err
		}
	}
	s.limit = d
	return nil
}

// query calls row for each row, which it scans itself. It ends within d and
// grace, whatever the server does.
func (s *auditConn) query(ctx context.Context, d time.Duration, row func(*sql.Rows) error, query string, args ...any) error {
	ctx, cancel := context.WithTimeoutCause(ctx, d+grace, errSlow)
	defer cancel()
	err := s.ask(ctx, d, row, query, args...)
	if err != nil && ctx.Err() != nil {
		s.stuck = true
		return fmt.Errorf("%w: %w", context.Cause(ctx), err)
	}
	return err
}

var errSlow = errors.New("it took too long")

func (s *auditConn) ask(ctx context.Context, d time.Duration, row func(*sql.Rows) error, query string, args ...any) error {
	if err := s.limitTo(ctx, d); err != nil {
		return err
	}
	rows, err := s.conn.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := row(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// kill ends what was given up on a connection that is closed: the server does
// not see that before it is done, which MySQL's CHECK TABLE may be hours later.
// One's own connections may be ended without a right.
func (a *auditor) kill(id uint64) {
	ctx, cancel := context.WithTimeout(context.Background(), killTime)
	defer cancel()
	db := sql.OpenDB(a.connector)
	defer db.Close()
	// It fails where the connection has ended meanwhile, which is as well.
	_, _ = db.ExecContext(ctx, "KILL "+strconv.FormatUint(id, 10))
}

// Numbers of the server's errors: a statement waited too long for a lock, or was
// ended.
const (
	errLockWait    = 1205
	errInterrupted = 1317
)

// errNumber is the number of a server's error; 0 for any other.
func errNumber(err error) uint16 {
	var e *mysql.MySQLError
	if errors.As(err, &e) {
		return e.Number
	}
	return 0
}

// isSlow reports whether a statement was ended for it took too long.
func isSlow(err error) bool {
	switch errNumber(err) {
	case errMaxStatementTime, errMaxExecutionTime, errInterrupted:
		return true
	}
	return errors.Is(err, errSlow)
}

// isDenied reports whether a right is missing.
func isDenied(err error) bool {
	switch errNumber(err) {
	case errTableDenied, errColumnDenied, errDatabaseDenied, errPrivilegeMissing:
		return true
	}
	return false
}

// isLost reports whether nothing more can be asked on the connection.
func isLost(err error) bool { return err != nil && errNumber(err) == 0 }
