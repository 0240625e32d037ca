package docker

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/webgrip/logkeel/agent"
)

const goodConfig = `{"State":{"Running":true},"ID":"%s","Config":{"Image":"nginx:1.27","Tty":true,"Labels":{"com.docker.compose.project":"shop","com.docker.compose.service":"web","tier":"front"}},"LogPath":"/x/y-json.log","Name":"/shop-web-1"}`

// writeConfig writes the file anew, with another time than it had before.
func writeConfig(t *testing.T, dir, id, text string) {
	t.Helper()
	path := filepath.Join(dir, id, "config.v2.json")
	modified := time.Unix(1700000000, 0)
	if info, err := os.Stat(path); err == nil {
		modified = info.ModTime().Add(time.Second)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(path, modified, modified); err != nil {
		t.Fatal(err)
	}
}

func TestFiles(t *testing.T) {
	f := newFiles(t.TempDir(), quiet)
	one := id("1")
	if _, ok := f.container(one); ok {
		t.Error("a container without a file is known")
	}
	writeConfig(t, f.dir, one, fmt.Sprintf(goodConfig, one))
	c, ok := f.container(one)
	want := &agent.Container{
		ID: one, Name: "shop-web-1", Image: "nginx:1.27", Project: "shop", Service: "web", LogPath: "/x/y-json.log",
		Labels: map[string]string{"com.docker.compose.project": "shop", "com.docker.compose.service": "web", "tier": "front"},
	}
	if !ok || !reflect.DeepEqual(c, want) {
		t.Fatalf("got %+v, want %+v", c, want)
	}
	// The engine writes the file at each change of state.
	writeConfig(t, f.dir, one, strings.Replace(fmt.Sprintf(goodConfig, one), "true", "false", 1))
	if again, _ := f.container(one); again != c {
		t.Error("a container that did not change has a new pointer")
	}
	writeConfig(t, f.dir, one, strings.Replace(fmt.Sprintf(goodConfig, one), "/shop-web-1", "/renamed", 1))
	if c, ok := f.container(one); !ok || c.Name != "renamed" {
		t.Errorf("after a rename: %+v", c)
	}
	if err := os.RemoveAll(filepath.Join(f.dir, one)); err != nil {
		t.Fatal(err)
	}
	if _, ok := f.container(one); ok || len(f.cache) != 0 {
		t.Error("a container whose file is gone is known")
	}
}

func TestFilesMalformed(t *testing.T) {
	one := id("1")
	for _, text := range []string{
		"", "null", "{}", "[]", `"x"`, "{", "\x00",
		strings.Replace(fmt.Sprintf(goodConfig, one), `"nginx:1.27"`, "7", 1),
		fmt.Sprintf(goodConfig, id("2")),
		fmt.Sprintf(`{"ID":"%s","Name":"/x"}`, one),
		fmt.Sprintf(goodConfig, one) + strings.Repeat(" ", maxConfig),
	} {
		var log bytes.Buffer
		f := newFiles(t.TempDir(), slog.New(slog.NewTextHandler(&log, nil)))
		writeConfig(t, f.dir, one, text)
		for range 3 {
			if c, ok := f.container(one); ok {
				t.Errorf("%.40q gave %+v", text, c)
			}
		}
		if n := strings.Count(log.String(), "configuration is not readable"); n != 1 {
			t.Errorf("%.40q was said %d times:\n%s", text, n, &log)
		}
		writeConfig(t, f.dir, one, fmt.Sprintf(goodConfig, one))
		if _, ok := f.container(one); !ok || !strings.Contains(log.String(), "readable again") {
			t.Errorf("%.40q: not known, or not said, once it is right:\n%s", text, &log)
		}
	}
}

func TestFilesUnreadable(t *testing.T) {
	var log bytes.Buffer
	f := newFiles(t.TempDir(), slog.New(slog.NewTextHandler(&log, nil)))
	// A file where a folder should be: an error that root gets, too.
	for _, d := range "0123456789abcdef" {
		one := id(string(d))
		if err := os.WriteFile(filepath.Join(f.dir, one), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, ok := f.container(one); ok {
			t.Error("a container that cannot be read is known")
		}
	}
	if n := strings.Count(log.String(), "\n"); n != 1 {
		t.Errorf("it was said %d times:\n%s", n, &log)
	}
	// A folder instead of the file.
	two := strings.Repeat("12", 32)
	if err := os.MkdirAll(filepath.Join(f.dir, two, "config.v2.json"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, ok := f.container(two); ok {
		t.Error("a folder is taken for a container's configuration")
	}
}

func TestFilesWrongID(t *testing.T) {
	root := t.TempDir()
	f := newFiles(filepath.Join(root, "containers"), quiet)
	for _, wrong := range []string{"", "..", "../x", id("1")[:63], id("1") + "1", id("A"), id("g"), strings.Repeat("../", 21) + "x"} {
		if _, ok := f.container(wrong); ok || isID(wrong) {
			t.Errorf("%q is taken for an id", wrong)
		}
	}
	if _, err := os.Stat(f.dir); !errors.Is(err, fs.ErrNotExist) || len(f.cache) != 0 {
		t.Error("a wrong id left something behind")
	}
}

func TestFilesBounded(t *testing.T) {
	f := newFiles(t.TempDir(), quiet)
	for i := range maxCached + 50 {
		var c cached
		if i%2 == 0 {
			c.container = &agent.Container{}
		}
		f.keep(fmt.Sprintf("%064x", i), c)
	}
	bad := 0
	for _, c := range f.cache {
		if c.container == nil {
			bad++
		}
	}
	if len(f.cache) != maxCached || f.bad != bad {
		t.Errorf("%d containers are cached, with %d malformed ones that count as %d", len(f.cache), bad, f.bad)
	}
}

func FuzzParseConfig(f *testing.F) {
	f.Add([]byte(fmt.Sprintf(goodConfig, id("1"))))
	f.Add([]byte(`{"ID":null,"Config":{"Labels":null}}`))
	f.Add([]byte(`{"Config":[]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := parseConfig(data, id("1"))
		if (c == nil) == (err == nil) {
			t.Fatalf("both or neither of %v and %v", c, err)
		}
		if err == nil && (c.ID != id("1") || c.Service != c.Labels["com.docker.compose.service"]) {
			t.Errorf("%q gave %+v", data, c)
		}
	})
}
