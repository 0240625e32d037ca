// Package mysql samples a MariaDB or MySQL server, under the names that
// mysqld_exporter gives to its metrics.
package mysql

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/server"
)

// A Sampler asks one server. It keeps its connection from one snapshot to the
// next, so that it still measures a server that has no room for new clients.
type Sampler struct {
	c         Config
	connector driver.Connector
	audit     *auditor // nil: none

	mu     sync.Mutex // held for a whole snapshot
	db     *sql.DB    // of one connection; nil before the first snapshot
	raw    net.Conn   // the one that was dialled last
	panics int        // of the driver
	renew  bool       // the connection ends with the snapshot

	binlog, replication, locks, slow part
	slowLog                          slowLog
	others                           others // statements of performance_schema
	recent                           agent.RecentMeans
	recorded                         recording
}

// maxPanics is how often the driver may panic. Each time it leaves a goroutine
// behind that nothing can end.
const maxPanics = 100

var _ agent.Recorder = (*Sampler)(nil)

// New returns a Sampler of a Config that was checked. It connects when it is
// first asked.
func New(c Config) (*Sampler, error) {
	t, err := c.TLS.Client(server.Host(c.Address))
	if err != nil {
		return nil, fmt.Errorf("tls: %w", err)
	}
	d := mysql.NewConfig()
	d.Net, d.Addr = "tcp", c.Address
	if c.Socket != "" {
		d.Net, d.Addr = "unix", c.Socket
	}
	d.User, d.Passwd, d.DBName, d.TLS = c.User, c.Password.Value(), c.Database, t
	d.InterpolateParams = true // one round trip, and no prepared statement
	d.ConnectionAttributes = "program_name:logkeel"
	d.Logger = &mysql.NopLogger{} // what it logs, it returns as well
	s := &Sampler{c: c, slowLog: slowLog{most: slowTime}}
	if s.audit, err = newAuditor(c, d.Clone()); err != nil {
		return nil, errors.New(c.clean(err))
	}
	d.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		var err error
		s.raw, err = new(net.Dialer).DialContext(ctx, network, address)
		return s.raw, err
	}
	if s.connector, err = mysql.NewConnector(d); err != nil {
		return nil, errors.New(c.clean(err))
	}
	return s, nil
}

// Close ends the connection, and an audit that goes on. It waits for a snapshot that is being taken.
func (s *Sampler) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.audit.close()
	if s.db == nil {
		return nil
	}
	err := s.db.Close()
	s.db = nil
	return err
}

// Sample takes a snapshot: SELECT 1, the global status and variables, and the
// statements that take the most time.
func (s *Sampler) Sample(ctx context.Context, yield func(agent.Sample)) (err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := newPage(yield)
	defer func() { s.recorded = out.records }()
	// The driver panics on packets that are shorter than they should be.
	defer func() {
		if r := recover(); r != nil {
			s.abandon()
			out.gauge("mysql_up", helpUp, 0) // unless it was said to be up
			err = fmt.Errorf("%s: the answer is not of the MySQL protocol (%v); is this a MariaDB or MySQL server?", s.c.where(""), r)
		}
	}()
	if s.panics >= maxPanics {
		out.gauge("mysql_up", helpUp, 0)
		return fmt.Errorf("%s: the answer was not of the MySQL protocol %d times; it is not asked again before the agent is restarted", s.c.where(""), s.panics)
	}
	if s.db == nil {
		s.db = sql.OpenDB(s.connector)
		s.db.SetMaxOpenConns(1)
	}
	return s.sample(ctx, out)
}

// abandon gives up the connection in whatever state a panic left it. It is not
// closed in order: database/sql may still hold its lock.
func (s *Sampler) abandon() {
	s.panics++
	if s.raw != nil {
		s.raw.Close()
	}
	s.db.Close()
	s.db = nil
}

