//go:build release

package deploy_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// release clones HEAD into a folder and makes the release of it there, for one
// architecture.
func release(t *testing.T, into string, env ...string) {
	t.Helper()
	run := func(dir, name string, args ...string) {
		c := exec.Command(name, args...)
		c.Dir, c.Env = dir, append(os.Environ(), env...)
		if out, err := c.CombinedOutput(); err != nil {
			t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
		}
	}
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	run(root, "git", "clone", "--quiet", ".", into)
	run(into, "deploy/release.sh")
}

// Two builds of one commit, in different folders and by different users' settings,
// are the same bytes. What is tested is what is committed. `make release-check` does
// it with an empty cache.
func TestReleaseIsReproducible(t *testing.T) {
	t.Parallel()
	first, second := filepath.Join(t.TempDir(), "a"), filepath.Join(t.TempDir(), "elsewhere", "b")
	release(t, first, "ARCHES=amd64", "VERSION=v0.0.0-test", "TZ=Asia/Tokyo", "LC_ALL=C")
	release(t, second, "ARCHES=amd64", "VERSION=v0.0.0-test", "TZ=America/Lima", "GOFLAGS=-buildvcs=true", "CGO_ENABLED=1")
	var sums [2][]byte
	for i, dir := range []string{first, second} {
		b, err := os.ReadFile(filepath.Join(dir, "dist", "SHA256SUMS"))
		if err != nil {
			t.Fatal(err)
		}
		sums[i] = b
	}
	if !bytes.Equal(sums[0], sums[1]) || !bytes.HasSuffix(sums[0], []byte("  logkeel-v0.0.0-test-linux-amd64.tar.gz\n")) {
		t.Errorf("the sums are\n%sand\n%s", sums[0], sums[1])
	}
	archive := filepath.Join(first, "dist", "logkeel-v0.0.0-test-linux-amd64.tar.gz")
	if out, err := exec.Command("sh", "-c", `cd "$(dirname "$1")" && sha256sum --check SHA256SUMS`, "sh", archive).CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	inRelease(t, archive)
}

// inRelease looks at what is in an archive.
func inRelease(t *testing.T, archive string) {
	f, err := os.Open(archive)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	if z.Name != "" || !z.ModTime.IsZero() {
		t.Errorf("gzip has the name %q and the time %v", z.Name, z.ModTime)
	}
	have := map[string]bool{}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		_, name, _ := strings.Cut(h.Name, "/")
		have[name] = true
		if h.Uid != 0 || h.Gid != 0 || h.Uname != "" || h.Mode&0o022 != 0 || h.Mode&0o444 != 0o444 {
			t.Errorf("%s is of %d:%d %q, mode %o", h.Name, h.Uid, h.Gid, h.Uname, h.Mode)
		}
		if strings.HasSuffix(name, "_test.go") || strings.Contains(name, "testdata") {
			t.Errorf("%s is in the release", name)
		}
		if name == "logkeel" {
			program := filepath.Join(t.TempDir(), "logkeel")
			b, err := io.ReadAll(r)
			if err == nil {
				err = os.WriteFile(program, b, 0o700)
			}
			if err != nil {
				t.Fatal(err)
			}
			if out, err := exec.Command(program, "version").Output(); err != nil || !strings.Contains(string(out), "v0.0.0-test") {
				t.Errorf("it says the version %q: %v", out, err)
			}
		}
	}
	for _, name := range []string{
		"logkeel", "LICENSE", "LICENSES-of-others.txt", "CHANGELOG.md", "agent.yaml", "completions/logkeel.bash", "completions/logkeel.zsh", "completions/logkeel.fish",
		"deploy/Dockerfile", "deploy/compose.yaml", "deploy/logkeel/agent.yaml", "deploy/logkeel.service", "deploy/grafana/overview.json", "deploy/prometheus/scrape.yml",
		"deploy/invoiceninja/compose.yaml", "deploy/invoiceninja/logkeel/agent.yaml", "deploy/invoiceninja/mariadb/logkeel.sh",
	} {
		if !have[name] {
			t.Errorf("%s is not in the release", name)
		}
	}
}
