package postgres

import (
	"context"

	"github.com/webgrip/logkeel/agent"
)

const (
	slotView = "pg_replication_slots"
	// maxPeers are standbys, or slots, that are told of.
	maxPeers = "100"
)

// Where the log has been written to, or received.
const written = `CASE WHEN pg_is_in_recovery() THEN pg_last_wal_receive_lsn() ELSE pg_current_wal_lsn() END`

// lagQuery: a standby that has replayed all that came is not behind, however old
// that is. One that has replayed nothing yet does not know how far it is behind.
const lagQuery = `SELECT r, CASE WHEN NOT r OR pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() THEN 0 WHEN ago < 0 THEN 0 ELSE ago END, CASE WHEN ago < 0 THEN 0 ELSE ago END
	FROM (SELECT pg_is_in_recovery() AS r, extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp()) AS ago) s`

const standbyQuery = `SELECT coalesce(application_name, ''), coalesce(host(client_addr), ''), coalesce(state, ''), max(pg_wal_lsn_diff(` + written + `, replay_lsn))
	FROM pg_stat_replication GROUP BY 1, 2, 3 ORDER BY 4 DESC NULLS LAST LIMIT ` + maxPeers

func slotQuery(cat *catalog) string {
	safe := "NULL"
	if cat.has(slotView, "safe_wal_size") {
		safe = "safe_wal_size"
	}
	return `SELECT slot_name, coalesce(database, ''), coalesce(slot_type, ''), active, pg_wal_lsn_diff(` + written + `, restart_lsn), ` + safe + `
	FROM pg_replication_slots ORDER BY 5 DESC NULLS LAST LIMIT ` + maxPeers
}

// writeReplication tells how far a standby is behind, and how far those are that the
// server sends to.
func writeReplication(ctx context.Context, l *link, cat *catalog, out *page) error {
	err := l.query(ctx, lagQuery, 3, func(r row) {
		if v, ok := r.number(0); ok {
			out.gauge("pg_replication_is_replica", "Whether the server is a standby.", v)
		}
		if v, ok := r.number(1); ok {
			out.gauge("pg_replication_lag_seconds", "How far the standby is behind; 0 of a primary.", v)
		}
		if v, ok := r.number(2); ok {
			out.gauge("pg_replication_last_replay_seconds", "When the last transaction that the standby has replayed was committed, seconds ago.", v)
		}
	})
	if err != nil {
		return err
	}
	err = l.query(ctx, standbyQuery, 4, func(r row) {
		if v, ok := r.number(3); ok {
			out.most("pg_stat_replication_pg_wal_lsn_diff", "Bytes of the log that a standby has not replayed.", v,
				agent.Label{Name: "application_name", Value: r.text(0)}, agent.Label{Name: "client_addr", Value: r.text(1)}, agent.Label{Name: "state", Value: r.text(2)})
		}
	})
	if err != nil {
		return err
	}
	return l.query(ctx, slotQuery(cat), 6, func(r row) {
		slot := agent.Label{Name: "slot_name", Value: r.text(0)}
		of := []agent.Label{slot, {Name: "database", Value: r.text(1)}}
		if v, ok := r.number(3); ok {
			out.most("pg_replication_slots_active", "Whether somebody reads from the slot.", v, of...)
		}
		if v, ok := r.number(4); ok {
			out.most("pg_replication_slots_pg_wal_lsn_diff", "Bytes of the log that the slot holds back from being removed.", v, of...)
		}
		if v, ok := r.number(5); ok {
			out.most("pg_replication_slots_safe_wal_size_bytes", "Bytes that may be written before the slot is lost, with max_slot_wal_keep_size.", v, slot, agent.Label{Name: "slot_type", Value: r.text(2)})
		}
	})
}
