package mysql

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// A tableSize is what information_schema.TABLES says of a table. NULL is 0, as
// with mysqld_exporter.
type tableSize struct {
	name                             tableName
	kind, engine, rowFormat, options string
	version, rows, data, index, free float64
}

func (t *tableSize) bytes() float64 { return t.data + t.index }

// A rest is the tables of a database that have no series of their own.
type rest struct{ tables, rows, data, index, free float64 }

func (r *rest) add(t *tableSize) {
	r.tables++
	r.rows += t.rows
	r.data += t.data
	r.index += t.index
	r.free += t.free
}

// A schemaResult is what an audit found in one database.
type schemaResult struct {
	name     string
	at       time.Time
	count    int
	tables   []tableSize // the largest
	rest     rest
	auto     []autoColumn // those that are nearest their end
	indexes  []indexCardinality
	omitted  int // indexes beyond these
	problems map[string]*problems

	left map[string]float64 // while it is made: tables without a key so far, and what AUTO_INCREMENT gives next
}

// A problems is the tables that have one of the problems.
type problems struct {
	count int
	first []problem // of them
}

type problem struct{ table, index string }

// The problems that a table may have.
const (
	noPrimaryKey   = "no_primary_key"
	redundantIndex = "redundant_index"
	unusedIndex    = "unused_index"
	autoIncrement  = "auto_increment"
)

// maxProblems bounds how many of one kind are named.
const maxProblems = 500

// maxListed bounds how many tables of a database are looked at.
const maxListed = 200_000

// nearEnd is how much of an AUTO_INCREMENT column's values may be used before it
// is a problem.
const nearEnd = 0.8

func (r *schemaResult) problem(kind, table, index string) {
	p := r.problems[kind]
	if p.count++; len(p.first) < maxProblems {
		p.first = append(p.first, problem{table, index})
	}
}

// audit asks for all databases, one after the other, and keeps what was found.
func (a *auditor) audit(ctx context.Context, s *auditConn) (goOn bool) {
	a.mu.Lock()
	begun := a.now()
	a.mu.Unlock()
	results, err := a.auditAll(ctx, s)
	if ctx.Err() != nil {
		return false // is closed
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.now()
	if results != nil {
		a.results, a.tables.ended = results, now
		a.found = a.render(results)
	}
	a.tables.end(begun, now, now.Add(time.Duration(a.c.Tables.Interval)), err)
	return results != nil
}

// auditAll returns nil where the server is gone.
func (a *auditor) auditAll(ctx context.Context, s *auditConn) (map[string]*schemaResult, error) {
	names, err := a.databases(ctx, s, a.c.Tables.Databases, tableRight)
	if names == nil {
		return nil, err
	}
	errs := []error{err}
	usage, err := a.probe(ctx, s)
	if err != nil {
		return nil, err
	}
	results := map[string]*schemaResult{}
	for _, name := range names {
		r, err := a.auditSchema(ctx, s, name, usage)
		switch {
		case err == nil:
			results[name] = r
			continue
		case s.stuck || ctx.Err() != nil || errors.Is(err, errGone):
			return nil, err
		}
		errs = append(errs, err)
		if old := a.results[name]; old != nil && a.now().Sub(old.at) < lasts(a.c.Tables) {
			results[name] = old
		}
	}
	if usage.err != nil {
		errs = append(errs, usage.err)
	}
	return results, errors.Join(few(errs)...)
}

// few are the first of the errors, and how many more there are.
func few(errs []error) []error {
	errs = slices.DeleteFunc(errs, func(err error) bool { return err == nil })
	const most = 3
	if len(errs) > most {
		errs = append(errs[:most:most], fmt.Errorf("and %d errors more", len(errs)-most))
	}
	return errs
}

// errGone is that nothing more can be asked.
var errGone = errors.New("the connection is lost")

// because makes an error of one of an audit's queries one that says what to do.
func (a *auditor) because(ctx context.Context, s *auditConn, what, right string, err error) error {
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("%s: %w", what, context.Cause(ctx))
	case isDenied(err):
		return fmt.Errorf("%s: the server answers %d; as an administrator: GRANT %s TO %s", what, errNumber(err), right, s.user)
	case isSlow(err):
		return fmt.Errorf("%s: it took longer than tables.timeout, which is %s; set it higher, or name fewer in tables.databases", what, a.c.Tables.Timeout)
	case errNumber(err) == errLockWait:
		return fmt.Errorf("%s: a table is locked for longer than %s; see who has it with SHOW PROCESSLIST", what, lockWait)
	case isLost(err):
		return fmt.Errorf("%w: %w", errGone, a.c.explain(ctx, what, err))
	}
	return a.c.explain(ctx, what, err)
}

