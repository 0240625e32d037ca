package mysql

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/go-sql-driver/mysql"

	"github.com/webgrip/logkeel/agent"
)

// Want says whether a part of a snapshot is asked for.
type Want string

// Auto is a part that is read where the user may, and where there is something
// to read. An Always one is an error where it cannot be read.
const (
	Auto   Want = "auto"
	Always Want = "true"
	Never  Want = "false"
)

// UnmarshalText reads a Want.
func (w *Want) UnmarshalText(text []byte) error {
	switch v := Want(text); v {
	case Auto, Always, Never:
		*w = v
		return nil
	}
	return fmt.Errorf("%.40q is none of auto, true and false", text)
}

// JSONSchema is the form that UnmarshalText reads.
func (Want) JSONSchema() string {
	return `{"title": "auto, true or false", "enum": ["auto", true, false, "true", "false"]}`
}

// A product is what differs from one to the next, as its variables say.
type product struct {
	maria        bool
	major, minor int
}

func productOf(variables map[string]string) product {
	version := variables["version"]
	s := product{maria: strings.Contains(strings.ToLower(version+variables["version_comment"]), "mariadb")}
	s.major, s.minor = leading(version)
	return s
}

// leading are the first two numbers of a version; 0 where there are none.
func leading(version string) (major, minor int) {
	first, rest, _ := strings.Cut(version, ".")
	second, _, _ := strings.Cut(rest, ".")
	major, _ = strconv.Atoi(first)
	minor, _ = strconv.Atoi(second)
	return major, minor
}

// from says that it is a MariaDB of this version or newer.
func (s product) from(major, minor int) bool {
	return s.maria && (s.major > major || s.major == major && s.minor >= minor)
}

// again is after how many snapshots what was denied is asked for again.
const again = 20

// A part of a snapshot needs a right of its own. Without it the rest goes on.
type part struct {
	what   string // for people
	key    string // of the configuration; up to a dot, the metric's label
	grant  string // what gives the right
	denied error  // what it said last; nil where it may be read
	rest   int    // snapshots until it is asked for again
}

func (p *part) is(what, key, grant string) { p.what, p.key, p.grant = what, key, grant }

// read reads the part with ask. What is missing is an error where the part was
// asked for, or is needed.
func (s *Sampler) read(ctx context.Context, p *part, want Want, needed bool, out *page, ask func() error) error {
	if want == Never {
		p.denied = nil
		return nil
	}
	var err error
	if p.denied != nil && p.rest > 0 {
		p.rest--
		err = p.denied
	} else {
		err = ask()
		if p.denied = nil; missingRight(err) {
			hint := fmt.Sprintf("as an administrator: GRANT %s TO this user, or set %s to false", p.grant, p.key)
			p.denied, p.rest = s.c.explainDenied(ctx, p.what, hint, err), again
			err = p.denied
		} else if err != nil {
			err = s.c.explain(ctx, p.what, err)
		}
	}
	if p.denied != nil && p.rest == 0 {
		s.renew = true // a session keeps the rights that it had at its start
	}
	label, _, _ := strings.Cut(p.key, ".")
	up := agent.Sample{
		Name: "logkeel_mysql_part_up", Help: "Whether the part could be read; 0 most often for a right that is missing.",
		Labels: []agent.Label{{Name: "part", Value: label}}, Value: 1,
	}
	if err != nil {
		up.Value, up.Note = 0, agent.Note(err)
	}
	out.add(up)
	if p.denied != nil && want == Auto && !needed {
		return nil
	}
	return err
}

// missingRight says that the server refuses what was asked.
func missingRight(err error) bool {
	var e *mysql.MySQLError
	if !errors.As(err, &e) {
		return false
	}
	switch e.Number {
	case errTableDenied, errColumnDenied, errPrivilegeMissing, errDatabaseDenied:
		return true
	}
	return false
}

// unknownStatement says that the server does not know what was asked.
func unknownStatement(err error) bool {
	var e *mysql.MySQLError
	return errors.As(err, &e) && (e.Number == errSyntax || e.Number == errUnknownTable || e.Number == errNoSuchTable)
}

// drop ends the connection, so that the next snapshot has one of its own.
func drop(conn *sql.Conn) {
	_ = conn.Raw(func(any) error { return driver.ErrBadConn })
}
