package postgres

import (
	"fmt"
	"time"

	"github.com/webgrip/logkeel/agent/conf"
	"github.com/webgrip/logkeel/agent/server"
	"github.com/webgrip/logkeel/agent/tlsconf"
)

// Config is one server. It is reached by Address or by Socket.
type Config struct {
	Name       string          `yaml:"name"`       // what it is called, the label target of its metrics: letters, digits, - . and _, 64 at most
	Address    string          `yaml:"address"`    // address of the server, as 127.0.0.1:5432; it or socket is needed
	Socket     string          `yaml:"socket"`     // absolute path of the server's unix socket, or of its folder (port 5432), in place of address
	User       string          `yaml:"user"`       // user of the server to log in as; needed
	Password   conf.Secret     `yaml:"password"`   // password of the user
	Database   string          `yaml:"database"`   // database to connect to, in which the extension pg_stat_statements is looked for
	TLS        *tlsconf.Config `yaml:"tls"`        // encrypts the connection by TLS, which needs address; the section alone, as tls: {}, switches it on
	Statements Statements      `yaml:"statements"` // which statements have metrics of their own, from pg_stat_statements
	Sizes      Sizes           `yaml:"sizes"`      // how often the sizes of databases are measured, for which the server looks at each of their files
}

// Statements say what is told of single statements.
type Statements struct {
	Limit int  `yaml:"limit"` // how many statements to tell of by total time, and as many again by mean time, 0 to 500; 0: none
	Text  bool `yaml:"text"`  // adds the statement, without its values and cut at 120 characters, as the label query
}

// Sizes say how often the sizes of databases are measured, for which the server
// looks at each of their files.
type Sizes struct {
	Interval conf.Duration `yaml:"interval"` // how often the sizes of databases are measured, 1s to 24h; 0: never
}

// SetDefaults fills in what a configuration may leave out.
func (c *Config) SetDefaults() {
	*c = Config{Database: "postgres", Statements: Statements{Limit: 20}, Sizes: Sizes{Interval: conf.Duration(5 * time.Minute)}}
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
	server.Check(c.Address, c.Socket, "127.0.0.1:5432", "/run/postgresql/.s.PGSQL.5432", bad)
	if c.User == "" {
		bad(".user", "make a user of its own for the agent, as docs/samplers.md shows", "no user is set")
	}
	if c.Database == "" {
		bad(".database", "write postgres, or the database that has the extension pg_stat_statements", "no database is set")
	}
	if c.Statements.Limit < 0 || c.Statements.Limit > maxStatements {
		bad(".statements.limit", fmt.Sprintf("write 0 to %d", maxStatements), "%d is out of range", c.Statements.Limit)
	}
	if i := c.Sizes.Interval; i != 0 && (i < conf.Duration(time.Second) || i > conf.Duration(24*time.Hour)) {
		bad(".sizes.interval", "write 1s to 24h, or 0s for never", "%s is out of range", i)
	}
	if c.TLS != nil && c.Socket != "" {
		bad(".tls", "remove it, or set address in place of socket", "PostgreSQL has no TLS on a unix socket")
		return conf.Join(errs...)
	}
	errs = append(errs, c.TLS.Check(d, path+".tls", server.Host(c.Address)))
	return conf.Join(errs...)
}
