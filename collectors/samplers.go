package collectors

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/conf"
	"github.com/webgrip/logkeel/collectors/docker"
	probe "github.com/webgrip/logkeel/collectors/http"
	"github.com/webgrip/logkeel/collectors/mysql"
	"github.com/webgrip/logkeel/collectors/redis"
)

// Sampling is how often something is measured.
type Sampling struct {
	Interval conf.Duration `yaml:"interval"`
	Timeout  conf.Duration `yaml:"timeout"` // of one measurement
	Record   bool          `yaml:"record"`  // each measurement is also a record
}

// SetDefaults fills in what a configuration may leave out.
func (s *Sampling) SetDefaults() {
	*s = Sampling{Interval: conf.Duration(15 * time.Second), Timeout: conf.Duration(10 * time.Second)}
}

func (s *Sampling) check(d *conf.Doc, path string) error {
	if !d.Has(path + ".timeout") {
		s.Timeout = min(s.Timeout, s.Interval)
	}
	var errs []error
	if s.Interval < conf.Duration(time.Second) || s.Interval > conf.Duration(24*time.Hour) {
		errs = append(errs, d.Errorf(path+".interval", "write 1s to 24h", "%s is out of range", s.Interval))
	}
	if s.Timeout < conf.Duration(100*time.Millisecond) || s.Timeout > s.Interval {
		errs = append(errs, d.Errorf(path+".timeout", "write 100ms to the interval, which is "+s.Interval.String(), "%s is out of range", s.Timeout))
	}
	return conf.Join(errs...)
}

// sampled asks again and again, and makes records of the answers where they are
// wanted.
func (s *Sampling) sampled(kind, target string, of agent.Sampler, log *slog.Logger) []agent.Collector {
	how := agent.Sampling{Kind: kind, Target: target, Interval: time.Duration(s.Interval), Timeout: time.Duration(s.Timeout), Log: log}
	if !s.Record {
		return []agent.Collector{agent.Sampled(of, how)}
	}
	r := newRecords(kind, target, of)
	how.Taken = r.take
	return []agent.Collector{agent.Sampled(of, how), r}
}

// DockerStats measures containers.
type DockerStats struct {
	docker.StatsConfig `yaml:",inline"`
	Sampling           `yaml:",inline"`
}

// SetDefaults fills in what a configuration may leave out.
func (s *DockerStats) SetDefaults() {
	s.StatsConfig.SetDefaults()
	s.Sampling.SetDefaults()
}

// MySQL measures a MariaDB or MySQL server.
type MySQL struct {
	mysql.Config `yaml:",inline"`
	Sampling     `yaml:",inline"`
}

// SetDefaults fills in what a configuration may leave out.
func (m *MySQL) SetDefaults() {
	m.Config.SetDefaults()
	m.Sampling.SetDefaults()
}

// Redis measures a Redis server.
type Redis struct {
	redis.Config `yaml:",inline"`
	Sampling     `yaml:",inline"`
}

// SetDefaults fills in what a configuration may leave out.
func (r *Redis) SetDefaults() {
	r.Config.SetDefaults()
	r.Sampling.SetDefaults()
}

// HTTP measures a URL.
type HTTP struct {
	probe.Config `yaml:",inline"`
	Sampling     `yaml:",inline"`
}

// SetDefaults fills in what a configuration may leave out.
func (h *HTTP) SetDefaults() {
	h.Config.SetDefaults()
	h.Sampling.SetDefaults()
}

// checkSamplers says what is wrong with the samplers' sections.
func (c *Config) checkSamplers(d *conf.Doc) error {
	var errs []error
	names := map[string]bool{}
	check := func(kind string, i int, name string, own func(*conf.Doc, string) error, s *Sampling) {
		path := fmt.Sprintf("collectors.%s[%d]", kind, i)
		errs = append(errs, own(d, path), s.check(d, path))
		if names[kind+name] {
			errs = append(errs, d.Errorf(path+".name", "give each one a name of its own", "the name %q is taken", name))
		}
		names[kind+name] = true
	}
	for i := range c.MySQL {
		m := &c.MySQL[i]
		check("mysql", i, m.Name, m.Config.Check, &m.Sampling)
	}
	for i := range c.Redis {
		r := &c.Redis[i]
		check("redis", i, r.Name, r.Config.Check, &r.Sampling)
	}
	for i := range c.HTTP {
		h := &c.HTTP[i]
		check("http", i, h.Name, h.Config.Check, &h.Sampling)
	}
	return conf.Join(errs...)
}

// samplerUnits are the samplers, a unit each.
func (c *Config) samplerUnits(log *slog.Logger) []agent.CollectorUnit {
	var all []agent.CollectorUnit
	add := func(kind, name string, section any, how *Sampling, build func() (agent.Sampler, error)) {
		all = append(all, agent.CollectorUnit{Name: kind + "/" + name, Section: section, Build: func() ([]agent.Collector, error) {
			s, err := build()
			if err != nil {
				return nil, fmt.Errorf("collectors.%s %s: %w", kind, name, err)
			}
			return how.sampled(kind, name, s, log), nil
		}})
	}
	for _, m := range c.MySQL {
		add("mysql", m.Name, m, &m.Sampling, func() (agent.Sampler, error) { return mysql.New(m.Config) })
	}
	for _, r := range c.Redis {
		add("redis", r.Name, r, &r.Sampling, func() (agent.Sampler, error) { return redis.New(r.Config) })
	}
	for _, h := range c.HTTP {
		add("http", h.Name, h, &h.Sampling, func() (agent.Sampler, error) { return probe.New(h.Config) })
	}
	return all
}
