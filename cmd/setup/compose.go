package setup

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/webgrip/logkeel/agent/conf"
)

const (
	defaultRoot = "/var/lib/docker"
	maxFile     = 4 << 20 // bytes that are read of a file beside a Compose file
	maxNotes    = 100
)

// A composeFile is one that is being read.
type composeFile struct {
	*Found
	root  *conf.Tree
	all   []*conf.Tree                 // of the project's own files, the last one first
	later []*conf.Tree                 // of those that come after this one
	dir   string                       // that its paths begin at
	own   map[string]string            // .env beside it
	env   func(string) (string, bool)  // of this process
	read  func(string) ([]byte, error) // of files
	files map[string]bool              // others that were read
	said  map[string]bool              // variables that are not set
}

// inspectCompose reads a Compose file, and what it names: env_file and Dockerfiles.
func inspectCompose(file, project string, env func(string) (string, bool)) (*Found, error) {
	return inspectFiles(chosen{files: []string{file}}, project, env)
}

// inspectFiles reads the first of the files, and what the others say beside it.
func inspectFiles(which chosen, project string, env func(string) (string, bool)) (*Found, error) {
	file := which.files[0]
	abs, err := filepath.Abs(file)
	if err != nil {
		return nil, err
	}
	data, err := readFile(file)
	if err != nil {
		return nil, fmt.Errorf("read the Compose file: %w", err)
	}
	root, err := conf.ParseTree(file, data)
	if err != nil {
		return nil, err
	}
	c := &composeFile{
		Found: &Found{Origin: file, Project: project, Dir: filepath.Dir(abs), Compose: abs, Root: defaultRoot},
		root:  root, dir: filepath.Dir(abs), env: env, read: readFile, said: map[string]bool{}, files: map[string]bool{"include " + abs: true},
	}
	c.own = c.variables(which.own)
	more := c.others(which)
	services := root.Get("services")
	if !services.IsSection() && !slices.ContainsFunc(more, func(o *composeFile) bool { return o.root.Get("services").IsSection() }) {
		return nil, &conf.Error{File: file, Line: max(1, lineOf(services)), Field: "services", Msg: "there are no services", Hint: "name a Compose file; its services stand under services:"}
	}
	c.Project = c.project()
	for _, name := range services.Keys() {
		s := services.Get(name)
		if !s.IsSection() {
			return nil, &conf.Error{File: file, Line: s.Line, Field: "services." + name, Msg: "expected a section (keys and values)", Hint: `write "image: NAME" below it, indented`}
		}
		c.service(name, s)
	}
	c.include(1)
	for _, o := range more {
		c.merge(o)
	}
	c.finish()
	return c.Found, nil
}

func lineOf(t *conf.Tree) int {
	if t == nil {
		return 0
	}
	return t.Line
}

func readFile(name string) ([]byte, error) {
	f, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a pipe is not waited for
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && !info.Mode().IsRegular() {
		return nil, &fs.PathError{Op: "read", Path: name, Err: errors.New("this is no file")}
	}
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(data) > maxFile {
		err = &fs.PathError{Op: "read", Path: name, Err: fmt.Errorf("it is larger than %d MiB", maxFile>>20)}
	}
	return data, err
}

