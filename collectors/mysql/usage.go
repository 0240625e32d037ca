package mysql

import (
	"context"
	"database/sql"
	"math"
	"slices"
	"strings"
	"time"
)

const (
	usageTable = "performance_schema.table_io_waits_summary_by_index_usage"
	usageRight = "SELECT ON " + usageTable
)

// usageSince is how long the server has to be up before an index that was never
// used is a problem.
const usageSince = 24 * time.Hour

// A usage is what is known of the use of indexes; of one database at a time.
type usage struct {
	on         bool
	err        error  // why it is not on, where somebody has to do something
	statistics string // the query for indexes

	unused  map[problem]bool
	foreign map[string][][]string // the columns of foreign keys, by table
}

// probe asks once an audit what can be asked.
func (a *auditor) probe(ctx context.Context, s *auditConn) (*usage, error) {
	limit := time.Duration(a.c.Tables.Timeout)
	var known []string
	err := s.query(ctx, limit, func(rows *sql.Rows) error {
		var name string
		err := rows.Scan(&name)
		known = append(known, strings.ToUpper(name))
		return err
	}, knownColumns)
	if err != nil {
		return nil, a.because(ctx, s, "information_schema.COLUMNS", tableRight("…"), err)
	}
	u := &usage{statistics: statisticsQuery(known)}
	if on, _ := value(s.vars["performance_schema"]); on != 1 {
		return u, nil
	}
	var up float64
	err = s.query(ctx, limit, func(rows *sql.Rows) error { return rows.Scan(new(sql.RawBytes), &up) }, "SHOW GLOBAL STATUS LIKE 'Uptime'")
	if err != nil {
		return nil, a.because(ctx, s, "SHOW GLOBAL STATUS", usageRight, err)
	}
	u.on = up >= a.usageSince.Seconds()
	return u, nil
}

// unused reads which indexes were never used since the server runs. Where no row
// of a table was, nothing is known of its indexes: it may not be watched.
func (a *auditor) unused(ctx context.Context, s *auditConn, r *schemaResult, u *usage) error {
	if !u.on {
		return nil
	}
	u.unused, u.foreign = map[problem]bool{}, map[string][][]string{}
	used := map[string]bool{}
	limit := time.Duration(a.c.Tables.Timeout)
	err := s.query(ctx, limit, func(rows *sql.Rows) error {
		var schema, table string
		var index sql.NullString
		var count uint64
		err := rows.Scan(&schema, &table, &index, &count)
		switch {
		case err != nil || schema != r.name:
			return err
		case count > 0:
			used[table] = true
		case index.Valid && index.String != "PRIMARY":
			u.unused[problem{table, index.String}] = true
		}
		return nil
	}, "SELECT OBJECT_SCHEMA, OBJECT_NAME, INDEX_NAME, COUNT_STAR FROM "+usageTable+" WHERE OBJECT_TYPE = 'TABLE' AND OBJECT_SCHEMA = ?", r.name)
	if isDenied(err) {
		u.on, u.err = false, a.because(ctx, s, usageTable, usageRight, err)
		return nil
	}
	for p := range u.unused {
		if !used[p.table] {
			delete(u.unused, p)
		}
	}
	r.problems[unusedIndex] = &problems{}
	if err != nil || len(u.unused) == 0 {
		return err
	}
	return a.foreignKeys(ctx, s, r, u)
}

// foreignKeys reads the columns that foreign keys need an index on, which
// InnoDB uses without being counted.
func (a *auditor) foreignKeys(ctx context.Context, s *auditConn, r *schemaResult, u *usage) error {
	var last [2]string // constraint and table
	return s.query(ctx, time.Duration(a.c.Tables.Timeout), func(rows *sql.Rows) error {
		var schema, constraint, table, column, toSchema, toTable, toColumn string
		err := rows.Scan(&schema, &constraint, &table, &column, &toSchema, &toTable, &toColumn)
		if err != nil || schema != r.name {
			return err
		}
		begins := last != [2]string{constraint, table}
		last = [2]string{constraint, table}
		u.foreignColumn(table, column, begins)
		if toSchema == r.name && toTable != table {
			u.foreignColumn(toTable, toColumn, begins)
		}
		return nil
	}, `SELECT TABLE_SCHEMA, CONSTRAINT_NAME, TABLE_NAME, COLUMN_NAME, REFERENCED_TABLE_SCHEMA, REFERENCED_TABLE_NAME, REFERENCED_COLUMN_NAME
	FROM information_schema.KEY_COLUMN_USAGE WHERE TABLE_SCHEMA = ? AND REFERENCED_TABLE_NAME IS NOT NULL
	ORDER BY CAST(TABLE_NAME AS BINARY), CAST(CONSTRAINT_NAME AS BINARY), ORDINAL_POSITION`, r.name)
}

func (u *usage) foreignColumn(table, column string, begins bool) {
	keys := u.foreign[table]
	if begins || len(keys) == 0 {
		keys = append(keys, nil)
	}
	keys[len(keys)-1] = append(keys[len(keys)-1], column)
	u.foreign[table] = keys
}

// isForeignKey reports whether an index begins with the columns of a foreign key.
func (u *usage) isForeignKey(table string, parts []indexPart) bool {
	return slices.ContainsFunc(u.foreign[table], func(key []string) bool {
		return len(key) <= len(parts) && !slices.ContainsFunc(parts[:len(key)], func(p indexPart) bool {
			return !slices.ContainsFunc(key, func(c string) bool { return strings.EqualFold(c, p.column) })
		})
	})
}

// An autoColumn is one that AUTO_INCREMENT counts up.
type autoColumn struct {
	table, column string
	next, most    float64
}

// used is how much of the values that the type has are used.
func (c *autoColumn) used() float64 { return max(0, c.next-1) / c.most }

const columnsQuery = `SELECT TABLE_SCHEMA, TABLE_NAME, COLUMN_NAME, COLUMN_TYPE
	FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = ? AND EXTRA LIKE '%auto_increment%'`

// columns reads the columns that count up, and keeps those nearest their end.
func (a *auditor) columns(ctx context.Context, s *auditConn, r *schemaResult) error {
	err := s.query(ctx, time.Duration(a.c.Tables.Timeout), func(rows *sql.Rows) error {
		var schema, kind string
		var c autoColumn
		if err := rows.Scan(&schema, &c.table, &c.column, &kind); err != nil || schema != r.name {
			return err
		}
		c.next, c.most = r.left[c.table], largest(kind)
		if c.next > 0 && c.most > 0 {
			r.auto = append(r.auto, c)
		}
		return nil
	}, columnsQuery, r.name)
	if err != nil {
		return err
	}
	slices.SortFunc(r.auto, nearestFirst)
	for i := range r.auto {
		if c := &r.auto[i]; c.used() > nearEnd {
			r.problem(autoIncrement, c.table, "")
		}
	}
	r.auto = slices.Clip(r.auto[:min(len(r.auto), a.c.Tables.Limit)])
	return nil
}

// largest is the largest value of a type of integers, as 18446744073709551615 of
// bigint(20) unsigned; 0 for any other.
func largest(columnType string) float64 {
	kind := strings.ToLower(columnType)
	bits := 0
	name, _, _ := strings.Cut(kind, " ")
	name, _, _ = strings.Cut(name, "(")
	switch name {
	case "tinyint":
		bits = 8
	case "smallint":
		bits = 16
	case "mediumint":
		bits = 24
	case "int":
		bits = 32
	case "bigint":
		bits = 64
	default:
		return 0
	}
	if !strings.Contains(kind, "unsigned") {
		bits--
	}
	return math.Exp2(float64(bits)) - 1
}
