package tail

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// A log is rotated as fast as can be while it is walked: no file between two that
// were met is missing.
func TestChainDuringRotation(t *testing.T) {
	const files, rotations = 8, 800
	path := filepath.Join(t.TempDir(), "app.log")
	write := func(n int) {
		if err := os.WriteFile(path, []byte(fmt.Sprintf("file %d\n", n)), 0o600); err != nil {
			t.Error(err)
		}
	}
	write(0)
	c := chain{path, newHost()}
	held, err := c.host.openFile(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { held.Close() }()
	done := make(chan struct{})
	defer func() { <-done }()
	go func() {
		defer close(done)
		for n := 1; n <= rotations; n++ {
			for i := files - 1; i > 1; i-- {
				os.Rename(fmt.Sprintf("%s.%d", path, i-1), fmt.Sprintf("%s.%d", path, i))
			}
			os.Rename(path, path+".1")
			write(n)
		}
	}()
	number := func(f opened) (n int) {
		buf := make([]byte, 20)
		got, _ := f.ReadAt(buf, 0)
		if _, err := fmt.Sscanf(string(buf[:got]), "file %d", &n); err != nil {
			return -1 // not written yet
		}
		return n
	}
	for running := true; running; {
		select {
		case <-done:
			running = false
		default:
		}
		newer, found, _, err := c.after(held)
		if errors.Is(err, errRotated) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		at := number(held)
		for i, f := range newer {
			n := number(f)
			if found && n >= 0 && at >= 0 && n != at+1 || !found && i > 0 && n >= 0 && n != at+1 {
				t.Fatalf("after file %d comes file %d (%s), of %d; the one before was there: %v", at, n, f.name, len(newer), found)
			}
			at = n
		}
		if n := len(newer); n > 0 {
			closeAll(newer[:n-1])
			held.Close()
			held = newer[n-1]
		}
	}
}

// A walk that stops at the newest file has seen whether there are older ones.
func TestWalkSeesOlderNames(t *testing.T) {
	c := chain{filepath.Join(t.TempDir(), "app.log"), newHost()}
	for _, name := range []string{c.path, c.path + ".1"} {
		if err := os.WriteFile(name, []byte(name+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		w, err := c.walk(first)
		if err != nil {
			t.Fatal(err)
		}
		closeAll(w.files)
		if len(w.met) != 1 || w.older != (name != c.path) {
			t.Errorf("with %s: met %d, older %v", name, len(w.met), w.older)
		}
	}
}
