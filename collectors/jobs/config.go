// Package jobs watches what cron runs: when a job started, how it ended, how long
// that took, and whether it ran at all. Jobs tell of themselves by HTTP; and there are
// commands that the agent runs itself.
package jobs

import (
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/webgrip/logkeel/agent/conf"
	"github.com/webgrip/logkeel/agent/server"
	"github.com/webgrip/logkeel/agent/webconf"
)

// DefaultListen is where jobs tell of themselves, unless configured.
const DefaultListen = "127.0.0.1:9766"

// Config is the section collectors.jobs.
type Config struct {
	Name   string      `yaml:"name"`   // what it is called, the label target of its metrics: letters, digits, - . and _, 64 at most
	Listen string      `yaml:"listen"` // address at which jobs tell of themselves: host:port, or unix:///path
	Mode   string      `yaml:"mode"`   // file mode of the unix socket, in octal and quotes: who may write to it may tell of jobs
	Token  conf.Secret `yaml:"token"`  // token that whoever tells of a job has to know
	Any    bool        `yaml:"any"`    // lets jobs tell of themselves that are not listed under jobs, 200 in all
	Jobs   []Job       `yaml:"jobs"`   // jobs that are expected to run, 200 at most; needed without any

	WebConfigFile string `yaml:"web_config_file"` // web configuration file as Prometheus exporters have it: TLS and users, in place of token

	web webconf.Server
}

// SetDefaults fills in what a configuration may leave out.
func (c *Config) SetDefaults() { *c = Config{Name: "jobs", Listen: DefaultListen, Mode: "0660"} }

// A Job is one that is expected to run.
type Job struct {
	Name         string        `yaml:"name"`          // name of the job, as logkeel job NAME has it: letters, digits, - . and _, 64 at most
	Schedule     string        `yaml:"schedule"`      // when it runs: five fields as in a crontab, or @daily and the like; empty: it is never missed
	Timezone     string        `yaml:"timezone"`      // time zone of the schedule, as Europe/Amsterdam; empty: the machine's
	Grace        conf.Duration `yaml:"grace"`         // how late it may start before it counts as missed, 10s to 30d; 0: 1h, or until it is due again
	MaxDuration  conf.Duration `yaml:"max_duration"`  // how long a run may take before it is told of, 1s to 30d; 0: 1d
	ExpectOutput string        `yaml:"expect_output"` // expression (RE2) that the output has to match: a run without a match has failed

	Command conf.Strings      `yaml:"command"` // program and arguments that the agent itself runs by the schedule, without a shell
	Dir     string            `yaml:"dir"`     // absolute path of the folder in which command runs; empty: the agent's
	Env     map[string]string `yaml:"env"`     // names and values of environment variables for command, besides the agent's own
	Timeout conf.Duration     `yaml:"timeout"` // how long command may run until it is ended, 1s to 30d; 0: max_duration
}

const (
	maxJobs       = 200 // those that are listed, and the others
	minGrace      = conf.Duration(10 * time.Second)
	maxGrace      = conf.Duration(30 * 24 * time.Hour)
	dayLong       = 24 * time.Hour
	usualGrace    = time.Hour
	maxCommandArg = 1000
)

