package mysql

import (
	"context"
	"database/sql"
	"maps"
	"slices"
	"strings"
	"time"
)

// An index is one of a table.
type index struct {
	name        string
	kind        string // BTREE, HASH, FULLTEXT, ...
	unique      bool
	nullable    bool // so that rows may be equal although it is unique
	hidden      bool // from the optimizer: invisible, or ignored
	parts       []indexPart
	cardinality sql.NullFloat64
}

// An indexPart is a column, or an expression.
type indexPart struct {
	column     string
	expression string // MySQL 8; then there is no column
	prefix     int64  // so many characters only; 0: all of it
	descending bool
}

type indexCardinality struct {
	table, index string
	value        float64
}

// statisticsColumns are those that not each server has, by what is read where
// there is none.
var statisticsColumns = map[string]string{
	"EXPRESSION": "NULL",  // MySQL 8.0.13
	"IS_VISIBLE": "'YES'", // MySQL 8.0
	"IGNORED":    "'NO'",  // MariaDB 10.6
}

// statisticsQuery reads indexes table by table. Names that are equal by
// collation may be of two tables, so they are ordered by their bytes.
func statisticsQuery(known []string) string {
	column := func(name string) string {
		if slices.Contains(known, name) {
			return name
		}
		return statisticsColumns[name]
	}
	return `SELECT TABLE_SCHEMA, TABLE_NAME, INDEX_NAME, NON_UNIQUE, INDEX_TYPE, NULLABLE, COLUMN_NAME, ` + column("EXPRESSION") + `, SUB_PART, COLLATION, CARDINALITY,
	` + column("IS_VISIBLE") + `, ` + column("IGNORED") + ` FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = ?
	ORDER BY CAST(TABLE_NAME AS BINARY), CAST(INDEX_NAME AS BINARY), SEQ_IN_INDEX`
}

const knownColumns = `SELECT COLUMN_NAME FROM information_schema.COLUMNS
	WHERE TABLE_SCHEMA = 'information_schema' AND TABLE_NAME = 'STATISTICS' AND COLUMN_NAME IN ('EXPRESSION', 'IS_VISIBLE', 'IGNORED')`

// indexes reads the indexes of a database, and judges them table by table.
func (a *auditor) indexes(ctx context.Context, s *auditConn, r *schemaResult, u *usage) error {
	large := map[string]bool{}
	for i := range r.tables {
		large[r.tables[i].name.table] = true
	}
	var table string
	var all []index
	judge := func() { r.judge(table, all, large[table], indexesPerTable*len(r.tables), u) }
	err := s.query(ctx, time.Duration(a.c.Tables.Timeout), func(rows *sql.Rows) error {
		var schema, name, in string
		var nonUnique bool
		var kind, nullable, column, expression, collation, visible, ignored sql.NullString
		var prefix sql.NullInt64
		var cardinality sql.NullFloat64
		err := rows.Scan(&schema, &in, &name, &nonUnique, &kind, &nullable, &column, &expression, &prefix, &collation, &cardinality, &visible, &ignored)
		if err != nil || schema != r.name {
			return err
		}
		if in != table {
			judge()
			table, all = in, nil
		}
		if n := len(all); n == 0 || all[n-1].name != name {
			all = append(all, index{
				name: name, kind: strings.ToUpper(kind.String), unique: !nonUnique,
				hidden: visible.String == "NO" || ignored.String == "YES",
			})
		}
		x := &all[len(all)-1]
		x.nullable = x.nullable || nullable.String == "YES" || !column.Valid
		x.parts = append(x.parts, indexPart{column.String, expression.String, prefix.Int64, collation.String == "D"})
		x.cardinality = cardinality // that of the last part is that of all
		return nil
	}, u.statistics, r.name)
	if err != nil {
		return err
	}
	judge()
	for _, name := range slices.Sorted(maps.Keys(r.left)) {
		r.problem(noPrimaryKey, name, "")
	}
	r.left = nil
	return nil
}

// indexesPerTable is how many indexes a table may have a series for, in the mean.
const indexesPerTable = 5

// judge notes what is to be said of a table's indexes. What is left of r.left in
// the end has no key.
func (r *schemaResult) judge(table string, all []index, large bool, room int, u *usage) {
	if _, ok := r.left[table]; !ok {
		return // there are none yet, or the table is new
	}
	for _, x := range all {
		// InnoDB, and row-based replication, take such a key for the primary one.
		if x.unique && !x.nullable {
			delete(r.left, table)
		}
		if large && x.cardinality.Valid {
			if len(r.indexes) < room {
				r.indexes = append(r.indexes, indexCardinality{table, x.name, x.cardinality.Float64})
			} else {
				r.omitted++
			}
		}
		if u.on && !x.unique && !x.hidden && u.unused[problem{table, x.name}] && !u.isForeignKey(table, x.parts) {
			r.problem(unusedIndex, table, x.name)
		}
	}
	for _, name := range redundant(all) {
		r.problem(redundantIndex, table, name)
	}
}

// redundant are the indexes that another one of the same table can stand in for.
// Of two that are the same it is one.
func redundant(all []index) []string {
	var names []string
	for i := range all {
		if slices.ContainsFunc(all, func(other index) bool {
			return other.name != all[i].name && other.covers(&all[i]) && (!all[i].covers(&other) || other.better(&all[i]))
		}) {
			names = append(names, all[i].name)
		}
	}
	return names
}

// covers reports whether y is of no use beside x.
func (x *index) covers(y *index) bool {
	if y.name == "PRIMARY" || x.hidden || y.hidden || x.kind != y.kind {
		return false
	}
	same := slices.Equal(x.parts, y.parts)
	switch {
	case y.unique: // it forbids what x has to forbid as well
		return x.unique && same
	case same:
		return true
	case x.kind != "BTREE" || len(y.parts) > len(x.parts):
		return false
	}
	last := len(y.parts) - 1
	if !slices.Equal(x.parts[:last], y.parts[:last]) {
		return false
	}
	longer, shorter := x.parts[last], y.parts[last]
	if shorter.prefix > 0 && (longer.prefix == 0 || longer.prefix > shorter.prefix) {
		longer.prefix = shorter.prefix // the start of a longer start of the column
	}
	return longer == shorter
}

// better reports which of two that are the same is to stay.
func (x *index) better(y *index) bool {
	switch {
	case x.name == "PRIMARY" || y.name == "PRIMARY":
		return x.name == "PRIMARY"
	case x.unique != y.unique:
		return x.unique
	}
	return x.name < y.name
}
