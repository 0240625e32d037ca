// Package outputs makes the outputs that a configuration names: one field of
// Config and one line of Build each.
package outputs

import (
	"errors"
	"fmt"
	"io"
	"log/slog"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/conf"
	"github.com/webgrip/logkeel/outputs/email"
	"github.com/webgrip/logkeel/outputs/fluentd"
	"github.com/webgrip/logkeel/outputs/prometheus"
)

// Config is the section outputs.
type Config struct {
	Fluentd    []fluentd.Config   `yaml:"fluentd"`
	Prometheus *prometheus.Config `yaml:"prometheus"`
	Email      []email.Config     `yaml:"email"`
}

// Check says what is wrong with the section.
func (c *Config) Check(d *conf.Doc) error {
	var errs []error
	names := map[string]bool{}
	named := func(path, name string) {
		if names[name] {
			errs = append(errs, d.Errorf(path+".name", "give each output a name of its own", "the name %q is taken", name))
		}
		names[name] = true
	}
	for i := range c.Fluentd {
		path := fmt.Sprintf("outputs.fluentd[%d]", i)
		errs = append(errs, c.Fluentd[i].Check(d, path))
		named(path, c.Fluentd[i].Name)
	}
	for i := range c.Email {
		path := fmt.Sprintf("outputs.email[%d]", i)
		errs = append(errs, c.Email[i].Check(d, path))
		named(path, c.Email[i].Name)
	}
	if c.Prometheus != nil {
		errs = append(errs, c.Prometheus.Check(d, "outputs.prometheus"))
	}
	return conf.Join(errs...)
}

// Env is what outputs need of the agent.
type Env struct {
	Ledger   *agent.Ledger
	StateDir string
	Meter    func(yield func(agent.Sample)) // of the agent and all of its parts
	Log      *slog.Logger
}

// Build makes the outputs. Those that are an io.Closer are to be closed when
// nothing runs any more.
func Build(c Config, env Env) ([]agent.Output, error) {
	var all []agent.Output
	for _, fc := range c.Fluentd {
		o, err := fluentd.New(fc, env.Ledger, env.StateDir, env.Log)
		if err != nil {
			return nil, errors.Join(err, Close(all))
		}
		all = append(all, o)
	}
	for _, ec := range c.Email {
		o, err := email.New(ec, env.StateDir, env.Log)
		if err != nil {
			return nil, errors.Join(err, Close(all))
		}
		all = append(all, o)
	}
	if c.Prometheus != nil {
		all = append(all, prometheus.New(*c.Prometheus, env.Meter, env.Log))
	}
	return all, nil
}

// Close closes the outputs that hold something.
func Close(all []agent.Output) error {
	var errs []error
	for _, o := range all {
		if c, ok := o.(io.Closer); ok {
			if err := c.Close(); err != nil {
				errs = append(errs, fmt.Errorf("close output %s: %w", o.Name(), err))
			}
		}
	}
	return errors.Join(errs...)
}
