package backups

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/webgrip/logkeel/agent"
)

const day = 24 * time.Hour

// nightly is what the operations page's script writes.
func nightly(t testing.TB, db string) map[string]string {
	files := map[string]string{
		"database.sql.gz": db, "application-data.tar.gz": gz(tarOf(t, "./", "./a")), "env.backup": "A=1\n", "docker-compose.yml.backup": "x\n",
	}
	files["manifest.txt"] = fmt.Sprintf("Backup created: Fri Jan  2 02:00:03 UTC 2026\nDatabase size: %d bytes\nApplication data size: %d bytes\n"+
		"Configuration files: env.backup, docker-compose.yml.backup\n", len(files["database.sql.gz"]), len(files["application-data.tar.gz"]))
	return files
}

func pageFiles(c *Config) {
	c.Files = []File{{Match: "database.sql.gz"}, {Match: "application-data.tar.gz"}, {Match: "env.backup"}}
}

// bubble runs a test with a clock of its own, which begins in 2000.
func bubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(90 * day) // so that there is a past with 20 in front
		f(t)
	})
}

func name(age time.Duration) string { return time.Now().Add(-age).Format("20060102_150405") }

func TestGood(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newPlace(t, pageFiles)
		p.c.Keep = Keep{Count: 5, Days: 30}
		p.s = New(p.c, p.dir, p.state)
		for i := range 5 {
			age := time.Duration(i)*day + time.Hour
			p.set(name(age), age, nightly(t, gz(noise(1000+i), dump)))
		}
		os.Symlink(filepath.Join(p.dir, name(time.Hour)), filepath.Join(p.dir, "latest"))
		got := p.once()
		want(t, got, map[string]float64{"up": 1, "sets": 5, "unverified_files": 15, `ok{file="env.backup"}`: -1, `problem{problem="stale"}`: 0, `problem{problem="corrupt"}`: -1})
		got = p.take()
		if p.err != nil {
			t.Error(p.err)
		}
		at := float64(time.Now().Add(-time.Hour).Unix())
		want(t, got, map[string]float64{
			"newest_timestamp_seconds": at, "last_success_timestamp_seconds": at, "oldest_timestamp_seconds": at - 4*day.Seconds(), "age_seconds": 3600, "unverified_files": 0,
			`ok{file="database.sql.gz"}`: 1, `ok{file="application-data.tar.gz"}`: 1, `ok{file="env.backup"}`: 1, `size_bytes{file="env.backup"}`: 4, `size_ratio{file="env.backup"}`: 1,
		})
		for _, problem := range strings.Fields("stale small truncated corrupt no_trailer no_tar manifest missing_file too_few too_old") {
			want(t, got, map[string]float64{`problem{problem="` + problem + `"}`: 0})
		}
		want(t, got, map[string]float64{`problem{problem="restore_test"}`: -1, "restore_test_age_seconds": -1})
		if got["verified_bytes_total"] < 15 {
			t.Errorf("%v bytes were verified", got["verified_bytes_total"])
		}
		var said []string
		p.s.Records(func(f []agent.Field) { said = append(said, fmt.Sprint(f)) })
		if len(said) != 5 || !strings.Contains(said[4], "{verdict good}") || !strings.Contains(said[4], name(time.Hour)) || !strings.Contains(said[4], "env.backup (4 bytes)") {
			t.Errorf("records: %q", said)
		}
		p.take()
		p.s.Records(func(f []agent.Field) { t.Errorf("it is said again: %v", f) })
	})
}

// TestBad has one thing wrong with the newest set, and good ones before it.
func TestBad(t *testing.T) {
	whole := gz(noise(5000), dump)
	for _, c := range []struct {
		what    string
		change  func(dir string, files map[string]string) // of the newest one
		problem string
		reason  string
		success float64 // age of the newest good one, in days
	}{
		{"nothing", func(string, map[string]string) {}, "", "", 0},
		{"a pipe whose dump failed", func(_ string, f map[string]string) {
			f["database.sql.gz"] = gz("")
			f["manifest.txt"] = ""
		}, "no_trailer", "unpacks to nothing", 1},
		{"a dump cut", func(_ string, f map[string]string) {
			f["database.sql.gz"], f["manifest.txt"] = whole[:3000], ""
		}, "truncated", "in the middle", 1},
		{"a bit", func(_ string, f map[string]string) { f["database.sql.gz"] = flip(whole, -6) }, "corrupt", "checksum", 1},
		{"a file that is not there", func(_ string, f map[string]string) {
			delete(f, "env.backup")
			delete(f, "manifest.txt")
		}, "missing_file", "no env.backup", 1},
		{"the manifest's size", func(_ string, f map[string]string) {
			f["manifest.txt"] = strings.Replace(f["manifest.txt"], "Database size: ", "Database size: 1", 1)
		}, "manifest", "by the manifest", 1},
		{"the manifest without a size", func(_ string, f map[string]string) { f["manifest.txt"] = "Database size:  bytes\n" }, "manifest", "no number", 1},
		{"the manifest's file", func(_ string, f map[string]string) { delete(f, "docker-compose.yml.backup") }, "manifest", "not there", 1},
		{"a sum", func(_ string, f map[string]string) { f["SHA256SUMS"] = sumOf("other") + "  env.backup\n" }, "manifest", "SHA-256", 1},
		{"a sum that is right", func(_ string, f map[string]string) { f["SHA256SUMS"] = sumOf("A=1\n") + " *./env.backup\n" }, "", "", 0},
		{"a sum of a file that nobody asked for", func(_ string, f map[string]string) {
			f["SHA256SUMS"] = sumOf("y\n") + "  docker-compose.yml.backup\n"
		}, "manifest", "SHA-256", 1},
		{"no sums", func(_ string, f map[string]string) { f["SHA256SUMS"] = "<html>\n" }, "manifest", "no sum", 1},
		{"small", func(_ string, f map[string]string) {
			f["database.sql.gz"] = gz(dump)
			f["manifest.txt"] = ""
		}, "small", "of the usual", 1},
		{"a link out of it", func(dir string, f map[string]string) {
			delete(f, "env.backup")
			os.MkdirAll(dir, 0o755)
			os.Symlink("/etc/passwd", filepath.Join(dir, "env.backup"))
		}, "missing_file", "not followed", 1},
	} {
		t.Run(c.what, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				p := newPlace(t, pageFiles)
				for i := 1; i < 5; i++ {
					p.set(name(time.Duration(i)*day), time.Duration(i)*day, nightly(t, whole))
				}
				files := nightly(t, whole)
				c.change(filepath.Join(p.dir, name(time.Hour)), files)
				p.set(name(time.Hour), time.Hour, files)
				got := p.take()
				if p.err != nil {
					t.Error(p.err)
				}
				age := time.Hour.Seconds()
				if c.success > 0 {
					age = c.success * day.Seconds()
				}
				want(t, got, map[string]float64{"age_seconds": age})
				for _, problem := range strings.Fields("small truncated corrupt no_trailer no_tar manifest missing_file") {
					key := `problem{problem="` + problem + `"}`
					switch is := got[key] == 1; {
					case is != (problem == c.problem):
						t.Errorf("%s: %v, %s", key, got[key], p.notes[key])
					case is && !strings.Contains(p.notes[key], c.reason):
						t.Errorf("%s: %q, want %q", key, p.notes[key], c.reason)
					}
				}
			})
		})
	}
}

