package mysql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sort"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-sql-driver/mysql"

	"github.com/webgrip/logkeel/agent"
)

// A slowRow is a row of the table.
type slowRow struct {
	at                int64 // µs since 1970
	schema, statement string
	counts
	locked, sent, examined float64
}

// read takes what was written since the last time. Of a table that has more than
// is read at once it takes the oldest.
func (l *slowLog) read(ctx context.Context, conn *sql.Conn, on product, user string, plain bool, now time.Time) error {
	var until int64
	if err := conn.QueryRowContext(ctx, "SELECT CAST(UNIX_TIMESTAMP(SYSDATE(6)) * 1000000 AS SIGNED)").Scan(&until); err != nil {
		return err
	}
	until -= slowSettle
	if l.cursor == 0 || until < l.cursor { // the first time, or a clock that was put back
		l.cursor = until // it is read all the same, to see that it may be
	}
	var rows []slowRow
	own := user + "["
	err := records(ctx, conn, on.slowQuery(l.most), slowRows, func(r record) {
		num := func(name string) float64 { v, _ := value(r.text(name)); return v }
		rows = append(rows, slowRow{int64(num("at")), r.text("db"), r.text("statement"), counts{1, num("seconds")}, num("locked"), num("sent"), num("examined")})
	}, l.cursor, until, utf8.RuneCountInString(own), own)
	var e *mysql.MySQLError
	if errors.As(err, &e) && (e.Number == errMaxStatementTime || e.Number == errMaxExecutionTime) {
		return fmt.Errorf("the table mysql.slow_log cannot be read within %v, for it has no index; empty it with TRUNCATE mysql.slow_log, and do so each day, or set slow_log.read to false", l.most)
	} else if err != nil {
		return err
	}
	end := until
	if len(rows) == slowRows {
		// Others of the same moment as the last may be missing. They come together
		// the next time, where there are not more of them than are read.
		if last := rows[len(rows)-1].at; rows[0].at < last {
			until = last - 1
		} else {
			until = last
		}
	}
	for _, r := range rows {
		if r.at <= until {
			l.count(r, plain, now)
		}
	}
	l.cursor, l.behind = until, float64(end-until)/1e6
	return nil
}

func (l *slowLog) count(r slowRow, plain bool, now time.Time) {
	text := normalize(r.statement, plain, utf8.RuneCountInString(r.statement) >= slowText)
	if text == "" {
		text = "(no statement)" // a comment, as that of an administrator's command
	}
	digest := digestOf(text)
	key := r.schema + "\x00" + digest
	s := l.statements[key]
	if s == nil {
		if len(l.statements) >= maxSlow {
			l.forget(now)
		}
		if len(l.statements) >= maxSlow {
			l.unknown.n, l.unknown.seconds = l.unknown.n+1, l.unknown.seconds+r.seconds
			return
		}
		if l.statements == nil {
			l.statements = map[string]*slowStatement{}
		}
		s = &slowStatement{schema: r.schema, digest: digest, text: cut(text, maxRecordText)}
		l.statements[key] = s
	}
	s.n, s.seconds, s.longest, s.seen = s.n+1, s.seconds+r.seconds, max(s.longest, r.seconds), now
	s.locked, s.sent, s.examined = s.locked+r.locked, s.sent+r.sent, s.examined+r.examined
}

// forget makes room. What a statement took that is forgotten is not.
func (l *slowLog) forget(now time.Time) {
	for key, s := range l.statements {
		if now.Sub(s.seen) > slowForget {
			l.unknown.n, l.unknown.seconds = l.unknown.n+s.n, l.unknown.seconds+s.seconds
			delete(l.statements, key)
		}
	}
}

// cut is the text's first characters.
func cut(text string, characters int) string {
	for i := range text {
		if characters == 0 {
			return text[:i]
		}
		characters--
	}
	return text
}

