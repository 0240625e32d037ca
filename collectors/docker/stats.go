package docker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/webgrip/logkeel/agent"
)

const (
	// maxMeasured bounds how many containers one snapshot has.
	maxMeasured = 300
	// maxInterfaces bounds how many interfaces of a container have a series.
	maxInterfaces = 16
	// measurers is how many containers are asked about at once.
	measurers = 8
)

// Stats samples what the containers of an engine do and use: those whose logs
// are wanted, running or not.
type Stats struct {
	c      *Collector
	engine engine             // nil until it is needed, and after it failed
	before map[string]reading // by container id: the previous snapshot's
	loops  map[string]loop    // likewise
	latest []reported         // what the latest snapshot had
	images *images            // nil where they are not asked for
	sizes  *sizes             // likewise
}

// StatsConfig is the section collectors.docker.stats.
type StatsConfig struct {
	Images bool         `yaml:"images"` // asks about the containers' images too: their age, and whether their name means another image by now
	Sizes  *SizesConfig `yaml:"sizes"`  // measures how much containers wrote into their own file systems; sizes: {} switches it on
}

// SetDefaults fills in what a configuration may leave out.
func (c *StatsConfig) SetDefaults() { *c = StatsConfig{Images: true} }

var _ agent.Sampler = (*Stats)(nil)

// NewStats returns a sampler of the containers that c wants. Whether c runs
// makes no difference. It does not connect yet.
func NewStats(c *Collector, o StatsConfig) *Stats {
	s := &Stats{c: c}
	if o.Images {
		s.images = &images{}
	}
	if o.Sizes != nil {
		s.sizes = &sizes{interval: time.Duration(o.Sizes.Interval)}
	}
	return s
}

// A reading is what the next one is compared with.
type reading struct {
	started     time.Time // a container that was started again counts from 0
	cpu, system uint64    // nanoseconds
}

// A measured is one container in one snapshot.
type measured struct {
	container *agent.Container // nil where it is gone or not wanted
	state     state
	audit     audit
	used      bool // usage is there
	usage     usage
	err       error
}

// Sample yields a snapshot. It is called once at a time. An engine that does
// not answer yields nothing: the collector's logkeel_docker_up says so, and is
// brought up to date here. A container that goes away meanwhile is no error.
func (s *Stats) Sample(ctx context.Context, yield func(agent.Sample)) error {
	s.latest = nil
	list, err := s.list(ctx)
	if err != nil {
		return fmt.Errorf("docker engine %s: %w", s.c.host, err)
	}
	wanted := s.candidates(list)
	yield(agent.Sample{
		Name:  "logkeel_container_stats_omitted",
		Help:  fmt.Sprintf("Containers beyond the %d that are measured.", maxMeasured),
		Value: float64(max(0, len(wanted)-maxMeasured)),
	})
	wanted = wanted[:min(len(wanted), maxMeasured)]
	all := s.measure(ctx, wanted)
	var unseen error
	if s.images != nil {
		unseen = s.images.look(ctx, s.engine, all)
	}
	if s.sizes != nil {
		unseen = cmp.Or(unseen, s.sizes.look(s.engine, wanted))
	}

	failed, first := s.report(wanted, all, yield)
	switch {
	case failed > 0:
		return fmt.Errorf("docker engine %s: %d of %d containers could not be measured in full; %w", s.c.host, failed, len(all), first)
	case unseen != nil:
		return fmt.Errorf("docker engine %s: %w", s.c.host, unseen)
	}
	return nil
}

