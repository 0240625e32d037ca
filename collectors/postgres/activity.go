package postgres

import (
	"context"
	"strings"

	"github.com/webgrip/logkeel/agent"
)

var states = []string{"active", "idle", "idle in transaction", "idle in transaction (aborted)", "fastpath function call", "disabled"}

// activityQuery leaves out the agent's own connection where the exporter does; a
// place among max_connections it takes all the same.
const activityQuery = `SELECT datid, state, count(*) FILTER (WHERE pid <> pg_backend_pid()), extract(epoch FROM max(clock_timestamp() - xact_start) FILTER (WHERE pid <> pg_backend_pid())),
	count(*) FILTER (WHERE coalesce(backend_type, 'client backend') = 'client backend'),
	count(*) FILTER (WHERE xact_start IS NOT NULL AND state <> 'idle' AND pid <> pg_backend_pid() AND backend_type = 'client backend')
	FROM pg_stat_activity WHERE datid IS NOT NULL GROUP BY 1, 2`

// writeActivity tells who is connected, and for how long transactions have been open.
func writeActivity(ctx context.Context, l *link, d *databases, limits map[string]float64, out *page) error {
	tell := func(oid, state string, n, longest float64) {
		_, datname := d.labels(oid)
		of := []agent.Label{datname, {Name: "state", Value: state}}
		out.gauge("pg_stat_activity_count", "Connections.", n, of...)
		out.most("pg_stat_activity_max_tx_duration", "How long the oldest transaction has been open, in seconds.", longest, of...)
	}
	for _, oid := range d.oids {
		for _, state := range states {
			tell(oid, state, 0, 0)
		}
	}
	var connections, open, oldest float64
	err := l.query(ctx, activityQuery, 6, func(r row) {
		n, _ := r.number(2)
		longest, _ := r.number(3)
		clients, _ := r.number(4)
		transactions, _ := r.number(5)
		connections += clients
		open += transactions
		if transactions > 0 {
			oldest = max(oldest, longest)
		}
		if !r.null(1) && n > 0 {
			tell(r.text(0), r.text(1), n, max(longest, 0))
		}
	})
	if err != nil {
		return err
	}
	out.gauge("pg_long_running_transactions", "Transactions that are open.", open)
	out.gauge("pg_long_running_transactions_oldest_timestamp_seconds", "How long the oldest of them has been open; no timestamp, in spite of the name.", oldest)
	out.gauge("logkeel_postgres_connections", "Connections of clients, the agent's own included.", connections)
	usable := limits["max_connections"] - limits["superuser_reserved_connections"] - limits["reserved_connections"]
	if usable > 0 {
		out.gauge("logkeel_postgres_connections_used_ratio", "Connections of clients as a part of max_connections without those that are reserved for superusers.", connections/usable)
	}
	return nil
}

// units are those of settings in bytes or seconds, and the end of the metric's name.
var units = map[string]struct {
	of     float64
	suffix string
}{
	"": {1, ""}, "B": {1, "_bytes"}, "ms": {0.001, "_seconds"}, "s": {1, "_seconds"}, "min": {60, "_seconds"}, "h": {3600, "_seconds"}, "d": {86400, "_seconds"},
	"kB": {1 << 10, "_bytes"}, "MB": {1 << 20, "_bytes"}, "GB": {1 << 30, "_bytes"}, "TB": {1 << 40, "_bytes"},
	"1kB": {1 << 10, "_bytes"}, "2kB": {2 << 10, "_bytes"}, "4kB": {4 << 10, "_bytes"}, "8kB": {8 << 10, "_bytes"}, "16kB": {16 << 10, "_bytes"}, "32kB": {32 << 10, "_bytes"}, "64kB": {64 << 10, "_bytes"},
	"1MB": {1 << 20, "_bytes"}, "2MB": {2 << 20, "_bytes"}, "4MB": {4 << 20, "_bytes"}, "8MB": {8 << 20, "_bytes"}, "16MB": {16 << 20, "_bytes"}, "32MB": {32 << 20, "_bytes"}, "64MB": {64 << 20, "_bytes"},
}

// settingName is a setting's as a part of a metric's name; an extension's has a dot.
func settingName(name string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z' || '0' <= r && r <= '9' || r == '_':
			return r
		case 'A' <= r && r <= 'Z':
			return r + 'a' - 'A'
		}
		return '_'
	}, name)
}

// writeSettings tells the settings that are numbers, and returns those of connections.
// Of what the agent sets for itself it is what others have.
func writeSettings(ctx context.Context, l *link, out *page) (limits map[string]float64, err error) {
	limits = map[string]float64{}
	err = l.query(ctx, `SELECT name, CASE WHEN source IN ('session', 'override') THEN reset_val ELSE setting END, coalesce(unit, '') FROM pg_settings WHERE vartype IN ('bool', 'integer', 'real')`, 3, func(r row) {
		name := r.text(0)
		v, ok := r.number(1)
		u, known := units[r.text(2)]
		if !ok || !known {
			return
		}
		limits[name] = v
		if v != -1 { // which has a meaning of its own
			v *= u.of
		}
		out.most("pg_settings_"+settingName(name)+u.suffix, "The setting "+name+".", v)
	})
	return limits, err
}
