package agent

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// server is a Sampler whose answers are told to it.
type server struct {
	mu     sync.Mutex
	answer func(ctx context.Context, yield func(Sample)) error
	closed bool
}

func (s *server) Sample(ctx context.Context, yield func(Sample)) error {
	s.mu.Lock()
	answer := s.answer
	s.mu.Unlock()
	return answer(ctx, yield)
}

func (s *server) Close() error {
	s.closed = true
	return nil
}

func (s *server) tell(answer func(ctx context.Context, yield func(Sample)) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = answer
}

func TestSnapshotsReplaceEachOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		s := &server{}
		c := Sampled(s, Sampling{Kind: "redis", Target: "cache", Interval: 15 * time.Second, Timeout: time.Minute, Log: slog.New(slog.NewTextHandler(&out, nil))})
		a := newAgent(t, fixed(openLedger(t, t.TempDir()), quiet, newWords(), []Collector{c}))
		up := func(yield func(Sample)) error {
			yield(Sample{Name: "redis_up", Value: 1})
			yield(Sample{Name: "redis_db_keys", Labels: []Label{{"db", "db0"}}, Value: 7})
			return nil
		}
		s.tell(func(_ context.Context, yield func(Sample)) error { return up(yield) })
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- a.Run(ctx) }()

		check := func(what string, redisUp, keys, samplerUp, failures float64) {
			t.Helper()
			synctest.Wait()
			for name, want := range map[string]float64{"redis_up": redisUp, "redis_db_keys": keys, "logkeel_sampler_up": samplerUp, "logkeel_sampler_errors_total": failures} {
				if got := count(a, name, "target=cache"); got != want {
					t.Errorf("%s: %s is %v, want %v", what, name, got, want)
				}
			}
		}
		check("at once", 1, 7, 1, 0)
		s.tell(func(_ context.Context, yield func(Sample)) error {
			yield(Sample{Name: "redis_up", Value: 0})
			return errors.New("connection refused")
		})
		check("before the next interval", 1, 7, 1, 0)
		time.Sleep(15 * time.Second)
		check("the server is down: nothing stale", 0, 0, 0, 1)
		s.tell(func(ctx context.Context, _ func(Sample)) error { <-ctx.Done(); return ctx.Err() })
		time.Sleep(45 * time.Second)
		check("it does not answer", 0, 0, 0, 3)
		inARow := func(want float64, why string) {
			t.Helper()
			c.(Meter).Meter(func(s Sample) {
				if s.Name == "logkeel_sampler_failures_in_a_row" && (s.Value != want || !strings.Contains(s.Note, why) || (why == "") != (s.Note == "")) {
					t.Errorf("%v failures in a row, want %v: %s", s.Value, want, s.Note)
				}
			})
		}
		inARow(2, "no answer within 15s") // the one before said that the server is down
		s.tell(func(_ context.Context, yield func(Sample)) error { return up(yield) })
		time.Sleep(30 * time.Second)
		check("it is back", 1, 7, 1, 4)
		inARow(0, "")
		for text, want := range map[string]int{"connection refused": 1, "no answer within 15s": 1, "is sampled again": 1} {
			if n := strings.Count(out.String(), text); n != want {
				t.Errorf("%q was said %d times, want %d:\n%s", text, n, want, out.String())
			}
		}
		stop()
		if err := <-done; err != nil || !s.closed {
			t.Errorf("ended with %v, closed %v", err, s.closed)
		}
		if n := count(a, "redis_up"); n != 0 {
			t.Error("its samples outlive it")
		}
	})
}