// tablesQuery is for one database: MariaDB looks into no other then.
const tablesQuery = `SELECT TABLE_SCHEMA, TABLE_NAME, TABLE_TYPE, ENGINE, ROW_FORMAT, CREATE_OPTIONS,
	VERSION, TABLE_ROWS, DATA_LENGTH, INDEX_LENGTH, DATA_FREE, AUTO_INCREMENT
	FROM information_schema.TABLES WHERE TABLE_SCHEMA = ? AND TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED')`

// auditSchema asks for one database.
func (a *auditor) auditSchema(ctx context.Context, s *auditConn, name string, usage *usage) (*schemaResult, error) {
	r := &schemaResult{name: name, at: a.now(), problems: map[string]*problems{
		noPrimaryKey: {}, redundantIndex: {}, autoIncrement: {},
	}, left: map[string]float64{}}
	steps := []struct {
		table, right string
		ask          func() error
	}{
		{"information_schema.TABLES", tableRight(name), func() error { return a.sizes(ctx, s, r) }},
		{"information_schema.COLUMNS", tableRight(name), func() error { return a.columns(ctx, s, r) }},
		{usageTable, usageRight, func() error { return a.unused(ctx, s, r, usage) }},
		{"information_schema.STATISTICS", tableRight(name), func() error { return a.indexes(ctx, s, r, usage) }},
	}
	for _, step := range steps {
		if err := step.ask(); err != nil {
			return nil, a.because(ctx, s, step.table+" of "+a.c.clean(errors.New(name)), step.right, err)
		}
	}
	if r.count == 0 {
		if err := a.mayBeHidden(ctx, s, name); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// sizes reads the tables and keeps the largest; of the others the sums.
func (a *auditor) sizes(ctx context.Context, s *auditConn, r *schemaResult) error {
	limit := a.c.Tables.Limit
	cut := func() {
		slices.SortFunc(r.tables, largerFirst)
		for i := range r.tables[min(limit, len(r.tables)):] {
			r.rest.add(&r.tables[limit+i])
		}
		r.tables = slices.Clip(r.tables[:min(limit, len(r.tables))])
	}
	err := s.query(ctx, time.Duration(a.c.Tables.Timeout), func(rows *sql.Rows) error {
		var t tableSize
		var texts [3]sql.NullString
		var numbers [5]sql.NullFloat64
		var next sql.NullFloat64
		err := rows.Scan(&t.name.schema, &t.name.table, &t.kind, &texts[0], &texts[1], &texts[2],
			&numbers[0], &numbers[1], &numbers[2], &numbers[3], &numbers[4], &next)
		if err != nil || t.name.schema != r.name { // another one that is equal by collation
			return err
		}
		t.engine, t.rowFormat, t.options = orNone(texts[0]), orNone(texts[1]), orNone(texts[2])
		t.version, t.rows, t.data = numbers[0].Float64, numbers[1].Float64, numbers[2].Float64
		t.index, t.free = numbers[3].Float64, numbers[4].Float64
		if r.count++; r.count > maxListed {
			return fmt.Errorf("it has more than %d tables", maxListed)
		}
		if texts[0].Valid { // else it cannot be opened, and nothing is known of its keys
			r.left[t.name.table] = next.Float64
		}
		if r.tables = append(r.tables, t); len(r.tables) >= 2*limit+1000 {
			cut()
		}
		return nil
	}, tablesQuery, r.name)
	cut()
	return err
}

// orNone is a text, or what mysqld_exporter has in place of NULL.
func orNone(s sql.NullString) string {
	if !s.Valid {
		return "NONE"
	}
	return s.String
}

func largerFirst(a, b tableSize) int {
	return cmp.Or(-cmp.Compare(a.bytes(), b.bytes()), strings.Compare(a.name.schema, b.name.schema), strings.Compare(a.name.table, b.name.table))
}
