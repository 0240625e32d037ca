package integrity

import (
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// An entry is what the oracle knows of a file or folder.
type entry struct {
	content string // of a folder "/"
	mode    uint32
	uid     uint32
}

// look is the oracle's own walk.
func look(t *testing.T, dir string) map[string]entry {
	t.Helper()
	all := map[string]entry{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		var st unix.Stat_t
		if err == nil {
			err = unix.Lstat(path, &st)
		}
		e := entry{content: "/", mode: st.Mode, uid: st.Uid}
		if err == nil && d.Type()&fs.ModeSymlink != 0 {
			e.content, err = os.Readlink(path)
		} else if err == nil && !d.IsDir() {
			var data []byte
			data, err = os.ReadFile(path)
			e.content = string(data)
		}
		all[path] = e
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// differences are what has to be found.
func differences(old, is map[string]entry) (want []string) {
	add := func(k kind, path string) { want = append(want, k.String()+" "+path) }
	for path, n := range is {
		o, known := old[path]
		folder, was := n.mode&unix.S_IFMT == unix.S_IFDIR, o.mode&unix.S_IFMT == unix.S_IFDIR
		same := known && folder == was
		loose := n.mode & worldWritable
		switch {
		case n.mode&unix.S_IFMT == unix.S_IFLNK, folder && n.mode&unix.S_ISVTX != 0:
			loose = 0
		case !folder:
			loose = n.mode & looseBits
		}
		if !same && !folder {
			add(kindAdded, path)
		}
		if same && (o.content != n.content || o.mode&unix.S_IFMT != n.mode&unix.S_IFMT) {
			add(kindChanged, path)
		}
		if same && o.uid != n.uid {
			add(kindOwner, path)
		}
		wider := loose != 0
		if same && o.mode&unix.S_IFMT == n.mode&unix.S_IFMT {
			wider = loose&^o.mode != 0
			if o.mode != n.mode && !wider {
				add(kindMode, path)
			}
		}
		if wider {
			add(looseKind(loose), path)
		}
	}
	for path, o := range old {
		if o.mode&unix.S_IFMT == unix.S_IFDIR {
			continue
		}
		if n, there := is[path]; !there || n.mode&unix.S_IFMT == unix.S_IFDIR {
			add(kindRemoved, path)
		}
	}
	slices.Sort(want)
	return want
}

// TestModel does random things to files, and wants what an oracle finds that
// compares all contents: by walks, by looks at the folders in which something was
// done, and through restarts.
func TestModel(t *testing.T) {
	for seed := range uint64(12) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 1))
			w := &world{T: t, dir: t.TempDir(), state: filepath.Join(t.TempDir(), "x", "y"), later: 0}
			for range 20 {
				w.anything(r, map[string]bool{})
			}
			w.start("paths: D")
			w.must(w.walk())
			w.must(w.rehash())
			w.take()
			old := look(t, w.dir)
			for step := range 40 {
				touched := map[string]bool{}
				for range 1 + r.IntN(4) {
					w.anything(r, touched)
				}
				is := look(t, w.dir)
				how := w.lookAgain(r, touched)
				if got, want := w.all(), differences(old, is); !slices.Equal(got, want) {
					t.Fatalf("step %d, %s: found\n%s\nwant\n%s", step, how, strings.Join(got, "\n"), strings.Join(want, "\n"))
				}
				old = is
			}
		})
	}
}

// all is take, with whole paths.
func (w *world) all() (lines []string) {
	for _, f := range w.found {
		lines = append(lines, f.kind.String()+" "+f.path)
		w.counts[f.kind]--
	}
	for k, n := range w.counts {
		if n != 0 {
			w.Fatalf("%d %s are not told", n, kind(k))
		}
	}
	w.found = nil
	slices.Sort(lines)
	return lines
}

func (w *world) lookAgain(r *rand.Rand, touched map[string]bool) string {
	switch r.IntN(4) {
	case 0:
		w.must(w.walk())
		return "a walk"
	case 1:
		w.must(w.restart("restart", ""))
		w.must(w.walk())
		return "a restart"
	case 2:
		w.must(w.walk())
		w.must(w.rehash())
		return "a walk, and all is read again"
	}
	folders := slices.Sorted(maps.Keys(touched))
	c, err := w.w.some(w.Context(), folders)
	w.must(err)
	w.add(c)
	return "a look at " + strings.Join(folders, " ")
}

func somePath(r *rand.Rand) string {
	names := make([]string, 1+r.IntN(3))
	for i := range names {
		names[i] = string(rune('a' + r.IntN(3)))
	}
	return filepath.Join(names...)
}

// anything does something to a path, which may fail, and notes the folders that a
// notification would name.
func (w *world) anything(r *rand.Rand, touched map[string]bool) {
	a, b := w.path(somePath(r)), w.path(somePath(r))
	note := func(paths ...string) {
		for _, p := range paths {
			for ; p != w.dir; p = filepath.Dir(p) {
				touched[p], touched[filepath.Dir(p)] = true, true
			}
		}
	}
	note(a)
	switch r.IntN(9) {
	case 0, 1:
		os.MkdirAll(filepath.Dir(a), 0o755)
		os.WriteFile(a, []byte(somePath(r)), 0o644)
	case 2:
		os.RemoveAll(a)
	case 3, 4:
		note(b)
		os.Rename(a, b)
	case 5:
		if _, err := os.Stat(a); err == nil { // chmod follows links
			os.Chmod(a, []os.FileMode{0o644, 0o600, 0o666, 0o755, 0o755 | os.ModeSetuid, 0o777 | os.ModeSticky}[r.IntN(6)])
		}
	case 6:
		os.Lchown(a, r.IntN(3), 0)
	case 7:
		if fi, err := os.Lstat(a); err == nil && fi.Mode().IsRegular() {
			os.Chtimes(a, fi.ModTime().Add(-1e9), fi.ModTime().Add(-1e9))
		}
	case 8:
		os.Symlink("nowhere", a)
	}
}
