// Package integrity watches over files: which ones changed, came and went, whose
// owner or mode changed, and which ones everybody may write or run as another user.
package integrity

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/webgrip/logkeel/agent/conf"
)

// Config is one item of collectors.integrity.
type Config struct {
	Name  string       `yaml:"name"`  // what it is called, the label target of its metrics: letters, digits, - . and _, 64 at most
	Paths conf.Strings `yaml:"paths"` // folders, with all in them, and files to watch, with *, ? and [] as in a shell; needed
	// patterns of what is not looked at: a whole path, a name anywhere, or a path below one
	// of paths; ** is any folders
	Exclude conf.Strings `yaml:"exclude"`
	// patterns, as exclude has them, of what may change, come and go; or {path: PATTERN,
	// mode: "4755"} of what may have these bits
	Allow          []Allow       `yaml:"allow"`
	Hash           HashLimit     `yaml:"hash"`            // size of the largest file whose content is read and hashed; true: any, false: none
	MaxFiles       int           `yaml:"max_files"`       // how many files are watched at most, 1 to 5000000; a file takes some 150 bytes of memory
	WalkInterval   conf.Duration `yaml:"walk_interval"`   // how often all folders are walked, 10s to 24h
	RehashInterval conf.Duration `yaml:"rehash_interval"` // how often each file is read again whatever its times say, walk_interval to 365d
	Rate           conf.Size     `yaml:"rate"`            // bytes a second that are read to hash files, 64KiB or more
	FollowSymlinks bool          `yaml:"follow_symlinks"` // watches what symbolic links lead to; otherwise a link is a file whose content is its target
	OneFileSystem  bool          `yaml:"one_file_system"` // does not go into other file systems that are mounted below a path
}

// SetDefaults fills in what a configuration may leave out.
func (c *Config) SetDefaults() {
	*c = Config{
		Hash: 64 << 20, MaxFiles: 100_000, Rate: 10 << 20, OneFileSystem: true,
		WalkInterval: conf.Duration(15 * time.Minute), RehashInterval: conf.Duration(24 * time.Hour),
	}
}

// HashLimit is the size of the largest file that is hashed: 0 is none, -1 any.
type HashLimit int64

// UnmarshalYAML reads true, false or a size.
func (h *HashLimit) UnmarshalYAML(n *yaml.Node) error {
	var size conf.Size
	switch {
	case n.Kind == yaml.ScalarNode && n.Value == "true":
		*h = -1
	case n.Kind == yaml.ScalarNode && n.Value == "false":
		*h = 0
	case size.UnmarshalYAML(n) == nil:
		*h = HashLimit(size)
	default:
		return &conf.Error{Line: n.Line, Msg: "expected true, false or a size", Hint: "write the size of the largest file to hash, as 64MiB"}
	}
	return nil
}

// JSONSchema is the form that UnmarshalYAML reads.
func (HashLimit) JSONSchema() string {
	return `{"title": "true, false or a size", "anyOf": [{"enum": [true, false, "true", "false"]}, ` + conf.Size(0).JSONSchema() + `]}`
}

// MarshalYAML gives what UnmarshalYAML reads.
func (h HashLimit) MarshalYAML() (any, error) {
	switch h {
	case -1:
		return true, nil
	case 0:
		return false, nil
	}
	return conf.Size(h).String(), nil
}

func (h HashLimit) includes(size int64) bool { return h == -1 || size <= int64(h) && h != 0 }

// An Allow is what files may be, or do. Without a mode they may change, come and
// go; with one they may have its bits, and nothing else is said of them.
type Allow struct {
	Path string
	Mode uint32 // of world-writable, setuid and setgid; 0: none was given
}

