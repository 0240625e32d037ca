package mysql

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/webgrip/logkeel/agent/conf"
)

// SlowLog says what is told of the statements in the table mysql.slow_log.
type SlowLog struct {
	Read     Want          `yaml:"read"`     // reads the table mysql.slow_log; auto: where performance_schema is off and the server writes it
	Limit    int           `yaml:"limit"`    // how many statements to tell of by total time, and as many again by mean time, 1 to 500
	Text     bool          `yaml:"text"`     // adds the statement, without its values and cut at 120 characters, as the label digest_text
	Interval conf.Duration `yaml:"interval"` // how often the table is read, 1s to 24h; the server reads the whole table each time
}

func (l *SlowLog) check(bad func(field, hint, format string, args ...any)) {
	if l.Limit < 1 || l.Limit > maxStatements {
		bad(".slow_log.limit", fmt.Sprintf("write 1 to %d", maxStatements), "%d is out of range", l.Limit)
	}
	if l.Interval < conf.Duration(time.Second) || l.Interval > conf.Duration(24*time.Hour) {
		bad(".slow_log.interval", "write 1s to 24h", "%s is out of range", l.Interval)
	}
}

// Bounds of what is kept, and read at once.
const (
	maxSlow    = 2000 // statements that are known
	slowRows   = 5000 // rows of the table at a time
	slowText   = 4096 // characters of a statement
	slowSettle = 1e6  // µs: rows come into the table about in order
	slowForget = 24 * time.Hour
	slowTime   = 2 * time.Second // that the server may read
)

// A slowStatement is what is known of one, since the agent started.
type slowStatement struct {
	schema, digest, text string
	counts
	longest, locked, sent, examined float64
	seen                            time.Time
}

// A slowLog sums up the rows of mysql.slow_log.
type slowLog struct {
	most       time.Duration // that the server may read
	cursor     int64         // µs: rows up to here are known; 0 before the first time
	next       time.Time
	behind     float64                   // s
	statements map[string]*slowStatement // by schema and digest
	unknown    counts                    // of those that there was no room for
	others     others
	err        error // of the last time that it was read
}

const slowTable = "mysql.slow_log"

// wanted says whether the table is to be read, and why it cannot.
func (l SlowLog) wanted(variables map[string]string) (bool, error) {
	on := func(name string) bool { v, _ := value(variables[name]); return v == 1 }
	written := (on("slow_query_log") || on("log_slow_query")) && strings.Contains(strings.ToUpper(variables["log_output"]), "TABLE")
	switch {
	case l.Read == Never:
		return false, nil
	case written:
		return l.Read == Always || !on("performance_schema"), nil
	case l.Read == Always:
		return false, errors.New("the server does not write the table mysql.slow_log; SET GLOBAL log_output = 'TABLE', slow_query_log = 1 and the same under [mysqld] in its configuration, or set slow_log.read to auto")
	}
	return false, nil
}

// slowQuery reads rows in the order in which they were written, and not those of
// the agent's own statements. The server's time for it is bounded: the table has no index.
func (s product) slowQuery(most time.Duration) string {
	before, hint := fmt.Sprintf("SET STATEMENT max_statement_time=%v FOR ", most.Seconds()), ""
	if !s.maria {
		before, hint = "", fmt.Sprintf("/*+ MAX_EXECUTION_TIME(%d) */ ", most.Milliseconds())
	}
	return before + "SELECT " + hint + `CAST(UNIX_TIMESTAMP(start_time) * 1000000 AS SIGNED) AS at, db, LEFT(CONVERT(sql_text USING utf8mb4), ` + strconv.Itoa(slowText) + `) AS statement,
	FLOOR(TIME_TO_SEC(query_time)) + MICROSECOND(query_time) * 0.000001 AS seconds, FLOOR(TIME_TO_SEC(lock_time)) + MICROSECOND(lock_time) * 0.000001 AS locked,
	rows_sent AS sent, rows_examined AS examined
	FROM ` + slowTable + ` WHERE CAST(UNIX_TIMESTAMP(start_time) * 1000000 AS SIGNED) > ? AND CAST(UNIX_TIMESTAMP(start_time) * 1000000 AS SIGNED) <= ?
	AND LEFT(user_host, ?) <> ? ORDER BY start_time LIMIT ` + strconv.Itoa(slowRows)
}
