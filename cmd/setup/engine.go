package setup

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/webgrip/logkeel/collectors/docker"
)

const ignoreLabel = "logkeel.ignore"

// Labels that Compose gives its containers.
const (
	projectLabel = "com.docker.compose.project"
	serviceLabel = "com.docker.compose.service"
	dirLabel     = "com.docker.compose.project.working_dir"
	filesLabel   = "com.docker.compose.project.config_files"
	oneoffLabel  = "com.docker.compose.oneoff"
	titleLabel   = "org.opencontainers.image.title"
)

// inspectEngine asks for the containers that run. project chooses those of one
// Compose project; "" is the one whose folder dir is, or the only one there is.
func inspectEngine(ctx context.Context, host, project, dir string) (*Found, error) {
	root, all, left, err := docker.Running(ctx, host)
	if err != nil {
		return nil, err
	}
	f := fromEngine(all, root, project, dir)
	if left > 0 {
		f.Notes = append(f.Notes, fmt.Sprintf("%d containers beyond the first 500 were not looked at; choose a project with --project", left))
	}
	return f, nil
}

func fromEngine(all []docker.Deployed, root, project, dir string) *Found {
	f := &Found{Origin: "the engine", Engine: true, Root: root, Project: chooseProject(all, project, dir)}
	others := map[string]bool{}
	seen := map[[2]string]bool{}
	for i := range all {
		c := &all[i]
		of := c.Labels[projectLabel]
		switch {
		case c.Labels[ignoreLabel] == "true" || strings.EqualFold(c.Labels[oneoffLabel], "true"):
			continue
		case f.Project != "" && of != f.Project:
			others[cmp.Or(of, "(none)")] = true
			continue
		}
		if f.Project != "" && f.Dir == "" {
			f.Dir = c.Labels[dirLabel]
			f.Compose, f.More = composeFilesOf(c.Labels)
		}
		s := fromContainer(c, f.Project)
		if key := [2]string{of, s.Name}; of != "" && seen[key] { // another replica
			continue
		} else {
			seen[key] = true
		}
		f.Services = append(f.Services, s)
	}
	if len(others) > 0 {
		f.Notes = append(f.Notes, "containers of other projects run as well, and are left out: "+strings.Join(sorted(others), ", ")+"; see --project")
	}
	return f
}

// composeFilesOf are the project's first Compose file and the others that it was
// started with, but for the one that was made here before.
func composeFilesOf(labels map[string]string) (first string, more []string) {
	for file := range strings.SplitSeq(labels[filesLabel], ",") {
		switch {
		case file == "" || filepath.Base(file) == composeName:
			continue
		case !filepath.IsAbs(file): // of Compose 1
			file = filepath.Join(labels[dirLabel], file)
		}
		if first == "" {
			first = file
		} else {
			more = append(more, file)
		}
	}
	return first, more
}

// chooseProject is the project that a configuration is for; "" for all there is.
func chooseProject(all []docker.Deployed, project, dir string) string {
	if project != "" {
		return project
	}
	names := map[string]bool{}
	for i := range all {
		of := all[i].Labels[projectLabel]
		if of != "" && same(all[i].Labels[dirLabel], dir) {
			return of
		}
		names[of] = true
	}
	if len(names) == 1 { // that may be none
		for of := range names {
			return of
		}
	}
	return ""
}

// same says that both are one folder.
func same(a, b string) bool {
	if a == "" || b == "" {
		return false
	}
	if filepath.Clean(a) == filepath.Clean(b) {
		return true
	}
	x, errX := os.Stat(a)
	y, errY := os.Stat(b)
	return errX == nil && errY == nil && os.SameFile(x, y)
}

// fromContainer is a container without its secrets. project is that which the
// configuration is for.
func fromContainer(c *docker.Deployed, project string) Service {
	s := Service{
		Name: cmp.Or(c.Labels[serviceLabel], c.Name), Project: c.Labels[projectLabel], Image: c.Image, Title: c.Labels[titleLabel],
		HostNet: c.NetworkMode == "host", TTY: c.TTY,
		Log: Log{Driver: c.LogDriver, MaxSize: c.LogOptions["max-size"], MaxFile: c.LogOptions["max-file"], Async: asynchronous(c.LogOptions)},
	}
	s.Host = hostOf(c.Name)
	if project != "" {
		s.Host = hostOf(s.Name)
	}
	for _, e := range c.Env {
		name, value, _ := strings.Cut(e, "=")
		s.setEnv(name, value)
	}
	s.setHealth(strings.Join(c.Health, " "))
	s.setCommand(c.Command)
	for _, p := range c.Ports {
		s.Ports = append(s.Ports, Port(p))
	}
	for _, m := range c.Mounts {
		if m.Source == "" { // in memory
			continue
		}
		mount := Mount{Source: m.Source, Target: m.Destination}
		if m.Volume != "" {
			mount.Volume, mount.External = ownName(m.Volume, project)
		}
		mount.part(m.Subpath)
		s.Mounts = append(s.Mounts, mount)
	}
	for _, n := range c.Networks {
		if n == "bridge" { // in which there are no names
			s.Host = ""
			continue
		}
		var network Network
		network.Key, network.External = ownName(n, project)
		s.Networks = append(s.Networks, network)
	}
	if s.HostNet || len(s.Networks) == 0 {
		s.Host = ""
	}
	return s
}

// ownName is how the project's Compose file calls what the engine calls name; and
// that name, where it is not the project's.
func ownName(name, project string) (key, external string) {
	if rest, ok := strings.CutPrefix(name, project+"_"); ok && project != "" && rest != "" {
		return rest, ""
	}
	return name, name
}

func asynchronous(options map[string]string) bool {
	return options["fluentd-async"] == "true" || options["fluentd-async-connect"] == "true"
}
