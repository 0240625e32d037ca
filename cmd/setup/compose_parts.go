package setup

import (
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/webgrip/logkeel/agent/conf"
)

// ports reads ports and expose, in their long forms and in their short ones:
// 80, 8080:80, 127.0.0.1:8080:80/tcp, 3000-3005:3000-3005.
func (c *composeFile) ports(s *Service, t *conf.Tree) {
	for _, item := range t.Get("ports").List() {
		p, protocol := Port{}, ""
		if item.IsSection() {
			p = Port{number(c.text(item.Get("target"))), number(first(c.text(item.Get("published")))), c.text(item.Get("host_ip"))}
			protocol = c.text(item.Get("protocol"))
		} else {
			p, protocol = shortPort(c.text(item))
		}
		if p.Container > 0 && (protocol == "" || protocol == "tcp") {
			s.Ports = append(s.Ports, p)
		}
	}
	for _, item := range t.Get("expose").List() {
		if p, protocol := shortPort(c.text(item)); p.Container > 0 && (protocol == "" || protocol == "tcp") {
			s.Ports = append(s.Ports, Port{Container: p.Container})
		}
	}
}

func shortPort(text string) (p Port, protocol string) {
	text, protocol, _ = strings.Cut(text, "/")
	rest := text
	if i := strings.LastIndexByte(text, ':'); i >= 0 {
		rest, text = text[:i], text[i+1:]
		host := rest
		if i := strings.LastIndexByte(rest, ':'); i >= 0 {
			p.Address, host = strings.Trim(rest[:i], "[]"), rest[i+1:]
		}
		p.Host = number(first(host))
	}
	if p.Address == "0.0.0.0" || p.Address == "::" {
		p.Address = ""
	}
	p.Container = number(first(text))
	return p, protocol
}

// first is the first port of a range.
func first(s string) string {
	s, _, _ = strings.Cut(s, "-")
	return strings.TrimSpace(s)
}

// volumes reads named volumes and folders of the host.
func (c *composeFile) volumes(s *Service, t *conf.Tree) {
	for _, item := range t.List() {
		var kind, source, target string
		if item.IsSection() {
			kind, source, target = c.text(item.Get("type")), c.text(item.Get("source")), c.text(item.Get("target"))
			if kind == "bind" && !strings.HasPrefix(source, "~") && !filepath.IsAbs(source) && source != "" {
				source = "./" + source
			}
		} else {
			source, target, _ = strings.Cut(c.text(item), ":")
			target, _, _ = strings.Cut(target, ":")
		}
		if source == "" || !path.IsAbs(target) || kind != "" && kind != "bind" && kind != "volume" {
			continue // without a name it is found through the engine only
		}
		m := Mount{Target: path.Clean(target)}
		if strings.HasPrefix(source, ".") || strings.HasPrefix(source, "~") || filepath.IsAbs(source) {
			m.Source = c.path(source)
		} else {
			m.Volume = source
			m.Source = filepath.Join(c.Root, "volumes", c.volumeName(source), "_data")
			m.part(c.text(item.Get("volume").Get("subpath")))
		}
		if i := slices.IndexFunc(s.Mounts, func(have Mount) bool { return have.Target == m.Target }); i >= 0 {
			s.Mounts[i] = m // of what it extends, or overrides
			continue
		}
		s.Mounts = append(s.Mounts, m)
	}
}

// volumeName is how the engine calls a volume that the file calls key.
func (c *composeFile) volumeName(key string) string {
	for _, root := range append(slices.Clip(c.all), c.root) {
		v := root.Get("volumes").Get(key)
		if name := c.text(v.Get("name")); name != "" {
			return name
		}
		if e := v.Get("external"); e != nil && e.String() != "false" {
			if name := c.text(e.Get("name")); name != "" { // of version 2
				return name
			}
			return key
		}
	}
	return c.Project + "_" + key
}

// networks adds those that a service is in; alone says that it is in none of its own.
func (c *composeFile) networks(s *Service, t *conf.Tree) (alone bool) {
	switch mode := c.text(t.Get("network_mode")); {
	case mode == "host":
		s.HostNet = true
		return true
	case mode != "" && mode != "default":
		return true
	}
	n := t.Get("networks")
	keys := n.Keys()
	for _, item := range n.List() {
		keys = append(keys, item.String())
	}
	for _, key := range keys {
		if !slices.Contains(s.Networks, Network{Key: key}) {
			s.Networks = append(s.Networks, Network{Key: key})
		}
	}
	return false
}

// build takes the image that a Dockerfile's last stage begins with, where the
// service has one.
func (c *composeFile) build(s *Service, t *conf.Tree) {
	if t == nil {
		return
	}
	context, file := c.text(t), "Dockerfile"
	if inline := t.Get("dockerfile_inline").String(); inline != "" {
		if image := baseOf(inline, c.text(t.Get("target"))); image != "" {
			s.Image, s.Built = image, true
		}
		return
	}
	if t.IsSection() {
		context = c.text(t.Get("context"))
		if name := c.text(t.Get("dockerfile")); name != "" {
			file = name
		}
	}
	if strings.Contains(context, "://") || strings.HasPrefix(context, "git@") {
		c.note("%s: its Dockerfile lies elsewhere, and was not read", s.Name)
		return
	}
	if !filepath.IsAbs(file) {
		file = filepath.Join(c.path(context), file)
	}
	data, err := c.read(file)
	if err != nil {
		c.note("%s: its Dockerfile %s could not be read", s.Name, file)
		return
	}
	if image := baseOf(string(data), c.text(t.Get("target"))); image != "" {
		s.Image, s.Built = image, true
	}
}

// baseOf follows FROM from the last stage, or from the one called target, to an image.
func baseOf(dockerfile, target string) string {
	stages := map[string]string{}
	last := ""
	for line := range strings.Lines(dockerfile) {
		f := strings.Fields(line)
		if len(f) < 2 || !strings.EqualFold(f[0], "FROM") {
			continue
		}
		f = f[1:]
		for len(f) > 1 && strings.HasPrefix(f[0], "--") {
			f = f[1:]
		}
		last = f[0]
		if s, ok := stages[strings.ToLower(last)]; ok {
			last = s
		}
		if len(f) > 2 && strings.EqualFold(f[1], "AS") {
			stages[strings.ToLower(f[2])] = last
		}
	}
	if s, ok := stages[strings.ToLower(target)]; ok {
		last = s
	}
	if strings.Contains(last, "$") || last == "scratch" {
		return ""
	}
	return last
}
