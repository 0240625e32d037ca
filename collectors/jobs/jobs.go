package jobs

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/webgrip/logkeel/agent"
)

// A Sampler says how jobs are. Its Collectors hear of them, run some, and read
// what they write.
type Sampler struct {
	c    Config
	book *book
	log  *slog.Logger

	mu   sync.Mutex
	addr string // that is listened on; "": none
	why  string // not
}

var _ agent.Recorder = (*Sampler)(nil)

// New reads what is known of the jobs from stateDir. The Config must have passed
// Check.
func New(c Config, stateDir string, log *slog.Logger) *Sampler {
	log = log.With("collector", c.Name)
	return &Sampler{c: c, book: openBook(&c, stateDir, bootID(), log, time.Now()), log: log, why: "it has not begun yet"}
}

// Close does nothing: all is on the disk.
func (s *Sampler) Close() error { return nil }

// Collectors are what has to run beside the sampler.
func (s *Sampler) Collectors() []agent.Collector {
	all := []agent.Collector{&listener{s}, &reader{s}}
	for i := range s.c.Jobs {
		if len(s.c.Jobs[i].Command) > 0 {
			return append(all, &runner{s, defaultTiming, runCommand})
		}
	}
	return all
}

// Meter reports whether the ledger can be written.
func (l *listener) Meter(yield func(agent.Sample)) { yield(agent.Unwritten("jobs", l.book.writing)) }

// Addr is the address that is listened on; empty while none is.
func (s *Sampler) Addr() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.addr
}

func (s *Sampler) listens() (ok bool, why string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.addr != "", s.why
}

func (s *Sampler) listening(addr, why string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.addr, s.why = addr, why
}

// A reader makes records of what jobs write: each job is a source.
type reader struct{ *Sampler }

// Name is that of the section, and what it is for.
func (r *reader) Name() string { return r.c.Name + "/output" }

// Run reads until ctx is done, or some record was not taken.
func (r *reader) Run(ctx context.Context, sink agent.Sink) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var reading sync.WaitGroup
	defer reading.Wait()
	failed := make(chan error, maxJobs)
	has := map[string]bool{}
	for {
		r.book.mu.Lock()
		for _, name := range r.book.names() {
			if has[name] {
				continue
			}
			has[name] = true
			out := r.book.jobs[name].out
			src := &agent.Source{ID: "jobs/" + name, Collector: r.c.Name, Name: name, Labels: []agent.Label{{Name: "job", Value: name}}}
			reading.Go(func() {
				if err := out.emit(ctx, sink, src); err != nil {
					failed <- err
				}
			})
		}
		r.book.mu.Unlock()
		select {
		case <-ctx.Done():
			return nil
		case err := <-failed:
			cancel() // the others begin anew as well
			return err
		case <-r.book.fresh:
		}
	}
}
