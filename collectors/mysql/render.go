package mysql

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/webgrip/logkeel/agent"
)

// other is the table that all those are that have no series of their own.
const other = "(other)"

// nearestFirst orders columns by how much of their values is used.
func nearestFirst(a, b autoColumn) int {
	return cmp.Or(-cmp.Compare(a.used(), b.used()), strings.Compare(a.table, b.table), strings.Compare(a.column, b.column))
}

// render makes samples of what was found in all databases. It bounds them once
// more, for each of the databases was bounded by itself.
func (a *auditor) render(results map[string]*schemaResult) []agent.Sample {
	var samples []agent.Sample
	w := &auditWriter{out: newPage(func(s agent.Sample) { samples = append(samples, s) }), limit: a.c.Tables.Limit}
	w.out.limit = maxAuditSeries(w.limit)
	names := slices.Sorted(maps.Keys(results))
	all := make([]*schemaResult, len(names))
	for i, name := range names {
		all[i] = results[name]
	}
	kept := w.sizes(all)
	w.cardinality(all, kept)
	w.auto(all)
	w.problems(all)
	return samples
}

// maxAuditSeries bounds an audit: a table has 5 series, 5 indexes, and a column
// with 3; a database has 6 sums and 4 counts; and then there are the problems.
func maxAuditSeries(limit int) int {
	return limit*(5+indexesPerTable+3) + maxDatabases*12 + 4*maxProblems + 10
}

type auditWriter struct {
	out   *page
	limit int
}

func schemaTable(schema, table string, more ...agent.Label) []agent.Label {
	return append([]agent.Label{{Name: "schema", Value: text(schema)}, {Name: "table", Value: text(table)}}, more...)
}

// text is a name that may be a label's value.
func text(name string) string { return strings.ToValidUTF8(name, "\uFFFD") }

// sizes returns the tables that have series of their own.
func (w *auditWriter) sizes(all []*schemaResult) map[tableName]bool {
	var tables []tableSize
	rests := map[string]*rest{}
	omitted := 0.0
	for _, r := range all {
		tables = append(tables, r.tables...)
		sum := r.rest
		rests[r.name] = &sum
		w.out.gauge("logkeel_mysql_tables", "Tables of a database.", float64(r.count), agent.Label{Name: "schema", Value: text(r.name)})
	}
	slices.SortFunc(tables, largerFirst)
	kept := map[tableName]bool{}
	for i := range tables {
		t := &tables[i]
		if i >= w.limit {
			rests[t.name.schema].add(t)
			continue
		}
		kept[t.name] = true
		w.out.gauge("mysql_info_schema_table_version", "The version of a table's definition.", t.version, schemaTable(t.name.schema, t.name.table,
			agent.Label{Name: "type", Value: t.kind}, agent.Label{Name: "engine", Value: t.engine},
			agent.Label{Name: "row_format", Value: t.rowFormat}, agent.Label{Name: "create_options", Value: text(t.options)})...)
		w.size(t.name, t.rows, t.data, t.index, t.free)
	}
	for _, r := range all {
		if sum := rests[r.name]; sum.tables > 0 {
			omitted += sum.tables
			w.size(tableName{r.name, other}, sum.rows, sum.data, sum.index, sum.free)
		}
	}
	w.out.gauge("logkeel_mysql_tables_omitted", "Tables that have no series of their own, for there is a limit.", omitted)
	return kept
}

func (w *auditWriter) size(t tableName, rows, data, index, free float64) {
	w.out.gauge("mysql_info_schema_table_rows", "Rows of a table; an estimate with InnoDB.", rows, schemaTable(t.schema, t.table)...)
	for component, v := range map[string]float64{"data_length": data, "index_length": index, "data_free": free} {
		w.out.gauge("mysql_info_schema_table_size", "Bytes of a table, by what they are for.", v, schemaTable(t.schema, t.table, agent.Label{Name: "component", Value: component})...)
	}
}

func (w *auditWriter) cardinality(all []*schemaResult, kept map[tableName]bool) {
	omitted := 0
	room := indexesPerTable * w.limit
	for _, r := range all {
		omitted += r.omitted
		for _, x := range r.indexes {
			switch {
			case !kept[tableName{r.name, x.table}]:
			case room == 0:
				omitted++
			default:
				room--
				w.out.gauge("logkeel_mysql_index_cardinality", "Different values in an index, as the server estimates them.", x.value,
					schemaTable(r.name, x.table, agent.Label{Name: "index", Value: text(x.index)})...)
			}
		}
	}
	w.out.gauge("logkeel_mysql_indexes_omitted", "Indexes of tables with series that have none themselves, for there is a limit.", float64(omitted))
}

// auto tells of the columns nearest their end.
func (w *auditWriter) auto(all []*schemaResult) {
	type column struct {
		schema string
		autoColumn
	}
	var columns []column
	for _, r := range all {
		for _, c := range r.auto {
			columns = append(columns, column{r.name, c})
		}
	}
	slices.SortStableFunc(columns, func(a, b column) int { return nearestFirst(a.autoColumn, b.autoColumn) })
	for _, c := range columns[:min(len(columns), w.limit)] {
		which := schemaTable(c.schema, c.table, agent.Label{Name: "column", Value: text(c.column)})
		w.out.gauge("mysql_info_schema_auto_increment_column", "The next value of a column.", c.next, which...)
		w.out.gauge("mysql_info_schema_auto_increment_column_max", "The largest value that the column's type has.", c.most, which...)
		w.out.gauge("logkeel_mysql_auto_increment_used_ratio", "How much of the column's values are used, 0 to 1.", c.used(), which...)
	}
}

// problems counts all, and names the first.
func (w *auditWriter) problems(all []*schemaResult) {
	for _, kind := range []string{noPrimaryKey, redundantIndex, unusedIndex, autoIncrement} {
		room := maxProblems
		for _, r := range all {
			p := r.problems[kind]
			if p == nil {
				continue // not known
			}
			what := agent.Label{Name: "problem", Value: kind}
			w.out.gauge("logkeel_mysql_table_problems", "Tables, or their indexes, that have a problem.", float64(p.count), agent.Label{Name: "schema", Value: text(r.name)}, what)
			for _, x := range p.first[:min(len(p.first), room)] {
				room--
				w.out.gauge("logkeel_mysql_table_problem", "A table that has a problem, and which index it is; always 1.", 1,
					schemaTable(r.name, x.table, what, agent.Label{Name: "index", Value: text(x.index)})...)
			}
		}
	}
}
