// Package docker knows the containers of a Docker engine: their names, images
// and labels. It reads those of their logs that are not files, from the engine's
// API; package tail reads the files.
package docker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/webgrip/logkeel/agent"
)

const (
	defaultRoot = "/var/lib/docker"
	defaultHost = "unix:///var/run/docker.sock"

	// ignoreLabel on a container keeps the agent away from it.
	ignoreLabel = "logkeel.ignore"

	// resyncEvery bounds how long an event that the engine did not send counts.
	resyncEvery = time.Minute
)

// Config is the section collectors.docker.
type Config struct {
	Root    string    `yaml:"root"`    // the engine's data folder, below which it keeps the log files of containers
	Host    string    `yaml:"host"`    // address of the engine's API; empty: $DOCKER_HOST, or else unix:///var/run/docker.sock
	Include Selectors `yaml:"include"` // containers to read, by container, image, service, project or a label; none: all
	Exclude Selectors `yaml:"exclude"` // containers not to read, written as include is, which it overrules
}

// SetDefaults sets what has the same default everywhere.
func (c *Config) SetDefaults() { c.Root = defaultRoot }

// A Collector keeps a table of the engine's containers in step while it runs.
// What the table does not have, for instance because the engine does not
// answer, it looks up in the engine's files.
type Collector struct {
	host    string
	include Selectors
	exclude Selectors
	self    string // the agent's own container, or ""
	open    func() (engine, error)
	files   *files
	trouble *agent.Trouble
	failing map[string]bool // containers that the engine does not describe; Run's only

	lives *lives // how its containers ended

	changed chan struct{} // something below did; for one reader

	mu      sync.RWMutex
	up      bool
	tried   bool // the engine has answered, or not
	table   map[string]*agent.Container
	network map[string]string // container id -> that of the container whose network it shares
	facts   map[string]facts  // of the containers in table
	owners  map[string]owner  // of logs, by container id
	turns   uint64            // how often the engine was found to be there
}

// facts are what whoever reads a container's log has to know of it.
type facts struct {
	driver  string
	tty     bool
	running bool
	started time.Time
}

var (
	_ agent.Collector = (*Collector)(nil)
	_ agent.Labeler   = (*Collector)(nil)
	_ agent.Meter     = (*Collector)(nil)
)

// hostOr is the API's address where none may be configured.
func hostOr(host string) (address string, fromEnv bool) {
	if host != "" {
		return host, false
	}
	if host = os.Getenv("DOCKER_HOST"); host != "" {
		return host, true
	}
	return defaultHost, false
}

// New returns a collector that knows nothing yet. It fails if the configuration
// is wrong; the engine need not be there.
func New(cfg Config, log *slog.Logger) (*Collector, error) {
	host, fromEnv := hostOr(cfg.Host)
	if err := checkHost(host); err != nil {
		where := "host"
		if fromEnv {
			where = "$DOCKER_HOST"
		}
		return nil, fmt.Errorf("%s: %w", where, err)
	}
	c := &Collector{
		host:    host,
		include: cfg.Include,
		exclude: cfg.Exclude,
		open:    func() (engine, error) { return dial(host, fromEnv) },
		files:   newFiles(filepath.Join(cmp.Or(cfg.Root, defaultRoot), "containers"), log),
		trouble: agent.NewTrouble(log),
		failing: map[string]bool{},
		table:   map[string]*agent.Container{},
		network: map[string]string{},
		lives:   newLives(),
		changed: make(chan struct{}, 1),
		facts:   map[string]facts{},
		owners:  map[string]owner{},
	}
	if f, err := os.Open("/proc/self/mountinfo"); err == nil {
		c.self = ownContainer(f)
		f.Close()
	}
	if c.self != "" {
		log.Info("the agent's own container is not read", "container", c.self)
	}
	return c, nil
}

// Name returns "docker-engine".
func (c *Collector) Name() string { return "docker-engine" }

// Run keeps the table in step with the engine. It emits nothing. When it ends
// the table stays as it was.
func (c *Collector) Run(ctx context.Context, _ agent.Sink) error {
	err := c.follow(ctx)
	c.setUp(false)
	if err == nil || ctx.Err() != nil {
		return nil
	}
	return fmt.Errorf("docker engine %s: %w; until it answers, names and labels of new containers come from %s", c.host, err, c.files.dir)
}

func (c *Collector) follow(ctx context.Context) error {
	// A client for each run: it settles the API's version once, and the engine
	// that is back may be another one.
	eng, err := c.open()
	if err != nil {
		return err
	}
	defer eng.Close()

	ctx, cancel := context.WithCancel(ctx)
	events, ended := make(chan event), make(chan error, 1)
	var wg sync.WaitGroup
	wg.Go(func() { ended <- eng.Events(ctx, c.lives.since(), events) })
	defer wg.Wait()
	defer cancel()

	resync := time.NewTicker(resyncEvery)
	defer resync.Stop()
	for {
		var err error
		select {
		case <-ctx.Done():
			return nil
		case err := <-ended:
			if err == nil {
				err = errors.New("it ended the stream of events")
			}
			return err
		case <-resync.C:
			err = c.sync(ctx, eng, false)
		case e := <-events:
			err = c.apply(ctx, eng, e)
		}
		if err != nil {
			return err
		}
	}
}

// apply brings the table up to date with one event.
func (c *Collector) apply(ctx context.Context, eng engine, e event) error {
	c.lives.happened(e)
	switch e.kind {
	case signalled, stopped, died, killedForMemory:
		return nil
	case subscribed:
		// Only now, so that nothing can happen between the list and the events.
		if err := c.sync(ctx, eng, true); err != nil {
			return err
		}
		c.setUp(true)
		return nil
	case removed:
		c.remove(e.id)
		return nil
	}
	return c.inspect(ctx, eng, e.id)
}

