package setup

import (
	"cmp"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/webgrip/logkeel/agent/conf"
)

// What Compose looks for in a folder, the first that there is. To a file that it has
// found by itself it adds an override.
var (
	composeNames  = []string{"compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml"}
	overrideNames = []string{"compose.override.yml", "compose.override.yaml", "docker-compose.override.yml", "docker-compose.override.yaml"}
)

// others are the files that come after this one: those that were chosen, or, where
// Compose has found the first by itself, the override beside it.
func (c *composeFile) others(which chosen) (more []*composeFile) {
	names := which.files[1:]
	if !which.given && slices.Contains(composeNames, filepath.Base(c.Compose)) {
		for _, name := range overrideNames {
			path := filepath.Join(c.dir, name)
			if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
				names = []string{path}
				break
			}
		}
	}
	c.all = []*conf.Tree{c.root}
	for _, name := range names {
		o := c.other(name)
		if o == nil {
			continue
		}
		c.More = append(c.More, c.path(name))
		o.dir = c.dir // all of their paths begin at the first one's folder
		c.all = slices.Insert(c.all, 0, o.root)
		more = append(more, o)
	}
	for i, o := range append([]*composeFile{c}, more...) {
		o.all = c.all
		for _, after := range more[i:] {
			o.later = append(o.later, after.root)
		}
	}
	return more
}

// Tags of Compose's: what stands in files before is taken away, or taken away and
// replaced.
const (
	resetTag   = "!reset"
	replaceTag = "!override"
)

func reset(t *conf.Tree) bool    { return t.Tag == resetTag }
func replaced(t *conf.Tree) bool { return t.Tag == resetTag || t.Tag == replaceTag }

// overridden is what is left of a service, or of what it extends, by the tags in it and
// in later files; nil for nothing.
func (c *composeFile) overridden(name string, t *conf.Tree) *conf.Tree {
	t = t.Without(t, reset)
	for _, root := range c.later {
		t = t.Without(root.Get("services").Get(name), replaced)
	}
	return t
}

// merge adds what a later file says of services, and services that only it has.
func (c *composeFile) merge(over *composeFile) {
	over.Project = c.Project
	services := over.root.Get("services")
	for _, name := range services.Keys() {
		t := services.Get(name)
		i := slices.IndexFunc(c.Services, func(s Service) bool { return s.Name == name })
		switch {
		case !t.IsSection():
		case i < 0:
			over.service(name, t)
		default:
			s := &c.Services[i]
			alone := over.fill(s, t, 1)
			if t.Get("networks") != nil || t.Get("network_mode") != nil {
				s.Alone = alone
			}
		}
	}
	over.include(1)
}

// finish decides what needs the whole of the files: which services start, and by
// which name they are reached.
func (c *composeFile) finish() {
	active := strings.Split(c.value("COMPOSE_PROFILES"), ",")
	c.Services = slices.DeleteFunc(c.Services, func(s Service) bool {
		if len(s.Profiles) == 0 || slices.Contains(active, "*") || slices.ContainsFunc(s.Profiles, func(p string) bool { return slices.Contains(active, p) }) {
			return false
		}
		c.note("%s is left out, for it starts with the profile %s only; to have it looked after set COMPOSE_PROFILES, and run init again", s.Name, strings.Join(s.Profiles, " or "))
		return true
	})
	for i := range c.Services {
		s := &c.Services[i]
		if s.Alone || s.HostNet {
			continue
		}
		if len(s.Networks) == 0 {
			s.Networks = []Network{{Key: "default"}}
		}
		s.Host = hostOf(s.Name)
	}
}

// project is how Compose calls the project of these files.
func (c *composeFile) project() string {
	name := ""
	for _, root := range c.all {
		name = cmp.Or(name, c.text(root.Get("name")))
	}
	return cmp.Or(c.Project, c.value("COMPOSE_PROJECT_NAME"), name, projectOf(filepath.Base(c.Dir)))
}

// composeFiles are those of the project's own, in the order in which Compose takes them.
func (f *Found) composeFiles() []string {
	return append([]string{cmp.Or(f.Compose, "compose.yaml")}, f.More...)
}
