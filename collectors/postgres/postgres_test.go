package postgres

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/testenv"
)

// table reads rows of two columns, as psql prints them.
func table(t *testing.T, text string) map[string]float64 {
	t.Helper()
	m := map[string]float64{}
	for line := range strings.Lines(text) {
		k, v, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		n, err := strconv.ParseFloat(v, 64)
		if err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		m[k] = n
	}
	return m
}

// said is what psql says of all that is compared, by series.
func said(t *testing.T, srv *testenv.PostgresServer) map[string]float64 {
	t.Helper()
	var each []string
	for _, col := range databaseView.columns {
		if strings.HasPrefix(col.name, "parallel_") || col.kind == stamp || col.name == "numbackends" {
			continue // of later versions; mostly NULL; of the moment
		}
		each = append(each, fmt.Sprintf(`SELECT format('pg_stat_database_%s{datid="%%s",datname="%%s"}', datid, datname), %[1]s FROM pg_stat_database WHERE %[1]s IS NOT NULL`, col.name))
	}
	for _, v := range serverViews[:2] { // from 17 on what is of checkpoints is in the second
		has := strings.Fields(srv.SQL("SELECT attname FROM pg_attribute WHERE attnum > 0 AND attrelid = to_regclass('" + v.name + "')"))
		for _, col := range v.columns {
			if slices.Contains(has, col.name) {
				each = append(each, fmt.Sprintf(`SELECT '%s%s%s', %s FROM %s`, v.prefix, col.name, v.suffix, col.expr(), v.name))
			}
		}
	}
	each = append(each,
		`SELECT format('pg_database_size_bytes{datname="%s"}', datname), pg_database_size(oid) FROM pg_database`,
		`SELECT format('pg_database_connection_limit{datname="%s"}', datname), datconnlimit FROM pg_database`,
		`SELECT format('pg_database_wraparound_age_datfrozenxid_seconds{datname="%s"}', datname), age(datfrozenxid) FROM pg_database WHERE datallowconn`,
		`SELECT 'pg_postmaster_start_time_seconds', extract(epoch FROM pg_postmaster_start_time())`,
		`SELECT 'pg_settings_' || replace(name, '.', '_'), CASE setting WHEN 'on' THEN 1 ELSE 0 END FROM pg_settings WHERE vartype = 'bool'`,
		`SELECT 'pg_settings_' || replace(name, '.', '_'), setting::float8 FROM pg_settings WHERE vartype IN ('integer', 'real') AND unit IS NULL AND name NOT LIKE 'tcp_%'`,
		`SELECT 'pg_settings_' || name || '_bytes', CASE setting WHEN '-1' THEN -1 ELSE pg_size_bytes(current_setting(name)) END FROM pg_settings WHERE vartype = 'integer' AND unit IN ('B', 'kB', 'MB', '8kB')`,
		`SELECT 'pg_settings_' || name || '_seconds', CASE setting WHEN '-1' THEN -1 ELSE extract(epoch FROM current_setting(name)::interval) END FROM pg_settings WHERE vartype IN ('integer', 'real') AND unit IN ('ms', 's', 'min') AND name NOT LIKE 'tcp_%'`)
	// Settings tcp_ are those of the connection.
	return table(t, srv.SQL(strings.ReplaceAll(strings.Join(each, ";\n"), "format('", "format(E'")+";"))
}

// What is sampled is what psql says just before and just after: a value that has not
// changed is equal, and one that has lies between.
func TestSamplesAreWhatTheServerSays(t *testing.T) {
	t.Parallel()
	srv := start(t, "default_statistics_target=123", "work_mem=5MB")
	s := newSampler(t, as(srv.Addr, "logkeel"))
	if _, err := take(t, s); err != nil { // it connects
		t.Fatal(err)
	}
	s.sizes.begun = time.Time{} // they are measured again
	before := said(t, srv)
	got, err := take(t, s)
	if err != nil {
		t.Fatal(err)
	}
	after := said(t, srv)
	compared := 0
	for series, a := range before {
		b := after[series]
		slack := 1e-9*math.Abs(a) + 1e-9
		if v, ok := got[series]; !ok || v < min(a, b)-slack || v > max(a, b)+slack {
			t.Errorf("%s is %v (%v), but the server says %v and then %v", series, v, ok, a, b)
		}
		compared++
	}
	if compared < 350 {
		t.Errorf("only %d values were compared", compared)
	}
	// Those of psql before may still be there.
	if v, n := got["logkeel_postgres_connections_used_ratio"], got["logkeel_postgres_connections"]; n < 1 || v != n/27 {
		t.Errorf("%v connections are %v of 30 less 3 that are reserved", n, v)
	}
	if v := got["logkeel_postgres_ping_seconds"]; v <= 0 || v > 60 {
		t.Errorf("SELECT 1 took %v s", v)
	}
}

