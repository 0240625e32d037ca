package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/webgrip/logkeel/agent/conf"
	"github.com/webgrip/logkeel/collectors"
	"github.com/webgrip/logkeel/outputs"
	"github.com/webgrip/logkeel/rules"
)

// Config is agent.yaml.
type Config struct {
	StateDir        string            `yaml:"state_dir"`        // folder for positions and unsent records, one for each agent; it has to outlive the agent
	ShutdownTimeout conf.Duration     `yaml:"shutdown_timeout"` // how long a stop waits until what was read is safe, 1s to 1h; the rest is read again at the next start
	ReloadOnChange  bool              `yaml:"reload_on_change"` // takes a change of agent.yaml or of a rule file some seconds later, without SIGHUP
	Log             Log               `yaml:"log"`              // how the agent writes its own log, which goes to standard error
	Collectors      collectors.Config `yaml:"collectors"`       // what is read and measured
	Redact          rules.Redact      `yaml:"redact"`           // what is cut out of records
	Rules           rules.Config      `yaml:"rules"`            // what is looked for
	Outputs         outputs.Config    `yaml:"outputs"`          // where it goes
}

// Log is how the agent writes its own log, to standard error.
type Log struct {
	Level  string `yaml:"level" enum:"debug info warn error"` // what is written: debug has everything, error nothing but errors
	Format string `yaml:"format" enum:"text json"`            // how a line is written: text as key=value, json as an object
}

// defaults is what an empty file means.
func defaults() Config {
	return Config{
		StateDir:        "state",
		ShutdownTimeout: conf.Duration(8 * time.Second), // docker stop waits for ten
		ReloadOnChange:  true,
		Log:             Log{Level: "info", Format: "text"},
		Redact:          rules.Redact{Secrets: true},
		Rules:           rules.Config{Self: true},
	}
}

// A loaded configuration is right, as far as can be told without running it.
type loaded struct {
	Config
	doc     *conf.Doc
	parsed  bool   // agent.yaml is YAML with the keys that there are; all else may be wrong
	baseDir string // of the file: relative paths are relative to it
	rules   *rules.Set
	level   slog.Level
	files   []fileStand // that it was read from, as they were before
}

var defaultPaths = []string{"agent.yaml", "/etc/logkeel/agent.yaml", "logkeel/agent.yaml"}

// configPath is the file to read where none was named.
func configPath(flag string) (string, error) {
	if flag != "" {
		return flag, nil
	}
	if p := os.Getenv("LOGKEEL_CONFIG"); p != "" {
		return p, nil
	}
	for _, p := range defaultPaths {
		if _, err := os.Stat(p); !errors.Is(err, fs.ErrNotExist) {
			return p, nil
		}
	}
	return "", fmt.Errorf("no configuration: none of %s is there; name one with --config", strings.Join(defaultPaths, ", "))
}

// load reads and checks everything, and says all that is wrong at once.
func load(flag string) (*loaded, error) {
	l, err := read(flag)
	if err != nil {
		return nil, err
	}
	return l, nil
}

// read is load, but that what it returns beside an error still tells which files
// were read; nil where none was.
func read(flag string) (*loaded, error) {
	path, err := configPath(flag)
	if err != nil {
		return nil, usageError{err}
	}
	l := &loaded{Config: defaults()}
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	l.baseDir = filepath.Dir(abs)
	l.files = stand(path)
	if l.doc, err = conf.Load(path, &l.Config, conf.Options{Env: os.LookupEnv}); err != nil {
		l.Rules = rules.Config{} // of which nothing is known
		return l, usageError{err}
	}
	l.parsed = true
	if l.StateDir != "" && !filepath.IsAbs(l.StateDir) {
		l.StateDir = filepath.Join(l.baseDir, l.StateDir)
	}
	l.files = append(l.files, stand(rules.Files(l.Rules, l.baseDir)...)...)
	errs := []error{l.checkAgent(), l.Collectors.Check(l.doc), l.Outputs.Check(l.doc)}
	if l.rules, err = rules.Load(l.Rules, l.baseDir, rules.Redacting(l.Redact)); err != nil {
		errs = append(errs, l.atRules(err))
	}
	if err := conf.Join(errs...); err != nil {
		return l, usageError{err}
	}
	return l, nil
}

func (l *loaded) checkAgent() error {
	var errs []error
	if err := l.level.UnmarshalText([]byte(l.Log.Level)); err != nil {
		errs = append(errs, l.doc.Errorf("log.level", "write debug, info, warn or error", "%q is no level", l.Log.Level))
	}
	if l.Log.Format != "text" && l.Log.Format != "json" {
		errs = append(errs, l.doc.Errorf("log.format", "write text or json", "%q is neither text nor json", l.Log.Format))
	}
	if l.ShutdownTimeout < conf.Duration(time.Second) || l.ShutdownTimeout > conf.Duration(time.Hour) {
		errs = append(errs, l.doc.Errorf("shutdown_timeout", "write 1s to 1h", "%s is out of range", l.ShutdownTimeout))
	}
	if l.StateDir == "" {
		errs = append(errs, l.doc.Errorf("state_dir", "name a folder that stays", "no folder"))
	}
	return conf.Join(errs...)
}

// atRules gives the errors that are about agent.yaml's own sections rules and
// redact their file and line.
func (l *loaded) atRules(err error) error {
	var all conf.Errors
	if !errors.As(conf.Join(err), &all) {
		return err
	}
	for i, e := range all {
		if e.File != "" {
			continue
		}
		field := e.Field
		if !strings.HasPrefix(field, "redact.") {
			field = "rules." + field
		}
		all[i] = l.doc.Errorf(field, e.Hint, "%s", e.Msg)
	}
	return all
}

func (l *loaded) logger(w io.Writer, level slog.Leveler) *slog.Logger {
	o := &slog.HandlerOptions{Level: level}
	if l.Log.Format == "json" {
		return slog.New(slog.NewJSONHandler(w, o))
	}
	return slog.New(slog.NewTextHandler(w, o))
}
