package mysql

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"

	"github.com/go-sql-driver/mysql"

	"github.com/webgrip/logkeel/agent/conf"
	"github.com/webgrip/logkeel/agent/server"
	"github.com/webgrip/logkeel/agent/tlsconf"
)

// Config is one server. It is reached by Address or by Socket.
type Config struct {
	Name       string          `yaml:"name"`       // what it is called, the label target of its metrics: letters, digits, - . and _, 64 at most
	Address    string          `yaml:"address"`    // address of the server, as 127.0.0.1:3306; it or socket is needed
	Socket     string          `yaml:"socket"`     // absolute path of the server's unix socket, in place of address
	User       string          `yaml:"user"`       // user of the server to log in as; needed
	Password   conf.Secret     `yaml:"password"`   // password of the user
	Database   string          `yaml:"database"`   // database to connect to; none is needed
	TLS        *tlsconf.Config `yaml:"tls"`        // encrypts the connection by TLS; the section alone, as tls: {}, switches it on
	Statements Statements      `yaml:"statements"` // which statements have metrics of their own, from performance_schema
	Tables     *Tables         `yaml:"tables"`     // audits sizes, rows and problems of tables and indexes; tables: {} switches it on
	TableCheck *TableCheck     `yaml:"check"`      // runs CHECK TABLE on one table after the other, each day; check: {} switches it on

	BinaryLog   Want `yaml:"binary_log"`  // measures the files of the binary log; auto: where the user has the right to
	Replication Want `yaml:"replication"` // measures each source of a replica; auto: where there is one and the user has the right to
	// measures transactions, connections by what they do, and what waits for locks; auto:
	// where the user has the right to
	Locks   Want    `yaml:"locks"`
	SlowLog SlowLog `yaml:"slow_log"` // which statements of the table mysql.slow_log have metrics of their own
}

// Statements say what is told of single statements.
type Statements struct {
	Limit int  `yaml:"limit"` // how many statements to tell of by total time, and as many again by mean time, 0 to 500; 0: none
	Text  bool `yaml:"text"`  // adds the statement, without its values and cut at 120 characters, as the label digest_text
}

// SetDefaults fills in what a configuration may leave out.
func (c *Config) SetDefaults() {
	*c = Config{Statements: Statements{Limit: 20}, BinaryLog: Auto, Replication: Auto, Locks: Auto}
	c.SlowLog = SlowLog{Read: Auto, Limit: 20, Interval: conf.Duration(time.Minute)}
}

