package agent

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

type collectorFunc struct {
	name string
	run  func(context.Context, Sink) error
}

func (c collectorFunc) Name() string                          { return c.name }
func (c collectorFunc) Run(ctx context.Context, s Sink) error { return c.run(ctx, s) }

func TestAFailingCollectorIsStartedAgainAndSaidOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		starts := []time.Time{}
		failing := collectorFunc{"c", func(ctx context.Context, _ Sink) error {
			if starts = append(starts, time.Now()); len(starts) <= 8 {
				return fmt.Errorf("dial tcp 127.0.0.1:%d: refused", 40000+len(starts))
			}
			<-ctx.Done()
			return ctx.Err()
		}}
		a := newAgent(t, fixed(openLedger(t, t.TempDir()), slog.New(slog.NewTextHandler(&out, nil)), newWords(), []Collector{failing}))
		ctx, stop := context.WithTimeout(t.Context(), time.Hour)
		defer stop()
		if err := a.Run(ctx); err != nil {
			t.Fatal(err)
		}
		if len(starts) != 9 {
			t.Fatalf("%d starts, want 9", len(starts))
		}
		for i := 2; i < len(starts); i++ {
			if d := starts[i].Sub(starts[i-1]); d > lastBackoff*3/2 {
				t.Errorf("start %d came %v after the one before", i, d)
			}
		}
		if d := starts[8].Sub(starts[7]); d < lastBackoff/2 {
			t.Errorf("the eighth start came after %v; the pause did not grow", d)
		}
		if n := strings.Count(out.String(), "failed and is started again"); n != 1 {
			t.Errorf("said %d times, want once:\n%s", n, out.String())
		}
		if n := strings.Count(out.String(), "works again"); n != 1 {
			t.Errorf("its end was said %d times, want once:\n%s", n, out.String())
		}
	})
}

// slowOutput becomes safe some time after the last write.
type slowOutput struct {
	*recorder
	takes time.Duration

	mu  sync.Mutex
	log []string
}

func (o *slowOutput) say(s string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.log = append(o.log, s)
}

func (o *slowOutput) Run(ctx context.Context) error {
	<-ctx.Done()
	o.say("run ended")
	return nil
}

func (o *slowOutput) Drain(ctx context.Context) error {
	o.say("drain")
	select {
	case <-time.After(o.takes):
		o.ack()
		o.say("safe")
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func TestShutdownDrainsBeforeItStopsOutputs(t *testing.T) {
	for _, c := range []struct {
		takes time.Duration
		want  []string
		safe  Position
	}{
		{3 * time.Second, []string{"collector ended", "drain", "safe", "run ended"}, at(1, 9)},
		{time.Hour, []string{"collector ended", "drain", "run ended"}, at(1, 0)},
	} {
		dir := t.TempDir()
		synctest.Test(t, func(t *testing.T) {
			l := openLedger(t, dir)
			o := &slowOutput{recorder: newRecorder(l, "o"), takes: c.takes}
			last := collectorFunc{"c", func(ctx context.Context, s Sink) error {
				f := s.Open(web)
				defer f.Close(false)
				<-ctx.Done()
				b, _ := f.Batch(context.Background())
				b.Pos, b.Records = at(1, 9), []Record{{End: 9}}
				f.Emit(context.Background(), b)
				o.say("collector ended")
				return nil
			}}
			a := newAgent(t, fixed(l, quiet, newWords(), []Collector{last}, o))
			ctx, stop := context.WithCancel(t.Context())
			done := make(chan error)
			go func() { done <- a.Run(ctx) }()
			synctest.Wait()
			stop()
			if err := <-done; err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(o.log, c.want) {
				t.Errorf("%v: %q, want %q", c.takes, o.log, c.want)
			}
			wantSafe(t, openLedger(t, dir), "o", web.ID, c.safe)
		})
	}
}

func TestTrouble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		tr := NewTrouble(slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		}})))
		tr.Clear("never said")
		for i := range 1000 {
			tr.Fail(fmt.Errorf("read 127.0.0.1:%d: reset", i), "lost")
			tr.Fail(errors.New("refused"), "lost")
			time.Sleep(time.Second)
		}
		if !tr.Active() {
			t.Error("not active")
		}
		tr.Clear("back")
		tr.Clear("back")
		tr.Fail(errors.New("refused"), "lost")
		want := `level=WARN msg=lost error="read 127.0.0.1:0: reset"
level=WARN msg=lost error=refused
level=INFO msg=back failures=2000 after=16m40s
level=WARN msg=lost error=refused
`
		if out.String() != want {
			t.Errorf("got\n%swant\n%s", out.String(), want)
		}
		for i := range 100 {
			tr.Fail(errors.New(strings.Repeat("x", i)), "lost")
		}
		if n := strings.Count(out.String(), "\n"); n > 4+maxSaid {
			t.Errorf("%d lines of ever new errors", n)
		}
	})
}
