package backups

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/webgrip/logkeel/agent/testenv"
)

// TestGlob has a file for each backup, and its sum beside it.
func TestGlob(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newPlace(t, func(c *Config) { c.Path += "/*" })
		for i := range 4 {
			age := time.Duration(i)*day + time.Hour
			write(t, filepath.Join(p.dir, "shop-"+name(age)+".sql.gz"), gz(noise(900), dump), time.Now().Add(-age))
			write(t, filepath.Join(p.dir, "shop-"+name(age)+".sql.gz.sha256"), sumOf(gz(noise(900), dump))+"  /elsewhere/shop.sql.gz\n", time.Now().Add(-age))
		}
		want(t, p.take(), map[string]float64{"sets": 4, `ok{file="*"}`: 1, "age_seconds": 3600, `problem{problem="manifest"}`: 0, `size_ratio{file="*"}`: 1})
		newest := filepath.Join(p.dir, "shop-"+name(time.Hour)+".sql.gz")
		write(t, newest+".sha256", sumOf("x")+"  "+newest+"\n", time.Now().Add(-time.Hour))
		want(t, p.take(), map[string]float64{`ok{file="*"}`: 0, `problem{problem="manifest"}`: 1, "age_seconds": 3600 + day.Seconds()})
	})
}

func TestGlobKinds(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newPlace(t, func(c *Config) {
			c.Path += "/*.gz"
			c.Files = []File{{Match: "db-*", Kind: "sql", MinSize: 5000}}
		})
		write(t, filepath.Join(p.dir, "db-1.gz"), gz("x"), time.Now().Add(-time.Hour))
		want(t, p.take(), map[string]float64{`ok{file="*.gz"}`: 0, `problem{problem="no_trailer"}`: 1, `problem{problem="small"}`: 0})
		write(t, filepath.Join(p.dir, "db-2.gz"), gz(dump), time.Now().Add(-time.Hour+time.Second))
		want(t, p.take(), map[string]float64{`ok{file="*.gz"}`: 0, `problem{problem="no_trailer"}`: 0, `problem{problem="small"}`: 1})
		if !strings.Contains(p.notes[`problem{problem="small"}`], "min_size") {
			t.Error(p.notes)
		}
		write(t, filepath.Join(p.dir, "other.gz"), gz(dump), time.Now().Add(-time.Hour+2*time.Second))
		want(t, p.take(), map[string]float64{`problem{problem="missing_file"}`: 1})
	})
}

// TestWhatever has folders whose files nobody has named, with names that others
// chose.
func TestWhatever(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newPlace(t, nil)
		files := map[string]string{"db-20260102.sql.gz": gz(dump), "evil\x1b[2J\n.bin": "x", strings.Repeat("long", 50): "x"}
		for i := range 40 {
			files[fmt.Sprintf("part%c%c", 'a'+i%26, 'a'+i/26)] = "x"
		}
		p.set("one", time.Hour, files)
		p.set("one/sub", time.Hour, map[string]string{"not.sql": "looked at"})
		os.Chtimes(filepath.Join(p.dir, "one"), time.Time{}, time.Now().Add(-time.Hour))
		got := p.take()
		want(t, got, map[string]float64{`ok{file="db-*.sql.gz"}`: 1, `ok{file="(other)"}`: 1, "age_seconds": 3600})
		labels := 0
		for key := range got {
			if strings.HasPrefix(key, "ok{") {
				labels++
			}
			if strings.ContainsAny(key, "\x1b\n") || len(key) > 150 {
				t.Errorf("%q", key)
			}
		}
		if labels != maxFiles+1 {
			t.Errorf("%d labels", labels)
		}
		p.set("two", time.Minute*10, nil)
		os.Mkdir(filepath.Join(p.dir, "two"), 0o755)
		os.Chtimes(filepath.Join(p.dir, "two"), time.Time{}, time.Now().Add(-10*time.Minute))
		want(t, p.take(), map[string]float64{`problem{problem="missing_file"}`: 1, "age_seconds": 3600, "sets": 2})
	})
}

