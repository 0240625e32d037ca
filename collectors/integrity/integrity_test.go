package integrity

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/testenv"
)

// A logBuffer is what the agent's log says.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func testLog() *slog.Logger { return slog.New(slog.DiscardHandler) }

// newSampler makes one of an item, with its state in dir + "-state".
func newSampler(t *testing.T, text, dir string) (*Sampler, *logBuffer) {
	t.Helper()
	c, err := item(t, text, dir)
	if err != nil {
		t.Fatal(err)
	}
	log := &logBuffer{}
	s := New(c, dir, dir+"-state", slog.New(slog.NewTextHandler(log, nil)))
	t.Cleanup(func() { s.Close() })
	return s, log
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
		t.Fatal(err)
	}
}

// until takes snapshots until ok holds for one.
func until(t *testing.T, s *Sampler, what string, ok func(map[string]float64, error) bool) map[string]float64 {
	t.Helper()
	for end := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		got, err := testenv.Take(t, s)
		if ok(got, err) {
			return got
		}
		if time.Now().After(end) {
			t.Fatalf("%s: not within a minute; there is %v, %v", what, got, err)
		}
	}
}

func calm(got map[string]float64, err error) bool {
	return err == nil && got["logkeel_integrity_last_walk_timestamp_seconds"] > 0 && got["logkeel_integrity_unhashed"] == 0
}

func series(path, kind string) string {
	return fmt.Sprintf("logkeel_integrity_finding{path=%q,kind=%q}", path, kind)
}

// TestSampler: a change is found within seconds, by notification, and one that
// happens while the agent is away by the next start.
func TestSampler(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "app")
	for _, name := range []string{"a", "b", "sub/c", "cache/x"} {
		write(t, filepath.Join(dir, name), "one")
	}
	s, log := newSampler(t, "paths: D\nexclude: cache", dir)
	first, err := testenv.Take(t, s)
	if err != nil || first["logkeel_integrity_changed_total"] != 0 {
		t.Fatalf("the first snapshot: %v, %v", first, err)
	}
	if _, ok := first["logkeel_integrity_files"]; ok {
		t.Error("files are counted before a walk")
	}
	got := until(t, s, "the first walk", calm)
	if got["logkeel_integrity_files"] != 3 || got["logkeel_integrity_unwatched_folders"] != 0 || got["logkeel_integrity_omitted"] != 0 {
		t.Errorf("got %v", got)
	}
	write(t, filepath.Join(dir, "a"), "two")
	write(t, filepath.Join(dir, "cache/x"), "two")
	write(t, filepath.Join(dir, "new/deep/file"), "x")
	os.Remove(filepath.Join(dir, "sub/c"))
	os.Chmod(filepath.Join(dir, "b"), 0o666)
	got = until(t, s, "what changed", func(got map[string]float64, err error) bool {
		return got["logkeel_integrity_changed_total"] == 1 && got["logkeel_integrity_added_total"] == 1 && got["logkeel_integrity_removed_total"] == 1
	})
	for key, want := range map[string]float64{
		series(dir+"/a", "changed"):                       1,
		series(dir+"/new/deep/file", "added"):             1,
		series(dir+"/sub/c", "removed"):                   1,
		series(dir+"/b", "world_writable"):                1,
		`logkeel_integrity_world_writable{type="file"}`:   1,
		`logkeel_integrity_world_writable{type="folder"}`: 0,
		"logkeel_integrity_mode_changed_total":            1,
		"logkeel_integrity_setuid":                        0,
	} {
		if v, ok := got[key]; !ok || v != want {
			t.Errorf("%s is %v, want %v", key, v, want)
		}
	}
	wantRecords(t, s, dir)

	s.Close()
	write(t, filepath.Join(dir, "b"), "three")
	until(t, s, "a change while it was closed", func(got map[string]float64, err error) bool {
		return calm(got, err) && got["logkeel_integrity_changed_total"] == 2
	})
	again, _ := newSampler(t, "paths: D\nexclude: cache", dir)
	s.Close()
	write(t, filepath.Join(dir, "b"), "four")
	got = until(t, again, "a change while it was away", func(got map[string]float64, err error) bool { return got["logkeel_integrity_changed_total"] == 1 })
	for _, name := range []string{"a", "b"} { // what was found before is still told
		if got[series(dir+"/"+name, "changed")] != 1 {
			t.Errorf("after a restart there is %v", got)
		}
	}
	if log.String() != "" {
		t.Errorf("the log says %s", log)
	}
}

func wantRecords(t *testing.T, s *Sampler, dir string) {
	t.Helper()
	var got []map[string]any
	s.Records(func(fields []agent.Field) {
		r := map[string]any{}
		for _, f := range fields {
			r[f.Name] = f.Value
		}
		got = append(got, r)
	})
	if len(got) != 5 || got[0]["logkeel_integrity_files"] != 3.0 || got[0]["logkeel_integrity_world_writable_file"] != 1.0 {
		t.Fatalf("records are %v", got)
	}
	i := slices.IndexFunc(got, func(r map[string]any) bool { return r["finding"] == "changed" })
	r := got[max(i, 0)]
	const one, two = "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed", "3fc4ccfe745870e2c0d99f71f30ff0656c8dedd41cc1d7d3d376b0dbe685e2f3"
	if r["path"] != dir+"/a" || r["old_sha256"] != one || r["new_sha256"] != two || r["old_size"] != int64(3) || r["new_mode"] != "0644" || r["new_uid"] != int64(os.Getuid()) {
		t.Errorf("the record of a change is %v", r)
	}
	s.Records(func(f []agent.Field) {
		if f[0].Name == "time" {
			t.Errorf("%v comes twice", f)
		}
	})
}

// TestWithoutNotification: walks go on, and it is said.
func TestWithoutNotification(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "app")
	write(t, dir+"/x/y/z", "")
	s, log := newSampler(t, "paths: D", dir)
	s.newFS = func() (*fsnotify.Watcher, error) { return nil, errors.New("no instance left") }
	got := until(t, s, "the first walk", calm)
	if got["logkeel_integrity_unwatched_folders"] != 3 || !strings.Contains(log.String(), "max_user_instances") || !strings.Contains(log.String(), "no instance left") {
		t.Errorf("got %v; the log says %s", got, log)
	}
}

// TestFewWatches: some folders have none.
func TestFewWatches(t *testing.T) {
	w := &world{T: t, dir: t.TempDir()}
	w.write("x/y/z", "")
	w.start("paths: D")
	fs, err := fsnotify.NewWatcher()
	if err != nil {
		t.Fatal(err)
	}
	n := newInotify(fs, w.w)
	defer n.close()
	n.limit = 2
	w.w.notify = n
	if err := w.walk(); err != nil || len(n.watched) != 2 || n.failed == nil {
		t.Errorf("%v: watched are %v, and it says %v", err, slices.Collect(maps.Keys(n.watched)), n.failed)
	}
}
