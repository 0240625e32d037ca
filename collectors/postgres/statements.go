package postgres

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/webgrip/logkeel/agent"
)

// maxText is the longest text of a statement, in characters.
const maxText = 120

const statementView = "pg_stat_statements"

// insufficient is in place of the text where pg_monitor is missing.
const insufficient = "<insufficient privilege>"

// statements are those that take the most time.
type statements struct {
	Statements
	texts  map[string]string // by queryid, of those that were among them last
	recent agent.RecentMeans
}

// A statement is a row: user, database and queryid, and then numbers.
type statement struct {
	id      string
	labels  []agent.Label
	numbers [6]float64 // calls, ms in all, longest ms, rows, ms of reading, ms of writing
}

// extension is where pg_stat_statements is, and what it has. An error says why it is
// not there.
func (s *statements) extension(ctx context.Context, l *link, c *Config) (*catalog, error) {
	schema, loaded := "", false
	err := l.query(ctx, `SELECT (SELECT n.nspname FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'pg_stat_statements'),
		EXISTS (SELECT FROM pg_settings WHERE name = 'pg_stat_statements.max')`, 2, func(r row) {
		schema, loaded = r.text(0), string(r[1]) == "t"
	})
	switch {
	case err != nil:
		return nil, c.explain(ctx, statementView, err)
	case !loaded:
		return nil, errors.New("pg_stat_statements is not loaded, so nothing is known of single statements; write shared_preload_libraries = 'pg_stat_statements' in the server's configuration and restart it, or set statements.limit to 0 here")
	case schema == "":
		return nil, fmt.Errorf("the database %s has no extension pg_stat_statements; as a superuser in that database: CREATE EXTENSION pg_stat_statements, or set statements.limit to 0 here", quoted(c.Database))
	}
	cat := &catalog{schema, map[string][]string{}}
	if err := cat.read(ctx, l, schema, statementView); err != nil {
		return nil, c.explain(ctx, statementView, err)
	}
	return cat, nil
}

// spelling is the first of the names that the server has; "0" where it has none.
func (c *catalog) spelling(names ...string) string {
	for _, n := range names {
		if c.has(statementView, n) {
			return n
		}
	}
	return "0"
}

// query asks for the first by their time in all and the first by their mean. The
// text is left out, for which the server would read a file of all texts. Statements
// of functions are rows beside those of clients since 14, which are one here.
// The agent's own are left out.
func (s *statements) query(cat *catalog) string {
	total := cat.spelling("total_exec_time", "total_time") // before 13
	return fmt.Sprintf(`WITH s AS (SELECT userid, dbid, queryid, sum(calls) AS calls, sum(%s) AS total, max(%s) AS longest, sum(rows) AS rows, sum(%s) AS reading, sum(%s) AS writing
		FROM %s.pg_stat_statements(false) WHERE queryid IS NOT NULL AND pg_get_userbyid(userid) <> current_user GROUP BY 1, 2, 3 HAVING sum(calls) > 0),
	t AS ((SELECT * FROM s ORDER BY total DESC, queryid LIMIT %[6]d) UNION (SELECT * FROM s ORDER BY total / calls DESC, queryid LIMIT %[6]d))
	SELECT coalesce(pg_get_userbyid(t.userid), ''), coalesce(d.datname, ''), t.queryid, t.calls, t.total, t.longest, t.rows, t.reading, t.writing FROM t LEFT JOIN pg_database d ON d.oid = t.dbid`,
		total, cat.spelling("max_exec_time", "max_time"),
		cat.spelling("shared_blk_read_time", "blk_read_time"), cat.spelling("shared_blk_write_time", "blk_write_time"), // before 17
		quoted(cat.schema), s.Limit)
}

