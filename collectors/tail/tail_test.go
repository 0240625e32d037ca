package tail

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/webgrip/logkeel/agent"
)

// A sinkFeed is a sink with one batch and no memory.
type sinkFeed struct {
	batch   agent.Batch
	batches int
	records int
	last    agent.Position
	held    bool
	err     error
}

func (f *sinkFeed) Open(*agent.Source) agent.Feed   { return f }
func (f *sinkFeed) Snapshot(string, []agent.Sample) {}
func (f *sinkFeed) Known(string) bool               { return false }
func (f *sinkFeed) Remember(string)                 {}
func (f *sinkFeed) Resume() []agent.Position        { return nil }
func (f *sinkFeed) Gap()                            {}
func (f *sinkFeed) Safe() agent.Position            { return agent.Position{} }
func (f *sinkFeed) Behind(int64)                    {}
func (f *sinkFeed) Close(bool)                      {}
func (f *sinkFeed) Release(b *agent.Batch)          { f.held = false; b.Reset() }
func (f *sinkFeed) Batch(context.Context) (*agent.Batch, error) {
	if f.held {
		panic("two batches are held")
	}
	f.held = true
	return &f.batch, nil
}

func (f *sinkFeed) Emit(_ context.Context, b *agent.Batch) error {
	f.held = false
	f.batches, f.records, f.last = f.batches+1, f.records+len(b.Records), b.Pos
	b.Reset()
	return f.err
}

// readerOf is a reader of the container's log, with its file open.
func readerOf(t testing.TB, w *world, feed *sinkFeed) *reader {
	w.docker()
	tail := New(w.options)
	path := w.path("@c")
	r := &reader{
		t: tail, path: path, id: idOf("c"), guard: guard{chain: chain{path, tail.host}}, wake: make(chan struct{}, 1), block: blockSize,
		log: tail.o.Log, trouble: agent.NewTrouble(tail.o.Log), split: &dockerJSON{maxLine: DefaultMaxLine},
	}
	t.Cleanup(r.close)
	if again, err := r.step(context.Background(), feed); !again || err != nil {
		t.Fatal(again, err)
	}
	return r
}

func TestReadDoesNotAllocate(t *testing.T) {
	w, feed := newWorld(t), &sinkFeed{}
	const runs = 50
	if err := os.WriteFile(w.path("@c"), corpus((runs+10)*blockSize), 0o600); err != nil {
		t.Fatal(err)
	}
	r := readerOf(t, w, feed)
	ctx := context.Background()
	step := func() {
		if again, err := r.step(ctx, feed); !again || err != nil {
			t.Fatal(again, err)
		}
	}
	for range 3 { // the head of the file, and the batch's memory
		step()
	}
	if n := testing.AllocsPerRun(runs, step); n != 0 {
		t.Errorf("%v allocations a block", n)
	}
	if feed.records < runs*500 {
		t.Errorf("only %d records", feed.records)
	}
}

func TestFailedEmitKeepsPosition(t *testing.T) {
	w, feed := newWorld(t), &sinkFeed{}
	if err := os.WriteFile(w.path("@c"), corpus(1000), 0o600); err != nil {
		t.Fatal(err)
	}
	r := readerOf(t, w, feed)
	feed.err = errors.New("no room")
	for range 3 {
		if _, err := r.step(context.Background(), feed); !errors.Is(err, feed.err) {
			t.Fatal(err)
		}
	}
	refused := feed.last
	feed.err = nil
	if again, err := r.step(context.Background(), feed); !again || err != nil || feed.last != refused {
		t.Fatal(again, err, feed.last, refused)
	}
}