// UnmarshalYAML reads a path, or {path: PATH, mode: "4755"}.
func (a *Allow) UnmarshalYAML(n *yaml.Node) error {
	wrong := &conf.Error{Line: n.Line, Msg: "expected a path, or a path and a mode", Hint: `write /srv/app/version.txt, or {path: /srv/app/bin/mount, mode: "4755"}`}
	if n.Kind == yaml.ScalarNode && n.Value != "" {
		*a = Allow{Path: n.Value}
		return nil
	}
	if n.Kind != yaml.MappingNode {
		return wrong
	}
	*a = Allow{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i].Value, n.Content[i+1]
		if value.Kind != yaml.ScalarNode || key != "path" && key != "mode" {
			return wrong
		}
		if key == "path" {
			a.Path = value.Value
			continue
		}
		mode, err := strconv.ParseUint(value.Value, 8, 12)
		if err != nil || mode&looseBits == 0 {
			return &conf.Error{Line: value.Line, Msg: fmt.Sprintf("%q is no mode that has to be allowed", value.Value), Hint: `write one that everybody may write, or setuid or setgid, as "0666" or "4755"`}
		}
		a.Mode = uint32(mode)
	}
	if a.Path == "" || a.Mode == 0 {
		return wrong
	}
	return nil
}

// JSONSchema is the form that UnmarshalYAML reads.
func (Allow) JSONSchema() string {
	return `{"title": "path, or path and mode", "type": ["string", "number", "boolean", "object"], "minLength": 1, "additionalProperties": false, "required": ["path", "mode"], "properties": {
		"path": {"type": "string", "minLength": 1, "description": "Of the file, with * ? [] as in a shell."},
		"mode": {"type": ["string", "integer"], "pattern": "^[0-7]{1,4}$", "description": "What it may have, in quotes: as \"0666\" or \"4755\"."}}}`
}

const (
	worldWritable = 0o002
	setIDs        = 0o6000
	looseBits     = worldWritable | setIDs
)

var nameForm = conf.NewForm(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$`)

const (
	mostFiles = 5_000_000
	minRate   = 64 << 10
	maxPaths  = 1000 // of each list
)

// Check says what is wrong with the item at path.
func (c *Config) Check(d *conf.Doc, path string) error {
	var errs []error
	bad := func(field, hint, format string, args ...any) {
		errs = append(errs, d.Errorf(path+field, hint, format, args...))
	}
	if !nameForm.MatchString(c.Name) {
		bad(".name", "give it a name of letters, digits, - . and _; its metrics are called by it", "%q is no name", c.Name)
	}
	if len(c.Paths) == 0 {
		bad(".paths", "name folders or files, as /srv/app", "no path")
	}
	c.checkPatterns(bad)
	if c.MaxFiles < 1 || c.MaxFiles > mostFiles {
		bad(".max_files", fmt.Sprintf("write 1 to %d; a file takes some 150 bytes of memory", mostFiles), "%d is out of range", c.MaxFiles)
	}
	if c.WalkInterval < conf.Duration(10*time.Second) || c.WalkInterval > conf.Duration(24*time.Hour) {
		bad(".walk_interval", "write 10s to 24h", "%s is out of range", c.WalkInterval)
	}
	if c.RehashInterval < c.WalkInterval || c.RehashInterval > conf.Duration(365*24*time.Hour) {
		bad(".rehash_interval", "write walk_interval, which is "+c.WalkInterval.String()+", to 365d", "%s is out of range", c.RehashInterval)
	}
	if c.Rate < minRate {
		bad(".rate", "write "+conf.Size(minRate).String()+" or more; it is what is read in a second", "%s is too little", c.Rate)
	}
	return conf.Join(errs...)
}

func (c *Config) checkPatterns(bad func(field, hint, format string, args ...any)) {
	allow := make(conf.Strings, len(c.Allow))
	for i, a := range c.Allow {
		allow[i] = a.Path
	}
	lists := []struct {
		name  string
		globs conf.Strings
	}{{"paths", c.Paths}, {"exclude", c.Exclude}, {"allow", allow}}
	for _, l := range lists {
		if len(l.globs) > maxPaths {
			bad("."+l.name, "leave some out, or write * in place of names", "there are more than %d", maxPaths)
		}
		for i, g := range l.globs {
			field := fmt.Sprintf(".%s[%d]", l.name, i)
			switch {
			case strings.Trim(g, "/") == "" && (g == "" || l.name != "paths"):
				bad(field, "write a path or a name, as /srv/app/cache or *.log", "%q selects nothing, or all", g)
			case checkPattern(g) != nil:
				bad(field, "close each [", "%w", checkPattern(g))
			case l.name == "paths" && strings.Contains(g, "**"):
				bad(field, "name the folder; all that is in it is looked at", "** is for exclude and allow")
			}
		}
	}
}
