package backups

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/webgrip/logkeel/agent/testenv"
)

func threeNights(t *testing.T, p *place) {
	t.Helper()
	for i := range 3 {
		age := time.Duration(i)*day + time.Hour
		p.set(name(age), age, nightly(t, gz(noise(1000), dump)))
	}
}

// TestRestart verifies nothing twice: not after a restart, not what was renamed,
// not what another mount shows with other inodes.
func TestRestart(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newPlace(t, pageFiles)
		threeNights(t, p)
		if got := p.take(); p.err != nil || got["verified_bytes_total"] == 0 {
			t.Fatal(got, p.err)
		}
		again := func(c Config) map[string]float64 {
			p.s.Close()
			p.s = New(c, p.dir, p.state)
			return p.take()
		}
		whole := map[string]float64{"verified_bytes_total": 0, "unverified_files": 0, `ok{file="database.sql.gz"}`: 1, "age_seconds": 3600}
		want(t, again(p.c), whole)
		newest := filepath.Join(p.dir, name(time.Hour))
		if err := os.Rename(newest, newest+".moved"); err != nil {
			t.Fatal(err)
		}
		want(t, again(p.c), whole)
		for _, all := range p.s.memory.files {
			for _, r := range all {
				r.Inode++
			}
		}
		p.s.memory.dirty = true
		p.once()
		if err := os.Rename(newest+".moved", newest); err != nil {
			t.Fatal(err)
		}
		want(t, again(p.c), whole)
		// Where it is looked at as something else it is read again.
		c := p.c
		c.Files = []File{{Match: "database.sql.gz", Kind: "any"}}
		if got := again(c); got["verified_bytes_total"] < 3000 {
			t.Errorf("%v bytes were verified", got["verified_bytes_total"])
		}
	})
}

func TestForget(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newPlace(t, pageFiles)
		threeNights(t, p)
		p.take()
		if n := len(p.s.memory.files); n == 0 {
			t.Fatal("nothing is remembered")
		}
		os.RemoveAll(p.dir)
		os.Mkdir(p.dir, 0o755)
		p.take()
		if n, told := len(p.s.memory.files), len(p.s.memory.told); n+told > 0 {
			t.Errorf("%d files and %d sets are remembered", n, told)
		}
		// But how large they were: it is what the next one is compared with.
		p.set(name(0), 0, nightly(t, gz(dump)))
		time.Sleep(time.Hour)
		want(t, p.take(), map[string]float64{`problem{problem="small"}`: 1, `ok{file="database.sql.gz"}`: 0, `ok{file="env.backup"}`: 1})
	})
}

// TestState has a file in state_dir that is damaged, and one that cannot be
// written.
func TestState(t *testing.T) {
	bubble(t, func(t *testing.T) {
		for _, text := range []string{"", "{", "null", `{"version":1,"files":[null,{}],"sizes":{"a":null}}`, `{"version":99,"files":[]}`, strings.Repeat(" ", maxMemory+1)} {
			p := newPlace(t, pageFiles)
			threeNights(t, p)
			write(t, filepath.Join(p.state, "backups", "nightly.json"), text, time.Now())
			p.once()
			if damaged := text == "" || text == "{" || len(text) > maxMemory; damaged != (p.err != nil) {
				t.Errorf("%.20q: %v", text, p.err)
			}
			want(t, p.take(), map[string]float64{"age_seconds": 3600})
			if p.err != nil {
				t.Error(p.err)
			}
		}
		p := newPlace(t, pageFiles)
		threeNights(t, p)
		write(t, filepath.Join(p.state, "backups"), "in the way", time.Now())
		want(t, p.take(), map[string]float64{"age_seconds": 3600, "up": 1})
		testenv.WantError(t, p.err, "cannot be kept", "state_dir")
	})
}

// TestMemoryBounds has names that are others each time.
func TestMemoryBounds(t *testing.T) {
	m, err := load(filepath.Join(t.TempDir(), "no", "file.json"))
	if err != nil {
		t.Fatal(err)
	}
	at := time.Now()
	for i := range 3000 {
		f := &file{path: fmt.Sprint("/b/", i), size: int64(i), mtime: at.Add(time.Duration(i))}
		m.add(f, verdict{reason: strings.Repeat("x", 200)})
		m.note(fmt.Sprint("label", i), at, 1, true)
		m.note("one", at.Add(time.Duration(i)), int64(i), true)
	}
	if err := m.save(); err != nil {
		t.Fatal(err)
	}
	if m, err = load(m.path); err != nil || len(m.files) != maxRemembered || len(m.sizes) != 2*maxFiles {
		t.Errorf("%v, %d files, %d labels", err, len(m.files), len(m.sizes))
	}
	if usual, ok := m.usual("one", at.Add(time.Hour)); len(m.sizes["one"]) != maxHistory || !ok || usual != 2992 {
		t.Errorf("%d sizes, usual %d", len(m.sizes["one"]), usual)
	}
	if _, ok := m.usual("one", at.Add(2987)); ok {
		t.Error("two are enough")
	}
}