// The position moves on only with records, and knows the file.
func TestPositions(t *testing.T) {
	w, feed := newWorld(t), &sinkFeed{}
	line := dockerLine("a\n", "stdout", "", time.Unix(1_736_430_000, 0).UTC())
	if err := appendTo(w.path("@c"), line+line[:10]); err != nil {
		t.Fatal(err)
	}
	r := readerOf(t, w, feed)
	step := func() {
		t.Helper()
		if _, err := r.step(context.Background(), feed); err != nil {
			t.Fatal(err)
		}
	}
	step()
	first := feed.last
	if first.Epoch != 1 || first.Offset != int64(len(line)) || first.File.Len != uint32(len(line)) {
		t.Fatalf("%+v", first)
	}
	step()
	if feed.last != first || feed.held {
		t.Fatalf("%+v", feed.last)
	}
	if err := os.Rename(r.path, r.path+".1"); err != nil {
		t.Fatal(err)
	}
	if err := appendTo(r.path, line); err != nil {
		t.Fatal(err)
	}
	for range 6 {
		step()
	}
	if feed.last.Epoch != 2 || !first.Before(feed.last) || feed.records != 3 || feed.last.Offset != int64(len(line)) {
		t.Fatalf("%+v, %d records", feed.last, feed.records)
	}
}

func openFiles(t *testing.T, under string) (n int) {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if target, err := os.Readlink("/proc/self/fd/" + e.Name()); err == nil && strings.HasPrefix(target, under) {
			n++
		}
	}
	return n
}

// goroutines is how many there are with code of this package, but for tests.
func goroutines() (n int) {
	buf := make([]byte, 1<<20)
	for _, g := range bytes.Split(buf[:runtime.Stack(buf, true)], []byte("\n\n")) {
		if bytes.Contains(g, []byte("tail.(*reader)")) || bytes.Contains(g, []byte("tail.(*watcher)")) || bytes.Contains(g, []byte("fsnotify.")) {
			n++
		}
	}
	return n
}

// 2,000 logs are read with the few batches of the pipeline and a descriptor each,
// and nothing is left of them when Run has returned.
func TestManyLogs(t *testing.T) {
	w := newWorld(t)
	w.docker()
	const logs, lines = 2000, 5
	now := time.Unix(1_736_430_000, 0).UTC()
	put := func(round int) {
		for i := range logs {
			var b strings.Builder
			for k := range lines {
				b.WriteString(dockerLine(fmt.Sprintf("%d %d %d\n", round, i, k), "stdout", "", now))
			}
			if err := appendTo(w.path(fmt.Sprintf("@c%d", i)), b.String()); err != nil {
				t.Fatal(err)
			}
		}
	}
	complete := func(rounds int) func() bool {
		return func() bool {
			for i := range logs {
				if w.out.count(w.sourceID(fmt.Sprintf("@c%d", i))) < rounds*lines {
					return false
				}
			}
			return true
		}
	}
	put(0)
	w.start()
	w.until("all logs", complete(1))
	for i := range logs {
		path := w.path(fmt.Sprintf("@c%d", i))
		if err := os.Rename(path, path+".1"); err != nil {
			t.Fatal(err)
		}
	}
	put(1)
	w.until("all logs after rotation", complete(2))
	if n := goroutines(); n < logs {
		t.Errorf("%d goroutines: the count is wrong", n)
	}
	w.until("the rotated files are closed", func() bool { return openFiles(t, w.dir) == logs })
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	perLog := (before.HeapAlloc + before.StackInuse) / logs
	t.Logf("%d logs: %d bytes of memory and a descriptor each", logs, perLog)
	if perLog > 64<<10 {
		t.Errorf("%d bytes of memory a log", perLog)
	}
	w.stop()
	runtime.ReadMemStats(&after)
	w.until("no goroutine is left", func() bool { return goroutines() == 0 })
	if n := openFiles(t, w.dir); n != 0 {
		t.Errorf("%d files are open still", n)
	}
	for id, records := range w.out.take() {
		if len(records) != 2*lines {
			t.Errorf("%s: %d records", id, len(records))
		}
	}
}

