package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"
)

// Sampling says how a Sampler is asked.
type Sampling struct {
	Kind     string // mysql, redis, http, ...
	Target   string // its name; unique within the kind
	Interval time.Duration
	Timeout  time.Duration // of one snapshot; at most Interval
	Log      *slog.Logger
	// Taken is told of each snapshot, by the goroutine that took it, before the next
	// one is taken; nil: nobody is. It keeps nothing of it and waits for nothing.
	Taken func(Snapshot)
}

// A Snapshot is what a Sampler found at a time.
type Snapshot struct {
	At      time.Time // when it was begun
	Took    time.Duration
	Samples []Sample // with the label target
	Err     error    // why it is not there in full, or not as it should be
}

// A sampled is the collector that asks a Sampler again and again.
type sampled struct {
	Sampling
	s Sampler

	mu     sync.Mutex
	up     bool
	took   time.Duration
	failed uint64
	row    uint64 // of failures in a row, but those that say themselves that it is down
	last   string // what the last one was
	count  int    // of the samples of the last snapshot; of the goroutine that takes them
	asked  bool
}

var (
	_ Collector = (*sampled)(nil)
	_ Meter     = (*sampled)(nil)
)

// Sampled returns a collector that takes a snapshot every interval. A snapshot
// that fails is said once; the one before it is forgotten.
func Sampled(s Sampler, o Sampling) Collector {
	o.Timeout = min(o.Timeout, o.Interval)
	return &sampled{Sampling: o, s: s}
}

// Name is kind and target.
func (c *sampled) Name() string { return c.Kind + "/" + c.Target }

func (c *sampled) Run(ctx context.Context, sink Sink) error {
	trouble := NewTrouble(c.Log.With("sampler", c.Name()))
	defer sink.Snapshot(c.Name(), nil)
	defer c.s.Close()
	tick := time.NewTicker(c.Interval)
	defer tick.Stop()
	for {
		start := time.Now()
		samples, err := c.sample(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if c.Taken != nil {
			c.Taken(Snapshot{At: start, Took: time.Since(start), Samples: samples, Err: err})
		}
		sink.Snapshot(c.Name(), samples)
		if err != nil {
			trouble.Fail(err, "cannot be sampled")
		} else {
			trouble.Clear("is sampled again")
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// sample takes one snapshot. Each of its samples gets the label target.
func (c *sampled) sample(ctx context.Context) ([]Sample, error) {
	asking, cancel := context.WithTimeoutCause(ctx, c.Timeout, fmt.Errorf("no answer within %s", c.Timeout))
	defer cancel()
	target := Label{Name: "target", Value: c.Target}
	samples := make([]Sample, 0, c.count+c.count/16) // those that grow are three times as much memory for a while
	start := time.Now()
	err := c.s.Sample(asking, func(s Sample) {
		labels := make([]Label, 1, 1+len(s.Labels))
		labels[0] = target
		s.Labels = append(labels, s.Labels...)
		samples = append(samples, s)
	})
	if cause := context.Cause(asking); err != nil && asking.Err() != nil && !errors.Is(err, cause) {
		err = fmt.Errorf("%w: %w", cause, err)
	}
	c.count = len(samples)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked, c.up, c.took = true, err == nil, time.Since(start)
	if err == nil {
		c.row, c.last = 0, ""
		return samples, nil
	}
	c.failed++
	c.row++
	c.last = Note(err)
	for i := range samples {
		if samples[i].Note == "" {
			samples[i].Note = c.last
		}
		if samples[i].Value == 0 && c.saysDown(samples[i].Name) {
			c.row = 0 // which is what was to be measured
		}
	}
	return samples, err
}

// saysDown reports whether the metric is the one whose 0 says that the target is down.
func (c *sampled) saysDown(name string) bool {
	return name == c.Kind+"_up" || name == "probe_success" || name == "pg_up" || name == "logkeel_"+strings.TrimSuffix(c.Kind, "s")+"_up"
}

// Meter reports how the last snapshot went.
func (c *sampled) Meter(yield func(Sample)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.asked {
		return
	}
	labels := []Label{{"kind", c.Kind}, {"target", c.Target}}
	up := 0.0
	if c.up {
		up = 1
	}
	yield(Sample{Name: "logkeel_sampler_up", Help: "Whether the last snapshot was taken in full.", Labels: labels, Value: up, Note: c.last})
	yield(Sample{Name: "logkeel_sampler_failures_in_a_row", Help: "Snapshots in a row that failed, or were not taken in full; 0 after one that was, or that says itself that the target is down.", Labels: labels, Value: float64(c.row), Note: c.last})
	yield(Sample{Name: "logkeel_sampler_duration_seconds", Help: "How long the last snapshot took.", Labels: labels, Value: c.took.Seconds()})
	yield(Sample{Name: "logkeel_sampler_errors_total", Help: "Snapshots that failed, or were not taken in full.", Type: Counter, Labels: labels, Value: float64(c.failed)})
}
