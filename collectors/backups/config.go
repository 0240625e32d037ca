// Package backups looks whether backups are there, fresh, whole and as large as
// usual, by unpacking each to its end once, slowly.
package backups

import (
	"fmt"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/webgrip/logkeel/agent/conf"
)

// Config is one item of collectors.backups.
type Config struct {
	Name        string        `yaml:"name"`         // what it is called, the label target of its metrics: letters, digits, - and _, 64 at most
	Path        string        `yaml:"path"`         // folder that has a folder for each backup, or a glob of backups, as /backups/*.sql.gz; needed
	Files       []File        `yaml:"files"`        // files that each backup must have, 20 at most; none: whatever is in it
	MaxAge      conf.Duration `yaml:"max_age"`      // how old the newest backup that is whole may be, 1m to 3660d
	MinRatio    float64       `yaml:"min_ratio"`    // least size of a file as a part of the median of earlier ones, 0 to below 1; 0: any size
	Keep        Keep          `yaml:"keep"`         // how many backups are to be kept, and how old the oldest may be
	RestoreTest *RestoreTest  `yaml:"restore_test"` // where it says that a backup was restored on trial, and how long ago that may be
	Settle      conf.Duration `yaml:"settle"`       // how long ago a file has to have been written before it is judged, 24h at most
	Verify      int           `yaml:"verify"`       // how many of the newest backups are unpacked to their end, 1 to 2000
	Rate        conf.Size     `yaml:"rate"`         // bytes read a second at most, 64KiB to 64GiB
	MaxCPU      float64       `yaml:"max_cpu"`      // share of one CPU that verifying may take, 0.01 to 1
	MaxUnpacked conf.Size     `yaml:"max_unpacked"` // size that one file may unpack to, 1MiB or more; what is larger counts as a bomb
}

// File is what each set must have.
type File struct {
	Match string `yaml:"match"` // glob of the file within the backup's folder, as database.sql.gz or *.tar.gz; needed
	// what it has to be: a dump with its last line, an archive that lists, or anything
	// readable; empty: by its name
	Kind    string    `yaml:"kind" enum:"sql tar any"`
	MinSize conf.Size `yaml:"min_size"` // least size of the file as it lies there, before it is unpacked
	// how the last line of a dump begins, where it is not that of mariadb-dump, mysqldump,
	// pg_dump or pg_dumpall
	Trailer string `yaml:"trailer"`
}

// Keep is the retention that is expected.
type Keep struct {
	Count int `yaml:"count"` // least number of backups, 0 to 2000; 0: any number
	Days  int `yaml:"days"`  // how many days old the oldest backup may be, with two days' grace; 0: any age
}

// RestoreTest is where it says that a backup was restored on trial.
type RestoreTest struct {
	// file whose first line is the time of the last test; otherwise the time of its
	// modification counts; needed
	File    string        `yaml:"file"`
	MaxAge  conf.Duration `yaml:"max_age"` // how long ago the last test may be, 1m or more
	Start   string        `yaml:"start"`   // text in the file with which a test begins; needs success
	Success string        `yaml:"success"` // text in the file with which a test ends that succeeded
}

// SetDefaults fills in what a configuration may leave out.
func (c *Config) SetDefaults() {
	*c = Config{
		MaxAge: conf.Duration(26 * time.Hour), MinRatio: 0.5, Settle: conf.Duration(5 * time.Minute),
		Verify: 7, Rate: 20 << 20, MaxCPU: 0.25, MaxUnpacked: 1 << 40,
	}
}

// SetDefaults fills in what a configuration may leave out.
func (r *RestoreTest) SetDefaults() { *r = RestoreTest{MaxAge: conf.Duration(35 * 24 * time.Hour)} }

// nameForm is what a name may be: a file in state_dir is called by it.
var nameForm = conf.NewForm(`^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$`)

const maxFiles = 20

type reporter func(field, hint, format string, args ...any)

