package tail

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fsnotify/fsnotify"
)

func noInotify() (*fsnotify.Watcher, error) { return nil, syscall.EMFILE }

// rotate does what Docker does when a log is full: at most keep older files.
func rotate(t *testing.T, path string, keep int) {
	t.Helper()
	if keep == 0 {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		return
	}
	for n := keep; n > 1; n-- {
		if err := os.Rename(fmt.Sprintf("%s.%d", path, n-1), fmt.Sprintf("%s.%d", path, n)); err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
	}
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
}

// While an output holds up the reader the log is rotated more often than it has
// older files: what is removed is read all the same.
func TestRotatedAwayWhileTheOutputWaits(t *testing.T) {
	for _, keep := range []int{0, 1, 3} {
		for _, inotify := range []bool{true, false} {
			t.Run(fmt.Sprintf("keep %d inotify %v", keep, inotify), func(t *testing.T) {
				w := newWorld(t)
				w.docker()
				if !inotify {
					w.newFS = noInotify
				}
				path := w.path("@c")
				write := func(n int) {
					line := dockerLine(fmt.Sprintf("line %d\n", n), "stdout", "", time.Unix(1_736_430_000+int64(n), 0).UTC())
					if err := appendTo(path, line); err != nil {
						t.Fatal(err)
					}
				}
				write(0)
				w.start()
				id := w.sourceID("@c")
				w.until("first line", func() bool { return w.out.count(id) == 1 })
				release := w.out.block()
				write(1)
				w.until("the reader waits", w.out.waits)
				held := func() int {
					w.tail.mu.Lock()
					defer w.tail.mu.Unlock()
					r := w.tail.readers[path]
					r.guard.mu.Lock()
					defer r.guard.mu.Unlock()
					return len(r.guard.files)
				}
				const rotations = 8
				for n := 2; n < 2+rotations; n++ {
					rotate(t, path, keep)
					if n%2 == 0 && !inotify { // it is looked at while there is none
						time.Sleep(5 * w.options.Poll)
					}
					write(n)
					w.until("the new file is held", func() bool { return held() == n-1 })
				}
				release()
				w.until("all lines", func() bool { return w.out.count(id) == 2+rotations })
				for i, g := range w.out.take()[id] {
					if want := fmt.Sprintf("line %d", i); g.body != want {
						t.Errorf("got %q, want %q", g.body, want)
					}
				}
				if strings.Contains(w.log.String(), "missing") || w.tail.gaps.Load() != 0 {
					t.Error("a gap was reported")
				}
				w.until("no file is held any more", func() bool { return held() == 0 })
			})
		}
	}
}

// Beyond what is held, lines are lost; that is said, with source and times.
func TestAGapIsSaid(t *testing.T) {
	w := newWorld(t)
	w.docker()
	path := w.path("@c")
	write := func(n int) {
		line := dockerLine(fmt.Sprintf("line %d\n", n), "stdout", "", time.Unix(1_736_430_000+int64(n), 0).UTC())
		if err := appendTo(path, line); err != nil {
			t.Fatal(err)
		}
	}
	write(0)
	w.start()
	id := w.sourceID("@c")
	w.until("first line", func() bool { return w.out.count(id) == 1 })
	release := w.out.block()
	write(1)
	w.until("the reader waits", w.out.waits)
	held := func() int {
		w.tail.mu.Lock()
		r := w.tail.readers[path]
		w.tail.mu.Unlock()
		r.guard.mu.Lock()
		defer r.guard.mu.Unlock()
		return len(r.guard.files)
	}
	const rotations = guardFiles + 6
	for n := 2; n < 2+rotations; n++ {
		rotate(t, path, 2)
		write(n)
		w.until("the new file is held", func() bool { return held() == min(n-1, guardFiles) })
	}
	release()
	last := fmt.Sprintf("line %d", 1+rotations)
	var bodies []string
	w.until("the last line", func() bool {
		for _, g := range w.out.take()[id] {
			bodies = append(bodies, g.body)
		}
		return len(bodies) > 0 && bodies[len(bodies)-1] == last
	})
	if want := 1 + 1 + guardFiles + 3; len(bodies) != want {
		t.Errorf("%d lines, want %d", len(bodies), want)
	}
	w.until("the gap is said", func() bool { return w.tail.gaps.Load() == 1 })
	from := time.Unix(1_736_430_000+1+guardFiles, 0).UTC().Format(time.RFC3339Nano)
	to := time.Unix(1_736_430_000+rotations-1, 0).UTC().Format(time.RFC3339Nano)
	w.until("with its times", func() bool {
		return strings.Contains(w.log.String(), "from="+from+" to="+to)
	})
}

// A log with one older file is looked at in the moment at which that was removed,
// and the log was not renamed yet. That others were before it is not forgotten.
func TestAGapBeforeOneFileAlone(t *testing.T) {
	for _, keep := range []int{0, 1} {
		path := filepath.Join(t.TempDir(), "log")
		g := guard{chain: chain{path, newHost()}}
		begin := func(text string) {
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		begin("first\n")
		f, err := g.chain.host.openFile(path)
		if err != nil {
			t.Fatal(err)
		}
		g.reset(f, nil)
		t.Cleanup(func() { g.reset(opened{}, nil); f.Close() })
		rotate(t, path, keep)
		begin("second\n")
		if err := g.look(); err != nil || len(g.files) != 1 || g.files[0].gap {
			t.Fatalf("keep %d: %v, %+v after one rotation", keep, err, g.files)
		}
		for _, text := range []string{"third\n", "fourth\n"} {
			rotate(t, path, keep)
			begin(text)
		}
		os.Remove(path + ".1")
		if err := g.look(); err != nil || len(g.files) != 2 || g.files[1].gap != (keep > 0) {
			t.Errorf("keep %d: %v, %+v", keep, err, g.files)
		}
		if g.met(false); g.keeps != (keep > 0) {
			t.Errorf("keep %d: a single file changes what was seen", keep)
		}
		if g.met(true); !g.keeps {
			t.Error("older files that are there at the start are not seen")
		}
	}
}
