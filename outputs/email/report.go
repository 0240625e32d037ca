package email

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/mail"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/report"
	"github.com/webgrip/logkeel/agent/silence"
)

const (
	observeEvery = time.Minute
	// A report that cannot be sent is tried again after firstRetry, and later and
	// later up to lastRetry; one that is refused, hourly and for a day.
	firstRetry   = 10 * time.Second
	lastRetry    = 5 * time.Minute
	refusedRetry = time.Hour
	refusedFor   = 24 * time.Hour
)

// A reporter gathers what a period comes to, and mails it when it is over.
type reporter struct {
	o        *Output
	compose  reportComposer
	path     string
	schedule report.Schedule
	started  time.Time
	every    time.Duration // observeEvery, but in tests
	meter    func(yield func(agent.Sample))
	log      *slog.Logger
	trouble  *agent.Trouble // with the file
	unsent   *agent.Trouble

	sent, failed, dropped atomic.Uint64
	waiting               atomic.Int64
}

// Reports is what an Output needs for its report.
type Reports struct {
	Meter   func(yield func(agent.Sample)) // of the agent and all of its parts
	Started time.Time                      // when the agent began to count
}

// ReportPath is the file of the output's report.
func ReportPath(stateDir, name string) string {
	return filepath.Join(stateDir, "report", name+".json")
}

// NewReporting is New for an output whose report is sent where the
// configuration wants one.
func NewReporting(c Config, stateDir string, r Reports, silences *silence.Watch, log *slog.Logger) (*Output, error) {
	o, err := New(c, stateDir, silences, log)
	if err != nil || c.Report == nil {
		return o, err
	}
	if o.report, err = newReporter(&c, o, stateDir, r, log); err != nil {
		return nil, errors.Join(fmt.Errorf("output %s: %w", c.Name, err), o.Close())
	}
	return o, nil
}

func newReporter(c *Config, o *Output, stateDir string, r Reports, log *slog.Logger) (*reporter, error) {
	schedule, err := c.Report.schedule()
	if err != nil {
		return nil, err
	}
	page, err := parseReportHTML()
	if err != nil {
		return nil, err
	}
	log = log.With("output", c.Name)
	return &reporter{
		o: o, compose: reportComposer{composer: &o.compose, page: page, unit: schedule.Every},
		path: ReportPath(stateDir, c.Name), schedule: schedule, started: r.Started, every: observeEvery, meter: r.Meter,
		log: log, trouble: agent.NewTrouble(log), unsent: agent.NewTrouble(log),
	}, nil
}

// beside runs the output, and the reporter beside it; nil is none.
func (r *reporter) beside(ctx context.Context, run func(context.Context) error) error {
	if r == nil {
		return run(ctx)
	}
	ctx, cancel := context.WithCancel(ctx)
	var reporting sync.WaitGroup
	defer reporting.Wait()
	defer cancel()
	reporting.Go(func() { r.run(ctx) })
	return run(ctx)
}

func (r *reporter) run(ctx context.Context) {
	book, err := report.Open(r.path, report.Options{Schedule: r.schedule, Zone: r.compose.zone, Started: r.started, Meter: r.meter})
	if err != nil {
		r.log.Warn("what the report had gathered cannot be read; it begins anew", "error", err)
	}
	start := time.Now()
	look := func() {
		if err := book.Observe(time.Now(), time.Since(start)); err != nil {
			r.trouble.Fail(err, "what the report gathers cannot be written")
		} else {
			r.trouble.Clear("what the report gathers is written again")
		}
		r.waiting.Store(int64(book.Unsent()))
	}
	tick := time.NewTicker(r.every)
	defer tick.Stop()
	wait := firstRetry
	retry := time.NewTimer(0)
	defer retry.Stop()
	for look(); ; {
		select {
		case <-ctx.Done():
			look()
			if err := book.Close(); err != nil {
				r.log.Warn("what the report gathers cannot be written", "error", err)
			}
			return
		case <-tick.C:
			none := book.Unsent() == 0
			if look(); none && book.Unsent() > 0 {
				wait = firstRetry
				retry.Reset(0)
			}
		case <-retry.C:
			if again := r.tellAll(ctx, book, &wait); again > 0 {
				retry.Reset(again)
			}
		}
		r.waiting.Store(int64(book.Unsent()))
	}
}

// tellAll mails what waits, the oldest first. It returns when to try again; 0 is
// not before there is more.
func (r *reporter) tellAll(ctx context.Context, book *report.Book, wait *time.Duration) time.Duration {
	for {
		p, before, taken := book.Waiting()
		if p == nil {
			return 0
		}
		err := r.tell(ctx, book, p, before, taken)
		switch {
		case ctx.Err() != nil:
			return 0
		case err == nil:
			r.sent.Add(1)
			r.unsent.Clear("the report is sent again")
			*wait = firstRetry
		default:
			r.failed.Add(1)
			r.unsent.Fail(err, "the report cannot be sent; it is tried again")
			refused := errors.As(err, new(finalError))
			_, _, taken = book.Waiting()
			if !refused && len(taken) == 0 {
				now := *wait
				*wait = min(2*now, lastRetry)
				return now
			}
			if book.RefusedFor(time.Now()) < refusedFor {
				return refusedRetry
			}
			r.log.Error("the report is given up, after a day in which not everybody could be sent it", "of", p.Start, "to", p.End, "error", err)
			r.dropped.Add(1)
		}
		if err := book.Told(); err != nil {
			r.trouble.Fail(err, "what the report gathers cannot be written")
		}
	}
}

// tell mails the period to all who do not have it. The error is a finalError
// where trying again would hardly help.
func (r *reporter) tell(ctx context.Context, book *report.Book, p, before *report.Period, taken []string) error {
	m, err := r.compose.compose(p, before, r.compose.messageID(p), time.Now())
	if err != nil {
		return finalError{fmt.Errorf("compose the report: %w", err)}
	}
	to := slices.DeleteFunc(slices.Clone(r.compose.to), func(a *mail.Address) bool { return slices.Contains(taken, a.Address) })
	if len(to) == 0 {
		return nil
	}
	d, err := r.o.sender.send(ctx, r.compose.from, to, m.data)
	if err != nil {
		return err
	}
	if len(d.taken) > 0 {
		r.o.sent.Add(1)
		var who []string
		for _, a := range d.taken {
			who = append(who, a.Address)
		}
		if err := book.Took(who...); err != nil {
			r.trouble.Fail(err, "what the report gathers cannot be written")
		}
	}
	if len(d.failed) == 0 {
		return nil
	}
	err = joined(d.failed)
	if !slices.ContainsFunc(d.failed, func(f rcptError) bool { return !f.final }) {
		return finalError{err}
	}
	return err
}

// Meter reports the reports; nil is none.
func (r *reporter) Meter(yield func(agent.Sample)) {
	if r == nil {
		return
	}
	for _, c := range []struct {
		result string
		n      uint64
	}{{"sent", r.sent.Load()}, {"failed", r.failed.Load()}, {"dropped", r.dropped.Load()}} {
		yield(agent.Sample{
			Name: "logkeel_reports_total", Help: "Tries to mail a report, by how they went; dropped are those given up after a day of refusal.", Type: agent.Counter,
			Labels: append(r.o.labels(), agent.Label{Name: "result", Value: c.result}), Value: float64(c.n),
		})
	}
	yield(agent.Sample{Name: "logkeel_reports_pending", Help: "Reports that are due and not sent.", Labels: r.o.labels(), Value: float64(r.waiting.Load())})
}