// Locks, transactions and who waits are those that there are.
func TestLocksAndTransactions(t *testing.T) {
	t.Parallel()
	srv := start(t)
	s := newSampler(t, as(srv.Addr, "logkeel"))
	holds := session(t, srv, "shop", "BEGIN; LOCK TABLE orders IN ACCESS EXCLUSIVE MODE;")
	session(t, srv, "shop", "SELECT * FROM orders;")
	await(t, func() bool { return srv.SQL("SELECT count(*) FROM pg_locks WHERE NOT granted") == "1" })
	time.Sleep(100 * time.Millisecond) // the transaction is that old
	var got map[string]float64
	var err error
	await(t, func() bool { // the psql before may still be there
		got, err = take(t, s)
		return err != nil || got["logkeel_postgres_connections"] == 3
	})
	if err != nil {
		t.Fatal(err)
	}
	for series, want := range map[string]float64{
		`pg_locks_count{datname="shop",mode="accessexclusivelock"}`:             1,
		`logkeel_postgres_locks_waiting`:                                        1,
		`pg_stat_activity_count{datname="shop",state="idle in transaction"}`:    1,
		`pg_stat_activity_count{datname="shop",state="active"}`:                 1,
		`pg_stat_activity_count{datname="shop",state="disabled"}`:               0,
		`pg_long_running_transactions`:                                          2,
		`logkeel_postgres_connections`:                                          3,
		`pg_stat_database_numbackends{datid="` + oid(srv) + `",datname="shop"}`: 2,
	} {
		if v, ok := got[series]; !ok || v != want {
			t.Errorf("%s is %v (%v), want %v", series, v, ok, want)
		}
	}
	for _, series := range []string{`pg_stat_activity_max_tx_duration{datname="shop",state="idle in transaction"}`, `pg_long_running_transactions_oldest_timestamp_seconds`} {
		if v := got[series]; v < 0.1 || v > 600 {
			t.Errorf("%s is %v", series, v)
		}
	}
	holds()
}

func oid(srv *testenv.PostgresServer) string {
	return srv.SQL("SELECT oid FROM pg_database WHERE datname = 'shop'")
}

// A standby that replays nothing falls behind, and both servers say so.
func TestReplication(t *testing.T) {
	t.Parallel()
	srv := start(t)
	standby := srv.Standby("shared_preload_libraries=pg_stat_statements", "max_connections=30")
	await(t, func() bool {
		return srv.SQL("SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'") == "1"
	})
	srv.SQLIn("shop", "INSERT INTO orders VALUES (0, 0)")
	await(t, func() bool { return standby.SQL("SELECT pg_last_xact_replay_timestamp() IS NOT NULL") == "t" })
	primary, replica := newSampler(t, as(srv.Addr, "logkeel")), newSampler(t, as(standby.Addr, "logkeel"))
	standby.SQL("SELECT pg_wal_replay_pause()")
	await(t, func() bool { return standby.SQL("SELECT pg_get_wal_replay_pause_state()") == "paused" })
	srv.SQLIn("shop", "INSERT INTO orders SELECT n, n FROM generate_series(1000, 9000) n")
	const behind = `pg_stat_replication_pg_wal_lsn_diff{application_name="walreceiver",client_addr="127.0.0.1",state="streaming"}`
	var got map[string]float64
	await(t, func() bool {
		got, _ = take(t, primary)
		return got[behind] > 100_000
	})
	if v := got[`pg_replication_slots_active{slot_name="standby",database=""}`]; v != 1 {
		t.Errorf("the slot is not active: %v", v)
	}
	if v := got["pg_replication_is_replica"]; v != 0 {
		t.Error("the primary says that it is a replica")
	}
	var err error
	await(t, func() bool { // it may not have what it is behind yet
		got, err = take(t, replica)
		return err != nil || got["pg_replication_lag_seconds"] >= 0.2
	})
	if err != nil || got["pg_replication_is_replica"] != 1 {
		t.Errorf("replica %v, %v", got["pg_replication_is_replica"], err)
	}
	standby.SQL("SELECT pg_wal_replay_resume()")
	await(t, func() bool {
		got, _ = take(t, replica)
		return got["pg_replication_lag_seconds"] == 0
	})
	standby.Stop()
	await(t, func() bool {
		got, _ = take(t, primary)
		v, ok := got[`pg_replication_slots_active{slot_name="standby",database=""}`]
		return ok && v == 0
	})
}

// The records have the numbers of the server, of each database and of each
// statement, the last with its text.
func TestRecords(t *testing.T) {
	t.Parallel()
	srv := start(t)
	srv.SQLIn("shop", "SELECT count(*) FROM orders WHERE total > 17")
	s := newSampler(t, as(srv.Addr, "logkeel"))
	if _, err := take(t, s); err != nil {
		t.Fatal(err)
	}
	var records []string
	s.Records(func(fields []agent.Field) { records = append(records, fmt.Sprint(fields)) })
	for _, want := range [][]string{
		{"{pg_up 1}", "{pg_postmaster_start_time_seconds", "{pg_stat_bgwriter_buffers_alloc_total"},
		{"[{datname shop}", "{pg_stat_database_xact_commit", "{pg_database_size_bytes"},
		{"{datname shop}", "{query SELECT count(*) FROM orders WHERE total > $1}", "{pg_stat_statements_calls_total 1}"},
	} {
		if !slices.ContainsFunc(records, func(r string) bool {
			return !slices.ContainsFunc(want, func(part string) bool { return !strings.Contains(r, part) })
		}) {
			t.Errorf("no record has %q", want)
		}
	}
	if n := len(records); n > 40 {
		t.Errorf("%d records", n)
	}
}