// projectOf is the project's name that Compose makes of a folder's.
func projectOf(dir string) string {
	name := strings.Map(func(r rune) rune {
		if r == '-' || r == '_' || r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, strings.ToLower(dir))
	return strings.TrimLeft(name, "-_")
}

func (c *composeFile) note(format string, args ...any) {
	if len(c.Notes) < maxNotes {
		c.Notes = append(c.Notes, fmt.Sprintf(format, args...))
	}
}

// value is a variable as Compose sees it: of the environment, or of .env.
func (c *composeFile) value(name string) string {
	v, _ := c.lookup(name)
	return v
}

func (c *composeFile) lookup(name string) (string, bool) {
	if v, ok := c.env(name); ok {
		return v, true
	}
	v, ok := c.own[name]
	return v, ok
}

// text is a scalar with its variables replaced.
func (c *composeFile) text(t *conf.Tree) string {
	s, missing := interpolate(t.String(), c.lookup)
	for _, m := range missing {
		if !c.said[m] {
			c.said[m] = true
			c.note("the variable %s is not set; line %d needs it", m, t.Line)
		}
	}
	return s
}

func (c *composeFile) service(name string, t *conf.Tree) {
	labels := c.pairs(t.Get("labels"))
	if labels[ignoreLabel] == "true" || name == ownService || c.overridden(name, t) == nil {
		return
	}
	for i := range c.Services {
		if c.Services[i].Name == name { // of a file that is included twice
			return
		}
	}
	s := Service{Name: name, Project: c.Project}
	s.Alone = c.fill(&s, t, 1)
	c.Services = append(c.Services, s)
}

// fill adds what the file says of a service to what is known of it. alone says that it
// is in no network of its own.
func (c *composeFile) fill(s *Service, t *conf.Tree, depth int) (alone bool) {
	alone = c.extends(s, t, depth)
	t = c.overridden(s.Name, t)
	if image := c.text(t.Get("image")); image != "" {
		s.Image, s.Built = image, false
	}
	s.Title = cmp.Or(c.pairs(t.Get("labels"))[titleLabel], s.Title)
	s.TTY = s.TTY || t.Get("tty").String() == "true"
	c.build(s, t.Get("build"))
	c.environment(s, t)
	c.ports(s, t)
	c.volumes(s, t.Get("volumes"))
	if t.Get("network_mode") != nil || t.Get("networks") != nil {
		alone = c.networks(s, t)
	}
	for _, p := range t.Get("profiles").List() {
		s.Profiles = append(s.Profiles, c.text(p))
	}
	c.health(s, t.Get("healthcheck").Get("test"))
	var command []string
	for _, key := range []string{"entrypoint", "command"} {
		for _, a := range t.Get(key).List() {
			command = append(command, a.String())
		}
	}
	if len(command) > 0 {
		s.setCommand(command)
	}
	if l := t.Get("logging"); l != nil {
		options := c.pairs(l.Get("options"))
		s.Log = Log{Driver: c.text(l.Get("driver")), MaxSize: options["max-size"], MaxFile: options["max-file"], Async: asynchronous(options)}
	}
	return alone
}

// pairs reads a section, or a list of NAME=value.
func (c *composeFile) pairs(t *conf.Tree) map[string]string {
	all := map[string]string{}
	for _, k := range t.Keys() {
		all[k] = c.text(t.Get(k))
	}
	for _, item := range t.List() {
		name, value, _ := strings.Cut(item.String(), "=")
		all[name], _ = interpolate(value, c.lookup)
	}
	return all
}

// environment keeps names. What a variable is set to, and where that comes from, is
// nobody's business: it is not said either when it is not set.
func (c *composeFile) environment(s *Service, t *conf.Tree) {
	for _, item := range t.Get("env_file").List() {
		file := item
		if item.IsSection() {
			file = item.Get("path")
		}
		path := c.path(c.text(file))
		data, err := c.read(path)
		if err != nil {
			if item.Get("required").String() != "false" {
				c.note("%s: the env_file %s could not be read: %v", s.Name, path, errors.Unwrap(err))
			}
			continue
		}
		for name, value := range dotenv(string(data)) {
			s.setEnv(name, value)
		}
	}
	set := func(name, value string, given bool) {
		if !harmless[name] {
			value = ""
		} else if given {
			value, _ = interpolate(value, c.lookup)
		} else {
			value = c.value(name)
		}
		s.setEnv(name, value)
	}
	env := t.Get("environment")
	for _, k := range env.Keys() {
		set(k, env.Get(k).String(), true)
	}
	for _, item := range env.List() {
		name, value, given := strings.Cut(item.String(), "=")
		set(name, value, given)
	}
}

// path is one that a Compose file names.
func (c *composeFile) path(name string) string {
	if home, ok := c.env("HOME"); ok && (name == "~" || strings.HasPrefix(name, "~/")) {
		return filepath.Join(home, strings.TrimPrefix(name[1:], "/"))
	}
	if filepath.IsAbs(name) {
		return filepath.Clean(name)
	}
	return filepath.Join(c.dir, name)
}

// health takes a command as a text, or as a list that begins with CMD.
func (c *composeFile) health(s *Service, t *conf.Tree) {
	var words []string
	for _, w := range t.List() {
		text, _ := interpolate(w.String(), c.lookup)
		words = append(words, text)
	}
	s.setHealth(strings.Join(words, " "))
}
