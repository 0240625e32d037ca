package mysql

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"github.com/webgrip/logkeel/agent"
)

// maxSources bounds from how many servers one may replicate.
const maxSources = 100

// writeReplication tells of each source that the server replicates from. It
// answers how many there are.
func writeReplication(ctx context.Context, conn *sql.Conn, on product, out *page) (n int, err error) {
	for _, query := range on.replicaStatus() {
		n = 0
		err = records(ctx, conn, query, maxSources, func(row record) {
			n++
			writeSource(row.oldNames(), out)
		})
		if !unknownStatement(err) {
			break
		}
	}
	return n, err
}

// replicaStatus are the statements to try: MariaDB has one for all sources, MySQL
// a new name since 8.0.22, and only that since 8.4.
func (s product) replicaStatus() []string {
	if s.maria {
		return []string{"SHOW ALL SLAVES STATUS", "SHOW SLAVE STATUS"}
	}
	return []string{"SHOW REPLICA STATUS", "SHOW SLAVE STATUS"}
}

// replicationGrant is the right that it takes. MariaDB split REPLICATION CLIENT in 10.5.
func (s product) replicationGrant() string {
	if s.from(10, 5) {
		return "SLAVE MONITOR ON *.*"
	}
	return "REPLICATION CLIENT ON *.*"
}

func (s product) binlogGrant() string {
	if s.from(10, 5) {
		return "BINLOG MONITOR ON *.*"
	}
	return "REPLICATION CLIENT ON *.*"
}

// oldNames are the row with the names of columns that MySQL had before 8.0.22, for
// these are in rules and dashboards.
func (r record) oldNames() record {
	names := make([]string, len(r.names))
	old := strings.NewReplacer("source", "master", "replica_", "slave_")
	for i, n := range r.names {
		names[i] = old.Replace(n)
	}
	return record{names: names, values: r.values}
}

func writeSource(row record, out *page) {
	labels := []agent.Label{
		{Name: "master_host", Value: row.text("master_host")},
		{Name: "master_uuid", Value: row.text("master_uuid")},
		{Name: "channel_name", Value: row.text("channel_name")},
		{Name: "connection_name", Value: row.text("connection_name")},
	}
	for i, name := range row.names {
		if v, ok := value(row.values[i].String); ok && row.values[i].Valid {
			out.gauge("mysql_slave_status_"+metricName(name), "The column "+metricName(name)+" of the replica's status.", v, labels...)
		}
	}
	io, ioOK := value(row.text("slave_io_running"))
	apply, applyOK := value(row.text("slave_sql_running"))
	out.add(agent.Sample{
		Name: "logkeel_mysql_replication_running", Help: "Whether changes are fetched from the source, and applied.", Labels: labels,
		Value: number(ioOK && applyOK && io == 1 && apply == 1), Note: row.stopped(),
	})
	if behind, ok := value(row.text("seconds_behind_master")); ok {
		delay, _ := value(row.text("sql_delay"))
		out.gauge("logkeel_mysql_replication_lag_seconds", "How far behind its source the server is, without the delay that it was told to keep.", max(0, behind-delay), labels...)
	}
}

// stopped is why it does not replicate; "" where it does. The server's own text is
// left out, for it has rows and statements in it.
func (r record) stopped() string {
	var why []string
	for _, thread := range []struct{ state, errno, does string }{
		{"slave_io_running", "last_io_errno", "fetches changes from the source"},
		{"slave_sql_running", "last_sql_errno", "applies changes"},
	} {
		if v, ok := value(r.text(thread.state)); ok && v == 1 {
			continue
		}
		say := "the thread that " + thread.does + " does not run"
		if r.text(thread.state) == "Connecting" {
			say = "the thread that " + thread.does + " is connecting"
		}
		if n, ok := value(r.text(thread.errno)); ok && n > 0 {
			say += fmt.Sprintf(": error %.0f", n)
		}
		why = append(why, say)
	}
	if why == nil {
		return ""
	}
	return strings.Join(why, "; ") + "; SHOW SLAVE STATUS says more (MySQL since 8.0.22: SHOW REPLICA STATUS)"
}
