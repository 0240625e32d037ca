package mysql

import (
	"database/sql"
	"strings"
	"testing"
	"time"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/testenv"
)

// until waits for what a server does in its own time. It does not ask often:
// what InnoDB says of transactions stays as it is while it is looked at each 0.1 s.
func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	for range 400 {
		if is() {
			return
		}
		time.Sleep(150 * time.Millisecond)
	}
	t.Errorf("%s: not within a minute", what)
}

// A replicating is the statements that differ, of a source that is called east.
type replicating struct {
	reset, follow, start, stop string
	right                      string
	labels                     string // of the metrics
}

func replicatingOf(source *testenv.MariaDBServer) replicating {
	host, port, _ := strings.Cut(source.Addr, ":")
	if !source.MySQL {
		return replicating{
			reset:  "RESET MASTER",
			follow: "CHANGE MASTER 'east' TO MASTER_HOST='" + host + "', MASTER_PORT=" + port + ", MASTER_USER='repl', MASTER_PASSWORD='repl', MASTER_USE_GTID=slave_pos, MASTER_CONNECT_RETRY=1",
			start:  "START SLAVE 'east'", stop: "STOP SLAVE 'east'", right: "SLAVE MONITOR",
			labels: `{master_host="` + host + `",master_uuid="",channel_name="",connection_name="east"}`,
		}
	}
	r := replicating{
		reset: "RESET BINARY LOGS AND GTIDS",
		follow: "CHANGE REPLICATION SOURCE TO SOURCE_HOST='" + host + "', SOURCE_PORT=" + port +
			", SOURCE_USER='repl', SOURCE_PASSWORD='repl', GET_SOURCE_PUBLIC_KEY=1, SOURCE_CONNECT_RETRY=1 FOR CHANNEL 'east'",
		start: "START REPLICA FOR CHANNEL 'east'", stop: "STOP REPLICA FOR CHANNEL 'east'", right: "REPLICATION CLIENT",
		labels: `{master_host="` + host + `",master_uuid="` + source.SQL("SELECT @@server_uuid") + `",channel_name="east",connection_name=""}`,
	}
	if strings.HasPrefix(source.SQL("SELECT VERSION()"), "8.0.") {
		r.reset = "RESET MASTER"
	}
	return r
}

// delayed has the replica wait so many seconds.
func (r *replicating) delayed(replica *testenv.MariaDBServer, seconds string) {
	change := "CHANGE MASTER 'east' TO MASTER_DELAY=" + seconds
	if replica.MySQL {
		change = "CHANGE REPLICATION SOURCE TO SOURCE_DELAY=" + seconds + " FOR CHANNEL 'east'"
	}
	replica.SQL(r.stop + ";" + change + ";" + r.start)
}

