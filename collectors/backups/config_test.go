package backups

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/webgrip/logkeel/agent/conf"
)

const nights = "name: nightly\npath: /b\n"

func TestConfig(t *testing.T) {
	c, err := config(t, nights+`
files:
  - match: database.sql.gz
    min_size: 1KiB
  - {match: data/*.tar, kind: any}
max_age: 2d
keep: {count: 7, days: 30}
restore_test: {file: /var/log/recovery-test.log, success: done}
`)
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Files) != 2 || c.Files[0].MinSize != 1024 || c.MaxAge != conf.Duration(48*time.Hour) || c.Keep != (Keep{7, 30}) || c.RestoreTest.MaxAge != conf.Duration(35*day) {
		t.Errorf("%+v", c)
	}
	if c.MinRatio != 0.5 || c.Rate != 20<<20 || c.Verify != 7 || c.MaxCPU != 0.25 || c.Settle != conf.Duration(5*time.Minute) {
		t.Errorf("defaults: %+v", c)
	}
}

func TestBadConfig(t *testing.T) {
	for _, c := range []struct{ item, want string }{
		{"path: /b", `agent.yaml:2: backups[0].name: "" is no name`},
		{"name: ../x\npath: /b", `agent.yaml:2: backups[0].name: "../x" is no name; give it a name of letters, digits, - and _`},
		{"name: x", "agent.yaml:2: backups[0].path: no path; write the folder that has a folder for each backup, or files as /backups/*.sql.gz"},
		{"name: x\npath: '/b/[a'", "agent.yaml:3: backups[0].path: syntax error in pattern; close each ["},
		{nights + "max_age: 1s", "agent.yaml:4: backups[0].max_age: 1s is out of range; write 26h where there is a backup a day"},
		{nights + "min_ratio: 1", "agent.yaml:4: backups[0].min_ratio: 1 is out of range"},
		{nights + "min_ratio: .nan", "backups[0].min_ratio"},
		{nights + "settle: 2d", "agent.yaml:4: backups[0].settle: 2d is out of range"},
		{nights + "verify: 0", "agent.yaml:4: backups[0].verify: 0 is out of range; write 1 to 2000"},
		{nights + "rate: 1KiB", "agent.yaml:4: backups[0].rate: 1KiB is out of range"},
		{nights + "max_cpu: 2", "agent.yaml:4: backups[0].max_cpu: 2 is out of range"},
		{nights + "max_unpacked: 1KiB", "agent.yaml:4: backups[0].max_unpacked: 1KiB is out of range"},
		{nights + "keep: {count: -1}", "agent.yaml:4: backups[0].keep.count: -1 is out of range"},
		{nights + "keep: {days: -1}", "agent.yaml:4: backups[0].keep.days: -1 is out of range"},
		{nights + "restore_test: {max_age: 1d}", "agent.yaml:4: backups[0].restore_test.file: no file"},
		{nights + "restore_test: {file: /f, max_age: 1s}", "agent.yaml:4: backups[0].restore_test.max_age: 1s is out of range; write 35d"},
		{nights + "restore_test: {file: /f, start: x}", "agent.yaml:4: backups[0].restore_test.start: a test that begins and never succeeds"},
		{nights + "files: [{kind: sql}]", `agent.yaml:4: backups[0].files[0].match: "" is no such file; name a file within the set`},
		{nights + "files: [{match: ../x}]", `"../x" is no such file`},
		{nights + "files: [{match: '[x'}]", "agent.yaml:4: backups[0].files[0].match: syntax error in pattern; close each ["},
		{nights + "files: [{match: a}, {match: a}]", `agent.yaml:4: backups[0].files[1].match: "a" is there twice; remove one of them`},
		{nights + "files: [{match: a, kind: zip}]", `agent.yaml:4: backups[0].files[0].kind: "zip" is none of them; write sql, tar or any`},
		{nights + "files: [{match: a.sql.xz, kind: sql}]", "agent.yaml:4: backups[0].files[0].kind: .xz cannot be unpacked; use .gz or .zst, or kind: any"},
		{nights + "files: [{match: a, trailer: x}]", "agent.yaml:4: backups[0].files[0].trailer: only a dump has a last line; set kind: sql"},
		{nights + "files: [{match: a.sql, trailer: \"a\\nb\"}]", "agent.yaml:4: backups[0].files[0].trailer: it is no line"},
	} {
		if _, err := config(t, c.item); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q gives\n%v, want\n%s", c.item, err, c.want)
		}
	}
	var many strings.Builder
	for i := range maxFiles + 1 {
		many.WriteString("  - match: f" + string(rune('a'+i)) + "\n")
	}
	if _, err := config(t, nights+"files:\n"+many.String()); err == nil || !strings.Contains(err.Error(), "21 are too many") {
		t.Error(err)
	}
}

