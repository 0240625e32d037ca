package mysql

import (
	"strconv"
	"strings"
	"testing"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/conf"
	"github.com/webgrip/logkeel/agent/testenv"
)

// grantParts gives user the rights of all parts, as docs/samplers.md has them for
// this server.
func grantParts(srv *testenv.MariaDBServer, user string) {
	rights := []string{"PROCESS ON *.*", "BINLOG MONITOR ON *.*", "SLAVE MONITOR ON *.*", "SELECT ON mysql.slow_log"}
	if srv.MySQL {
		rights = []string{"PROCESS ON *.*", "REPLICATION CLIENT ON *.*", "SELECT ON mysql.slow_log"}
	}
	for _, right := range rights {
		srv.SQL("GRANT " + right + " TO " + user + "@'127.0.0.1'")
	}
}

// once takes a snapshot with a connection of its own.
func once(t *testing.T, c Config) (map[string]float64, error) {
	t.Helper()
	s := newSampler(t, c)
	defer s.Close()
	return take(t, s)
}

// want wants these series with these values.
func want(t *testing.T, got, want map[string]float64) {
	t.Helper()
	for name, w := range want {
		if v, ok := got[name]; !ok || v != w {
			t.Errorf("%s is %v (%v), want %v", name, v, ok, w)
		}
	}
}

func without(t *testing.T, got map[string]float64, prefixes ...string) {
	t.Helper()
	for name := range got {
		for _, p := range prefixes {
			if strings.HasPrefix(name, p) {
				t.Errorf("%s is there", name)
			}
		}
	}
}

func TestBinaryLog(t *testing.T) {
	t.Parallel()
	srv := start(t, "--log-bin=bin", "--server-id=1", "--binlog-format=ROW", "--binlog-expire-logs-seconds=604800", "--sync-binlog=1", "--innodb-flush-log-at-trx-commit=1")
	grantParts(srv, "logkeel")
	srv.SQL("FLUSH BINARY LOGS; FLUSH BINARY LOGS; DELETE FROM shop.orders")
	got, err := once(t, as(srv.Addr, "logkeel"))
	if err != nil {
		t.Fatal(err)
	}
	size, files := 0.0, 0.0
	newest := ""
	for line := range strings.Lines(srv.SQL("SHOW BINARY LOGS")) {
		f := strings.Fields(line)
		n, _ := strconv.ParseFloat(f[1], 64)
		size, files, newest = size+n, files+1, f[0]
	}
	number, _ := strconv.ParseFloat(strings.TrimPrefix(newest, "bin."), 64)
	if files < 3 || number < 3 {
		t.Errorf("%v files, the newest %v", files, number)
	}
	want(t, got, map[string]float64{
		"mysql_binlog_size_bytes": size, "mysql_binlog_files": files, "mysql_binlog_file_number": number,
		"logkeel_mysql_point_in_time_recovery":                                        1,
		`logkeel_mysql_point_in_time_recovery_problem{reason="log_bin_off"}`:          0,
		`logkeel_mysql_point_in_time_recovery_problem{reason="format_statement"}`:     0,
		`logkeel_mysql_point_in_time_recovery_problem{reason="expires_within_a_day"}`: 0,
		`logkeel_mysql_point_in_time_recovery_problem{reason="not_synced"}`:           0,
		"logkeel_mysql_binlog_expire_seconds":                                         7 * day,
		`logkeel_mysql_part_up{part="binary_log"}`:                                    1,
		"mysql_global_variables_log_bin":                                              1,
		"mysql_global_variables_sync_binlog":                                          1,
		"mysql_global_variables_innodb_flush_log_at_trx_commit":                       1,
	})
	srv.SQL("SET GLOBAL binlog_expire_logs_seconds = 3600; SET GLOBAL sync_binlog = 0; SET GLOBAL binlog_format = STATEMENT")
	if got, err = once(t, as(srv.Addr, "logkeel")); err != nil {
		t.Fatal(err)
	}
	want(t, got, map[string]float64{
		"logkeel_mysql_point_in_time_recovery":                                        0,
		`logkeel_mysql_point_in_time_recovery_problem{reason="format_statement"}`:     1,
		`logkeel_mysql_point_in_time_recovery_problem{reason="expires_within_a_day"}`: 1,
		`logkeel_mysql_point_in_time_recovery_problem{reason="not_synced"}`:           1,
		"logkeel_mysql_binlog_expire_seconds":                                         3600,
	})
}

