// Package outputs makes the outputs that a configuration names: one field of
// Config and one line of Build each.
package outputs

import (
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/conf"
	"github.com/webgrip/logkeel/agent/silence"
	"github.com/webgrip/logkeel/outputs/alertmanager"
	"github.com/webgrip/logkeel/outputs/email"
	"github.com/webgrip/logkeel/outputs/fluentd"
	"github.com/webgrip/logkeel/outputs/heartbeat"
	"github.com/webgrip/logkeel/outputs/prometheus"
	"github.com/webgrip/logkeel/outputs/webhook"
)

// Config is the section outputs.
type Config struct {
	Fluentd      []fluentd.Config      `yaml:"fluentd"`
	Prometheus   *prometheus.Config    `yaml:"prometheus"`
	Email        []email.Config        `yaml:"email"`
	Webhook      []webhook.Config      `yaml:"webhook"`
	Alertmanager []alertmanager.Config `yaml:"alertmanager"`
	Heartbeat    []heartbeat.Config    `yaml:"heartbeat"`
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
	spools := map[string]bool{} // of fluentd, by the folder's name
	apart := func(path, kind, name string) {
		if spools[kind+"-"+name] {
			errs = append(errs, d.Errorf(path+".name", "rename one of the two",
				"its queue would be in state_dir/spool/%s-%s, which is that of the fluentd output %q", kind, name, kind+"-"+name))
		}
	}
	for i := range c.Fluentd {
		path := fmt.Sprintf("outputs.fluentd[%d]", i)
		errs = append(errs, c.Fluentd[i].Check(d, path))
		named(path, c.Fluentd[i].Name)
		spools[c.Fluentd[i].Name] = true
	}
	for i := range c.Email {
		path := fmt.Sprintf("outputs.email[%d]", i)
		errs = append(errs, c.Email[i].Check(d, path))
		named(path, c.Email[i].Name)
		apart(path, "email", c.Email[i].Name)
	}
	for i := range c.Heartbeat {
		path := fmt.Sprintf("outputs.heartbeat[%d]", i)
		errs = append(errs, c.Heartbeat[i].Check(d, path))
		named(path, c.Heartbeat[i].Name)
	}
	for i := range c.Webhook {
		path := fmt.Sprintf("outputs.webhook[%d]", i)
		errs = append(errs, c.Webhook[i].Check(d, path))
		named(path, c.Webhook[i].Name)
		apart(path, "webhook", c.Webhook[i].Name)
	}
	for i := range c.Alertmanager {
		path := fmt.Sprintf("outputs.alertmanager[%d]", i)
		errs = append(errs, c.Alertmanager[i].Check(d, path))
		named(path, c.Alertmanager[i].Name)
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
	Health   func(yield func(agent.Sample)) // the part of that which says how they do
	Page     http.Handler                   // for people, of how it does; nil: none
	Started  time.Time                      // when what it measures began at 0
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
			return email.NewReporting(ec, env.StateDir, email.Reports{Meter: env.Meter, Started: env.Started}, env.Silences, env.Log)
		}})
	}
	for _, hc := range c.Heartbeat {
		all = append(all, agent.OutputUnit{Name: "heartbeat/" + hc.Name, Section: hc, Build: func() (agent.Output, error) {
			return heartbeat.New(hc, env.Health, env.Log)
		}})
	}
	for _, wc := range c.Webhook {
		all = append(all, agent.OutputUnit{Name: "webhook/" + wc.Name, Section: wc, Build: func() (agent.Output, error) {
			return webhook.New(wc, env.StateDir, env.Silences, env.Log)
		}})
	}
	for _, ac := range c.Alertmanager {
		all = append(all, agent.OutputUnit{Name: "alertmanager/" + ac.Name, Section: ac, Build: func() (agent.Output, error) {
			return alertmanager.New(ac, env.StateDir, env.Log)
		}})
	}
	if c.Prometheus != nil {
		all = append(all, agent.OutputUnit{Name: "prometheus", Section: *c.Prometheus, Build: func() (agent.Output, error) {
			return prometheus.New(*c.Prometheus, env.Meter, env.Page, env.Log), nil
		}})
	}
	return all
}
