package integrity

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// many makes files as an application has them: 20 in a folder, names of 24 bytes.
func many(tb testing.TB, n int) string {
	tb.Helper()
	dir := tb.TempDir()
	for i := range n {
		in := filepath.Join(dir, fmt.Sprintf("vendor-%03d", i/1000), fmt.Sprintf("package-%02d", i/20%50))
		if i%20 == 0 {
			if err := os.MkdirAll(in, 0o755); err != nil {
				tb.Fatal(err)
			}
		}
		if err := os.WriteFile(filepath.Join(in, fmt.Sprintf("%s%06d.php", strings.Repeat("Name", 3), i)), []byte{byte(i)}, 0o644); err != nil {
			tb.Fatal(err)
		}
	}
	return dir
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// cpu is the time that the processors have spent on this process, in ns.
func cpu(b *testing.B) int64 {
	var r unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &r); err != nil {
		b.Fatal(err)
	}
	return r.Utime.Nano() + r.Stime.Nano()
}

func unhurried(w *watch) {
	w.reader.pace.sleep = func(ctx context.Context, _ time.Duration) error { return ctx.Err() }
}

// BenchmarkWalk is a walk through files of which none has changed, without pauses.
func BenchmarkWalk(b *testing.B) {
	const n = 20_000
	dir := many(b, n)
	c, err := item(b, "paths: D\nexclude: [storage/logs, '*.log', cache]", dir)
	if err != nil {
		b.Fatal(err)
	}
	before := heap()
	w := newWatch(c, "/")
	unhurried(w)
	if _, err := w.everything(b.Context()); err != nil {
		b.Fatal(err)
	}
	size := float64(heap()-before) / n
	began := cpu(b)
	for b.Loop() {
		if c, err := w.everything(b.Context()); err != nil || c.batch.total() != 0 {
			b.Fatal(err, c.batch.findings)
		}
	}
	b.ReportMetric(size, "B/file")
	b.ReportMetric(float64(cpu(b)-began)/float64(b.N)/n, "cpu-ns/file")
	runtime.KeepAlive(w)
}

func BenchmarkSave(b *testing.B) {
	dir := many(b, 20_000)
	c, err := item(b, "paths: D", dir)
	if err != nil {
		b.Fatal(err)
	}
	w := newWatch(c, "/")
	unhurried(w)
	if _, err := w.everything(b.Context()); err != nil {
		b.Fatal(err)
	}
	path := filepath.Join(b.TempDir(), "baseline")
	for b.Loop() {
		if err := w.save(path, nil); err != nil {
			b.Fatal(err)
		}
	}
	info, err := os.Stat(path)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(info.Size())/20_000, "B/file")
}
