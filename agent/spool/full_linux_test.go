package spool

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/webgrip/logkeel/agent"
)

// TestFullDisk fills a real disk: what was appended stays, and goes on once
// there is room.
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("spool-test", dir, "tmpfs", 0, "size=1m"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("NOT TESTED: a full disk needs a tmpfs of its own: %v", err)
		}
		t.Skipf("NOT TESTED: a full disk needs a tmpfs of its own: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	ballast := filepath.Join(dir, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 512<<10), 0o600); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "spool")
	s, err := Open(path, Options{MaxBytes: 8 << 20})
	if err != nil {
		t.Fatal(err)
	}
	n := int64(0)
	frame := func() Frame {
		return Frame{Payload: append(payload("s", n+1), make([]byte, 50_000)...), Records: 1, Ranges: []Range{{Source: "s", Records: 1, To: agent.Position{Epoch: 1, Offset: n + 1}}}}
	}
	fill := func() {
		t.Helper()
		for {
			if _, err := s.Append([]Frame{frame()}); err != nil {
				return
			}
			if n++; n > 100 {
				t.Fatal("the disk never was full")
			}
		}
	}
	fill()
	if n == 0 {
		t.Fatal("nothing could be appended")
	}
	for range 3 {
		if _, err := s.Append([]Frame{frame()}); err == nil {
			t.Fatal("appended to a full disk")
		}
	}
	// A process that is killed now finds all of it, disk full or not.
	if s, err = Open(path, Options{MaxBytes: 8 << 20}); err != nil {
		t.Fatal(err)
	}
	if got := s.Frames(); got != int(n) {
		t.Fatalf("%d frames; want %d", got, n)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	before := n
	fill()
	if n == before {
		t.Fatal("nothing could be appended after room was made")
	}
	for i := int64(1); i <= n; i++ {
		f, ok, err := s.Next(nil)
		if err != nil || !ok || f.Ranges[0].To.Offset != i {
			t.Fatalf("frame %d: %+v %v %v", i, f.Ranges, ok, err)
		}
		s.Done(f.Seq)
	}
	if !s.Empty() {
		t.Fatal("not empty")
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}
