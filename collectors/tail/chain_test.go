package tail

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestRotation(t *testing.T) {
	for suffix, want := range map[string]kind{
		".1": number, ".0": number, ".9999": number, "-20250109": date, "-2025010914": date, ".2025-01-09": date, "-20250109-1736430000": date,
		"": neither, ".gz": neither, ".1.gz": number, "-20250109.gz": date, ".": neither, "1": neither, ".10000": neither, "-1": neither, ".-1": neither, "-2025010x": neither, ".old": neither, "_20250109": neither,
	} {
		if _, got := rotation(suffix); got != want {
			t.Errorf("%q: %v, want %v", suffix, got, want)
		}
	}
}

func TestChainOrder(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a.log", "a.log.2", "a.log.10", "a.log.1", "a.log.1.gz", "a.log.x", "ba.log.1", "a.log-20250101", "a.log-20250109"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "a.log.3"), 0o700); err != nil {
		t.Fatal(err)
	}
	c := chain{filepath.Join(dir, "a.log"), newHost()}
	w, err := c.walk(all)
	if err != nil {
		t.Fatal(err)
	}
	defer closeAll(w.files)
	var names []string
	for _, f := range w.files {
		names = append(names, filepath.Base(f.name))
	}
	if got := strings.Join(names, " "); got != "a.log a.log.1 a.log.2 a.log.10 a.log-20250109 a.log-20250101" {
		t.Error(got)
	}
}

// While a log is rotated all the time, a walk misses none of its files.
func TestChainWhileRotating(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.log")
	const files = 8
	name := func(i int) string {
		if i == 0 {
			return path
		}
		return fmt.Sprintf("%s.%d", path, i)
	}
	born := func(n int) string { return fmt.Sprintf("%06d", n) }
	for i := range files {
		if err := os.WriteFile(name(i), []byte(born(files-i)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		for n := files + 1; ctx.Err() == nil; n++ {
			for i := files - 1; i > 0; i-- {
				os.Rename(name(i-1), name(i))
			}
			os.WriteFile(path, []byte(born(n)), 0o600)
			time.Sleep(200 * time.Microsecond)
		}
	})
	gaps := func(all []opened) (n int) {
		last := 0
		for _, f := range all {
			var buf [6]byte
			if got, _ := f.ReadAt(buf[:], 0); got < len(buf) {
				continue // made and not written yet
			}
			k, _ := strconv.Atoi(string(buf[:]))
			if last != 0 && k != last-1 {
				n++
			}
			last = k
		}
		closeAll(all)
		return n
	}
	c := chain{path, newHost()}
	once, complete := 0, 0
	for i := 0; i < 20_000 && once < 6; i++ {
		w, err := c.walkOnce(all)
		if err != nil {
			t.Fatal(err)
		}
		once += gaps(w.files)
		if w, err = c.walk(all); err != nil {
			t.Fatal(err)
		}
		complete += gaps(w.files)
	}
	cancel()
	wg.Wait()
	if complete > once/3 {
		t.Errorf("%d gaps, and %d without repeating", complete, once)
	}
}