func TestReplication(t *testing.T) {
	t.Parallel()
	source := start(t, "--log-bin=bin", "--server-id=1", "--binlog-format=ROW")
	replica := testenv.MariaDB(t, "--server-id=2")
	r := replicatingOf(source)
	source.SQL("CREATE USER repl@'127.0.0.1' IDENTIFIED BY 'repl'; GRANT REPLICATION SLAVE ON *.* TO repl@'127.0.0.1';" + r.reset + "; CREATE TABLE shop.things (id INT PRIMARY KEY, secret VARCHAR(40));")
	replica.SQL("CREATE SCHEMA shop; " + grants("logkeel"))
	grantParts(replica, "logkeel")
	c := as(replica.Addr, "logkeel")
	c.Statements.Limit, c.Replication = 0, Always
	_, err := once(t, c)
	testenv.WantError(t, err, "the server is no replica", "set replication to auto or false")

	replica.SQL(r.follow + ";" + r.start)
	labels := r.labels
	s := newSampler(t, c)
	sampled := func() map[string]float64 {
		got, err := take(t, s)
		if err != nil {
			t.Error(err)
		}
		return got
	}
	source.SQL("INSERT INTO shop.things VALUES (1, 'x')")
	until(t, "the row comes", func() bool {
		return replica.SQL("SELECT COUNT(*) FROM information_schema.tables WHERE table_name = 'things'") == "1"
	})
	until(t, "it runs and is not behind", func() bool {
		got := sampled()
		return got["logkeel_mysql_replication_running"+labels] == 1 && got["mysql_slave_status_seconds_behind_master"+labels] == 0
	})
	want(t, sampled(), map[string]float64{
		"mysql_slave_status_slave_io_running" + labels: 1, "mysql_slave_status_slave_sql_running" + labels: 1,
		"mysql_slave_status_last_errno" + labels: 0, "mysql_slave_status_master_server_id" + labels: 1,
		"logkeel_mysql_replication_lag_seconds" + labels: 0, `logkeel_mysql_part_up{part="replication"}`: 1,
	})

	// It is told to wait: that is no lag.
	r.delayed(replica, "1000")
	source.SQL("INSERT INTO shop.things VALUES (2, 'x')")
	until(t, "it is behind", func() bool { return sampled()["mysql_slave_status_seconds_behind_master"+labels] > 0 })
	want(t, sampled(), map[string]float64{"mysql_slave_status_sql_delay" + labels: 1000, "logkeel_mysql_replication_lag_seconds" + labels: 0})
	r.delayed(replica, "0")

	// A row that is there already stops it. What is in the row is not told.
	until(t, "the second row comes", func() bool { return replica.SQL("SELECT COUNT(*) FROM shop.things") == "2" })
	replica.SQL("INSERT INTO shop.things VALUES (3, 'x')")
	source.SQL("INSERT INTO shop.things VALUES (3, 'hunter2-hunter2')")
	until(t, "it stops", func() bool { return sampled()["logkeel_mysql_replication_running"+labels] == 0 })
	var all []agent.Sample
	if err := s.Sample(t.Context(), func(s agent.Sample) { all = append(all, s) }); err != nil {
		t.Error(err)
	}
	note := ""
	for _, s := range all {
		if strings.Contains(s.Note+testenv.Series(s), "hunter2") {
			t.Errorf("%s: %s", testenv.Series(s), s.Note)
		}
		if s.Name == "logkeel_mysql_replication_running" {
			note = s.Note
		}
		if s.Name == "mysql_slave_status_seconds_behind_master" || s.Name == "logkeel_mysql_replication_lag_seconds" {
			t.Errorf("%s is %v, but the server says NULL", s.Name, s.Value)
		}
	}
	if want := "the thread that applies changes does not run: error 1062; SHOW SLAVE STATUS"; !strings.HasPrefix(note, want) {
		t.Errorf("%q, want %q", note, want)
	}
	got := sampled()
	want(t, got, map[string]float64{
		"mysql_slave_status_slave_sql_running" + labels: 0, "mysql_slave_status_slave_io_running" + labels: 1,
		"mysql_slave_status_last_errno" + labels: 1062, "mysql_slave_status_last_sql_errno" + labels: 1062,
	})

	// Without the right it is said, for it is seen that there is a replica; where it
	// does not run that is not seen.
	replica.SQL("REVOKE " + r.right + " ON *.* FROM logkeel@'127.0.0.1'; " + r.stop)
	s.Close() // it may have two connections, and one that was closed counts for a moment
	until(t, "it is refused", func() bool {
		_, err := once(t, c)
		return err != nil && strings.Contains(err.Error(), "GRANT "+r.right+" ON *.* TO this user, or set replication to false")
	})
	c.Replication = Auto
	until(t, "nothing is said", func() bool {
		got, err := once(t, c)
		part, ok := got[`logkeel_mysql_part_up{part="replication"}`]
		return err == nil && ok && part == 0
	})
	if replica.MySQL {
		return // no status says that it runs
	}
	host, port, _ := strings.Cut(source.Addr, ":")
	replica.SQL("SET GLOBAL gtid_slave_pos = ''")
	replica.SQL("DELETE FROM shop.things WHERE id = 3; STOP SLAVE 'east'; RESET SLAVE 'east' ALL; CHANGE MASTER TO MASTER_HOST='" + host + "', MASTER_PORT=" + port + ", MASTER_USER='repl', MASTER_PASSWORD='repl', MASTER_CONNECT_RETRY=1; START SLAVE")
	until(t, "it is said", func() bool {
		_, err := once(t, c)
		return err != nil && strings.Contains(err.Error(), "GRANT SLAVE MONITOR ON *.* TO this user, or set replication to false")
	})
}