var (
	nameForm = conf.NewForm(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$`)
	envForm  = conf.NewForm(`^[A-Za-z_][A-Za-z0-9_]*$`)
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
	if socket, ok := strings.CutPrefix(c.Listen, "unix://"); ok {
		if !strings.HasPrefix(socket, "/") || len(socket) > 100 {
			bad(".listen", "write it as unix:///run/logkeel/jobs.sock", "%q is no path of a socket", c.Listen)
		}
	} else if err := server.CheckAddress(c.Listen); err != nil {
		bad(".listen", "write it as 127.0.0.1:9766 or unix:///run/logkeel/jobs.sock", "%w", err)
	}
	if _, err := c.mode(); err != nil {
		bad(".mode", `write it as "0660"`, "%w", err)
	}
	errs = append(errs, c.CheckWeb(d, path))
	if len(c.Jobs) == 0 && !c.Any {
		bad(".jobs", "list them, as jobs: [{name: backup, schedule: \"0 2 * * *\"}], or set any: true", "no job")
	}
	if len(c.Jobs) > maxJobs {
		bad(".jobs", "leave some out", "there are more than %d", maxJobs)
	}
	seen := map[string]bool{}
	for i := range c.Jobs {
		at := fmt.Sprintf(".jobs[%d]", i)
		j := &c.Jobs[i]
		j.check(func(field, hint, format string, args ...any) { bad(at+field, hint, format, args...) })
		if seen[j.Name] {
			bad(at+".name", "give each one a name of its own", "the name %q is taken", j.Name)
		}
		seen[j.Name] = true
	}
	return conf.Join(errs...)
}

// CheckWeb reads the web configuration, and says what is wrong with it. Check does
// so too.
func (c *Config) CheckWeb(d *conf.Doc, path string) (err error) {
	path += ".web_config_file"
	if c.web, err = webconf.Check(d, path, c.WebConfigFile); err != nil {
		return err
	}
	var errs []error
	if c.web.File != "" && strings.HasPrefix(c.Listen, "unix:") {
		errs = append(errs, d.Errorf(path, "remove it, and say with mode who may write to the socket", "it is not for a unix socket"))
	}
	if c.web.Users && !c.Token.IsZero() {
		errs = append(errs, d.Errorf(path, "remove token, or basic_auth_users there", "a request cannot carry both the token and a user's password"))
	}
	return conf.Join(errs...)
}

func (j *Job) check(bad func(field, hint, format string, args ...any)) {
	if !nameForm.MatchString(j.Name) {
		bad(".name", "give it a name of letters, digits, - . and _, 64 at most", "%q is no name", j.Name)
	}
	if j.Schedule != "" {
		if _, err := parseSchedule(j.Schedule, j.Timezone); err != nil {
			bad(".schedule", `write it as in a crontab: "0 2 * * *" is each night at 2`, "%q: %w", j.Schedule, err)
		}
	} else if j.Timezone != "" || j.Grace != 0 {
		bad(".schedule", "write when it runs, or leave timezone and grace out", "there is none")
	}
	if j.Grace != 0 && (j.Grace < minGrace || j.Grace > maxGrace) {
		bad(".grace", "write 10s to 30d", "%s is out of range", j.Grace)
	}
	if j.MaxDuration != 0 && (j.MaxDuration < conf.Duration(time.Second) || j.MaxDuration > maxGrace) {
		bad(".max_duration", "write 1s to 30d", "%s is out of range", j.MaxDuration)
	}
	if _, err := regexp.Compile(j.ExpectOutput); err != nil {
		bad(".expect_output", "see https://github.com/google/re2/wiki/Syntax", "%w", err)
	}
	j.checkCommand(bad)
}

func (j *Job) checkCommand(bad func(field, hint, format string, args ...any)) {
	if len(j.Command) == 0 {
		for field, set := range map[string]bool{".dir": j.Dir != "", ".env": len(j.Env) > 0, ".timeout": j.Timeout != 0} {
			if set {
				bad(field, "remove it, or set command: the agent runs no other", "it is for a command of the agent")
			}
		}
		return
	}
	if j.Schedule == "" {
		bad(".schedule", `write when it is to run: "0 2 * * *" is each night at 2`, "a command without a schedule")
	}
	if j.Command[0] == "" || len(j.Command) > maxCommandArg {
		bad(".command", "write the program and its arguments, as [/usr/local/bin/backup.sh, --all]", "there is no program, or more than %d arguments", maxCommandArg)
	} else if len(j.Command) == 1 && strings.ContainsAny(j.Command[0], " \t") {
		bad(".command", `write [program, argument, ...], or [sh, -c, "..."] where it is meant for a shell`, "%q has blanks; no shell reads it", j.Command[0])
	}
	if j.Dir != "" && !filepath.IsAbs(j.Dir) {
		bad(".dir", "write the whole path", "%q is no absolute path", j.Dir)
	}
	for _, k := range slices.Sorted(maps.Keys(j.Env)) {
		if !envForm.MatchString(k) {
			bad(".env."+k, "use letters, digits and _", "%q cannot be the name of a variable", k)
		}
	}
	if j.Timeout != 0 && (j.Timeout < conf.Duration(time.Second) || j.Timeout > maxGrace) {
		bad(".timeout", "write 1s to 30d", "%s is out of range", j.Timeout)
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
// tell of jobs.
func (c *Config) Open() bool {
	return !strings.HasPrefix(c.Listen, "unix:") && c.Token.IsZero() && !c.web.Closed() && !server.Loopback(c.Listen)
}

// Web is what the web configuration said when it was checked.
func (c *Config) Web() webconf.Server { return c.web }

// maxDuration is how long a run may take.
func (j *Job) maxDuration() time.Duration {
	if j.MaxDuration != 0 {
		return time.Duration(j.MaxDuration)
	}
	return dayLong
}