// Servers that are not here, as they say that they are.
func TestRecoveryOf(t *testing.T) {
	for name, c := range map[string]struct {
		variables map[string]string
		want      recovery
	}{
		"MariaDB as it comes":    {map[string]string{"log_bin": "OFF", "binlog_format": "MIXED", "sync_binlog": "0", "expire_logs_days": "0.000000"}, recovery{off: true}},
		"MySQL 8 as it comes":    {map[string]string{"log_bin": "ON", "binlog_format": "ROW", "sync_binlog": "1", "innodb_flush_log_at_trx_commit": "1", "binlog_expire_logs_seconds": "2592000", "expire_logs_days": "0"}, recovery{}},
		"MySQL 8.4":              {map[string]string{"log_bin": "ON", "binlog_format": "ROW", "sync_binlog": "1", "innodb_flush_log_at_trx_commit": "1", "binlog_expire_logs_seconds": "60", "binlog_expire_logs_auto_purge": "OFF"}, recovery{}},
		"MySQL 5.7":              {map[string]string{"log_bin": "ON", "binlog_format": "STATEMENT", "sync_binlog": "1", "innodb_flush_log_at_trx_commit": "2", "expire_logs_days": "1"}, recovery{statement: true, buffered: true}},
		"MariaDB for half a day": {map[string]string{"log_bin": "ON", "binlog_format": "MIXED", "sync_binlog": "1", "innodb_flush_log_at_trx_commit": "1", "expire_logs_days": "0.500000"}, recovery{short: true}},
		"nothing is known":       {nil, recovery{off: true}},
	} {
		if got := recoveryOf(c.variables); got != c.want {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}

func TestProductOf(t *testing.T) {
	for _, c := range []struct {
		version, comment      string
		want                  product
		replication, binaries string
	}{
		{"10.11.14-MariaDB-0+deb12u2", "Debian 12", product{true, 10, 11}, "SLAVE MONITOR ON *.*", "BINLOG MONITOR ON *.*"},
		{"10.4.3-MariaDB", "", product{true, 10, 4}, "REPLICATION CLIENT ON *.*", "REPLICATION CLIENT ON *.*"},
		{"12.0.2", "MariaDB Server", product{true, 12, 0}, "SLAVE MONITOR ON *.*", "BINLOG MONITOR ON *.*"},
		{"8.0.36", "MySQL Community Server - GPL", product{false, 8, 0}, "REPLICATION CLIENT ON *.*", "REPLICATION CLIENT ON *.*"},
		{"", "", product{}, "REPLICATION CLIENT ON *.*", "REPLICATION CLIENT ON *.*"},
	} {
		p := productOf(map[string]string{"version": c.version, "version_comment": c.comment})
		if p != c.want || p.replicationGrant() != c.replication || p.binlogGrant() != c.binaries {
			t.Errorf("%s %s: %+v, %s, %s", c.version, c.comment, p, p.replicationGrant(), p.binlogGrant())
		}
	}
}

// A right that is missing costs its part, and is an error only where the part was
// asked for; a right that was given is seen.
func TestPartsWithoutRights(t *testing.T) {
	t.Parallel()
	srv := start(t, "--log-bin=bin", "--server-id=1")
	binlog, replication := "BINLOG MONITOR", "SLAVE MONITOR"
	if srv.MySQL {
		binlog, replication = "REPLICATION CLIENT", "REPLICATION CLIENT"
	}
	c := as(srv.Addr, "logkeel")
	s := newSampler(t, c)
	denied := []string{"mysql_binlog", "mysql_info_schema_processlist", "logkeel_mysql_lock_waits", "logkeel_mysql_longest"}
	got, err := take(t, s)
	if err != nil {
		t.Fatalf("auto: %v", err)
	}
	without(t, got, denied...)
	want(t, got, map[string]float64{
		`logkeel_mysql_part_up{part="binary_log"}`: 0, `logkeel_mysql_part_up{part="locks"}`: 0, `logkeel_mysql_part_up{part="replication"}`: 0,
		"logkeel_mysql_point_in_time_recovery": 1, "mysql_up": 1,
	})
	notes := ""
	if err := s.Sample(t.Context(), func(s agent.Sample) { notes += s.Note + "\n" }); err != nil {
		t.Fatal(err)
	}
	for _, say := range []string{"GRANT " + binlog + " ON *.* TO this user, or set binary_log to false", "GRANT PROCESS ON *.* TO this user, or set locks to false", "GRANT " + replication + " ON *.* TO"} {
		if !strings.Contains(notes, say) {
			t.Errorf("%q is not in %q", say, notes)
		}
	}

	c.Locks, c.BinaryLog, c.Replication = Always, Always, Always
	got, err = once(t, c)
	testenv.WantError(t, err, "GRANT PROCESS ON *.* TO this user", "GRANT "+binlog, "GRANT "+replication, "1227")
	if got["mysql_up"] != 1 || len(got) < fewest(srv) {
		t.Errorf("up %v, %d series", got["mysql_up"], len(got))
	}
	c.Locks, c.BinaryLog, c.Replication = Never, Never, Never
	if got, err = once(t, c); err != nil {
		t.Error(err)
	}
	without(t, got, append(denied, "logkeel_mysql_part_up")...)

	grantParts(srv, "logkeel")
	for range again {
		if _, err = take(t, s); err != nil {
			t.Fatal(err)
		}
	}
	if got, err = take(t, s); err != nil || got["mysql_binlog_files"] == 0 {
		t.Errorf("the rights that were given are not seen: %v, %v", got["mysql_binlog_files"], err)
	}
	want(t, got, map[string]float64{`logkeel_mysql_part_up{part="locks"}`: 1, `logkeel_mysql_part_up{part="replication"}`: 1})
}

func TestWant(t *testing.T) {
	var c struct {
		MySQL Config `yaml:"mysql"`
	}
	c.MySQL.SetDefaults()
	if _, err := conf.Decode("db.yaml", []byte("mysql: {locks: true, replication: false, binary_log: auto}"), &c, conf.Options{}); err != nil {
		t.Fatal(err)
	}
	if m := c.MySQL; m.Locks != Always || m.Replication != Never || m.BinaryLog != Auto || m.SlowLog.Read != Auto {
		t.Errorf("%+v", m)
	}
	_, err := conf.Decode("db.yaml", []byte("mysql: {locks: maybe}"), &c, conf.Options{})
	testenv.WantError(t, err, "db.yaml:1: mysql.locks", `"maybe" is none of auto, true and false`)
}

// What is said of a binary log that is off would stop no server from starting.
func TestRecoveryNote(t *testing.T) {
	for version, say := range map[string]string{
		"10.11.14-MariaDB": "write log_bin and binlog_format=ROW", "5.7.44-log": "write log_bin and binlog_format=ROW",
		"8.0.46-0ubuntu0.22.04.5": "remove skip_log_bin", "9.7.4-2": "remove skip_log_bin",
	} {
		note := ""
		writeRecovery(map[string]string{"version": version, "log_bin": "OFF"}, newPage(func(s agent.Sample) { note += s.Note }))
		if !strings.Contains(note, say) {
			t.Errorf("%s: %q is not in %q", version, say, note)
		}
	}
}
