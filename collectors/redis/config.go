package redis

import (
	"regexp"

	"github.com/webgrip/logkeel/agent/conf"
	"github.com/webgrip/logkeel/agent/server"
	"github.com/webgrip/logkeel/agent/tlsconf"
)

// Config is one server. It is reached by Address or by Socket.
type Config struct {
	Name     string          `yaml:"name"`
	Address  string          `yaml:"address"` // host:port
	Socket   string          `yaml:"socket"`  // path
	Username string          `yaml:"username"`
	Password conf.Secret     `yaml:"password"`
	TLS      *tlsconf.Config `yaml:"tls"`
	// DB is the database that the application uses: its keys are reported as 0
	// when it is empty, which INFO leaves out. Nothing is selected.
	DB int `yaml:"db"`
}

// SetDefaults fills in what a configuration may leave out.
func (c *Config) SetDefaults() { *c = Config{} }

var nameForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$`)

// maxDB bounds the number of a database. Redis has 16, unless told otherwise.
const maxDB = 1 << 20

// Check says what is wrong with the section at path.
func (c *Config) Check(d *conf.Doc, path string) error {
	var errs []error
	bad := func(field, hint, format string, args ...any) {
		errs = append(errs, d.Errorf(path+field, hint, format, args...))
	}
	if !nameForm.MatchString(c.Name) {
		bad(".name", "give it a name of letters, digits, - . and _; its metrics are called by it", "%q is no name", c.Name)
	}
	server.Check(c.Address, c.Socket, "127.0.0.1:6379", "/run/redis/redis.sock", bad)
	if c.Username != "" && c.Password.IsZero() {
		bad(".username", "set password or password_file as well", "a user without a password")
	}
	if c.DB < 0 || c.DB > maxDB {
		bad(".db", "write the number of a database, as 0", "%d is out of range", c.DB)
	}
	errs = append(errs, c.TLS.Check(d, path+".tls", server.Host(c.Address)))
	return conf.Join(errs...)
}
