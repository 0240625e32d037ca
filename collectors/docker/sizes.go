package docker

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/webgrip/logkeel/agent/conf"
)

// sizeTimeout bounds the measuring of one container.
const sizeTimeout = 2 * time.Minute

// SizesConfig is the section collectors.docker.stats.sizes.
type SizesConfig struct {
	Interval conf.Duration `yaml:"interval"` // how often sizes are measured, 1m to 24h
}

// SetDefaults fills in what a configuration may leave out.
func (c *SizesConfig) SetDefaults() { *c = SizesConfig{Interval: conf.Duration(10 * time.Minute)} }

// Check says what is wrong with what was configured.
func (c *SizesConfig) Check(d *conf.Doc, path string) error {
	if c.Interval < conf.Duration(time.Minute) || c.Interval > conf.Duration(24*time.Hour) {
		return d.Errorf(path+".interval", "write 1m to 24h", "%s is out of range", c.Interval)
	}
	return nil
}

// sizes are those of the containers' writable layers. The engine walks each of
// them, which takes as long as there are files in it: so they are measured one
// after the other, at an interval of their own, while snapshots go on.
type sizes struct {
	interval time.Duration

	begun  time.Time          // the latest round
	cancel context.CancelFunc // ends the round that goes on; nil before the first
	round  sync.WaitGroup

	mu    sync.Mutex
	going bool
	known map[string]uint64 // bytes, by container id
	err   error             // the first of the latest round
}

// look begins a round when one is due, and forgets containers that are gone. It
// says what went wrong in the latest one.
func (s *sizes) look(eng engine, list []listed) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	there := make(map[string]uint64, len(list))
	for _, l := range list {
		if n, ok := s.known[l.id]; ok {
			there[l.id] = n
		}
	}
	s.known = there
	if !s.going && (s.begun.IsZero() || time.Since(s.begun) >= s.interval) {
		ctx, cancel := context.WithCancel(context.Background())
		s.begun, s.going, s.cancel = time.Now(), true, cancel
		s.round.Go(func() {
			defer cancel()
			s.measure(ctx, eng, list)
		})
	}
	return s.err
}

// measure is one round.
func (s *sizes) measure(ctx context.Context, eng engine, list []listed) {
	var failed error
	for _, l := range list {
		n, err := s.one(ctx, eng, l.id)
		if ctx.Err() != nil {
			break
		}
		switch {
		case err == nil:
			s.mu.Lock()
			s.known[l.id] = n
			s.mu.Unlock()
		case failed == nil && !errors.Is(err, errGone):
			failed = fmt.Errorf("size of %s: %w", l.name, err)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.going, s.err = false, failed
}

func (s *sizes) one(ctx context.Context, eng engine, id string) (uint64, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, sizeTimeout, fmt.Errorf("not within %s", sizeTimeout))
	defer cancel()
	n, err := eng.Size(ctx, id)
	if err != nil && ctx.Err() != nil {
		return 0, context.Cause(ctx)
	}
	return n, err
}

// of is the size of a container's layer, where it is known.
func (s *sizes) of(id string) (o optional) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o.n, o.ok = s.known[id]
	return o
}

// close ends the round that goes on.
func (s *sizes) close() {
	if s.cancel != nil {
		s.cancel()
	}
	s.round.Wait()
}