// Check says what is wrong with the item at path.
func (c *Config) Check(d *conf.Doc, path string) error {
	var errs []error
	bad := func(field, hint, format string, args ...any) {
		errs = append(errs, d.Errorf(path+field, hint, format, args...))
	}
	if !nameForm.MatchString(c.Name) {
		bad(".name", "give it a name of letters, digits, - and _", "%q is no name", c.Name)
	}
	switch _, err := filepath.Match(c.Path, ""); {
	case c.Path == "":
		bad(".path", "write the folder that has a folder for each backup, or files as /backups/*.sql.gz", "no path")
	case err != nil:
		bad(".path", "close each [", "%w", err)
	}
	if c.MaxAge < conf.Duration(time.Minute) || c.MaxAge > conf.Duration(3660*24*time.Hour) {
		bad(".max_age", "write 26h where there is a backup a day", "%s is out of range", c.MaxAge)
	}
	if !(c.MinRatio >= 0 && c.MinRatio < 1) {
		bad(".min_ratio", "write 0.5 for half of the usual size, 0 for any size", "%v is out of range", c.MinRatio)
	}
	if c.Settle > conf.Duration(24*time.Hour) {
		bad(".settle", "write 5m", "%s is out of range", c.Settle)
	}
	if c.Verify < 1 || c.Verify > maxSets {
		bad(".verify", fmt.Sprintf("write 1 to %d", maxSets), "%d is out of range", c.Verify)
	}
	if c.Rate < 64<<10 || c.Rate > 64<<30 {
		bad(".rate", "write 64KiB to 64GiB", "%s is out of range", c.Rate)
	}
	if !(c.MaxCPU >= 0.01 && c.MaxCPU <= 1) {
		bad(".max_cpu", "write 0.01 to 1, of one CPU", "%v is out of range", c.MaxCPU)
	}
	if c.MaxUnpacked < 1<<20 {
		bad(".max_unpacked", "write 1MiB or more", "%s is out of range", c.MaxUnpacked)
	}
	c.checkKeep(bad)
	c.checkFiles(bad)
	return conf.Join(errs...)
}

func (c *Config) checkKeep(bad reporter) {
	if c.Keep.Count < 0 || c.Keep.Count > maxSets {
		bad(".keep.count", fmt.Sprintf("write 0 to %d", maxSets), "%d is out of range", c.Keep.Count)
	}
	if c.Keep.Days < 0 || c.Keep.Days > 36600 {
		bad(".keep.days", "write a number of days, 0 for any", "%d is out of range", c.Keep.Days)
	}
	r := c.RestoreTest
	if r == nil {
		return
	}
	if r.File == "" {
		bad(".restore_test.file", "name the file that the test writes to", "no file")
	}
	if r.MaxAge < conf.Duration(time.Minute) {
		bad(".restore_test.max_age", "write 35d where there is a test a month", "%s is out of range", r.MaxAge)
	}
	if r.Start != "" && r.Success == "" {
		bad(".restore_test.start", "set success as well, or leave it out", "a test that begins and never succeeds")
	}
}

func (c *Config) checkFiles(bad reporter) {
	if len(c.Files) > maxFiles {
		bad(".files", fmt.Sprintf("write %d at most", maxFiles), "%d are too many", len(c.Files))
	}
	taken := map[string]bool{}
	for i, f := range c.Files {
		at := fmt.Sprintf(".files[%d]", i)
		if _, err := path.Match(f.Match, ""); err != nil {
			bad(at+".match", "close each [", "%w", err)
		} else if f.Match == "" || !filepath.IsLocal(f.Match) || len(f.Match) > maxLabel {
			bad(at+".match", "name a file within the set, as database.sql.gz or *.tar.gz", "%q is no such file", f.Match)
		}
		if taken[f.Match] {
			bad(at+".match", "remove one of them", "%q is there twice", f.Match)
		}
		taken[f.Match] = true
		switch f.Kind {
		case "", "any", "sql", "tar":
		default:
			bad(at+".kind", "write sql, tar or any", "%q is none of them", f.Kind)
		}
		kind := guess(f.Match)
		if (f.Kind == "sql" || f.Kind == "tar") && kind.sealed {
			bad(at+".kind", "use .gz or .zst, or kind: any, which looks at its size only", "%s cannot be unpacked", path.Ext(f.Match))
		}
		if f.Trailer != "" && f.Kind != "sql" && kind.of != "sql" {
			bad(at+".trailer", "set kind: sql, or leave it out", "only a dump has a last line")
		}
		if strings.ContainsAny(f.Trailer, "\n\r") || len(f.Trailer) > 200 {
			bad(at+".trailer", "write how the last line begins", "it is no line of 200 bytes at most")
		}
	}
}
