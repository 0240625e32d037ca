package spool

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/webgrip/logkeel/agent"
)

// A script is one run over all that a spool does, with every step tried until
// it works.
func (w *world) script() {
	for i := range 12 {
		for before := w.s.next; w.s.next == before; {
			w.append()
		}
		if i%3 == 2 {
			for len(w.flight) < 4 && w.next() {
			}
			w.ack()
			w.ack()
		}
		switch i {
		case 4:
			w.rewind()
		case 6:
			w.reopen()
		case 9:
			w.kill()
		}
		w.check()
	}
}

// TestEveryCallFails lets each call to the file system fail in turn, alone or
// with those after it, and then cuts the power or does not.
func TestEveryCallFails(t *testing.T) {
	for _, length := range []int{1, 2, 7} {
		for _, power := range []bool{false, true} {
			t.Run(fmt.Sprintf("%d in a row, power cut %v", length, power), func(t *testing.T) {
				for k := 1; ; k++ {
					w := newWorld(t, rand.New(rand.NewPCG(1, uint64(k))))
					hit := false
					w.retries = true
					w.fs.fail = func(call int, op, name string) error {
						// A frame that is not read three times is given up.
						if call < k+20 || call >= k+20+length || op == "read" && length >= readTries {
							return nil
						}
						hit = true
						return syscall.ENOSPC
					}
					w.script()
					if power {
						w.powerCut()
					}
					w.finish()
					if !power && w.drops > 0 {
						t.Fatalf("call %d: %d drops", k, w.drops)
					}
					if !hit {
						break
					}
				}
			})
		}
	}
}

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
		if err := exec.Command("umount", dir).Run(); err != nil {
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
