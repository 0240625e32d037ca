package mysql

import (
	"fmt"
	"time"

	"github.com/webgrip/logkeel/agent/conf"
)

// SlowLog says what is told of the statements in the table mysql.slow_log.
type SlowLog struct {
	Read     Want          `yaml:"read"`     // auto: where performance_schema is off, and the server writes the table
	Limit    int           `yaml:"limit"`    // so many statements by their total time, and by their mean
	Text     bool          `yaml:"text"`     // their text, without its values, as the label digest_text
	Interval conf.Duration `yaml:"interval"` // the server reads the whole table each time
}

func (l *SlowLog) check(bad func(field, hint, format string, args ...any)) {
	if l.Limit < 1 || l.Limit > maxStatements {
		bad(".slow_log.limit", fmt.Sprintf("write 1 to %d", maxStatements), "%d is out of range", l.Limit)
	}
	if l.Interval < conf.Duration(time.Second) || l.Interval > conf.Duration(24*time.Hour) {
		bad(".slow_log.interval", "write 1s to 24h", "%s is out of range", l.Interval)
	}
}
