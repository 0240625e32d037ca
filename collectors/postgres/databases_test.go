package postgres

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/webgrip/logkeel/agent/testenv"
)

var statementForm = regexp.MustCompile(`^pg_stat_statements_calls_total\{user="([^"]*)",datname="([^"]*)",queryid="([^"]*)"\}$`)

// statementsOf are how often the statements were executed, by user, database and queryid.
func statementsOf(got map[string]float64) map[[3]string]float64 {
	all := map[[3]string]float64{}
	for series, v := range got {
		if m := statementForm.FindStringSubmatch(series); m != nil {
			all[[3]string(m[1:])] = v
		}
	}
	return all
}

func TestStatements(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"", "1.7"} { // the second one is that of PostgreSQL 12, with the other spelling
		t.Run("version "+version, func(t *testing.T) {
			t.Parallel()
			srv := start(t)
			total, longest := "total_exec_time", "max_exec_time"
			if version != "" {
				srv.SQL("DROP EXTENSION pg_stat_statements; CREATE EXTENSION pg_stat_statements VERSION '" + version + "'")
				total, longest = "total_time", "max_time"
			}
			srv.SQL("SELECT pg_stat_statements_reset()") // what was before may have taken longer than these
			srv.SQLIn("shop", strings.Repeat("SELECT pg_sleep(0.1), total FROM orders WHERE id < 11 AND 'secret' <> '';", 2)+
				"SELECT pg_sleep(1.2); CREATE USER x PASSWORD 'hunter2hunter2';"+strings.Repeat("SELECT count(*) FROM orders WHERE id = 1;", 60))
			c := as(srv.Addr, "logkeel")
			c.Statements = Statements{Limit: 2, Text: true}
			s := newSampler(t, c)
			got, err := take(t, s)
			if err != nil {
				t.Fatal(err)
			}
			// The first two by their time in all, of which one is also the second by the mean.
			row := strings.Split(srv.SQL(`SELECT queryid, calls, `+total+` / 1000, `+longest+` / 1000, rows FROM pg_stat_statements WHERE query LIKE '%pg_sleep%total%'`), "\t")
			if len(row) != 5 {
				t.Fatalf("%q", row)
			}
			of := `{user="postgres",datname="shop",queryid="` + row[0] + `"}`
			want := table(t, fmt.Sprintf("pg_stat_statements_calls_total\t2\npg_stat_statements_seconds_total\t%s\nlogkeel_postgres_statement_seconds_max\t%s\npg_stat_statements_rows_total\t20\npg_stat_statements_block_read_seconds_total\t0\n", row[2], row[3]))
			want["logkeel_postgres_statement_seconds_avg"] = want["pg_stat_statements_seconds_total"] / 2
			for name, w := range want {
				if v, ok := got[name+of]; !ok || math.Abs(v-w) > 1e-9 {
					t.Errorf("%s is %v (%v), want %v", name, v, ok, w)
				}
			}
			text := `pg_stat_statements_query_id{queryid="` + row[0] + `",query="SELECT pg_sleep($1), total FROM orders WHERE id < $2 AND $3 <> $4"}`
			if got[text] != 1 {
				t.Errorf("no %s", text)
			}
			if n := len(statementsOf(got)); n < 2 || n > 4 {
				t.Errorf("%d statements, want two to four", n)
			}

			if v := got["logkeel_postgres_statement_seconds_recent"+of]; v != 0 {
				t.Errorf("before it was executed once more it took %v of late", v)
			}
			srv.SQLIn("shop", "SELECT pg_sleep(0.1), total FROM orders WHERE id < 3 AND 'secret' <> '';")
			if got, err = take(t, s); err != nil {
				t.Fatal(err)
			}
			if v := got["logkeel_postgres_statement_seconds_recent"+of]; v < 0.2 || v > 0.9 {
				t.Errorf("two times 0.1 s are %v, once 1 s", v)
			}

			// No text unless asked for; none of the agent's own statements.
			c.Statements = Statements{Limit: 500}
			s = newSampler(t, c)
			got, err = take(t, s)
			if err != nil {
				t.Fatal(err)
			}
			for series := range got {
				if strings.Contains(series, "pg_sleep") || strings.Contains(series, `user="logkeel"`) {
					t.Error(series)
				}
			}
			for _, text := range s.statements.texts {
				if strings.Contains(text, "hunter2") {
					t.Error(text)
				}
			}
		})
	}
}

