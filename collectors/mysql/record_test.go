package mysql

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/webgrip/logkeel/agent"
)

// members are the records of the last snapshot.
func members(s *Sampler) []map[string]any {
	var all []map[string]any
	s.Records(func(fields []agent.Field) {
		m := map[string]any{}
		for _, f := range fields {
			m[f.Name] = f.Value
		}
		all = append(all, m)
	})
	return all
}

func TestRecords(t *testing.T) {
	t.Parallel()
	srv := start(t)
	grantParts(srv, "logkeel")
	srv.SQL("USE shop; SELECT SLEEP(0.02), total FROM orders WHERE total > 5 AND id < 99;")
	s := newSampler(t, as(srv.Addr, "logkeel"))
	got, err := take(t, s)
	if err != nil {
		t.Fatal(err)
	}
	all := members(s)
	main := all[0]
	for _, name := range []string{"mysql_up", "logkeel_mysql_ping_seconds", "mysql_global_status_questions", "mysql_global_status_threads_connected", "mysql_global_variables_max_connections", "logkeel_mysql_connections_used_ratio", "logkeel_mysql_longest_transaction_seconds"} {
		if v, ok := got[name]; !ok || main[name] != v {
			t.Errorf("%s is %v in the record, %v (%v) in the snapshot", name, main[name], v, ok)
		}
	}
	if main["version"] != srv.SQL("SELECT VERSION()") || main["logkeel_mysql_lock_waits_row"] != 0.0 || main["logkeel_mysql_part_up_locks"] != 1.0 {
		t.Errorf("%v", main)
	}
	if len(main) < 40 || len(main) > 80 {
		t.Errorf("%d members", len(main))
	}
	found := false
	for _, m := range all[1:] {
		if text, _ := m["digest_text"].(string); strings.Contains(text, "SLEEP") && strings.Contains(text, "total") {
			found = true
			if m["schema"] != "shop" || m["mysql_perf_schema_events_statements_total"] != 1.0 || m["mysql_perf_schema_events_statements_rows_examined_total"] != 2.0 || strings.Contains(text, "99") {
				t.Errorf("%v", m)
			}
			if v, _ := m["logkeel_mysql_statement_seconds_avg"].(float64); v < 0.02 {
				t.Errorf("the mean is %v", v)
			}
		}
	}
	if !found {
		t.Errorf("the statement has no record: %v", all)
	}
	for name := range got {
		if strings.Contains(name, "SLEEP") {
			t.Errorf("%s has a text that was not asked for", name)
		}
	}
	srv.Stop()
	_, _ = take(t, s)
	if all := members(s); len(all) != 1 || len(all[0]) != 1 || all[0]["mysql_up"] != 0.0 {
		t.Errorf("of a server that is down: %v", all)
	}
}

// More statements than the server has room for, which has room for 10,000.
func TestManyStatements(t *testing.T) {
	t.Parallel()
	srv := start(t, "--performance-schema-digests-size=10000")
	c := as(srv.Addr, "logkeel")
	s := newSampler(t, c)
	const n = 10_200
	var b strings.Builder
	b.WriteString("USE shop;")
	for i := range n {
		fmt.Fprintf(&b, "SELECT %d AS c%d FROM orders WHERE id = 7;\n", i, i)
	}
	srv.SQL(b.String())
	start := time.Now()
	got, err := take(t, s)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("a snapshot with 10,000 statements takes %v", time.Since(start))
	sum, series := 0.0, 0
	for name, v := range got {
		if strings.HasPrefix(name, "mysql_perf_schema_events_statements_total") {
			sum += v
			series++
		}
	}
	if series < 21 || series > 41 {
		t.Errorf("%d statements", series)
	}
	if sum < n || sum > n+200 { // and what the test did before
		t.Errorf("%v executions, want %d and some", sum, n)
	}
	known := got["logkeel_mysql_statements_omitted"] + float64(series) - 1
	if known < 9_900 || known > 10_000 {
		t.Errorf("%v statements are known", known)
	}
	if lost := got[`mysql_global_status_performance_schema_lost_total{instrumentation="digest_lost"}`]; lost < 100 {
		t.Errorf("%v were lost by the server", lost)
	}

	// Their rate is right when others are shown.
	other := `mysql_perf_schema_events_statements_total{schema="(other)",digest="(other)",digest_text=""}`
	before := got[other]
	srv.SQL("USE shop;" + strings.Repeat("SELECT 1 AS c9 FROM orders WHERE id = 8;", 30))
	if got, err = take(t, s); err != nil || got[other] < before {
		t.Errorf("%v after %v, %v", got[other], before, err)
	}
	srv.SQL("TRUNCATE performance_schema.events_statements_summary_by_digest")
	if got, err = take(t, s); err != nil || got[other] < before {
		t.Errorf("%v after %v when the server was told to forget, %v", got[other], before, err)
	}
}
