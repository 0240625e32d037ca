package mysql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/webgrip/logkeel/agent"
)

const (
	// maxChecked bounds how many tables are checked in one round.
	maxChecked = 2000
	// firstCheck is how long after the start the first round begins that has an
	// interval: an agent that starts again and again must not check each time.
	firstCheck = 10 * time.Minute
)

// A checkRound is the tables that are checked one after the other.
type checkRound struct {
	begun time.Time
	todo  []tableName
	again []tableName // were locked, and are tried once more
	errs  []error
}

func (r *checkRound) left() int { return len(r.todo) + len(r.again) }

// next is the next table, and whether it is tried for the last time. It is taken
// off first: one that brings the server down is not tried again.
func (r *checkRound) next() (t tableName, last bool) {
	if len(r.todo) > 0 {
		t, r.todo = r.todo[0], r.todo[1:]
		return t, false
	}
	t, r.again = r.again[0], r.again[1:]
	return t, true
}

// A checkState is what is known of tables by CHECK TABLE.
type checkState struct {
	results map[tableName]checked
	skipped map[tableName]string // in the last round, and why
	omitted int                  // tables beyond maxChecked
}

type checked struct {
	ok   bool
	at   time.Time
	note string // what is wrong
}

func (s *checkState) write(out *page) {
	for t, c := range s.results {
		which := schemaTable(t.schema, t.table)
		ok := 0.0
		if c.ok {
			ok = 1
		}
		out.yield(agent.Sample{Name: "logkeel_mysql_table_check_ok", Help: "Whether CHECK TABLE found nothing wrong.", Labels: which, Value: ok, Note: c.note})
		out.yield(agent.Sample{Name: "logkeel_mysql_table_check_timestamp_seconds", Help: "When the table was checked.", Labels: which, Value: float64(c.at.UnixMilli()) / 1e3})
	}
	for t, why := range s.skipped {
		out.yield(agent.Sample{
			Name: "logkeel_mysql_table_check_skipped", Help: "A table that could not be checked in the last round, and why; always 1.",
			Labels: schemaTable(t.schema, t.table, agent.Label{Name: "reason", Value: why}), Value: 1,
		})
	}
	out.gauge("logkeel_mysql_table_checks_omitted", "Tables that are not checked, for there is a limit.", float64(s.omitted))
}

// firstCheck is when the first round begins.
func (a *auditor) firstCheck(now time.Time) time.Time {
	if d := time.Duration(a.c.TableCheck.Interval); d > 0 {
		return now.Add(min(d, a.firstWait))
	}
	return a.nextCheck(now)
}

// nextCheck is when the round after one that ended now begins.
func (a *auditor) nextCheck(now time.Time) time.Time {
	if d := time.Duration(a.c.TableCheck.Interval); d > 0 {
		return now.Add(d)
	}
	at := a.c.TableCheck.At
	if at == "" {
		at = usualCheck
	}
	clock, err := time.Parse("15:04", at)
	if err != nil { // which Check does not let pass
		return now.Add(24 * time.Hour)
	}
	next := time.Date(now.Year(), now.Month(), now.Day(), clock.Hour(), clock.Minute(), 0, 0, now.Location())
	if !next.After(now) {
		next = time.Date(now.Year(), now.Month(), now.Day()+1, clock.Hour(), clock.Minute(), 0, 0, now.Location())
	}
	return next
}

// beginChecks lists the tables of a round.
func (a *auditor) beginChecks(ctx context.Context, s *auditConn) (goOn bool) {
	list, err := a.toCheck(ctx, s)
	if ctx.Err() != nil {
		return false
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.now()
	if len(list) == 0 {
		a.checks.end(now, now, a.nextCheck(now), err)
		return false
	}
	omitted := max(0, len(list)-maxChecked)
	list = list[:len(list)-omitted]
	old := a.state.results
	a.state = checkState{results: map[tableName]checked{}, skipped: map[tableName]string{}, omitted: omitted}
	for _, t := range list {
		if c, ok := old[t]; ok {
			a.state.results[t] = c
		}
	}
	a.round = checkRound{begun: now, todo: list, errs: []error{err}}
	return true
}

func (a *auditor) toCheck(ctx context.Context, s *auditConn) ([]tableName, error) {
	k := a.c.TableCheck
	var list []tableName
	have := map[tableName]bool{}
	for _, name := range k.Tables {
		if t, err := parseTable(name); err == nil && !have[t] {
			have[t] = true
			list = append(list, t)
		}
	}
	if len(k.Tables) > 0 && len(k.Databases) == 0 {
		return list, nil
	}
	names, err := a.databases(ctx, s, k.Databases, s.checkRight)
	if names == nil {
		return list, err
	}
	errs := []error{err}
	for _, name := range names {
		err := s.query(ctx, schemataTimeout, func(rows *sql.Rows) error {
			t := tableName{}
			err := rows.Scan(&t.schema, &t.table)
			if err == nil && t.schema == name && !have[t] && len(have) < maxListed {
				have[t] = true
				list = append(list, t)
			}
			return err
		}, `SELECT TABLE_SCHEMA, TABLE_NAME FROM information_schema.TABLES
		WHERE TABLE_SCHEMA = ? AND TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED') ORDER BY CAST(TABLE_NAME AS BINARY)`, name)
		if err != nil {
			errs = append(errs, a.because(ctx, s, "information_schema.TABLES of "+a.name(name), s.checkRight(name), err))
		}
		if isLost(err) {
			return nil, errors.Join(few(errs)...)
		}
	}
	return list, errors.Join(few(errs)...)
}

// checkNext checks one table, and pauses.
func (a *auditor) checkNext(ctx context.Context, s *auditConn) (goOn bool) {
	a.mu.Lock()
	t, last := a.round.next()
	a.mu.Unlock()
	var said []message
	err := s.query(ctx, time.Duration(a.c.TableCheck.Timeout), func(rows *sql.Rows) error {
		var kind, text sql.NullString
		err := rows.Scan(new(sql.RawBytes), new(sql.RawBytes), &kind, &text)
		if len(said) < maxMessages {
			said = append(said, message{})
		}
		said[len(said)-1] = message{kind.String, text.String}
		return err
	}, "CHECK TABLE "+t.quoted()+" FAST QUICK")
	if ctx.Err() != nil {
		return false
	}
	a.note(t, last, s, said, err)
	a.mu.Lock()
	left := a.round.left()
	a.mu.Unlock()
	if s.stuck || isLost(err) || left == 0 {
		return !s.stuck && !isLost(err)
	}
	pause := time.NewTimer(time.Duration(a.c.TableCheck.Pause))
	defer pause.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-pause.C:
		return true
	}
}

