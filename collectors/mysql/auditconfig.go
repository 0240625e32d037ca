package mysql

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/webgrip/logkeel/agent/conf"
)

// Tables say how tables and indexes are audited.
type Tables struct {
	Interval  conf.Duration `yaml:"interval"`  // how often tables are audited, 1m to 7d
	Limit     int           `yaml:"limit"`     // how many tables, the largest, have series of their own, 0 to 5000; the others of a database share one
	Databases conf.Strings  `yaml:"databases"` // databases to audit; none: all that the user sees, but for the server's own
	Timeout   conf.Duration `yaml:"timeout"`   // how long one query of the audit may take, 1s to 10m
}

// SetDefaults fills in what a configuration may leave out.
func (t *Tables) SetDefaults() {
	*t = Tables{Interval: conf.Duration(time.Hour), Limit: 1000, Timeout: conf.Duration(time.Minute)}
}

// TableCheck says which tables are checked with CHECK TABLE, and when: each day At a
// time, or each Interval.
type TableCheck struct {
	At        string        `yaml:"at"`        // time of day, by the machine's clock, when tables are checked; "03:30" unless interval is set
	Interval  conf.Duration `yaml:"interval"`  // time from one check of all tables to the next, 10m to 31d, in place of at
	Databases conf.Strings  `yaml:"databases"` // databases to check; without these and tables all that the user sees, but for the server's own
	Tables    conf.Strings  `yaml:"tables"`    // tables to check, as database.table; a name with a dot in it stands in backticks
	Timeout   conf.Duration `yaml:"timeout"`   // how long the check of one table may take, 1s to 1h; what takes longer is ended and skipped
	Pause     conf.Duration `yaml:"pause"`     // pause between two tables, 0 to 10m
}

const (
	usualCheck   = "03:30"
	maxTables    = 5000 // of limit
	maxDatabases = 200
)

// SetDefaults fills in what a configuration may leave out.
func (c *TableCheck) SetDefaults() {
	*c = TableCheck{Timeout: conf.Duration(time.Minute), Pause: conf.Duration(time.Second)}
}

type badFunc func(field, hint, format string, args ...any)

func within(bad badFunc, field string, d, low, high conf.Duration) {
	if d < low || d > high {
		bad(field, fmt.Sprintf("write %s to %s", low, high), "%s is out of range", d)
	}
}

const (
	second = conf.Duration(time.Second)
	minute = conf.Duration(time.Minute)
	hour   = conf.Duration(time.Hour)
)

// checkAudits says what is wrong with the sections tables and check.
func (c *Config) checkAudits(bad badFunc) {
	if t := c.Tables; t != nil {
		within(bad, ".tables.interval", t.Interval, minute, 7*24*hour)
		within(bad, ".tables.timeout", t.Timeout, second, 10*minute)
		if t.Limit < 0 || t.Limit > maxTables {
			bad(".tables.limit", fmt.Sprintf("write 0 to %d", maxTables), "%d is out of range", t.Limit)
		}
		checkDatabases(bad, ".tables.databases", t.Databases)
	}
	k := c.TableCheck
	if k == nil {
		return
	}
	if k.At != "" {
		if _, err := time.Parse("15:04", k.At); err != nil {
			bad(".check.at", "write hours and minutes in quotes, as \"03:30\"", "%q is no time of day", k.At)
		}
		if k.Interval != 0 {
			bad(".check.interval", "remove one of them", "at and interval are both set")
		}
	}
	if k.Interval != 0 {
		within(bad, ".check.interval", k.Interval, 10*minute, 31*24*hour)
	}
	within(bad, ".check.timeout", k.Timeout, second, hour)
	within(bad, ".check.pause", k.Pause, 0, 10*minute)
	checkDatabases(bad, ".check.databases", k.Databases)
	for _, name := range k.Tables {
		if _, err := parseTable(name); err != nil {
			bad(".check.tables", "write database.table; names with dots in backticks, as `a.b`.`c`", "%q: %w", name, err)
		}
	}
}

func checkDatabases(bad badFunc, field string, names []string) {
	if len(names) > maxDatabases {
		bad(field, "name the ones that matter", "%d are more than %d", len(names), maxDatabases)
	}
	for i, name := range names {
		switch {
		case name == "" || len(name) > 256:
			bad(field, "write the name of a database", "%q is no name", name)
		case slices.Contains(names[:i], name):
			bad(field, "name each once", "%q is there twice", name)
		case isSystem(name):
			bad(field, "remove it: the server looks after it itself", "%q is the server's own", name)
		}
	}
}

// isSystem reports whether a database is the server's own.
func isSystem(name string) bool {
	return slices.Contains([]string{"information_schema", "mysql", "performance_schema", "sys", "ndbinfo"}, strings.ToLower(name))
}

// A tableName is a table and its database.
type tableName struct{ schema, table string }

func (t tableName) String() string { return t.schema + "." + t.table }

// quoted is the name as a statement has it.
func (t tableName) quoted() string { return quote(t.schema) + "." + quote(t.table) }

// quote makes a name an identifier, whatever is in it. Backticks are that in
// each sql_mode.
func quote(name string) string { return "`" + strings.ReplaceAll(name, "`", "``") + "`" }

// parseTable reads database.table, each of which may be in backticks.
func parseTable(text string) (tableName, error) {
	schema, rest, err := cutName(text)
	if err != nil {
		return tableName{}, err
	}
	rest, dot := strings.CutPrefix(rest, ".")
	if !dot {
		return tableName{}, errors.New("it names no table")
	}
	table, rest, err := cutName(rest)
	switch {
	case err != nil:
		return tableName{}, err
	case rest != "":
		return tableName{}, fmt.Errorf("what is %q behind the table?", rest)
	case isSystem(schema):
		return tableName{}, errors.New("the server looks after its own tables itself")
	}
	return tableName{schema, table}, nil
}

// cutName cuts a name off, in backticks or up to the next dot.
func cutName(text string) (name, rest string, err error) {
	quoted, ok := strings.CutPrefix(text, "`")
	if !ok {
		name, _, _ = strings.Cut(text, ".")
		rest = text[len(name):]
	} else {
		var b strings.Builder
		for {
			part, after, closed := strings.Cut(quoted, "`")
			if !closed {
				return "", "", errors.New("a backtick is not closed")
			}
			b.WriteString(part)
			if quoted, ok = strings.CutPrefix(after, "`"); !ok {
				name, rest = b.String(), after
				break
			}
			b.WriteByte('`')
		}
	}
	if name == "" {
		return "", "", errors.New("a name is empty")
	}
	return name, rest, nil
}