var nameForm = conf.NewForm(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$`)

const maxStatements = 500

// Check says what is wrong with the section at path.
func (c *Config) Check(d *conf.Doc, path string) error {
	var errs []error
	bad := func(field, hint, format string, args ...any) {
		errs = append(errs, d.Errorf(path+field, hint, format, args...))
	}
	if !nameForm.MatchString(c.Name) {
		bad(".name", "give it a name of letters, digits, - . and _; its metrics are called by it", "%q is no name", c.Name)
	}
	server.Check(c.Address, c.Socket, "127.0.0.1:3306", "/run/mysqld/mysqld.sock", bad)
	if c.User == "" {
		bad(".user", "make a user of its own for the agent, as docs/samplers.md shows", "no user is set")
	}
	if c.Statements.Limit < 0 || c.Statements.Limit > maxStatements {
		bad(".statements.limit", fmt.Sprintf("write 0 to %d", maxStatements), "%d is out of range", c.Statements.Limit)
	}
	c.checkAudits(bad)
	c.SlowLog.check(bad)
	errs = append(errs, c.TLS.Check(d, path+".tls", server.Host(c.Address)))
	return conf.Join(errs...)
}

// Numbers of the server's errors, the same in MariaDB and MySQL.
const (
	errAccessDenied      = 1045
	errDatabaseDenied    = 1044
	errUnknownDatabase   = 1049
	errTooManyConns      = 1040
	errTableDenied       = 1142
	errColumnDenied      = 1143
	errPrivilegeMissing  = 1227
	errHostBlocked       = 1129
	errHostNotPrivileged = 1130
	errUserLimit         = 1226
	errSyntax            = 1064
	errUnknownTable      = 1109
	errNoSuchTable       = 1146
	errMaxStatementTime  = 1969 // MariaDB
	errMaxExecutionTime  = 3024 // MySQL
	errNoSuchPlugin      = 1524
	errMustChange        = 1820
	errExpired           = 1862
	errOffline           = 3032
	errLocked            = 3118 // MySQL
	errLockedMaria       = 4151
	errNeedsTLS          = 3159
	errBlocked           = 3955 // MySQL
)

// explain says what to do about an error of what was asked.
func (c *Config) explain(ctx context.Context, what string, err error) error {
	return c.explainDenied(ctx, what, fmt.Sprintf("as an administrator: GRANT SELECT ON %s TO this user, or set statements.limit to 0", digestTable), err)
}

// explainDenied is explain with what to do where a right is missing.
func (c *Config) explainDenied(ctx context.Context, what, denied string, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("%s: %w", c.where(what), context.Cause(ctx))
	}
	var e *mysql.MySQLError
	if !errors.As(err, &e) {
		if errors.Is(err, io.EOF) || errors.Is(err, mysql.ErrInvalidConn) {
			return fmt.Errorf("%s: the server closed the connection; look at its log, and whether this is a MariaDB or MySQL server", c.where(what))
		}
		if errors.Is(err, mysql.ErrNoTLS) {
			return fmt.Errorf("%s: the server offers no TLS; remove tls from the configuration, or give the server a certificate (ssl_cert and ssl_key)", c.where(what))
		}
		if errors.Is(err, mysql.ErrUnknownPlugin) {
			return fmt.Errorf("%s: the user logs in by a plugin that the agent does not know; as an administrator: ALTER USER … with mysql_native_password, ed25519 (MariaDB) or caching_sha2_password (MySQL)", c.where(what))
		}
		return fmt.Errorf("%s: %s", c.where(what), c.clean(err))
	}
	hint := c.hint(e.Number, denied)
	return fmt.Errorf("%s: the server answers %d: %s; %s", c.where(what), e.Number, c.clean(errors.New(e.Message)), hint)
}

// hint is what to do about an error of the server's.
func (c *Config) hint(number uint16, denied string) string {
	hint := "look at the server's log"
	switch number {
	case errAccessDenied:
		hint = "compare user and password, and the host that the user may come from (SELECT user, host FROM mysql.user)"
		if c.TLS == nil && c.Socket == "" {
			hint += "; a user that has to use TLS is refused with the same words"
		}
	case errMustChange, errExpired:
		hint = "as an administrator: ALTER USER … IDENTIFIED BY … PASSWORD EXPIRE NEVER, and the same password here"
	case errLocked, errLockedMaria, errBlocked:
		hint = "look for a wrong password in the configuration; then, as an administrator: ALTER USER … ACCOUNT UNLOCK"
	case errNeedsTLS:
		hint = "add tls: {} to the configuration, or use the server's socket"
	case errNoSuchPlugin:
		hint = "the server has no longer what this user logs in with; as an administrator: ALTER USER … IDENTIFIED WITH caching_sha2_password BY …"
	case errOffline:
		hint = "an administrator has set offline_mode"
	case errDatabaseDenied, errUnknownDatabase:
		hint = "remove database from the configuration, for none is needed"
	case errUserLimit:
		hint = "raise the user's limit, as MAX_USER_CONNECTIONS, or look at who is connected as it (SHOW PROCESSLIST)"
	case errTooManyConns:
		hint = "look at max_connections and at who is connected (SHOW PROCESSLIST)"
	case errTableDenied, errColumnDenied, errPrivilegeMissing:
		hint = denied
	case errHostBlocked:
		hint = "run FLUSH HOSTS there (MySQL: TRUNCATE TABLE performance_schema.host_cache), and look at what cannot connect"
	case errHostNotPrivileged:
		hint = "make a user that may come from this host"
	}
	return hint
}

func (c *Config) where(what string) string {
	if what != "" {
		return what
	}
	return c.Address + c.Socket // one of them is set
}

// clean is an error's text without what does not belong on a screen: a server
// may answer anything.
func (c *Config) clean(err error) string {
	s := err.Error()
	if p := c.Password.Value(); p != "" {
		s = strings.ReplaceAll(s, p, c.Password.String())
	}
	const longest = 300
	s = strings.ToValidUTF8(s[:min(len(s), longest)], "?")
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, s)
}