// TestHostile has what must not be opened, or would block.
func TestHostile(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newPlace(t, func(c *Config) { c.Files = []File{{Match: "*.sql"}, {Match: "in/x.sql"}} })
		dir := filepath.Join(p.dir, "one")
		write(t, filepath.Join(p.dir, "secret.sql"), "mariadb: s3cret\n", time.Now().Add(-time.Hour))
		os.MkdirAll(dir, 0o755)
		if err := syscall.Mkfifo(filepath.Join(dir, "pipe.sql"), 0o644); err != nil {
			t.Fatal(err)
		}
		for link, to := range map[string]string{"link.sql": "../secret.sql", "in": "..", "null.sql": "/dev/zero"} {
			if err := os.Symlink(to, filepath.Join(dir, link)); err != nil {
				t.Fatal(err)
			}
		}
		os.Rename(filepath.Join(p.dir, "secret.sql"), filepath.Join(p.dir, "x.sql"))
		os.Chtimes(dir, time.Time{}, time.Now().Add(-time.Hour))
		got := p.take()
		want(t, got, map[string]float64{`problem{problem="missing_file"}`: 1, "verified_bytes_total": 0, "unverified_files": 0})
		for _, note := range p.notes {
			if strings.Contains(note, "s3cret") {
				t.Error(note)
			}
		}
		c := p.c
		sets, err := c.list(time.Now())
		if err != nil || len(sets) != 1 {
			t.Fatal(sets, err)
		}
		for _, name := range []string{"pipe.sql", "link.sql", "null.sql", "in/x.sql"} {
			if _, err := open(dir, &file{name: name}); err == nil {
				t.Errorf("%s was opened", name)
			}
		}
		// One that changes while it is read says nothing.
		write(t, filepath.Join(dir, "a.sql"), dump, time.Now().Add(-time.Hour))
		if sets, err = c.list(time.Now()); err != nil || len(sets[0].files) != 1 {
			t.Fatal(sets[0].files, err)
		}
		v := testVerifier()
		v.read = func(int) { write(t, filepath.Join(dir, "a.sql"), dump+"more", time.Now()) }
		if _, err := v.verify(t.Context(), dir, sets[0].files[0], false); err != errChanged {
			t.Errorf("%v, want %v", err, errChanged)
		}
	})
}

func TestMany(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newPlace(t, nil)
		for i := range maxSets + 1 {
			if err := os.Mkdir(filepath.Join(p.dir, fmt.Sprint("b", i)), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		got, err := testenv.Take(t, p.s)
		testenv.WantDown(t, "logkeel_backup_up", got, err, "2001 backups are more than 2000", "narrow path")
		os.Remove(filepath.Join(p.dir, "b0"))
		big := filepath.Join(p.dir, "b1")
		for i := range maxInSet + 2 {
			write(t, filepath.Join(big, fmt.Sprintf("f%03d", i)), "x", time.Now())
		}
		time.Sleep(time.Hour)
		want(t, p.once(), map[string]float64{"sets": maxSets})
		one, err := p.s.c.set(big, time.Now())
		if err != nil || len(one.files) != maxInSet || len(one.faults) != 1 {
			t.Errorf("%v, %d files, %v", err, len(one.files), one.faults)
		}
	})
}

func TestNameTime(t *testing.T) {
	for name, want := range map[string]string{
		"20260102_020304": "2026-01-02T02:03:04", "db-2026-01-02.sql.gz": "2026-01-02T00:00:00", "x-20260102T0203Z.gz": "2026-01-02T02:03:00",
		"2026-01-02 02:03:04": "2026-01-02T02:03:04", "20261302": "", "20260231": "", "backup": "", "1999-01-01": "", "": "",
	} {
		got, ok := nameTime(name)
		if ok != (want != "") || ok && got.Format("2006-01-02T15:04:05") != want {
			t.Errorf("%q: %v %s, want %s", name, ok, got, want)
		}
	}
}
