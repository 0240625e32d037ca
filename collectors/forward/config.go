package forward

import (
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/webgrip/logkeel/agent/conf"
	"github.com/webgrip/logkeel/agent/server"
	"github.com/webgrip/logkeel/agent/tlsconf"
)

// Config is one listener of the Forward protocol.
type Config struct {
	Name         string          `yaml:"name"`          // what it is called, the label source of its metrics: letters, digits, - and _, 64 at most
	Listen       string          `yaml:"listen"`        // address to listen at: host:port, or unix:///path
	Mode         string          `yaml:"mode"`          // file mode of the unix socket, in octal and quotes: who may write to it may send
	TLS          *tlsconf.Server `yaml:"tls"`           // encrypts connections by TLS; the section alone switches it on
	SharedKey    conf.Secret     `yaml:"shared_key"`    // key of the Forward protocol that clients have to know
	Users        []User          `yaml:"users"`         // users, of whom a client has to be one, 1000 at most; needs shared_key; none: everybody
	SelfHostname string          `yaml:"self_hostname"` // what the listener calls itself in the handshake; a client of the same name refuses it
	TextKey      conf.Strings    `yaml:"text_key"`      // members that may be a record's text, which rules look at; the first that is there is taken
	MaxMessage   conf.Size       `yaml:"max_message"`   // largest message, also when uncompressed, 64KiB to 64MiB; a larger one ends its connection
	// longest line that is joined from Docker's pieces, 1KiB to 16MiB; a longer one becomes
	// several records, marked cut
	MaxLine conf.Size         `yaml:"max_line"`
	Spool   Spool             `yaml:"spool"`  // queue on the disk for what was received
	Labels  map[string]string `yaml:"labels"` // names and values that each record gets which does not have them, 64 at most
}

// A User may send, beside the shared key.
type User struct {
	Username string      `yaml:"username"` // name of the user
	Password conf.Secret `yaml:"password"` // password of the user; needed
}

// Spool is where what was received waits.
type Spool struct {
	MaxSize conf.Size `yaml:"max_size"` // size of the queue on the disk, at least 32MiB and twice max_message; when it is full the oldest goes
}

// SetDefaults fills in what a configuration may leave out.
func (c *Config) SetDefaults() {
	*c = Config{
		Listen:       "127.0.0.1:24224",
		Mode:         "0660",
		SelfHostname: "logkeel",
		TextKey:      conf.Strings{"log", "message", "msg"},
		MaxMessage:   32 << 20,
		MaxLine:      1 << 20,
		Spool:        Spool{MaxSize: 1 << 30},
	}
}

var (
	nameForm  = conf.NewForm(`^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$`)
	labelForm = conf.NewForm(`^[A-Za-z_][A-Za-z0-9_.-]{0,63}$`)
)

const (
	minMessage = conf.Size(64 << 10)
	maxMessage = conf.Size(64 << 20)
	minSpool   = conf.Size(32 << 20)
	maxUsers   = 1000
	maxLabels  = 64 // appendFields has a bit for each
)

// reserved are the labels that every source has, and what agents add to records.
var reserved = []string{"source", "tag", "findings", "logkeel_id", "malformed", "cut"}

// Check says what is wrong with the section at path.
func (c *Config) Check(d *conf.Doc, path string) error {
	var errs []error
	bad := func(field, hint, format string, args ...any) {
		errs = append(errs, d.Errorf(path+field, hint, format, args...))
	}
	if !nameForm.MatchString(c.Name) {
		bad(".name", "give it a name of letters, digits, - and _; its spool and metrics are called by it", "%q is no name", c.Name)
	}
	if socket, ok := strings.CutPrefix(c.Listen, "unix://"); ok {
		if !strings.HasPrefix(socket, "/") || len(socket) > 100 {
			bad(".listen", "write it as unix:///run/logkeel/forward.sock", "%q is no path of a socket", c.Listen)
		}
	} else if err := server.CheckAddress(c.Listen); err != nil {
		bad(".listen", "write it as 127.0.0.1:24224, 0.0.0.0:24224 or unix:///run/logkeel/forward.sock", "%w", err)
	}
	if _, err := c.mode(); err != nil {
		bad(".mode", `write it as "0660"`, "%w", err)
	}
	errs = append(errs, c.TLS.Check(d, path+".tls"))
	c.checkUsers(bad)
	if c.SelfHostname == "" || len(c.SelfHostname) > 255 {
		bad(".self_hostname", "write a name that no client has itself", "%q is no name", c.SelfHostname)
	}
	if len(c.TextKey) == 0 || slices.Contains(c.TextKey, "") {
		bad(".text_key", "write the names of members, as [log, message]", "a name is missing")
	}
	if c.MaxMessage < minMessage || c.MaxMessage > maxMessage {
		bad(".max_message", fmt.Sprintf("write %s to %s", minMessage, maxMessage), "%s is out of range", c.MaxMessage)
	}
	if c.MaxLine < 1<<10 || c.MaxLine > 16<<20 {
		bad(".max_line", "write 1KiB to 16MiB", "%s is out of range", c.MaxLine)
	}
	if least := max(minSpool, 2*c.MaxMessage); c.Spool.MaxSize < least {
		bad(".spool.max_size", "write "+least.String()+" or more", "%s is too small", c.Spool.MaxSize)
	}
	if len(c.Labels) > maxLabels {
		bad(".labels", "leave some out", "there are more than %d", maxLabels)
	}
	for _, k := range slices.Sorted(maps.Keys(c.Labels)) {
		if !labelForm.MatchString(k) || slices.Contains(reserved, k) || slices.Contains(c.TextKey, k) {
			bad(".labels."+k, "use another name; "+strings.Join(reserved, ", ")+" and those of text_key are taken", "%q cannot be a label", k)
		}
	}
	return conf.Join(errs...)
}

func (c *Config) checkUsers(bad func(field, hint, format string, args ...any)) {
	if len(c.Users) > 0 && c.SharedKey.IsZero() {
		bad(".users", "set shared_key or shared_key_file as well: the protocol has users only behind a shared key", "users without a shared key")
	}
	if len(c.Users) > maxUsers {
		bad(".users", "give clients that belong together one user", "there are more than %d", maxUsers)
	}
	seen := map[string]bool{}
	for i, u := range c.Users {
		at := fmt.Sprintf(".users[%d]", i)
		switch {
		case u.Username == "":
			bad(at+".username", "give it a name", "a user without a name")
		case seen[u.Username]:
			bad(at+".username", "remove one of them", "the user %q is there twice", u.Username)
		}
		seen[u.Username] = true
		if u.Password.IsZero() {
			bad(at+".password", "set password or password_file", "a user without a password")
		}
	}
}

func (c *Config) mode() (fs.FileMode, error) {
	n, err := strconv.ParseUint(c.Mode, 8, 32)
	if err != nil || n > 0o777 {
		return 0, fmt.Errorf("%q is no file mode", c.Mode)
	}
	return fs.FileMode(n), nil
}

// Open reports whether anybody who reaches the address from another machine may
// send.
func (c *Config) Open() bool {
	if strings.HasPrefix(c.Listen, "unix:") || !c.SharedKey.IsZero() || c.TLS != nil && c.TLS.CAFile != "" {
		return false
	}
	return !server.Loopback(c.Listen)
}
