package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// plain is a logkeel without the race detector, with which a command takes six
// times as long. It is built once, and only where this binary has the detector.
var plain struct {
	once sync.Once
	dir  string
	err  error
}

// program is the logkeel that a test starts with these arguments: one with the race
// detector, but for the commands that do one thing after another. What these call
// is tested with it as well: rules and configurations are loaded by most tests.
func program(t *testing.T, args []string) string {
	t.Helper()
	if !raced || !sequential(args) {
		return os.Args[0]
	}
	plain.once.Do(func() { plain.err = buildPlain() })
	if plain.err != nil {
		t.Fatal(plain.err)
	}
	return filepath.Join(plain.dir, "logkeel")
}

func buildPlain() (err error) {
	if plain.dir, err = os.MkdirTemp("", "logkeel-plain-"); err != nil {
		return err
	}
	cmd := exec.Command("go", "build", "-buildvcs=false", "-o", filepath.Join(plain.dir, "logkeel"), ".")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build: %w\n%s", err, out)
	}
	return nil
}

func sequential(args []string) bool {
	if len(args) == 0 || strings.HasPrefix(args[0], "-") {
		return true // help
	}
	switch args[0] {
	case "check":
		return !slices.Contains(args, "--send-test")
	case "init":
		return slices.Contains(args, "--no-scan")
	}
	return slices.Contains([]string{"completion", "explain", "health", "help", "schema", "silence", "test", "version"}, args[0])
}