func sumOf(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

// TestAges has no time to wait for.
func TestAges(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newPlace(t, func(c *Config) {
			pageFiles(c)
			c.Keep = Keep{Count: 2, Days: 3}
		})
		got := p.take()
		want(t, got, map[string]float64{"up": 1, "sets": 0, `problem{problem="stale"}`: 1, `problem{problem="too_few"}`: 1, `problem{problem="too_old"}`: 0, "age_seconds": -1})
		if note := p.notes[`problem{problem="stale"}`]; !strings.Contains(note, "no backup in "+p.dir) {
			t.Error(note)
		}
		p.set(name(0), 0, nightly(t, gz(dump)))
		got = p.take() // it is being written
		want(t, got, map[string]float64{"sets": 1, "age_seconds": -1, "unverified_files": 0, `problem{problem="stale"}`: 0})
		time.Sleep(time.Hour)
		want(t, p.take(), map[string]float64{"age_seconds": 3600, `problem{problem="stale"}`: 0})
		time.Sleep(25*time.Hour - time.Minute)
		want(t, p.take(), map[string]float64{`problem{problem="stale"}`: 0})
		time.Sleep(2 * time.Minute)
		want(t, p.take(), map[string]float64{`problem{problem="stale"}`: 1})
		// The next one is broken, and not what counts.
		bad := nightly(t, gz(dump[:100]))
		p.set(name(time.Hour), time.Hour, bad)
		want(t, p.take(), map[string]float64{`problem{problem="stale"}`: 1, `problem{problem="no_trailer"}`: 1, `problem{problem="too_few"}`: 0})
		time.Sleep(4 * day)
		want(t, p.take(), map[string]float64{`problem{problem="too_old"}`: 1})
	})
}

// TestDates has times that somebody set, or nobody.
func TestDates(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newPlace(t, pageFiles)
		p.set(name(9*day), 0, nightly(t, gz(dump))) // copied now
		time.Sleep(time.Hour)
		want(t, p.take(), map[string]float64{"age_seconds": 9*day.Seconds() + 3600, `problem{problem="stale"}`: 1})
		p.set("tomorrow", -day, nightly(t, gz(dump)))
		p.once()
		time.Sleep(10 * time.Minute)
		got := p.take()
		want(t, got, map[string]float64{`problem{problem="stale"}`: 1})
		if note := p.notes[`problem{problem="stale"}`]; !strings.Contains(note, "future") {
			t.Error(note)
		}
	})
}

// TestWritten does not judge what is being written.
func TestWritten(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newPlace(t, pageFiles)
		p.set(name(day), day, nightly(t, gz(dump)))
		want(t, p.take(), map[string]float64{"age_seconds": day.Seconds()})
		now := name(0)
		p.set(now, 0, map[string]string{"database.sql.gz": gz(dump)[:40]})
		time.Sleep(4 * time.Minute)
		want(t, p.take(), map[string]float64{`problem{problem="missing_file"}`: 0, `problem{problem="truncated"}`: 0, "sets": 2})
		p.set(now, 0, map[string]string{"application-data.tar.gz": gz(tarOf(t, "./a"))})
		time.Sleep(4 * time.Minute)
		want(t, p.take(), map[string]float64{`problem{problem="missing_file"}`: 0, `problem{problem="truncated"}`: 0})
		time.Sleep(time.Minute)
		want(t, p.take(), map[string]float64{`problem{problem="missing_file"}`: 1, `problem{problem="truncated"}`: 1})
		p.set(now, 0, nightly(t, gz(dump)))
		time.Sleep(time.Hour)
		want(t, p.take(), map[string]float64{`problem{problem="missing_file"}`: 0, `problem{problem="truncated"}`: 0, "age_seconds": 3600})
	})
}
