// Package setup looks at what runs under an engine, or at a Compose file, and writes a
// configuration for it: agent.yaml, a rule file and a service for Compose.
//
// It goes in steps: an inspection gives a Found, which is plain data without
// secrets; recognise says what each service is; a plan says what is configured for
// it; and the writers make text of the plan.
package setup

import (
	"path"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/webgrip/logkeel/agent/conf"
)

// Found is what there is.
type Found struct {
	Origin   string   // "the engine", or the Compose file
	Engine   bool     // an engine was asked
	Project  string   // of Compose; "" where services are of several, or of none
	Dir      string   // the project's folder; "" where it is not known
	Compose  string   // its Compose file; "" where it is not known
	More     []string // further ones that it is made of
	Root     string   // the engine's data folder
	Host     string   // of the engine's API
	Services []Service
	Notes    []string // what could not be looked at
}

// A Service is a container that runs, or a service of a Compose file. There are no
// secrets in it: of its environment it has the names, and values of some that are
// known to be harmless.
type Service struct {
	Name      string // of Compose's service, or else of the container
	Project   string
	Host      string // by which others in its networks know it; "" where that is no name
	Image     string // or what its Dockerfile begins with
	Built     bool   // Image is of a Dockerfile
	Title     string // by its image's label
	Env       map[string]string
	Ports     []Port
	Mounts    []Mount
	Networks  []Network
	HostNet   bool     // it has the host's network
	Alone     bool     // it is in no network of its own
	Profiles  []string // of a Compose file: it starts with one of them only
	Port      int      // at which its command says that it listens; 0 where it says nothing
	Measured  bool     // its command has MariaDB or PostgreSQL measure single statements
	Health    string   // path that its health check asks for, of HealthPort
	HealthOn  int
	Policy    string // maxmemory-policy that Redis is started with
	Protected bool   // Redis asks for a password
	Log       Log
	TTY       bool
}

// A Port is one of a container, over TCP.
type Port struct {
	Container, Host int    // Host is 0 where it is not published
	Address         string // "" for all
}

// A Mount is a folder or a file of the host in a container.
type Mount struct {
	Volume   string // how a Compose file calls it; "" where it is no named volume
	External string // the volume's own name, where no Compose file declares it
	Subpath  string // the part of the volume that is mounted; "" for all of it
	Source   string // on the host, with Subpath
	Target   string // in the container
}

// part takes what of the volume is mounted, if it is within it.
func (m *Mount) part(subpath string) {
	if m.Volume != "" && subpath != "" && filepath.IsLocal(subpath) && path.Clean(subpath) != "." {
		m.Subpath = path.Clean(subpath)
		m.Source = path.Join(m.Source, m.Subpath)
	}
}

// A Network is one that a container is in.
type Network struct {
	Key      string // how a Compose file calls it
	External string // its own name, where no Compose file declares it
}

// A Log is how the engine keeps a container's log.
type Log struct {
	Driver, MaxSize, MaxFile string
	Async                    bool // of the driver fluentd
}

// harmless are variables whose values say something that is no secret.
var harmless = map[string]bool{
	"APP_NAME": true, "APP_ENV": true, "DB_CONNECTION": true, "LOG_CHANNEL": true, "LOG_STACK": true,
	"QUEUE_CONNECTION": true, "REDIS_PREFIX": true, "REDIS_QUEUE": true,
	"PORT": true, "APP_PORT": true, "HTTP_PORT": true, "MYSQL_DATABASE": true, "MARIADB_DATABASE": true, "POSTGRES_DB": true,
}

// setEnv keeps a variable's name, and what it is set to where that is harmless.
func (s *Service) setEnv(name, value string) {
	if s.Env == nil {
		s.Env = map[string]string{}
	}
	if !harmless[name] || len(value) > 200 {
		value = ""
	}
	s.Env[name] = value
}

// has says which of the variables is set; "" for none.
func (s *Service) has(names ...string) string {
	for _, n := range names {
		if _, ok := s.Env[n]; ok {
			return n
		}
	}
	return ""
}

var hostForm = conf.NewForm(`^[A-Za-z0-9]([A-Za-z0-9_.-]{0,251}[A-Za-z0-9])?$`)

// hostOf is the name if it can be one of a host.
func hostOf(name string) string {
	if hostForm.MatchString(name) {
		return name
	}
	return ""
}

var (
	urlForm  = regexp.MustCompile(`https?://(?:localhost|127\.0\.0\.1|\[::1\]|0\.0\.0\.0)(:\d{1,5})?(/[^\s"'|;&)<>\\]*)?`)
	pathForm = conf.NewForm(`^/[A-Za-z0-9/_.-]{0,100}$`)
)

// setHealth takes from a health check's command which page it asks for. What has a
// query is left alone, for there may be a token in it.
func (s *Service) setHealth(command string) {
	m := urlForm.FindStringSubmatch(command)
	if m == nil || !pathForm.MatchString(m[2]) {
		return
	}
	s.Health, s.HealthOn = m[2], 80
	if m[1] != "" {
		s.HealthOn = number(m[1][1:])
	}
}

var (
	policyForm    = regexp.MustCompile(`--maxmemory-policy[ =]+((?:allkeys|volatile)-[a-z]+|noeviction)\b`)
	protectedForm = conf.NewForm(`--(?:requirepass|aclfile)\b`)
	portForm      = regexp.MustCompile(`(?:^|\s)--port[ =]+(\d{1,5})(?:\s|$)`)
	measuredForm  = conf.NewForm(`--performance[-_]schema(?:[ =]+(?i:on|1|true)\b|\s|$)`)
	preloadForm   = conf.NewForm(`\bshared_preload_libraries[ =]+\S*\bpg_stat_statements\b`)
)

// setCommand takes from a command what matters of a server: its port, Redis' policy,
// whether MariaDB measures. Its arguments may be secrets: nothing else is kept.
func (s *Service) setCommand(args []string) {
	command := strings.Join(args, " ")
	if m := policyForm.FindStringSubmatch(command); m != nil {
		s.Policy = m[1]
	}
	if m := portForm.FindStringSubmatch(command); m != nil {
		s.Port = number(m[1])
	}
	s.Measured = measuredForm.MatchString(command) || preloadForm.MatchString(command)
	s.Protected = protectedForm.MatchString(command)
}

// number is a port in s; 0 where it is none.
func number(s string) int {
	n := 0
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' || n > 65535 {
			return 0
		}
		n = n*10 + int(s[i]-'0')
	}
	if n > 65535 {
		return 0
	}
	return n
}
