package testenv

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// An ImageSpec says what of this machine an image is made of. Busybox and its
// commands are in each.
type ImageSpec struct {
	Programs []string          // by name or path; they lie in /usr/bin, their libraries where they were
	Folders  []string          // of this machine, with all in them, at the same path
	Files    map[string]string // executable text by absolute path
	Binaries map[string]string // files of this machine by absolute path in the image
	Changes  []string          // instructions of a Dockerfile, as `ENTRYPOINT ["/x"]`
}

// ImageOf makes an image of this machine's own programs, and returns name: in
// place of one that would have to be pulled. The machine's libraries are
// looked up with ldd.
func (e *Engine) ImageOf(name string, spec ImageSpec) string {
	e.t.Helper()
	rootfs, err := busyboxRootfs()
	Need(e.t, "a static busybox (busybox-static)", err == nil)
	// Two archives, of which the second is read on: one writer closes, the other appends.
	more, err := spec.archive()
	if err != nil {
		e.t.Fatalf("testenv: image %s: %v", name, err)
	}
	args := []string{"import"}
	for _, c := range spec.Changes {
		args = append(args, "--change", c)
	}
	const trailer = 1024 // two empty blocks end an archive
	cmd := e.command(append(args, "-", name)...)
	cmd.Stdin = bytes.NewReader(append(rootfs[:len(rootfs)-trailer:len(rootfs)-trailer], more...))
	if out, err := cmd.CombinedOutput(); err != nil {
		e.t.Fatalf("testenv: docker import: %v\n%s", err, out)
	}
	return name
}

// archive is a tar archive of what the image has beside busybox.
func (s ImageSpec) archive() ([]byte, error) {
	a := archive{done: map[string]bool{"bin": true, "etc": true, "tmp": true}} // with busybox
	a.w = tar.NewWriter(&a.buf)
	for _, dir := range []string{"usr/bin", "run", "var/lib", "var/log", "proc", "sys", "dev"} {
		if err := a.folder(dir, 0o755); err != nil {
			return nil, err
		}
	}
	for _, program := range s.Programs {
		if err := a.program(program); err != nil {
			return nil, err
		}
	}
	for _, dir := range s.Folders {
		if err := a.tree(dir); err != nil {
			return nil, err
		}
	}
	for _, to := range slices.Sorted(maps.Keys(s.Binaries)) {
		if err := a.copy(s.Binaries[to], to); err != nil {
			return nil, err
		}
	}
	for _, to := range slices.Sorted(maps.Keys(s.Files)) {
		if err := a.file(to, []byte(s.Files[to]), 0o755); err != nil {
			return nil, err
		}
	}
	err := a.w.Close()
	return a.buf.Bytes(), err
}

// An archive is a root file system that grows.
type archive struct {
	buf  bytes.Buffer
	w    *tar.Writer
	done map[string]bool // paths that are in it
}

// program adds a program, and the libraries that it is linked with.
func (a *archive) program(name string) error {
	found, err := lookServer(name)
	if err != nil {
		return err
	}
	if err := a.copy(found, path.Join("/usr/bin", filepath.Base(found))); err != nil {
		return err
	}
	out, err := exec.Command("ldd", found).Output()
	if err != nil {
		return fmt.Errorf("ldd %s: %w", found, err)
	}
	// "libz.so.1 => /lib/x/libz.so.1 (0x7f…)", and the loader without an arrow.
	for line := range strings.Lines(string(out)) {
		for _, word := range strings.Fields(line) {
			if strings.HasPrefix(word, "/") {
				if err := a.copy(word, word); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// tree adds a folder of this machine with all in it.
func (a *archive) tree(dir string) error {
	return filepath.WalkDir(dir, func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		return a.copy(name, name)
	})
}

// copy adds a file of this machine, without the links that lead to it.
func (a *archive) copy(from, to string) error {
	if a.done[to] {
		return nil
	}
	info, err := os.Stat(from)
	if err != nil {
		return err
	}
	content, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return a.file(to, content, info.Mode().Perm())
}

func (a *archive) file(to string, content []byte, mode fs.FileMode) error {
	if err := a.folder(path.Dir(to), 0o755); err != nil || a.done[to] {
		return err
	}
	a.done[to] = true
	err := a.w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: strings.TrimPrefix(to, "/"), Mode: int64(mode), Size: int64(len(content))})
	if err == nil {
		_, err = a.w.Write(content)
	}
	return err
}

// folder adds a folder and those above it.
func (a *archive) folder(dir string, mode fs.FileMode) error {
	dir = strings.TrimPrefix(dir, "/")
	if dir == "" || dir == "." || a.done[dir] {
		return nil
	}
	if err := a.folder(path.Dir(dir), 0o755); err != nil {
		return err
	}
	a.done[dir] = true
	return a.w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: dir + "/", Mode: int64(mode)})
}
