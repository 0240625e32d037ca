package docker

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/webgrip/logkeel/agent"
)

func TestOwner(t *testing.T) {
	root := t.TempDir()
	c := newCollector(t, Config{Root: root}, newFake())
	dir := func(id string) string { return filepath.Join(root, "containers", id) }
	write := func(id string) {
		t.Helper()
		if err := os.MkdirAll(dir(id), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir(id), id+"-json.log"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want := func(id string, want owner, why string) {
		t.Helper()
		if got := c.owner(id); got != want {
			t.Errorf("%s: %d, want %d", why, got, want)
		}
		if wanted := (FileReader{c}).Wanted(&agent.Container{ID: id}); wanted != (want == fromFile) {
			t.Errorf("%s: wanted from its file: %v", why, wanted)
		}
	}
	known := func(id, driver string) { c.facts[id] = facts{driver: driver} }

	write(id("1"))
	want(id("1"), fromFile, "a file that the engine has not told of")
	os.RemoveAll(dir(id("1")))
	known(id("1"), jsonFile)
	want(id("1"), fromFile, "the same without its file: it is settled")

	want(id("2"), nobody, "nothing is known")
	known(id("2"), "local")
	want(id("2"), fromAPI, "a driver without files")

	os.MkdirAll(dir(id("3")), 0o700)
	known(id("3"), jsonFile)
	want(id("3"), nobody, "a container that was not started yet")
	write(id("3"))
	want(id("3"), fromFile, "and now is")

	known(id("4"), jsonFile)
	want(id("4"), fromAPI, "an engine whose files are elsewhere")
	write(id("4"))
	want(id("4"), fromAPI, "also when a file appears")

	// What may pass is no reason to give the file up.
	os.MkdirAll(filepath.Join(dir(id("5")), id("5")+"-json.log"), 0o700)
	if os.Geteuid() != 0 {
		os.Chmod(dir(id("5")), 0)
		known(id("5"), jsonFile)
		want(id("5"), fromAPI, "a folder that may not be read")
		os.Chmod(dir(id("5")), 0o700)
	}

	if err := c.sync(t.Context(), newFake(&agent.Container{ID: id("4")}), false); err != nil {
		t.Fatal(err)
	}
	if len(c.owners) != 1 || c.owners[id("4")] != fromAPI {
		t.Errorf("after a list of one container the owners are %v", c.owners)
	}
}
