package integrity

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestSumOfAnother: what took a file's place after it was looked at is not read,
// and holds nobody up.
func TestSumOfAnother(t *testing.T) {
	in := t.TempDir()
	write(t, in+"/file", "content")
	write(t, in+"/other", "content")
	if err := errors.Join(unix.Mkfifo(in+"/fifo", 0o644), os.Symlink("file", in+"/link"), os.Mkdir(in+"/folder", 0o755)); err != nil {
		t.Fatal(err)
	}
	r := newReader(false, newPace(1<<40))
	dir, err := r.open(in, "")
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	m, _, err := r.stat(dir, "file")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.sum(t.Context(), dir, "file", &m); err != nil {
		t.Error(err)
	}
	for _, name := range []string{"fifo", "link", "folder", "other", "gone"} {
		done := make(chan error, 1)
		go func() { _, err := r.sum(t.Context(), dir, name, &m); done <- err }()
		select {
		case err := <-done:
			if !errors.Is(err, errMoving) {
				t.Errorf("%s: %v", name, err)
			}
		case <-time.After(time.Minute):
			t.Fatalf("%s holds us up", name)
		}
	}
}

// TestSumEnds: of a file that grows as fast as it is read.
func TestSumEnds(t *testing.T) {
	in := t.TempDir()
	write(t, in+"/file", "content")
	p := newPace(1)
	r := newReader(false, p)
	grown := 0
	p.sleep = func(context.Context, time.Duration) error {
		if grown++; grown > 5 {
			return errors.New("it is read for ever")
		}
		f, err := os.OpenFile(filepath.Join(in, "file"), os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		defer f.Close()
		_, err = f.WriteString("more")
		return err
	}
	dir, err := r.open(in, "")
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	m, _, err := r.stat(dir, "file")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.sum(t.Context(), dir, "file", &m); !errors.Is(err, errMoving) {
		t.Error(err)
	}
}

// TestPace: so many bytes a second, and a quarter of a processor.
func TestPace(t *testing.T) {
	var now time.Time
	var slept time.Duration
	p := newPace(1 << 20)
	p.now = func() time.Time { return now }
	p.sleep = func(_ context.Context, d time.Duration) error {
		slept += d
		now = now.Add(d)
		return nil
	}
	for range 160 { // 10 MiB, which take no time to read
		if err := p.read(t.Context(), 64<<10); err != nil {
			t.Fatal(err)
		}
	}
	if slept < 9900*time.Millisecond || slept > 10*time.Second {
		t.Errorf("10 MiB at 1 MiB/s took %s", slept)
	}
	slept = 0
	for range 1000 { // a second of work
		now = now.Add(time.Millisecond)
		if err := p.step(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if slept < 2900*time.Millisecond || slept > 3100*time.Millisecond {
		t.Errorf("a second of work had %s of rest", slept)
	}
}
