package docker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/webgrip/logkeel/agent/conf"
)

const (
	sizeTimeout = 2 * time.Minute  // of one container
	sizeRetry   = 30 * time.Second // until those that failed are asked for again, once in a round
)

var errSlow = fmt.Errorf("not within %s", sizeTimeout)

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
	err   error             // the first of the latest round, until it was said
}

// look begins a round when one is due, and forgets containers that are gone. It
// says once what went wrong in the latest one: the snapshots have all else, and one
// that fails is not believed about containers that are gone.
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
	err := s.err
	s.err = nil
	return err
}

// measure is one round. The next one may be a day away: what fails because the
// engine is started anew is asked for again, and what takes too long is not.
func (s *sizes) measure(ctx context.Context, eng engine, list []listed) {
	again, failed, slow := s.pass(ctx, eng, list)
	if len(again) > 0 && wait(ctx, sizeRetry) {
		_, failed, _ = s.pass(ctx, eng, again)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.going = false; ctx.Err() == nil {
		s.err = cmp.Or(slow, failed)
	}
}

// pass asks for each container once. It says which failed and why the first did,
// apart from the first that took too long.
func (s *sizes) pass(ctx context.Context, eng engine, list []listed) (again []listed, failed, slow error) {
	for _, l := range list {
		n, err := s.one(ctx, eng, l.id)
		if ctx.Err() != nil {
			return nil, nil, nil
		}
		switch {
		case err == nil:
			s.mu.Lock()
			s.known[l.id] = n
			s.mu.Unlock()
		case errors.Is(err, errGone):
		case errors.Is(err, errSlow):
			slow = cmp.Or(slow, fmt.Errorf("size of %s: %w", l.name, err))
		default:
			again = append(again, l)
			failed = cmp.Or(failed, fmt.Errorf("size of %s: %w", l.name, err))
		}
	}
	return again, failed, slow
}

func (s *sizes) one(ctx context.Context, eng engine, id string) (uint64, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, sizeTimeout, errSlow)
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

// interrupt is for an engine that does not answer: the round ends, and another one
// begins soon after it is back.
func (s *sizes) interrupt() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cancel == nil {
		return
	}
	s.cancel()
	s.begun, s.err = time.Now().Add(sizeRetry-s.interval), nil
}

// wait reports whether the time passed before ctx was done.
func wait(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// close ends the round that goes on.
func (s *sizes) close() {
	if s.cancel != nil {
		s.cancel()
	}
	s.round.Wait()
}