func TestGuess(t *testing.T) {
	for name, want := range map[string]format{
		"database.sql.gz": {of: "sql", packed: "gz"}, "a.SQL": {of: "sql"}, "x/a.tar.gz": {of: "tar", packed: "gz"}, "a.tgz": {of: "tar", packed: "gz"},
		"a.tar.zst": {of: "tar", packed: "zst"}, "a.sql.bz2": {of: "sql", packed: "bz2"}, "a.gz": {of: "any", packed: "gz"}, "env.backup": {of: "any"},
		"a.sql.xz": {of: "any", sealed: true}, "a.tar.gz.gpg": {of: "any", sealed: true}, "*.sql.gz": {of: "sql", packed: "gz"}, "": {of: "any"},
	} {
		if got := guess(name); got != want {
			t.Errorf("%q: %+v, want %+v", name, got, want)
		}
	}
}

// TestRestoreTest has what the page's test-recovery.sh writes, and stamps.
func TestRestoreTest(t *testing.T) {
	good := "Testing recovery from /b/1\nRecovery test completed successfully\ntest-mariadb\n"
	at := time.Now().Add(-time.Hour).Truncate(time.Second)
	for _, c := range []struct {
		what, text string
		r          RestoreTest
		at         time.Time
		ok         bool
	}{
		{"a file that is touched", "", RestoreTest{}, at, true},
		{"a time", "2026-01-02T03:04:05+01:00\nmore\n", RestoreTest{}, time.Unix(1767319445, 0), true},
		{"seconds", "1767319445", RestoreTest{}, time.Unix(1767319445, 0), true},
		{"a log", good + good, RestoreTest{Start: "Testing recovery from", Success: "completed successfully"}, at, true},
		{"a log whose last test failed", good + "Testing recovery from /b/2\nERROR 1146\n", RestoreTest{Start: "Testing recovery from", Success: "completed successfully"}, at, false},
		{"a log without success", "Testing recovery\n", RestoreTest{Success: "completed"}, at, false},
		{"a long log", strings.Repeat("x\n", maxLog) + good, RestoreTest{Success: "completed"}, at, true},
		{"a number that is no time", "17\n", RestoreTest{}, at, true},
	} {
		c.r.File = filepath.Join(t.TempDir(), "log")
		write(t, c.r.File, c.text, at)
		if got, ok, err := c.r.last(); err != nil || !got.Equal(c.at) || ok != c.ok {
			t.Errorf("%s: %s, %v, %v, want %s, %v", c.what, got, ok, err, c.at, c.ok)
		}
	}
	for _, name := range []string{"no", "."} {
		r := RestoreTest{File: filepath.Join(t.TempDir(), name)}
		if _, _, err := r.last(); err == nil {
			t.Errorf("%s has a time", name)
		}
	}
}

func TestRestoreTestSamples(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newPlace(t, func(c *Config) {
			r := &RestoreTest{}
			r.SetDefaults()
			r.File = "tested"
			c.RestoreTest = r
		})
		p.set(name(time.Hour), time.Hour, map[string]string{"a.sql": dump})
		want(t, p.take(), map[string]float64{`problem{problem="restore_test"}`: 1, "restore_test_age_seconds": -1})
		p.c.Path = filepath.Join(p.dir, "20*")
		p.s = New(p.c, p.dir, p.state)
		write(t, filepath.Join(p.dir, "tested"), "", time.Now())
		want(t, p.take(), map[string]float64{`problem{problem="restore_test"}`: 0, "restore_test_age_seconds": 0, "sets": 1})
		time.Sleep(35*day + time.Hour)
		want(t, p.take(), map[string]float64{`problem{problem="restore_test"}`: 1})
		os.Truncate(filepath.Join(p.dir, "tested"), 0)
	})
}

// config reads one item of a list backups.
func config(t *testing.T, item string) (Config, error) {
	t.Helper()
	var file struct {
		Backups []Config `yaml:"backups"`
	}
	text := "backups:\n  - " + strings.ReplaceAll(strings.TrimSuffix(item, "\n"), "\n", "\n    ") + "\n"
	d, err := conf.Decode("agent.yaml", []byte(text), &file, conf.Options{})
	if err != nil {
		return Config{}, err
	}
	return file.Backups[0], file.Backups[0].Check(d, "backups[0]")
}