// report yields what was measured, and remembers what the next snapshot is
// compared with. It says how many containers failed, and why the first one did.
func (s *Stats) report(wanted []listed, all []measured, yield func(agent.Sample)) (failed int, first error) {
	before, loops := make(map[string]reading, len(all)), make(map[string]loop, len(all))
	seen := make(map[string]bool, len(all))
	now := time.Now()
	for i := range all {
		m, id := &all[i], wanted[i].id
		if m.err != nil {
			if failed++; first == nil {
				first = fmt.Errorf("%s: %w", wanted[i].name, m.err)
			}
			if r, ok := s.before[id]; ok {
				before[id] = r
			}
			if l, ok := s.loops[id]; ok {
				loops[id] = l
			}
		}
		// A name may move to another container while they are asked one by one.
		if m.container == nil || seen[m.container.Name] {
			continue
		}
		seen[m.container.Name] = true
		if m.used {
			before[id] = reading{m.state.started, m.usage.cpu, m.usage.system}
		}
		l, known := s.loops[id]
		l = l.next(m.state.restarts, known, now)
		loops[id] = l
		p := past{before: s.before[id], images: s.images, sizes: s.sizes, looping: l.turning(&m.state, now)}
		p.life, p.counts = s.c.lives.report(m.container, &m.state)
		s.latest = append(s.latest, reported{m, p})
		m.samples(&p, yield)
	}
	s.before, s.loops = before, loops
	return failed, first
}

// list asks for the containers there are, and notes whether the engine answers.
func (s *Stats) list(ctx context.Context) ([]listed, error) {
	if s.engine == nil {
		eng, err := s.c.open()
		if err != nil {
			return nil, err
		}
		s.engine = eng
	}
	list, err := s.engine.List(ctx)
	if err == nil {
		s.c.setUp(true)
		return list, nil
	}
	if !errors.Is(ctx.Err(), context.Canceled) {
		s.c.setUp(false)
	}
	if s.sizes != nil {
		s.sizes.interrupt()
	}
	// The engine that is back may be another one, with another API.
	s.disconnect()
	return nil, err
}

// candidates leaves out what is known not to be wanted. Those that run come
// first, then it goes by name, so that the same ones are measured each time.
func (s *Stats) candidates(list []listed) []listed {
	list = slices.DeleteFunc(list, func(l listed) bool {
		k, known := s.c.Container(l.id)
		return known && !s.c.Wanted(k)
	})
	slices.SortFunc(list, func(a, b listed) int {
		if a.running != b.running {
			if a.running {
				return -1
			}
			return 1
		}
		return cmp.Or(cmp.Compare(a.name, b.name), cmp.Compare(a.id, b.id))
	})
	return list
}

// measure asks about each container, some of them at once.
func (s *Stats) measure(ctx context.Context, list []listed) []measured {
	all := make([]measured, len(list))
	next := make(chan int)
	var wg sync.WaitGroup
	for range min(measurers, len(list)) {
		wg.Go(func() {
			for i := range next {
				all[i] = s.one(ctx, list[i].id)
			}
		})
	}
	for i := range list {
		next <- i
	}
	close(next)
	wg.Wait()
	return all
}

func (s *Stats) one(ctx context.Context, id string) measured {
	if err := ctx.Err(); err != nil {
		return measured{err: err}
	}
	d, err := s.engine.Inspect(ctx, id)
	if errors.Is(err, errGone) {
		return measured{}
	}
	if err != nil {
		return measured{err: err}
	}
	if !s.c.Wanted(d.container) {
		return measured{}
	}
	m := measured{container: d.container, state: d.state, audit: d.audit}
	if !d.state.running {
		return m
	}
	u, err := s.engine.Usage(ctx, id)
	switch {
	case errors.Is(err, errGone):
		return measured{}
	case err != nil:
		m.err = err
	default:
		// One that has just ended has no control group, and the engine says 0 of all.
		m.usage, m.used = u, u.system > 0
	}
	return m
}

// Close ends what still measures, and the connections to the engine.
func (s *Stats) Close() error {
	if s.sizes != nil {
		s.sizes.close()
	}
	return s.disconnect()
}

func (s *Stats) disconnect() error {
	if s.engine == nil {
		return nil
	}
	err := s.engine.Close()
	s.engine = nil
	return err
}
