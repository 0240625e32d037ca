package mysql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/webgrip/logkeel/agent/conf"
)

// tableRight is the right that shows a database's tables, columns and indexes in
// information_schema, and no row of them.
func tableRight(schema string) string { return "REFERENCES ON " + quote(schema) + ".*" }

// checkRight is the right that CHECK TABLE needs. To MariaDB 11.8 any will do, and
// this one shows no rows.
func (s *auditConn) checkRight(schema string) string {
	if productOf(s.vars).from(11, 8) {
		return tableRight(schema)
	}
	return "SELECT ON " + quote(schema) + ".*"
}

const schemataTimeout = 10 * time.Second

// databases are those that are wanted, or all that are seen; none of the
// server's own. A server tells nobody of databases that he has no right to: where
// one that is wanted is not seen, the error says so, with the right.
func (a *auditor) databases(ctx context.Context, s *auditConn, wanted conf.Strings, right func(string) string) ([]string, error) {
	seen := []string{}
	beyond := 0
	err := s.query(ctx, schemataTimeout, func(rows *sql.Rows) error {
		var name string
		err := rows.Scan(&name)
		switch {
		case err != nil || isSystem(name) || len(wanted) > 0 && !slices.Contains(wanted, name):
		case len(seen) >= maxDatabases:
			beyond++
		default:
			seen = append(seen, name)
		}
		return err
	}, "SELECT SCHEMA_NAME FROM information_schema.SCHEMATA ORDER BY SCHEMA_NAME")
	if err != nil {
		return nil, a.because(ctx, s, "information_schema.SCHEMATA", right("…"), err)
	}
	var errs []error
	for _, name := range wanted {
		if !slices.Contains(seen, name) {
			errs = append(errs, fmt.Errorf("the database %s is not seen; if it is there, as an administrator: GRANT %s TO %s", a.name(name), a.name(right(name)), s.user))
		}
	}
	if beyond > 0 {
		errs = append(errs, fmt.Errorf("%d databases are left out, for an audit has %d at most; name those that matter in tables.databases", beyond, maxDatabases))
	}
	if len(seen) == 0 && len(wanted) == 0 {
		all, err := s.mayDo(ctx, "")
		if err != nil {
			return nil, a.because(ctx, s, "SHOW GRANTS", right("…"), err)
		}
		if !all {
			errs = append(errs, fmt.Errorf("no database is seen; as an administrator, for each: GRANT %s TO %s", right("…"), s.user))
		}
	}
	return seen, errors.Join(few(errs)...)
}

// name is what a server or a configuration calls something, for people.
func (a *auditor) name(s string) string { return a.c.clean(errors.New(s)) }

// mayBeHidden is an error where a database seems to be empty, and may be so only
// for who is not allowed to see its tables.
func (a *auditor) mayBeHidden(ctx context.Context, s *auditConn, schema string) error {
	ok, err := s.mayDo(ctx, schema)
	switch {
	case err != nil:
		return a.because(ctx, s, "SHOW GRANTS", tableRight(schema), err)
	case !ok:
		return fmt.Errorf("no table of %s is seen; if it has any, as an administrator: GRANT %s TO %s", a.name(schema), a.name(tableRight(schema)), s.user)
	}
	return nil
}

// mayDo reports whether the user has a right to all tables of the database; of
// "" to those of all databases.
func (s *auditConn) mayDo(ctx context.Context, schema string) (bool, error) {
	may := false
	err := s.query(ctx, schemataTimeout, func(rows *sql.Rows) error {
		var line string
		err := rows.Scan(&line)
		may = may || grantsTables(line, schema)
		return err
	}, "SHOW GRANTS")
	return may, err
}

// tableRights are the rights to tables, one of which shows them.
var tableRights = []string{
	"ALL", "ALL PRIVILEGES", "SELECT", "INSERT", "UPDATE", "DELETE", "DELETE HISTORY", "CREATE", "DROP", "REFERENCES",
	"INDEX", "ALTER", "CREATE VIEW", "SHOW VIEW", "TRIGGER",
}

// grantsTables reports whether a line of SHOW GRANTS gives a right to all tables
// of the database, or of all for "". A line that is not understood gives none.
func grantsTables(line, schema string) bool {
	line, ok := strings.CutPrefix(line, "GRANT ")
	rights, on, found := strings.Cut(line, " ON ")
	if !ok || !found || !slices.ContainsFunc(strings.Split(rights, ","), func(r string) bool {
		return slices.Contains(tableRights, strings.TrimSpace(r))
	}) {
		return false
	}
	if strings.HasPrefix(on, "*.* ") {
		return true
	}
	if quoted, ok := strings.CutPrefix(on, `"`); ok { // with ANSI_QUOTES
		name, rest, _ := strings.Cut(quoted, `"`)
		on = quote(name) + rest
	}
	pattern, rest, err := cutName(on)
	return err == nil && schema != "" && strings.HasPrefix(rest, ".* ") && like(pattern, schema)
}

// like is SQL's LIKE, which databases in grants are.
func like(pattern, name string) bool {
	p, n := []rune(pattern), []rune(name)
	// Where the last % was, and what it has taken so far.
	star, taken := -1, 0
	i, j := 0, 0
	for j < len(n) {
		switch {
		case i < len(p) && p[i] == '%':
			star, taken = i, j
			i++
		case i+1 < len(p) && p[i] == '\\' && p[i+1] == n[j]:
			i, j = i+2, j+1
		case i < len(p) && (p[i] == '_' || p[i] == n[j]) && p[i] != '\\':
			i, j = i+1, j+1
		case star >= 0:
			taken++
			i, j = star+1, taken
		default:
			return false
		}
	}
	for i < len(p) && p[i] == '%' {
		i++
	}
	return i == len(p)
}
