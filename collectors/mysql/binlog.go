package mysql

import (
	"context"
	"database/sql"
	"path"
	"strconv"
	"strings"

	"github.com/webgrip/logkeel/agent"
)

// recovery says whether the server keeps what is needed to go back to any moment
// since the last backup, and why not.
type recovery struct {
	off       bool // no binary log
	statement bool // it has statements, which may have another effect when they are repeated
	short     bool // its files may be gone before there is a backup that has what is in them
	buffered  bool // a crash may lose its last transactions
}

// day is how long a file is needed at least: from one nightly backup to the next.
const day = 24 * 60 * 60

func recoveryOf(variables map[string]string) recovery {
	on := func(name string) bool { v, _ := value(variables[name]); return v == 1 }
	expires := expiry(variables)
	r := recovery{
		off:       !on("log_bin"),
		statement: strings.EqualFold(variables["binlog_format"], "STATEMENT"),
		short:     expires > 0 && expires < day,
		buffered:  variables["sync_binlog"] == "0" || variables["innodb_flush_log_at_trx_commit"] != "1",
	}
	if r.off { // the rest is of no matter
		r = recovery{off: true}
	}
	return r
}

// expiry is after how many seconds files of the binary log are removed; 0 for
// never. Servers know it by one of two names, or by both.
func expiry(variables map[string]string) float64 {
	if purge, ok := value(variables["binlog_expire_logs_auto_purge"]); ok && purge == 0 {
		return 0 // MySQL: by hand only
	}
	if v, ok := value(variables["binlog_expire_logs_seconds"]); ok && v > 0 {
		return v
	}
	days, _ := value(variables["expire_logs_days"])
	return days * day
}

func writeRecovery(variables map[string]string, out *page) {
	r := recoveryOf(variables)
	possible := agent.Sample{
		Name: "logkeel_mysql_point_in_time_recovery", Help: "Whether the server can be brought back to any moment since the last backup: it has a binary log, and keeps its files for a day at least.", Value: 1,
	}
	on := productOf(variables)
	switch {
	case r.off && !on.maria && on.major >= 8: // it is on, unless somebody says otherwise
		possible.Value, possible.Note = 0, "log_bin is off: remove skip_log_bin or disable_log_bin from the server's configuration and options, and restart it; it cannot be set while the server runs"
	case r.off:
		possible.Value, possible.Note = 0, "log_bin is off: write log_bin and binlog_format=ROW under [mysqld] in the server's configuration and restart it; it cannot be set while the server runs"
	case r.short:
		possible.Value, possible.Note = 0, "files of the binary log are removed after less than a day: set expire_logs_days (MariaDB) or binlog_expire_logs_seconds (MySQL) to more than the time between two backups"
	}
	out.add(possible)
	const name, help = "logkeel_mysql_point_in_time_recovery_problem", "What makes recovery to a moment impossible (log_bin_off, expires_within_a_day) or doubtful (format_statement, not_synced)."
	for _, problem := range []struct {
		reason string
		is     bool
	}{{"log_bin_off", r.off}, {"expires_within_a_day", r.short}, {"format_statement", r.statement}, {"not_synced", r.buffered}} {
		out.gauge(name, help, number(problem.is), agent.Label{Name: "reason", Value: problem.reason})
	}
	out.gauge("logkeel_mysql_binlog_expire_seconds", "After what time files of the binary log are removed; 0 for never.", expiry(variables))
}

func number(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

// maxBinlogs bounds how many files of the binary log are looked at.
const maxBinlogs = 100_000

// writeBinlogs tells of the files of the binary log. MySQL has a column more than
// MariaDB.
func writeBinlogs(ctx context.Context, conn *sql.Conn, out *page) error {
	var files, size, last float64
	err := records(ctx, conn, "SHOW BINARY LOGS", maxBinlogs, func(row record) {
		files++
		bytes, _ := strconv.ParseFloat(row.text("file_size"), 64)
		size += bytes
		if n, err := strconv.ParseFloat(strings.TrimPrefix(path.Ext(row.text("log_name")), "."), 64); err == nil {
			last = n
		}
	})
	if err != nil {
		return err
	}
	out.gauge("mysql_binlog_size_bytes", "Size of all files of the binary log together.", size)
	out.gauge("mysql_binlog_files", "Number of files of the binary log.", files)
	out.gauge("mysql_binlog_file_number", "Number of the newest file of the binary log.", last)
	return nil
}
