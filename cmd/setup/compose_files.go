package setup

import (
	"errors"
	"io/fs"
	"maps"
	"path/filepath"
	"strings"

	"github.com/webgrip/logkeel/agent/conf"
)

const maxFiles = 100 // Compose files that one may name, in others as well

// dotenv is what .env beside the file says.
func (c *composeFile) dotenv() map[string]string {
	name := filepath.Join(c.dir, ".env")
	data, err := c.read(name)
	if err == nil {
		return dotenv(string(data))
	}
	if !errors.Is(err, fs.ErrNotExist) {
		c.note("%s could not be read: %v", name, errors.Unwrap(err))
	}
	return nil
}

// other reads another Compose file, whose services are of the same project; nil, and a
// note, where it cannot be read.
func (c *composeFile) other(name string) *composeFile {
	if strings.Contains(name, "://") || strings.HasPrefix(name, "git@") || strings.HasPrefix(name, "oci:") {
		c.note("the Compose file %s lies elsewhere, and was not read", name)
		return nil
	}
	path := c.path(name)
	if len(c.files) >= maxFiles {
		c.note("%s was not read: there are more than %d files", path, maxFiles)
		return nil
	}
	c.files[path] = true
	data, err := c.read(path)
	if err != nil {
		c.note("the Compose file %s could not be read: %v", path, errors.Unwrap(err))
		return nil
	}
	root, err := conf.ParseTree(path, data)
	if err != nil {
		c.note("the Compose file %s was not understood: %v", path, err)
		return nil
	}
	o := *c
	o.root, o.dir = root, filepath.Dir(path)
	return &o
}

// include reads the services of the files under include.
func (c *composeFile) include(depth int) {
	for _, item := range c.root.Get("include").List() {
		paths := item.List()
		if item.IsSection() {
			paths = item.Get("path").List()
		}
		for _, p := range paths {
			name := c.text(p)
			if name == "" || c.files["include "+c.path(name)] {
				continue
			}
			if depth > maxNested {
				c.note("%s was not read: it is included by too many in one another", name)
				continue
			}
			o := c.other(name)
			c.files["include "+c.path(name)] = true
			if o == nil {
				continue
			}
			if dir := c.text(item.Get("project_directory")); dir != "" {
				o.dir = c.path(dir)
			}
			o.own = c.included(o, item.Get("env_file").List())
			services := o.root.Get("services")
			for _, name := range services.Keys() {
				if s := services.Get(name); s.IsSection() {
					o.service(name, s)
				}
			}
			o.include(depth + 1)
		}
	}
}

// included are the variables of a file that is included: of its .env or of the files that
// are named for it, unless the file that includes it has others.
func (c *composeFile) included(o *composeFile, files []*conf.Tree) map[string]string {
	own := map[string]string{}
	if len(files) == 0 {
		maps.Copy(own, o.dotenv())
	}
	for _, f := range files {
		path := c.path(c.text(f))
		data, err := c.read(path)
		if err != nil {
			c.note("the env_file %s of include could not be read: %v", path, errors.Unwrap(err))
			continue
		}
		maps.Copy(own, dotenv(string(data)))
	}
	maps.Copy(own, c.own)
	return own
}

// extends fills in what a service takes over: "extends: NAME", or service and file.
func (c *composeFile) extends(s *Service, own *conf.Tree, depth int) (alone bool) {
	t := c.overridden(s.Name, own).Get("extends")
	if t == nil {
		return false
	}
	from, name := c, c.text(t)
	if t.IsSection() {
		name = c.text(t.Get("service"))
		if file := c.text(t.Get("file")); file != "" {
			from = c.other(file)
		}
	}
	if from == nil {
		return false
	}
	base := from.root.Get("services").Get(name)
	if !base.IsSection() || depth > maxNested {
		c.note("%s: what it extends, %s, was not found", s.Name, name)
		return false
	}
	return from.fill(s, base.Without(own, replaced), depth+1)
}
