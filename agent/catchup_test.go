package agent

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// A follower is a collector that emits lines when it is told to.
type follower struct {
	lines    chan [2]int64 // from and to; 0, 0: the end is reached; -1: there is a gap
	caughtUp atomic.Bool
}

func (*follower) Name() string     { return "follower" }
func (f *follower) CaughtUp() bool { return f.caughtUp.Load() }

func (f *follower) Run(ctx context.Context, s Sink) error {
	feed := s.Open(web)
	defer feed.Close(false)
	for {
		select {
		case <-ctx.Done():
			return nil
		case l := <-f.lines:
			switch {
			case l[0] < 0:
				feed.Gap()
				continue
			case l[1] == 0:
				feed.Behind(0)
				f.caughtUp.Store(true)
				continue
			}
			feed.Behind(1)
			b, _ := feed.Batch(ctx)
			for n := l[0]; n <= l[1]; n++ {
				start := int32(len(b.Buf))
				b.Buf = fmt.Appendf(b.Buf, "line%d", n)
				b.Records = append(b.Records, Record{End: n, Body: Span{start, int32(len(b.Buf))}})
			}
			b.Pos = at(1, l[1])
			if err := feed.Emit(ctx, b); err != nil {
				return err
			}
		}
	}
}

// What is said once all that was there has been read: of the lines, those that
// nobody has had, and none that came after the end was reached.
func TestCaughtUp(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		run := func(do func(f *follower, acked *recorder)) string {
			var out bytes.Buffer
			log := slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
				if a.Key == slog.TimeKey {
					return slog.Attr{}
				}
				return a
			}}))
			l := openLedger(t, dir)
			f := &follower{lines: make(chan [2]int64)}
			quick, slow := newRecorder(l, "quick"), newRecorder(l, "slow")
			p := fixed(l, log, newWords(), []Collector{f}, quick, slow)
			p.ShutdownTimeout = 0
			a := newAgent(t, p)
			ctx, stop := context.WithCancel(t.Context())
			done := make(chan error)
			go func() { done <- a.Run(ctx) }()
			do(f, quick)
			time.Sleep(time.Second)
			f.lines <- [2]int64{90, 91}
			time.Sleep(time.Second)
			stop()
			if err := <-done; err != nil {
				t.Fatal(err)
			}
			return strings.TrimSpace(out.String())
		}
		want := func(got, want string) {
			t.Helper()
			if got != want {
				t.Errorf("got  %q\nwant %q", got, want)
			}
		}
		want(run(func(f *follower, _ *recorder) {
			f.lines <- [2]int64{1, 3}
			f.lines <- [2]int64{0, 0}
		}), "level=INFO msg=\"caught up\" read_lines=3 read_bytes=15 gaps=0")
		time.Sleep(32*time.Minute + 10*time.Second)
		// Nothing was acknowledged but by the rules, which are at 91: the
		// others get it all again, and it is not new.
		want(run(func(f *follower, _ *recorder) {
			f.lines <- [2]int64{1, 91}
			f.lines <- [2]int64{-1, 0}
			f.lines <- [2]int64{92, 95}
			f.lines <- [2]int64{0, 0}
			f.lines <- [2]int64{96, 99} // it was at its end
		}), "level=INFO msg=\"caught up\" away=32m10s read_lines=4 read_bytes=24 gaps=1")
	})
}

// A killed agent writes nothing last: the ledger's time says when it lived.
func TestAwayAfterAKill(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		if d, ok := openLedger(t, dir+"/.").Away(); ok {
			t.Errorf("away %v at the first start", d)
		}
		l := openLedger(t, dir)
		ctx, kill := context.WithCancel(t.Context())
		go l.Run(ctx)
		time.Sleep(time.Hour)
		kill()
		time.Sleep(5 * time.Minute)
		if d, ok := openLedger(t, dir).Away(); !ok || d < 5*time.Minute || d > 5*time.Minute+2*ledgerTouch {
			t.Errorf("away %v, %v; want 5m", d, ok)
		}
	})
}
