package postgres

import (
	"context"
	"slices"
	"strings"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/conf"
)

var plainName = conf.NewForm(`^[a-z_][a-z0-9_]*$`)

// A kind is how a column of a view is to be read.
type kind uint8

const (
	counter kind = iota
	gauge
	stamp // a time: seconds since 1970
	age   // a time: seconds since then
)

// A column of one of the server's views becomes a metric: the view's prefix, the
// column's name and, of some, _total.
type column struct {
	name string
	kind kind
	help string
}

// metric is the name of the metric, without the view's prefix.
func (c column) metric() string {
	if c.kind == age {
		return "last_archive_age"
	}
	return c.name
}

// expr is the column in a SELECT.
func (c column) expr() string {
	switch c.kind {
	case stamp:
		return "extract(epoch FROM " + c.name + ")"
	case age:
		return "extract(epoch FROM clock_timestamp() - " + c.name + ")"
	}
	return c.name
}

// A view has one row, or one for each database. Versions of the server have other
// columns: those that are there are asked for.
type view struct {
	name, prefix, suffix string
	columns              []column
}

var databaseView = view{"pg_stat_database", "pg_stat_database_", "", []column{
	{"numbackends", gauge, "Connections to the database."},
	{"xact_commit", counter, "Transactions that were committed."},
	{"xact_rollback", counter, "Transactions that were rolled back."},
	{"blks_read", counter, "Blocks that were read from the disk, or from the kernel's cache."},
	{"blks_hit", counter, "Blocks that were in the server's own cache."},
	{"tup_returned", counter, "Rows that scans went through."},
	{"tup_fetched", counter, "Rows that indexes found."},
	{"tup_inserted", counter, "Rows that were inserted."},
	{"tup_updated", counter, "Rows that were updated."},
	{"tup_deleted", counter, "Rows that were deleted."},
	{"conflicts", counter, "Queries that a standby cancelled for they were in the way of its recovery."},
	{"temp_files", counter, "Temporary files of queries."},
	{"temp_bytes", counter, "Bytes written to temporary files."},
	{"deadlocks", counter, "Deadlocks."},
	{"checksum_failures", counter, "Blocks whose checksum was wrong."},
	{"checksum_last_failure", stamp, "When the last such block was found, in seconds since 1970."},
	{"blk_read_time", counter, "Milliseconds that reading blocks took, with track_io_timing."},
	{"blk_write_time", counter, "Milliseconds that writing blocks took, with track_io_timing."},
	{"session_time", counter, "Milliseconds of sessions."},
	{"active_time", counter, "Milliseconds in which sessions ran something."},
	{"idle_in_transaction_time", counter, "Milliseconds in which sessions had a transaction and ran nothing."},
	{"sessions", counter, "Sessions that were begun."},
	{"sessions_abandoned", counter, "Sessions whose client was lost."},
	{"sessions_fatal", counter, "Sessions that an error ended."},
	{"sessions_killed", counter, "Sessions that somebody ended."},
	{"parallel_workers_to_launch", counter, "Parallel workers that queries wanted."},
	{"parallel_workers_launched", counter, "Parallel workers that they got."},
	{"stats_reset", stamp, "When these statistics were reset, in seconds since 1970."},
}}

var conflictView = view{"pg_stat_database_conflicts", "pg_stat_database_conflicts_", "", []column{
	{"confl_tablespace", counter, "Queries that a standby cancelled for a tablespace was dropped."},
	{"confl_lock", counter, "Queries that a standby cancelled for a lock."},
	{"confl_snapshot", counter, "Queries that a standby cancelled for their snapshot was too old."},
	{"confl_bufferpin", counter, "Queries that a standby cancelled for a block was in use."},
	{"confl_deadlock", counter, "Queries that a standby cancelled for a deadlock."},
	{"confl_active_logicalslot", counter, "Uses of logical slots that a standby cancelled."},
}}