// note keeps what came of a check, and ends the round with its last table.
func (a *auditor) note(t tableName, last bool, s *auditConn, said []message, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.now()
	outcome, text := judge(said, err)
	r := &a.round
	switch outcome {
	case isSound, isBroken:
		a.state.results[t] = checked{outcome == isSound, now, a.name(text)}
	case isGone, cannotBeChecked:
		delete(a.state.results, t)
	case isLocked:
		if !last {
			r.again = append(r.again, t)
			break
		}
		a.state.skipped[t] = outcome
	case connectionLost:
		r.todo, r.again = nil, nil // what it was, is for people to see
		r.errs = append(r.errs, fmt.Errorf("the connection was lost while %s was checked: look at the server's log; no other table is checked before the next time", a.name(t.String())))
		a.state.skipped[t] = outcome
	case isDeniedCheck:
		r.errs = append(r.errs, fmt.Errorf("CHECK TABLE %s: the server answers %d; as an administrator: GRANT %s TO %s", a.name(t.String()), errNumber(err), a.name(s.checkRight(t.schema)), s.user))
		a.state.skipped[t] = outcome
	default:
		a.state.skipped[t] = outcome
	}
	if r.left() == 0 {
		a.checks.ended = now
		next := a.nextCheck(now)
		a.checks.end(r.begun, now, next, errors.Join(few(r.errs)...))
		a.checks.due = next // the tables have been checked, as far as it goes
		*r = checkRound{}
	}
}

// A message is a row that CHECK TABLE answers.
type message struct{ kind, text string }

const maxMessages = 50

// What may come of a check. Those that are skipped are labels as well.
const (
	isSound         = "sound"
	isBroken        = "broken"
	isGone          = "gone"
	cannotBeChecked = "not supported"
	isLocked        = "locked"
	tookTooLong     = "timeout"
	isDeniedCheck   = "denied"
	noFiles         = "no files"
	connectionLost  = "connection lost"
	isRefused       = "error"
)

// judge says what came of a check. A check that was ended before it was done is
// reported as "Corrupt", with why one row before: that is no corruption.
func judge(said []message, err error) (outcome, text string) {
	switch {
	case isDenied(err):
		return isDeniedCheck, ""
	case isSlow(err):
		return tookTooLong, ""
	case errNumber(err) == errLockWait:
		return isLocked, ""
	case isLost(err):
		return connectionLost, ""
	case err != nil:
		return isRefused, ""
	}
	has := func(parts ...string) bool {
		for _, m := range said {
			for _, part := range parts {
				if strings.Contains(m.text, part) {
					return true
				}
			}
		}
		return false
	}
	switch {
	case has("Lock wait timeout exceeded"):
		return isLocked, ""
	case has("max_statement_time", "Query execution was interrupted", "maximum statement execution time exceeded"):
		return tookTooLong, ""
	case has("command denied"):
		return isDeniedCheck, ""
	case has("errno: 24", "Too many open files"):
		return noFiles, ""
	case has("doesn't exist") && !has("doesn't exist in engine"):
		return isGone, ""
	case has("doesn't support check"):
		return cannotBeChecked, ""
	case len(said) == 0:
		return isRefused, ""
	}
	if end := said[len(said)-1]; strings.EqualFold(end.kind, "status") && (end.text == "OK" || end.text == "Table is already up to date") {
		return isSound, ""
	}
	return isBroken, said[0].text
}
