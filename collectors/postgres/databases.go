package postgres

import (
	"context"
	"fmt"
	"strings"

	"github.com/webgrip/logkeel/agent"
)

const (
	// maxDatabases have series of their own: the oldest ones, so that a new one
	// takes no other's place. The others are one series together.
	maxDatabases = 50
	other        = "(other)"

	// wraparound is how many transactions may be begun before the oldest that a
	// table may hold: then the server takes no more.
	wraparound = 1 << 31
)

// databases are those of the server.
type databases struct {
	oids  []string // in order
	names map[string]string
}

// labels are those of a database; of one that was made meanwhile those of all others.
func (d *databases) labels(oid string) (datid, datname agent.Label) {
	name, ok := d.names[oid]
	switch {
	case oid == "0": // what all of them share
	case !ok:
		oid, name = "", other
	}
	return agent.Label{Name: "datid", Value: oid}, agent.Label{Name: "datname", Value: name}
}

// readDatabases reads all, of which so many have series of their own. It also tells how old the oldest transaction is that each one may hold.
func readDatabases(ctx context.Context, l *link, own int, out *page) (*databases, error) {
	d := &databases{names: map[string]string{}}
	err := l.query(ctx, `SELECT oid, datname, datconnlimit, datallowconn, age(datfrozenxid), mxid_age(datminmxid) FROM pg_database ORDER BY oid`, 6, func(r row) {
		oid := r.text(0)
		if len(d.oids) < own {
			d.names[oid] = r.text(1)
		}
		d.oids = append(d.oids, oid)
		_, datname := d.labels(oid)
		if n, ok := r.number(2); ok && d.names[oid] != "" {
			out.gauge("pg_database_connection_limit", "Connections that the database may have; -1 for as many as there are.", n, datname)
		}
		if allowed, _ := r.number(3); allowed == 0 {
			return
		}
		xid, _ := r.number(4)
		mxid, _ := r.number(5)
		out.most("pg_database_wraparound_age_datfrozenxid_seconds", "How many transactions ago the oldest was begun that is not frozen; no seconds, in spite of the name.", xid, datname)
		out.most("pg_database_wraparound_age_datminmxid_seconds", "The same of multixacts.", mxid, datname)
		out.most("logkeel_postgres_wraparound_ratio", "The greater one of these two, as a part of what the server can tell apart; at 1 it writes no more.", max(xid, mxid)/wraparound, datname)
	})
	if err != nil {
		return nil, err
	}
	out.gauge("logkeel_postgres_databases", fmt.Sprintf("Databases; those beyond %d are together %s.", own, other), float64(len(d.oids)))
	return d, nil
}

// writeDatabases tells of each database what pg_stat_database knows.
func writeDatabases(ctx context.Context, l *link, cat *catalog, d *databases, out *page) error {
	for _, v := range []view{databaseView, conflictView} {
		columns, exprs := cat.of(v)
		sql := "SELECT datid, " + strings.Join(exprs, ", ") + " FROM " + cat.table(v.name)
		err := l.query(ctx, sql, 1+len(exprs), func(r row) {
			datid, datname := d.labels(r.text(0))
			v.tell(r, 1, columns, out, datid, datname)
			for i, col := range columns {
				if n, ok := r.number(1 + i); ok && v.name == databaseView.name && col.name == "active_time" {
					out.counter("pg_stat_database_active_time_seconds_total", "Time in which sessions ran something.", n/1000, datid, datname)
				}
			}
		})
		if err != nil {
			return err
		}
	}
	return nil
}

var lockModes = []string{
	"accesssharelock", "rowsharelock", "rowexclusivelock", "shareupdateexclusivelock", "sharelock", "sharerowexclusivelock",
	"exclusivelock", "accessexclusivelock", "sireadlock",
}

// writeLocks tells of the locks that there are, and of those that are waited for.
func writeLocks(ctx context.Context, l *link, d *databases, out *page) error {
	const help = "Locks that are held or waited for."
	tell := func(oid, mode string, n float64) {
		_, datname := d.labels(oid)
		out.gauge("pg_locks_count", help, n, datname, agent.Label{Name: "mode", Value: mode})
	}
	for _, oid := range d.oids {
		for _, mode := range lockModes {
			tell(oid, mode, 0)
		}
	}
	waiting := 0.0
	err := l.query(ctx, `SELECT database, lower(mode), count(*), count(*) FILTER (WHERE NOT granted) FROM pg_locks GROUP BY 1, 2`, 4, func(r row) {
		n, _ := r.number(2)
		w, _ := r.number(3)
		waiting += w
		if !r.null(0) && r.text(0) != "0" {
			tell(r.text(0), r.text(1), n)
		}
	})
	if err == nil {
		out.gauge("logkeel_postgres_locks_waiting", "Locks that are waited for, those of transactions and rows included.", waiting)
	}
	return err
}
