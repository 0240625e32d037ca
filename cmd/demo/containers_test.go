package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// What Docker writes: a line an object; the oldest file is dropped.
func TestContainerRotates(t *testing.T) {
	root, tally, rotations := t.TempDir(), newTally(), 0
	c := project(tally, func(*container) { rotations++ })[0]
	c.maxSize = 1000
	if err := c.create(root); err != nil {
		t.Fatal(err)
	}
	defer func() { c.f.Close() }()
	for n := range 100 {
		if err := c.write(fmt.Sprintf("<line> %d", n)); err != nil {
			t.Fatal(err)
		}
	}
	files, _ := filepath.Glob(filepath.Join(root, "containers", c.id, "*-json.log*"))
	if len(files) != keepFiles || rotations < 5 || c.rotations() != rotations {
		t.Fatalf("%d rotations, %q", rotations, files)
	}
	var seen []string
	for _, suffix := range []string{".2", ".1", ""} {
		b, err := os.ReadFile(c.path + suffix)
		if err != nil {
			t.Fatal(err)
		}
		if suffix != "" && (len(b) < 1000 || len(b) > 1200) {
			t.Errorf("%s has %d bytes", suffix, len(b))
		}
		for line := range strings.Lines(string(b)) {
			var l struct {
				Log, Stream string
				Time        time.Time
			}
			if err := json.Unmarshal([]byte(line), &l); err != nil || l.Stream != "stderr" || l.Time.IsZero() {
				t.Fatalf("%q: %v", line, err)
			}
			seen = append(seen, l.Log)
		}
	}
	for i, line := range seen {
		n := 100 - len(seen) + i
		if want := fmt.Sprintf("<line> %d seq=%d\n", n, n+1); line != want {
			t.Fatalf("%q, want %q", line, want)
		}
	}
}

// What is planted is written also at the end.
func TestContainerWritesWhatIsPlanted(t *testing.T) {
	tally := newTally()
	c := project(tally, func(*container) {})[2]
	if err := c.create(t.TempDir()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	c.plant("planted")
	if err := c.run(ctx); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(c.path)
	if err != nil || !strings.HasPrefix(string(b), `{"log":"planted seq=1\n","stream":"stderr","time":"`) {
		t.Errorf("%q, %v", b, err)
	}
}

func TestTally(t *testing.T) {
	tally := newTally()
	for _, log := range []string{"a", "b"} {
		for range 3 {
			tally.number(log, "text")
		}
	}
	found := []finding{{"R", "error", "critical"}}
	for _, c := range []struct {
		container, log string
		first          bool
	}{
		{"/a", "text seq=1", true},
		{"/a", "text seq=3", true},
		{"/a", "text seq=1", false}, // again
		{"/b", "text seq=1", true},
		{"/b", "another text seq=2", false},
		{"/b", "text seq=4", false}, // nobody wrote it
		{"/c", "text seq=1", false},
		{"/b", "text", false},
		{"/b", "text seq=x", false},
	} {
		if first := tally.arrived(entry{c.container, c.log, found}); first != c.first {
			t.Errorf("%s %q: %v", c.container, c.log, first)
		}
	}
	want := counts{written: 6, arrived: 3, repeated: 1, waiting: 3, strange: 5}
	if c := tally.counts(); c != want {
		t.Errorf("got %+v, want %+v", c, want)
	}
	if r := tally.rules(); len(r) != 1 || r["R"].lines != 3 {
		t.Errorf("rules: %+v", r)
	}
}
