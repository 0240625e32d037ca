package jobs

import (
	"context"
	"time"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/conf"
)

// An emitter yields samples.
type emitter func(agent.Sample)

func (e emitter) gauge(name, help string, value float64, note string, labels ...agent.Label) {
	e(agent.Sample{Name: name, Help: help, Value: value, Labels: labels, Note: note})
}

func (e emitter) counter(name, help string, value float64, labels ...agent.Label) {
	e(agent.Sample{Name: name, Help: help, Type: agent.Counter, Value: value, Labels: labels})
}

func (e emitter) timestamp(name, help string, t time.Time, labels ...agent.Label) {
	if !t.IsZero() {
		e.gauge(name, help, float64(t.UnixMilli())/1000, "", labels...)
	}
}

func flag(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// Sample says how all jobs are.
func (s *Sampler) Sample(_ context.Context, yield func(agent.Sample)) error {
	e := emitter(yield)
	up, why := s.listens()
	e.gauge("logkeel_jobs_up", "Whether jobs can tell of themselves.", flag(up), why)
	b := s.book
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.watch()
	for _, name := range b.names() {
		b.jobs[name].sample(e, now)
	}
	return nil
}

func (j *job) sample(e emitter, now time.Time) {
	label := agent.Label{Name: "name", Value: j.Of} // Prometheus has another use for job
	e.timestamp("logkeel_job_last_start_timestamp_seconds", "When it last started.", j.LastStart, label)
	e.timestamp("logkeel_job_last_end_timestamp_seconds", "When it last ended, in whatever way.", j.LastEnd, label)
	e.timestamp("logkeel_job_last_success_timestamp_seconds", "When it last ended well.", j.LastSuccess, label)
	if !j.LastEnd.IsZero() {
		e.gauge("logkeel_job_last_exit_code", "How it last ended; -1 where nobody told.", float64(j.Exit), j.Why, label)
		e.gauge("logkeel_job_failed", "Whether its last run has failed.", flag(j.failed()), j.Why, label)
		if j.Seconds >= 0 {
			e.gauge("logkeel_job_last_duration_seconds", "How long its last run took.", j.Seconds, "", label)
		}
	}
	e.gauge("logkeel_job_running", "How many of it run.", float64(len(j.Running)), "", label)
	e.gauge("logkeel_job_running_seconds", "How long it runs, 0 where it does not.", j.oldest(now).Seconds(), "", label)
	slow, long := j.tooLong(now)
	note := ""
	if long {
		note = "it runs since " + j.say(slow.Started) + ", and may take " + conf.Duration(j.maxDuration()).String()
	}
	e.gauge("logkeel_job_too_long", "Whether it runs for longer than max_duration.", flag(long), note, label)
	if !j.schedule.isZero() {
		note := ""
		if !j.Missed.IsZero() {
			note = "it was due at " + j.say(j.Missed) + ", and nothing was told of it since"
		}
		e.gauge("logkeel_job_missed", "Whether it was due, and has not run since.", flag(!j.Missed.IsZero()), note, label)
		e.counter("logkeel_job_missed_total", "How often it was due and did not run.", float64(j.Misses), label)
		e.gauge("logkeel_job_overdue_seconds", "How long it is due, 0 where it is not.", j.overdue(now).Seconds(), note, label)
		e.timestamp("logkeel_job_next_run_timestamp_seconds", "When it is due next.", j.schedule.next(now), label)
	}
	for _, r := range results {
		e.counter("logkeel_job_runs_total", "Runs that have ended, by how.", float64(j.Runs[r]), label, agent.Label{Name: "result", Value: r})
	}
	e.counter("logkeel_job_output_dropped_lines_total", "Lines of its output that were dropped, for the agent's outputs took none for long.", float64(j.out.lost()), label)
}

// say is a time for people, by the clock of its schedule.
func (j *job) say(t time.Time) string { return t.In(zoneOf(j.schedule)).Format("2006-01-02 15:04 MST") }

// Records yields a record for each run that has ended since they were last asked
// for.
func (s *Sampler) Records(yield func([]agent.Field)) {
	s.book.mu.Lock()
	ended := s.book.ended
	s.book.ended = nil
	s.book.mu.Unlock()
	for _, r := range ended {
		yield(r)
	}
}