// top are the statements that took the most time in all, and the most each.
func (l *slowLog) top(limit int, now time.Time) []*slowStatement {
	all := make([]*slowStatement, 0, len(l.statements))
	for _, s := range l.statements {
		if now.Sub(s.seen) <= slowForget {
			all = append(all, s)
		}
	}
	var out []*slowStatement
	taken := map[*slowStatement]bool{}
	for _, by := range []func(*slowStatement) float64{
		func(s *slowStatement) float64 { return s.seconds },
		func(s *slowStatement) float64 { return s.seconds / s.n },
	} {
		sort.Slice(all, func(i, j int) bool {
			if a, b := by(all[i]), by(all[j]); a != b {
				return a > b
			}
			return all[i].schema+all[i].digest < all[j].schema+all[j].digest
		})
		for _, s := range all[:min(limit, len(all))] {
			if !taken[s] {
				taken[s] = true
				out = append(out, s)
			}
		}
	}
	return out
}

// write tells what is known, whether it was read just now or not.
func (l *slowLog) write(o SlowLog, now time.Time, out *page) {
	const prefix = "logkeel_mysql_slow_statements_"
	all, shown := l.unknown, map[string]counts{}
	for _, s := range l.statements {
		all.n, all.seconds = all.n+s.n, all.seconds+s.seconds
	}
	const total, seconds = "Statements in the slow log since the agent was started.", "Time that these statements took."
	for _, s := range l.top(o.Limit, now) {
		text := ""
		if o.Text {
			text = cut(s.text, maxText)
		}
		out.records.text(s.schema, s.digest, s.text)
		labels := []agent.Label{{Name: "schema", Value: s.schema}, {Name: "digest", Value: s.digest}, {Name: "digest_text", Value: text}}
		out.counter(prefix+"total", total, s.n, labels...)
		out.counter(prefix+"seconds_total", seconds, s.seconds, labels...)
		out.counter(prefix+"lock_time_seconds_total", "Time that these statements waited for locks of tables.", s.locked, labels...)
		out.counter(prefix+"rows_examined_total", "Rows that were looked at for these statements.", s.examined, labels...)
		out.counter(prefix+"rows_sent_total", "Rows that these statements returned.", s.sent, labels...)
		out.gauge("logkeel_mysql_slow_statement_seconds_avg", "Mean time of the statement, as far as it was slow.", s.seconds/s.n, labels[:2]...)
		out.gauge("logkeel_mysql_slow_statement_seconds_max", "Longest time of the statement.", s.longest, labels[:2]...)
		shown[s.schema+"\x00"+s.digest] = s.counts
	}
	rest := l.others.add(all, shown)
	out.counter(prefix+"total", total, rest.n, otherLabels()...)
	out.counter(prefix+"seconds_total", seconds, rest.seconds, otherLabels()...)
	out.gauge(prefix+"omitted", "Statements of the slow log that have no series of their own.", float64(len(l.statements)-len(shown)))
	out.gauge("logkeel_mysql_slow_log_behind_seconds", "How much of the slow log is still to be read.", l.behind)
}

// slowLogPart tells of statements in the table mysql.slow_log, where that is wanted.
// It answers whether there was something to read.
func (s *Sampler) slowLogPart(ctx context.Context, conn *sql.Conn, variables map[string]string, out *page) (read bool, err error) {
	wanted, err := s.c.SlowLog.wanted(variables)
	if !wanted {
		return false, err
	}
	now := time.Now()
	s.slow.is("the slow log", "slow_log.read", "SELECT ON "+slowTable)
	plain := strings.Contains(variables["sql_mode"], "NO_BACKSLASH_ESCAPES")
	err = s.read(ctx, &s.slow, s.c.SlowLog.Read, true, out, func() error {
		if now.Before(s.slowLog.next) {
			return s.slowLog.err
		}
		err := s.slowLog.read(ctx, conn, productOf(variables), s.c.User, plain, now)
		if s.slowLog.next = now.Add(time.Duration(s.c.SlowLog.Interval)); err == nil && s.slowLog.behind > 0 {
			s.slowLog.next = now
		}
		s.slowLog.err = err
		return err
	})
	s.slowLog.write(s.c.SlowLog, now, out)
	return true, err
}
