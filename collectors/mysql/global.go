package mysql

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"github.com/webgrip/logkeel/agent"
)

// maxRows bounds how many rows of SHOW are looked at.
const maxRows = 5000

// show calls each for the rows of a SHOW: a name, and a value that may be no
// number.
func show(ctx context.Context, conn *sql.Conn, query string, each func(name, text string)) error {
	rows, err := conn.QueryContext(ctx, query)
	if err != nil {
		return err
	}
	defer rows.Close()
	for n := 0; rows.Next(); n++ {
		if n >= maxRows {
			return fmt.Errorf("more than %d rows; the rest is left out", maxRows)
		}
		var name string
		var text sql.NullString
		if err := rows.Scan(&name, &text); err != nil {
			return err
		}
		each(metricName(name), text.String)
	}
	return rows.Err()
}

// A family is the status whose names have a prefix: one metric, with the rest of
// the name as a label.
type family struct{ prefix, metric, label, help string }

var families = []family{
	{"com_", "mysql_global_status_commands_total", "command", "Statements executed, by kind."},
	{"handler_", "mysql_global_status_handlers_total", "handler", "Calls of the storage engines' handlers."},
	{"connection_errors_", "mysql_global_status_connection_errors_total", "error", "Connections that failed, by reason."},
	{"innodb_rows_", "mysql_global_status_innodb_row_ops_total", "operation", "Rows that InnoDB worked on."},
	{"performance_schema_", "mysql_global_status_performance_schema_lost_total", "instrumentation", "What performance_schema had no room for."},
	{"innodb_buffer_pool_pages_", "mysql_global_status_buffer_pool_page_changes_total", "operation", "Pages of the InnoDB buffer pool that changed their state."},
}

// writeStatus also returns what are numbers.
func writeStatus(ctx context.Context, conn *sql.Conn, out *page) (map[string]float64, error) {
	numbers := map[string]float64{}
	return numbers, show(ctx, conn, "SHOW GLOBAL STATUS", func(name, text string) {
		if v, ok := value(text); ok {
			numbers[name] = v
			status(name, v, out)
		}
	})
}

func status(name string, v float64, out *page) {
	switch name {
	case "innodb_buffer_pool_pages_data", "innodb_buffer_pool_pages_free", "innodb_buffer_pool_pages_misc", "innodb_buffer_pool_pages_old":
		out.gauge("mysql_global_status_buffer_pool_pages", "Pages of the InnoDB buffer pool, by state.", v,
			agent.Label{Name: "state", Value: strings.TrimPrefix(name, "innodb_buffer_pool_pages_")})
		return
	case "innodb_buffer_pool_pages_dirty": // a part of data
		out.gauge("mysql_global_status_buffer_pool_dirty_pages", "Pages of the InnoDB buffer pool that are not on the disk yet.", v)
		return
	case "innodb_buffer_pool_pages_total": // the sum of the states
		return
	}
	for _, f := range families {
		if rest, ok := strings.CutPrefix(name, f.prefix); ok {
			out.counter(f.metric, f.help, v, agent.Label{Name: f.label, Value: rest})
			return
		}
	}
	out.gauge("mysql_global_status_"+name, "The status "+name+".", v)
}

// writeVariables also returns them all, as the server writes them.
func writeVariables(ctx context.Context, conn *sql.Conn, out *page) (map[string]string, error) {
	texts := map[string]string{}
	err := show(ctx, conn, "SHOW GLOBAL VARIABLES", func(name, text string) {
		texts[name] = text
		if v, ok := value(text); ok {
			out.gauge("mysql_global_variables_"+name, "The variable "+name+".", v)
		}
	})
	if err != nil {
		return nil, err
	}
	out.gauge("mysql_version_info", "What the server is; always 1.", 1,
		agent.Label{Name: "innodb_version", Value: texts["innodb_version"]},
		agent.Label{Name: "version", Value: texts["version"]},
		agent.Label{Name: "version_comment", Value: texts["version_comment"]})
	level := texts["transaction_isolation"]
	if level == "" {
		level = texts["tx_isolation"]
	}
	if level != "" {
		out.gauge("mysql_transaction_isolation", "How transactions are isolated; always 1.", 1, agent.Label{Name: "level", Value: level})
	}
	on, _ := value(texts["performance_schema"])
	out.gauge("logkeel_mysql_performance_schema", "Whether the server knows its statements: performance_schema is on.", on)
	return texts, nil
}
