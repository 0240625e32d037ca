package redis

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/webgrip/logkeel/agent/conf"
	"github.com/webgrip/logkeel/agent/server"
	"github.com/webgrip/logkeel/agent/tlsconf"
)

// Config is one server. It is reached by Address or by Socket.
type Config struct {
	Name     string          `yaml:"name"`     // what it is called, the label target of its metrics: letters, digits, - . and _, 64 at most
	Address  string          `yaml:"address"`  // address of the server, as 127.0.0.1:6379; it or socket is needed
	Socket   string          `yaml:"socket"`   // absolute path of the server's unix socket, in place of address
	Username string          `yaml:"username"` // user of the server (ACL) to log in as, with password; empty: the default user
	Password conf.Secret     `yaml:"password"` // password of the user
	TLS      *tlsconf.Config `yaml:"tls"`      // encrypts the connection by TLS; the section alone, as tls: {}, switches it on
	// number of the database that the application uses: its queues are in it, and its keys
	// are reported as 0 when it is empty
	DB       int  `yaml:"db"`
	Settings bool `yaml:"config"` // adds what redis_exporter tells of CONFIG GET, as maxmemory and maxclients
	// settings by their names in CONFIG GET, each with the value, or the list of values of
	// which it has to have one
	Expect  map[string]conf.Strings `yaml:"expect"`
	Queues  conf.Strings            `yaml:"queues"`  // keys whose length is measured, 100 at most, or patterns with *, ? and [, 20 at most
	Prefix  string                  `yaml:"prefix"`  // what stands before each of queues in the server, as shop_database_, and not in the label queue
	Scan    Scan                    `yaml:"scan"`    // how keys are looked for that match the patterns of queues, a few in each snapshot
	Slowlog Slowlog                 `yaml:"slowlog"` // what is read of the server's slow log, besides its length
}

// Scan is how keys are looked for that match a pattern. What is not done within
// one snapshot goes on in the next.
type Scan struct {
	Interval conf.Duration `yaml:"interval"` // time from the start of one search through all keys to the next, 1s to 24h
	Count    int           `yaml:"count"`    // how many keys the server looks at in one call of SCAN, 10 to 10000; it does nothing else meanwhile
	Keys     int           `yaml:"keys"`     // about how many keys the server looks at in one snapshot, from count to 10000000
	Timeout  conf.Duration `yaml:"timeout"`  // how long the search may take in one snapshot, 10ms to 1m
}

// SetDefaults fills in what a configuration may leave out.
func (c *Config) SetDefaults() {
	*c = Config{Scan: Scan{
		Interval: conf.Duration(time.Minute), Count: 500, Keys: 50_000, Timeout: conf.Duration(500 * time.Millisecond),
	}}
}

var nameForm = conf.NewForm(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$`)

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
	c.checkQueues(bad)
	if c.Slowlog.Arguments && !c.Slowlog.Entries {
		bad(".slowlog.arguments", "set entries as well, for they are parts of these", "there are no arguments without entries")
	}
	errs = append(errs, c.TLS.Check(d, path+".tls", server.Host(c.Address)))
	return conf.Join(errs...)
}

func (c *Config) checkQueues(bad func(field, hint, format string, args ...any)) {
	names, patterns := 0, 0
	for i, q := range c.Queues {
		switch {
		case q == "" || len(q) > maxKey:
			bad(fmt.Sprintf(".queues[%d]", i), fmt.Sprintf("write a key, or a pattern as queues:*, of %d bytes at most", maxKey), "%d bytes are no key", len(q))
		case slices.Contains(c.Queues[:i], q):
			bad(fmt.Sprintf(".queues[%d]", i), "write it once", "%q is there twice", q)
		case isPattern(q):
			patterns++
		default:
			names++
		}
	}
	if names > maxQueues || patterns > maxPatterns {
		bad(".queues", fmt.Sprintf("keep %d names and %d patterns", maxQueues, maxPatterns), "%d names and %d patterns are too many", names, patterns)
	}
	if len(c.Prefix) > maxKey {
		bad(".prefix", "write what is in front of each key, as shop_database_", "%d bytes are too long", len(c.Prefix))
	}
	s := c.Scan
	if s.Interval < conf.Duration(time.Second) || s.Interval > conf.Duration(24*time.Hour) {
		bad(".scan.interval", "write 1s to 24h", "%s is out of range", s.Interval)
	}
	if s.Count < 10 || s.Count > 10_000 {
		bad(".scan.count", "write 10 to 10000; the server does nothing else meanwhile", "%d is out of range", s.Count)
	}
	if s.Keys < s.Count || s.Keys > 10_000_000 {
		bad(".scan.keys", "write count to 10000000", "%d is out of range", s.Keys)
	}
	if s.Timeout < conf.Duration(10*time.Millisecond) || s.Timeout > conf.Duration(time.Minute) {
		bad(".scan.timeout", "write 10ms to 1m; below the timeout of a snapshot", "%s is out of range", s.Timeout)
	}
}

var settingForm = conf.NewForm(`^[a-z][a-z0-9_-]{0,63}$`)

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
