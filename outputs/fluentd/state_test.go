package fluentd

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/webgrip/logkeel/agent/conf"
	"github.com/webgrip/logkeel/agent/testenv"
)

// mount puts a small file system at dir.
func mount(t *testing.T, dir, options string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	testenv.Need(t, "the right to mount a tmpfs", syscall.Mount("fluentd-test", dir, "tmpfs", 0, options) == nil)
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
}

// TestSpoolCannotBeWritten: while nothing can be stored, Write waits with a
// bounded memory, and goes on when it can. Nothing is lost.
func TestSpoolCannotBeWritten(t *testing.T) {
	tests := []struct {
		name       string
		fail, heal func(t *testing.T, dir string)
		says       string
	}{
		{"full", func(t *testing.T, dir string) {
			if err := os.WriteFile(filepath.Join(dir, "ballast"), make([]byte, 1536<<10), 0o600); err != nil {
				t.Fatal(err)
			}
		}, func(t *testing.T, dir string) {
			if err := os.Remove(filepath.Join(dir, "ballast")); err != nil {
				t.Fatal(err)
			}
		}, "no space left on device"},
		{"read-only", func(t *testing.T, dir string) {
			if err := syscall.Mount("", dir, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
				t.Fatal(err)
			}
		}, func(t *testing.T, dir string) {
			if err := syscall.Mount("", dir, "", syscall.MS_REMOUNT, "size=2m"); err != nil {
				t.Fatal(err)
			}
		}, "read-only file system"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			st := newState(t)
			dir := filepath.Join(st.dir, "spool")
			mount(t, dir, "size=2m")
			var up atomic.Bool
			script := func(n int, p *peer) error {
				if !up.Load() {
					return errRefuse
				}
				return acks(n, p)
			}
			c := config(func(c *Config) { c.Buffer = conf.Size(64 << 10) })
			inBubbleAt(t, st, c, script, func(r *rig) {
				tt.fail(t, dir)
				var wg sync.WaitGroup
				wg.Go(func() { r.write(90, 20) })
				time.Sleep(time.Minute)
				synctest.Wait()
				m := r.o.lanes[0].q.measure()
				if m.bytes < 64<<10 || m.bytes > 128<<10 {
					t.Errorf("%d bytes are in memory", m.bytes)
				}
				ctx, cancel := context.WithTimeout(r.t.Context(), time.Second)
				defer cancel()
				if err := r.o.Write(ctx, newBatch(r.sources[0], 10_000, 10_001, 10, nil), 0); err == nil {
					t.Error("Write took what nobody can store")
				}
				if n := r.state.log.count("spool cannot be written"); n != 1 {
					t.Errorf("said %d times\n%s", n, r.state.log)
				}
				if n := r.state.log.count(tt.says); n != 1 {
					t.Errorf("said %d times: %s\n%s", n, tt.says, r.state.log)
				}
				tt.heal(t, dir)
				wg.Wait()
				if err := r.o.Drain(r.t.Context()); err != nil {
					t.Fatal(err)
				}
				if n := r.state.log.count("spool is written again"); n != 1 {
					t.Errorf("said %d times that it is well again\n%s", n, r.state.log)
				}
				up.Store(true)
				r.settle()
				r.arrived(true)
			})
		})
	}
}

// TestReceiverBackWhileDiskFull: memory empties by acknowledgements alone.
func TestReceiverBackWhileDiskFull(t *testing.T) {
	st := newState(t)
	dir := filepath.Join(st.dir, "spool")
	mount(t, dir, "size=64k")
	var up atomic.Bool
	script := func(n int, p *peer) error {
		if !up.Load() {
			return errRefuse
		}
		return acks(n, p)
	}
	c := config(func(c *Config) { c.Buffer = conf.Size(64 << 10) })
	inBubbleAt(t, st, c, script, func(r *rig) {
		var wg sync.WaitGroup
		wg.Go(func() { r.write(300, 20) })
		time.Sleep(time.Minute)
		up.Store(true)
		wg.Wait()
		r.settle()
		r.arrived(true)
	})
}

// TestKill abandons the output with chunks acknowledged, in flight, in the
// spool and in memory, and goes on from what is on the disk.
func TestKill(t *testing.T) {
	for _, spooled := range []bool{false, true} {
		t.Run(map[bool]string{false: "in memory", true: "spooled"}[spooled], func(t *testing.T) {
			var limit, received atomic.Int64
			script := func(n int, p *peer) error {
				for p != nil {
					m, err := p.read()
					if err != nil {
						return err
					}
					if received.Add(1) <= limit.Load() {
						p.ack(m.chunk)
					}
				}
				return nil
			}
			c := config(func(c *Config) {
				if !spooled {
					c.Spool.After = conf.Duration(time.Minute)
				}
			})
			inBubble(t, c, script, func(r *rig) {
				limit.Store(10)
				for range 30 { // a chunk each
					r.write(1, 7)
					synctest.Wait()
				}
				time.Sleep(time.Second)
				r.write(3, 5)
				synctest.Wait()
				r.abandon()
				r.stop = nil

				acked := r.o.lanes[0].records.Load()
				if acked != 70 {
					t.Fatalf("%d records are acknowledged", acked)
				}
				unread := r.next
				limit.Store(1 << 40)
				r.o, _ = r.state.open(c)
				r.o.dial = r.rx.dial
				r.start()
				total := 0
				for i, src := range r.sources {
					p := int(r.o.Consumer().Position(src.ID).Offset)
					total += p
					for n := p; n < unread[i]; n += 5 { // as the log is read again
						b := newBatch(src, n, min(n+5, unread[i]), 10, nil)
						if err := r.o.Write(r.t.Context(), b, 0); err != nil {
							t.Fatal(err)
						}
					}
				}
				if want := map[bool]int{false: 70, true: 210}[spooled]; total != want {
					t.Errorf("%d records are safe; want %d", total, want)
				}
				r.settle()
				// All 225 were received, and 70 of them acknowledged.
				if n := r.arrived(false); n != 155 {
					t.Errorf("%d records were repeated; want 155", n)
				}
			})
		})
	}
}
