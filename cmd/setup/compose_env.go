package setup

import (
	"cmp"
	"maps"
	"os"
	"path/filepath"
	"strings"
)

// chosen are the Compose files of a project, the first one first.
type chosen struct {
	files []string
	own   map[string]string // of .env in the folder in which Compose is called
	given bool              // Compose looks for no override then
}

// chooseFiles are the files that Compose takes when it is called in a folder without
// any: those in COMPOSE_FILE, of the environment or of .env, or else the one whose
// name it knows. There are none where it would find none.
func chooseFiles(dir string, env func(string) (string, bool)) chosen {
	var c chosen
	if data, err := readFile(filepath.Join(dir, ".env")); err == nil {
		c.own = dotenv(string(data))
	}
	value := func(name string) string {
		if v, ok := env(name); ok {
			return v
		}
		return c.own[name]
	}
	between := cmp.Or(value("COMPOSE_PATH_SEPARATOR"), string(os.PathListSeparator))
	for name := range strings.SplitSeq(value("COMPOSE_FILE"), between) {
		if name == "" || filepath.Base(name) == composeName { // what was made here before
			continue
		}
		if !filepath.IsAbs(name) {
			name = filepath.Join(dir, name)
		}
		if abs, err := filepath.Abs(name); err == nil {
			name = abs
		}
		c.files, c.given = append(c.files, name), true
	}
	if file := composeIn(dir); !c.given && file != "" {
		c.files = []string{file}
	}
	return c
}

// variables are those of .env: first of the folder in which Compose is called, then of
// that in which its first file is.
func (c *composeFile) variables(called map[string]string) map[string]string {
	all := map[string]string{}
	maps.Copy(all, c.dotenv())
	maps.Copy(all, called)
	return all
}
