package docker

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"sync"
	"time"

	"github.com/webgrip/logkeel/agent"
)

const (
	maxConfig = 4 << 20 // bytes of a container's configuration that are read
	maxCached = 1024    // containers
)

// files looks containers up in the folder in which the engine keeps them.
type files struct {
	dir     string // .../containers
	trouble *agent.Trouble

	mu    sync.Mutex
	cache map[string]cached
	bad   int // entries of cache without a container
}

// cached is what a file said, good while the file is the same.
type cached struct {
	modified  time.Time
	size      int64
	container *agent.Container // nil when it could not be read
}

func newFiles(dir string, log *slog.Logger) *files {
	return &files{dir: dir, trouble: agent.NewTrouble(log), cache: map[string]cached{}}
}

// container reads the configuration of the container, unless it was read before
// and has not changed.
func (f *files) container(id string) (*agent.Container, bool) {
	if !isID(id) {
		return nil, false
	}
	path := filepath.Join(f.dir, id, "config.v2.json")
	f.mu.Lock()
	defer f.mu.Unlock()
	old, seen := f.cache[id]
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		f.forget(id)
		return nil, false
	}
	now := cached{}
	if err == nil {
		now.modified, now.size = info.ModTime(), info.Size()
		if seen && now.size == old.size && now.modified.Equal(old.modified) {
			return old.container, old.container != nil
		}
		now.container, err = readConfig(path, id, info)
	}
	if err != nil {
		var pe *fs.PathError
		if errors.As(err, &pe) { // the path differs from one container to the next, the trouble does not
			err = pe.Err
		}
		f.trouble.Fail(err, "a container's configuration is not readable: its name and labels are not known; the agent has to read this file as root", "file", path)
	} else if old.container != nil && reflect.DeepEqual(old.container, now.container) {
		now.container = old.container
	}
	f.keep(id, now)
	return now.container, now.container != nil
}

func (f *files) keep(id string, c cached) {
	if _, seen := f.cache[id]; !seen && len(f.cache) >= maxCached {
		for other := range f.cache {
			f.forget(other)
			break
		}
	}
	wasBad := f.bad
	f.drop(id)
	f.cache[id] = c
	if c.container == nil {
		f.bad++
	}
	f.cleared(wasBad)
}

func (f *files) forget(id string) {
	wasBad := f.bad
	f.drop(id)
	f.cleared(wasBad)
}

func (f *files) drop(id string) {
	if old, seen := f.cache[id]; seen && old.container == nil {
		f.bad--
	}
	delete(f.cache, id)
}

func (f *files) cleared(wasBad int) {
	if wasBad > 0 && f.bad == 0 {
		f.trouble.Clear("the containers' configurations are readable again", "folder", f.dir)
	}
}

func readConfig(path, id string, info fs.FileInfo) (*agent.Container, error) {
	if !info.Mode().IsRegular() {
		return nil, errors.New("it is not a file")
	}
	r, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	data, err := io.ReadAll(io.LimitReader(r, maxConfig+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxConfig {
		return nil, fmt.Errorf("it is larger than %d MiB", maxConfig>>20)
	}
	return parseConfig(data, id)
}

// parseConfig reads a config.v2.json, which has to be that of the container.
func parseConfig(data []byte, id string) (*agent.Container, error) {
	var c struct {
		ID      string
		Name    string
		LogPath string
		Config  *struct {
			Image  string
			Labels map[string]string
		}
	}
	if err := json.Unmarshal(data, &c); err != nil {
		return nil, err
	}
	if c.ID != id || c.Config == nil {
		return nil, errors.New("it is not the configuration of this container")
	}
	return describe(id, c.Name, c.Config.Image, c.LogPath, c.Config.Labels), nil
}

// isID reports whether s is a container's full id: 64 hexadecimal digits.
func isID(s string) bool {
	if len(s) != 64 {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}
