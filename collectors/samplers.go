package collectors

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/conf"
	"github.com/webgrip/logkeel/collectors/backups"
	"github.com/webgrip/logkeel/collectors/docker"
	"github.com/webgrip/logkeel/collectors/host"
	probe "github.com/webgrip/logkeel/collectors/http"
	"github.com/webgrip/logkeel/collectors/integrity"
	"github.com/webgrip/logkeel/collectors/jobs"
	"github.com/webgrip/logkeel/collectors/mysql"
	"github.com/webgrip/logkeel/collectors/postgres"
	"github.com/webgrip/logkeel/collectors/redis"
)

// Sampling is how often something is measured.
type Sampling struct {
	Interval conf.Duration `yaml:"interval"` // how often it is measured, 1s to 24h
	Timeout  conf.Duration `yaml:"timeout"`  // how long one measurement may take, from 100ms to the interval, which bounds the default as well
	Record   bool          `yaml:"record"`   // sends each measurement to outputs.fluentd as records, too
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

// Redis measures a Redis, Valkey or KeyDB server.
type Redis struct {
	redis.Config `yaml:",inline"`
	Sampling     `yaml:",inline"`
}

// SetDefaults fills in what a configuration may leave out.
func (r *Redis) SetDefaults() {
	r.Config.SetDefaults()
	r.Sampling.SetDefaults()
}

// Postgres measures a PostgreSQL server.
type Postgres struct {
	postgres.Config `yaml:",inline"`
	Sampling        `yaml:",inline"`
}

// SetDefaults fills in what a configuration may leave out.
func (p *Postgres) SetDefaults() {
	p.Config.SetDefaults()
	p.Sampling.SetDefaults()
}

// HTTP asks a URL, times each phase, and judges the answer.
type HTTP struct {
	probe.Config `yaml:",inline"`
	Sampling     `yaml:",inline"`
}

// SetDefaults fills in what a configuration may leave out.
func (h *HTTP) SetDefaults() {
	h.Config.SetDefaults()
	h.Sampling.SetDefaults()
}

// Host measures the machine: file systems, memory, load, processors, disks, network.
// The section alone, as host: {}, switches it on.
type Host struct {
	host.Config `yaml:",inline"`
	Sampling    `yaml:",inline"`
}

// SetDefaults fills in what a configuration may leave out.
func (h *Host) SetDefaults() {
	h.Config.SetDefaults()
	h.Sampling.SetDefaults()
}

// Backups looks after a place with backups: whether they are there in time and whole.
type Backups struct {
	backups.Config `yaml:",inline"`
	Sampling       `yaml:",inline"`
}

// SetDefaults fills in what a configuration may leave out.
func (b *Backups) SetDefaults() {
	b.Config.SetDefaults()
	b.Sampling = Sampling{Interval: conf.Duration(5 * time.Minute), Timeout: conf.Duration(time.Minute)}
}

// Integrity watches over files: what changes, comes and goes, and what everybody may
// write.
type Integrity struct {
	integrity.Config `yaml:",inline"`
	Sampling         `yaml:",inline"`
}

// SetDefaults fills in what a configuration may leave out.
func (f *Integrity) SetDefaults() {
	f.Config.SetDefaults()
	f.Sampling.SetDefaults()
}

// Jobs watches what cron runs: whether it ran in time, and how it ended.
type Jobs struct {
	jobs.Config `yaml:",inline"`
	Sampling    `yaml:",inline"`
}

// SetDefaults fills in what a configuration may leave out.
func (j *Jobs) SetDefaults() {
	j.Config.SetDefaults()
	j.Sampling.SetDefaults()
}

// A target is one thing that is measured, as the configuration has it.
type target struct {
	kind, name string
	path       string // of its section
	section    any
	how        *Sampling
	check      func(d *conf.Doc, path string) error
	build      func(*places) (agent.Sampler, error)
	look       func(ctx context.Context, report func(agent.Diagnosis)) // nil: the sampler is asked
}

// places are the folders of a configuration, and the log.
type places struct {
	base, state string // what relative paths are relative to; state_dir
	log         *slog.Logger
}

// targets are all that is measured but containers, whose section is another one's.
func (c *Config) targets() (all []target) {
	add := func(kind string, i int, name string, section any, how *Sampling, check func(*conf.Doc, string) error, build func(*places) (agent.Sampler, error)) {
		path := "collectors." + kind
		if i >= 0 {
			path = fmt.Sprintf("%s[%d]", path, i)
		}
		t := target{kind: kind, name: name, path: path, section: section, how: how, check: check, build: build}
		if d, ok := section.(agent.Diagnoser); ok {
			t.look = d.Diagnose
		}
		all = append(all, t)
	}
	for i := range c.MySQL {
		m := &c.MySQL[i]
		add("mysql", i, m.Name, *m, &m.Sampling, m.Config.Check, func(*places) (agent.Sampler, error) { return mysql.New(m.Config) })
	}
	for i := range c.Postgres {
		p := &c.Postgres[i]
		add("postgres", i, p.Name, *p, &p.Sampling, p.Config.Check, func(*places) (agent.Sampler, error) { return postgres.New(p.Config) })
	}
	for i := range c.Redis {
		r := &c.Redis[i]
		add("redis", i, r.Name, *r, &r.Sampling, r.Config.Check, func(*places) (agent.Sampler, error) { return redis.New(r.Config) })
	}
	for i := range c.HTTP {
		h := &c.HTTP[i]
		add("http", i, h.Name, *h, &h.Sampling, h.Config.Check, func(*places) (agent.Sampler, error) { return probe.New(h.Config) })
	}
	if h := c.Host; h != nil {
		add("host", -1, h.Name, *h, &h.Sampling, h.Config.Check, func(*places) (agent.Sampler, error) { return host.New(h.Config), nil })
	}
	for i := range c.Backups {
		b := &c.Backups[i]
		add("backups", i, b.Name, *b, &b.Sampling, b.Config.Check, func(at *places) (agent.Sampler, error) {
			return backups.New(b.Config, at.base, at.state), nil
		})
	}
	for i := range c.Integrity {
		f := &c.Integrity[i]
		add("integrity", i, f.Name, *f, &f.Sampling, f.Config.Check, func(at *places) (agent.Sampler, error) {
			return integrity.New(f.Config, at.base, at.state, at.log), nil
		})
	}
	if j := c.Jobs; j != nil {
		add("jobs", -1, j.Name, *j, &j.Sampling, j.Config.Check, func(at *places) (agent.Sampler, error) { return jobs.New(j.Config, at.state, at.log), nil })
	}
	return all
}

// checkSamplers says what is wrong with the samplers' sections.
func (c *Config) checkSamplers(d *conf.Doc) error {
	var errs []error
	names := map[string]bool{}
	for _, t := range c.targets() {
		errs = append(errs, t.check(d, t.path), t.how.check(d, t.path))
		if names[t.kind+"/"+t.name] {
			errs = append(errs, d.Errorf(t.path+".name", "give each one a name of its own", "the name %q is taken", t.name))
		}
		names[t.kind+"/"+t.name] = true
	}
	return conf.Join(errs...)
}

// samplerUnits are the samplers, a unit each.
func (c *Config) samplerUnits(at *places) (all []agent.CollectorUnit) {
	for _, t := range c.targets() {
		all = append(all, agent.CollectorUnit{Name: t.kind + "/" + t.name, Section: t.section, Build: func() ([]agent.Collector, error) {
			s, err := t.build(at)
			if err != nil {
				return nil, fmt.Errorf("collectors.%s %s: %w", t.kind, t.name, err)
			}
			all := t.how.sampled(t.kind, t.name, s, at.log)
			if more, ok := s.(interface{ Collectors() []agent.Collector }); ok {
				all = append(all, more.Collectors()...)
			}
			return all, nil
		}})
	}
	return all
}

// A Measured is one thing that is measured, for people.
type Measured struct {
	Kind, Name string
	Sampling
}

// Measured is what is measured, in the order of the kinds.
func (c *Config) Measured() (list []Measured) {
	for _, t := range c.targets() {
		list = append(list, Measured{t.kind, t.name, *t.how})
	}
	if c.Docker != nil && c.Docker.Stats != nil {
		list = append(list, Measured{"docker", "stats", c.Docker.Stats.Sampling})
	}
	return list
}