// MySQL has other names since 8.0.22; what is told has the old ones.
func TestReplicaStatusOfMySQL(t *testing.T) {
	row := func(columns ...string) record {
		var r record
		for i := 0; i < len(columns); i += 2 {
			r.names = append(r.names, strings.ToLower(columns[i]))
			r.values = append(r.values, sql.NullString{String: columns[i+1], Valid: columns[i+1] != "NULL"})
			if columns[i+1] == "NULL" {
				r.values[len(r.values)-1].String = ""
			}
		}
		return r
	}
	tell := func(r record) (map[string]float64, string) {
		got, note := map[string]float64{}, ""
		writeSource(r.oldNames(), newPage(func(s agent.Sample) {
			got[testenv.Series(s)] = s.Value
			note += s.Note
		}))
		return got, note
	}
	got, note := tell(row("Replica_IO_State", "Waiting for source to send event", "Source_Host", "db1", "Source_Port", "3306", "Replica_IO_Running", "Yes", "Replica_SQL_Running", "Yes",
		"Seconds_Behind_Source", "7", "SQL_Delay", "5", "Source_UUID", "u-1", "Channel_Name", "east", "Replicate_Do_DB", "", "Last_Errno", "0", "Read_Source_Log_Pos", "157", "SQL_Remaining_Delay", "NULL"))
	labels := `{master_host="db1",master_uuid="u-1",channel_name="east",connection_name=""}`
	want(t, got, map[string]float64{
		"mysql_slave_status_seconds_behind_master" + labels: 7, "mysql_slave_status_slave_io_running" + labels: 1,
		"mysql_slave_status_slave_sql_running" + labels: 1, "mysql_slave_status_read_master_log_pos" + labels: 157,
		"mysql_slave_status_master_port" + labels: 3306, "logkeel_mysql_replication_running" + labels: 1, "logkeel_mysql_replication_lag_seconds" + labels: 2,
		"mysql_slave_status_last_errno" + labels: 0, "mysql_slave_status_sql_delay" + labels: 5,
	})
	if len(got) != 9 || note != "" {
		t.Errorf("%d series, %q: %v", len(got), note, got)
	}
	got, note = tell(row("Source_Host", "db1", "Replica_IO_Running", "Connecting", "Replica_SQL_Running", "Yes", "Seconds_Behind_Source", "NULL", "Last_IO_Errno", "2003", "Last_IO_Error", "cannot connect with password 'x'"))
	if want := "the thread that fetches changes from the source is connecting: error 2003; SHOW SLAVE STATUS says more (MySQL since 8.0.22: SHOW REPLICA STATUS)"; note != want {
		t.Errorf("%q, want %q", note, want)
	}
	labels = `{master_host="db1",master_uuid="",channel_name="",connection_name=""}`
	want(t, got, map[string]float64{"logkeel_mysql_replication_running" + labels: 0, "mysql_slave_status_slave_io_running" + labels: 0})
	without(t, got, "logkeel_mysql_replication_lag", "mysql_slave_status_seconds_behind")
	if got, _ := tell(row()); got[`logkeel_mysql_replication_running{master_host="",master_uuid="",channel_name="",connection_name=""}`] != 0 {
		t.Errorf("of nothing: %v", got)
	}
}
