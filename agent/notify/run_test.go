package notify

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/conf"
	"github.com/webgrip/logkeel/agent/spool"
)

// TestAtOnce calls everything from many goroutines, with a real clock.
func TestAtOnce(t *testing.T) {
	var c Config
	c.SetDefaults()
	c.GroupWait, c.GroupInterval = 0, conf.Duration(1)
	c.RepeatInterval = conf.Duration(time.Millisecond)
	q, err := Open(Options{Config: c, Name: "mail", Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var running, calling sync.WaitGroup
	running.Go(func() {
		tries := 0
		q.Run(ctx, func(_ context.Context, n *Notice) error {
			if tries++; tries%3 == 0 {
				return Refused(errDown)
			}
			return nil
		})
	})
	for i := range 4 {
		calling.Go(func() {
			w := &world{t: t}
			key := string(rune('a' + i))
			for range 20 {
				a := w.alert("errors", key, 1)
				if err := q.Notify(ctx, list(a, w.ended(a))); err != nil {
					t.Error(err)
				}
				q.Meter(func(agent.Sample) {})
			}
		})
	}
	calling.Wait()
	cancel()
	running.Wait()
	if err := q.Notify(ctx, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("after the end of its context: %v", err)
	}
	if err := q.Close(); err != nil {
		t.Error(err)
	}
	err = q.Notify(t.Context(), list((&world{}).alert("errors", "late", 1)))
	if !errors.Is(err, spool.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

// TestCutOff ends Run in the middle of a try: that is no failure.
func TestCutOff(t *testing.T) {
	inWorld(t, func(w *world) {
		w.kill()
		w.notify(w.alert("errors", "web", 1))
		ctx, cancel := context.WithCancel(w.t.Context())
		err := w.q.Run(ctx, func(ctx context.Context, _ *Notice) error {
			cancel()
			<-ctx.Done()
			return ctx.Err()
		})
		if err != nil || w.metric("logkeel_notifications_total", "failed") != 0 || strings.Contains(w.said(), "cannot be told") {
			t.Errorf("got %v and %s", err, w.said())
		}
		w.start() // Run again, on the same queue
		w.sleep(time.Minute)
		w.expect("firing rule=errors: errors/web 1")
	})
}

func TestOpenFails(t *testing.T) {
	_, err := Open(Options{Name: "mail", Dir: "/dev/null/x"})
	if err == nil || !strings.Contains(err.Error(), "notifier mail: ") {
		t.Errorf("got %v", err)
	}
}

func TestMeter(t *testing.T) {
	inWorld(t, func(w *world) {
		w.notify(w.alert("a", "x", 1), w.alert("b", "x", 1))
		w.sleep(10 * time.Second)
		for name, want := range map[string]float64{
			"logkeel_notifications_pending":        2,
			"logkeel_notification_pending_seconds": 10,
			"logkeel_alerts_folded_total":          0,
			"logkeel_spool_frames":                 2,
		} {
			if got := w.metric(name); got != want {
				t.Errorf("%s is %v, want %v", name, got, want)
			}
		}
		seen := map[string]string{}
		w.q.Meter(func(s agent.Sample) {
			if s.Help == "" || seen[s.Name] != "" && seen[s.Name] != s.Help {
				t.Errorf("%s: help %q and %q", s.Name, s.Help, seen[s.Name])
			}
			seen[s.Name] = s.Help
		})
	})
}