// TestHang has a file system that does not answer.
func TestHang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace(t, pageFiles)
		hangs := make(chan listing)
		p.s.listing = hangs
		got, err := testenv.Take(t, p.s)
		testenv.WantDown(t, "logkeel_backup_up", got, err, p.dir, "file system hang")
		go func() { hangs <- listing{} }()
		synctest.Wait()
		want(t, p.once(), map[string]float64{"up": 1})
	})
}

// TestAway has a folder that is not there, and one that may not be read.
func TestAway(t *testing.T) {
	p := newPlace(t, pageFiles)
	p.s.c.Path = filepath.Join(p.dir, "no")
	got, err := testenv.Take(t, p.s)
	testenv.WantDown(t, "logkeel_backup_up", got, err, "no such file", "mounted")
	p.s.c.Path = filepath.Join(p.dir, "no", "*.gz")
	got, err = testenv.Take(t, p.s)
	testenv.WantDown(t, "logkeel_backup_up", got, err, "no such file", "mounted")
	write(t, filepath.Join(p.dir, "a.sql.gz"), gz(dump), time.Now())
	p.s.c.Path = p.dir
	got, err = testenv.Take(t, p.s)
	testenv.WantDown(t, "logkeel_backup_up", got, err, "no folders", "*.gz")
	testenv.WantError(t, readable(&fs.PathError{Op: "open", Path: "/b", Err: fs.ErrPermission}), "/b", "setfacl")
}

// TestUnreadable has a file that the disk cannot read, and one that may not be
// read: of that nothing is known.
func TestUnreadable(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newPlace(t, pageFiles)
		threeNights(t, p)
		sets, err := p.s.c.list(time.Now())
		if err != nil {
			t.Fatal(err)
		}
		p.take()
		p.s.memory.files = map[identity][]*remembered{}
		p.s.jobs = nil
		for _, c := range []struct {
			err    error
			broken float64
		}{{readable(&fs.PathError{Op: "open", Path: "/b", Err: fs.ErrPermission}), 0}, {errors.New("input/output error"), 1}} {
			for _, f := range sets[0].files {
				p.s.learn(f, verdict{}, c.err)
			}
			got := p.once()
			if got[`problem{problem="corrupt"}`] != c.broken || c.broken == 0 && p.err == nil {
				t.Errorf("%v: %v, %v", c.err, got, p.err)
			}
			if c.broken == 0 {
				testenv.WantError(t, p.err, "setfacl")
			}
			p.s.Close()
			p.s.memory.files = map[identity][]*remembered{}
		}
		// What the disk could not read is tried again later, and counts until then.
		time.Sleep(retry - time.Minute)
		want(t, p.take(), map[string]float64{`problem{problem="corrupt"}`: 1})
		time.Sleep(2 * time.Minute)
		want(t, p.once(), map[string]float64{`problem{problem="corrupt"}`: 1})
		want(t, p.take(), map[string]float64{`problem{problem="corrupt"}`: 0, "unverified_files": 0})
	})
}

// TestOnce reads a file once, however often it is asked for meanwhile.
func TestOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newPlace(t, func(c *Config) { c.Rate = 1 << 20 })
		p.set("one", time.Hour, map[string]string{"a.bin": noise(2 << 20), "b.bin": noise(1 << 20)})
		for range 10 {
			p.once()
			time.Sleep(500 * time.Millisecond)
		}
		want(t, p.take(), map[string]float64{"verified_bytes_total": 3 << 20, "unverified_files": 0})
	})
}

// TestPace holds reading to its rate, and ends at once when that is wanted.
func TestPace(t *testing.T) {
	before := runtime.NumGoroutine()
	bubble(t, func(t *testing.T) {
		p := newPlace(t, func(c *Config) { c.Rate, c.Verify = 1<<20, 1 })
		p.set(name(time.Hour), time.Hour, map[string]string{"a.bin": noise(4 << 20)})
		p.set(name(2*time.Hour), 2*time.Hour, map[string]string{"a.bin": noise(4 << 20)})
		start := time.Now()
		want(t, p.take(), map[string]float64{`ok{file="a.bin"}`: 1, "verified_bytes_total": 4 << 20, "unverified_files": 0})
		if took := time.Since(start); took < 3*time.Second || took > 60*time.Second {
			t.Errorf("it took %s", took)
		}
		p.set(name(time.Minute*30), time.Minute*30, map[string]string{"a.bin": noise(16 << 20)})
		p.once()
		time.Sleep(3 * time.Second)
		start = time.Now()
		p.s.Close()
		if took := time.Since(start); took > time.Second {
			t.Errorf("Close took %s", took)
		}
		got := p.once() // and it begins again
		want(t, got, map[string]float64{"unverified_files": 1, "age_seconds": 3607})
		p.s.Close()
	})
	testenv.WantGoroutines(t, before)
}