// A writer that rotates as Docker does, as fast as it can, loses nothing while
// enough files are kept.
func TestRotationUnderLoad(t *testing.T) {
	w := newWorld(t)
	w.docker()
	w.start()
	path := w.path("@c")
	const files, lines = 40, 200
	now := time.Unix(1_736_430_000, 0).UTC()
	for n := range files {
		for i := n; i > 1; i-- {
			os.Rename(fmt.Sprintf("%s.%d", path, i-1), fmt.Sprintf("%s.%d", path, i))
		}
		if err := os.Rename(path, path+".1"); err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		for k := range lines {
			if err := appendTo(path, dockerLine(fmt.Sprintf("%d\n", n*lines+k), "stdout", "", now)); err != nil {
				t.Fatal(err)
			}
		}
	}
	id := w.sourceID("@c")
	w.until("all lines", func() bool { return w.out.count(id) >= files*lines })
	w.quiet()
	for i, g := range w.out.take()[id] {
		if g.body != fmt.Sprint(i) {
			t.Fatalf("record %d is %q", i, g.body)
		}
	}
	w.stop()
}

// A Run that fails ends its readers, and can be run again.
func TestRunFails(t *testing.T) {
	w := newWorld(t)
	if err := appendTo(w.path("app.log"), "a\n"); err != nil {
		t.Fatal(err)
	}
	w.start()
	id := w.sourceID("app.log")
	w.until("a line", func() bool { return w.out.count(id) == 1 })
	w.end()
	made := make(chan *fsnotify.Watcher, 1)
	w.tail.newFS = func() (*fsnotify.Watcher, error) {
		fs, err := fsnotify.NewWatcher()
		made <- fs
		return fs, err
	}
	done := make(chan error, 1)
	go func() { done <- w.tail.Run(context.Background(), w.pipe) }()
	(<-made).Close()
	select {
	case err := <-done:
		if err == nil {
			t.Error("no error")
		}
	case <-time.After(wait):
		t.Fatal("Run does not return")
	}
	w.until("no goroutine is left", func() bool { return goroutines() == 0 })
	w.tail.newFS = fsnotify.NewWatcher
	w.run(w.tail)
	if err := appendTo(w.path("app.log"), "b\n"); err != nil {
		t.Fatal(err)
	}
	w.until("another line", func() bool { return w.out.count(id) == 2 })
	w.stop()
}

// Rotation makes names all the time: none of them is worth a look for new logs.
func TestWanted(t *testing.T) {
	tail := New(Options{Name: "test", Log: slog.New(slog.DiscardHandler), Globs: []string{"/logs/*/app-*.log", "/var/log/one.log"}})
	w := newWatcher(tail)
	tail.readers["/logs/a/app-1.log"] = &reader{}
	for path, want := range map[string]bool{
		"/logs/a/app-2.log": true, "/logs/b": true, "/var/log/one.log": true,
		"/logs/a/app-1.log": false, "/logs/a/app-1.log.1": false, "/logs/a/other": false, "/var/log/one.log.1": false, "/var/log/two.log": false,
	} {
		if got := w.wanted(path); got != want {
			t.Errorf("%s: %v", path, got)
		}
	}
}

// inotify that cannot be had at the start is used as soon as it can.
func TestInotifyLater(t *testing.T) {
	w := newWorld(t)
	w.options.Globs = []string{filepath.Join(w.dir, "*.log")}
	w.start()
	w.end()
	var fail atomic.Bool
	fail.Store(true)
	w.tail.newFS = func() (*fsnotify.Watcher, error) {
		if fail.Load() {
			return nil, syscall.EMFILE
		}
		return fsnotify.NewWatcher()
	}
	w.run(w.tail)
	w.until("polling", w.tail.polling.Load)
	fail.Store(false)
	w.until("inotify", func() bool { return !w.tail.polling.Load() })
	w.until("the end is said", func() bool { return strings.Contains(w.log.String(), "change notification works") })
	w.stop()
}

func TestMeter(t *testing.T) {
	w := newWorld(t)
	w.start()
	w.stop()
	names := map[string]float64{}
	w.tail.Meter(func(s agent.Sample) { names[s.Name] = s.Value })
	if v, ok := names["logkeel_tail_polling"]; !ok || v != 0 {
		t.Error(names)
	}
	if _, ok := names["logkeel_tail_rotations_total"]; !ok {
		t.Error(names)
	}
}

func TestCheckGlob(t *testing.T) {
	if err := CheckGlob("/var/log/*.log"); err != nil {
		t.Error(err)
	}
	if err := CheckGlob("/var/log/[a"); err == nil {
		t.Error("no error")
	}
}
