// Package collectors makes the collectors that a configuration names: one field
// of Config and one line of Build each.
package collectors

import (
	"fmt"
	"log/slog"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/conf"
	"github.com/webgrip/logkeel/collectors/docker"
	"github.com/webgrip/logkeel/collectors/forward"
	"github.com/webgrip/logkeel/collectors/tail"
)

// Config is the section collectors.
type Config struct {
	Docker   *Docker    `yaml:"docker"`
	Files    []Files    `yaml:"files"`
	MySQL    []MySQL    `yaml:"mysql"`
	Redis    []Redis    `yaml:"redis"`
	Postgres []Postgres `yaml:"postgres"`
	HTTP     []HTTP     `yaml:"http"`
	Host     *Host      `yaml:"host"`
	Jobs     *Jobs      `yaml:"jobs"`

	Backups   []Backups   `yaml:"backups"`
	Integrity []Integrity `yaml:"integrity"`

	Forward []Forward `yaml:"forward"`
}

// Docker reads the logs of an engine's containers. The section alone, as docker: {},
// switches it on.
type Docker struct {
	docker.Config `yaml:",inline"`
	Reading       `yaml:",inline"`
	// which lines are joined to one record: auto goes by the image's name; or none, a format
	// as laravel or java for all containers, or a list of exceptions to auto
	Multiline ContainerFormat `yaml:"multiline"`
	// where logs are read: from json-file logs below root, by the engine's API, or (auto)
	// from the file where it can be opened and else by the API
	Logs  string       `yaml:"logs" enum:"auto file api"`
	Stats *DockerStats `yaml:"stats"` // measures what the containers do and use; the section alone, as stats: {}, switches it on
}

// SetDefaults fills in what a configuration may leave out.
func (d *Docker) SetDefaults() {
	d.Config.SetDefaults()
	d.Reading.SetDefaults()
	d.Logs = "auto"
}

// Forward takes what clients send by the Forward protocol.
type Forward struct {
	forward.Config `yaml:",inline"`
}

// Files reads text files, a record a line unless multiline says otherwise.
type Files struct {
	// what it is called, the label source of its metrics and the first part of its tag:
	// letters, digits, - and _, 64 at most
	Name    string            `yaml:"name"`
	Paths   conf.Strings      `yaml:"paths"`   // files to read, with *, ? and [a-z] as in a shell; * matches no /, and files may appear later; needed
	Exclude conf.Strings      `yaml:"exclude"` // files not to read, written as paths are
	Labels  map[string]string `yaml:"labels"`  // names and values that each record carries; service, project and container are labels of metrics too
	Reading `yaml:",inline"`

	// which lines are joined to one record: none, a format as laravel or java, or an
	// expression, as {start: ...} or {continue: ...}
	Multiline FileFormat `yaml:"multiline"`
}

// Reading is how log files are read.
type Reading struct {
	Start   string        `yaml:"start" enum:"beginning end"` // where a log is begun that is there at the first start; one that appears later is read from its beginning
	MaxLine conf.Size     `yaml:"max_line"`                   // longest line, 1KiB to 16MiB; a longer one becomes several records, marked cut
	Poll    conf.Duration `yaml:"poll"`                       // how often files are looked at, 10ms to 1m, besides when the kernel tells of a change (inotify)
}

// SetDefaults fills in what a configuration may leave out.
func (r *Reading) SetDefaults() {
	*r = Reading{Start: "beginning", MaxLine: tail.DefaultMaxLine, Poll: conf.Duration(tail.DefaultPoll)}
}

func (r *Reading) check(d *conf.Doc, path string) error {
	var errs []error
	if r.Start != "beginning" && r.Start != "end" {
		errs = append(errs, d.Errorf(path+".start", "write beginning or end", "%q is neither beginning nor end", r.Start))
	}
	if r.MaxLine < 1<<10 || r.MaxLine > 16<<20 {
		errs = append(errs, d.Errorf(path+".max_line", "write 1KiB to 16MiB", "%s is out of range", r.MaxLine))
	}
	if r.Poll < conf.Duration(10*time.Millisecond) || r.Poll > conf.Duration(time.Minute) {
		errs = append(errs, d.Errorf(path+".poll", "write 10ms to 1m", "%s is out of range", r.Poll))
	}
	return conf.Join(errs...)
}

var (
	nameForm  = conf.NewForm(`^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$`)
	labelForm = conf.NewForm(`^[A-Za-z_][A-Za-z0-9_.-]{0,63}$`)
)

// reserved are the names of fields that every record may have.
var reserved = []string{"log", "stream", "findings", "path", "source", "malformed", "cut"}

// Check says what is wrong with the section.
func (c *Config) Check(d *conf.Doc) error {
	var errs []error
	if c.Docker != nil {
		errs = append(errs, c.Docker.check(d, "collectors.docker"))
		if l := c.Docker.Logs; l != "auto" && l != "file" && l != "api" {
			errs = append(errs, d.Errorf("collectors.docker.logs", "write auto, file or api", "%q is none of auto, file and api", l))
		}
		if c.Docker.Stats != nil {
			errs = append(errs, c.Docker.Stats.check(d, "collectors.docker.stats"))
			if s := c.Docker.Stats.Sizes; s != nil {
				errs = append(errs, s.Check(d, "collectors.docker.stats.sizes"))
			}
		}
		if _, err := docker.New(c.Docker.Config, slog.New(slog.DiscardHandler)); err != nil {
			errs = append(errs, d.Errorf("collectors.docker.host", "", "%w", err))
		}
	}
	names := map[string]bool{"docker": true}
	for i := range c.Files {
		path := fmt.Sprintf("collectors.files[%d]", i)
		errs = append(errs, c.Files[i].check(d, path))
		if name := c.Files[i].Name; names[name] {
			errs = append(errs, d.Errorf(path+".name", "give each collector a name of its own", "the name %q is taken", name))
		} else {
			names[name] = true
		}
	}
	for i := range c.Forward {
		path := fmt.Sprintf("collectors.forward[%d]", i)
		errs = append(errs, c.Forward[i].Check(d, path))
		if name := c.Forward[i].Name; names[name] {
			errs = append(errs, d.Errorf(path+".name", "give each collector a name of its own", "the name %q is taken", name))
		} else {
			names[name] = true
		}
	}
	return conf.Join(append(errs, c.checkSamplers(d))...)
}