// measure tells of the statements that took the most time in all, and of those that
// take the most each. One that is both is told of once.
func (s *statements) measure(ctx context.Context, l *link, c *Config, out *page) error {
	if s.Limit == 0 {
		return nil
	}
	cat, err := s.extension(ctx, l, c)
	if err != nil {
		return err
	}
	var all []statement
	err = l.query(ctx, s.query(cat), 9, func(r row) {
		t := statement{id: r.text(2), labels: []agent.Label{{Name: "user", Value: r.text(0)}, {Name: "datname", Value: r.text(1)}, {Name: "queryid", Value: r.text(2)}}}
		for i := range t.numbers {
			t.numbers[i], _ = r.number(3 + i)
		}
		all = append(all, t)
	})
	if err == nil {
		err = s.read(ctx, l, cat, all)
	}
	if err != nil {
		return c.explain(ctx, statementView, err)
	}
	out.texts = s.texts
	now := time.Now()
	s.recent.Begin(now)
	for _, t := range all {
		s.tell(t, now, out)
	}
	return nil
}

func (s *statements) tell(t statement, now time.Time, out *page) {
	const milli = 1e-3
	out.counter("pg_stat_statements_calls_total", "How often the statement was executed.", t.numbers[0], t.labels...)
	out.counter("pg_stat_statements_seconds_total", "Time that the statement took.", t.numbers[1]*milli, t.labels...)
	out.counter("pg_stat_statements_rows_total", "Rows that the statement returned or changed.", t.numbers[3], t.labels...)
	out.counter("pg_stat_statements_block_read_seconds_total", "Time in which the statement read blocks, with track_io_timing.", t.numbers[4]*milli, t.labels...)
	out.counter("pg_stat_statements_block_write_seconds_total", "Time in which the statement wrote blocks, with track_io_timing.", t.numbers[5]*milli, t.labels...)
	out.most("logkeel_postgres_statement_seconds_avg", "Mean time of the statement since its statistics were reset.", t.numbers[1]*milli/t.numbers[0], t.labels...)
	out.most("logkeel_postgres_statement_seconds_max", "Longest time of the statement since then.", t.numbers[2]*milli, t.labels...)
	key := t.labels[0].Value + "\x00" + t.labels[1].Value + "\x00" + t.id
	out.most("logkeel_postgres_statement_seconds_recent", "Mean time of the statement since the snapshot before, for two minutes after it was executed; then 0.", s.recent.Mean(key, t.numbers[0], t.numbers[1]*milli, now), t.labels...)
	if text, ok := s.texts[t.id]; ok && s.Text {
		out.most("pg_stat_statements_query_id", "The text of the statement; always 1.", 1, agent.Label{Name: "queryid", Value: t.id}, agent.Label{Name: "query", Value: text})
	}
}

// read reads the texts of statements that were not among the first before.
func (s *statements) read(ctx context.Context, l *link, cat *catalog, all []statement) error {
	texts := map[string]string{}
	var unknown []string
	for _, t := range all {
		if text, ok := s.texts[t.id]; ok {
			texts[t.id] = text
		} else {
			unknown = append(unknown, literal(t.id)+"::int8")
		}
	}
	s.texts = texts
	if len(unknown) == 0 {
		return nil
	}
	return l.query(ctx, fmt.Sprintf(`SELECT queryid, min(left(query, 2000)) FROM %s.pg_stat_statements(true) WHERE queryid IN (%s) GROUP BY 1`, quoted(cat.schema), strings.Join(unknown, ", ")), 2, func(r row) {
		if text := r.text(1); !r.null(1) && text != insufficient {
			texts[r.text(0)] = withoutValues(text)
		}
	})
}

// values are strings in a statement. The server puts $1 in place of those that it
// can, which it cannot in ALTER USER … PASSWORD '…'.
var (
	values = regexp.MustCompile(`(?s)'(?:[^'\\]|''|\\.)*(?:'|$)|\$([A-Za-z_]*)\$.*`)
	blanks = regexp.MustCompile(`\s+`)
)

// withoutValues is the text on one line, cut.
func withoutValues(text string) string {
	text = blanks.ReplaceAllString(strings.TrimSpace(values.ReplaceAllString(text, "'…'")), " ")
	if r := []rune(text); len(r) > maxText {
		text = string(r[:maxText])
	}
	return text
}
