package mysql

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/webgrip/logkeel/agent"
)

const locksGrant = "PROCESS ON *.*"

// The transactions' times are in the time zone of the server's system, whatever
// that of the session is.
const systemNow = "CONVERT_TZ(UTC_TIMESTAMP(), '+00:00', 'SYSTEM')"

// transactionsQuery is the same for all servers: that a transaction waits for a
// lock of a row is its state.
const transactionsQuery = `SELECT trx_mysql_thread_id AS thread, trx_state AS state,
	TIMESTAMPDIFF(SECOND, trx_started, ` + systemNow + `) AS age, TIMESTAMPDIFF(SECOND, trx_wait_started, ` + systemNow + `) AS wait,
	trx_rows_locked AS locked, trx_rows_modified AS modified
	FROM information_schema.INNODB_TRX WHERE trx_mysql_thread_id <> CONNECTION_ID() ORDER BY trx_started, trx_state = 'LOCK WAIT'`

const processlistQuery = `SELECT COALESCE(command, '') AS command, COALESCE(state, '') AS state, user, SUBSTRING_INDEX(host, ':', 1) AS host, COUNT(*) AS threads, SUM(time) AS seconds
	FROM information_schema.PROCESSLIST WHERE id <> CONNECTION_ID() AND time >= 0 GROUP BY 1, 2, 3, 4 ORDER BY 5 DESC`

// deadlocksQuery is for servers that have no status of the name. Whether it is
// counted has a column of another name in each product.
const deadlocksQuery = `SELECT * FROM information_schema.INNODB_METRICS WHERE name = 'lock_deadlocks'`

// Bounds of what is looked at, and of the series that it becomes.
const (
	maxTransactions = 50_000
	maxStates       = 100
)

// writeLocks tells of transactions, and of what waits for locks.
func writeLocks(ctx context.Context, conn *sql.Conn, status map[string]float64, out *page) error {
	if err := writeTransactions(ctx, conn, out); err != nil {
		return err
	}
	if err := writeProcesses(ctx, conn, out); err != nil {
		return err
	}
	if err := writeCompression(ctx, conn, out); err != nil {
		return err
	}
	deadlocks, ok := status["innodb_deadlocks"]
	if !ok {
		err := records(ctx, conn, deadlocksQuery, 1, func(row record) {
			if row.text("status") == "enabled" || row.text("enabled") == "1" {
				deadlocks, ok = value(row.text("count"))
			}
		})
		if err != nil && !unknownStatement(err) {
			return err
		}
	}
	if ok {
		out.counter("logkeel_mysql_deadlocks_total", "Transactions that were ended for each waited for the other.", deadlocks)
	}
	return nil
}

func writeTransactions(ctx context.Context, conn *sql.Conn, out *page) error {
	var all, waiting, locked, modified, age, wait float64
	oldest := ""
	err := records(ctx, conn, transactionsQuery, maxTransactions, func(row record) {
		num := func(name string) float64 { v, _ := value(row.text(name)); return v }
		all++
		waiting += number(row.text("state") == "LOCK WAIT")
		locked += num("locked")
		modified += num("modified")
		wait = max(wait, num("wait"))
		if v := num("age"); v > age {
			age, oldest = v, row.text("thread")
		}
	})
	if err != nil {
		return err
	}
	out.gauge("logkeel_mysql_transactions", "Transactions that are open.", all)
	longest := agent.Sample{Name: "logkeel_mysql_longest_transaction_seconds", Help: "Age of the oldest open transaction; 0 where there is none.", Value: age}
	if _, err := strconv.ParseUint(oldest, 10, 64); err == nil && oldest != "0" {
		longest.Note = fmt.Sprintf("the oldest transaction is that of connection %s; KILL %s ends it", oldest, oldest)
	}
	out.add(longest)
	out.gauge("logkeel_mysql_lock_waits", helpWaits, waiting, agent.Label{Name: "lock", Value: "row"})
	out.gauge("logkeel_mysql_longest_lock_wait_seconds", "For how long a transaction waits for a lock of a row, at most.", wait)
	out.gauge("logkeel_mysql_transaction_rows_locked", "Rows that open transactions hold locks of, about.", locked)
	out.gauge("logkeel_mysql_transaction_rows_modified", "Rows that open transactions have changed.", modified)
	return nil
}

const helpWaits = "What waits for a lock of a row (transactions), or of a table or another object (connections)."

// A threads is one state of connections.
type threads struct{ n, seconds float64 }

func writeProcesses(ctx context.Context, conn *sql.Conn, out *page) error {
	states, users, hosts := map[[2]string]threads{}, map[[2]string]threads{}, map[[2]string]threads{}
	var tables float64
	err := records(ctx, conn, processlistQuery, maxRows, func(row record) {
		n, _ := value(row.text("threads"))
		seconds, _ := value(row.text("seconds"))
		state := strings.ToLower(row.text("state"))
		if strings.HasPrefix(state, "waiting for") && strings.HasSuffix(state, "lock") {
			tables += n
		}
		add := func(to map[[2]string]threads, key [2]string) {
			if _, ok := to[key]; !ok && len(to) >= maxStates {
				key = [2]string{overflow, overflow}
			}
			to[key] = threads{to[key].n + n, to[key].seconds + seconds}
		}
		add(states, [2]string{stateName(row.text("command")), stateName(state)})
		add(users, [2]string{row.text("user")})
		add(hosts, [2]string{cmp.Or(row.text("host"), "unknown")}) // of the threads of a replica
	})
	if err != nil {
		return err
	}
	for _, k := range ordered(states) {
		labels := []agent.Label{{Name: "command", Value: k[0]}, {Name: "state", Value: k[1]}}
		out.gauge("mysql_info_schema_processlist_threads", "Connections, by what they do.", states[k].n, labels...)
		out.gauge("mysql_info_schema_processlist_seconds", "For how long connections have done that, together.", states[k].seconds, labels...)
	}
	for _, k := range ordered(users) {
		out.gauge("mysql_info_schema_processlist_processes_by_user", "Connections, by user.", users[k].n, agent.Label{Name: "mysql_user", Value: k[0]})
	}
	for _, k := range ordered(hosts) {
		out.gauge("mysql_info_schema_processlist_processes_by_host", "Connections, by where they come from.", hosts[k].n, agent.Label{Name: "client_host", Value: k[0]})
	}
	out.gauge("logkeel_mysql_lock_waits", helpWaits, tables, agent.Label{Name: "lock", Value: "table"})
	return nil
}

func ordered(states map[[2]string]threads) [][2]string {
	return slices.SortedFunc(maps.Keys(states), func(a, b [2]string) int {
		return cmp.Or(cmp.Compare(a[0], b[0]), cmp.Compare(a[1], b[1]))
	})
}

// overflow is the label of what has no series of its own.
const overflow = "(other)"

// stateName writes a state as mysqld_exporter does: in lower case and with _.
func stateName(state string) string {
	if state == "" {
		return "unknown"
	}
	const longest = 64
	name := metricName(strings.Map(func(r rune) rune {
		if strings.ContainsRune(";,:.()", r) {
			return -1
		}
		return r
	}, state))
	return name[:min(len(name), longest)]
}

// writeConnections tells how many of the connections that may be are in use.
func writeConnections(status map[string]float64, variables map[string]string, out *page) {
	most, ok := value(variables["max_connections"])
	used, known := status["threads_connected"]
	if ok && known && most > 0 {
		out.gauge("logkeel_mysql_connections_used_ratio", "Part of max_connections that is in use; 1 is all.", used/most)
	}
}
