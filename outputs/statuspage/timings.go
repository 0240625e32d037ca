package statuspage

import (
	"cmp"
	"slices"

	"github.com/webgrip/logkeel/agent"
)

const pointMetric = "logkeel_http_time_seconds"

// A timing is where a page's time went, between the points that curl -w names.
type timing struct {
	Name     string
	Total    string
	Redirect string // how much of it were redirects; "" is nothing
	Parts    []part
	Says     string
}

type part struct {
	Class, Name string // the point at which it ends
	X, W        string
	Took        string
	Title       string
}

// points are in the order in which they are reached, with what happens until then.
// All of them are summed over redirects, so that time_redirect lies across them.
var points = []struct{ name, doing string }{
	{"namelookup", "name lookup"},
	{"connect", "connect"},
	{"appconnect", "TLS handshake"},
	{"pretransfer", "ready to send"},
	{"starttransfer", "wait for the first byte"},
	{"total", "transfer"},
}

// timings are of the pages that answer, the slowest first. All have one scale.
func (b *builder) timings() (rows []timing, more int) {
	type page struct {
		target string
		at     map[string]float64
	}
	by := map[string]*page{}
	var all []*page
	for _, s := range b.now[pointMetric] {
		target := label(s, "target")
		if by[target] == nil {
			by[target] = &page{target, map[string]float64{}}
			all = append(all, by[target])
		}
		by[target].at[label(s, "point")] = s.Value
	}
	all = slices.DeleteFunc(all, func(p *page) bool { return !(p.at["total"] > 0) })
	if len(all) == 0 {
		return nil, 0
	}
	slices.SortFunc(all, func(x, y *page) int {
		return cmp.Or(cmp.Compare(y.at["total"], x.at["total"]), cmp.Compare(x.target, y.target))
	})
	longest := all[0].at["total"]
	all, more = cut(all, maxTimings)
	for _, p := range all {
		row := timing{Name: name(p.target), Total: seconds(p.at["total"]), Says: "total " + seconds(p.at["total"])}
		if at := p.at["redirect"]; at > 0 {
			row.Redirect = seconds(at)
		}
		was := 0.0
		for i, point := range points {
			at := p.at[point.name]
			if at <= was { // it was not reached, as there is no TLS, or took no time
				continue
			}
			took := at - was
			one := part{
				Class: "p" + string(rune('0'+i)), Name: point.name, Took: seconds(took), X: num(was / longest * 1000), W: num(max(1, took/longest*1000)),
				Title: point.doing + ": " + seconds(took) + " (time_" + point.name + " " + seconds(at) + ")",
			}
			row.Parts = append(row.Parts, one)
			row.Says += ", " + point.doing + " " + one.Took
			was = at
		}
		rows = append(rows, row)
	}
	return rows, more
}

// statementMetrics are what is known of slow statements.
var statementMetrics = map[string]bool{
	"mysql_perf_schema_events_statements_total": true, "mysql_perf_schema_events_statements_seconds_total": true,
	"pg_stat_statements_calls_total": true, "pg_stat_statements_seconds_total": true, "pg_stat_statements_query_id": true,
}

// kinds of statements: by which metrics they are known.
var statementKinds = []struct{ avg, most, calls, total, id string }{
	{"logkeel_mysql_statement_seconds_avg", "logkeel_mysql_statement_seconds_max", "mysql_perf_schema_events_statements_total", "mysql_perf_schema_events_statements_seconds_total", "digest"},
	{"logkeel_mysql_slow_statement_seconds_avg", "logkeel_mysql_slow_statement_seconds_max", "logkeel_mysql_slow_statements_total", "logkeel_mysql_slow_statements_seconds_total", "digest"},
	{"logkeel_postgres_statement_seconds_avg", "logkeel_postgres_statement_seconds_max", "pg_stat_statements_calls_total", "pg_stat_statements_seconds_total", "queryid"},
}

type statementRow struct {
	Target, Schema, Text     string
	Full                     string // the text, longer
	Avg, Most, Calls, Total  string
	Named                    bool // Text is one, and no number
	avg                      float64
	identity, target, schema string
}

// statements are the slowest in the mean.
func (b *builder) statements() (rows []statementRow, more int) {
	type key struct{ target, schema, user, id string }
	for _, k := range statementKinds {
		of := func(s agent.Sample) key {
			return key{label(s, "target"), cmp.Or(label(s, "schema"), label(s, "datname")), label(s, "user"), label(s, k.id)}
		}
		gather := func(metric string) map[key]float64 {
			all := map[key]float64{}
			for _, s := range b.now[metric] {
				all[of(s)] = s.Value
			}
			return all
		}
		texts := map[key]string{}
		for _, s := range b.now[k.calls] {
			texts[of(s)] = label(s, "digest_text")
		}
		for _, s := range b.now["pg_stat_statements_query_id"] {
			texts[key{target: label(s, "target"), id: label(s, "queryid")}] = label(s, "query")
		}
		most, calls, total := gather(k.most), gather(k.calls), gather(k.total)
		for _, s := range b.now[k.avg] {
			at := of(s)
			full := cmp.Or(texts[at], texts[key{target: at.target, id: at.id}])
			row := statementRow{
				Target: name(at.target), Schema: name(at.schema), Text: text(cmp.Or(full, at.id), 160), Full: text(cmp.Or(full, at.id), 600), Named: full != "",
				Avg: seconds(s.Value), Most: seconds(most[at]), Calls: count(calls[at]), Total: seconds(total[at]),
				avg: s.Value, identity: at.id, target: at.target, schema: at.schema,
			}
			rows = append(rows, row)
		}
	}
	slices.SortFunc(rows, func(x, y statementRow) int {
		return cmp.Or(cmp.Compare(y.avg, x.avg), cmp.Compare(x.identity, y.identity), cmp.Compare(x.target, y.target), cmp.Compare(x.schema, y.schema))
	})
	return cut(rows, maxStatements)
}
