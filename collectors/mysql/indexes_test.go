package mysql

import (
	"database/sql"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/webgrip/logkeel/agent"
)

// btree reads an index as "u name: a, b(10), c desc"; u is unique, h hidden, and
// any other letter the kind.
func btree(text string) index {
	head, columns, _ := strings.Cut(text, ": ")
	x := index{kind: "BTREE", name: head}
	if flags, name, ok := strings.Cut(head, " "); ok {
		x.name, x.unique, x.hidden = name, strings.Contains(flags, "u"), strings.Contains(flags, "h")
		if strings.Contains(flags, "f") {
			x.kind = "FULLTEXT"
		}
	}
	x.unique = x.unique || x.name == "PRIMARY"
	for c := range strings.SplitSeq(columns, ", ") {
		var p indexPart
		c, p.descending = strings.CutSuffix(c, " desc")
		name, length, ok := strings.Cut(c, "(")
		if ok {
			p.prefix, _ = strconv.ParseInt(strings.TrimSuffix(length, ")"), 10, 64)
		}
		if p.column = name; strings.HasPrefix(name, "=") {
			p.column, p.expression = "", name
		}
		x.parts = append(x.parts, p)
	}
	return x
}

func TestRedundant(t *testing.T) {
	for _, c := range []struct {
		indexes []string
		want    string
	}{
		{[]string{"PRIMARY: id", "a: a", "ab: a, b"}, "a"},
		{[]string{"PRIMARY: id", "a: a", "b: b", "ba: b, a"}, "b"},
		{[]string{"u a: a", "ab: a, b"}, ""},               // it forbids what the longer one does not
		{[]string{"u a: a", "u ab: a, b"}, ""},             // likewise
		{[]string{"a: a", "u ab: a, b"}, "a"},              // a unique one serves as well
		{[]string{"PRIMARY: id", "u id: id"}, "id"},        // never the primary key
		{[]string{"PRIMARY: id, a", "id: id"}, "id"},       //
		{[]string{"u x: a", "x2: a"}, "x2"},                // the one that forbids stays
		{[]string{"x2: a", "x1: a", "x3: a"}, "x2 x3"},     // one stays
		{[]string{"u x1: a", "u x2: a"}, "x2"},             //
		{[]string{"a10: a(10)", "a: a"}, "a10"},            // a prefix of the same column
		{[]string{"a10: a(10)", "a20: a(20)"}, "a10"},      //
		{[]string{"u a10: a(10)", "a: a"}, ""},             // unique in ten characters is more than in all
		{[]string{"a10: a(10)", "ab: a(10), b"}, "a10"},    //
		{[]string{"a10b: a(10), b", "ab: a, b"}, ""},       // it is sorted otherwise
		{[]string{"a: a desc", "ab: a, b"}, ""},            //
		{[]string{"a: a desc", "ab: a desc, b"}, "a"},      //
		{[]string{"a: a", "h ab: a, b"}, ""},               // the optimizer does not see it
		{[]string{"h a: a", "ab: a, b"}, ""},               // somebody is about to drop it
		{[]string{"f a: a", "ab: a, b"}, ""},               // another kind
		{[]string{"f a: a", "f ab: a, b"}, ""},             // MATCH needs just its columns
		{[]string{"f a: a", "f a2: a"}, "a2"},              //
		{[]string{"x: =lower(a)", "y: =upper(a)"}, ""},     // expressions have no column
		{[]string{"x: =lower(a)", "y: =lower(a), b"}, "x"}, //
		{nil, ""},
	} {
		var all []index
		for _, text := range c.indexes {
			all = append(all, btree(text))
		}
		slices.Reverse(all)
		got := redundant(all)
		slices.Sort(got)
		if text := strings.Join(got, " "); text != c.want {
			t.Errorf("%q: %q, want %q", c.indexes, text, c.want)
		}
	}
}

// Whatever the indexes, what is left can stand in for all.
func FuzzRedundant(f *testing.F) {
	f.Add("PRIMARY: id\na: a\nab: a, b")
	f.Add("u x: a(3)\ny: a\nz: a desc, b")
	f.Fuzz(func(t *testing.T, text string) {
		var all []index
		for line := range strings.SplitSeq(text, "\n") {
			x := btree(line)
			if slices.ContainsFunc(all, func(y index) bool { return y.name == x.name }) || len(all) > 8 {
				continue
			}
			all = append(all, x)
		}
		gone := redundant(all)
		for i := range all {
			if slices.Contains(gone, all[i].name) && !slices.ContainsFunc(all, func(x index) bool { return !slices.Contains(gone, x.name) && x.covers(&all[i]) }) {
				t.Errorf("%q: nothing is left for %s", text, all[i].name)
			}
		}
	})
}

