package fluentd

import (
	"fmt"
	"net"
	"strings"

	"github.com/webgrip/logkeel/agent/conf"
)

const (
	standardWeight = 60 // as Fluentd's
	maxWeight      = 100
	maxServers     = 16 // each may have a queue, a spool and a connection
)

// Server is one aggregator of several.
type Server struct {
	Address    string      `yaml:"address"`     // address of the server: host:port, or unix:///path
	Weight     int         `yaml:"weight"`      // this server's share of the logs, against that of the others, 1 to 100
	Standby    bool        `yaml:"standby"`     // uses this server only while no other can be used
	ServerName string      `yaml:"server_name"` // name that this server's certificate has to have, in place of tls.server_name
	SharedKey  conf.Secret `yaml:"shared_key"`  // key of the Forward protocol for this server, in place of the output's
	Username   string      `yaml:"username"`    // user for this server, in place of the output's
	Password   conf.Secret `yaml:"password"`    // password of the user
}

// SetDefaults fills in what a configuration may leave out.
func (s *Server) SetDefaults() { s.Weight = standardWeight }

// servers is those that are configured, also where it is one.
func (c *Config) servers() []Server {
	if len(c.Servers) == 0 {
		return []Server{{Address: c.Address, Weight: standardWeight}}
	}
	return c.Servers
}

// active is how many of them are not on standby.
func (c *Config) active() (n int) {
	for _, s := range c.servers() {
		if !s.Standby {
			n++
		}
	}
	return max(n, 1)
}

const addressForm = "write it as 127.0.0.1:24224 or unix:///run/fluentd.sock"

// checkServers says what is wrong with address, servers and the name that TLS is
// to verify.
func (c *Config) checkServers(d *conf.Doc, path string) error {
	var errs []error
	bad := func(field, hint, format string, args ...any) {
		errs = append(errs, d.Errorf(path+field, hint, format, args...))
	}
	if len(c.Servers) == 0 {
		if _, _, err := splitAddress(c.Address); err != nil {
			bad(".address", addressForm, "%w", err)
		}
		return conf.Join(append(errs, c.TLS.Check(d, path+".tls", hostOf(c.Address)))...)
	}
	if c.Address != "" {
		bad(".servers", "name the server of address among them, and leave address out", "address and servers are both there")
	}
	if len(c.Servers) > maxServers {
		return d.Errorf(path+".servers", fmt.Sprintf("name %d at most", maxServers), "%d servers are too many", len(c.Servers))
	}
	seen := map[string]bool{}
	active, nameless := 0, ""
	for i, s := range c.Servers {
		at := fmt.Sprintf(".servers[%d]", i)
		if _, _, err := splitAddress(s.Address); err != nil {
			bad(at+".address", addressForm, "%w", err)
		} else if seen[s.Address] {
			bad(at+".address", "name each server once; weight says how much it gets", "%s is there twice", s.Address)
		}
		seen[s.Address] = true
		if s.Weight < 1 || s.Weight > maxWeight {
			bad(at+".weight", fmt.Sprintf("write 1 to %d; standby: true for a server that is to get nothing while others work", maxWeight), "%d is out of range", s.Weight)
		}
		if s.Username != "" && s.SharedKey.IsZero() && c.SharedKey.IsZero() {
			bad(at+".username", noKey, "a user without a shared key")
		}
		if s.Username == "" && !s.Password.IsZero() {
			bad(at+".password", noUser, "a password without a user")
		}
		if s.ServerName != "" && c.TLS == nil {
			bad(at+".server_name", "set tls as well, or leave it out", "a name to be verified without tls")
		}
		if !s.Standby {
			active++
		}
		if hostOf(s.Address) == "" && s.ServerName == "" {
			nameless = s.Address
		}
	}
	if active == 0 {
		bad(".servers", "leave standby out for one at least", "all servers are on standby")
	}
	host := "host"
	if nameless != "" {
		host = ""
	}
	return conf.Join(append(errs, c.TLS.Check(d, path+".tls", host))...)
}

// hostOf is "" for a unix socket, and else whichever: a server's certificate is
// verified when there is a connection.
func hostOf(address string) string {
	if strings.HasPrefix(address, "unix:") {
		return ""
	}
	return "host"
}

func splitAddress(a string) (network, address string, err error) {
	if path, ok := strings.CutPrefix(a, "unix://"); ok {
		if !strings.HasPrefix(path, "/") {
			return "", "", fmt.Errorf("%q is no path of a socket", a)
		}
		return "unix", path, nil
	}
	host, port, err := net.SplitHostPort(a)
	if err != nil || host == "" || port == "" {
		return "", "", fmt.Errorf("%q is no host:port", a)
	}
	if n, err := net.LookupPort("tcp", port); err != nil || n == 0 {
		return "", "", fmt.Errorf("%q is no port", port)
	}
	return "tcp", a, nil
}
