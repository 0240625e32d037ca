// Package postgres samples a PostgreSQL server, under the names that
// postgres_exporter gives to its metrics.
package postgres

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/webgrip/logkeel/agent"
)

// A Sampler asks one server. It keeps its connection from one snapshot to the
// next, so that it still measures a server that has no room for new clients.
type Sampler struct {
	c       Config
	options *pgconn.Config
	schema  string // of the server's views
	own     int    // databases that have series of their own

	mu         sync.Mutex // held for a whole snapshot
	l          *link      // nil where there is no connection
	cat        *catalog   // of l; nil before it was read
	sizes      sizes
	statements statements
	last       *page // the last snapshot
}

var _ agent.Recorder = (*Sampler)(nil)

// New returns a Sampler of a Config that was checked. It connects when it is
// first asked.
func New(c Config) (*Sampler, error) {
	o, err := options(c)
	if err != nil {
		return nil, err
	}
	return &Sampler{
		c: c, options: o, schema: "pg_catalog", own: maxDatabases,
		sizes:      sizes{interval: time.Duration(c.Sizes.Interval), now: time.Now},
		statements: statements{Statements: c.Statements},
	}, nil
}

// Close ends the connection. It waits for a snapshot that is being taken.
func (s *Sampler) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.l != nil {
		s.l.close()
	}
	s.l = nil
	return nil
}

// drop ends a connection that is of no more use.
func (s *Sampler) drop() {
	if s.l != nil {
		s.l.cut()
	}
	s.l, s.cat = nil, nil
}

// Sample takes a snapshot: SELECT 1, the settings, the statistics of the server and
// of its databases, who is connected, and the statements that take the most time.
func (s *Sampler) Sample(ctx context.Context, yield func(agent.Sample)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := newPage()
	s.last = out
	err := s.sample(ctx, out)
	if s.l != nil && (ctx.Err() != nil || s.l.IsClosed()) {
		s.drop()
	}
	for _, sample := range out.samples {
		yield(sample)
	}
	return err
}

const helpUp = "Whether the server answers."

func (s *Sampler) sample(ctx context.Context, out *page) error {
	took, err := s.ping(ctx)
	if err != nil {
		out.gauge("pg_up", helpUp, 0)
		return s.c.explain(ctx, "", err)
	}
	out.gauge("pg_up", helpUp, 1)
	out.gauge("logkeel_postgres_ping_seconds", "How long the server took to answer SELECT 1.", took.Seconds())
	if err := s.about(ctx, out); err != nil {
		return err
	}
	if s.cat == nil {
		if s.cat, err = probe(ctx, s.l, s.schema); err != nil {
			s.cat = nil
			return s.c.explain(ctx, "pg_attribute", err)
		}
	}
	var errs []error
	if out.hidden {
		errs = append(errs, fmt.Errorf("the user %s does not see what others do: %s", quoted(s.c.User), s.c.grant()))
	}
	var d *databases
	var limits map[string]float64
	for _, part := range []struct {
		name string
		do   func() error
	}{
		{"pg_settings", func() (err error) { limits, err = writeSettings(ctx, s.l, out); return err }},
		{"pg_stat_bgwriter", func() error { return writeServer(ctx, s.l, s.cat, out) }},
		{"pg_database", func() (err error) { d, err = readDatabases(ctx, s.l, s.own, out); return err }},
		{"pg_stat_database", func() error { return writeDatabases(ctx, s.l, s.cat, d, out) }},
		{"pg_stat_activity", func() error { return writeActivity(ctx, s.l, d, limits, out) }},
		{"pg_locks", func() error { return writeLocks(ctx, s.l, d, out) }},
		{"pg_stat_replication", func() error { return writeReplication(ctx, s.l, s.cat, out) }},
		{"pg_database_size", func() error { return s.sizes.measure(ctx, s.l, d, out) }},
	} {
		if err := part.do(); err != nil {
			errs = append(errs, s.c.explain(ctx, part.name, err))
		}
		if d == nil && part.name == "pg_database" || s.l.IsClosed() || ctx.Err() != nil {
			return errors.Join(errs...)
		}
	}
	errs = append(errs, s.statements.measure(ctx, s.l, &s.c, out), out.end())
	return errors.Join(errs...)
}

// oldest is the oldest version whose functions have the names that are used here.
const oldest = 100_000

// about tells what the server is.
func (s *Sampler) about(ctx context.Context, out *page) error {
	number := 0.0
	err := s.l.query(ctx, `SELECT current_setting('server_version_num'), version(), extract(epoch FROM pg_postmaster_start_time())`, 3, func(r row) {
		number, _ = r.number(0)
		out.gauge("pg_static", "What the server is; always 1.", 1,
			agent.Label{Name: "version", Value: r.text(1)},
			agent.Label{Name: "short_version", Value: fmt.Sprintf("%d.%d.0", int(number)/10_000, int(number)%10_000)})
		if v, ok := r.number(2); ok {
			out.gauge("pg_postmaster_start_time_seconds", "When the server was started, in seconds since 1970.", v)
		}
	})
	if err != nil {
		return s.c.explain(ctx, "version()", err)
	}
	if number < oldest {
		return fmt.Errorf("%s: the server is older than PostgreSQL 10, of which only pg_up is told", s.c.where(""))
	}
	err = s.l.query(ctx, `SELECT pg_has_role('pg_read_all_stats', 'USAGE')`, 1, func(r row) { out.hidden = string(r[0]) == "f" })
	if err != nil {
		return s.c.explain(ctx, "pg_has_role", err)
	}
	return nil
}

// Records yields the main numbers of the server as one record, and one for each
// database, each statement, and what else has labels.
func (s *Sampler) Records(yield func([]agent.Field)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.last != nil {
		s.last.records(yield)
	}
}

// ping measures SELECT 1, on a new connection where the old one has ended.
func (s *Sampler) ping(ctx context.Context) (time.Duration, error) {
	if s.l != nil {
		took, err := s.one(ctx)
		if err == nil || ctx.Err() != nil {
			return took, err
		}
		s.drop() // it may have ended long ago: the server was restarted, or has a timeout
	}
	l, err := connect(ctx, s.options, s.c.Socket)
	if err != nil {
		return 0, err
	}
	s.l = l
	return s.one(ctx)
}

func (s *Sampler) one(ctx context.Context) (time.Duration, error) {
	start := time.Now()
	err := s.l.query(ctx, "SELECT 1", 1, func(row) {})
	return time.Since(start), err
}
