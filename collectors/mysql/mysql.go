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
}

// maxPanics is how often the driver may panic. Each time it leaves a goroutine
// behind that nothing can end.
const maxPanics = 100

var _ agent.Sampler = (*Sampler)(nil)

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
	s := &Sampler{c: c}
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
	if err := writeStatus(ctx, conn, out); err != nil {
		errs = append(errs, s.c.explain(ctx, "SHOW GLOBAL STATUS", err))
	}
	digests, err := writeVariables(ctx, conn, out)
	switch {
	case err != nil:
		errs = append(errs, s.c.explain(ctx, "SHOW GLOBAL VARIABLES", err))
	case s.c.Statements.Limit == 0:
	case !digests:
		errs = append(errs, errors.New("performance_schema is off, so nothing is known of single statements; write performance_schema=ON under [mysqld] in the server's configuration and restart it, or set statements.limit to 0 here"))
	default:
		if err := writeStatements(ctx, conn, s.c.Statements, out); err != nil {
			errs = append(errs, s.c.explain(ctx, digestTable, err))
		}
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
