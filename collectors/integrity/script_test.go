package integrity

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/webgrip/logkeel/agent/conf"
	"github.com/webgrip/logkeel/agent/printable"
)

// TestScripts runs testdata/scripts/*.txtar. The files of an archive are there at
// first, below D, but for config: the item's section. The comment has commands:
//
//	walk, some FOLDER..., rehash       look at all; at some; read files again
//	restart, restart_torn              from the baseline; from one that is damaged
//	config TEXT                        another item, after a restart; \n is a line end
//	write FILE TEXT, append FILE TEXT  TEXT is a Go string
//	mkdir, rm FILE, mv A B, ln TO FILE, fifo FILE
//	chmod MODE FILE, chown UID FILE, touch FILE
//	forge FILE TEXT                    its content changes, and no time of it
//	racing FILE TEXT                   written while the next command reads it
//	user UID                           who reads from now on
//	now                                files that are written now have just changed
//	expect                             the indented lines below were found since the
//	                                   last expect: KIND FILE, sorted
//	fails TEXT                         the last walk said so; empty: nothing
//	counts WORD=N...                   of the tally
func TestScripts(t *testing.T) {
	scripts, err := filepath.Glob("testdata/scripts/*.txtar")
	if err != nil || len(scripts) == 0 {
		t.Fatal("no scripts", err)
	}
	for _, file := range scripts {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			a, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			newWorld(t, a).run(string(a.Comment))
		})
	}
}

type world struct {
	*testing.T
	dir, state string
	w          *watch
	later      time.Duration // that the watch's clock is ahead
	found      []finding
	counts     [kinds]int
	failure    error
}

func newWorld(t *testing.T, a *txtar.Archive) *world {
	w := &world{T: t, dir: t.TempDir(), state: filepath.Join(t.TempDir(), "integrity", "x.baseline"), later: 10 * time.Second}
	w.must(os.Chmod(filepath.Dir(w.dir), 0o755)) // for other users
	config := "paths: D\n"
	for _, f := range a.Files {
		if f.Name == "config" {
			config = string(f.Data)
			continue
		}
		w.write(f.Name, string(f.Data))
	}
	w.start(config)
	return w
}

// item reads the section of one item; D in it is the folder.
func item(t testing.TB, text, dir string) (Config, error) {
	t.Helper()
	var c struct {
		X []Config `yaml:"integrity"`
	}
	text = "  - name: x\n    " + strings.ReplaceAll(strings.TrimSpace(strings.ReplaceAll(text, "D/", dir+"/")), "\n", "\n    ")
	text = strings.ReplaceAll(text+"\n", " D\n", " "+dir+"\n")
	d, err := conf.Decode("a.yaml", []byte("integrity:\n"+text), &c, conf.Options{})
	if err != nil {
		return Config{}, err
	}
	return c.X[0], c.X[0].Check(d, "integrity[0]")
}

func (w *world) start(config string) {
	c, err := item(w, config, w.dir)
	if err != nil {
		w.Fatal(err)
	}
	w.begin(c)
}

// begin begins anew with what is in the baseline.
func (w *world) begin(c Config) error {
	w.w = newWatch(c, "/")
	w.w.now = func() time.Time { return time.Now().Add(w.later) }
	w.w.reader.pace.sleep = func(ctx context.Context, _ time.Duration) error { return ctx.Err() }
	_, err := w.w.load(w.state)
	return err
}

func (w *world) path(name string) string { return filepath.Join(w.dir, name) }

func (w *world) write(name, text string) {
	w.Helper()
	path := w.path(name)
	w.must(os.MkdirAll(filepath.Dir(path), 0o755))
	w.must(os.WriteFile(path, []byte(text), 0o644))
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) run(script string) {
	lines := strings.Split(script, "\n")
	for i := 0; i < len(lines); i++ {
		line := lines[i]
		if strings.TrimSpace(line) == "" || line[0] == '#' {
			continue
		}
		word, rest, _ := strings.Cut(line, " ")
		if word == "expect" {
			var want []string
			for i+1 < len(lines) && strings.HasPrefix(lines[i+1], "\t") {
				i++
				want = append(want, strings.TrimSpace(lines[i]))
			}
			if got := w.take(); !slices.Equal(got, want) {
				w.Fatalf("line %d: found\n%s\nwant\n%s", i+1, strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
			continue
		}
		if err := w.command(word, rest); err != nil {
			w.Fatalf("line %d: %s: %v", i+1, line, err)
		}
	}
}

// take are the findings since it was last called, and how many are not told.
func (w *world) take() (lines []string) {
	for _, f := range w.found {
		lines = append(lines, fmt.Sprintf("%s %s", f.kind, cmp.Or(printable.Line(relative(w.dir, f.path)), ".")))
		w.counts[f.kind]--
	}
	slices.Sort(lines)
	for k, n := range w.counts {
		if n > 0 {
			lines = append(lines, fmt.Sprintf("%s and %d more", kind(k), n))
		}
	}
	w.found, w.counts = nil, [kinds]int{}
	return lines
}

func (w *world) add(c *check) {
	w.found = append(w.found, c.batch.findings...)
	for k, n := range c.batch.counts {
		w.counts[k] += n
	}
}

func (w *world) walk() error {
	c, err := w.w.everything(w.Context())
	w.failure = err
	if c.first != nil {
		w.failure = fmt.Errorf("%w; %d unreadable: %w", err, c.unreadable, c.first)
	}
	w.add(c)
	w.w.plan()
	return nil
}

func (w *world) rehash() error {
	for range 10_000 {
		c, done, err := w.w.rehash(w.Context())
		w.add(c)
		if done || err != nil {
			return err
		}
	}
	return fmt.Errorf("it does not end")
}

// as runs f with the rights to files that the user has.
func as(uid int, f func() error) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if _, err := unix.SetfsuidRetUid(uid); err != nil {
		return err
	}
	defer unix.Setfsuid(unix.Getuid())
	return f()
}

func unquote(s string) string {
	if u, err := strconv.Unquote(s); err == nil {
		return u
	}
	return s
}
