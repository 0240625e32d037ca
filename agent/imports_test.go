package agent_test

import (
	"bytes"
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const (
	module   = "github.com/webgrip/logkeel"
	maxLines = 450
)

// TestImports holds the imports of all files that are not tests to one
// direction: cmd, then collectors, rules and outputs, then agent and its leaves.
func TestImports(t *testing.T) {
	root := ".."
	for _, file := range goFiles(t, root) {
		set := token.NewFileSet()
		f, err := parser.ParseFile(set, filepath.Join(root, file), nil, parser.ImportsOnly)
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		for _, spec := range f.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				t.Errorf("%s: %v", file, err)
			} else if why := forbidden(file, imported); why != "" {
				t.Errorf("%s:%d imports %s: %s", file, set.Position(spec.Pos()).Line, strings.TrimPrefix(imported, module+"/"), why)
			}
		}
	}
}

// TestFileLength wants files that hold one idea.
func TestFileLength(t *testing.T) {
	root := ".."
	for _, file := range goFiles(t, root) {
		data, err := os.ReadFile(filepath.Join(root, file))
		if err != nil {
			t.Fatal(err)
		}
		if n := bytes.Count(data, []byte("\n")); n > maxLines {
			t.Errorf("%s has %d lines, more than %d: it holds two ideas", file, n, maxLines)
		}
	}
}

// goFiles lists the module's Go files that are not tests, as slash paths.
func goFiles(t *testing.T, root string) []string {
	t.Helper()
	var files []string
	err := filepath.WalkDir(root, func(name string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if e.IsDir() && name != root && (e.Name()[0] == '.' || e.Name() == "testdata" || e.Name() == "node_modules") {
			return filepath.SkipDir
		}
		if !e.IsDir() && strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, "_test.go") {
			rel, err := filepath.Rel(root, name)
			if err != nil {
				return err
			}
			files = append(files, filepath.ToSlash(rel))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 10 {
		t.Fatalf("only %d files found in %s", len(files), root)
	}
	return files
}

// forbidden says why file may not import the package, or "".
func forbidden(file, imported string) string {
	from := path.Dir(file)
	layer, child := split(from)
	to, inside := strings.CutPrefix(imported, module+"/")
	if !inside {
		return forbiddenOutside(file, layer, child, imported)
	}
	toLayer, toChild := split(to)
	middle := []string{"collectors", "rules", "outputs"}
	switch {
	case to == "agent/testenv":
		return "servers for tests stay out of the program"
	case from == "agent":
		return "agent imports the standard library only"
	case layer == "agent" && toLayer != "agent":
		return "leaves of agent import agent, other leaves, and nothing above them"
	case toLayer == "cmd" && layer != "cmd":
		return "nothing imports cmd"
	case layer == "bench":
		return "what is measured is the program, from outside"
	case toLayer == "bench":
		return "nothing imports bench"
	case slices.Contains(middle, layer) && slices.Contains(middle, toLayer) && layer != toLayer:
		return fmt.Sprintf("%s and %s do not know each other: put an interface or a leaf into agent", layer, toLayer)
	case layer == toLayer && (layer == "collectors" || layer == "outputs") && child != "" && child != toChild:
		return fmt.Sprintf("siblings in %s do not know each other: put an interface or a leaf into agent", layer)
	}
	return ""
}

func forbiddenOutside(file, layer, child, imported string) string {
	first, _, _ := strings.Cut(imported, "/")
	switch {
	case !strings.Contains(first, "."):
		return "" // the standard library
	case layer == "agent" && child == "":
		return "agent imports the standard library only"
	case strings.HasPrefix(imported, "go.yaml.in/"):
		// Rules, collectors, matchers and notifiers may say how a type of theirs is written.
		at := layer + "/" + child
		if at != "agent/conf" && at != "agent/matchers" && at != "agent/notify" && at != "agent/webconf" && layer != "rules" && layer != "collectors" {
			return "files are read by agent/conf"
		}
	case strings.HasPrefix(imported, "github.com/docker/docker"):
		if ok, _ := path.Match("collectors/docker/client*.go", file); !ok {
			return "only collectors/docker/client*.go talk to the engine"
		}
	}
	return ""
}

// split gives the first two elements of a package's path in the module.
func split(pkg string) (layer, child string) {
	layer, rest, _ := strings.Cut(pkg, "/")
	child, _, _ = strings.Cut(rest, "/")
	return layer, child
}

func TestForbidden(t *testing.T) {
	for _, c := range []struct {
		file, imported string
		ok             bool
	}{
		{"agent/a.go", "go/parser", true},
		{"agent/a.go", "github.com/x/y", false},
		{"agent/a.go", module + "/agent/conf", false},
		{"agent/spool/a.go", module + "/agent", true},
		{"agent/spool/a.go", module + "/agent/conf", true},
		{"agent/spool/a.go", "github.com/x/y", true},
		{"agent/spool/a.go", module + "/outputs", false},
		{"agent/spool/a.go", module + "/cmd/logkeel", false},
		{"agent/spool/a.go", "go.yaml.in/yaml/v4", false},
		{"agent/conf/a.go", "go.yaml.in/yaml/v4", true},
		{"collectors/collectors.go", module + "/collectors/tail", true},
		{"collectors/tail/a.go", module + "/collectors/tail/json", true},
		{"collectors/tail/a.go", module + "/collectors/docker", false},
		{"collectors/tail/a.go", module + "/collectors", false},
		{"collectors/tail/a.go", module + "/rules", false},
		{"collectors/tail/a.go", module + "/agent/testenv", false},
		{"collectors/docker/client.go", "github.com/docker/docker/client", true},
		{"collectors/docker/client_usage.go", "github.com/docker/docker/api/types/container", true},
		{"collectors/docker/stats.go", "github.com/docker/docker/client", false},
		{"outputs/fluentd/a.go", module + "/outputs/email", false},
		{"outputs/fluentd/a.go", module + "/agent/forward", true},
		{"outputs/fluentd/a.go", "go.yaml.in/yaml/v4", false},
		{"rules/a.go", module + "/rules/packs", true},
		{"rules/packs/a.go", module + "/outputs", false},
		{"rules/a.go", "go.yaml.in/yaml/v4", true},
		{"cmd/logkeel/main.go", module + "/outputs", true},
		{"cmd/logkeel/main.go", "go.yaml.in/yaml/v4", false},
		{"bench/a.go", module + "/cmd/logkeel", false},
		{"bench/a.go", module + "/agent", false},
		{"bench/a.go", "github.com/x/y", true},
		{"cmd/logkeel/main.go", module + "/bench", false},
	} {
		if why := forbidden(c.file, c.imported); (why == "") != c.ok {
			t.Errorf("%s importing %s: %q", c.file, c.imported, why)
		}
	}
}
