// Package host samples the machine: file systems, memory, load, processors, disks
// and interfaces, under the names that node_exporter gives to its metrics.
package host

import (
	"path"
	"strings"

	"github.com/webgrip/logkeel/agent/conf"
)

// Config is the section collectors.host.
type Config struct {
	Name    string       `yaml:"name"`    // what it is called, the label target of its metrics: letters, digits, - . and _, 64 at most
	Root    string       `yaml:"root"`    // absolute path of the machine's file system: / or, in a container, where it is mounted, as /host
	Mounts  conf.Strings `yaml:"mounts"`  // mount points to measure, with *, ? and [] as in a shell; none: all that are on a disk
	Exclude conf.Strings `yaml:"exclude"` // mount points not to measure, written as mounts are
}

// SetDefaults fills in what a configuration may leave out.
func (c *Config) SetDefaults() { *c = Config{Name: "host", Root: "/"} }

var nameForm = conf.NewForm(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$`)

// Check says what is wrong with the section at path.
func (c *Config) Check(d *conf.Doc, at string) error {
	var errs []error
	if !nameForm.MatchString(c.Name) {
		errs = append(errs, d.Errorf(at+".name", "give it a name of letters, digits, - . and _; its metrics are called by it", "%q is no name", c.Name))
	}
	if !path.IsAbs(c.Root) {
		errs = append(errs, d.Errorf(at+".root", "write / or, in a container, where the machine's file system is mounted, as /host", "%q is no absolute path", c.Root))
	}
	for field, globs := range map[string]conf.Strings{".mounts": c.Mounts, ".exclude": c.Exclude} {
		for _, g := range globs {
			if _, err := path.Match(g, ""); err != nil || !strings.HasPrefix(g, "/") {
				errs = append(errs, d.Errorf(at+field, "write mount points, as /, /var/lib/docker or /mnt/*", "%q is no mount point", g))
			}
		}
	}
	return conf.Join(errs...)
}

func matches(globs []string, name string) bool {
	for _, g := range globs {
		if ok, _ := path.Match(g, name); ok {
			return true
		}
	}
	return false
}

// exact reports whether the pattern is a path that stands for itself only.
func exact(glob string) bool { return !strings.ContainsAny(glob, `*?[\`) }