func (f *Files) check(d *conf.Doc, path string) error {
	errs := []error{f.Reading.check(d, path)}
	bad := func(field, hint, format string, args ...any) {
		errs = append(errs, d.Errorf(path+field, hint, format, args...))
	}
	if !nameForm.MatchString(f.Name) {
		bad(".name", "give it a name of letters, digits, - and _; metrics and tags are called by it", "%q is no name", f.Name)
	}
	if len(f.Paths) == 0 {
		bad(".paths", "name the files, as /var/log/nginx/*.log", "no path")
	}
	for field, globs := range map[string]conf.Strings{".paths": f.Paths, ".exclude": f.Exclude} {
		for i, g := range globs {
			if err := tail.CheckGlob(g); err != nil {
				bad(fmt.Sprintf("%s[%d]", field, i), "close each [", "%w", err)
			}
		}
	}
	for _, k := range slices.Sorted(maps.Keys(f.Labels)) {
		if !labelForm.MatchString(k) || slices.Contains(reserved, k) {
			bad(".labels."+k, "use another name; "+strings.Join(reserved, ", ")+" are taken", "%q cannot be a label", k)
		}
	}
	return conf.Join(errs...)
}

// Units are the collectors, a unit a section. Relative paths are relative to
// baseDir; what they keep is in stateDir.
func Units(c Config, baseDir, stateDir string, log *slog.Logger) []agent.CollectorUnit {
	var all []agent.CollectorUnit
	if c.Docker != nil {
		all = append(all, agent.CollectorUnit{Name: "docker", Section: *c.Docker, Build: func() ([]agent.Collector, error) {
			return c.Docker.build(baseDir, log)
		}})
	}
	for _, f := range c.Files {
		all = append(all, agent.CollectorUnit{Name: "files/" + f.Name, Section: f, Build: func() ([]agent.Collector, error) {
			return []agent.Collector{f.tail(baseDir, log)}, nil
		}})
	}
	for i := range c.Forward {
		fc := c.Forward[i].Config
		all = append(all, agent.CollectorUnit{Name: "forward/" + fc.Name, Section: fc, Build: func() ([]agent.Collector, error) {
			return []agent.Collector{forward.New(fc, stateDir, log)}, nil
		}})
	}
	return append(all, c.samplerUnits(&places{baseDir, stateDir, log})...)
}

func (d *Docker) build(baseDir string, log *slog.Logger) ([]agent.Collector, error) {
	dc := d.Config
	dc.Root = absolute(baseDir, []string{dc.Root})[0]
	engine, err := docker.New(dc, log)
	if err != nil {
		return nil, err
	}
	all := append([]agent.Collector{engine}, d.logs(engine, dc.Root, log)...)
	if s := d.Stats; s != nil {
		all = append(all, s.sampled("docker", "stats", docker.NewStats(engine, s.StatsConfig), log)...)
	}
	return all, nil
}

func (f *Files) tail(baseDir string, log *slog.Logger) *tail.Tail {
	o := tail.Options{Name: f.Name, Globs: absolute(baseDir, f.Paths), Exclude: absolute(baseDir, f.Exclude), Format: f.Multiline.formats()}
	for k, v := range f.Labels {
		o.Labels = append(o.Labels, agent.Label{Name: k, Value: v})
	}
	return tail.New(options(f.Reading, log, o))
}

// logs makes the readers of containers' logs: of files, of the engine's API, or of
// both, and then each log has one of them.
func (d *Docker) logs(engine *docker.Collector, root string, log *slog.Logger) (readers []agent.Collector) {
	format := d.Multiline.formats(log)
	if d.Logs != "api" {
		o := tail.Options{
			Name: "docker", Globs: []string{filepath.Join(root, "containers", "*", "*-json.log")}, Docker: true, Labeler: engine, Format: format,
		}
		if d.Logs == "auto" {
			o.Labeler, o.Elsewhere = docker.FileReader{Collector: engine}, true
		}
		readers = append(readers, tail.New(options(d.Reading, log, o)))
	}
	if d.Logs != "file" {
		readers = append(readers, docker.NewLogs(engine, docker.LogOptions{
			Files: d.Logs == "auto", StartAtEnd: d.Start == "end", MaxLine: int(d.MaxLine), Format: format, Log: log,
		}))
	}
	return readers
}

func options(r Reading, log *slog.Logger, o tail.Options) tail.Options {
	o.StartAtEnd = r.Start == "end"
	o.MaxLine = int(r.MaxLine)
	o.Poll = time.Duration(r.Poll)
	o.Log = log
	return o
}

func absolute(baseDir string, paths []string) []string {
	out := make([]string, len(paths))
	for i, p := range paths {
		if out[i] = filepath.Clean(p); !filepath.IsAbs(p) {
			out[i] = filepath.Join(baseDir, p)
		}
	}
	return out
}