func TestLargest(t *testing.T) {
	for kind, want := range map[string]float64{
		"tinyint(4)": 127, "tinyint unsigned": 255, "smallint(6)": 32767, "mediumint(8) unsigned zerofill": 1<<24 - 1, "int": math.MaxInt32,
		"INT(10) UNSIGNED": math.MaxUint32, "bigint(20)": math.MaxInt64, "bigint unsigned": math.MaxUint64, "double": 0, "": 0, "interval": 0,
	} {
		if got := largest(kind); got != want {
			t.Errorf("%s: %v, want %v", kind, got, want)
		}
	}
}

// MySQL 8 has columns that MariaDB has not, and the other way round.
func TestStatisticsQuery(t *testing.T) {
	for _, c := range []struct {
		known []string
		has   string
	}{
		{nil, "COLUMN_NAME, NULL, SUB_PART, COLLATION, CARDINALITY,\n\t'YES', 'NO' FROM"},
		{[]string{"IGNORED"}, "COLUMN_NAME, NULL, SUB_PART, COLLATION, CARDINALITY,\n\t'YES', IGNORED FROM"},
		{[]string{"EXPRESSION", "IS_VISIBLE"}, "COLUMN_NAME, EXPRESSION, SUB_PART, COLLATION, CARDINALITY,\n\tIS_VISIBLE, 'NO' FROM"},
	} {
		if q := statisticsQuery(c.known); !strings.Contains(q, c.has) {
			t.Errorf("%v: %s", c.known, q)
		}
	}
}

// An index that has no cardinality, or that is of a table beyond the limit, has
// no series.
func TestRenderIsBounded(t *testing.T) {
	c := as("a:1", "u")
	c.Tables = &Tables{Limit: 2}
	a := &auditor{c: c}
	results := map[string]*schemaResult{}
	for d := range 3 {
		r := &schemaResult{name: fmt.Sprint("d", d), count: 5, rest: rest{tables: 3, rows: 30, data: 3}, problems: map[string]*problems{noPrimaryKey: {}}, left: map[string]float64{}}
		for i := range 2 {
			name := fmt.Sprint("t", i)
			r.tables = append(r.tables, tableSize{name: tableName{r.name, name}, rows: 1, data: float64(100*d + i)})
			r.left[name] = 0
			var all []index
			for n := range 9 {
				all = append(all, index{name: fmt.Sprint("i", n), kind: "BTREE", parts: []indexPart{{column: fmt.Sprint(n)}}, cardinality: sql.NullFloat64{Float64: 7, Valid: n > 0}})
			}
			r.judge(name, all, true, indexesPerTable*2, &usage{})
		}
		for i := range 2 * maxProblems {
			r.problem(noPrimaryKey, fmt.Sprint(i), "")
		}
		results[r.name] = r
	}
	got := map[string]float64{}
	kinds := map[string]int{}
	for _, s := range a.render(results) {
		kinds[s.Name]++
		got[s.Name+fmt.Sprint(s.Labels)] = s.Value
	}
	key := func(name string, labels ...string) string {
		var l []agent.Label
		for i := 0; i < len(labels); i += 2 {
			l = append(l, agent.Label{Name: labels[i], Value: labels[i+1]})
		}
		return name + fmt.Sprint(l)
	}
	for series, want := range map[string]float64{
		key("logkeel_mysql_tables_omitted"):                                                                 3*3 + 4,
		key("logkeel_mysql_indexes_omitted"):                                                                3*6 + 0,
		key("mysql_info_schema_table_rows", "schema", "d2", "table", "t1"):                                  1,
		key("mysql_info_schema_table_rows", "schema", "d2", "table", "(other)"):                             30,
		key("mysql_info_schema_table_rows", "schema", "d1", "table", "(other)"):                             32,
		key("logkeel_mysql_table_problems", "schema", "d1", "problem", "no_primary_key"):                    2 * maxProblems,
		key("mysql_info_schema_table_size", "schema", "d1", "table", "(other)", "component", "data_length"): 3 + 100 + 101,
	} {
		if v, ok := got[series]; !ok || v != want {
			t.Errorf("%s is %v (%v), want %v", series, v, ok, want)
		}
	}
	if kinds["logkeel_mysql_table_problem"] != maxProblems || kinds["logkeel_mysql_index_cardinality"] != 2*indexesPerTable || kinds["mysql_info_schema_table_version"] != 2 {
		t.Errorf("%v", kinds)
	}
}