// With the views of PostgreSQL 17, whose columns moved, the numbers are where they
// belong.
func TestLaterVersion(t *testing.T) {
	t.Parallel()
	srv := start(t)
	srv.SQL(`CREATE SCHEMA v17; GRANT USAGE ON SCHEMA v17 TO logkeel;
		CREATE VIEW v17.pg_stat_bgwriter AS SELECT 1 AS buffers_clean, 2 AS maxwritten_clean, 3 AS buffers_alloc, now() AS stats_reset;
		CREATE VIEW v17.pg_stat_checkpointer AS SELECT 4 AS num_timed, 5 AS num_requested, NULL::int8 AS restartpoints_timed, 8.5 AS write_time, now() AS stats_reset;
		CREATE VIEW v17.pg_stat_database AS SELECT datid, datname, numbackends, 7 AS parallel_workers_launched FROM pg_catalog.pg_stat_database;
		CREATE VIEW v17.pg_stat_database_conflicts AS SELECT datid, datname, 9 AS confl_active_logicalslot FROM pg_catalog.pg_stat_database;
		GRANT SELECT ON ALL TABLES IN SCHEMA v17 TO logkeel`)
	s := newSampler(t, as(srv.Addr, "logkeel"))
	s.schema = "v17"
	got, err := take(t, s)
	if err != nil {
		t.Fatal(err)
	}
	for series, want := range map[string]float64{
		"pg_stat_bgwriter_buffers_alloc_total": 3, "pg_stat_checkpointer_num_timed_total": 4, "pg_stat_checkpointer_num_requested_total": 5, "pg_stat_checkpointer_write_time_total": 8.5,
		`pg_stat_database_parallel_workers_launched{datid="` + oid(srv) + `",datname="shop"}`:          7,
		`pg_stat_database_conflicts_confl_active_logicalslot{datid="` + oid(srv) + `",datname="shop"}`: 9,
	} {
		if v, ok := got[series]; !ok || v != want {
			t.Errorf("%s is %v (%v), want %v", series, v, ok, want)
		}
	}
	for _, series := range []string{"pg_stat_bgwriter_checkpoints_timed_total", "pg_stat_checkpointer_restartpoints_timed_total"} {
		if v, ok := got[series]; ok {
			t.Errorf("%s is %v; there is none, or it is NULL", series, v)
		}
	}
	later := &catalog{"public", map[string][]string{statementView: {"total_exec_time", "max_exec_time", "shared_blk_read_time", "shared_blk_write_time"}}}
	if sql := (&statements{}).query(later); !strings.Contains(sql, "sum(shared_blk_read_time)") || !strings.Contains(sql, "sum(total_exec_time)") {
		t.Error(sql)
	}
}

