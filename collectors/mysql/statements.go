package mysql

import (
	"context"
	"database/sql"
	"strings"
	"time"

	"github.com/webgrip/logkeel/agent"
)

const digestTable = "performance_schema.events_statements_summary_by_digest"

// picoseconds is how many of the table's units of time are a second.
const picoseconds = 1e12

// maxText is the longest text of a statement, in characters.
const maxText = 120

// digestColumns are read for each statement, in this order; digests is one row.
const digestColumns = `SCHEMA_NAME, DIGEST, LEFT(DIGEST_TEXT, ?),
	COUNT_STAR, SUM_TIMER_WAIT, AVG_TIMER_WAIT, MAX_TIMER_WAIT, SUM_LOCK_TIME, SUM_ERRORS, SUM_WARNINGS,
	SUM_ROWS_AFFECTED, SUM_ROWS_SENT, SUM_ROWS_EXAMINED, SUM_CREATED_TMP_DISK_TABLES, SUM_CREATED_TMP_TABLES,
	SUM_SORT_MERGE_PASSES, SUM_SORT_ROWS, SUM_NO_INDEX_USED`

// digestFilter leaves out the server's own schemas, statements outside any
// schema (the agent's are), and those not seen for a day.
const digestFilter = ` FROM ` + digestTable + `
	WHERE DIGEST IS NOT NULL AND SCHEMA_NAME NOT IN ('mysql', 'performance_schema', 'information_schema', 'sys')
	AND LAST_SEEN > NOW() - INTERVAL 1 DAY`

const digestQuery = `(SELECT ` + digestColumns + digestFilter + ` ORDER BY SUM_TIMER_WAIT DESC, DIGEST LIMIT ?)
	UNION ALL (SELECT ` + digestColumns + digestFilter + ` ORDER BY AVG_TIMER_WAIT DESC, DIGEST LIMIT ?)`

// A column is a column of the table that is a counter.
type column struct {
	metric, help string
	value        float64
	unit         float64
}

// digestTotals are what all statements took, also those that the table has no row
// for, and how many were seen within a day.
const digestTotals = `SELECT COALESCE(SUM(COUNT_STAR), 0), COALESCE(SUM(SUM_TIMER_WAIT), 0),
	COALESCE(SUM(SCHEMA_NAME IS NOT NULL AND DIGEST IS NOT NULL AND LAST_SEEN > NOW() - INTERVAL 1 DAY), 0)
	FROM ` + digestTable + ` WHERE SCHEMA_NAME IS NULL AND DIGEST IS NULL
	OR SCHEMA_NAME NOT IN ('mysql', 'performance_schema', 'information_schema', 'sys')`

// writeStatements tells of the statements that took the most time in all, and of
// those that take the most each. One that is both is told of once.
func (s *Sampler) writeStatements(ctx context.Context, conn *sql.Conn, out *page) error {
	var all counts
	var known float64
	if err := conn.QueryRowContext(ctx, digestTotals).Scan(&all.n, &all.seconds, &known); err != nil {
		return err
	}
	all.seconds /= picoseconds
	limit := s.c.Statements.Limit
	rows, err := conn.QueryContext(ctx, digestQuery, maxRecordText, limit, maxRecordText, limit)
	if err != nil {
		return err
	}
	defer rows.Close()
	shown := map[string]counts{}
	now := time.Now()
	s.recent.Begin(now)
	for rows.Next() {
		if err := s.writeStatement(rows, now, shown, out); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return err
	}
	rest := s.others.add(all, shown)
	out.counter(digestPrefix+"total", helpExecuted, rest.n, otherLabels()...)
	out.counter(digestPrefix+"seconds_total", helpTook, rest.seconds, otherLabels()...)
	out.gauge("logkeel_mysql_statements_omitted", "Statements seen within a day that have no series of their own.", max(0, known-float64(len(shown))))
	return nil
}

// What the counters of statements are called, and what two of them are.
const (
	digestPrefix = "mysql_perf_schema_events_statements_"
	helpExecuted = "How often the statement was executed."
	helpTook     = "Time that the statement took."
)

func (s *Sampler) writeStatement(rows *sql.Rows, now time.Time, shown map[string]counts, out *page) error {
	const prefix = digestPrefix
	columns := [...]column{
		{prefix + "total", helpExecuted, 0, 1},
		{prefix + "seconds_total", helpTook, 0, picoseconds},
		{"logkeel_mysql_statement_seconds_avg", "Mean time of the statement since the server forgot it last.", 0, picoseconds},
		{"logkeel_mysql_statement_seconds_max", "Longest time of the statement since then.", 0, picoseconds},
		{prefix + "lock_time_seconds_total", "Time that the statement waited for locks of tables.", 0, picoseconds},
		{prefix + "errors_total", "Errors of the statement.", 0, 1},
		{prefix + "warnings_total", "Warnings of the statement.", 0, 1},
		{prefix + "rows_affected_total", "Rows that the statement changed.", 0, 1},
		{prefix + "rows_sent_total", "Rows that the statement returned.", 0, 1},
		{prefix + "rows_examined_total", "Rows that were looked at for the statement.", 0, 1},
		{prefix + "tmp_disk_tables_total", "Temporary tables on the disk for the statement.", 0, 1},
		{prefix + "tmp_tables_total", "Temporary tables for the statement.", 0, 1},
		{prefix + "sort_merge_passes_total", "Passes of sorting that were merged for the statement.", 0, 1},
		{prefix + "sort_rows_total", "Rows that were sorted for the statement.", 0, 1},
		{prefix + "no_index_used_total", "Executions of the statement that read a table without an index.", 0, 1},
	}
	var schema, digest string
	var text sql.NullString
	into := []any{&schema, &digest, &text}
	for i := range columns {
		into = append(into, &columns[i].value)
	}
	if err := rows.Scan(into...); err != nil {
		return err
	}
	out.records.text(schema, digest, text.String)
	if !s.c.Statements.Text {
		text.String = ""
	}
	key, took := schema+"\x00"+digest, counts{columns[0].value, columns[1].value / picoseconds}
	shown[key] = took
	which := []agent.Label{{Name: "schema", Value: schema}, {Name: "digest", Value: digest}}
	// Without the text the label is there and empty, which is for Prometheus as
	// if it were not: all servers' series have the same labels.
	full := append(which[:2:2], agent.Label{Name: "digest_text", Value: cut(text.String, maxText)})
	out.gauge("logkeel_mysql_statement_seconds_recent", "Mean time of the statement since the snapshot before, for two minutes after it was executed; then 0.", s.recent.Mean(key, took.n, took.seconds, now), which...)
	for _, c := range columns {
		if strings.HasPrefix(c.metric, prefix) {
			out.counter(c.metric, c.help, c.value/c.unit, full...)
		} else {
			out.gauge(c.metric, c.help, c.value/c.unit, which...)
		}
	}
	return nil
}
