package setup

import (
	"cmp"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// What Compose looks for in a folder, the first that there is. To a file that it has
// found by itself it adds an override.
var (
	composeNames  = []string{"compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml"}
	overrideNames = []string{"compose.override.yml", "compose.override.yaml", "docker-compose.override.yml", "docker-compose.override.yaml"}
)

// override is the file that Compose adds to this one; nil where there is none.
func (c *composeFile) override() *composeFile {
	if !slices.Contains(composeNames, filepath.Base(c.Compose)) {
		return nil
	}
	for _, name := range overrideNames {
		path := filepath.Join(c.dir, name)
		if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
			continue
		}
		o := c.other(path)
		if o != nil {
			c.More = append(c.More, path)
			c.also, o.also = o.root, c.root
		}
		return o
	}
	return nil
}

// merge adds what an override says of services, and services that only it has.
func (c *composeFile) merge(over *composeFile) {
	if over == nil {
		return
	}
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
func (c *composeFile) project(over *composeFile) string {
	name := c.text(c.root.Get("name"))
	if over != nil {
		name = cmp.Or(c.text(over.root.Get("name")), name)
	}
	return cmp.Or(c.Project, c.value("COMPOSE_PROJECT_NAME"), name, projectOf(filepath.Base(c.Dir)))
}

// composeFiles are those of the project's own, in the order in which Compose takes them.
func (f *Found) composeFiles() []string {
	return append([]string{cmp.Or(f.Compose, "compose.yaml")}, f.More...)
}