// serverViews have one row. Before 17 what is of checkpoints is in the first.
var serverViews = []view{
	{"pg_stat_bgwriter", "pg_stat_bgwriter_", "_total", []column{
		{"checkpoints_timed", counter, "Checkpoints for it was time."},
		{"checkpoints_req", counter, "Checkpoints that were asked for, or for so much was written."},
		{"checkpoint_write_time", counter, "Milliseconds that checkpoints wrote."},
		{"checkpoint_sync_time", counter, "Milliseconds that checkpoints waited for the disk."},
		{"buffers_checkpoint", counter, "Blocks that checkpoints wrote."},
		{"buffers_clean", counter, "Blocks that the background writer wrote."},
		{"maxwritten_clean", counter, "How often the background writer stopped for it had written enough."},
		{"buffers_backend", counter, "Blocks that sessions had to write themselves."},
		{"buffers_backend_fsync", counter, "How often sessions had to wait for the disk themselves."},
		{"buffers_alloc", counter, "Blocks that the cache made room for."},
		{"stats_reset", stamp, "When these statistics were reset, in seconds since 1970."},
	}},
	{"pg_stat_checkpointer", "pg_stat_checkpointer_", "_total", []column{
		{"num_timed", counter, "Checkpoints for it was time."},
		{"num_requested", counter, "Checkpoints that were asked for, or for so much was written."},
		{"num_done", counter, "Checkpoints that were done."},
		{"restartpoints_timed", counter, "Restartpoints of a standby for it was time."},
		{"restartpoints_req", counter, "Restartpoints of a standby that were asked for."},
		{"restartpoints_done", counter, "Restartpoints of a standby that were done."},
		{"write_time", counter, "Milliseconds that checkpoints wrote."},
		{"sync_time", counter, "Milliseconds that checkpoints waited for the disk."},
		{"buffers_written", counter, "Blocks that checkpoints wrote."},
		{"slru_written", counter, "Blocks of the transactions' state that checkpoints wrote."},
		{"stats_reset", stamp, "When these statistics were reset, in seconds since 1970."},
	}},
	{"pg_stat_archiver", "pg_stat_archiver_", "", []column{
		{"archived_count", counter, "Files of the log that were archived."},
		{"failed_count", counter, "Failures to archive one."},
		{"last_archived_time", age, "How long ago the last one was archived, in seconds."},
	}},
}

// A catalog is what the server has: its schema, and the columns of the views in it.
type catalog struct {
	schema  string
	columns map[string][]string
}

// probe reads which columns there are. They do not change while a server runs.
func probe(ctx context.Context, l *link, schema string) (*catalog, error) {
	cat := &catalog{schema, map[string][]string{}}
	names := []string{databaseView.name, conflictView.name, slotView}
	for _, v := range serverViews {
		names = append(names, v.name)
	}
	return cat, cat.read(ctx, l, schema, names...)
}

// read adds the columns of views.
func (c *catalog) read(ctx context.Context, l *link, schema string, views ...string) error {
	return l.query(ctx, `SELECT c.relname, a.attname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE n.nspname = `+literal(schema)+` AND c.relname IN ('`+strings.Join(views, "', '")+`') AND a.attnum > 0 AND NOT a.attisdropped`, 2,
		func(r row) { c.columns[r.text(0)] = append(c.columns[r.text(0)], r.text(1)) })
}

func literal(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

func (c *catalog) has(view, column string) bool { return slices.Contains(c.columns[view], column) }

// table is a view of the catalog in a FROM.
func (c *catalog) table(view string) string { return quoted(c.schema) + "." + view }

// of are the view's columns that are there, and how they are selected.
func (c *catalog) of(v view) (columns []column, exprs []string) {
	for _, col := range v.columns {
		if c.has(v.name, col.name) {
			columns = append(columns, col)
			exprs = append(exprs, col.expr())
		}
	}
	return columns, exprs
}

// tell tells what is in the columns of a row, which begin at first.
func (v view) tell(r row, first int, columns []column, out *page, labels ...agent.Label) {
	for i, col := range columns {
		n, ok := r.number(first + i)
		name := v.prefix + col.metric() + v.suffix
		switch {
		case !ok: // NULL
		case col.kind == counter:
			out.counter(name, col.help, n, labels...)
		case col.kind == gauge:
			out.gauge(name, col.help, n, labels...)
		default:
			out.most(name, col.help, n, labels...)
		}
	}
}

// writeServer tells what is known of the server as a whole.
func writeServer(ctx context.Context, l *link, cat *catalog, out *page) error {
	for _, v := range serverViews {
		columns, exprs := cat.of(v)
		if len(columns) == 0 {
			continue
		}
		err := l.query(ctx, "SELECT "+strings.Join(exprs, ", ")+" FROM "+cat.table(v.name), len(exprs), func(r row) { v.tell(r, 0, columns, out) })
		if err != nil {
			return err
		}
	}
	return nil
}
