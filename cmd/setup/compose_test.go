package setup

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func lookUpNone(string) (string, bool) { return "", false }

// A pipe in a file's place is said, and not waited for.
func TestComposeWaitsForNoPipe(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "compose.yaml")
	text := "include: [pipe]\nservices: {app: {image: nginx, extends: {file: pipe, service: app}}}\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"pipe", ".env"} {
		if err := syscall.Mkfifo(filepath.Join(dir, name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	f, err := inspectCompose(file, "", lookUpNone)
	if err != nil || len(f.Services) != 1 || strings.Count(strings.Join(f.Notes, "\n"), "this is no file") != 3 {
		t.Errorf("%+v, %v", f, err)
	}
}

// Commands in a comment can be typed, whatever a folder is called.
func TestComposeCommandIsQuoted(t *testing.T) {
	t.Parallel()
	p := &Plan{Found: &Found{Project: "shop", Compose: "/srv/my shop/compose.yaml"}}
	if text := p.composeYAML("/srv/my shop"); !strings.Contains(text, "--file '/srv/my shop/compose.yaml' --file '/srv/my shop/compose.logkeel.yaml' up") {
		t.Errorf("%s", text)
	}
}
