package postgres

import (
	"context"
	"errors"
	"time"
)

// sizeBudget is the time that one snapshot has for measuring sizes; what is not
// done then is in the next.
const sizeBudget = 500 * time.Millisecond

// sizes are those of the databases, measured at an interval of their own, one after
// the other.
type sizes struct {
	interval time.Duration
	now      func() time.Time

	begun time.Time
	left  []string           // oids that are still to be measured
	known map[string]float64 // by oid
}

// measure measures those that are due, and tells all that are known.
func (s *sizes) measure(ctx context.Context, l *link, d *databases, out *page) error {
	if s.interval == 0 {
		return nil
	}
	start := s.now()
	if len(s.left) == 0 && (s.begun.IsZero() || start.Sub(s.begun) >= s.interval) {
		s.begun, s.left = start, d.oids
		s.forget(d)
	}
	var errs []error
	for len(s.left) > 0 && len(errs) == 0 && s.now().Sub(start) < sizeBudget {
		oid := s.left[0]
		s.left = s.left[1:]
		// Without the right to it the server would answer with an error.
		err := l.query(ctx, `SELECT pg_database_size(oid) FROM pg_database WHERE oid = `+literal(oid)+`::oid
			AND (has_database_privilege(oid, 'CONNECT') OR pg_has_role('pg_read_all_stats', 'USAGE'))`, 1, func(r row) {
			if n, ok := r.number(0); ok {
				s.known[oid] = n
			}
		})
		if err != nil {
			errs = append(errs, err)
		}
	}
	for _, oid := range d.oids {
		if n, ok := s.known[oid]; ok {
			_, datname := d.labels(oid)
			out.gauge("pg_database_size_bytes", "Size of the database on the disk.", n, datname)
		}
	}
	return errors.Join(errs...)
}

// forget drops the sizes of databases that are gone.
func (s *sizes) forget(d *databases) {
	kept := map[string]float64{}
	for _, oid := range d.oids {
		if n, ok := s.known[oid]; ok {
			kept[oid] = n
		}
	}
	s.known = kept
}
