package redis

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

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
	// when it is empty, which INFO leaves out. Queues are in it.
	DB int `yaml:"db"`
	// Settings adds what redis_exporter tells of CONFIG GET.
	Settings bool `yaml:"config"`
	// Expect has names of CONFIG GET, and for each one the values of which it has
	// to have one.
	Expect map[string]conf.Strings `yaml:"expect"`
}

// SetDefaults fills in what a configuration may leave out.
func (c *Config) SetDefaults() { *c = Config{} }

var nameForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$`)

const (
	maxDB     = 1 << 20 // the number of a database; Redis has 16, unless told otherwise
	maxExpect = 100     // settings; Redis has some 180
)

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
	c.checkExpect(bad)
	errs = append(errs, c.TLS.Check(d, path+".tls", server.Host(c.Address)))
	return conf.Join(errs...)
}

var settingForm = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,63}$`)

func (c *Config) checkExpect(bad func(field, hint, format string, args ...any)) {
	if len(c.Expect) > maxExpect {
		bad(".expect", fmt.Sprintf("keep %d of them", maxExpect), "%d settings are too many", len(c.Expect))
	}
	names := map[string]bool{}
	for _, written := range slices.Sorted(maps.Keys(c.Expect)) {
		name, field := settingName(written), ".expect."+written
		switch {
		case !settingForm.MatchString(name):
			bad(field, "write it as in CONFIG GET, without *, as maxmemory-policy", "%q is no setting", written)
		case secretSetting(name):
			bad(field, "remove it; that a password works is seen by using it", "%s is a secret, which is never read", name)
		case names[name]:
			bad(field, "write it once", "%s is there twice", name)
		case len(c.Expect[written]) == 0:
			bad(field, `write a value, or "" for none`, "no value")
		}
		names[name] = true
	}
}

// settingName is a setting's name as the server writes it.
func settingName(s string) string {
	s = strings.ToLower(strings.TrimSpace(s))
	if strings.HasSuffix(s, "_cpulist") {
		return s
	}
	return strings.ReplaceAll(s, "_", "-")
}

// secretSetting are those that hold a password, or may: requirepass, masterauth,
// primaryauth, tls-key-file-pass, tls-client-key-file-pass and the like.
func secretSetting(name string) bool {
	return strings.Contains(name, "pass") || strings.HasSuffix(name, "auth") || strings.Contains(name, "secret") || strings.Contains(name, "token")
}
