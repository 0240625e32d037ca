// Package outputs makes the outputs that a configuration names: one field of
// Config and one line of Build each.
package outputs

import (
	"fmt"
	"log/slog"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/conf"
	"github.com/webgrip/logkeel/agent/silence"
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
	Silences *silence.Watch                 // nil: none
	Meter    func(yield func(agent.Sample)) // of the agent and all of its parts
	Log      *slog.Logger
}

// Units are the outputs. An output that is an io.Closer is closed by the agent.
func Units(c Config, env Env) []agent.OutputUnit {
	var all []agent.OutputUnit
	for _, fc := range c.Fluentd {
		all = append(all, agent.OutputUnit{Name: "fluentd/" + fc.Name, Section: fc, Build: func() (agent.Output, error) {
			return fluentd.New(fc, env.Ledger, env.StateDir, env.Log)
		}})
	}
	for _, ec := range c.Email {
		all = append(all, agent.OutputUnit{Name: "email/" + ec.Name, Section: ec, Build: func() (agent.Output, error) {
			return email.New(ec, env.StateDir, env.Silences, env.Log)
		}})
	}
	if c.Prometheus != nil {
		all = append(all, agent.OutputUnit{Name: "prometheus", Section: *c.Prometheus, Build: func() (agent.Output, error) {
			return prometheus.New(*c.Prometheus, env.Meter, env.Log), nil
		}})
	}
	return all
}