// sync lists the containers, drops those that are gone and asks for those that
// are new or renamed; with all set, for each of them.
func (c *Collector) sync(ctx context.Context, eng engine, all bool) error {
	list, err := eng.List(ctx)
	if err != nil {
		return err
	}
	defer signal(c.changed)
	there := make(map[string]bool, len(list))
	network := map[string]string{}
	var ask []string
	c.mu.Lock()
	for _, l := range list {
		there[l.id] = true
		if f, ok := c.facts[l.id]; ok {
			f.running = l.running
			c.facts[l.id] = f
		}
		if l.network != "" {
			network[l.id] = l.network
		}
		if old := c.table[l.id]; all || old == nil || old.Name != l.name {
			ask = append(ask, l.id)
		}
	}
	for id := range c.table {
		if !there[id] {
			delete(c.table, id)
			delete(c.facts, id)
		}
	}
	for id := range c.owners {
		if !there[id] {
			delete(c.owners, id)
		}
	}
	c.network = network
	c.mu.Unlock()
	c.lives.keep(there)
	for id := range c.failing {
		if !there[id] {
			c.settle(id)
		}
	}
	for _, id := range ask {
		if err := c.inspect(ctx, eng, id); err != nil {
			return err
		}
	}
	return nil
}

// inspect asks for one container and puts it into the table. That the engine
// cannot describe one, while it answers, is no reason to lose the others.
func (c *Collector) inspect(ctx context.Context, eng engine, id string) error {
	d, err := eng.Inspect(ctx, id)
	switch {
	case errors.Is(err, errGone):
		c.remove(id)
		return nil
	case errors.Is(err, context.DeadlineExceeded) || ctx.Err() != nil:
		return err
	case err != nil:
		c.failing[id] = true
		c.trouble.Fail(err, "a container cannot be inspected; its name and labels come from the engine's files", "container", id)
		return nil
	}
	c.settle(id)
	c.lives.seen(&d)
	defer signal(c.changed)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.facts[id] = d.facts()
	if d.network == "" {
		delete(c.network, id)
	} else {
		c.network[id] = d.network
	}
	if old := c.table[id]; old == nil || !reflect.DeepEqual(old, d.container) {
		c.table[id] = d.container
	}
	return nil
}

// settle notes that nothing is wrong with the container any more.
func (c *Collector) settle(id string) {
	if !c.failing[id] {
		return
	}
	delete(c.failing, id)
	if len(c.failing) == 0 {
		c.trouble.Clear("all containers can be inspected again")
	}
}

func (c *Collector) remove(id string) {
	c.settle(id)
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.table, id)
	delete(c.network, id)
	delete(c.facts, id)
}

func (d *described) facts() facts {
	return facts{driver: d.driver, tty: d.tty, running: d.state.running, started: d.state.started}
}

func (c *Collector) setUp(up bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.up, c.tried = up, true
	if up {
		c.turns++
	}
	signal(c.changed)
}

// Container returns what the engine says of the container or, where it did not
// say anything, its files. While nothing changes it is the same pointer.
func (c *Collector) Container(id string) (*agent.Container, bool) {
	c.mu.RLock()
	known := c.table[id]
	c.mu.RUnlock()
	if known != nil {
		return known, true
	}
	return c.files.container(id)
}

// Wanted reports whether the container's logs are to be read: some include
// entry matches, or there is none, and no exclude entry does. The agent's own
// container never is, nor one with the label logkeel.ignore=true.
func (c *Collector) Wanted(k *agent.Container) bool {
	if ignore, err := strconv.ParseBool(k.Labels[ignoreLabel]); err == nil && ignore {
		return false
	}
	if c.isSelf(k.ID) || c.exclude.match(k) {
		return false
	}
	return len(c.include) == 0 || c.include.match(k)
}

// isSelf reports whether the container is the agent's own. One that lends its
// network to others lends them its /etc/hostname, too: then it might be another
// one, and the agent reads rather its own logs than not somebody's.
func (c *Collector) isSelf(id string) bool {
	if id == "" || id != c.self {
		return false
	}
	c.mu.RLock()
	defer c.mu.RUnlock()
	for _, lender := range c.network {
		if lender == id {
			return false
		}
	}
	return true
}

// Labels returns a source's labels that come from its container, ascending by
// name and without empty ones.
func Labels(c *agent.Container) []agent.Label {
	labels := make([]agent.Label, 0, 4)
	for _, l := range [...]agent.Label{
		{Name: "container", Value: c.Name},
		{Name: "image", Value: c.Image},
		{Name: "project", Value: c.Project},
		{Name: "service", Value: c.Service},
	} {
		if l.Value != "" {
			labels = append(labels, l)
		}
	}
	return labels
}

// Meter reports whether the engine answers and how many containers it has.
func (c *Collector) Meter(yield func(agent.Sample)) {
	c.mu.RLock()
	n, up := len(c.table), 0.0
	if c.up {
		up = 1
	}
	c.mu.RUnlock()
	yield(agent.Sample{Name: "logkeel_docker_up", Help: "Whether the Docker engine answers.", Value: up})
	yield(agent.Sample{Name: "logkeel_docker_containers", Help: "Containers that the Docker engine has, running or not, when it last answered.", Value: float64(n)})
}

// describe makes a Container of what both the API and the files have.
func describe(id, name, image, logPath string, labels map[string]string) *agent.Container {
	if len(labels) == 0 {
		labels = nil
	}
	return &agent.Container{
		ID:      id,
		Name:    strings.TrimPrefix(name, "/"),
		Image:   image,
		Labels:  labels,
		Project: labels["com.docker.compose.project"],
		Service: labels["com.docker.compose.service"],
		LogPath: logPath,
	}
}
