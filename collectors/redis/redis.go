// Package redis samples a Redis server, or one that is like it (Valkey, KeyDB),
// under the names that redis_exporter gives to its metrics.
package redis

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/gomodule/redigo/redis"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/server"
)

// A Sampler asks one server. It keeps its connection from one snapshot to the
// next, so that it still measures a server that has no room for new clients.
type Sampler struct {
	d dialer

	db     int
	config bool
	expect []expected
	queues *queues
	slow   slowlog

	mu   sync.Mutex // held for a whole snapshot
	c    *client    // nil where there is no connection
	last *page      // the last snapshot
}

var _ agent.Recorder = (*Sampler)(nil)

// New returns a Sampler of a Config that was checked. It connects when it is
// first asked.
func New(c Config) (*Sampler, error) {
	t, err := c.TLS.Client(server.Host(c.Address))
	if err != nil {
		return nil, fmt.Errorf("tls: %w", err)
	}
	d := dialer{network: "tcp", address: c.Address, username: c.Username, password: c.Password, tls: t}
	if c.Socket != "" {
		d.network, d.address = "unix", c.Socket
	}
	return &Sampler{d: d, db: c.DB, config: c.Settings, expect: expectedOf(c), queues: newQueues(c, time.Now), slow: slowlog{Slowlog: c.Slowlog}}, nil
}

// Close ends the connection. It waits for a snapshot that is being taken.
func (s *Sampler) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drop()
	return nil
}

func (s *Sampler) drop() {
	if s.c != nil {
		s.c.close()
		s.c = nil
	}
}

// Sample takes a snapshot: PING, INFO all, and of what else there is.
func (s *Sampler) Sample(ctx context.Context, yield func(agent.Sample)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer func() {
		if s.c != nil && (ctx.Err() != nil || s.c.broken()) {
			s.drop()
		}
	}()
	out := newPage(yield)
	s.last = out
	down := func(err error) error {
		out.gauge("redis_up", helpUp, 0)
		return err
	}
	took, err := s.ping(ctx)
	code := errorCode(err)
	switch {
	case code == "LOADING":
		out.gauge("redis_loading_dump_file", help("loading"), 1)
		return down(errors.New("redis is loading its data from the disk and answers nothing else yet; wait, or look at its log if it does not end"))
	case err != nil && (code == "" || code == "NOAUTH"):
		return down(s.d.explain("", err))
	}
	var errs []error
	if err != nil {
		errs = append(errs, s.d.explain("ping", err))
	}
	text, err := redis.String(s.c.do(ctx, "INFO", "all"))
	if err != nil {
		return down(errors.Join(append(errs, s.d.explain("info", err))...))
	}
	out.gauge("redis_up", helpUp, 1)
	if code == "" {
		out.gauge("logkeel_redis_ping_seconds", "How long the server took to answer PING.", took.Seconds())
	}
	info, err := writeInfo(text, s.db, time.Now(), out)
	errs = append(errs, err)
	for _, part := range []func() error{
		func() error { return s.slow.measure(ctx, &s.d, s.c, info["run_id"], out) },
		func() error { return s.settings(ctx, info, out) },
		func() error { return s.queues.measure(ctx, &s.d, s.c, out) },
	} {
		if s.c.broken() {
			break
		}
		errs = append(errs, part())
	}
	return errors.Join(errs...)
}

// Records yields the main numbers of the snapshot as one record, and one for each
// queue, for each setting that is not as expected, and for each new entry of the
// slow log.
func (s *Sampler) Records(yield func([]agent.Field)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.last == nil {
		return
	}
	yield(s.last.main)
	for _, r := range s.last.records {
		yield(r)
	}
}

const helpUp = "Whether the server answers, and INFO may be read."

// ping measures PING, on a new connection where the old one is not there any
// more. An error with a code is the server's answer.
func (s *Sampler) ping(ctx context.Context) (time.Duration, error) {
	if s.c != nil {
		took, err := s.c.ping(ctx)
		if err == nil || errorCode(err) != "" || ctx.Err() != nil {
			return took, err
		}
		s.drop() // it may have ended long ago: the server was restarted, or has a timeout
	}
	c, err := s.d.dial(ctx)
	if err != nil {
		return 0, err
	}
	s.c = c
	return c.ping(ctx)
}