// Many databases have a bounded number of series; what is left out is added up.
func TestManyDatabases(t *testing.T) {
	t.Parallel()
	srv := start(t)
	const odd = `o"d' {d}\n=☃`
	strategy := " STRATEGY file_copy" // which is faster, and has no name before 15
	if v, _ := strconv.Atoi(srv.SQL("SHOW server_version_num")); v < 150000 {
		strategy = ""
	}
	srv.SQL(`CREATE DATABASE "` + strings.ReplaceAll(odd, `"`, `""`) + `"` + strategy)
	const n, own = 4, 6
	var sql strings.Builder
	for i := range n {
		fmt.Fprintf(&sql, "CREATE DATABASE tenant%d%s;\n", i, strategy)
	}
	srv.SQL(sql.String())
	s := newSampler(t, as(srv.Addr, "logkeel"))
	s.own = own
	var got map[string]float64
	var err error
	await(t, func() bool { // sizes are measured in several snapshots
		got, err = take(t, s)
		return err != nil || len(s.sizes.left) == 0
	})
	if err != nil {
		t.Fatal(err)
	}
	names, other := 0, 0.0
	for series, v := range got {
		if strings.HasPrefix(series, "pg_database_size_bytes{") {
			names++
			if strings.Contains(series, "(other)") {
				other = v
			}
		}
	}
	all := n + 5
	if names != own+1 || got["logkeel_postgres_databases"] != float64(all) {
		t.Errorf("%d names, of %v databases", names, got["logkeel_postgres_databases"])
	}
	if one := got[`pg_database_size_bytes{datname="tenant0"}`]; other < float64(all-own)*one*0.99 {
		t.Errorf("all others have %v bytes, one has %v", other, one)
	}
	if _, ok := got[fmt.Sprintf("pg_stat_database_xact_commit{datid=%q,datname=%q}", srv.SQL("SELECT oid FROM pg_database WHERE datname LIKE 'o\"d%'"), odd)]; !ok {
		t.Errorf("no database %s", odd)
	}
	if len(got) > maxSeries {
		t.Errorf("%d series", len(got))
	}

	// One that is gone has no size any more, and its place goes to the next.
	srv.SQL("DROP DATABASE tenant0")
	got, err = take(t, s)
	if _, ok := got[`pg_database_size_bytes{datname="tenant0"}`]; ok || err != nil {
		t.Errorf("tenant0 is still there: %v, %v", ok, err)
	}
}

func TestWithoutValues(t *testing.T) {
	for text, want := range map[string]string{
		"SELECT $1\n\t,  $2":                   "SELECT $1 , $2",
		"ALTER USER x PASSWORD 'it''s'  VALID": "ALTER USER x PASSWORD '…' VALID",
		`SET x = E'a\'b'`:                      "SET x = E'…'",
		"CREATE USER x PASSWORD 'never ended":  "CREATE USER x PASSWORD '…'",
		"DO $$ BEGIN PERFORM 'secret'; END $$": "DO '…'",
		"DO $tag$ secret $tag$":                "DO '…'",
		strings.Repeat("é", 200):               strings.Repeat("é", maxText),
	} {
		if got := withoutValues(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func TestConfig(t *testing.T) {
	for section, words := range map[string]string{
		"{name: db, address: '127.0.0.1:5432', user: a}":                                  "",
		"{name: db, socket: /run/postgresql, user: a}":                                    "",
		"{name: a b, address: '127.0.0.1:5432', user: a}":                                 "is no name",
		"{name: db, user: a}":                                                             "neither address nor socket",
		"{name: db, address: '127.0.0.1:5432'}":                                           "no user is set",
		"{name: db, address: '127.0.0.1:5432', user: a, database: ''}":                    "no database is set",
		"{name: db, address: '127.0.0.1:5432', user: a, statements: {limit: 501}}":        "write 0 to 500",
		"{name: db, address: '127.0.0.1:5432', user: a, sizes: {interval: 1ms}}":          "write 1s to 24h",
		"{name: db, address: '127.0.0.1:5432', user: a, sizes: {interval: 0s}}":           "",
		"{name: db, socket: /run/postgresql, user: a, tls: {}}":                           "no TLS on a unix socket",
		"{name: db, address: '127.0.0.1:5432', user: a, tls: {ca_file: /nowhere/ca.pem}}": "p.yaml",
	} {
		if got := checked(t, section); (got == "") != (words == "") || !strings.Contains(got, words) {
			t.Errorf("%s: %q, want %q", section, got, words)
		}
	}
	t.Setenv("PGSERVICE", "nowhere")
	_, err := New(as("127.0.0.1:5432", "a"))
	testenv.WantError(t, err, "environment", "PG")
}