func (s *Sampler) sample(ctx context.Context, out *page) error {
	conn, took, err := s.ping(ctx)
	if err != nil {
		out.gauge("mysql_up", helpUp, 0)
		return s.c.explain(ctx, "", err)
	}
	out.gauge("mysql_up", helpUp, 1)
	out.gauge("logkeel_mysql_ping_seconds", "How long the server took to answer SELECT 1.", took.Seconds())

	var errs []error
	failed := func(err error) {
		if err != nil {
			errs = append(errs, err)
		}
	}
	status, err := writeStatus(ctx, conn, out)
	if err != nil {
		failed(s.c.explain(ctx, "SHOW GLOBAL STATUS", err))
	}
	variables, err := writeVariables(ctx, conn, out)
	if err != nil {
		failed(s.c.explain(ctx, "SHOW GLOBAL VARIABLES", err))
	} else {
		failed(s.statements(ctx, conn, variables, out))
		s.parts(ctx, conn, status, variables, out, failed)
	}
	if s.renew {
		s.renew = false
		drop(conn)
	}
	conn.Close() // back to db; not deferred, for after a panic it would wait for ever
	return errors.Join(append(errs, s.audit.sample(out), out.end())...)
}

const helpUp = "Whether the server answers."

// ping measures SELECT 1, on a new connection where the old one has ended.
func (s *Sampler) ping(ctx context.Context) (*sql.Conn, time.Duration, error) {
	for try := 0; ; try++ {
		conn, err := s.db.Conn(ctx)
		if err != nil {
			return nil, 0, err
		}
		start := time.Now()
		var one int
		err = conn.QueryRowContext(ctx, "SELECT 1").Scan(&one)
		if err == nil {
			return conn, time.Since(start), nil
		}
		// It may have ended just after it was looked at.
		conn.Close()
		if lost := errors.Is(err, driver.ErrBadConn) || errors.Is(err, mysql.ErrInvalidConn); !lost || try > 0 || ctx.Err() != nil {
			return nil, 0, err
		}
	}
}

// statements tells of single statements, as performance_schema has them, or the slow log.
func (s *Sampler) statements(ctx context.Context, conn *sql.Conn, variables map[string]string, out *page) error {
	slow, err := s.slowLogPart(ctx, conn, variables, out)
	on, _ := value(variables["performance_schema"])
	switch {
	case s.c.Statements.Limit == 0:
		return err
	case on == 0 && !slow && err == nil:
		return errors.New("performance_schema is off, so nothing is known of single statements; write performance_schema=ON under [mysqld] in the server's configuration and restart it, or have the slow ones in a table: slow_query_log=ON and log_output=TABLE, which can be set while it runs, or set statements.limit to 0 here")
	case on == 0:
		return err
	}
	if digests := s.writeStatements(ctx, conn, out); digests != nil {
		err = errors.Join(err, s.c.explain(ctx, digestTable, digests))
	}
	return err
}

// parts tells what takes rights of its own, as far as there are any.
func (s *Sampler) parts(ctx context.Context, conn *sql.Conn, status map[string]float64, variables map[string]string, out *page, failed func(error)) {
	on := productOf(variables)
	writeConnections(status, variables, out)
	writeRecovery(variables, out)
	writeGalera(variables, out)
	if logs, _ := value(variables["log_bin"]); logs == 1 {
		s.binlog.is("SHOW BINARY LOGS", "binary_log", on.binlogGrant())
		failed(s.read(ctx, &s.binlog, s.c.BinaryLog, false, out, func() error { return writeBinlogs(ctx, conn, out) }))
	}
	s.replication.is("the status of replication", "replication", on.replicationGrant())
	// The one hint that there is to be had without the right.
	replicates := status["slaves_running"] > 0 || status["slave_running"] > 0
	failed(s.read(ctx, &s.replication, s.c.Replication, replicates, out, func() error {
		n, err := writeReplication(ctx, conn, on, out)
		if err == nil && n == 0 && s.c.Replication == Always {
			return errors.New("the server is no replica, or has forgotten that it was one; set replication to auto or false if that is right")
		}
		return err
	}))
	s.locks.is("transactions and locks", "locks", locksGrant)
	failed(s.read(ctx, &s.locks, s.c.Locks, false, out, func() error { return writeLocks(ctx, conn, status, out) }))
}
