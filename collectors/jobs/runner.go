package jobs

import (
	"context"
	"crypto/rand"
	"sync"
	"time"

	"github.com/webgrip/logkeel/agent"
)

// timing is what tests have shorter.
type timing struct {
	look time.Duration // how often the clock is looked at: it may be set, and the machine may sleep
	term time.Duration // from SIGTERM to SIGKILL
}

var defaultTiming = timing{look: 30 * time.Second, term: 10 * time.Second}

// A runner runs the commands that are configured, when they are due.
type runner struct {
	*Sampler
	timing timing
	run    func(context.Context, command) end
}

// Name is that of the section, and what it is for.
func (r *runner) Name() string { return r.c.Name + "/commands" }

// Run runs commands until ctx is done, and ends then those that still run.
func (r *runner) Run(ctx context.Context, _ agent.Sink) error {
	var running sync.WaitGroup
	defer running.Wait()
	for i := range r.c.Jobs {
		if c := &r.c.Jobs[i]; len(c.Command) > 0 {
			running.Go(func() { r.keep(ctx, c, &running) })
		}
	}
	<-ctx.Done()
	return nil
}

// keep runs one command again and again. What was due while no agent ran, or
// while the machine slept, is not made up for: it counts as missed.
func (r *runner) keep(ctx context.Context, c *Job, running *sync.WaitGroup) {
	s, err := parseSchedule(c.Schedule, c.Timezone)
	if err != nil {
		r.log.Error("a job is never run", "job", c.Name, "error", err) // Check has passed it
		return
	}
	busy := make(chan struct{}, 1)
	for from := time.Now(); ; {
		due := s.next(from)
		if due.IsZero() || !r.await(ctx, due) {
			return
		}
		now := time.Now()
		if from = due; now.Sub(due) > time.Hour {
			from = now
			r.log.Warn("a job was not run: the clock was set, or the machine slept", "job", c.Name, "due", due)
			continue
		}
		select {
		case busy <- struct{}{}:
			running.Go(func() {
				defer func() { <-busy }()
				r.once(ctx, c)
			})
		default:
			r.log.Warn("a job was not started: the run before it goes on", "job", c.Name, "due", due)
			r.note(c.Name, func(j *job, _ time.Time) { j.skip(due) })
		}
	}
}

// await waits until it is due. It reports false where ctx is done before.
func (r *runner) await(ctx context.Context, due time.Time) bool {
	for {
		left := time.Until(due) // due has no monotonic clock: it is the one on the wall
		if left <= 0 {
			return true
		}
		t := time.NewTimer(min(left, r.timing.look))
		select {
		case <-ctx.Done():
			t.Stop()
			return false
		case <-t.C:
		}
	}
}

func (r *runner) note(name string, do func(*job, time.Time)) {
	if err := r.book.of(name, do); err != nil {
		r.log.Warn("a run cannot be noted", "job", name, "error", err)
	}
}

// once runs the command, and notes how it went.
func (r *runner) once(ctx context.Context, c *Job) {
	id := rand.Text()
	var out *output
	r.note(c.Name, func(j *job, now time.Time) {
		out = j.out
		j.began(now, run{ID: id, Started: now, Boot: r.book.boot, Own: true})
	})
	most := time.Duration(c.Timeout)
	if most == 0 {
		most = c.maxDuration()
	}
	e := r.run(ctx, command{Job: c, out: out, most: most, term: r.timing.term})
	e.ID = id
	r.note(c.Name, func(j *job, now time.Time) { j.ended(now, e) })
}
